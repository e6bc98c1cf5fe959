"""A real console on a real hub, with a station whose printers of bands and labels are software at the end of a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import Table, select

from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.beside import beside
from kioskd.config import AreaConfig, DeviceConfig, HubConfig, SiteConfig, StaffConfig, StoreConfig
from kioskd.core.events import PrintOrdered
from kioskd.core.printing import PrintState, SheetKind
from kioskd.hub import tables
from kioskd.hub.desk import ReceptionDesk
from kioskd.hub.printers import PrinterRoom
from kioskd.hub.rules import SiteRules
from kioskd.hub.site import Site
from kioskd.hub.view import QueueRow
from kioskd.news import News
from kioskd.ports import DeviceReport, PrintReport
from kioskd.roles.running import SteadyClock
from kioskd.staff import Role, Staff
from kioskd.staff.tables import SCHEMA as STAFF
from kioskd.station import tables as station_tables
from kioskd.station.devices.registry import FoundDevice, find_devices
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.devices.telling import DeviceTelling
from kioskd.station.job_maker import JobMaker
from kioskd.station.orders import Orders
from kioskd.station.printers import printers_of
from kioskd.station.printing import PrintQueue
from kioskd.station.reports import DeviceReports
from kioskd.store import Store, open_store
from kioskd.web.console import console_app
from kioskd.web.pages import Pages
from kioskd.web.server import serve
from kioskd.web.sign_in import StaffedSettings
from tests.fakes import ListSchedule
from tests.people import appointment, patient, request

SITE = SiteConfig(id="markt", name="Praxis am Markt", timezone="Europe/Berlin", languages=("en", "de"))
AREAS = (AreaConfig(id="general", name="Wartezimmer", series="A", rooms=("Zimmer 1",), wristbands=True),)
RULES = SiteRules(SITE, HubConfig(records_token_file=Path("unused"), desk_name="Empfang"), AREAS)
STATION = "desk"
PRINTER = "bands"
LABELS = "labels"
DPI = 300
WITHIN_S = 30.0


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class BandDesk:
    """``url`` and ``password`` (of ``anna.kurz``) are for the console; the printers are the station's, staff-side."""

    site: Site
    desk: ReceptionDesk
    hub: Store
    staff: Staff
    news: News
    printer: VirtualWristbandPrinter
    labels: VirtualWristbandPrinter
    url: str
    password: str

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"origin": self.url}, timeout=20, trust_env=False)

    async def check_in(self, number: int = 1, family: str = "Huber", given: str = "Anna") -> QueueRow:
        """A patient who came to a kiosk that has no band printer; their row in the queue."""
        who = patient(number, family, given)
        asked = replace(request(number), patient=who, appointment=appointment(number, who, now()), arrived_at=now())
        reply = await self.site.check_in(asked)
        return await self.row(reply.label)

    async def row(self, label: str) -> QueueRow:
        return next(row for row in (await self.desk.view()).rows if row.label == label)

    async def rows(self, table: Table) -> list[Any]:
        return await self.hub.read(lambda c: list(c.execute(select(table).order_by(*table.primary_key))))

    async def trail(self) -> list[tuple[str, str]]:
        """What staff did with sheets: who, what."""
        entries = [e for e in await self.rows(tables.audit) if e.subject.startswith("ticket/")]
        return [(e.actor, e.action) for e in entries]

    async def device(self, name: str, kind: str, **changes: Any) -> None:
        """A device of another station."""
        report = DeviceReport("entrance", name, kind, "ready", "", now())
        await self.site.report_device(replace(report, **changes))

    async def said(self, row: QueueRow, kind: SheetKind, state: PrintState, copy: int = 1, **changes: Any) -> None:
        """A station's word about a sheet."""
        report = PrintReport(row.check_in_id, kind, copy, state, None, None, now(), "entrance", "some-printer")
        await self.site.report_print(replace(report, **changes))

    async def printed(self, count: int) -> tuple[bytes, ...]:
        """The bands that came out, once there are so many."""
        with self.news.subscribe() as events:
            async with asyncio.timeout(WITHIN_S):
                while len(self.printer.sheets) < count:
                    await events.next_within(1.0)
        return self.printer.sheets

    async def add(self, name: str, role: Role) -> str:
        return await self.staff.add_account(name, [role], "system", is_permanent=True)


@asynccontextmanager
async def band_desk(folder: Path, language: str = "en", *, has_station: bool = True) -> AsyncIterator[BandDesk]:
    """Everything of it; without ``has_station`` only what tests say of printers is known."""
    key = folder / "store.key"
    key.touch(mode=0o600)
    key.write_text("0f" * 32)
    config, news = StoreConfig(folder=folder / "data", key_file=key), News()
    async with AsyncExitStack() as parts:
        hub = await parts.enter_async_context(open_store(tables.SCHEMA, config))
        accounts = await parts.enter_async_context(open_store(STAFF, config))
        site = Site(hub, ListSchedule(), RULES, news, now)
        desk = ReceptionDesk(hub, RULES, news, now, lambda: True)
        printer, labels = (parts.enter_context(VirtualWristbandPrinter(mechanical=False)) for _ in range(2))
        if has_station:
            await parts.enter_async_context(_station(config, site, news, printer.port, labels.port))
        staff = Staff(accounts, now, StaffConfig())
        parts.callback(staff.close)
        password = await staff.add_account("anna.kurz", [Role.RECEPTIONIST], "system", is_permanent=True)
        pages = Pages(ZoneInfo("Europe/Berlin"))
        app = console_app(
            desk, PrinterRoom(hub, RULES, news, now), staff, news, pages, StaffedSettings(language=language)
        )
        address = await parts.enter_async_context(serve(app, "127.0.0.1", 0))
        parts.callback(news.end)
        yield BandDesk(site, desk, hub, staff, news, printer, labels, address.url, password)


@asynccontextmanager
async def _station(config: StoreConfig, hub: Site, news: News, *ports: int) -> AsyncIterator[None]:
    """The reception's own station: a printer for bands and one for labels on the staff's side, and nothing else."""
    drivers = zip((PRINTER, LABELS), ("zpl", "zpl-label"), ports, strict=True)
    blocks = tuple(
        DeviceConfig(name=name, driver=driver, at="desk", place="Reception", port=f"tcp://127.0.0.1:{port}", dpi=DPI)
        for name, driver, port in drivers
    )
    found = [device for device in find_devices(blocks, "", "site.toml") if isinstance(device, FoundDevice)]
    assert len(found) == len(blocks)
    async with open_store(station_tables.SCHEMA, config) as store:
        steady = SteadyClock()
        queue = PrintQueue(STATION, store, hub, news, steady)
        maker = JobMaker(SITE, printers_of(found, blocks), lambda _, english: english)
        orders = Orders(STATION, store, hub, maker, queue, steady, now, "en")
        reports = DeviceReports(STATION, [PRINTER, LABELS], hub)
        telling = DeviceTelling(STATION, blocks, reports.note, now)
        managed = [ManagedDevice(f.name, f.kind, f.device, telling.tell, first_wait_s=0.05) for f in found]
        await queue.recover()
        printing = (device.run(queue.work) for device in managed)
        works = (queue.expire_in_time(), queue.report(), orders.run(), reports.run(), *printing)
        async with beside(*works, _hear(news, orders)):
            yield


async def _hear(news: News, orders: Orders) -> None:
    with news.subscribe() as events:
        async for event in events:
            if isinstance(event, PrintOrdered):
                orders.wake()


async def printer_is_known(desk: BandDesk, name: str = PRINTER) -> None:
    """Wait until the station has said that a printer is ready."""
    with desk.news.subscribe() as events:
        async with asyncio.timeout(WITHIN_S):
            while not any(d.device == name and d.state == "ready" for d in (await desk.desk.view()).devices):
                await events.next_within(1.0)


__all__ = ["DPI", "LABELS", "PRINTER", "STATION", "WITHIN_S", "BandDesk", "band_desk", "printer_is_known"]
