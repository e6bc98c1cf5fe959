"""The check-in session of one kiosk. Implements ``station.view.KioskSession``; the rules are ``core.checkin``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from kioskd.config import SiteConfig
from kioskd.core import checkin
from kioskd.core.birth_date import TypedDate
from kioskd.core.checkin import ASKING_STEPS, Step
from kioskd.core.events import CardRemoved, CardSeen, CheckInRefused, PatientIdentified
from kioskd.core.identity import Card, Identified, Reason, Refused
from kioskd.core.patient import Patient
from kioskd.core.printing import PrintJob
from kioskd.errors import KioskdError, RuleViolation, StoreError, Unreachable
from kioskd.news import News
from kioskd.ports import CameraPicture, CheckInRequest, HelpRequest, Hub
from kioskd.station.asking_again import AskingAgain
from kioskd.station.checkins import ASK_WITHIN_S, CheckIns, within
from kioskd.station.clearing import Clearing
from kioskd.station.codes import Clocks, Codes
from kioskd.station.printing import PrintQueue
from kioskd.station.screen import Screen
from kioskd.station.view import KioskView

log = logging.getLogger(__name__)


class Kiosk:
    """One touchscreen with its reader, scanners (``codes``) and printers.

    ``clock`` gives aware UTC that no change of the machine's clock moves: a name is on screen that long, no longer.
    ``wall_clock`` is the machine's own, for what others read; the same if none is given. ``broken_off`` is told why
    an attempt ended without a ticket. ``place_of``: where a printer stands, for a ticket that comes out elsewhere.
    ``has_reader``: whether the site file names a card reader.
    """

    def __init__(
        self,
        station: str,
        site: SiteConfig,
        hub: Hub,
        checkins: CheckIns,
        queue: PrintQueue,
        news: News,
        clock: Callable[[], datetime],
        is_hub_there: bool = True,
        ask_within_s: float = ASK_WITHIN_S,
        wall_clock: Callable[[], datetime] | None = None,
        broken_off: Callable[[Reason], Awaitable[None]] | None = None,
        place_of: Callable[[str], str] = lambda printer: "",
        has_reader: bool = True,
    ) -> None:
        self.station = station
        self._site = site
        self._hub = hub
        self._checkins = checkins
        self._queue = queue
        self._news = news
        self._clock = clock
        self._wall_clock = wall_clock or clock
        self._broken_off = broken_off
        self._ask_within_s = ask_within_s
        self._screen = Screen(station, site, news, clock, self._wall_clock, is_hub_there, place_of)
        self._screen.has_reader = has_reader
        self.codes = Codes(station, site, self._screen, hub, news, Clocks(clock, self._wall_clock), self)
        self._clearing = Clearing(self._screen, site.languages[0], clock, self._restart, self.abandon)
        self._reading: UUID | None = None
        """The session whose card is being read; None for a card that came while another one's answer was awaited."""
        self._asking_again = AskingAgain(self.recover, lambda: self._screen.session.is_hub_there)
        queue.changed = self._screen.sheet_changed

    # --- the page ------------------------------------------------------------------------------------------

    def view(self) -> KioskView:
        return self._screen.view()

    def look(self) -> CameraPicture | None:
        return self.codes.look()

    async def give_birth_date(self, session_id: UUID, typed: TypedDate) -> None:
        await self.codes.birth_date_given(session_id, typed)

    async def confirm(self, session_id: UUID) -> None:
        s = self._screen.session
        if s.id != session_id or s.step is not Step.CONFIRM or s.patient is None or s.appointment is None:
            return
        self._screen.show(checkin.confirmed(s, self._clock()))
        request = CheckInRequest(
            check_in_id=s.id,
            station=self.station,
            arrived_at=self._screen.on_the_wall(s.arrived_at),
            patient=s.patient,
            appointment=s.appointment,
            card_kind=s.card.kind if s.card else s.shown,
            language=s.language,
            is_card_wanted=checkin.is_card_wanted(s),
        )
        try:
            reply, added = await self._checkins.check_in(request)
        except RuleViolation as error:
            log.warning("check-in %s was refused by the hub: %s", request.check_in_id, error.rule)
            await self.refuse(s.id, Reason.NO_APPOINTMENT)
        except (Unreachable, StoreError) as error:
            # Whether the hub has it is open, so no help ticket: the intent is asked again, the desk is there.
            log.warning("check-in %s is not answered yet: %s", request.check_in_id, error)
            self._screen.give_up(s.id, is_noted=not isinstance(error, StoreError))
        else:
            self._screen.answered(s.id, reply, added)
            await self._begin_to_print(s.id, reply.check_in_id, added)

    async def deny(self, session_id: UUID) -> None:
        if self._screen.session.id == session_id and self._screen.session.step is Step.CONFIRM:
            # Whose card it is must not reach the help ticket: this person says that they are somebody else.
            await self.refuse(session_id, Reason.NOT_ME, is_person_known=False)

    async def ask_for_help(self, session_id: UUID) -> None:
        # What is being committed as a check-in can't become a help ticket as well.
        if self._screen.session.step is not Step.CHECKING_IN:
            await self.refuse(session_id, Reason.ASKED_FOR_HELP)

    async def need_more_time(self, session_id: UUID) -> None:
        if self._screen.session.id == session_id:
            self._screen.show(checkin.touched(self._screen.session, self._clock()))

    async def close(self, session_id: UUID) -> None:
        ended = self._screen.session
        if ended.id == session_id and ended.step in {Step.DONE, Step.HELP, *ASKING_STEPS}:
            await self._restart()
            if ended.step in ASKING_STEPS:
                await self.abandon(ended.id, Reason.CLOSED)

    async def choose_language(self, language: str) -> None:
        if language in self._site.languages:
            self._screen.show(checkin.language_chosen(self._screen.session, language, self._clock()))

    # --- the reader ----------------------------------------------------------------------------------------

    async def card_seen(self) -> None:
        now = self._clock()
        ended, printed_for = self._screen.session, self._screen.sheets.printed_for
        begun = checkin.card_seen(self._screen.session, uuid4(), now)
        if begun.id != ended.id:  # the next person, whose language nobody knows yet
            begun = checkin.language_chosen(begun, self._site.languages[0], now)
        self._screen.show(begun)
        self._reading = self._screen.session.id if self._screen.session.step is Step.READING else None
        self._news.publish(CardSeen(now, self.station))
        if self._screen.session.id != ended.id:
            await self._end_session(ended.id, printed_for)
            if ended.step in ASKING_STEPS:
                await self.abandon(ended.id, Reason.ANOTHER_CARD)
        if begun.step is Step.TAKE_CARD:  # the hub is away: the page says so, and the card must come out
            await self.abandon(begun.id, Reason.HUB_UNREACHABLE)

    async def card_read(self, card: Card) -> None:
        """The card was read whole: find its patient and appointment."""
        session_id = self._reading
        if session_id is None:
            return
        found = await self.ask_who(self._hub.identify(card, self._wall_clock()))
        if isinstance(found, Refused):
            await self.refuse(session_id, found.reason, found.patient)
        elif self._screen.session.id == session_id and self._screen.session.step is Step.READING:
            now = self._clock()
            self._screen.show(checkin.identified(self._screen.session, card, found, now))
            self._news.publish(PatientIdentified(now, self.station, session_id))

    async def card_unreadable(self, reason: Reason) -> None:
        """Taken out too early is a hint on the welcome page; everything else is a help ticket."""
        if reason is Reason.CARD_REMOVED_EARLY:
            ended = self._screen.session
            self._screen.show(checkin.card_removed(self._screen.session, self._clock()))
            if ended.step is Step.READING:
                await self.abandon(ended.id, reason)
        elif self._reading is not None:
            await self.refuse(self._reading, reason)

    async def card_removed(self) -> None:
        now = self._clock()
        self._screen.show(checkin.card_removed(self._screen.session, now))
        self._news.publish(CardRemoved(now, self.station))

    def card_found_in(self) -> None:
        """A card that was tried before its reader failed is still in it."""
        self._screen.show(checkin.card_found_in(self._screen.session))

    async def card_lost(self) -> None:
        """A reader failed with a card in it; a patient whose card is being read goes to the desk."""
        if self._screen.session.step is Step.READING:
            await self.refuse(self._screen.session.id, Reason.READER_FAILED)
        self._screen.show(checkin.card_removed(self._screen.session, self._clock()))

    @property
    def is_card_needed(self) -> bool:
        """Whether somebody may leave a card in: until their turn is over."""
        return self._screen.session.step not in {Step.WELCOME, Step.TAKE_CARD, Step.DONE, Step.HELP}

    async def reader_ready(self, is_ready: bool) -> None:
        """There is a reader to put a card into, or there is none."""
        self._screen.is_reader_ready = is_ready
        if not is_ready:
            await self.card_lost()
        self._screen.tell()

    # --- asking the hub ------------------------------------------------------------------------------------

    def hub_changed(self, is_there: bool) -> None:
        """The hub came, and is asked at once what was left open; or it went, and the page says so."""
        s = self._screen.session
        self._screen.show(checkin.hub_returned(s) if is_there else checkin.hub_left(s))
        if is_there:
            self._asking_again.hub_returned()

    async def ask_who(self, answer: Awaitable[Identified | Refused]) -> Identified | Refused:
        """The hub's answer to who somebody is; that it could not be had in time is a Refused too."""
        try:
            return await within(answer, self._ask_within_s)
        except KioskdError as error:
            log.warning("records could not be asked for a patient: %s", error)
            is_hub_there = self._screen.session.is_hub_there
            return Refused(Reason.RECORDS_UNREACHABLE if is_hub_there else Reason.HUB_UNREACHABLE)

    async def refuse(
        self, session_id: UUID, reason: Reason, patient: Patient | None = None, is_person_known: bool = True
    ) -> None:
        """To the desk, with a help ticket; nothing where the session is another one or over."""
        s = self._screen.session
        now = self._clock()
        if s.id != session_id:
            return
        refused = checkin.refused(s, reason, now, patient)
        if refused is s:
            return
        self._screen.show(refused)
        person = refused.patient if is_person_known else None
        request = HelpRequest(
            s.id, self.station, self._screen.on_the_wall(refused.arrived_at), reason, s.language, person
        )
        try:
            reply, added = await self._checkins.ask_for_help(request)
        except (Unreachable, StoreError) as error:
            log.warning("help ticket %s is not answered yet: %s", s.id, error)
            self._screen.give_up(s.id, is_noted=not isinstance(error, StoreError))
        else:
            self._screen.answered(s.id, reply, added)
            await self._begin_to_print(s.id, reply.check_in_id, added)
        self._news.publish(CheckInRefused(self._clock(), self.station, s.id, reason))

    async def abandon(self, session_id: UUID, reason: Reason) -> None:
        """It ended without a ticket: staff see why. The page has gone on by now."""
        self._news.publish(CheckInRefused(self._clock(), self.station, session_id, reason))
        if self._broken_off is not None:
            await self._broken_off(reason)

    async def recover(self) -> None:
        """Ask every open intent again."""
        self._queue.announce(await self._checkins.recover(self._screen.is_in_hand))

    # --- sheets --------------------------------------------------------------------------------------------

    async def _begin_to_print(self, session_id: UUID, check_in_id: UUID, added: Sequence[PrintJob]) -> None:
        """Wake the printers; but an answer may come so late that its patient has left."""
        if self._screen.session.id != session_id:
            await self._queue.end_session(check_in_id)
        self._queue.announce(added)

    async def ticket_came(self, session_id: UUID) -> None:
        job = self._screen.sheets.unknown_ticket
        if self._screen.session.id != session_id or not self._screen.asks_for_ticket or job is None:
            return
        try:
            await self._queue.seen_by_patient(job.key)
        except StoreError as error:
            log.warning("that a ticket came out can't be stored: %s", error)

    async def ticket_missing(self, session_id: UUID) -> None:
        reply = self._screen.sheets.reply
        if self._screen.session.id != session_id or not self._screen.asks_for_ticket or reply is None:
            return
        try:
            added = await self._checkins.copy_ticket(reply, self._screen.session.language)
        except StoreError as error:
            log.warning("a copy of a ticket can't be stored: %s", error)
            return
        if self._screen.session.id == session_id:
            self._screen.sheets.add(added)
            self._screen.show(checkin.touched(self._screen.session, self._clock()))
        await self._begin_to_print(session_id, reply.check_in_id, added)

    # --- time ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs for ever: clears the page in time, and asks open intents again while the hub was away."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._clearing.run())
            tasks.create_task(self._asking_again.run())

    async def _restart(self) -> None:
        ended, printed_for = self._screen.session, self._screen.sheets.printed_for
        self._screen.show(checkin.restart(ended, uuid4(), self._site.languages[0], self._clock()))
        await self._end_session(ended.id, printed_for)

    async def _end_session(self, ended: UUID, printed_for: UUID | None) -> None:
        """Nothing of who has left prints by itself, also not the ticket of their earlier check-in."""
        for check_in_id in {ended, printed_for or ended}:
            await self._queue.end_session(check_in_id)
