"""Figures about printers for Prometheus: how each is at the scrape, and how its sheets ended since the start."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from kioskd.core.events import Event, SheetNotPrinted, SheetPrinted, SheetUnknown
from kioskd.core.printing import ProofKind
from kioskd.hub.view import DeviceRow

_WHICH = ["station", "device"]


class PrinterMetrics:
    """Labels are stations, devices, outcomes and proofs, as everybody at the site may know them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"kioskd_printer_{name}", what, [*_WHICH, *labels], registry=registry)

        self._sheets = Counter(
            "kioskd_printer_sheets",
            "Sheets of each printer by how they ended, and what proves it.",
            [*_WHICH, "outcome", "proof"],
            registry=registry,
        )
        self._ready = gauge("ready", "1 while it is ready.")
        self._proof = gauge("proof", "1 for the best proof that it can give.", "proof")
        self._paper_low = gauge("paper_low", "1 while its paper is nearly out, or out.")
        self._odometer = gauge("odometer_sheets", "Sheets in its life, where it counts them.")
        self._least = gauge("sheets_left_least", "Sheets left on its roll at least, where that is known.")
        self._most = gauge("sheets_left_most", "Sheets left on its roll at most, where that is known.")

    def count(self, event: Event) -> None:
        match event:
            case SheetPrinted(station=station, device=device, proof=proof) if device:
                self._sheets.labels(station, device, "printed", proof).inc()
            case SheetUnknown(station=station, device=device) if device:
                self._sheets.labels(station, device, "unknown", ProofKind.NONE).inc()
            case SheetNotPrinted(station=station, device=device, is_over=True) if device:
                self._sheets.labels(station, device, "not-printed", ProofKind.NONE).inc()

    def show(self, printers: Sequence[DeviceRow]) -> None:
        """How they are now; one that is gone is shown no more."""
        for gauge in (self._ready, self._proof, self._paper_low, self._odometer, self._least, self._most):
            gauge.clear()
        for row in printers:
            which = (row.station, row.device)
            self._ready.labels(*which).set(row.state == "ready")
            if row.proof is not None:
                self._proof.labels(*which, row.proof).set(1)
            if row.odometer is not None:
                self._odometer.labels(*which).set(row.odometer)
            if row.paper is None:
                continue
            self._paper_low.labels(*which).set(row.paper.is_running_out)
            if row.paper.left is not None:
                self._least.labels(*which).set(row.paper.left.least)
                self._most.labels(*which).set(row.paper.left.most)
