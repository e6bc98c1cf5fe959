"""Figures for Prometheus, on a port of their own: what the roles of this process do, and how their parts are.

Names begin with ``kioskd_`` and end with their unit. Labels are parts, devices, reasons, outcomes and destinations;
nothing of a patient, no ticket, no account. Counters begin at 0 with the process, as Prometheus expects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from kioskd import __version__
from kioskd.core.events import (
    CheckInRefused,
    Event,
    HelpTicketIssued,
    PatientCheckedIn,
    RecordDelayed,
    RecordStored,
    SheetNotPrinted,
    SheetPrinted,
    SheetUnknown,
    TicketCalled,
)
from kioskd.errors import StoreError
from kioskd.health import Health, Kind, State
from kioskd.hub.view import DeviceRow
from kioskd.news import News
from kioskd.web.printer_metrics import PrinterMetrics
from kioskd.web.server import application

log = logging.getLogger(__name__)

READ_WITHIN_S = 2.0
COMMIT_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of an outbox is not delivered; ``oldest_s`` is 0 when nothing waits."""

    pending: int
    parked: int
    oldest_s: float


class Metrics:
    """The figures of one process. ``health`` is asked at each scrape."""

    def __init__(self, health: Callable[[], Health]) -> None:
        self._registry = registry = CollectorRegistry()
        self._backlogs: dict[str, Callable[[], Awaitable[Waiting]]] = {}
        Info("kioskd_build", "What runs here.", registry=registry).info({"version": __version__})
        self._check_ins = Counter("kioskd_check_ins", "Check-ins that were committed.", registry=registry)
        self._refusals = Counter("kioskd_refusals", "Sent to the desk by a kiosk.", ["reason"], registry=registry)
        self._help = Counter("kioskd_help_tickets", "Help tickets that the hub gave.", ["reason"], registry=registry)
        self._calls = Counter("kioskd_calls", "Tickets called, repeats too.", ["area"], registry=registry)
        self._sheets = Counter(
            "kioskd_sheets", "Sheets by how they ended.", ["kind", "outcome", "proof"], registry=registry
        )
        self._printers = PrinterMetrics(registry)
        self._read_printers: Callable[[], Awaitable[Sequence[DeviceRow]]] | None = None
        self._deliveries = Counter(
            "kioskd_record_deliveries", "Attempts to bring a check-in into the record.", ["outcome"], registry=registry
        )
        self._commits = Histogram(
            "kioskd_commit_seconds",
            "From asking for a transaction to its end on disk.",
            ["database"],
            buckets=COMMIT_BUCKETS_S,
            registry=registry,
        )
        self._messages = Gauge(
            "kioskd_outbox_messages", "Messages that are not delivered.", ["destination", "state"], registry=registry
        )
        self._oldest = Gauge(
            "kioskd_outbox_oldest_seconds", "Age of the oldest that is tried.", ["destination"], registry=registry
        )
        registry.register(_HealthCollector(health))
        ProcessCollector(registry=registry)

    def committed(self, database: str) -> Callable[[float], None]:
        """What to call with the seconds of each transaction of a database."""
        observe: Callable[[float], None] = self._commits.labels(database).observe
        return observe

    def add_backlog(self, destination: str, read: Callable[[], Awaitable[Waiting]]) -> None:
        """Ask ``read`` at each scrape. It may raise StoreError."""
        self._backlogs[destination] = read

    def add_printers(self, read: Callable[[], Awaitable[Sequence[DeviceRow]]]) -> None:
        """Ask ``read`` for the site's printers at each scrape. It may raise StoreError."""
        self._read_printers = read

    async def follow(self, news: News) -> None:
        """Count what happens, until the daemon stops."""
        while True:
            with news.subscribe() as subscription:
                async for event in subscription:
                    self.count(event)
            if news.is_over:
                return
            log.warning("metrics: events came faster than they were counted; some are missing")

    def count(self, event: Event) -> None:
        self._printers.count(event)
        match event:
            case PatientCheckedIn():
                self._check_ins.inc()
            case CheckInRefused(reason=reason):
                self._refusals.labels(reason).inc()
            case HelpTicketIssued(reason=reason):
                self._help.labels(reason).inc()
            case TicketCalled(area=area):
                self._calls.labels(area).inc()
            case SheetPrinted(kind=kind, proof=proof):
                self._sheets.labels(kind, "printed", proof).inc()
            case SheetUnknown(kind=kind):
                self._sheets.labels(kind, "unknown", "none").inc()
            case SheetNotPrinted(kind=kind, is_over=True):
                self._sheets.labels(kind, "not-printed", "none").inc()
            case RecordStored():
                self._deliveries.labels("stored").inc()
            case RecordDelayed(is_parked=is_parked):
                self._deliveries.labels("parked" if is_parked else "again-later").inc()

    async def text(self, accept: str) -> tuple[bytes, str]:
        """All figures and their media type, in the format that the scraper asks for."""
        for destination, read in self._backlogs.items():
            try:
                async with asyncio.timeout(READ_WITHIN_S):
                    waiting = await read()
            except (StoreError, TimeoutError):
                continue  # the database says so itself, as a part
            self._messages.labels(destination, "pending").set(waiting.pending)
            self._messages.labels(destination, "parked").set(waiting.parked)
            self._oldest.labels(destination).set(waiting.oldest_s)
        await self._show_printers()
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    async def _show_printers(self) -> None:
        if self._read_printers is None:
            return
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                self._printers.show(await self._read_printers())
        except (StoreError, TimeoutError):
            self._printers.show(())  # nobody knows; the database says why


class _HealthCollector(Collector):
    """How the parts are, at the moment of the scrape."""

    def __init__(self, health: Callable[[], Health]) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        health = self._health()
        well = GaugeMetricFamily("kioskd_part_well", "1 while all is well with a part.", labels=["part", "kind"])
        failed = GaugeMetricFamily("kioskd_part_failed", "1 while the watchdog is not fed.", labels=["part", "kind"])
        ready = GaugeMetricFamily("kioskd_device_ready", "1 while a device is ready.", labels=["device"])
        broker = GaugeMetricFamily("kioskd_broker_up", "1 while the broker is connected.")
        for part in health.parts:
            is_well = float(part.state is State.OK)
            well.add_metric([part.name, part.kind], is_well)
            failed.add_metric([part.name, part.kind], float(part.state is State.FAILED))
            if part.kind is Kind.DEVICE:
                ready.add_metric([part.name.removeprefix("device ")], is_well)
            if part.kind is Kind.BROKER:
                broker.add_metric([], is_well)
        yield well
        yield failed
        yield ready
        yield broker
        lag = "How late the event loop was at its last alarm."
        yield GaugeMetricFamily("kioskd_event_loop_lag_seconds", lag, value=health.lag_s)


def metrics_app(metrics: Metrics, hosts: frozenset[str]) -> ASGIApp:
    """GET ``/metrics``, and nothing else."""

    async def show(request: Request) -> Response:
        body, media_type = await metrics.text(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)

    def problem(_: Request, status: int, reference: str) -> Response:
        return PlainTextResponse(f"{status} {reference}".strip(), status)

    return application([Route("/metrics", show, methods=["GET"])], error_page=problem, hosts=hosts)
