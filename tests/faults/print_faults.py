"""Random days of a printer: anything that can happen to it, at any moment of a sheet, and what was then said of it.

One sheet after another goes the real way (print queue on its database, device thread, supervisor, driver, TCP) to a
simulated printer that counts what comes out. Queue, driver and printer share one hurried clock. What a seed does is the
same in every run; when exactly it meets the sheet is not.

::

    PRINTED   came out once                    EXPIRED  did not come out, whoever has gone
    UNKNOWN   came out once, or did not        anything else, or twice: a fault of ours
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from drivers.escpos import EscposConfig
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.zpl import ZplConfig
from drivers.zpl.printer import ZplPrinter
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.beside import beside
from kioskd.clock import DeviceClock
from kioskd.config import StoreConfig
from kioskd.core.printing import JobKey, PrintJob, PrintState, SheetKind
from kioskd.news import News
from kioskd.ports import WristbandSheet
from kioskd.station import jobs, tables
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, open_store
from tests.bus.list_hub import ListHub
from tests.faults.outcome import Outcome
from tests.sheets import simple_ticket
from tests.store.conftest import key_file

Language = Literal["escpos", "zpl"]

RATE = 20.0
OVER_WITHIN_S = 60.0
"""Of the machine's seconds, and so are all here but what the device clock measures."""
IDLE_WITHIN_S = 30.0
LANES = 8
"""Printers at the same time: most of a fault is waiting."""
LONGEST_MOMENT_S = 0.15
"""Of the machine's seconds: three of a printer's, in which a sheet is sent, printed and proven."""
HELD_AT_MOST_S = 60.0
"""Of the device clock's."""


class TicketPaper:
    """A ticket printer, and how its sheets are told apart."""

    kind, name = SheetKind.TICKET, "tickets"

    def __init__(self, clock: DeviceClock) -> None:
        self.virtual = VirtualTicketPrinter(clock=clock)
        self._clock = clock

    def driver(self) -> EscposPrinter:
        return EscposPrinter(self.name, EscposConfig(port=f"tcp://127.0.0.1:{self.virtual.port}"), self._clock)

    def payload(self, number: int) -> bytes:
        return self.driver().render(simple_ticket(self.label(number)))

    @staticmethod
    def label(number: int) -> str:
        return f"A{number:06}"

    def came_out(self, number: int) -> int:
        """How often, on cut paper or torn off: a ticket that hangs on the next one counts."""
        return sum(sheet.text.count(self.label(number)) for sheet in self.virtual.sheets)

    def break_line(self, after_bytes: int, is_reset: bool) -> None:
        self.virtual.drop_after(after_bytes, "reset" if is_reset else "close")

    def deafen(self) -> None:
        self.virtual.set_half_open(True)

    def heal(self) -> None:
        self.virtual.set_half_open(False)
        self.virtual.is_silent = False
        self.virtual.set_head_hot(False)
        self.virtual.set_lid(False)
        self.virtual.set_paper(True)


class BandPaper:
    """A wristband printer, and how its bands are told apart."""

    kind, name = SheetKind.WRISTBAND, "bands"

    def __init__(self, clock: DeviceClock) -> None:
        self.virtual = VirtualWristbandPrinter(clock=clock)
        self._clock = clock

    def driver(self) -> ZplPrinter:
        # Others print on it, too: their labels are among the things that happen.
        config = ZplConfig(port=f"tcp://127.0.0.1:{self.virtual.port}", is_shared=True)
        return ZplPrinter(self.name, config, self._clock)

    def payload(self, number: int) -> bytes:
        return self.driver().render(WristbandSheet("Smith", "John", date(1980, 1, 18), f"{number:06}", 1))

    def came_out(self, number: int) -> int:
        return sum(f"{number:06}/1".encode() in sheet for sheet in self.virtual.sheets)

    def break_line(self, after_bytes: int, is_reset: bool) -> None:
        self.virtual.drop_after(after_bytes, with_reset=is_reset)

    def deafen(self) -> None:
        self.virtual.go_mute()

    def heal(self) -> None:
        self.virtual.set_lid(False)
        self.virtual.set_paused(False)
        self.virtual.set_paper(True)


Paper = TicketPaper | BandPaper


@dataclass
class Lane:
    """One printer with its daemon, which can be killed and comes back on the same database."""

    paper: Paper
    store: Store
    clock: DeviceClock
    queue: PrintQueue = field(init=False)
    states: dict[JobKey, PrintState] = field(default_factory=dict)
    _daemon: AsyncExitStack | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self) -> None:
        self.queue = PrintQueue(
            "entrance",
            self.store,
            ListHub(),
            News(),
            lambda: datetime.now(UTC),
            self.clock,
            held_at_most_s=HELD_AT_MOST_S,
        )
        self.queue.changed = self._note
        await self.queue.recover()
        device = ManagedDevice(self.paper.name, "printer", self.paper.driver(), _tell_nobody, first_wait_s=0.01)
        self._daemon = AsyncExitStack()
        lives = (device.run(self.queue.work), self.queue.report(), self.queue.expire_in_time())
        await self._daemon.enter_async_context(beside(*lives))

    async def kill(self) -> None:
        """Whatever was under way is left where it stood; nothing is written down any more."""
        if self._daemon is not None:
            await self._daemon.aclose()

    def _note(self, job: PrintJob) -> None:
        self.states[job.key] = job.state
        self._changed.set()

    async def add(self, number: int) -> JobKey:
        key = JobKey(uuid4(), self.paper.kind)
        job = PrintJob(key, self.paper.name, self.paper.payload(number), datetime.now(UTC))
        await self.store.write(lambda c: jobs.add(c, job))
        self.queue.announce([job])
        return key

    async def ended(self, key: JobKey) -> PrintState:
        """How the sheet ended. Raises TimeoutError."""
        over = {PrintState.PRINTED, PrintState.UNKNOWN, PrintState.EXPIRED}
        async with asyncio.timeout(OVER_WITHIN_S):
            while self.states.get(key) not in over:
                self._changed.clear()
                await self._changed.wait()
        return self.states[key]


async def _tell_nobody(_: ManagedDevice) -> None: ...


# --- what can happen ----------------------------------------------------------------------------------------------

Happening = Callable[[Lane, JobKey, random.Random], Awaitable[None]]


async def _moment(chance: random.Random) -> None:
    """Some time in the life of a sheet. No signal to wait for: any moment is the point."""
    await asyncio.sleep(chance.random() * LONGEST_MOMENT_S)


async def _paper_ends(lane: Lane, key: JobKey, chance: random.Random) -> None:
    lane.paper.virtual.set_paper(False)
    await _moment(chance)


async def _lid_opens(lane: Lane, key: JobKey, chance: random.Random) -> None:
    lane.paper.virtual.set_lid(True)
    await _moment(chance)


async def _line_breaks(lane: Lane, key: JobKey, chance: random.Random) -> None:
    lane.paper.break_line(chance.randrange(1, 900), chance.random() < 0.5)
    await _moment(chance)


async def _falls_deaf(lane: Lane, key: JobKey, chance: random.Random) -> None:
    lane.paper.deafen()
    await _moment(chance)


async def _loses_power(lane: Lane, key: JobKey, chance: random.Random) -> None:
    await asyncio.to_thread(lane.paper.virtual.power_cycle)


async def _daemon_dies(lane: Lane, key: JobKey, chance: random.Random) -> None:
    await lane.kill()
    await lane.begin()


async def _patient_goes(lane: Lane, key: JobKey, chance: random.Random) -> None:
    await lane.queue.end_session(key.check_in_id)


async def _stands_still(lane: Lane, key: JobKey, chance: random.Random) -> None:
    if isinstance(lane.paper, TicketPaper):
        lane.paper.virtual.set_head_hot(True)
    else:
        lane.paper.virtual.set_paused(True)
    await _moment(chance)


async def _counts_anothers(lane: Lane, key: JobKey, chance: random.Random) -> None:
    """Somebody else's label, or status answers that do not come."""
    if isinstance(lane.paper, TicketPaper):
        lane.paper.virtual.is_silent = True
        await _moment(chance)
    else:
        await asyncio.to_thread(lane.paper.virtual.print_foreign_label)


HAPPENINGS: tuple[Happening, ...] = (
    _paper_ends,
    _lid_opens,
    _line_breaks,
    _falls_deaf,
    _loses_power,
    _daemon_dies,
    _patient_goes,
    _stands_still,
    _counts_anothers,
)


# --- one run, and many --------------------------------------------------------------------------------------------


def print_faults(folder: Path, runs: int, language: Language, seed: int = 1) -> Outcome:
    """``runs`` sheets, each with one or two things that happen to it. Recovery: from healing until all was said."""
    outcome = Outcome(f"random faults, {language}")
    asyncio.run(_all(folder, runs, language, seed, outcome))
    return outcome


async def _all(folder: Path, runs: int, language: Language, seed: int, outcome: Outcome) -> None:
    lanes = min(LANES, runs)

    async def lane(number: int) -> None:
        async with _lane(folder / f"lane-{number}", language) as opened:
            for run in range(number, runs, lanes):
                await _one(opened, run, random.Random(f"{seed}/{language}/{run}"), outcome)

    async with asyncio.TaskGroup() as group:
        for number in range(lanes):
            group.create_task(lane(number))


@asynccontextmanager
async def _lane(folder: Path, language: Language) -> AsyncIterator[Lane]:
    folder.mkdir(parents=True)
    clock = DeviceClock(RATE)
    paper = TicketPaper(clock) if language == "escpos" else BandPaper(clock)
    config = StoreConfig(folder=folder / "data", key_file=key_file(folder))
    paper.virtual.start()
    try:
        async with open_store(tables.SCHEMA, config) as store:
            lane = Lane(paper, store, clock)
            await lane.begin()
            try:
                yield lane
            finally:
                await lane.kill()
    finally:
        await asyncio.to_thread(paper.virtual.stop)


async def _one(lane: Lane, run: int, chance: random.Random, outcome: Outcome) -> None:
    """A sheet, what happens to it, and whether what was said of it is so."""
    happenings = chance.sample(HAPPENINGS, chance.choice([1, 1, 2]))
    is_before = chance.random() < 0.3
    story = f"run {run}: {' and '.join(one.__name__.strip('_') for one in happenings)}"
    if is_before:
        await happenings[0](lane, JobKey(uuid4(), lane.paper.kind), chance)
    key = await lane.add(run)
    for happening in happenings[is_before:]:
        await _moment(chance)
        await happening(lane, key, chance)
    healed = time.monotonic()
    lane.paper.heal()
    outcome.runs += 1
    try:
        state = await lane.ended(key)
    except TimeoutError:
        outcome.lost += 1
        outcome.problems.append(f"{story}: still {lane.states.get(key)} after {OVER_WITHIN_S:g} s")
        return
    outcome.recovery_s.append(time.monotonic() - healed)
    if not await asyncio.to_thread(lane.paper.virtual.wait_until_idle, IDLE_WITHIN_S):
        outcome.problems.append(f"{story}: the printer does not come to an end")
    lane.paper.virtual.tear_off()
    _judge(story, state, lane.paper.came_out(run), outcome)


def _judge(story: str, state: PrintState, sheets: int, outcome: Outcome) -> None:
    if sheets > 1:
        outcome.doubled += 1
        outcome.problems.append(f"{story}: {sheets} came out, and it is {state}")
    elif state is PrintState.PRINTED and sheets == 0:
        outcome.lost += 1
        outcome.problems.append(f"{story}: nothing came out, and it is {state}")
    elif state is PrintState.EXPIRED and sheets == 1:
        outcome.problems.append(f"{story}: it came out, and it is {state}")
