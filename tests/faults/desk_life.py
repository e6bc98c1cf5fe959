"""Lives of a whole front desk in one process: the real station, hub and records, telling all that they tell.

The parts are put together as ``kioskd.app`` does, on real databases, with records behind real HTTP. What is left out is
what keeps no state and only makes a life longer: pages, broker and card reader. Every word to a person or another
machine is also a line of the file ``told`` (see ``told``), in the order of this process's system calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kioskd.beside import beside
from kioskd.config import AreaConfig, HubConfig, SiteConfig, StoreConfig
from kioskd.core.checkin import Step
from kioskd.core.printing import JobKey, PrintJob, ProofKind, SheetKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.forward.destination import FhirDestination
from kioskd.forward.http import FhirClient
from kioskd.forward.worker import run_worker
from kioskd.hub import tables as hub_tables
from kioskd.hub.site import DISPLAYS, RECORDS, Site, SiteRules
from kioskd.news import News
from kioskd.ports import (
    CheckInReply,
    CheckInRequest,
    DeviceReport,
    HelpReply,
    HelpRequest,
    OutboxMessage,
    PrinterStatus,
    PrintReport,
    TicketPrinter,
    TicketSheet,
    WristbandPrinter,
    WristbandSheet,
)
from kioskd.records import tables as records_tables
from kioskd.records.backend import Records
from kioskd.records.rest import fhir_app
from kioskd.station import intents, jobs
from kioskd.station import tables as station_tables
from kioskd.station.checkins import CheckIns
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, open_store
from kioskd.store.outbox import OutboxState
from kioskd.web.server import serve
from tests.fakes import ListSchedule, PaperPrinter
from tests.faults.told import Tell, key_text, tell_job
from tests.forward import fhir_server
from tests.people import NOW, appointment, card, patient
from tests.station_jobs import job_maker

SITE = SiteConfig(id="markt", name="Praxis", timezone="Europe/Berlin")
AREAS = (AreaConfig(id="general", name="Wartezimmer", series="A", rooms=("Zimmer 1",), wristbands=True),)
RULES = SiteRules(SITE, HubConfig(records_token_file=Path("unused")), AREAS)
STATION = "entrance"
TOKEN = "token-of-the-fault-runs"
MOST_PATIENTS = 200
SETTLED_WITHIN_S = 60.0
"""For the patient's sheets and record, on a machine that is busy with other tests."""

Printer = TicketPrinter | WristbandPrinter


def store_config(folder: Path) -> StoreConfig:
    """Databases in ``folder/data`` under the key in ``folder``, which is made when there is none."""
    key = folder / "store.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text("0f" * 32)
    return StoreConfig(folder=folder / "data", key_file=key, reserve_mb=1)


def running_clock(after: timedelta = timedelta()) -> Callable[[], datetime]:
    """A clock that begins ``after`` the tests' morning and runs with the machine's monotonic one."""
    begun = time.monotonic()
    return lambda: NOW + after + timedelta(seconds=time.monotonic() - begun)


class ToldSite(Site):
    """The hub, which tells what it answers to the station."""

    tell: Tell
    desk: Desk

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        reply = await super().check_in(request)
        self.tell("reply", id=reply.check_in_id, label=reply.label)
        return reply

    async def ask_for_help(self, request: HelpRequest) -> HelpReply:
        reply = await super().ask_for_help(request)
        self.tell("reply", id=reply.check_in_id, label=reply.label)
        return reply

    async def report_print(self, report: PrintReport) -> None:
        await super().report_print(report)
        self.tell("desk", key=key_text(JobKey(report.check_in_id, report.kind, report.copy)))
        self.desk.stirred.set()


class ToldPrinter:
    """A printer that tells right before the first byte of a sheet may leave."""

    def __init__(self, name: str, printer: Printer, tell: Tell) -> None:
        self._name, self._printer, self._tell = name, printer, tell

    def open(self) -> None:
        self._printer.open()

    def close(self) -> None:
        self._printer.close()

    def status(self) -> PrinterStatus:
        return self._printer.status()

    def render(self, sheet: TicketSheet | WristbandSheet) -> bytes:
        return self._printer.render(sheet)  # type: ignore[arg-type]

    def send(self, payload: bytes, token: int) -> None:
        self._tell("sheet", device=self._name, token=token)
        self._printer.send(payload, token)

    def prove(self, token: int, odometer_before: int | None, seconds: float) -> ProofKind | None:
        return self._printer.prove(token, odometer_before, seconds)


class TroubledPaper(PaperPrinter):
    """Paper that now and then does not come: the ``lost_at``-th sheet is sent into a breaking connection, nothing of
    the ``refused_at``-th leaves.
    """

    def __init__(self, lost_at: int, refused_at: int, has_odometer: bool = False) -> None:
        super().__init__(self._effect, has_odometer)
        self._sent = 0
        self._lost_at, self._refused_at = lost_at, refused_at

    def _effect(self, name: str) -> None:
        if name == "send:before":
            self._sent += 1
            if self._sent == self._refused_at:
                raise NotPrinted("paper", "offline", "no byte left")
        if name == "send:after" and self._sent == self._lost_at:
            raise DeviceUnavailable("paper", "the connection broke")


class ToldDestination(FhirDestination):
    """The records backend, which tells what it has answered for."""

    tell: Tell

    async def deliver(self, message: OutboxMessage) -> None:
        await super().deliver(message)
        self.tell("stored", id=message.payload["check_in_id"])


class Displays:
    """Waiting-room displays that take everything."""

    async def deliver(self, message: OutboxMessage) -> None:
        return


@dataclass
class Desk:
    """A running front desk."""

    station: Store
    hub: Store
    records: Store
    kiosk: Kiosk
    queue: PrintQueue
    tell: Tell
    over: dict[UUID, set[SheetKind]] = field(default_factory=dict)
    """Check-ins with their kinds of sheets that are over."""
    delivered: set[UUID] = field(default_factory=set)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    async def settled(self) -> None:
        """Until no question, sheet, report or delivery is open any more."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while True:
                self.stirred.clear()
                if await self._is_settled():
                    return
                await self.stirred.wait()

    async def _is_settled(self) -> bool:
        open_here = await self.station.read(lambda c: [*jobs.unfinished(c), *intents.open_intents(c)])
        message, sheet = hub_tables.outbox.c, hub_tables.sheet
        is_open = select(message.id).where(message.destination == RECORDS, message.state == OutboxState.PENDING)
        open_there = await self.hub.read(lambda c: c.scalars(is_open).all())
        made = await self.station.read(lambda c: jobs.made_since(c, datetime.min.replace(tzinfo=UTC)))
        known = await self.hub.read(
            lambda c: {(r.check_in_id, r.kind, r.copy, r.state) for r in c.execute(select(sheet))}
        )
        at_desk = {(job.key.check_in_id, job.key.kind, job.key.copy, job.state) for job in made} <= known
        return not open_here and not open_there and at_desk

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while not is_so():
                self.stirred.clear()
                await self.stirred.wait()

    async def serve(self, number: int, does: str = "confirm") -> None:
        """One patient from the card to the exit: they ``confirm`` or ``deny``; until paper and record are settled."""
        who = patient(number)
        await self.kiosk.card_seen()
        await self.kiosk.card_read(card(who))
        session = self.kiosk.view().session_id
        await (self.kiosk.confirm(session) if does == "confirm" else self.kiosk.deny(session))
        view = self.kiosk.view()
        assert view.step in {Step.DONE, Step.HELP}, f"patient {number} stands before {view.step}"
        assert view.label, "the hub did not answer"
        self.tell("number", id=session, label=view.label)
        if not view.was_checked_in_before:
            kinds = {SheetKind.TICKET, SheetKind.WRISTBAND} if does == "confirm" else {SheetKind.HELP_TICKET}
            await self.until(lambda: self.over.get(session, set()) >= kinds)
            await self.until(lambda: does != "confirm" or session in self.delivered)
        await self.kiosk.card_removed()
        await self.kiosk.close(session)


@asynccontextmanager
async def open_desk(
    folder: Path, tell: Tell, tickets: Printer, bands: Printer, clock: Callable[[], datetime]
) -> AsyncIterator[Desk]:
    """Everything started and recovered, in the order of ``kioskd.app``; printers, outbox and reports at work."""
    async with AsyncExitStack() as parts:
        config, news = store_config(folder), News()
        records = await parts.enter_async_context(open_store(records_tables.SCHEMA, config))
        backend = Records(records, news, SITE.zone, now=clock)
        await backend.seed(clinic())
        address = await parts.enter_async_context(serve(fhir_app(backend, TOKEN), "127.0.0.1", 0))
        client = await parts.enter_async_context(FhirClient(f"{address.url}/fhir", TOKEN))
        hub = await parts.enter_async_context(open_store(hub_tables.SCHEMA, config))
        site = ToldSite(hub, schedule(), RULES, news, clock)
        site.tell = tell
        station = await parts.enter_async_context(open_store(station_tables.SCHEMA, config))
        queue = PrintQueue(STATION, station, site, news, clock)
        told_tickets, told_bands = ToldPrinter("tickets", tickets, tell), ToldPrinter("bands", bands, tell)
        checkins = CheckIns(station, site, job_maker(SITE, told_tickets, told_bands), clock)
        kiosk = Kiosk(STATION, SITE, site, checkins, queue, news, clock)
        desk = Desk(station, hub, records, kiosk, queue, tell)
        site.desk = desk
        _listen(desk)
        await queue.recover()
        await kiosk.recover()
        await parts.enter_async_context(run_worker(hub, hub_tables.outbox, DISPLAYS, Displays(), clock))
        await parts.enter_async_context(_delivery(desk, site, client, clock))

        async def report(device: ManagedDevice) -> None:
            await site.report_device(
                DeviceReport(STATION, device.name, device.kind, device.state, device.what, clock())
            )

        devices = [
            ManagedDevice("tickets", "ticket-printer", told_tickets, report, first_wait_s=0.01),
            ManagedDevice("bands", "wristband-printer", told_bands, report, first_wait_s=0.01),
        ]
        lives = [device.run(queue.work) for device in devices]
        await parts.enter_async_context(beside(queue.report(), queue.expire_in_time(), *lives))
        tell("ready")
        yield desk


def _listen(desk: Desk) -> None:
    """Tell every committed change of a print job, before the session hears it, and note those that are over."""
    session_hears = desk.queue.changed

    def changed(job: PrintJob) -> None:
        tell_job(desk.tell, job)
        if job.is_over:
            desk.over.setdefault(job.key.check_in_id, set()).add(job.key.kind)
        desk.stirred.set()
        session_hears(job)

    desk.queue.changed = changed


def _delivery(desk: Desk, site: Site, client: FhirClient, clock: Callable[[], datetime]) -> Any:
    destination = ToldDestination(client, RULES.hub.appointment_target)
    destination.tell = desk.tell

    def committed(message: OutboxMessage, state: OutboxState, error: str) -> None:
        assert state is OutboxState.DONE, f"a record was not taken: {error}"
        check_in_id = message.payload["check_in_id"]
        desk.tell("delivered", id=check_in_id)
        desk.delivered.add(UUID(check_in_id))
        desk.stirred.set()

    return run_worker(
        desk.hub, hub_tables.outbox, RECORDS, destination, clock, settled=site.record_settled, committed=committed
    )


def schedule() -> ListSchedule:
    people = [patient(number) for number in range(1, MOST_PATIENTS + 1)]
    return ListSchedule(people, [appointment(number, who) for number, who in enumerate(people, start=1)])


def clinic() -> Sequence[dict[str, Any]]:
    """The same patients and appointments as the records backend has them; a few, so that the database stays small."""
    numbers = range(1, 4)
    people = [fhir_server.patient(f"p{n}", value=f"X{n:09d}") for n in numbers]
    return [*people, *(fhir_server.appointment(f"a{n}", f"p{n}") for n in numbers)]
