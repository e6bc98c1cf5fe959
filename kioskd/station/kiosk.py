"""The check-in session of one kiosk. Implements ``station.view.KioskSession``; the rules are ``core.checkin``.

Crash protocol: an intent with the check-in's id is committed here before the hub is asked; the hub is repeatable by
that id; its answer closes the intent and makes the print jobs in one transaction. At start every open intent is
asked again. Its patient has gone by then, so its sheets are made and expire at once: the desk sees them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy import Connection

from kioskd.config import SiteConfig
from kioskd.core import checkin, printing
from kioskd.core.checkin import Session, Step
from kioskd.core.events import CardRemoved, CardSeen, CheckInRefused, PatientIdentified, SessionChanged
from kioskd.core.identity import Card, Reason, Refused
from kioskd.core.patient import Patient
from kioskd.core.printing import Cause, JobKey, PrintJob, PrintState, SheetKind
from kioskd.errors import KioskdError, NotPrinted, RuleViolation, Unreachable
from kioskd.news import News
from kioskd.ports import (
    CheckInReply,
    CheckInRequest,
    HelpReply,
    HelpRequest,
    Hub,
    TicketPrinter,
    WristbandPrinter,
)
from kioskd.station import intents, jobs, sheets
from kioskd.station.printing import PrintQueue
from kioskd.station.sheets import Translate
from kioskd.station.view import KioskView, SheetView
from kioskd.store import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

ASK_WITHIN_S = 8.0
"""Longest a patient waits for an answer of the hub before they are sent to the desk."""
ASK_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Printers:
    """The station's printers by name; None where the site has none or its block is wrong."""

    ticket: tuple[str, TicketPrinter] | None = None
    wristband: tuple[str, WristbandPrinter] | None = None


class Kiosk:
    """One touchscreen with its reader and printers. ``clock`` gives aware UTC."""

    def __init__(
        self,
        station: str,
        site: SiteConfig,
        store: Store,
        hub: Hub,
        queue: PrintQueue,
        printers: Printers,
        news: News,
        clock: Callable[[], datetime],
        translate: Translate,
        gs1_company_prefix: str = "",
    ) -> None:
        self.station = station
        self._site = site
        self._store = store
        self._hub = hub
        self._queue = queue
        self._printers = printers
        self._news = news
        self._clock = clock
        self._translate = translate
        self._gs1_company_prefix = gs1_company_prefix
        self._session = checkin.welcome(uuid4(), site.languages[0], clock())
        self._area_name = ""
        self._printed_for: UUID | None = None
        self._sheets: dict[SheetKind, PrintJob] = {}
        self._is_reader_ready = False
        self._stirred = asyncio.Event()
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
            arrived_at=s.arrived_at.astimezone(self._site.zone),
            was_checked_in_before=s.was_checked_in_before,
            reason=s.reason,
            notice=s.notice,
            ticket=self._sheet_view(SheetKind.HELP_TICKET if s.step is Step.HELP else SheetKind.TICKET),
            wristband=self._sheet_view(SheetKind.WRISTBAND),
            is_idle=checkin.is_idle(s, now),
            clears_in_s=None if clears_at is None else max(0, round((clears_at - now).total_seconds())),
            is_card_in_reader=s.card_in_reader,
            is_reader_ready=self._is_reader_ready,
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
            arrived_at=s.arrived_at,
            patient=s.patient,
            appointment=s.appointment,
            card_kind=s.card.kind if s.card else "",
            language=s.language,
        )
        await self._store.write(lambda c: intents.open_intent(c, request, self._clock()))
        try:
            reply = await _within(self._hub.check_in(request))
        except RuleViolation as error:
            log.warning("check-in %s was refused by the hub: %s", request.check_in_id, error.rule)
            await self._store.write(lambda c: intents.close_intent(c, request, self._clock()))
            await self._refuse(s.id, Reason.NO_APPOINTMENT)
        except Unreachable as error:
            log.warning("check-in %s is not answered yet: %s", request.check_in_id, error)
            self._to_desk_without_ticket(s.id, Reason.HUB_UNREACHABLE)
        else:
            await self._checked_in(request, reply, is_patient_here=True)

    async def deny(self, session_id: UUID) -> None:
        if self._session.id == session_id and self._session.step is Step.CONFIRM:
            # Whose card it is must not reach the help ticket: this person says that they are somebody else.
            await self._refuse(session_id, Reason.NOT_ME, is_person_known=False)

    async def ask_for_help(self, session_id: UUID) -> None:
        await self._refuse(session_id, Reason.ASKED_FOR_HELP)

    async def need_more_time(self, session_id: UUID) -> None:
        if self._session.id == session_id:
            self._set(checkin.touched(self._session, self._clock()))

    async def close(self, session_id: UUID) -> None:
        if self._session.id == session_id and self._session.step in {Step.DONE, Step.HELP, Step.CONFIRM}:
            await self._restart()

    async def choose_language(self, language: str) -> None:
        if language in self._site.languages:
            self._set(checkin.language_chosen(self._session, language, self._clock()))

    # --- the reader ----------------------------------------------------------------------------------------

    async def card_seen(self) -> None:
        now = self._clock()
        ended = self._session
        self._set(checkin.card_seen(self._session, uuid4(), now))
        self._news.publish(CardSeen(now, self.station))
        if self._session.id != ended.id:
            await self._queue.end_session(ended.id)

    async def card_read(self, card: Card) -> None:
        """The card was read whole: find its patient and appointment."""
        session_id = self._session.id
        try:
            found = await _within(self._hub.identify(card, self._clock()))
        except KioskdError as error:
            log.warning("records could not be asked for a patient: %s", error)
            found = Refused(Reason.RECORDS_UNREACHABLE)
        if isinstance(found, Refused):
            await self._refuse(session_id, found.reason, found.patient)
        elif self._session.id == session_id:
            now = self._clock()
            self._set(checkin.identified(self._session, card, found, now))
            self._news.publish(PatientIdentified(now, self.station, session_id))

    async def card_unreadable(self, reason: Reason) -> None:
        """Taken out too early is a hint on the welcome page; everything else is a help ticket."""
        if reason is Reason.CARD_REMOVED_EARLY:
            self._set(checkin.card_removed(self._session, self._clock()))
        else:
            await self._refuse(self._session.id, reason)

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
        request = HelpRequest(s.id, self.station, s.arrived_at, reason, s.language, person)
        await self._store.write(lambda c: intents.open_intent(c, request, now))
        try:
            reply = await _within(self._hub.ask_for_help(request))
        except Unreachable as error:
            log.warning("help ticket %s is not answered yet: %s", s.id, error)
            self._set(checkin.help_issued(self._session, "", self._clock()))
        else:
            await self._help_issued(request, reply, is_patient_here=True)
        self._news.publish(CheckInRefused(self._clock(), self.station, s.id, reason))

    def _to_desk_without_ticket(self, session_id: UUID, reason: Reason) -> None:
        if self._session.id == session_id:
            now = self._clock()
            self._set(checkin.help_issued(checkin.refused(self._session, reason, now), "", now))

    async def _checked_in(self, request: CheckInRequest, reply: CheckInReply, is_patient_here: bool) -> None:
        now = self._clock()
        new = self._check_in_jobs(request, reply, now)

        def commit(connection: Connection) -> Sequence[PrintJob]:
            if not intents.close_intent(connection, request, now):
                return ()
            if reply.was_checked_in_before:
                copy = jobs.next_copy(connection, reply.check_in_id, SheetKind.TICKET)
                ticket = None if copy is None else self._ticket_job(request, reply, copy, now)
                return _add(connection, [ticket] if ticket else [], is_patient_here, now)
            return _add(connection, new, is_patient_here, now)

        added = await self._store.write(commit)
        if is_patient_here and self._session.id == request.check_in_id:
            self._area_name = reply.area_name
            self._note_sheets(reply.check_in_id, added)
            self._set(
                checkin.checked_in(self._session, reply.label, reply.area, reply.was_checked_in_before, self._clock())
            )
        await self._announce(added)

    async def _help_issued(self, request: HelpRequest, reply: HelpReply, is_patient_here: bool) -> None:
        now = self._clock()
        sheet = sheets.help_sheet(reply, request.language, self._site.name, self._site.zone, self._translate)
        job = self._job(JobKey(reply.check_in_id, SheetKind.HELP_TICKET), self._printers.ticket, sheet, now)

        def commit(connection: Connection) -> Sequence[PrintJob]:
            is_first = intents.close_intent(connection, request, now)
            return _add(connection, [job], is_patient_here, now) if is_first else ()

        added = await self._store.write(commit)
        if is_patient_here and self._session.id == request.check_in_id:
            self._note_sheets(reply.check_in_id, added)
            self._set(checkin.help_issued(self._session, reply.label, self._clock()))
        await self._announce(added)

    async def recover(self) -> None:
        """Ask every open intent again. Raises Unreachable when the hub is away; call it again later."""
        for request in await self._store.read(intents.open_intents):
            if self._session.id == request.check_in_id and self._session.step in {Step.CHECKING_IN, Step.ASKING_HELP}:
                continue  # it is being asked right now
            if isinstance(request, HelpRequest):
                await self._help_issued(request, await self._hub.ask_for_help(request), is_patient_here=False)
                continue
            try:
                reply = await self._hub.check_in(request)
            except RuleViolation as error:
                log.warning("check-in %s was refused by the hub: %s", request.check_in_id, error.rule)
                await self._store.write(lambda c, r=request: intents.close_intent(c, r, self._clock()))  # type: ignore[misc]
            else:
                await self._checked_in(request, reply, is_patient_here=False)

    # --- sheets --------------------------------------------------------------------------------------------

    def _check_in_jobs(self, request: CheckInRequest, reply: CheckInReply, now: datetime) -> list[PrintJob]:
        ticket = self._ticket_job(request, reply, 1, now)
        if reply.band_number is None:
            return [ticket]
        band = sheets.wristband_sheet(request.patient, reply.band_number, self._gs1_company_prefix)
        key = JobKey(reply.check_in_id, SheetKind.WRISTBAND)
        return [ticket, self._job(key, self._printers.wristband, band, now)]

    def _ticket_job(self, request: CheckInRequest, reply: CheckInReply, copy: int, now: datetime) -> PrintJob:
        sheet = sheets.ticket_sheet(
            reply, request.language, self._site.name, self._site.zone, self._translate, is_copy=False
        )
        return self._job(JobKey(reply.check_in_id, SheetKind.TICKET, copy), self._printers.ticket, sheet, now)

    def _job(
        self,
        key: JobKey,
        printer: tuple[str, TicketPrinter] | tuple[str, WristbandPrinter] | None,
        sheet: object,
        now: datetime,
    ) -> PrintJob:
        """A rendered job; one that can't be printed at all is over at once, with its cause for the desk."""
        if printer is None:
            return printing.expire(PrintJob(key, "", b"", now), Cause.NO_DEVICE, now)
        name, device = printer
        if sheet is None:
            return printing.expire(PrintJob(key, name, b"", now), Cause.CONTENT_REFUSED, now)
        try:
            payload = device.render(sheet)  # type: ignore[arg-type]
        except NotPrinted as error:
            return printing.expire(PrintJob(key, name, b"", now), Cause(error.cause), now)
        return PrintJob(key, name, payload, now)

    def _note_sheets(self, check_in_id: UUID, added: Sequence[PrintJob]) -> None:
        self._printed_for = check_in_id
        self._sheets = {job.key.kind: job for job in added}

    async def _announce(self, added: Sequence[PrintJob]) -> None:
        self._queue.added([job for job in added if not job.is_over])
        for job in added:
            await self._queue.tell(job)

    def _sheet_changed(self, job: PrintJob) -> None:
        if job.key.check_in_id == self._printed_for and job.key.kind in self._sheets:
            self._sheets[job.key.kind] = job
            self._tell()

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
            clears_at = checkin.clears_at(s)
            if clears_at is not None and now >= clears_at:
                if s.step is Step.CONFIRM:
                    self._news.publish(CheckInRefused(now, self.station, s.id, Reason.TIMED_OUT))
                await self._restart()
                continue
            moments = [clears_at] if clears_at else []
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
            try:
                await self.recover()
            except Unreachable as error:
                log.info("open check-ins are asked again in %g s: %s", ASK_AGAIN_S, error)
            await asyncio.sleep(ASK_AGAIN_S)

    async def _restart(self) -> None:
        ended = self._session
        self._area_name = ""
        self._printed_for, self._sheets = None, {}
        self._set(checkin.restart(ended, uuid4(), self._site.languages[0], self._clock()))
        await self._queue.end_session(ended.id)

    def _set(self, session: Session) -> None:
        if session.id != self._session.id:
            self._area_name = ""
            self._printed_for, self._sheets = None, {}
        if session != self._session:
            self._session = session
            self._tell()

    def _tell(self) -> None:
        self._stirred.set()
        self._news.publish(SessionChanged(self._clock(), self.station, self._session.step))


def _add(connection: Connection, new: Sequence[PrintJob], is_patient_here: bool, now: datetime) -> list[PrintJob]:
    """Add jobs; those of a patient who has gone are over before they began."""
    if not is_patient_here:
        new = [job if job.is_over else printing.expire(job, Cause.RESTARTED, now) for job in new]
    return [job for job in new if jobs.add(connection, job)]


async def _within(answer: Awaitable[T]) -> T:
    """An answer of the hub in time. Raises Unreachable."""
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            return await answer
    except TimeoutError:
        raise Unreachable(f"no answer within {ASK_WITHIN_S:g} s") from None
