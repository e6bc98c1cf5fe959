"""The check-in session of one kiosk. Implements ``station.view.KioskSession``; the rules are ``core.checkin``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from kioskd.config import SiteConfig
from kioskd.core import checkin
from kioskd.core.checkin import Session, Step
from kioskd.core.events import CardRemoved, CardSeen, CheckInRefused, PatientIdentified, SessionChanged
from kioskd.core.identity import Card, Reason, Refused
from kioskd.core.patient import Patient
from kioskd.core.printing import PrintJob, PrintState, SheetKind
from kioskd.errors import KioskdError, RuleViolation, StoreError, Unreachable
from kioskd.news import News
from kioskd.ports import CheckInReply, CheckInRequest, HelpReply, HelpRequest, Hub
from kioskd.station.checkins import ASK_WITHIN_S, CheckIns, within
from kioskd.station.printing import PrintQueue
from kioskd.station.view import KioskView, SheetView

log = logging.getLogger(__name__)

ASK_AGAIN_S = 5.0
"""How often open intents are asked again while the hub is away."""


class Kiosk:
    """One touchscreen with its reader and printers.

    ``clock`` gives aware UTC that no change of the machine's clock moves: a name is on screen that long, no longer.
    ``wall_clock`` is the machine's own, for what others read; the same if none is given. ``broken_off`` is told why
    an attempt ended without a ticket.
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
        self._session = checkin.welcome(uuid4(), site.languages[0], clock(), is_hub_there=is_hub_there)
        self._area_name = ""
        self._is_arrival_noted = True
        """False when this station's own database refused: then the page does not say that an arrival was noted."""
        self._reading: UUID | None = None
        """The session whose card is being read; None for a card that came while another one's answer was awaited."""
        self._printed_for: UUID | None = None
        self._sheets: dict[SheetKind, PrintJob] = {}
        self._reply: CheckInReply | HelpReply | None = None
        """What the sheets say, for a copy."""
        self._is_reader_ready = False
        self._stirred = asyncio.Event()
        self._may_ask_again = asyncio.Event()
        queue.changed = self._sheet_changed

    # --- the page ------------------------------------------------------------------------------------------

    def view(self) -> KioskView:
        s, now = self._session, self._clock()
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
            area_name=self._area_name,
            arrived_at=self._on_the_wall(s.arrived_at).astimezone(self._site.zone) if self._is_arrival_noted else None,
            was_checked_in_before=s.was_checked_in_before,
            called_to=s.called_to,
            reason=s.reason,
            notice=s.notice,
            ticket=self._sheet_view(SheetKind.HELP_TICKET if s.step is Step.HELP else SheetKind.TICKET),
            wristband=self._sheet_view(SheetKind.WRISTBAND),
            asks_for_ticket=self._asks_for_ticket,
            is_idle=checkin.is_idle(s, now),
            clears_in_s=None if clears_at is None else max(0, round((clears_at - now).total_seconds())),
            is_card_in_reader=s.card_in_reader,
            is_reader_ready=self._is_reader_ready,
            is_hub_there=s.is_hub_there,
        )

    def _sheet_view(self, kind: SheetKind) -> SheetView:
        job = self._sheets.get(kind)
        if job is None:
            return SheetView.NONE
        match job.state:
            case PrintState.PRINTED:
                return SheetView.TAKE_IT
            case PrintState.UNKNOWN:
                return SheetView.UNKNOWN
            case PrintState.EXPIRED:
                return SheetView.NOT_NOW
            case _:
                return SheetView.PRINTING if job.cause is None else SheetView.NOT_NOW

    async def confirm(self, session_id: UUID) -> None:
        s = self._session
        if s.id != session_id or s.step is not Step.CONFIRM or s.patient is None or s.appointment is None:
            return
        self._set(checkin.confirmed(s, self._clock()))
        request = CheckInRequest(
            check_in_id=s.id,
            station=self.station,
            arrived_at=self._on_the_wall(s.arrived_at),
            patient=s.patient,
            appointment=s.appointment,
            card_kind=s.card.kind if s.card else "",
            language=s.language,
        )
        try:
            reply, added = await self._checkins.check_in(request)
        except RuleViolation as error:
            log.warning("check-in %s was refused by the hub: %s", request.check_in_id, error.rule)
            await self._refuse(s.id, Reason.NO_APPOINTMENT)
        except (Unreachable, StoreError) as error:
            # Whether the hub has it is open, so no help ticket: the intent is asked again, the desk is there.
            log.warning("check-in %s is not answered yet: %s", request.check_in_id, error)
            self._give_up(s.id, is_noted=not isinstance(error, StoreError))
        else:
            if self._is_in_hand(s.id):
                self._area_name = reply.area_name
                self._note_sheets(reply, added)
                before = reply.was_checked_in_before
                done = checkin.checked_in(
                    self._session, reply.label, reply.area, before, self._clock(), reply.called_to
                )
                self._set(done)
            await self._begin_to_print(s.id, reply.check_in_id, added)

    async def deny(self, session_id: UUID) -> None:
        if self._session.id == session_id and self._session.step is Step.CONFIRM:
            # Whose card it is must not reach the help ticket: this person says that they are somebody else.
            await self._refuse(session_id, Reason.NOT_ME, is_person_known=False)

    async def ask_for_help(self, session_id: UUID) -> None:
        # What is being committed as a check-in can't become a help ticket as well.
        if self._session.step is not Step.CHECKING_IN:
            await self._refuse(session_id, Reason.ASKED_FOR_HELP)

    async def need_more_time(self, session_id: UUID) -> None:
        if self._session.id == session_id:
            self._set(checkin.touched(self._session, self._clock()))

    async def close(self, session_id: UUID) -> None:
        ended = self._session
        if ended.id == session_id and ended.step in {Step.DONE, Step.HELP, Step.CONFIRM}:
            await self._restart()
            if ended.step is Step.CONFIRM:
                await self._abandon(ended.id, Reason.CLOSED)

    async def choose_language(self, language: str) -> None:
        if language in self._site.languages:
            self._set(checkin.language_chosen(self._session, language, self._clock()))

    # --- the reader ----------------------------------------------------------------------------------------

    async def card_seen(self) -> None:
        now = self._clock()
        ended, printed_for = self._session, self._printed_for
        begun = checkin.card_seen(self._session, uuid4(), now)
        if begun.id != ended.id:  # the next person, whose language nobody knows yet
            begun = checkin.language_chosen(begun, self._site.languages[0], now)
        self._set(begun)
        self._reading = self._session.id if self._session.step is Step.READING else None
        self._news.publish(CardSeen(now, self.station))
        if self._session.id != ended.id:
            await self._end_session(ended.id, printed_for)
            if ended.step is Step.CONFIRM:
                await self._abandon(ended.id, Reason.ANOTHER_CARD)
        if begun.step is Step.TAKE_CARD:  # the hub is away: the page says so, and the card must come out
            await self._abandon(begun.id, Reason.HUB_UNREACHABLE)

    async def card_read(self, card: Card) -> None:
        """The card was read whole: find its patient and appointment."""
        session_id = self._reading
        if session_id is None:
            return
        try:
            found = await within(self._hub.identify(card, self._wall_clock()), self._ask_within_s)
        except KioskdError as error:
            log.warning("records could not be asked for a patient: %s", error)
            is_hub_there = self._session.is_hub_there
            found = Refused(Reason.RECORDS_UNREACHABLE if is_hub_there else Reason.HUB_UNREACHABLE)
        if isinstance(found, Refused):
            await self._refuse(session_id, found.reason, found.patient)
        elif self._session.id == session_id and self._session.step is Step.READING:
            now = self._clock()
            self._set(checkin.identified(self._session, card, found, now))
            self._news.publish(PatientIdentified(now, self.station, session_id))

    async def card_unreadable(self, reason: Reason) -> None:
        """Taken out too early is a hint on the welcome page; everything else is a help ticket."""
        if reason is Reason.CARD_REMOVED_EARLY:
            ended = self._session
            self._set(checkin.card_removed(self._session, self._clock()))
            if ended.step is Step.READING:
                await self._abandon(ended.id, reason)
        elif self._reading is not None:
            await self._refuse(self._reading, reason)

    async def card_removed(self) -> None:
        now = self._clock()
        self._set(checkin.card_removed(self._session, now))
        self._news.publish(CardRemoved(now, self.station))

    async def reader_ready(self, is_ready: bool) -> None:
        """The reader came or went; a patient whose card is being read goes to the desk."""
        self._is_reader_ready = is_ready
        if not is_ready and self._session.step is Step.READING:
            await self._refuse(self._session.id, Reason.READER_FAILED)
        if not is_ready:
            self._set(checkin.card_removed(self._session, self._clock()))
        self._tell()

    # --- asking the hub ------------------------------------------------------------------------------------

    def hub_changed(self, is_there: bool) -> None:
        """The hub came, and is asked at once what was left open; or it went, and the page says so."""
        self._set(checkin.hub_returned(self._session) if is_there else checkin.hub_left(self._session))
        if is_there:
            self._may_ask_again.set()

    async def _refuse(
        self, session_id: UUID, reason: Reason, patient: Patient | None = None, is_person_known: bool = True
    ) -> None:
        s = self._session
        now = self._clock()
        if s.id != session_id:
            return
        refused = checkin.refused(s, reason, now, patient)
        if refused is s:
            return
        self._set(refused)
        person = refused.patient if is_person_known else None
        request = HelpRequest(s.id, self.station, self._on_the_wall(refused.arrived_at), reason, s.language, person)
        try:
            reply, added = await self._checkins.ask_for_help(request)
        except (Unreachable, StoreError) as error:
            log.warning("help ticket %s is not answered yet: %s", s.id, error)
            self._give_up(s.id, is_noted=not isinstance(error, StoreError))
        else:
            if self._is_in_hand(s.id):
                self._note_sheets(reply, added)
                self._set(checkin.help_issued(self._session, reply.label, self._clock()))
            await self._begin_to_print(s.id, reply.check_in_id, added)
        self._news.publish(CheckInRefused(self._clock(), self.station, s.id, reason))

    async def _abandon(self, session_id: UUID, reason: Reason) -> None:
        """It ended without a ticket: staff see why. The page has gone on by now."""
        self._news.publish(CheckInRefused(self._clock(), self.station, session_id, reason))
        if self._broken_off is not None:
            await self._broken_off(reason)

    def _give_up(self, session_id: UUID, is_noted: bool = True) -> None:
        if self._session.id == session_id:
            self._is_arrival_noted = is_noted
            self._set(checkin.gave_up(self._session, self._clock()))

    async def recover(self) -> None:
        """Ask every open intent again."""
        self._queue.announce(await self._checkins.recover(self._is_in_hand))

    def _is_in_hand(self, check_in_id: UUID) -> bool:
        return self._session.id == check_in_id and self._session.step in {Step.CHECKING_IN, Step.ASKING_HELP}

    # --- sheets --------------------------------------------------------------------------------------------

    async def _begin_to_print(self, session_id: UUID, check_in_id: UUID, added: Sequence[PrintJob]) -> None:
        """Wake the printers; but an answer may come so late that its patient has left."""
        if self._session.id != session_id:
            await self._queue.end_session(check_in_id)
        self._queue.announce(added)

    def _note_sheets(self, reply: CheckInReply | HelpReply, added: Sequence[PrintJob]) -> None:
        self._printed_for, self._reply = reply.check_in_id, reply
        self._sheets = {job.key.kind: job for job in added}

    def _sheet_changed(self, job: PrintJob) -> None:
        shown = self._sheets.get(job.key.kind)
        if job.key.check_in_id != self._printed_for or shown is None or job.key.copy < shown.key.copy:
            return
        self._sheets[job.key.kind] = job
        if self._asks_for_ticket and job.state is not shown.state:
            self._set(checkin.touched(self._session, self._clock()))  # who is asked has time to answer
        self._tell()

    @property
    def _ticket(self) -> PrintJob | None:
        """The ticket or help ticket of who stands here."""
        tickets = {SheetKind.TICKET, SheetKind.HELP_TICKET}
        return next((job for kind, job in self._sheets.items() if kind in tickets), None)

    @property
    def _asks_for_ticket(self) -> bool:
        """Nobody but the patient can tell; of a copy that nobody saw the desk is told, not asked again."""
        job = self._ticket
        is_shown = self._session.step in {Step.DONE, Step.HELP}
        return is_shown and job is not None and job.state is PrintState.UNKNOWN and job.key.copy == 1

    async def ticket_came(self, session_id: UUID) -> None:
        job = self._ticket
        if self._session.id != session_id or not self._asks_for_ticket or job is None:
            return
        try:
            await self._queue.seen_by_patient(job.key)
        except StoreError as error:
            log.warning("that a ticket came out can't be stored: %s", error)

    async def ticket_missing(self, session_id: UUID) -> None:
        reply = self._reply
        if self._session.id != session_id or not self._asks_for_ticket or reply is None:
            return
        try:
            added = await self._checkins.copy_ticket(reply, self._session.language)
        except StoreError as error:
            log.warning("a copy of a ticket can't be stored: %s", error)
            return
        if self._session.id == session_id:
            for job in added:
                self._sheets[job.key.kind] = job
            self._set(checkin.touched(self._session, self._clock()))
        await self._begin_to_print(session_id, reply.check_in_id, added)

    # --- time ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs for ever: clears the page in time, and asks open intents again while the hub was away."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._clear_in_time())
            tasks.create_task(self._ask_again())

    async def _clear_in_time(self) -> None:
        while True:
            self._stirred.clear()
            s, now = self._session, self._clock()
            clears_at, gives_up_at = checkin.clears_at(s), checkin.gives_up_at(s)
            if gives_up_at is not None and now >= gives_up_at:
                self._give_up(s.id)
                continue
            language_returns_at = checkin.language_returns_at(s, self._site.languages[0])
            if language_returns_at is not None and now >= language_returns_at:
                await self._restart()
                continue
            if clears_at is not None and now >= clears_at:
                await self._restart()
                if s.step is Step.CONFIRM:
                    await self._abandon(s.id, Reason.TIMED_OUT)
                continue
            moments = [moment for moment in (clears_at, gives_up_at, language_returns_at) if moment is not None]
            if s.step is Step.CONFIRM and not checkin.is_idle(s, now):
                moments.append(s.touched_at + checkin.IDLE_AFTER)
            wait_s = min(((m - now).total_seconds() for m in moments), default=None)
            try:
                async with asyncio.timeout(wait_s):
                    await self._stirred.wait()
            except TimeoutError:
                self._tell()

    async def _ask_again(self) -> None:
        while True:
            self._may_ask_again.clear()
            try:
                if self._session.is_hub_there:
                    await self.recover()
            except StoreError as error:
                log.warning("open check-ins can't be read, trying again in %g s: %s", ASK_AGAIN_S, error)
            try:
                async with asyncio.timeout(ASK_AGAIN_S):
                    await self._may_ask_again.wait()
            except TimeoutError:
                continue

    def _on_the_wall(self, at: datetime) -> datetime:
        """What the machine's clock, as it is set now, would have shown at a moment of ``clock``."""
        return self._wall_clock() - (self._clock() - at)

    async def _restart(self) -> None:
        ended, printed_for = self._session, self._printed_for
        self._set(checkin.restart(ended, uuid4(), self._site.languages[0], self._clock()))
        await self._end_session(ended.id, printed_for)

    async def _end_session(self, ended: UUID, printed_for: UUID | None) -> None:
        """Nothing of who has left prints by itself, also not the ticket of their earlier check-in."""
        for check_in_id in {ended, printed_for or ended}:
            await self._queue.end_session(check_in_id)

    def _set(self, session: Session) -> None:
        if session.id != self._session.id:
            self._area_name = ""
            self._is_arrival_noted = True
            self._printed_for, self._reply, self._sheets = None, None, {}
        if session != self._session:
            self._session = session
            self._tell()

    def _tell(self) -> None:
        self._stirred.set()
        self._news.publish(SessionChanged(self._clock(), self.station, self._session.step))
