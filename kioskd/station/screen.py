"""What stands on the kiosk's screen: the session, its sheets, and when the page changes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from kioskd.config import SiteConfig
from kioskd.core import checkin
from kioskd.core.checkin import ASKING_STEPS, Session, Step
from kioskd.core.events import SessionChanged
from kioskd.core.printing import PrintJob, SheetKind
from kioskd.news import News
from kioskd.ports import CheckInReply, HelpReply
from kioskd.station.session_sheets import SessionSheets
from kioskd.station.view import KioskView


class Screen:
    """``clock``, ``wall_clock`` and ``place_of`` as in ``Kiosk``. ``stirred`` is set whenever something changed."""

    def __init__(
        self,
        station: str,
        site: SiteConfig,
        news: News,
        clock: Callable[[], datetime],
        wall_clock: Callable[[], datetime],
        is_hub_there: bool,
        place_of: Callable[[str], str],
    ) -> None:
        self._station = station
        self._site = site
        self._news = news
        self._clock = clock
        self._wall_clock = wall_clock
        self._place_of = place_of
        self.session = checkin.welcome(uuid4(), site.languages[0], clock(), is_hub_there=is_hub_there)
        self.sheets = SessionSheets()
        self.area_name = ""
        self.is_arrival_noted = True
        """False when this station's own database refused: then the page does not say that an arrival was noted."""
        self.is_reader_ready = False
        self.has_reader = True
        self.scanners: frozenset[str] = frozenset()
        """Those that can be used."""
        self.has_camera = False
        self.stirred = asyncio.Event()

    def view(self) -> KioskView:
        s, now = self.session, self._clock()
        clears_at = checkin.clears_at(s)
        return KioskView(
            session_id=s.id,
            step=s.step,
            language=s.language,
            site_name=self._site.name,
            languages=self._site.languages,
            given=s.patient.given if s.patient else "",
            family=s.patient.family if s.patient else "",
            birth_date=s.patient.birth_date if s.patient else None,
            appointment_at=s.appointment.starts_at.astimezone(self._site.zone) if s.appointment else None,
            practitioner=s.appointment.practitioner if s.appointment else "",
            label=s.label,
            area_name=self.area_name,
            arrived_at=self.on_the_wall(s.arrived_at).astimezone(self._site.zone) if self.is_arrival_noted else None,
            was_checked_in_before=s.was_checked_in_before,
            called_to=s.called_to,
            reason=s.reason,
            notice=s.notice,
            ticket=self.sheets.view(SheetKind.HELP_TICKET if s.step is Step.HELP else SheetKind.TICKET),
            wristband=self.sheets.view(SheetKind.WRISTBAND),
            ticket_place=self._place_of(self.sheets.other_ticket_printer),
            asks_for_ticket=self.asks_for_ticket,
            is_idle=checkin.is_idle(s, now),
            clears_in_s=None if clears_at is None else max(0, round((clears_at - now).total_seconds())),
            is_card_in_reader=s.card_in_reader,
            is_reader_ready=self.is_reader_ready,
            has_reader=self.has_reader,
            can_show_code=bool(self.scanners),
            has_camera=self.has_camera,
            typed=s.typed,
            is_card_wanted=checkin.is_card_wanted(s),
            is_hub_there=s.is_hub_there,
        )

    def show(self, session: Session) -> None:
        """This is the session now; nothing of another one stays."""
        if session.id != self.session.id:
            self.area_name = ""
            self.is_arrival_noted = True
            self.sheets = SessionSheets()
        if session != self.session:
            self.session = session
            self.tell()

    def tell(self) -> None:
        """Something on the page changed."""
        self.stirred.set()
        self._news.publish(SessionChanged(self._clock(), self._station, self.session.step))

    def answered(self, session_id: UUID, reply: CheckInReply | HelpReply, added: Sequence[PrintJob]) -> None:
        """The hub has committed what a session asked for; an answer that comes too late shows nothing."""
        if not self.is_in_hand(session_id):
            return
        s, now = self.session, self._clock()
        self.sheets.begin(reply, added)
        if isinstance(reply, HelpReply):
            self.show(checkin.help_issued(s, reply.label, now))
        else:
            self.area_name = reply.area_name
            before = reply.was_checked_in_before
            self.show(checkin.checked_in(s, reply.label, reply.area, before, now, reply.called_to))

    def sheet_changed(self, job: PrintJob) -> None:
        """How a print job is; one of somebody else changes nothing here."""
        before = self.sheets.changed(job)
        if before is None:
            return
        if self.asks_for_ticket and job.state is not before.state:
            self.show(checkin.touched(self.session, self._clock()))  # who is asked has time to answer
        self.tell()

    @property
    def asks_for_ticket(self) -> bool:
        """Whether the page asks "did your ticket come out?"."""
        return self.session.step in {Step.DONE, Step.HELP} and self.sheets.unknown_ticket is not None

    def is_in_hand(self, check_in_id: UUID) -> bool:
        """Whether the hub is being asked for who stands here."""
        return self.session.id == check_in_id and self.session.step in {Step.CHECKING_IN, Step.ASKING_HELP}

    def give_up(self, session_id: UUID, is_noted: bool = True) -> None:
        """No answer: the page sends its patient to the desk."""
        if self.session.id == session_id:
            self.is_arrival_noted = is_noted
            self.show(checkin.gave_up(self.session, self._clock()))

    def on_the_wall(self, at: datetime) -> datetime:
        """What the machine's clock, as it is set now, would have shown at a moment of ``clock``."""
        return self._wall_clock() - (self._clock() - at)

    def next_change_in_s(self) -> float | None:
        """When the page has to change by itself, or None."""
        s, now = self.session, self._clock()
        moments = [checkin.clears_at(s), checkin.gives_up_at(s), checkin.notice_clears_at(s)]
        moments.append(checkin.language_returns_at(s, self._site.languages[0]))
        if s.step in ASKING_STEPS and not checkin.is_idle(s, now):
            moments.append(s.touched_at + checkin.IDLE_AFTER)
        return min(((moment - now).total_seconds() for moment in moments if moment is not None), default=None)
