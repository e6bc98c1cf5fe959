"""The role station: one kiosk PC with its devices, and the page on its touchscreen."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from kioskd.beside import beside
from kioskd.bus.connection import open_bus
from kioskd.bus.hub_client import HubLink
from kioskd.bus.topics import SiteTopics
from kioskd.config import MqttConfig
from kioskd.health import Kind
from kioskd.ports import PULSE_NAME, DeviceReport, Hub
from kioskd.roles.running import Running, SteadyClock, broker_of, now, site_key
from kioskd.roles.watching import look_at_connection, look_at_device
from kioskd.station import tables
from kioskd.station.attempts import Attempts
from kioskd.station.checkins import CheckIns, Printers
from kioskd.station.devices.registry import DisabledDevice, FoundDevice, find_devices
from kioskd.station.devices.supervisor import DISABLED, ManagedDevice
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.station.pulse import Pulse
from kioskd.station.reading import read_cards
from kioskd.station.reports import DeviceReports
from kioskd.store import open_store
from kioskd.web.kiosk import kiosk_app

log = logging.getLogger(__name__)


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
    config, news, pages = daemon.config, daemon.news, daemon.pages
    station = config.station.name
    async with AsyncExitStack() as parts:
        store = await parts.enter_async_context(open_store(tables.SCHEMA, config.store))
        daemon.watch_store(parts, "station", store)
        found = find_devices(config.device, text, file)
        steady = SteadyClock()
        queue = PrintQueue(station, store, hub, news, steady)
        checkins = CheckIns(
            config.site,
            store,
            hub,
            _printers(found),
            steady,
            lambda language, english: pages.language(language).texts.gettext(english),
            config.site.gs1_company_prefix,
        )
        link = hub if isinstance(hub, HubLink) else None
        if link is not None:
            look = look_at_connection(lambda: link.is_there, lambda: link.why_away)
            parts.callback(daemon.watch.look_at("hub", Kind.HUB, look))
        is_hub_there = link is None or link.is_there
        attempts = Attempts(station, store, hub, now)
        kiosk = Kiosk(
            station,
            config.site,
            hub,
            checkins,
            queue,
            news,
            steady,
            is_hub_there,
            wall_clock=now,
            broken_off=attempts.note,
        )
        own = [PULSE_NAME] if link is not None else []
        reports = DeviceReports(station, [*(device.name for device in found), *own], hub)
        if link is not None:
            daemon.watch.on_beat(Pulse(station, reports.note, time.monotonic))
            link.on_change(kiosk.hub_changed)
            link.on_change(lambda is_there: reports.hub_returned() if is_there else None)
            link.on_change(lambda is_there: attempts.hub_returned() if is_there else None)
            link.on_hub_back(queue.tell_again)
        await queue.recover()

        async def report(device: ManagedDevice) -> None:
            reports.note(DeviceReport(station, device.name, device.kind, device.state, device.what, now()))

        for device in found:
            if isinstance(device, DisabledDevice):
                log.warning("%s is disabled: %s", device.name, device.what)
                reports.note(DeviceReport(station, device.name, device.kind, DISABLED, device.what, now()))
        managed = [ManagedDevice(d.name, d.kind, d.device, report) for d in found if isinstance(d, FoundDevice)]
        for one in managed:
            parts.callback(daemon.watch.look_at(f"device {one.name}", Kind.DEVICE, look_at_device(one)))
        lives = [d.run((lambda m: read_cards(m, kiosk)) if d.kind == "card-reader" else queue.work) for d in managed]
        await parts.enter_async_context(
            beside(kiosk.run(), queue.expire_in_time(), queue.report(), reports.run(), attempts.run(), *lives)
        )
        app = kiosk_app(kiosk, news, pages, framed_by=config.site.framed_by)
        await daemon.serve(parts, "kiosk", app, config.station.listen)
        yield


def _printers(found: list[FoundDevice | DisabledDevice]) -> Printers:
    """The station's printers: the first of each kind that the site file names."""
    by_kind: dict[str, tuple[str, Any]] = {}
    for device in found:
        if isinstance(device, FoundDevice):
            by_kind.setdefault(device.kind, (device.name, device.device))
    return Printers(by_kind.get("ticket-printer"), by_kind.get("wristband-printer"))
