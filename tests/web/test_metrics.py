"""The figures for Prometheus, read by Prometheus's own parser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from kioskd import __version__
from kioskd.core.events import (
    CheckInRefused,
    HelpTicketIssued,
    PatientCheckedIn,
    RecordDelayed,
    RecordStored,
    SheetNotPrinted,
    SheetPrinted,
    SheetUnknown,
    TicketCalled,
)
from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, ProofKind, SheetKind
from kioskd.errors import StoreError
from kioskd.health import Health, Kind, Part, State, Why
from kioskd.hub.view import DeviceRow
from kioskd.news import News
from kioskd.web.metrics import Metrics, Waiting, metrics_app
from kioskd.web.security import LOOPBACK_HOSTS
from kioskd.web.server import serve
from tests.people import NOW
from tests.web.printer_shop import BANDS, TICKETS

ID = uuid4()
HEALTH = Health(
    NOW,
    (
        Part("event loop", Kind.LOOP, State.OK, None, "", NOW),
        Part("hub database", Kind.STORE, State.FAILED, Why.REFUSES, "database is locked", NOW),
        Part("broker", Kind.BROKER, State.TROUBLE, Why.AWAY, "", NOW),
        Part("device tickets", Kind.DEVICE, State.TROUBLE, Why.NOT_READY, "paper-out", NOW),
        Part("device reader", Kind.DEVICE, State.OK, None, "", NOW),
    ),
    lag_s=0.25,
)


@pytest_asyncio.fixture
async def metrics() -> Metrics:
    return Metrics(lambda: HEALTH)


@pytest_asyncio.fixture
async def client(metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve(metrics_app(metrics, LOOPBACK_HOSTS), "127.0.0.1", 0) as address,
        httpx.AsyncClient(base_url=address.url, timeout=10) as made,
    ):
        yield made


async def samples(client: httpx.AsyncClient) -> dict[str, float]:
    """Every sample as ``name{label=value}`` with its value."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation
        for s in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(s.labels.items()))
            found[f"{s.name}{{{labels}}}" if labels else s.name] = s.value
    return found


async def test_parts_devices_broker_and_loop_are_there_as_they_are_now(client: httpx.AsyncClient):
    found = await samples(client)
    assert found["kioskd_part_well{kind=event-loop,part=event loop}"] == 1
    assert found["kioskd_part_well{kind=broker,part=broker}"] == 0
    assert found["kioskd_part_failed{kind=broker,part=broker}"] == 0
    assert found["kioskd_part_failed{kind=store,part=hub database}"] == 1
    assert found["kioskd_device_ready{device=reader}"] == 1
    assert found["kioskd_device_ready{device=tickets}"] == 0
    assert found["kioskd_broker_up"] == 0
    assert found["kioskd_event_loop_lag_seconds"] == 0.25
    assert found[f"kioskd_build_info{{version={__version__}}}"] == 1


async def test_what_happens_is_counted_by_reason_outcome_and_proof(metrics: Metrics, client: httpx.AsyncClient):
    for event in (
        PatientCheckedIn(NOW, ID, "A1", "general"),
        PatientCheckedIn(NOW, ID, "A2", "general"),
        CheckInRefused(NOW, "entrance", ID, Reason.NO_APPOINTMENT),
        HelpTicketIssued(NOW, ID, "D1", Reason.NO_APPOINTMENT),
        TicketCalled(NOW, ID, "A1", "general", "Room 1"),
        SheetPrinted(NOW, ID, SheetKind.TICKET, ProofKind.COMPLETION),
        SheetUnknown(NOW, ID, SheetKind.WRISTBAND, Cause.CONNECTION_LOST),
        SheetNotPrinted(NOW, ID, SheetKind.TICKET, Cause.PAPER_OUT, is_over=False),
        SheetNotPrinted(NOW, ID, SheetKind.TICKET, Cause.PAPER_OUT, is_over=True),
        RecordStored(NOW, ID),
        RecordDelayed(NOW, ID, "503", is_parked=False),
        RecordDelayed(NOW, ID, "422", is_parked=True),
    ):
        metrics.count(event)
    found = await samples(client)
    assert {name: value for name, value in found.items() if name.partition("{")[0].endswith("_total")} | {
        "process_cpu_seconds_total": 0
    } == {
        "process_cpu_seconds_total": 0,
        "kioskd_check_ins_total": 2,
        "kioskd_refusals_total{reason=no-appointment}": 1,
        "kioskd_help_tickets_total{reason=no-appointment}": 1,
        "kioskd_calls_total{area=general}": 1,
        "kioskd_sheets_total{kind=ticket,outcome=printed,proof=completion}": 1,
        "kioskd_sheets_total{kind=wristband,outcome=unknown,proof=none}": 1,
        "kioskd_sheets_total{kind=ticket,outcome=not-printed,proof=none}": 1,
        "kioskd_record_deliveries_total{outcome=stored}": 1,
        "kioskd_record_deliveries_total{outcome=again-later}": 1,
        "kioskd_record_deliveries_total{outcome=parked}": 1,
    }


async def test_sheets_are_counted_for_each_printer_by_how_they_ended(metrics: Metrics, client: httpx.AsyncClient):
    for event in (
        SheetPrinted(NOW, ID, SheetKind.TICKET, ProofKind.COMPLETION, "entrance", "tickets"),
        SheetPrinted(NOW, ID, SheetKind.TEST, ProofKind.COMPLETION, "entrance", "tickets"),
        SheetUnknown(NOW, ID, SheetKind.TICKET, Cause.CONNECTION_LOST, "entrance", "tickets"),
        SheetNotPrinted(NOW, ID, SheetKind.TICKET, Cause.PAPER_OUT, False, "entrance", "tickets"),
        SheetNotPrinted(NOW, ID, SheetKind.WRISTBAND, Cause.PAPER_OUT, True, "lab", "bands"),
        SheetPrinted(NOW, ID, SheetKind.TICKET, ProofKind.STAFF),
    ):
        metrics.count(event)
    found = await samples(client)
    name = "kioskd_printer_sheets_total"
    assert {key: value for key, value in found.items() if key.startswith(name)} == {
        f"{name}{{device=tickets,outcome=printed,proof=completion,station=entrance}}": 2,
        f"{name}{{device=tickets,outcome=unknown,proof=none,station=entrance}}": 1,
        f"{name}{{device=bands,outcome=not-printed,proof=none,station=lab}}": 1,
    }


async def test_printers_are_shown_as_they_are_now_and_no_more_when_they_are_gone(
    metrics: Metrics, client: httpx.AsyncClient
):
    present = [TICKETS, BANDS]

    async def read() -> list[DeviceRow]:
        if not present:
            raise StoreError("the database is locked")
        return present

    metrics.add_printers(read)
    found = await samples(client)
    assert {key: value for key, value in found.items() if key.startswith("kioskd_printer_")} == {
        "kioskd_printer_ready{device=tickets,station=entrance}": 1,
        "kioskd_printer_ready{device=bands,station=entrance}": 0,
        "kioskd_printer_proof{device=tickets,proof=completion,station=entrance}": 1,
        "kioskd_printer_proof{device=bands,proof=odometer,station=entrance}": 1,
        "kioskd_printer_paper_low{device=tickets,station=entrance}": 0,
        "kioskd_printer_paper_low{device=bands,station=entrance}": 0,
        "kioskd_printer_odometer_sheets{device=bands,station=entrance}": 14211,
        "kioskd_printer_sheets_left_least{device=tickets,station=entrance}": 357,
        "kioskd_printer_sheets_left_most{device=tickets,station=entrance}": 786,
    }
    present.pop()
    assert not [key for key in await samples(client) if "device=bands" in key]
    present.pop()
    assert not [key for key in await samples(client) if key.startswith("kioskd_printer_")]


async def test_backlog_and_commits(metrics: Metrics, client: httpx.AsyncClient):
    async def read() -> Waiting:
        return Waiting(3, 1, 125.0)

    async def refuse() -> Waiting:
        raise StoreError("the database is locked")

    metrics.add_backlog("records", read)
    metrics.add_backlog("displays", refuse)
    for seconds in (0.002, 0.2, 20.0):
        metrics.committed("hub")(seconds)
    found = await samples(client)
    assert found["kioskd_outbox_messages{destination=records,state=pending}"] == 3
    assert found["kioskd_outbox_messages{destination=records,state=parked}"] == 1
    assert found["kioskd_outbox_oldest_seconds{destination=records}"] == 125
    assert not [name for name in found if "destination=displays" in name]
    assert found["kioskd_commit_seconds_count{database=hub}"] == 3
    assert found["kioskd_commit_seconds_bucket{database=hub,le=0.0025}"] == 1


async def test_news_are_followed_until_the_daemon_stops(metrics: Metrics, client: httpx.AsyncClient):
    news = News()
    following = asyncio.create_task(metrics.follow(news))
    await asyncio.sleep(0)  # let it subscribe
    news.publish(PatientCheckedIn(NOW, ID, "A1", "general"))
    news.end()
    await asyncio.wait_for(following, 20)
    assert (await samples(client))["kioskd_check_ins_total"] == 1


async def test_no_label_can_tell_one_patient_from_another(metrics: Metrics, client: httpx.AsyncClient):
    metrics.count(PatientCheckedIn(NOW, ID, "A4711", "general"))
    metrics.count(RecordDelayed(NOW, ID, "canary 422 Hohenstein", is_parked=True))
    text = (await client.get("/metrics")).text
    assert "kioskd_check_ins_total 1.0" in text
    assert not [secret for secret in ("A4711", str(ID), "Hohenstein", "canary") if secret in text]


async def test_there_is_nothing_else_on_this_port(client: httpx.AsyncClient):
    assert (await client.get("/")).status_code == 404
    assert (await client.post("/metrics")).status_code in {403, 405}
    assert (await client.get("/metrics", headers={"host": "evil.example"})).status_code in {400, 403, 421}
