"""The print jobs of one station, from their commit to their proof. The transitions are ``core.printing``.

A ``print_worker`` works off each open printer, ``print_book`` writes every change down, ``print_reports`` tells the
desk, ``rerouting`` moves sheets between printers; here they are put together, and what waits too long expires.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import BEGIN_WITHIN, JobKey, PrintJob, SheetKind
from kioskd.errors import DeviceUnavailable, StoreError
from kioskd.news import News
from kioskd.ports import Hub
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.job_maker import JobMaker
from kioskd.station.print_book import STORE_PAUSE_S, PrintBook
from kioskd.station.print_reports import PrintReports
from kioskd.station.print_worker import HELD_AT_MOST_S, PROOF_AFTER_S, SILENT_LOOKS, Patience, PrintWorker
from kioskd.station.printers import Printing
from kioskd.station.readiness import Readiness
from kioskd.station.rerouting import Rerouting
from kioskd.station.self_tests import Told
from kioskd.station.waiting import woken
from kioskd.store import Store

TOLD_AGAIN = timedelta(hours=48)
"""Two days: a clock that jumped a day must not hide what was made just before."""


class PrintQueue:
    """The print jobs of one station. ``changed(job)`` is called in the loop after each committed change.

    ``clock`` gives aware UTC that no change of the machine's clock moves: how long a sheet has waited depends on it.
    Run ``report``, ``expire_in_time`` and ``reroute`` beside it, and ``work`` for each open printer.
    """

    def __init__(
        self,
        station: str,
        store: Store,
        hub: Hub,
        news: News,
        clock: Callable[[], datetime],
        device_clock: DeviceClock = MACHINE,
        *,
        proof_after_s: Mapping[SheetKind, float] = PROOF_AFTER_S,
        held_at_most_s: float = HELD_AT_MOST_S,
        silent_looks: int = SILENT_LOOKS,
    ) -> None:
        self._news = news
        self._clock = clock
        self._device_clock = device_clock
        self._patience = Patience(proof_after_s, held_at_most_s, silent_looks)
        self._book = PrintBook(store, clock, self.tell)
        self._reports = PrintReports(station, self._book, hub, clock)
        self._readiness = Readiness(device_clock, self._stir)
        self._rerouting: Rerouting | None = None
        self._wake: dict[str, asyncio.Event] = {}
        self._open: set[str] = set()
        self._expiry = asyncio.Event()
        self.changed: Callable[[PrintJob], None] = lambda job: None

    async def recover(self) -> None:
        """At start: begun jobs are UNKNOWN, queued ones of gone sessions expire. The desk hears of every recent job
        again, because the crash may have come between a change and the word of it.
        """
        await self._book.recover()
        await self.tell_again()

    async def tell_again(self) -> None:
        """The hub came, or came back: it hears of every recent job, and of what it was not told."""
        self._reports.hub_returned()
        for job in await self._book.made_since(self._clock() - TOLD_AGAIN):
            self.tell(job)

    def announce(self, added: Sequence[PrintJob]) -> None:
        """Jobs were committed: wake their printers, and let the desk know."""
        for job in added:
            if not job.is_over:
                self.wake(job.device)
            self.tell(job)
        self._expiry.set()
        self._stir()

    def tell(self, job: PrintJob) -> None:
        """Tell the session how a job is, now, and the desk as soon as it can be reached."""
        self.changed(job)
        self._reports.note(job.key)

    async def report(self) -> None:
        """Runs for ever: tells the desk of changed jobs."""
        await self._reports.run()

    async def seen_by_patient(self, key: JobKey) -> None:
        """The patient holds a sheet of which nobody could tell."""
        await self._book.seen_by_patient(key)

    def wake(self, device: str) -> None:
        """Look at the queue of a device now."""
        self._wake.setdefault(device, asyncio.Event()).set()

    async def end_session(self, check_in_id: UUID) -> None:
        """The patient has left the kiosk: nothing of them that has not begun prints any more."""
        self._book.session_ended(check_in_id)
        try:
            await self._book.expire()
        except StoreError as error:
            self._book.store_refused(error)
            self._expiry.set()  # written down as soon as it can be

    async def expire_in_time(self) -> None:
        """Runs for ever: jobs for a printer that is away say so, and those that waited ``BEGIN_WITHIN`` expire."""
        is_time = False
        while True:
            self._expiry.clear()
            try:
                if is_time or self._book.has_ended_sessions:
                    await self._book.expire()
                await self._book.block_for_away(self._open.__contains__)
                oldest = await self._book.oldest_queued_at()
            except StoreError as error:
                self._book.store_refused(error)
                await asyncio.sleep(STORE_PAUSE_S)
                continue
            self._book.store_is_sound()
            wait_s = None if oldest is None else max(0.05, (oldest + BEGIN_WITHIN - self._clock()).total_seconds())
            is_time = not await woken(self._expiry, wait_s)

    async def reroute(self, maker: JobMaker) -> None:
        """Runs for ever: sheets of printers that can't print go to the next one, rendered by ``maker``."""
        self._rerouting = Rerouting(
            self._book,
            maker,
            self._readiness,
            self._clock,
            self._device_clock,
            lambda job: self.wake(job.device),
        )
        await self._rerouting.run()

    def _stir(self) -> None:
        if self._rerouting is not None:
            self._rerouting.stir()

    def told(self, device: str) -> Told:
        """What a printer last said of itself."""
        return self._readiness.told(device)

    async def work(self, device: ManagedDevice) -> None:
        """The life of an open printer. Ends by DeviceUnavailable only; the supervisor opens it again."""
        printer = device.device
        if not isinstance(printer, get_args(Printing)):
            raise DeviceUnavailable(device.name, "is not a printer; its driver names the wrong kind")
        wake = self._wake.setdefault(device.name, asyncio.Event())
        worker = PrintWorker(
            device,
            printer,
            self._book,
            self._readiness,
            self._news,
            self._clock,
            wake,
            self._device_clock,
            self._patience,
        )
        self._open.add(device.name)
        try:
            await worker.run()
        finally:
            self._open.discard(device.name)
            self._readiness.gone(device.name)
            self._expiry.set()
