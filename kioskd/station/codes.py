"""Codes at a kiosk: what a scanner or camera read, as inputs of the session. The rules are ``core.checkin``.

A code that is a card goes the way of a chip card. A letter or a number needs the birth date beside it, and whoever
does not know it learns nothing: a number that nobody has and a birth date that differs are answered alike. Everything
else is a kind word on the welcome page. No code is logged, only its kind and length.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from kioskd.config import SiteConfig
from kioskd.core import birth_date, checkin
from kioskd.core.birth_date import TypedDate
from kioskd.core.checkin import Step
from kioskd.core.events import PatientIdentified
from kioskd.core.identity import Card, Identified, Reason, Refused
from kioskd.core.patient import Patient
from kioskd.core.payload import (
    CardPayload,
    LetterPayload,
    LinkPayload,
    NumberPayload,
    Payload,
    Stranger,
    Unknown,
    Unusable,
    log_words,
)
from kioskd.news import News
from kioskd.ports import Camera, CameraPicture, Hub
from kioskd.station.screen import Screen

log = logging.getLogger(__name__)

Found = Identified | Refused

_ALIKE = frozenset({Reason.NO_PATIENT, Reason.SEVERAL_PATIENTS, Reason.BIRTH_DATE_DIFFERS})
"""To whom a number was shown, these are one answer: that the date does not fit."""


class Session(Protocol):
    """What the session at the kiosk does for a code as for a card."""

    async def ask_who(self, answer: Awaitable[Found]) -> Found:
        """The hub's answer; that it could not be had is a Refused too."""

    async def refuse(self, session_id: UUID, reason: Reason, patient: Patient | None = None) -> None:
        """To the desk, with a help ticket."""

    async def abandon(self, session_id: UUID, reason: Reason) -> None:
        """It ended without a ticket: staff see why."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """As in ``Kiosk``."""

    steady: Callable[[], datetime]
    wall: Callable[[], datetime]


class Codes:
    """The scanners and cameras of one kiosk, and what they read."""

    def __init__(
        self, station: str, site: SiteConfig, screen: Screen, hub: Hub, news: News, clocks: Clocks, session: Session
    ) -> None:
        self._station = station
        self._site = site
        self._screen = screen
        self._hub = hub
        self._news = news
        self._clocks = clocks
        self._session = session
        self._cameras: dict[str, Camera] = {}

    # --- the devices ---------------------------------------------------------------------------------------

    def scanner_ready(self, name: str, camera: Camera | None = None) -> None:
        """A scanner can be used from now on; ``camera`` where it has a picture to show."""
        if camera is not None:
            self._cameras[name] = camera
        self._tell(self._screen.scanners | {name})

    def scanner_gone(self, name: str) -> None:
        """It can't be used any more."""
        self._cameras.pop(name, None)
        self._tell(self._screen.scanners - {name})

    def _tell(self, scanners: frozenset[str]) -> None:
        self._screen.scanners = scanners
        self._screen.has_camera = bool(self._cameras)
        self._screen.tell()

    def look(self) -> CameraPicture | None:
        """What the camera sees, while codes are taken; None: there is nothing to show."""
        if self._screen.session.step is not Step.WELCOME:
            return None
        return next((picture for camera in self._cameras.values() if (picture := camera.look())), None)

    async def code_incomplete(self) -> None:
        """There was a code, and it did not come whole."""
        self._no_use("code-again")

    async def code_read(self, payload: Payload, length: int) -> None:
        """A code of ``length`` bytes was read and understood."""
        s = self._screen.session
        if s.step is not Step.WELCOME:
            log.info("a code came while somebody else stands at the kiosk: %s", log_words(payload, length))
            return
        log.info("a code was read: %s", log_words(payload, length))
        if not s.is_hub_there:
            await self._session.abandon(s.id, Reason.HUB_UNREACHABLE)
            return
        match payload:
            case CardPayload(card=card):
                self._screen.show(checkin.code_shown(s, None, self._clocks.steady()))
                await self._card_shown(s.id, card)
            case LetterPayload() | NumberPayload():
                self._screen.show(checkin.code_shown(s, payload, self._clocks.steady()))
            case Unusable(reason=reason) if reason is not Reason.CODE_UNUSABLE:
                await self._session.refuse(s.id, reason)
            case Unusable():
                await self._of_no_use("code-again", Reason.CODE_UNUSABLE)
            case Stranger(kind=kind):
                await self._of_no_use(kind.value, Reason.CODE_NOT_FOR_US)
            case LinkPayload() | Unknown():
                await self._of_no_use("code-unknown", Reason.CODE_UNKNOWN)

    def _no_use(self, notice: str) -> None:
        self._screen.show(checkin.code_of_no_use(self._screen.session, notice, self._clocks.steady()))

    async def _of_no_use(self, notice: str, reason: Reason) -> None:
        s = self._screen.session
        is_said = s.notice == notice
        self._no_use(notice)
        if not is_said:  # once: a camera sees the same poster all day
            await self._session.abandon(s.id, reason)

    # --- who it is -----------------------------------------------------------------------------------------

    async def _card_shown(self, session_id: UUID, card: Card) -> None:
        found = await self._session.ask_who(self._hub.identify(card, self._clocks.wall()))
        if isinstance(found, Refused):
            await self._session.refuse(session_id, found.reason, found.patient)
        else:
            self._identified(session_id, card, found)

    async def birth_date_given(self, session_id: UUID, typed: TypedDate) -> None:
        """What the patient typed: returns when it is known who they are, or that it can't be known here."""
        s = self._screen.session
        proof = s.proof
        if s.id != session_id or s.step is not Step.BIRTH_DATE or proof is None:
            return
        today = self._clocks.wall().astimezone(self._site.zone).date()
        born = birth_date.read(typed, today)
        if born is None:
            self._screen.show(checkin.date_impossible(s, typed, self._clocks.steady()))
            return
        self._screen.show(checkin.date_given(s, typed, self._clocks.steady()))
        at = self._clocks.wall()
        if isinstance(proof, LetterPayload):
            asking = self._hub.identify_letter(proof.letter, born, at)
        else:
            asking = self._hub.identify_number(proof.identifier, born, proof.is_shared_by_family, at)
        found = await self._session.ask_who(asking)
        if isinstance(found, Identified):
            self._identified(session_id, None, found)
        elif found.reason in _ALIKE and s.wrong_dates + 1 < checkin.MOST_WRONG_DATES:
            if self._screen.session.id == session_id:
                self._screen.show(checkin.date_differs(self._screen.session, self._clocks.steady()))
        else:
            await self._session.refuse(session_id, found.reason, found.patient)

    def _identified(self, session_id: UUID, card: Card | None, found: Identified) -> None:
        s, now = self._screen.session, self._clocks.steady()
        if s.id == session_id and s.step is Step.LOOKING_UP:
            self._screen.show(checkin.identified(s, card, found, now))
            self._news.publish(PatientIdentified(now, self._station, session_id))
