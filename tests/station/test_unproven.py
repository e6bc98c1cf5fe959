"""A printer that can't prove anything: who waits for the sheet is asked soon, not after the time of a proof."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kioskd.beside import beside
from kioskd.clock import DeviceClock
from kioskd.core.printing import Cause, PrintJob, PrintState, ProofKind, SheetKind
from kioskd.ports import PrinterStatus
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.print_worker import PROOF_AFTER_S, UNPROVEN_AFTER_S
from tests.station.conftest import WITHIN_S
from tests.station.test_rerouting import Marked, Site, site_in


class Counted(DeviceClock):
    """A clock that a printer moves on with every question."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


class Silent(Marked):
    """Paper comes out and no proof ever; each question takes a quarter of a second of ``clock``."""

    def __init__(self, clock: Counted, status: PrinterStatus) -> None:
        super().__init__("first")
        self.clock, self.answer = clock, status
        self.sent_at = 0.0

    def status(self) -> PrinterStatus:
        self.clock.now += 0.25
        return self.answer

    def send(self, payload: bytes, token: int) -> None:
        super().send(payload, token)
        self.sent_at = self.clock.now

    def prove(self, token: int, odometer_before: int | None, seconds: float) -> ProofKind | None:
        return None


async def unknown_after_s(site: Site, printer: Silent) -> tuple[PrintJob, float]:
    async def nobody(_: ManagedDevice) -> None: ...

    lives = [ManagedDevice("first", "printer", printer, nobody).run(site.queue.work)]
    async with beside(site.queue.report(), *lives):
        async with asyncio.timeout(WITHIN_S):
            job = await site.until(await site.print(), PrintState.UNKNOWN)
    return job, printer.clock.now - printer.sent_at


NOTHING, FENCE = PrinterStatus(True, proof=ProofKind.NONE), PrinterStatus(True, proof=ProofKind.FENCE)
DOUBT = PrinterStatus(True, proof=ProofKind.ODOMETER, doubt=Cause.OTHER_LABEL)


@pytest.mark.parametrize(
    ("status", "cause", "after_s"),
    [
        (NOTHING, Cause.NOT_CONFIRMED, UNPROVEN_AFTER_S),
        (DOUBT, Cause.OTHER_LABEL, UNPROVEN_AFTER_S),
        (FENCE, Cause.NOT_CONFIRMED, PROOF_AFTER_S[SheetKind.TICKET]),
    ],
)
async def test_who_waits_is_asked_after_the_time_that_a_proof_may_take(
    tmp_path: Path, status: PrinterStatus, cause: Cause, after_s: float
) -> None:
    clock = Counted()
    async with site_in(tmp_path, clock=clock) as site:
        printer = Silent(clock, status)
        site.paper["first"] = printer
        job, took_s = await unknown_after_s(site, printer)
    assert job.cause is cause
    assert after_s <= took_s < after_s + 1
    assert printer.paper.total() == 1
