"""What staff ask this station to print: one job for each order, however often the hub tells of it.

The job is committed before the hub hears of it; its first report closes the order there. So a crash at any moment
leaves the order open, or its job here. One that can't be printed is a job as well, over at once, with its cause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from kioskd.core import printing
from kioskd.core.printing import BEGIN_WITHIN, JobKey, PrintJob, SheetKind
from kioskd.errors import ForwardError, RuleViolation, StoreError
from kioskd.ports import Hub, PrintOrder
from kioskd.station import jobs
from kioskd.station.checkins import within
from kioskd.station.content import order_content
from kioskd.station.job_maker import JobMaker
from kioskd.station.print_reports import report_of
from kioskd.station.printers import Printer
from kioskd.station.printing import PrintQueue
from kioskd.station.waiting import woken
from kioskd.store import Store

log = logging.getLogger(__name__)

ASK_EVERY_S = 10.0
"""How often the hub is asked although nobody woke this station."""
ASK_WITHIN_S = 8.0


class Orders:
    """The orders of one station. ``clock`` as in ``PrintQueue``; ``wall_clock`` is the one that orders are dated by.

    Run ``run`` beside it.
    """

    def __init__(
        self,
        station: str,
        store: Store,
        hub: Hub,
        maker: JobMaker,
        queue: PrintQueue,
        clock: Callable[[], datetime],
        wall_clock: Callable[[], datetime],
        language: str,
    ) -> None:
        self._station = station
        self._store = store
        self._hub = hub
        self._maker = maker
        self._queue = queue
        self._clock = clock
        self._wall_clock = wall_clock
        self._language = language
        self._woken = asyncio.Event()
        self._is_hub_away = False

    def wake(self) -> None:
        """The hub has something for this station, or came back: ask it now."""
        self._woken.set()

    async def run(self) -> None:
        """Runs for ever: asks the hub when woken, and every ``ASK_EVERY_S``."""
        while True:
            self._woken.clear()
            try:
                await self.take()
            except (ForwardError, RuleViolation, StoreError) as error:
                if not self._is_hub_away:
                    log.warning("what staff ordered can't be taken now: %s", error)
                self._is_hub_away = True
            else:
                self._is_hub_away = False
            await woken(self._woken, ASK_EVERY_S)

    async def take(self) -> None:
        """Make a job of each open order. Raises Unreachable, Rejected, RuleViolation or StoreError."""
        for order in await within(self._hub.orders(self._station), ASK_WITHIN_S):
            await self._take(order)

    async def _take(self, order: PrintOrder) -> None:
        job = await self._store.read(lambda c: _known(c, order))
        if job is None:
            made = await self._job(order)
            job = await self._store.write(lambda c: _known(c, order) or _added(c, made))
        if job.order_id == order.order_id:
            self._queue.announce([job])
        else:  # the same sheet was made before, and not for this order: how it is answers the order as well
            report = replace(report_of(job, self._station, self._wall_clock()), order_id=order.order_id)
            await within(self._hub.report_print(report), ASK_WITHIN_S)

    async def _job(self, order: PrintOrder) -> PrintJob:
        age = max(timedelta(), self._wall_clock() - order.ordered_at)
        ordered_at = self._clock() - age
        key = JobKey(order.check_in_id, order.kind, order.copy)
        content = order_content(order, self._language)
        job = await self._maker.job(key, content, self._printer(order), ordered_at, order.order_id)
        if job.is_over or age < BEGIN_WITHIN:
            return job
        return printing.expire(job, None, self._clock())

    def _printer(self, order: PrintOrder) -> Printer | None:
        """The printer that was asked for; else one on the side of whom the sheet is for, or on the other."""
        printers = self._maker.printers
        if order.device:
            named = printers.named(order.device)
            return named if named is not None and named.prints(order.kind) else None
        if order.kind is SheetKind.TEST:
            return None
        if order.kind in {SheetKind.TICKET, SheetKind.HELP_TICKET}:
            return printers.at_kiosk(order.kind) or printers.at_desk(order.kind)
        return printers.at_desk(order.kind) or printers.at_kiosk(order.kind)


def _known(connection: Connection, order: PrintOrder) -> PrintJob | None:
    """The job of this order, or of this very sheet."""
    by_order = jobs.by_order(connection, order.order_id)
    return by_order or jobs.load(connection, JobKey(order.check_in_id, order.kind, order.copy))


def _added(connection: Connection, job: PrintJob) -> PrintJob:
    jobs.add(connection, job)
    return job
