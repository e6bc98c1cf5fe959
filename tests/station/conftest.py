"""One kiosk on real databases with the real hub behind it; between them a wire that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest_asyncio
from sqlalchemy import Table, select

from kioskd.config import AreaConfig, HubConfig, SiteConfig, StoreConfig
from kioskd.core.checkin import Step
from kioskd.core.events import Event
from kioskd.core.identity import Card, Identified, Refused
from kioskd.core.patient import Identifier
from kioskd.core.printing import PrintJob
from kioskd.hub import tables as hub_tables
from kioskd.hub.site import Site, SiteRules
from kioskd.news import News, Subscription
from kioskd.ports import (
    AttemptReport,
    CheckInReply,
    CheckInRequest,
    Device,
    DeviceReport,
    HelpReply,
    HelpRequest,
    PrintOrder,
    PrintReport,
)
from kioskd.station import jobs
from kioskd.station import tables as station_tables
from kioskd.station.checkins import CheckIns
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.job_maker import JobMaker
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, open_store
from tests.fakes import Clock, ListSchedule, PaperPrinter
from tests.people import NOW, appointment, card, patient
from tests.station_jobs import job_maker

T = TypeVar("T")
E = TypeVar("E", bound=Event)
SITE = SiteConfig(id="markt", name="Praxis", timezone="Europe/Berlin")
AREAS = (AreaConfig(id="general", name="Wartezimmer", series="A", rooms=("Zimmer 1",), wristbands=True),)
RULES = SiteRules(SITE, HubConfig(records_token_file=Path("unused")), AREAS)
WITHIN_S = 10.0


class Wire:
    """A ``ports.Hub`` over another. ``trouble`` maps a method to what it raises, or to an Event that it waits for."""

    def __init__(self, hub: Site) -> None:
        self._hub = hub
        self.trouble: dict[str, Exception | asyncio.Event] = {}
        self.asked: list[str] = []
        self._events: dict[str, asyncio.Event] = {}

    async def until_asked(self, name: str) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self._events.setdefault(name, asyncio.Event()).wait()

    async def _through(self, name: str, answer: Awaitable[T]) -> T:
        self.asked.append(name)
        self._events.setdefault(name, asyncio.Event()).set()
        trouble = self.trouble.get(name)
        if isinstance(trouble, Exception):
            asyncio.ensure_future(answer).cancel()
            raise trouble
        if trouble is not None:
            try:
                await trouble.wait()
            except asyncio.CancelledError:  # whoever asked has given up
                asyncio.ensure_future(answer).cancel()
                raise
        return await answer

    async def identify(self, card: Card, at: datetime) -> Identified | Refused:
        return await self._through("identify", self._hub.identify(card, at))

    async def identify_letter(self, letter: str, birth_date: date, at: datetime) -> Identified | Refused:
        return await self._through("identify_letter", self._hub.identify_letter(letter, birth_date, at))

    async def identify_number(
        self, identifier: Identifier, birth_date: date, is_shared_by_family: bool, at: datetime
    ) -> Identified | Refused:
        answer = self._hub.identify_number(identifier, birth_date, is_shared_by_family, at)
        return await self._through("identify_number", answer)

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        return await self._through("check_in", self._hub.check_in(request))

    async def ask_for_help(self, request: HelpRequest) -> HelpReply:
        return await self._through("ask_for_help", self._hub.ask_for_help(request))

    async def report_device(self, report: DeviceReport) -> None:
        await self._through("report_device", self._hub.report_device(report))

    async def orders(self, station: str) -> Sequence[PrintOrder]:
        return await self._through("orders", self._hub.orders(station))

    async def report_attempt(self, report: AttemptReport) -> None:
        await self._through("report_attempt", self._hub.report_attempt(report))

    async def report_print(self, report: PrintReport) -> None:
        await self._through("report_print", self._hub.report_print(report))

    async def station_started(self, station: str, devices: Sequence[str]) -> None:
        await self._through("station_started", self._hub.station_started(station, devices))


@dataclass
class Front:
    """A station and its hub. The patient is ``people.patient()``, who has an appointment today."""

    station: Store
    hub: Store
    wire: Wire
    schedule: ListSchedule
    clock: Clock
    news: News
    queue: PrintQueue
    maker: JobMaker
    kiosk: Kiosk
    tickets: PaperPrinter
    bands: PaperPrinter
    listening: Subscription
    heard: list[Event] = field(default_factory=list)

    @property
    def step(self) -> Step:
        return self.kiosk.view().step

    @property
    def session_id(self) -> UUID:
        return self.kiosk.view().session_id

    async def identified(self) -> UUID:
        """The patient's card went in and was read: "is this you?"."""
        await self.kiosk.card_seen()
        await self.kiosk.card_read(card())
        assert self.step is Step.CONFIRM
        return self.session_id

    async def checked_in(self) -> UUID:
        await self.kiosk.confirm(await self.identified())
        assert self.step is Step.DONE
        return self.session_id

    async def leave(self) -> None:
        """The patient takes the card and taps "I'm done"."""
        await self.kiosk.card_removed()
        await self.kiosk.close(self.session_id)
        assert self.step is Step.WELCOME

    async def jobs(self) -> list[PrintJob]:
        return list(await self.station.read(lambda c: jobs.made_since(c, datetime.min.replace(tzinfo=NOW.tzinfo))))

    async def rows(self, table: Table) -> list[Any]:
        """Rows of hub.db."""
        return await self.hub.read(lambda c: list(c.execute(select(table))))

    async def until(self, kind: type[E]) -> E:
        """The next event of a kind."""
        async with asyncio.timeout(WITHIN_S):
            async for event in self.listening:
                self.heard.append(event)
                if isinstance(event, kind):
                    return event
        raise AssertionError(f"the daemon stopped before {kind.__name__}")

    def device(self, name: str, kind: str, device: Device) -> ManagedDevice:
        async def report(managed: ManagedDevice) -> None:
            await self.wire.report_device(DeviceReport("entrance", name, kind, managed.state, managed.what, NOW))

        return ManagedDevice(name, kind, device, report, first_wait_s=0.01)

    @asynccontextmanager
    async def printing(self, *names: str) -> AsyncIterator[None]:
        """The queue at work, with these printers opened and opened again."""
        printers = {"tickets": self.tickets, "bands": self.bands}
        lives = [self.device(name, "printer", printers[name]).run(self.queue.work) for name in names]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(life) for life in (self.queue.report(), self.queue.expire_in_time(), *lives)]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()


@asynccontextmanager
async def front_in(folder: Path) -> AsyncIterator[Front]:
    key = folder / "store.key"
    key.touch(mode=0o600)
    key.write_text("0f" * 32)
    config = StoreConfig(folder=folder, key_file=key)
    clock, news = Clock(NOW), News()
    schedule = ListSchedule([patient()], [appointment()])
    tickets, bands = PaperPrinter(), PaperPrinter(has_odometer=True)
    async with open_store(station_tables.SCHEMA, config) as station, open_store(hub_tables.SCHEMA, config) as hub:
        wire = Wire(Site(hub, schedule, RULES, news, clock))
        queue = PrintQueue("entrance", station, wire, news, clock)
        maker = job_maker(SITE, tickets, bands)
        checkins = CheckIns(station, wire, maker, clock)
        kiosk = Kiosk("entrance", SITE, wire, checkins, queue, news, clock)
        with news.subscribe() as listening:
            yield Front(station, hub, wire, schedule, clock, news, queue, maker, kiosk, tickets, bands, listening)


@pytest_asyncio.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with front_in(tmp_path) as opened:
        yield opened
