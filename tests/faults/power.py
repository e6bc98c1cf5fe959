"""Power cuts: a recorded morning of the front desk, cut off anywhere, and the disk as it may be found then.

The recording holds every write and flush of three real databases in order with everything that was told to patients,
desk and records (``recording``). For a power cut the files are built as they may be left at that moment (``disk``) and
opened by the real store, and what was told must be there (``survivors``).

For ``bench/faults.py``::

    power_cuts(folder, points, seed) -> Outcome    any number of points; 10,000 with ``--long``

It blocks: call it where no event loop runs (``asyncio.to_thread``). ``folder`` should be in memory: nothing here needs
the real disk, and the databases are opened thousands of times.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from kioskd.errors import KioskdError
from tests.faults.desk_life import running_clock
from tests.faults.disk import Disk, Flushed, Left, Operation, Removed, Told, Written
from tests.faults.outcome import Outcome
from tests.faults.recording import ROOT, record
from tests.faults.survivors import Finding, Kind, Recovery, examine, open_stores, recovery
from tests.faults.told import Heard

CHECK_INS = 75
"""Enough for the write-ahead log of each database to be checkpointed (1,000 pages) and to begin again."""
DATABASES = {"station.db", "hub.db", "records.db"}
FIRST_START_SHARE = 0.02
"""Of the points, before the first start is done: each costs a migration, and nobody has been told anything."""
RECOVERED_AGAIN_SHARE = 0.1
"""Every cut is examined. Where the databases hold what they held after an earlier cut, only these recover again too."""
WORKERS_FROM = 1000
"""Points from which more than one process pays."""
POINTS_WITHIN_S = 3600.0


@dataclass(slots=True)
class Findings:
    """What some power cuts left behind."""

    points: int = 0
    lost: int = 0
    """Points at which something told was gone."""
    doubled: int = 0
    broken: int = 0
    """Points at which a database was damaged, refused, or had half a transaction."""
    recovery_s: list[float] = field(default_factory=list)
    """From the first look at the files until everything was delivered, where a recovery was run."""
    problems: list[str] = field(default_factory=list)

    def add(self, where: str, found: Sequence[Finding]) -> None:
        kinds = {finding.kind for finding in found}
        self.points += 1
        self.lost += Kind.LOST in kinds
        self.doubled += Kind.DOUBLED in kinds
        self.broken += bool({Kind.BROKEN, Kind.HALF} & kinds)
        if found and len(self.problems) < 20:
            self.problems.append(f"{where}: " + "; ".join(f"{f.kind}: {f.what}" for f in found[:3]))

    def merge(self, other: Findings) -> None:
        self.points += other.points
        self.lost += other.lost
        self.doubled += other.doubled
        self.broken += other.broken
        self.recovery_s += other.recovery_s
        self.problems = (self.problems + other.problems)[:20]


def power_cuts(folder: Path, points: int, seed: int = 0) -> Outcome:
    """Record a morning, cut the power at ``points`` moments, examine and recover each time."""
    operations = record_morning(folder)
    found = examine_cuts(operations, folder, points, seed)
    found.problems += [
        f"the log of {name} never began again: record more" for name in DATABASES - begun_again(operations)
    ]
    return Outcome(
        "power cut",
        runs=found.points,
        lost=found.lost,
        doubled=found.doubled,
        recovery_s=found.recovery_s,
        problems=found.problems,
    )


def record_morning(folder: Path, check_ins: int = CHECK_INS) -> list[Operation]:
    """What a front desk did to its disk, in order. Raises AssertionError when it can't be recorded here."""
    place = folder / "recorded"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    operations = record(place, ["-m", "tests.faults.recorded_day", str(place), str(check_ins)])
    shutil.rmtree(place)
    return operations


def begun_again(operations: Sequence[Operation]) -> set[str]:
    """The databases whose write-ahead log was copied into them while they were open, and written from its begin."""
    found, copied = set(), set()
    for operation in operations:
        match operation:
            case Written(name) if not name.endswith("-wal"):
                copied.add(name)
            case Removed(name):
                copied.discard(name.removesuffix("-wal"))
            case Written(name, 0) if name.removesuffix("-wal") in copied:
                found.add(name.removesuffix("-wal"))
            case _:
                pass
    return found


# --- which flushes count ---------------------------------------------------------------------------------------


def only_at_checkpoints(operations: Sequence[Operation]) -> Callable[[int, Flushed], bool]:
    """The flushes that SQLite would have asked for with ``synchronous = NORMAL``: a write-ahead log is flushed right
    before it is copied into its database, and not by each commit.
    """
    kept: set[int] = set()
    next_write: dict[str, str] = {}
    for number in range(len(operations) - 1, -1, -1):
        match operations[number]:
            case Written(name):
                next_write[name.removesuffix("-wal")] = name
            case Flushed(name) if not name.endswith("-wal") or next_write.get(name[:-4]) == name[:-4]:
                kept.add(number)
            case _:
                pass
    return lambda number, flush: number in kept


# --- points ----------------------------------------------------------------------------------------------------


def examine_cuts(
    operations: Sequence[Operation],
    folder: Path,
    points: int,
    seed: int,
    is_honoured: Callable[[int, Flushed], bool] = lambda number, flush: True,
) -> Findings:
    """Cut the power at ``points`` moments. With many of them on all processors at once."""
    workers = min(os.cpu_count() or 1, 8) if points >= WORKERS_FROM else 1
    if workers == 1:
        return asyncio.run(_examine(operations, folder, points, seed, is_honoured))
    recording = folder / "recording"
    recording.write_bytes(pickle.dumps(list(operations)))
    command = [sys.executable, "-m", "tests.faults.power", str(recording)]
    started = [
        subprocess.Popen(
            [*command, str(folder / f"worker-{n}"), str(points // workers + (n < points % workers)), f"{seed}{n}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for n in range(workers)
    ]
    found = Findings()
    for worker in started:
        said, _ = worker.communicate(timeout=POINTS_WITHIN_S)
        assert worker.returncode == 0, "a worker failed; its error is above"
        found.merge(pickle.loads(said))
    return found


async def _examine(
    operations: Sequence[Operation],
    folder: Path,
    points: int,
    seed: int,
    is_honoured: Callable[[int, Flushed], bool],
) -> Findings:
    chance, disk, heard, found = Random(seed), Disk(is_honoured), Heard(), Findings()
    wanted = _moments(operations, points, chance)
    async with recovery(running_clock(timedelta(hours=4))) as recovers:
        cut = _PowerCut(folder / "cut", heard, recovers, chance, found.recovery_s)
        for number, operation in enumerate(operations):
            disk.apply(number, operation)
            if isinstance(operation, Told):
                heard.hear(operation.line)
            for _ in range(wanted.get(number, 0)):
                left = chance.choice(list(Left))
                found.add(f"after operation {number}, {left} left", await cut.look_at(disk.after_cut(left, chance)))
    return found


def _moments(operations: Sequence[Operation], points: int, chance: Random) -> dict[int, int]:
    """How many cuts follow each operation. Words to the world are moments too: nothing may be missing after one."""
    ready = next(n for n, operation in enumerate(operations) if isinstance(operation, Told))
    moments: dict[int, int] = {}
    for _ in range(points):
        is_first_start = chance.random() < FIRST_START_SHARE
        number = chance.randrange(ready) if is_first_start else chance.randrange(ready, len(operations))
        moments[number] = moments.get(number, 0) + 1
    return moments


@dataclass(slots=True)
class _PowerCut:
    """Looks at one disk after another."""

    place: Path
    heard: Heard
    recovers: Recovery
    chance: Random
    recovery_s: list[float]
    recovered: set[int] = field(default_factory=set)

    async def look_at(self, files: dict[str, bytearray]) -> list[Finding]:
        """What is wrong with a disk as it was found, before and after the recovery."""
        data = self.place / "data"
        data.mkdir(parents=True, mode=0o700, exist_ok=True)
        for old in data.iterdir():
            if old.suffix != ".reserve":  # holds nothing, and is slow to make
                old.unlink()
        for name, content in files.items():
            (data / name).write_bytes(content)
        began = time.monotonic()
        try:
            async with open_stores(self.place) as stores:
                seen, findings = await examine(self.place, stores, self.heard)
                if findings or (seen.state in self.recovered and self.chance.random() > RECOVERED_AGAIN_SHARE):
                    return findings
                self.recovered.add(seen.state)
                findings = await self.recovers.run(stores, seen, self.heard)
                self.recovery_s.append(time.monotonic() - began)
                return findings
        except KioskdError as error:
            return [Finding(Kind.BROKEN, f"{type(error).__name__}: {error}")]


def _work(recording: Path, folder: Path, points: int, seed: int) -> None:
    operations: list[Operation] = pickle.loads(recording.read_bytes())
    found = asyncio.run(_examine(operations, folder, points, seed, lambda number, flush: True))
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    from tests.faults import power  # under its own name, so that its answer can be read by who started it

    power._work(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
