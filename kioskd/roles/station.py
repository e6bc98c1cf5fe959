"""The role station: one kiosk PC with its devices, and the page on its touchscreen."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from drivers.codes.payloads import Rules, understood
from kioskd.beside import beside
from kioskd.bus.connection import open_bus
from kioskd.bus.hub_client import HubLink
from kioskd.bus.topics import SiteTopics
from kioskd.config import MqttConfig, SiteConfig
from kioskd.core.events import PrintOrdered
from kioskd.core.payload import LinkPayload, Payload
from kioskd.health import Kind
from kioskd.ports import PULSE_NAME, Hub, ScannedCode
from kioskd.roles.codes import code_rules
from kioskd.roles.running import Running, SteadyClock, broker_of, now, site_key
from kioskd.roles.watching import look_at_connection, look_at_device
from kioskd.station import tables
from kioskd.station.attempts import Attempts
from kioskd.station.checkins import CheckIns
from kioskd.station.code_reading import Understand, read_codes
from kioskd.station.devices.registry import DisabledDevice, FoundDevice, find_devices
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.devices.telling import DeviceTelling
from kioskd.station.job_maker import JobMaker
from kioskd.station.kiosk import Kiosk
from kioskd.station.orders import Orders
from kioskd.station.printers import printers_of
from kioskd.station.printing import PrintQueue
from kioskd.station.pulse import Pulse
from kioskd.station.reading import CardReaders
from kioskd.station.reports import DeviceReports
from kioskd.station.templates import load_form
from kioskd.store import Store, open_store
from kioskd.web.kiosk import kiosk_app

log = logging.getLogger(__name__)

CARD_READER = "card-reader"
SCANNER = "scanner"
"""Kinds of devices, as their drivers say."""


@asynccontextmanager
async def linked_hub(daemon: Running, mqtt: MqttConfig) -> AsyncIterator[HubLink]:
    """The hub of another process, from entering to leaving; neither it nor the broker need be there.

    Raises StartRefused.
    """
    topics = SiteTopics(daemon.config.site.id)
    station = daemon.config.station.name
    async with open_bus(broker_of(mqtt, f"station-{station}"), replies=topics.replies) as bus:
        link = HubLink(bus, topics, site_key(mqtt), station)
        async with beside(link.run()):
            yield link


@asynccontextmanager
async def station_role(daemon: Running, hub: Hub, file: str, text: str) -> AsyncIterator[None]:
    """Run it from entering to leaving; ``file`` and ``text`` of the site file are for messages. Raises StartRefused.

    A ``hub`` in the same process is always there; a ``HubLink`` says when it comes and goes.
    """
    config = daemon.config
    async with AsyncExitStack() as parts:
        store = await parts.enter_async_context(open_store(tables.SCHEMA, config.store))
        daemon.watch_store(parts, "station", store)
        found = find_devices(config.device, text, file)
        understand = _understanding(code_rules(config, file, text), config.site)
        station = _put_together(daemon, store, hub, found)
        if isinstance(hub, HubLink):
            _follow(daemon, parts, station, hub)
        else:
            await parts.enter_async_context(beside(_hear_of_orders(daemon, station.orders)))
        await station.queue.recover()
        lives = _devices(daemon, parts, station, found, understand)
        await parts.enter_async_context(beside(*station.work(), *lives))
        app = kiosk_app(station.kiosk, daemon.news, daemon.pages, framed_by=config.site.framed_by)
        await daemon.serve(parts, "kiosk", app, config.station.listen)
        yield


@dataclass(frozen=True, slots=True)
class _Station:
    """The parts of a running station."""

    kiosk: Kiosk
    queue: PrintQueue
    maker: JobMaker
    orders: Orders
    reports: DeviceReports
    attempts: Attempts

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What runs for ever beside the devices."""
        return [
            self.kiosk.run(),
            self.queue.expire_in_time(),
            self.queue.report(),
            self.queue.reroute(self.maker),
            self.orders.run(),
            self.reports.run(),
            self.attempts.run(),
        ]


def _put_together(daemon: Running, store: Store, hub: Hub, found: list[FoundDevice | DisabledDevice]) -> _Station:
    site, name, pages = daemon.config.site, daemon.config.station.name, daemon.pages
    steady = SteadyClock()
    queue = PrintQueue(name, store, hub, daemon.news, steady)
    maker = JobMaker(
        site,
        printers_of(found, daemon.config.device),
        lambda language, english: pages.language(language).texts.gettext(english),
        load_form(daemon.config.ticket, site.languages),
        queue.told,
    )
    checkins = CheckIns(store, hub, maker, steady)
    orders = Orders(name, store, hub, maker, queue, steady, now, site.languages[0])
    attempts = Attempts(name, store, hub, now)
    kiosk = Kiosk(
        name,
        site,
        hub,
        checkins,
        queue,
        daemon.news,
        steady,
        is_hub_there=not isinstance(hub, HubLink) or hub.is_there,
        wall_clock=now,
        broken_off=attempts.note,
        place_of=maker.printers.place_of,
        has_reader=any(device.kind == CARD_READER for device in found) or not found,
    )
    own = [PULSE_NAME] if isinstance(hub, HubLink) else []
    reports = DeviceReports(name, [*(device.name for device in found), *own], hub)
    return _Station(kiosk, queue, maker, orders, reports, attempts)


def _follow(daemon: Running, parts: AsyncExitStack, station: _Station, link: HubLink) -> None:
    """Have every part hear when the hub comes and goes."""
    look = look_at_connection(lambda: link.is_there, lambda: link.why_away)
    parts.callback(daemon.watch.look_at("hub", Kind.HUB, look))
    daemon.watch.on_beat(Pulse(daemon.config.station.name, station.reports.note, time.monotonic))
    link.on_change(station.kiosk.hub_changed)
    link.on_change(lambda is_there: station.reports.hub_returned() if is_there else None)
    link.on_change(lambda is_there: station.attempts.hub_returned() if is_there else None)
    link.on_hub_back(station.queue.tell_again)
    link.on_orders(station.orders.wake)


async def _hear_of_orders(daemon: Running, orders: Orders) -> None:
    """Runs until the daemon stops: a hub in the same process says it in the news. What is missed is asked for later."""
    while not daemon.news.is_over:
        with daemon.news.subscribe() as events:
            async for event in events:
                if isinstance(event, PrintOrdered) and event.station == daemon.config.station.name:
                    orders.wake()


def _devices(
    daemon: Running,
    parts: AsyncExitStack,
    station: _Station,
    found: list[FoundDevice | DisabledDevice],
    understand: Understand,
) -> list[Coroutine[Any, Any, None]]:
    """The lives of the devices that can be used; of the others the desk is told."""
    telling = DeviceTelling(daemon.config.station.name, daemon.config.device, station.reports.note, now)
    work: dict[str, Callable[[ManagedDevice], Awaitable[None]]] = {
        CARD_READER: CardReaders(station.kiosk).work,
        SCANNER: lambda managed: read_codes(managed, station.kiosk.codes, understand),
    }
    lives = []
    for device in found:
        if isinstance(device, DisabledDevice):
            log.warning("%s is disabled: %s", device.name, device.what)
            telling.tell_disabled(device)
            continue
        managed = ManagedDevice(device.name, device.kind, device.device, telling.tell)
        parts.callback(daemon.watch.look_at(f"device {managed.name}", Kind.DEVICE, look_at_device(managed)))
        lives.append(managed.run(work.get(managed.kind, station.queue.work)))
    return lives


def _understanding(rules: Rules, site: SiteConfig) -> Understand:
    """What a code says, by what the site file says of codes."""

    def understand(code: ScannedCode) -> Payload:
        today = now().astimezone(site.zone).date()
        said = understood(code.data, code.symbology, rules, today)
        if isinstance(said, LinkPayload):
            from drivers.codes.links import follow  # a client for HTTP, which hardly any kiosk needs

            return follow(said, rules, today, site.name)
        return said

    return understand
