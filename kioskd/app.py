"""The life of the process: every part started in order, stopped in reverse.

Each part is a context; leaving the stack is the shutdown. A task that crashes ends its part, the parts around it and
the process, non-zero. Stopping is bounded everywhere, and should a bound be missed ``STOP_WITHIN_S`` ends the process.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from kioskd.beside import beside
from kioskd.bus.connection import BrokerAddress, open_bus
from kioskd.bus.displays import DisplayDestination
from kioskd.bus.topics import SiteTopics
from kioskd.config import DESK_AREA, Config, HubConfig, MqttConfig, RecordsConfig
from kioskd.core.events import DisplayPublished, RecordDelayed, RecordStored
from kioskd.errors import StartRefused
from kioskd.forward.destination import FhirDestination
from kioskd.forward.http import FhirClient
from kioskd.forward.schedule import FhirSchedule
from kioskd.forward.worker import run_worker
from kioskd.hub import tables as hub_tables
from kioskd.hub import tickets
from kioskd.hub.desk import ReceptionDesk
from kioskd.hub.site import DISPLAYS, RECORDS, Site, SiteRules
from kioskd.news import News
from kioskd.notify import notify
from kioskd.ports import DeviceReport, Hub, OutboxMessage
from kioskd.records import tables as records_tables
from kioskd.records.backend import Records
from kioskd.records.rest import fhir_app
from kioskd.staff import Staff
from kioskd.staff import tables as staff_tables
from kioskd.station import tables as station_tables
from kioskd.station.checkins import CheckIns, Printers
from kioskd.station.devices.registry import DisabledDevice, FoundDevice, find_devices
from kioskd.station.devices.supervisor import DISABLED, ManagedDevice
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.station.reading import read_cards
from kioskd.store import open_store
from kioskd.store.outbox import OutboxState
from kioskd.web.console import console_app
from kioskd.web.display import DisplayArea, DisplaySettings, display_app
from kioskd.web.kiosk import kiosk_app
from kioskd.web.pages import Pages
from kioskd.web.records import records_app
from kioskd.web.security import LOOPBACK_HOSTS
from kioskd.web.server import Address, serve
from kioskd.web.sign_in import StaffedSettings

STOP_WITHIN_S = 40.0
"""Shorter than the unit's TimeoutStopSec."""

GATHER_RECORDS_S = 0.05
"""The patient waits for the ticket and nobody for the record: with both in one process the ticket goes first."""

log = logging.getLogger(__name__)


def now() -> datetime:
    """The daemon's clock: aware UTC."""
    return datetime.now(UTC)


@dataclass
class Running:
    """A running daemon, for who started it: where its pages are."""

    config: Config
    news: News
    staff: Staff
    pages: Pages
    addresses: dict[str, Address] = field(default_factory=dict)
    framed_by: tuple[str, ...] = ()


async def run(config: Config, file: Path, text: str) -> None:
    """Run until SIGTERM or SIGINT. Raises StartRefused, or what a crashed part raised."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(config, str(file), text) as daemon:
        notify("READY=1")
        log.info("ready: %s", ", ".join(f"{name} on {a.url}" for name, a in daemon.addresses.items()))
        try:
            await stop.wait()
        finally:  # also when a part has crashed
            notify("STOPPING=1")
            log.info("stopping")
            _end_in_any_case()


def _end_in_any_case() -> None:
    """A last bound: whatever hangs, the process ends, and the init system sees that it did not end well."""
    timer = threading.Timer(STOP_WITHIN_S, os._exit, (70,))
    timer.daemon = True
    timer.start()


@asynccontextmanager
async def running(
    config: Config, file: str = "site file", text: str = "", framed_by: tuple[str, ...] = ()
) -> AsyncIterator[Running]:
    """All roles of the site file, from entering to leaving. ``framed_by``: who may frame kiosk and display."""
    roles = config.site.roles
    async with AsyncExitStack() as parts:
        news = News()
        pages = Pages(config.site.zone)
        staff = Staff(await parts.enter_async_context(open_store(staff_tables.SCHEMA, config.store)), now, config.staff)
        parts.callback(staff.close)
        daemon = Running(config, news, staff, pages, framed_by=framed_by)
        if "records" in roles and config.records is not None:
            await parts.enter_async_context(_records(daemon, config.records))
        if "hub" in roles and config.hub is not None and config.mqtt is not None:
            hub = await parts.enter_async_context(_hub(daemon, config.hub, config.mqtt))
            if "station" in roles:
                await parts.enter_async_context(_station(daemon, hub, file, text))
        elif "station" in roles:
            raise StartRefused("a station without a hub in the same process needs the MQTT link, which comes later")
        # What was made by now lives as long as the process: without this the collector walks through all of it again
        # and again, 50 ms at a time (measured) in which nobody is answered.
        gc.collect()
        gc.freeze()
        parts.callback(news.end)  # the first thing to stop: live streams would keep the web servers waiting
        yield daemon


async def _serve(parts: AsyncExitStack, daemon: Running, name: str, app: Any, listen: str) -> None:
    host, _, port = listen.rpartition(":")
    daemon.addresses[name] = await parts.enter_async_context(serve(app, host.strip("[]"), int(port)))


def _hosts(config: Config) -> frozenset[str]:
    return LOOPBACK_HOSTS | frozenset(config.site.hosts)


def _staffed(config: Config) -> StaffedSettings:
    """How the pages for staff are served."""
    origins = config.staff.trusted_sign_in_origins
    return StaffedSettings(_hosts(config), config.site.is_behind_tls, origins, config.site.languages[0])


def _secret(path: Path, key: str) -> str:
    """The first line of a secret's file. Raises StartRefused."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartRefused(f"{key} {path} can't be read: {error.strerror}") from error
    if not text:
        raise StartRefused(f"{key} {path} is empty")
    return text


@asynccontextmanager
async def _records(daemon: Running, config: RecordsConfig) -> AsyncIterator[None]:
    site = daemon.config.site
    async with AsyncExitStack() as parts:
        store = await parts.enter_async_context(open_store(records_tables.SCHEMA, daemon.config.store))
        records = Records(store, daemon.news, site.zone, site.day_starts, site.record_number_system, now)
        token = _secret(config.token_file, "records.token_file")
        await _serve(parts, daemon, "fhir", fhir_app(records, token), config.fhir_listen)
        app = records_app(
            records, daemon.staff, daemon.news, daemon.pages, _staffed(daemon.config), site_name=site.name
        )
        await _serve(parts, daemon, "records", app, config.desk_listen)
        yield


@asynccontextmanager
async def _hub(daemon: Running, config: HubConfig, mqtt: MqttConfig) -> AsyncIterator[Site]:
    site, news = daemon.config.site, daemon.news
    rules = SiteRules(site, config, daemon.config.area)
    async with AsyncExitStack() as parts:
        store = await parts.enter_async_context(open_store(hub_tables.SCHEMA, daemon.config.store))
        await store.write(lambda c: tickets.begin_epoch(c, int(now().timestamp())))
        token = _secret(config.records_token_file, "hub.records_token_file")
        client = await parts.enter_async_context(FhirClient(config.records_url, token))
        hub = Site(store, FhirSchedule(client, site.record_number_system), rules, news, now)
        bus = await parts.enter_async_context(_bus(mqtt, site.id))
        desk = ReceptionDesk(store, rules, news, now, lambda: bus.is_up)
        displays = DisplayDestination(
            bus, site.id, desk.snapshot_of, on_published=lambda a, v: news.publish(DisplayPublished(now(), a, v))
        )
        records = FhirDestination(client, config.appointment_target)
        await parts.enter_async_context(run_worker(store, hub_tables.outbox, DISPLAYS, displays, now))
        await parts.enter_async_context(
            run_worker(
                store,
                hub_tables.outbox,
                RECORDS,
                records,
                now,
                settled=hub.record_settled,
                gather_s=GATHER_RECORDS_S,
                committed=lambda message, state, error: _tell_record(news, message, state, error),
            )
        )
        areas = [*(a.id for a in daemon.config.area), DESK_AREA]
        await parts.enter_async_context(beside(displays.run(areas)))
        await _serve(
            parts,
            daemon,
            "console",
            console_app(desk, daemon.staff, news, daemon.pages, _staffed(daemon.config)),
            config.console_listen,
        )
        await _serve(
            parts,
            daemon,
            "display",
            display_app(_display_settings(daemon, mqtt), daemon.pages, _hosts(daemon.config), daemon.framed_by),
            config.display_listen,
        )
        yield hub


def _bus(mqtt: MqttConfig, site_id: str) -> Any:
    password = _secret(mqtt.password_file, "mqtt.password_file")
    address = BrokerAddress(mqtt.host, mqtt.port, mqtt.user, password, "hub", mqtt.tls_ca_file)
    topics = SiteTopics(site_id)
    return open_bus(address, presence=topics.presence, replies=topics.replies)


def _display_settings(daemon: Running, mqtt: MqttConfig) -> DisplaySettings:
    site, topics = daemon.config.site, SiteTopics(daemon.config.site.id)
    return DisplaySettings(
        site_name=site.name,
        language=site.languages[0],
        time_zone=site.timezone,
        areas={a.id: DisplayArea(a.name, topics.display_state(a.id)) for a in daemon.config.area},
        broker_url=mqtt.websocket_url,
        broker_user=mqtt.display_user,
        broker_password=_secret(mqtt.display_password_file, "mqtt.display_password_file"),
    )


def _tell_record(news: News, message: OutboxMessage, state: OutboxState, error: str) -> None:
    check_in_id = UUID(message.payload["check_in_id"])
    if state is OutboxState.DONE:
        news.publish(RecordStored(now(), check_in_id))
    else:
        news.publish(RecordDelayed(now(), check_in_id, error, state is OutboxState.PARKED))


@asynccontextmanager
async def _station(daemon: Running, hub: Hub, file: str, text: str) -> AsyncIterator[None]:
    config, news, pages = daemon.config, daemon.news, daemon.pages
    station = config.station.name
    async with AsyncExitStack() as parts:
        store = await parts.enter_async_context(open_store(station_tables.SCHEMA, config.store))
        found = find_devices(config.device, text, file)
        queue = PrintQueue(station, store, hub, news, now)
        checkins = CheckIns(
            config.site,
            store,
            hub,
            _printers(found),
            now,
            lambda language, english: pages.language(language).texts.gettext(english),
            config.hub.gs1_company_prefix if config.hub else "",
        )
        kiosk = Kiosk(station, config.site, hub, checkins, queue, news, now)
        await queue.recover()

        async def report(device: ManagedDevice) -> None:
            await hub.report_device(DeviceReport(station, device.name, device.kind, device.state, device.what, now()))

        await hub.station_started(station, [device.name for device in found])
        for device in found:
            if isinstance(device, DisabledDevice):
                log.warning("%s is disabled: %s", device.name, device.what)
                await hub.report_device(DeviceReport(station, device.name, device.kind, DISABLED, device.what, now()))
        managed = [ManagedDevice(d.name, d.kind, d.device, report) for d in found if isinstance(d, FoundDevice)]
        lives = [d.run((lambda m: read_cards(m, kiosk)) if d.kind == "card-reader" else queue.work) for d in managed]
        await parts.enter_async_context(beside(kiosk.run(), queue.expire_in_time(), queue.report(), *lives))
        app = kiosk_app(kiosk, news, pages, framed_by=daemon.framed_by)
        await _serve(parts, daemon, "kiosk", app, config.station.listen)
        yield


def _printers(found: list[FoundDevice | DisabledDevice]) -> Printers:
    """The station's printers: the first of each kind that the site file names."""
    by_kind: dict[str, tuple[str, Any]] = {}
    for device in found:
        if isinstance(device, FoundDevice):
            by_kind.setdefault(device.kind, (device.name, device.device))
    return Printers(by_kind.get("ticket-printer"), by_kind.get("wristband-printer"))
