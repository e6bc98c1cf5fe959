"""The role hub: the site's shared state, its outbox workers, the console and the displays' page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

from kioskd.beside import beside
from kioskd.bus.connection import Bus, open_bus
from kioskd.bus.displays import DisplayDestination
from kioskd.bus.hub_server import serve_hub
from kioskd.bus.topics import SiteTopics
from kioskd.bus.wake import wake_stations
from kioskd.config import DESK_AREA, HubConfig, MqttConfig
from kioskd.core.events import DisplayPublished, RecordDelayed, RecordStored
from kioskd.forward.destination import FhirDestination
from kioskd.forward.http import FhirClient
from kioskd.forward.schedule import FhirSchedule
from kioskd.forward.worker import run_worker
from kioskd.health import Kind
from kioskd.hub import tables, tickets
from kioskd.hub.desk import ReceptionDesk
from kioskd.hub.letter_desk import LetterDesk
from kioskd.hub.printers import PrinterRoom
from kioskd.hub.rules import SiteRules
from kioskd.hub.site import DISPLAYS, RECORDS, Site
from kioskd.news import News
from kioskd.ports import OutboxMessage
from kioskd.roles.preview import preview_of
from kioskd.roles.running import Running, broker_of, now, secret, site_key
from kioskd.roles.watching import ask_outbox, look_at_connection, waiting_for
from kioskd.store import Store, open_store
from kioskd.store.outbox import OutboxState
from kioskd.web.console import console_app
from kioskd.web.display import DisplayArea, DisplaySettings, display_app

GATHER_RECORDS_S = 0.05
"""The patient waits for the ticket and nobody for the record: with both in one process the ticket goes first."""


@asynccontextmanager
async def hub_role(daemon: Running, config: HubConfig, mqtt: MqttConfig) -> AsyncIterator[Site]:
    """Run it from entering to leaving; the hub for a station in this process. Raises StartRefused."""
    site, news = daemon.config.site, daemon.news
    rules = SiteRules(site, config, daemon.config.area, frozenset(daemon.config.ticket.skipped_numbers))
    async with AsyncExitStack() as parts:
        store = await parts.enter_async_context(open_store(tables.SCHEMA, daemon.config.store))
        daemon.watch_store(parts, "hub", store)
        await store.write(lambda c: tickets.begin_epoch(c, int(now().timestamp())))
        token = secret(config.records_token_file, "hub.records_token_file")
        client = await parts.enter_async_context(FhirClient(config.records_url, token))
        schedule = FhirSchedule(client, site.record_number_system)
        hub = Site(store, schedule, rules, news, now)
        topics = SiteTopics(site.id)
        bus = await parts.enter_async_context(
            open_bus(broker_of(mqtt, "hub"), presence=topics.presence, replies=topics.replies)
        )
        if mqtt.site_key_file is not None:
            await parts.enter_async_context(serve_hub(bus, topics, site_key(mqtt), hub))
            await parts.enter_async_context(beside(wake_stations(bus, topics, news)))
        parts.callback(daemon.watch.look_at("broker", Kind.BROKER, look_at_connection(lambda: bus.is_up)))
        desk = ReceptionDesk(store, rules, news, now, lambda: bus.is_up, lambda: daemon.watch.health, hub.silent_s)
        letters = LetterDesk(store, schedule, rules, now)
        printers = PrinterRoom(store, rules, news, now, hub.silent_s)
        daemon.metrics.add_printers(printers.rows)
        await _deliver(parts, daemon, store, bus, desk, FhirDestination(client, config.appointment_target), hub)
        await daemon.serve(
            parts,
            "console",
            console_app(desk, printers, daemon.staff, news, daemon.pages, daemon.staffed, preview_of(daemon), letters),
            config.console_listen,
        )
        await daemon.serve(
            parts,
            "display",
            display_app(_display_settings(daemon, mqtt), daemon.pages, daemon.hosts, site.framed_by),
            config.display_listen,
        )
        yield hub


async def _deliver(
    parts: AsyncExitStack,
    daemon: Running,
    store: Store,
    bus: Bus,
    desk: ReceptionDesk,
    records: FhirDestination,
    hub: Site,
) -> None:
    """What the outbox holds goes to displays and records while ``parts`` are there."""
    news, outbox = daemon.news, tables.outbox
    displays = DisplayDestination(
        bus,
        daemon.config.site.id,
        desk.snapshot_of,
        on_published=lambda area, version: news.publish(DisplayPublished(now(), area, version)),
    )
    to_displays = await parts.enter_async_context(run_worker(store, outbox, DISPLAYS, displays, now))
    to_records = await parts.enter_async_context(
        run_worker(
            store,
            outbox,
            RECORDS,
            records,
            now,
            settled=hub.record_settled,
            gather_s=GATHER_RECORDS_S,
            committed=lambda message, state, error: _tell_record(news, message, state, error),
        )
    )
    for name, progress in ((DISPLAYS, to_displays), (RECORDS, to_records)):
        ask = ask_outbox(store, outbox, name, progress, now)
        parts.callback(daemon.watch.ask(f"delivery to {name}", Kind.OUTBOX, ask))
        daemon.metrics.add_backlog(name, waiting_for(store, outbox, name, now))
    await parts.enter_async_context(beside(displays.run([*(a.id for a in daemon.config.area), DESK_AREA])))


def _display_settings(daemon: Running, mqtt: MqttConfig) -> DisplaySettings:
    site, topics = daemon.config.site, SiteTopics(daemon.config.site.id)
    return DisplaySettings(
        site_name=site.name,
        language=site.languages[0],
        time_zone=site.timezone,
        areas={a.id: DisplayArea(a.name, topics.display_state(a.id)) for a in daemon.config.area},
        broker_url=mqtt.websocket_url,
        broker_user=mqtt.display_user,
        broker_password=secret(mqtt.display_password_file, "mqtt.display_password_file"),
    )


def _tell_record(news: News, message: OutboxMessage, state: OutboxState, error: str) -> None:
    check_in_id = UUID(message.payload["check_in_id"])
    if state is OutboxState.DONE:
        news.publish(RecordStored(now(), check_in_id))
    else:
        news.publish(RecordDelayed(now(), check_in_id, error, state is OutboxState.PARKED))
