"""A front desk without room, with a disk that fails, is slow or takes nothing, without memory, without descriptors.

Each run does real check-ins at a real kiosk session with its hub on real databases in a process of its own, takes
something away while it works, gives it back, and holds what patients were told against what is on disk.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kioskd.errors import KioskdError
from tests.faults.bad_disk import BadDisk, SmallDisk, small_disk, why_no_mount
from tests.faults.front_line import Ended, FrontProcess, store_config
from tests.faults.outcome import Outcome
from tests.faults.starved_daemon import DAEMON_RUNS, why_not_the_daemon

ATTEMPTS = 5


@asynccontextmanager
async def front(workplace: Path, folder: Path, **options: Any) -> AsyncIterator[FrontProcess]:
    """A started front desk with its databases in ``folder``."""
    line = FrontProcess(store_config(workplace, folder), workplace / "front.log", **options)
    try:
        await line.start()
        yield line
    finally:
        line.end()


async def visits(line: FrontProcess, numbers: range, outcome: Outcome, because: str) -> None:
    """Patients who must all be checked in; on a busy machine the page may give up a time or two before."""
    for number in numbers:
        for _ in range(ATTEMPTS):
            if (await line.visit(number))["step"] == "done":
                break
        else:
            outcome.problems.append(f"patient {number} was not checked in {because}")


async def until_desk(line: FrontProcess, disk: SmallDisk, first: int, outcome: Outcome, most: int = 400) -> int:
    """Patients until one finds no room any more, while others use up what the reserves gave; how many there were.

    That may take many: what a write-ahead log has once taken is used again.
    """
    for number in range(first, first + most):
        disk.fill()
        is_at_desk = (await line.visit(number))["step"] == "help"
        if is_at_desk and "full" in (await line.ask("health")).values():
            return number - first + 1
    outcome.problems.append(f"{most} patients were checked in although there is no room")
    return most


async def disk_full(workplace: Path, runs: int = 1) -> Outcome:
    """The disk fills up under a running front desk: the reserve carries on, then the desk, then all is well again."""
    outcome = Outcome("disk full")
    folder = workplace / "data"
    folder.mkdir(mode=0o700)
    with small_disk(folder, 16) as disk:
        async with front(workplace, folder) as line:
            number = 0
            for _ in range(runs):
                await visits(line, range(number, number + 3), outcome, "before the disk was full")
                disk.fill()
                await visits(line, range(number + 3, number + 6), outcome, "in the reserve")
                number += 6 + await until_desk(line, disk, number + 6, outcome)
                disk.free()
                freed_at = time.monotonic()
                await line.ask("until-well")
                await visits(line, range(number - 1, number + 1), outcome, "after there was room again")
                outcome.recovery_s.append(time.monotonic() - freed_at)
                outcome.runs += 1
                number += 1
            said = line.log
            outcome.problems += [
                f"the log does not say {words!r}"
                for words in ("working in the reserve", "nothing can be stored: make room", "is well again")
                if words not in said
            ]
            if (code := await line.stop()) != 0:
                outcome.problems.append(f"the process ended with {code}")
            await line.examine(outcome)
    return outcome


async def sync_errors(workplace: Path, runs: int = 2) -> Outcome:
    """A sync fails: the process ends without acknowledging, and the next one looks through its database first."""
    outcome, folder = Outcome("fsync error"), workplace / "data"
    disk = BadDisk(workplace, folder)
    async with front(workplace, folder, environment=disk.environment) as line:
        number = 0
        for _ in range(runs):
            await visits(line, range(number, number + 3), outcome, "on a well disk")
            disk.fail_syncs()
            try:
                answer = await line.visit(number + 3)
                if answer["step"] == "done":
                    outcome.problems.append(f"patient {number + 3} was told {answer['label']} although no sync worked")
                await line.ask("until-well")  # never answered: the process ends by itself
                outcome.problems.append("the process lives on after a failed sync")
            except Ended as ended:
                if ended.code != 1:
                    outcome.problems.append(f"after a failed sync the process ended with {ended.code}")
            disk.be_well()
            outcome.recovery_s.append(await line.start_again())
            outcome.runs += 1
            number += 3
        if line.log.count("it is whole, checked in") < runs:
            outcome.problems.append("a database was not checked after a failed sync")
        await visits(line, range(number, number + 2), outcome, "after the disk was well again")
        await line.stop()
        await line.examine(outcome)
    return outcome


async def sync_errors_at_random(workplace: Path, runs: int = 3) -> Outcome:
    """libfiu makes one sync in thirty fail, at any place: at start, in a commit, in a checkpoint."""
    outcome, folder = Outcome("fsync errors at random"), workplace / "data"
    fault = "enable_random name=posix/io/sync/fsync,probability=0.03,failinfo=5"
    line = FrontProcess(store_config(workplace, folder), workplace / "front.log", prefix=("fiu-run", "-x", "-c", fault))
    try:
        await line.start_again()
        number, asked = 0, 0
        while outcome.runs < runs and asked < runs * 200:
            asked += 1
            try:
                if (await line.visit(number))["step"] == "done":
                    number += 1
            except Ended as ended:
                if ended.code != 1:
                    outcome.problems.append(f"after a failed sync the process ended with {ended.code}")
                outcome.recovery_s.append(await line.start_again())
                outcome.runs += 1
        await line.stop()
        await line.examine(outcome)
    finally:
        line.end()
    return outcome


async def read_only(workplace: Path, runs: int = 1) -> Outcome:
    """The file system takes no more writes: the process ends, refuses to start with words, and starts when it does."""
    outcome, folder = Outcome("read-only remount"), workplace / "data"
    disk = BadDisk(workplace, folder)
    async with front(workplace, folder, environment=disk.environment) as line:
        number = 0
        for _ in range(runs):
            await visits(line, range(number, number + 2), outcome, "on a well disk")
            disk.be_read_only()
            try:
                if (await line.visit(number + 2))["step"] == "done":
                    outcome.problems.append(f"patient {number + 2} was checked in on a disk that takes nothing")
                await line.ask("until-well")
                outcome.problems.append("the process lives on although nothing can be written")
            except Ended as ended:
                if ended.code != 1:
                    outcome.problems.append(f"on a read-only disk the process ended with {ended.code}")
            try:
                await line.start()
                outcome.problems.append("it started on a read-only disk")
            except Ended:
                if "Read-only file system" not in line.log:
                    outcome.problems.append("the refusal does not say that the file system is read-only")
            disk.be_well()
            outcome.recovery_s.append(await line.start_again())
            outcome.runs += 1
            number += 2
        await visits(line, range(number, number + 2), outcome, "after the disk took writes again")
        await line.stop()
        await line.examine(outcome)
    return outcome


async def slow_disk(workplace: Path, runs: int = 1) -> Outcome:
    """Every sync takes seconds: patients go to the desk in time, and what is committed late is there once."""
    outcome, folder = Outcome("slow disk"), workplace / "data"
    disk = BadDisk(workplace, folder)
    async with front(workplace, folder, environment=disk.environment) as line:
        number = 0
        for _ in range(runs):
            await visits(line, range(number, number + 2), outcome, "on a fast disk")
            disk.be_slow(3.0)
            answer = await line.visit(number + 2)
            if answer["step"] != "help":
                outcome.problems.append(f"patient {number + 2} waited {answer['took_s']:.1f} s for a disk that hangs")
            disk.be_well()
            well_at = time.monotonic()
            # The same people again: their first attempt was committed late, is open, or was never stored.
            await visits(line, range(number + 2, number + 5), outcome, "after the disk was fast again")
            outcome.recovery_s.append(time.monotonic() - well_at)
            outcome.runs += 1
            number += 5
        if (code := await line.stop()) != 0:
            outcome.problems.append(f"the process ended with {code}")
        await line.examine(outcome)
    return outcome


async def out_of(
    workplace: Path, what: str, limit: int, low: Callable[[int], int], runs: int = 1, hoards: bool = False
) -> Outcome:
    """Take a resource away with prlimit(2) in the middle of the work, and give it back."""
    outcome, folder = Outcome(f"out of {what}"), workplace / "data"
    async with front(workplace, folder) as line:
        number = 0
        for _ in range(runs):
            await visits(line, range(number, number + 2), outcome, f"with enough {what}")
            soft, hard = resource.prlimit(line.pid, limit)
            resource.prlimit(line.pid, limit, (low(line.pid), hard))
            has_ended = False
            try:
                if hoards:
                    await line.ask("hoard")
                for starved in range(number + 2, number + 6):
                    await line.visit(starved)
                if hoards:
                    await line.ask("let-go")
                resource.prlimit(line.pid, limit, (soft, hard))
            except Ended as ended:
                has_ended = True
                if ended.code == 0:
                    outcome.problems.append(f"without {what} the process ended as if all were well")
            given_back_at = time.monotonic()
            if has_ended:
                await line.start_again()
            await visits(line, range(number + 2, number + 8), outcome, f"after there was enough {what} again")
            outcome.recovery_s.append(time.monotonic() - given_back_at)
            outcome.runs += 1
            number += 8
        await line.stop()
        await line.examine(outcome)
    return outcome


def _little_memory(pid: int) -> int:
    """The address space that the process has now, and 16 MB more."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize() + (16 << 20)


def _no_descriptor(pid: int) -> int:
    """As many as it has open."""
    return max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()) + 1


async def memory(workplace: Path, runs: int = 1) -> Outcome:
    return await out_of(workplace, "memory", resource.RLIMIT_AS, _little_memory, runs, hoards=True)


async def descriptors(workplace: Path, runs: int = 1) -> Outcome:
    return await out_of(workplace, "descriptors", resource.RLIMIT_NOFILE, _no_descriptor, runs)


RUNS: dict[str, Callable[[Path, int], Coroutine[Any, Any, Outcome]]] = {
    "disk full": disk_full,
    "read-only remount": read_only,
    "fsync error": sync_errors,
    "fsync errors at random": sync_errors_at_random,
    "slow disk": slow_disk,
    "out of memory": memory,
    "out of descriptors": descriptors,
}


def why_not(fault: str) -> str:
    """Why this machine can't do a run, or nothing."""
    if fault == "disk full":
        return why_no_mount()
    if fault == "fsync errors at random":
        return "" if shutil.which("fiu-run") else "fiu-run is missing: apt-get install fiu-utils"
    if fault in {"fsync error", "read-only remount", "slow disk"}:
        return "" if shutil.which("gcc") else "gcc is missing: apt-get install gcc"
    return ""


async def run(fault: str, workplace: Path, runs: int) -> Outcome:
    """One fault, ``runs`` times. What the harness itself can't go on after is a finding too."""
    try:
        return await RUNS[fault](workplace, runs)
    except (Ended, KioskdError, TimeoutError) as error:
        return Outcome(fault, runs=1, problems=[f"{type(error).__name__}: {error}"])


def starved(folder: Path, runs: int = 1) -> list[Outcome]:
    """Every fault that this machine can do, ``runs`` times each, and the whole daemon's once; below ``folder``."""
    parts = [asyncio.run(run(fault, _made(folder, fault), runs)) for fault in RUNS if not why_not(fault)]
    daemons = [fault for fault in DAEMON_RUNS if not why_not_the_daemon(fault)]
    return parts + [asyncio.run(DAEMON_RUNS[fault](_made(folder, f"daemon {fault}"))) for fault in daemons]


def _made(folder: Path, name: str) -> Path:
    workplace = folder / name.replace(" ", "-")
    workplace.mkdir(parents=True)
    return workplace
