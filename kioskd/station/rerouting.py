"""Queued sheets of a printer that can't print go to the next one of its role, if people can be told where that is.

Only what is QUEUED moves, of which nothing came out: never what was sent, and never what nobody knows of. A printer has
``REROUTE_AFTER_S`` to come back. Without a stand-in that is ready and has a place to tell, a sheet waits for staff.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from kioskd.clock import DeviceClock
from kioskd.core.printing import PrintJob, PrintState
from kioskd.errors import StoreError
from kioskd.station.job_maker import JobMaker
from kioskd.station.print_book import STORE_PAUSE_S, PrintBook
from kioskd.station.readiness import Readiness
from kioskd.station.waiting import woken

log = logging.getLogger(__name__)

REROUTE_AFTER_S = 3.0
"""How long a printer may be not ready before its sheets move."""
AT_LEAST_S = 0.02
"""Shortest wait for a printer's time to be over."""


class Rerouting:
    """``moved(job)`` is called after a sheet has changed its printer. Run ``run`` beside the print queue."""

    def __init__(
        self,
        book: PrintBook,
        maker: JobMaker,
        readiness: Readiness,
        clock: Callable[[], datetime],
        device_clock: DeviceClock,
        moved: Callable[[PrintJob], None],
    ) -> None:
        self._book = book
        self._maker = maker
        self._readiness = readiness
        self._clock = clock
        self._device_clock = device_clock
        self._moved = moved
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """A printer or a job changed."""
        self._stirred.set()

    async def run(self) -> None:
        """Runs for ever."""
        while True:
            self._stirred.clear()
            try:
                wait_s = await self.move_what_can()
            except StoreError as error:
                self._book.store_refused(error)
                wait_s = STORE_PAUSE_S
            await woken(self._stirred, wait_s)

    async def move_what_can(self) -> float | None:
        """Move every sheet whose time has come; after how many seconds the next one's has, or None."""
        waits: list[float] = []
        for job in await self._book.unfinished():
            if job.state is not PrintState.QUEUED or not job.content or self._book.is_due_to_expire(job):
                continue
            left_s = REROUTE_AFTER_S - self._readiness.not_ready_for_s(job.device)
            if self._readiness.is_ready(job.device) or not self._maker.printers.stand_ins(job.device, job.key.kind):
                continue
            if left_s > 0:
                waits.append(max(AT_LEAST_S, self._device_clock.real_s(left_s)))
            else:
                await self._move(job)
        return min(waits, default=None)

    async def _move(self, job: PrintJob) -> None:
        for printer in self._maker.printers.stand_ins(job.device, job.key.kind):
            if not self._is_ready(printer.name):
                continue
            payload = await self._maker.payload_for(job, printer, self._clock())
            if payload is None or not self._is_ready(printer.name):
                continue
            moved = await self._book.reroute(job, printer.name, payload)
            if moved is not None:
                log.warning("a %s goes from %s to %s: %s", job.key.kind, job.device, printer.name, job.cause or "away")
                self._moved(moved)
            return

    def _is_ready(self, name: str) -> bool:
        return self._readiness.is_ready(name)
