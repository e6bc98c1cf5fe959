"""Tells the desk of changed print jobs, in order and from the database.

So a word that was on its way can't overtake a later one. What could not be told is told again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from kioskd.core.printing import JobKey, PrintJob
from kioskd.errors import StoreError, Unreachable
from kioskd.ports import Hub, PrintReport
from kioskd.station.checkins import within
from kioskd.station.print_book import PrintBook
from kioskd.station.waiting import woken

log = logging.getLogger(__name__)

TELL_WITHIN_S = 8.0
TELL_AGAIN_S = 5.0


class PrintReports:
    """The words about one station's print jobs. Run ``run`` beside it."""

    def __init__(self, station: str, book: PrintBook, hub: Hub, clock: Callable[[], datetime]) -> None:
        self._station = station
        self._book = book
        self._hub = hub
        self._clock = clock
        self._untold: dict[JobKey, None] = {}
        self._has_news = asyncio.Event()
        self._is_hub_back = asyncio.Event()
        self._is_desk_away = False

    def note(self, key: JobKey) -> None:
        """A job changed: the desk hears of it as soon as it can be reached."""
        self._untold[key] = None
        self._has_news.set()

    def hub_returned(self) -> None:
        """The hub came, or came back: what waits is told now."""
        self._is_hub_back.set()

    async def run(self) -> None:
        """Runs for ever: tells what is untold, and again until the desk could be reached."""
        while True:
            await self._has_news.wait()
            key = next(iter(self._untold), None)
            if key is None:
                self._has_news.clear()
                continue
            del self._untold[key]
            self._is_hub_back.clear()
            is_told = False
            try:
                is_told = await self._report(key)
            finally:
                if not is_told:
                    self._untold[key] = None
            if not is_told:
                await woken(self._is_hub_back, TELL_AGAIN_S)

    async def _report(self, key: JobKey) -> bool:
        try:
            job = await self._book.load(key)
        except StoreError as error:
            self._book.store_refused(error)
            return False
        if job is None:
            return True
        try:
            await within(self._hub.report_print(report_of(job, self._station, self._clock())), TELL_WITHIN_S)
        except Unreachable as error:
            if not self._is_desk_away:
                log.warning("the desk could not be told that a %s is %s: %s", key.kind, job.state, error)
            self._is_desk_away = True
            return False
        self._is_desk_away = False
        return True


def report_of(job: PrintJob, station: str, now: datetime) -> PrintReport:
    """What the desk is told of a job."""
    return PrintReport(
        check_in_id=job.key.check_in_id,
        kind=job.key.kind,
        copy=job.key.copy,
        state=job.state,
        proof=job.proof,
        cause=job.cause,
        at=now,
        station=station,
        device=job.device,
        order_id=job.order_id,
    )
