"""The whole daemon with broker, reader and printers: its disk fills up or fails, or its file descriptors are gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drivers.cards.synthetic import crowd_person
from kioskd.demo.clinic import clinic_day, seed
from kioskd.demo.person import PageProblem
from kioskd.demo.rig import Rig, RigOptions
from tests.app.daemon import Daemon, Kiosk
from tests.faults.bad_disk import BadDisk, small_disk, why_no_mount
from tests.faults.outcome import Outcome

PATIENTS = 40
DISK_MB = 96
"""Room for four databases with their reserves, and twice that of one of them."""
WITHIN_S = 60.0
ATTEMPTS = 5
TURNED_AWAY = "no file descriptor is free"
WELCOME, IS_IT_YOU = "put in your card", "Is this you?"
DONE, DONE_BEFORE, DESK = "You are checked in", "already checked in", "Please go to the desk"


class StarvedDaemon(Daemon):
    """A daemon with an environment of its own."""

    def __init__(self, rig: Rig, environment: dict[str, str]) -> None:
        super().__init__(rig)
        self._environment = environment

    def _spawn(self, notify: Path) -> subprocess.Popen[bytes]:
        command = ["env", *(f"{name}={value}" for name, value in self._environment.items())]
        command += [sys.executable, "-m", "kioskd", "run", "--config", str(self.rig.site_file)]
        with self.log_file.open("ab") as log:
            environment = {**os.environ, "NOTIFY_SOCKET": str(notify)}
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


class People:
    """Patients one after the other at the kiosk. ``told``: who was shown which number."""

    def __init__(self, daemon: Daemon, kiosk: Kiosk) -> None:
        self._daemon, self._kiosk = daemon, kiosk
        self.told: dict[int, str] = {}

    async def must_visit(
        self, number: int, outcome: Outcome, because: str, while_asked: Callable[[], None] = lambda: None
    ) -> None:
        """Patient ``number`` must be checked in; on a busy machine the page may give up a time or two before."""
        for _ in range(ATTEMPTS):
            if await self.visit(number, while_asked):
                return
        outcome.problems.append(f"patient {number} was not checked in {because}")

    async def visit(self, number: int, while_asked: Callable[[], None] = lambda: None) -> bool:
        """Whether the page says that patient ``number`` is checked in; else it sends them to the desk.

        ``while_asked`` is called while their name is on the screen.
        """
        await self._daemon.rig.hardware("remove")
        page = await self._kiosk.look("/")
        if WELCOME not in page:
            with contextlib.suppress(PageProblem):  # it may have cleared by itself meanwhile
                await self._kiosk.send("/close")
            await self._page_with(WELCOME)
        await self._daemon.rig.hardware("insert", card=f"crowd-{number}")
        page = await self._page_with(IS_IT_YOU, DESK)
        if DESK in page:
            return False
        while_asked()
        await self._kiosk.send("/confirm")
        page = await self._page_with(DESK, DONE, DONE_BEFORE)
        found = re.search(r"\bA\d+\b", page)
        if DESK in page or found is None:
            return False
        self.told.setdefault(number, found.group())
        return self.told[number] == found.group()

    async def _page_with(self, *words: str) -> str:
        """The page as soon as it says one of these."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                page = await self._kiosk.look("/")
                if any(word in page for word in words):
                    return page
                await asyncio.sleep(0.05)


@asynccontextmanager
async def people_at(
    rig: Rig, daemon: Daemon, resources: Sequence[dict[str, Any]] | None = None
) -> AsyncIterator[People]:
    """Rig and daemon started, everybody in the records, and a patient's hands at the kiosk; ends whatever is left."""
    try:
        await rig.start()
        await daemon.start()
        people = [crowd_person(number) for number in range(PATIENTS)]
        resources = resources or clinic_day(datetime.now(UTC), people)
        await seed(f"{daemon.url('fhir')}/fhir", rig.token, resources)
        async with Kiosk(daemon.url("kiosk")) as kiosk:
            yield People(daemon, kiosk)
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
        await rig.stop()


async def records_agree(daemon: Daemon, people: People, outcome: Outcome) -> None:
    """Everybody who was told a number is in the record, once."""

    async def patients() -> Counter[str]:
        async with daemon.fhir() as fhir:
            answer = (await fhir.get("Encounter", params={"_count": "200"})).json()
        return Counter(entry["resource"]["subject"]["reference"] for entry in answer.get("entry", []))

    wanted = {f"Patient/demo-crowd-{number}" for number in people.told}
    found: Counter[str] = Counter()
    try:
        async with asyncio.timeout(WITHIN_S):
            while not wanted <= (found := await patients()).keys():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)
    except TimeoutError:
        missing = wanted - found.keys()
        outcome.lost += len(missing)
        outcome.problems.append(f"not in the record: {sorted(missing)}")
    twice = [who for who, count in found.items() if count > 1]
    outcome.doubled += len(twice) + len(people.told) - len(set(people.told.values()))
    outcome.problems += [f"{who} is in the record twice" for who in twice]


async def until_logged(daemon: Daemon, words: str, count: int = 1) -> None:
    async with asyncio.timeout(WITHIN_S):
        while daemon.log.count(words) < count:  # noqa: ASYNC110 - another process's log
            await asyncio.sleep(0.05)


async def disk_full_under_the_daemon(workplace: Path) -> Outcome:
    """The reserves carry the front desk on; when they are gone the kiosk sends to the desk; no restart is needed."""
    outcome = Outcome("disk full, whole daemon", runs=1)
    folder = workplace / "data"
    folder.mkdir(mode=0o700)
    rig = Rig(workplace, RigOptions(is_mechanical=False, languages=("en", "de")))
    daemon = Daemon(rig)
    async with AsyncExitStack() as parts:
        disk = parts.enter_context(small_disk(folder, DISK_MB))
        people = await parts.enter_async_context(people_at(rig, daemon))
        assert daemon.process is not None
        await people.must_visit(0, outcome, "on an empty disk")
        disk.fill()
        await people.must_visit(1, outcome, "in the reserve")
        at_desk = None
        for number in range(2, PATIENTS - 2):
            disk.fill()  # and what the reserves gave is used up by others
            if not await people.visit(number) and "nothing can be stored" in daemon.log:
                at_desk = number
                break
        if at_desk is None:
            outcome.problems.append("everybody is checked in although nothing can be stored")
            return outcome
        disk.free()
        freed_at = time.monotonic()
        for database in set(re.findall(r"the (\w+) database is (?:full|short)", daemon.log)):
            await until_logged(daemon, f"the {database} database is well again")
        for number in (at_desk, PATIENTS - 1):
            await people.must_visit(number, outcome, "after there was room again")
        outcome.recovery_s.append(time.monotonic() - freed_at)
        await records_agree(daemon, people, outcome)
        if daemon.process.poll() is not None:
            outcome.problems.append(f"the daemon ended with {daemon.process.returncode}")
        elif (code := await daemon.stop()) != 0:
            outcome.problems.append(f"the daemon stopped with {code}")
    return outcome


async def sync_error_under_the_daemon(workplace: Path) -> Outcome:
    """A failed sync ends the daemon by itself, non-zero, with nothing told; the next one checks and goes on."""
    outcome = Outcome("fsync error, whole daemon", runs=1)
    disk = BadDisk(workplace, workplace / "data")
    rig = Rig(workplace, RigOptions(is_mechanical=False, languages=("en", "de")))
    daemon = StarvedDaemon(rig, disk.environment)
    async with people_at(rig, daemon) as people:
        assert daemon.process is not None
        await people.must_visit(0, outcome, "on a well disk")
        disk.fail_syncs()
        with contextlib.suppress(Exception):  # its page may go with the daemon; told it must not be
            if await people.visit(1):
                outcome.problems.append("somebody was told a number although no sync worked")
        code = await asyncio.to_thread(daemon.process.wait, WITHIN_S)
        if code != 1:
            outcome.problems.append(f"after a failed sync the daemon ended with {code}")
        disk.be_well()
        began = time.monotonic()
        await daemon.start()
        outcome.recovery_s.append(time.monotonic() - began)
        if "it is whole, checked in" not in daemon.log:
            outcome.problems.append("no database was checked after a failed sync")
        for number in (1, 2):
            await people.must_visit(number, outcome, "after the disk was well again")
        await records_agree(daemon, people, outcome)
    return outcome


def is_turned_away(caller: socket.socket) -> bool:
    """Whether the other side closed a connection on which nothing was asked."""
    try:
        return caller.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


async def no_descriptors_for_the_daemon(workplace: Path) -> Outcome:
    """Callers are turned away while no descriptor is free, without a flood in the log, and answered when there is."""
    outcome = Outcome("out of descriptors, whole daemon", runs=1)
    rig = Rig(workplace, RigOptions(is_mechanical=False, languages=("en", "de")))
    daemon = Daemon(rig)
    async with people_at(rig, daemon) as people:
        assert daemon.process is not None
        pid = daemon.process.pid
        await people.must_visit(0, outcome, "with enough descriptors")
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        open_now = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now, hard))
        callers = [socket.create_connection(("127.0.0.1", rig.ports["console"]), timeout=10) for _ in range(open_now)]
        await until_logged(daemon, TURNED_AWAY)
        turned_away = sum([await asyncio.to_thread(is_turned_away, caller) for caller in callers[-5:]])
        if turned_away != 5:
            outcome.problems.append(f"only {turned_away} of 5 callers were turned away without a free descriptor")
        if (said := daemon.log.count(TURNED_AWAY)) > 5:
            outcome.problems.append(f"the log says {said} times that no descriptor is free")
        for caller in callers:
            caller.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        given_back_at = time.monotonic()
        for number in (0, 1):
            await people.must_visit(number, outcome, "after there were descriptors again")
        outcome.recovery_s.append(time.monotonic() - given_back_at)
        await records_agree(daemon, people, outcome)
        if daemon.process.poll() is not None:
            outcome.problems.append(f"the daemon ended with {daemon.process.returncode}")
    return outcome


DAEMON_RUNS: dict[str, Callable[[Path], Coroutine[Any, Any, Outcome]]] = {
    "disk full": disk_full_under_the_daemon,
    "fsync error": sync_error_under_the_daemon,
    "out of descriptors": no_descriptors_for_the_daemon,
}


def why_not_the_daemon(fault: str) -> str:
    """Why this machine can't do a run, or nothing."""
    if fault == "disk full":
        return why_no_mount()
    if fault == "out of descriptors":
        # The daemon's memory is closed to others of its user (PR_SET_DUMPABLE), and so is /proc/<pid>/fd.
        return "" if os.geteuid() == 0 else "taking descriptors from the daemon needs root"
    return "" if shutil.which("gcc") else "gcc is missing: apt-get install gcc"
