"""A printer's connection is reset at every byte of one sheet, either way: what the daemon then says must be so.

The whole way is real: print queue on its database, device thread, supervisor, driver, TCP, and the simulated printer
as the witness of what came out. Two sheets wait when the printer is switched on; the connection of the first is cut.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from drivers.escpos import EscposConfig, EscposDriver
from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.zpl import ZplConfig, ZplDriver
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.config import StoreConfig
from kioskd.core.printing import JobKey, PrintJob, PrintState, SheetKind
from kioskd.news import News
from kioskd.ports import TicketPrinter, WristbandPrinter, WristbandSheet
from kioskd.station import jobs
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.printing import PrintQueue
from kioskd.station.tables import SCHEMA
from kioskd.store import Store, open_store
from tests.faults.chaos_proxy import CLEAR, Fault, Kind, Way, chaos_proxy
from tests.faults.outcome import Outcome
from tests.sheets import simple_ticket

OVER_WITHIN_S = 60.0
IDLE_WITHIN_S = 20.0
LANES = 8
"""Printers that are cut at the same time; most of a cut is waiting."""

Sheets = list[str]
"""What came out of a printer, as the labels of the sheets that are whole; anything else as ``?``."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What became of two sheets of one printer. ``marks``: bytes that had passed at each change of the first."""

    first: PrintState
    second: PrintState
    sheets: Sheets
    after_power: Sheets
    when_not_printed: Sheets | None
    recovery_s: float
    marks: dict[Way, tuple[int, ...]]
    passed: dict[Way, int]

    def problems(self) -> list[str]:
        found = []
        if self.first is PrintState.PRINTED and self.after_power.count("first") != 1:
            found.append("said PRINTED, and the sheet did not come out")
        if self.when_not_printed:
            found.append(f"said NOT_PRINTED, and {self.when_not_printed} had come out")
        if self.first not in {PrintState.PRINTED, PrintState.UNKNOWN}:
            found.append(f"the first sheet is {self.first}")
        if self.second is not PrintState.PRINTED or self.after_power.count("second") != 1:
            found.append(f"the next patient's sheet is {self.second}")
        if self.sheets != self.after_power:
            found.append(f"more came out when the power was back: {self.sheets}, then {self.after_power}")
        return found

    @property
    def doubled(self) -> int:
        return max(self.after_power.count("first") - 1, 0) + max(self.after_power.count("second") - 1, 0)


class TicketBench:
    """A ticket printer on the bench."""

    kind = SheetKind.TICKET

    def __init__(self) -> None:
        self.printer = VirtualTicketPrinter(mechanical=False)

    @staticmethod
    def driver(name: str, port: int) -> TicketPrinter:
        return EscposDriver().create(name, EscposConfig(port=f"tcp://127.0.0.1:{port}"))

    @staticmethod
    def payload(driver: TicketPrinter, label: str) -> bytes:
        return driver.render(simple_ticket(label))

    def came_out(self) -> Sheets:
        """A sheet is whole when the two labels are told apart and everything is on it, and cut."""
        self.printer.wait_until_idle(IDLE_WITHIN_S)
        return [_ticket_of(sheet.text) if sheet.is_cut else "?" for sheet in self.printer.sheets]


def _ticket_of(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rest = ["Praxis am Markt", "Ihre Nummer", "Wartezimmer", "09:40", "Danke."]
    whole = {"first": "A1", "second": "B2"}
    return next((name for name, label in whole.items() if lines == [*rest[:2], label, *rest[2:]]), "?")


class BandBench:
    """A wristband printer on the bench."""

    kind = SheetKind.WRISTBAND

    def __init__(self) -> None:
        self.printer = VirtualWristbandPrinter(mechanical=False)

    @staticmethod
    def driver(name: str, port: int) -> WristbandPrinter:
        return ZplDriver().create(name, ZplConfig(port=f"tcp://127.0.0.1:{port}"))

    @staticmethod
    def payload(driver: WristbandPrinter, label: str) -> bytes:
        return driver.render(WristbandSheet("Smith", "John", date(1980, 1, 18), f"00123{label}", 3))

    def came_out(self) -> Sheets:
        self.printer.wait_until_idle(IDLE_WITHIN_S)
        plain = {self._format("A1"): "first", self._format("B2"): "second"}
        return [plain.get(band, "?") for band in self.printer.sheets]

    def _format(self, label: str) -> bytes:
        return self.payload(self.driver("bench", 1), label)


BENCHES: Sequence[type[TicketBench] | type[BandBench]] = (TicketBench, BandBench)


class Queue:
    """One station's print queue, with any number of printers."""

    def __init__(self, store: Store, **deadlines: Any) -> None:
        self.store = store
        self.queue = PrintQueue("entrance", store, Deaf(), News(), lambda: datetime.now(UTC), **deadlines)
        self.queue.changed = lambda job: self._watchers[job.key.check_in_id](job)
        self._watchers: dict[UUID, Callable[[PrintJob], None]] = {}
        self._numbers = count(1)

    async def cut(self, bench: TicketBench | BandBench, fault: Fault) -> Printed:
        """Print two sheets, the first connection under ``fault``."""
        bench.printer.start()
        try:
            async with chaos_proxy(
                ("127.0.0.1", bench.printer.port), lambda number: fault if number == 0 else CLEAR
            ) as proxy:
                name = f"printer-{next(self._numbers)}"
                driver = bench.driver(name, proxy.port)
                watch = _Watch(lambda: dict(proxy.passed[0]) if proxy.passed else dict.fromkeys(Way, 0), bench.came_out)
                for label in ("A1", "B2"):
                    job = PrintJob(JobKey(uuid4(), bench.kind), name, bench.payload(driver, label), datetime.now(UTC))
                    self._watchers[job.key.check_in_id] = watch.take
                    await self.store.write(lambda c, job=job: jobs.add(c, job))
                    watch.jobs.append(job)
                device = ManagedDevice(name, "printer", driver, _tell_nobody, first_wait_s=0.01)
                life = asyncio.create_task(device.run(self.queue.work))
                try:
                    await watch.until_over()
                finally:
                    life.cancel()
                    await asyncio.wait([life])
                passed = dict(proxy.passed[0])
            sheets = await asyncio.to_thread(bench.came_out)
            await asyncio.to_thread(bench.printer.power_cycle)
            after_power = await asyncio.to_thread(bench.came_out)
        finally:
            await asyncio.to_thread(bench.printer.stop)
        states = [(await self._state(job)) for job in watch.jobs]
        marks = {way: tuple(mark[way] for mark in watch.marks) for way in Way}
        return Printed(*states, sheets, after_power, watch.when_not_printed, watch.recovery_s, marks, passed)

    async def _state(self, job: PrintJob) -> PrintState:
        found = await self.store.read(lambda c: jobs.load(c, job.key))
        assert found is not None
        return found.state


@dataclass
class _Watch:
    """What the queue says of two jobs, and what had come out when it said that nothing had."""

    passed: Callable[[], dict[Way, int]]
    came_out: Callable[[], Sheets]
    jobs: list[PrintJob] = field(default_factory=list)
    marks: list[dict[Way, int]] = field(default_factory=list)
    when_not_printed: Sheets | None = None
    recovery_s: float = 0.0
    _ended_at: list[float] = field(default_factory=list)
    _is_over: asyncio.Event = field(default_factory=asyncio.Event)
    _over: set[UUID] = field(default_factory=set)

    def take(self, job: PrintJob) -> None:
        is_first = job.key == self.jobs[0].key
        if is_first:
            self.marks.append(self.passed())
        if job.state is PrintState.QUEUED and job.attempts and self.when_not_printed is None:
            self.when_not_printed = [sheet for sheet in self.came_out() if sheet != "second"] if is_first else None
        if job.is_over and job.key.check_in_id not in self._over:
            self._over.add(job.key.check_in_id)
            self._ended_at.append(time.monotonic())
        if len(self._over) == len(self.jobs):
            self.recovery_s = self._ended_at[-1] - self._ended_at[0]
            self._is_over.set()

    async def until_over(self) -> None:
        async with asyncio.timeout(OVER_WITHIN_S):
            await self._is_over.wait()


class Deaf:
    """A hub that is told nothing: here only paper counts."""


async def _tell_nobody(_: ManagedDevice) -> None:
    return


@asynccontextmanager
async def print_queue(folder: Path, **deadlines: Any) -> AsyncIterator[Queue]:
    key = folder / "store.key"
    key.touch(mode=0o600)
    key.write_text("0f" * 32)
    async with open_store(SCHEMA, StoreConfig(folder=folder / "data", key_file=key)) as store:
        yield Queue(store, **deadlines)


async def printer_cuts(folder: Path, every: int) -> Outcome:
    """Reset at each ``every``-th byte of a ticket and of a wristband, and around each step of the job, both ways."""
    outcome = Outcome("printer reset at a byte")
    lanes = asyncio.Semaphore(LANES)

    async def at(queue: Queue, bench: type[TicketBench] | type[BandBench], way: Way, after: int) -> None:
        async with lanes:
            printed = await queue.cut(bench(), Fault(Kind.RESET, way, after))
        outcome.runs += 1
        outcome.doubled += printed.doubled
        outcome.recovery_s.append(printed.recovery_s)
        where = f"{bench.kind} reset {way} after {after} bytes"
        outcome.problems += [f"{where}: {problem}; out came {printed.after_power}" for problem in printed.problems()]

    async with print_queue(folder) as queue, asyncio.TaskGroup() as group:
        for bench in BENCHES:
            whole = await queue.cut(bench(), CLEAR)
            outcome.problems += [f"{bench.kind} without a cut: {problem}" for problem in whole.problems()]
            for way in Way:
                for after in _places(whole, way, every):
                    group.create_task(at(queue, bench, way, after))
    return outcome


def _places(whole: Printed, way: Way, every: int) -> list[int]:
    """The bytes to cut at: up to the proof of the first sheet, and one before and behind each of its changes."""
    marks = whole.marks[way]
    proven = marks[-1]
    near = {place for mark in marks for place in (mark - 1, mark, mark + 1)}
    return sorted(place for place in near | set(range(0, proven + 1, every)) if 0 <= place <= proven + 1)
