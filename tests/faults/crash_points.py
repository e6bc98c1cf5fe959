"""Exact crash points: the front desk is killed at each write, flush and send of one check-in, and started again.

strace attaches to one thread of a front desk that is ready for its patient, and SIGKILL comes instead of the thread's
k-th call of a kind, so that the call has no effect any more. A first run without a kill counts the calls of every
thread. What dies is station, hub and records with the real drivers of both printers in one process, which is how kioskd
runs by default, but for pages, broker and card reader: they keep no state, and without them a life is forked in a
moment, so that every point can be had. (``kills`` has the whole daemon.) The printers live outside and keep count.

For ``bench/faults.py``::

    crash_points(folder, every=1) -> Outcome    every point, or each ``every``-th of them
    crash_points(folder, every, most=30)        at most so many, spread over all

It blocks: call it where no event loop runs (``asyncio.to_thread``).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.core.printing import PrintState, SheetKind
from kioskd.errors import KioskdError
from tests.faults.crashing_life import Order
from tests.faults.outcome import Outcome
from tests.faults.recording import ROOT
from tests.faults.survivors import Finding, Kind, Seen, examine, look, open_stores, unsettled
from tests.faults.told import heard_in

CALLS = ("pwrite64", "fsync", "fdatasync", "ftruncate", "write", "writev", "sendto", "sendmsg", "unlink", "rename")
WITHIN_S = 60.0
"""For a life to get ready, to finish, or to die, on a machine that is busy with other tests."""
PATIENT = 1


@dataclass(frozen=True, slots=True)
class Point:
    """The ``number``-th ``call`` of a thread after the patient came."""

    thread: str
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} {self.number} of {self.thread}"


def crash_points(folder: Path, every: int = 1, most: int = 0) -> Outcome:
    """Kill a front desk at each ``every``-th write, flush or send of a check-in, restart it, ask the witnesses."""
    return asyncio.run(_crash_points(folder, every, most))


async def _crash_points(folder: Path, every: int, most: int) -> Outcome:
    outcome = Outcome("crash point")
    async with _lives() as lives:
        template = await _first_start(lives, folder / "template")
        points = await _count(lives, template, folder / "counted")
        if most:
            every = max(every, -(-len(points) // most))
        missed = 0
        for point in points[every // 2 :: every]:
            killed_there, findings = await _crash(lives, template, folder / "crashed", point, outcome)
            missed += not killed_there
            outcome.runs += 1
            outcome.lost += any(f.kind is Kind.LOST for f in findings)
            outcome.doubled += any(f.kind is Kind.DOUBLED for f in findings)
            outcome.problems += [f"{point}: {f.kind}: {f.what}" for f in findings[:3]]
        # Threads take turns in other orders from run to run, so some points are not reached. Most must be.
        if missed > outcome.runs // 2:
            outcome.problems.append(f"{missed} of {outcome.runs} points were not reached")
    return outcome


# --- lives -----------------------------------------------------------------------------------------------------


class _Lives:
    """Orders lives, and hears what they say."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def begin(self, order: Order) -> dict[str, Any]:
        """A life that is ready."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.hear("ready")

    async def hear(self, *wanted: str) -> dict[str, Any]:
        """The next of these that a life says. A killed life says nothing: see ``done_or_dead``."""
        assert self._process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            while True:
                line = await self._process.stdout.readline()
                assert line, "the process that forks has ended; its error is above"
                said: dict[str, Any] = json.loads(line)
                assert said["said"] != "failed", said["trace"]
                if said["said"] in wanted:
                    return said


@asynccontextmanager
async def _lives() -> AsyncIterator[_Lives]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.crashing_life",
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        limit=1 << 20,
    )
    try:
        yield _Lives(process)
    finally:
        process.kill()
        await process.wait()


@contextmanager
def _printers() -> Iterator[tuple[VirtualTicketPrinter, VirtualWristbandPrinter]]:
    with VirtualTicketPrinter(mechanical=False) as tickets, VirtualWristbandPrinter(mechanical=False) as bands:
        yield tickets, bands


async def _first_start(lives: _Lives, folder: Path) -> Path:
    """Databases with their tables and the clinic in the records, and nobody checked in."""
    folder.mkdir(parents=True)
    with _printers() as (tickets, bands):
        await lives.begin(Order(str(folder), 0, 0, tickets.port, bands.port))
        await lives.hear("ended")
    return folder


@asynccontextmanager
async def _ready(lives: _Lives, template: Path, folder: Path, ports: tuple[int, int]) -> AsyncIterator[dict[str, Any]]:
    """A life that waits for its patient, on a copy of the template; what is left of it is killed."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("*.reserve"))
    life = await lives.begin(Order(str(folder), PATIENT, 1, *ports))
    with _dying(life["pid"]) as death:
        try:
            yield {**life, "death": death}
        finally:
            with _gone():
                os.kill(life["pid"], signal.SIGKILL)
            await _readable(death)


@contextmanager
def _dying(pid: int) -> Iterator[int]:
    """A descriptor that is readable when the process is gone (pidfd_open(2))."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        return


async def _readable(descriptor: int) -> None:
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, event.set)
    try:
        async with asyncio.timeout(WITHIN_S):
            await event.wait()
    finally:
        loop.remove_reader(descriptor)


# --- strace ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _strace(*arguments: str) -> AsyncIterator[None]:
    """strace, attached; detached or ended with its process when the block is left."""
    process = await asyncio.to_thread(_spawn, ["strace", *arguments])
    try:
        assert process.stderr is not None
        async with asyncio.timeout(WITHIN_S):
            line = await asyncio.to_thread(process.stderr.readline)
        assert b" attached" in line, f"strace can't attach: {line.decode(errors='replace')}"
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate, timeout=WITHIN_S)


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    # Not asyncio's: its send_signal may collect a process that has just ended, and its own watcher then misses it.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


async def _count(lives: _Lives, template: Path, folder: Path) -> list[Point]:
    """Every point of one check-in, in the order of the calls."""
    trace = folder.with_name("calls.trace")
    with _printers() as (tickets, bands):
        async with _ready(lives, template, folder, (tickets.port, bands.port)) as life:
            arguments = ["-f", "-e", f"trace={','.join(CALLS)}", "-e", "signal=none", "-s", "0", "-o", str(trace)]
            async with _strace(*arguments, "-p", str(life["pid"])):
                os.kill(life["pid"], signal.SIGUSR1)
                await lives.hear("done")
    names = {str(number): name for name, number in life["threads"].items()}
    counted: Counter[tuple[str, str]] = Counter()
    points = []
    for thread, call in re.findall(r"^(\d+) +(\w+)\(", trace.read_text(errors="replace"), re.MULTILINE):
        if thread in names:
            counted[names[thread], call] += 1
            points.append(Point(names[thread], call, counted[names[thread], call]))
    return points


# --- one crash -------------------------------------------------------------------------------------------------


async def _crash(
    lives: _Lives, template: Path, folder: Path, point: Point, outcome: Outcome
) -> tuple[bool, list[Finding]]:
    """Kill at a point, look, restart, look again. Whether it was reached, and what is wrong."""
    with _printers() as (tickets, bands):
        ports = (tickets.port, bands.port)
        async with _ready(lives, template, folder, ports) as life:
            inject = f"inject={point.call}:signal=SIGKILL:when={point.number}"
            arguments = ["-e", f"trace={point.call}", "-e", inject, "-o", os.devnull]
            async with _strace(*arguments, "-p", str(life["threads"][point.thread])):
                os.kill(life["pid"], signal.SIGUSR1)
                is_hit = await _done_or_dead(lives, life["death"])
        try:
            async with open_stores(folder) as stores:
                before, findings = await examine(folder, stores, heard_in(folder))
            began = time.monotonic()
            await lives.begin(Order(str(folder), 0, 2, *ports))
            outcome.recovery_s.append(time.monotonic() - began)
            await lives.hear("ended")
            async with open_stores(folder) as stores:
                after = await look(stores)
        except KioskdError as error:
            return is_hit, [Finding(Kind.BROKEN, f"{type(error).__name__}: {error}")]
        findings += unsettled(before, after, heard_in(folder))
        printed = {SheetKind.TICKET: len(tickets.sheets), SheetKind.WRISTBAND: len(bands.sheets)}
        return is_hit, [*findings, *_wrong_paper(after, printed)]


async def _done_or_dead(lives: _Lives, death: int) -> bool:
    """Whether the life died before it was done."""
    done = asyncio.create_task(lives.hear("done"))
    dead = asyncio.create_task(_readable(death))
    finished, pending = await asyncio.wait({done, dead}, timeout=WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    assert finished, "the front desk neither died nor finished"
    for task in finished:
        task.result()
    return done not in finished


def _wrong_paper(after: Seen, printed: dict[SheetKind, int]) -> Iterator[Finding]:
    """What came out of the printers, against what the station says of it."""
    for kind, count in printed.items():
        states = [job.state for job in after.jobs.values() if job.key.kind is kind]
        if count > 1:
            yield Finding(Kind.DOUBLED, f"{count} sheets of kind {kind} came out")
        if count and not {PrintState.PRINTED, PrintState.UNKNOWN} & set(states):
            yield Finding(Kind.DOUBLED, f"a {kind} came out of which the station says {states}")
        if not count and PrintState.PRINTED in states:
            yield Finding(Kind.LOST, f"no {kind} came out and the station says {states}")
    if len(after.check_ins) > 1:
        yield Finding(Kind.DOUBLED, f"{len(after.check_ins)} check-ins of one patient")
