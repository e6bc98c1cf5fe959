"""Processes whose clock is set while they work: two hours and a day, forward and back, also in the middle of a step.

libfaketime changes what a process reads as the time of day and leaves its monotonic clocks alone, as settimeofday(2)
and NTP do. The runs begin at three in the afternoon at the site, whatever the time is, so that two hours either way
are the same business day.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from drivers.cards.synthetic import crowd_person
from kioskd.demo.clinic import clinic_day
from kioskd.demo.rig import Rig, RigOptions
from kioskd.hub.tables import ticket
from tests.faults.front_line import FrontProcess, store_config
from tests.faults.front_process import front_on
from tests.faults.outcome import Outcome
from tests.faults.starved_daemon import PATIENTS, StarvedDaemon, people_at, records_agree

LIBRARY = next((path for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
BERLIN = ZoneInfo("Europe/Berlin")
HOURS_2, DAY = timedelta(hours=2), timedelta(days=1)
JUMPS = (HOURS_2, timedelta(), -HOURS_2, timedelta(), DAY, timedelta(), -DAY, timedelta())
"""How far from the right time the clock is, one after the other."""


class SetClock:
    """The time of day of a process that has ``environment``. ``set`` moves it, from the afternoon of today."""

    def __init__(self, workplace: Path) -> None:
        self._file = workplace / "clock"
        afternoon = datetime.now(BERLIN).replace(hour=15, minute=0, second=0, microsecond=0)
        self._to_afternoon = afternoon - datetime.now(BERLIN)
        self.set(timedelta())
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }

    def set(self, wrong_by: timedelta) -> None:
        """Replaced whole, so that the process never reads half a line."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{(self._to_afternoon + wrong_by).total_seconds():+.3f}\n")
        os.replace(fresh, self._file)

    @property
    def right_now(self) -> datetime:
        """What the process's clock shows when it is right."""
        return datetime.now(UTC) + self._to_afternoon


async def in_order(line: FrontProcess, outcome: Outcome) -> None:
    """The queue is in the order in which numbers were told, whatever the clock said."""
    async with front_on(line.config) as front:
        query = select(ticket.c.series, ticket.c.number, ticket.c.business_day).order_by(ticket.c.sequence)
        rows = await front.hub.read(lambda c: c.execute(query).all())
    labels = [f"{row.series}{row.number}" for row in rows if f"{row.series}{row.number}" in line.told.values()]
    if labels != list(line.told.values()):
        outcome.problems.append(f"told in the order {list(line.told.values())}, queued in the order {labels}")


async def jumps(workplace: Path, runs: int = 1) -> Outcome:
    """The clock is set between check-ins; a day off there is no appointment, so people get help tickets."""
    outcome, clock = Outcome("clock set by 2 h and a day"), SetClock(workplace)
    line = FrontProcess(
        store_config(workplace, workplace / "data"), workplace / "front.log", environment=clock.environment
    )
    try:
        await line.start()
        number = 0
        for _ in range(runs):
            for wrong_by in JUMPS:
                clock.set(wrong_by)
                set_at = time.monotonic()
                answer = await line.visit(number)
                for _ in range(4):
                    if answer["label"]:
                        break
                    answer = await line.visit(number)
                if answer["step"] != ("help" if abs(wrong_by) == DAY else "done") or not answer["label"]:
                    outcome.problems.append(f"wrong by {wrong_by}: the page ends with {answer['step']}")
                outcome.recovery_s.append(time.monotonic() - set_at)
                number += 1
            outcome.runs += len(JUMPS)
        if (code := await line.stop()) != 0:
            outcome.problems.append(f"the process ended with {code}")
        await line.examine(outcome)
        await in_order(line, outcome)
    finally:
        line.end()
    return outcome


async def steps_during_check_ins(workplace: Path, runs: int = 1) -> Outcome:
    """NTP steps the clock again and again, up to two hours either way, at any moment of a check-in."""
    outcome, clock = Outcome("NTP step during a check-in"), SetClock(workplace)
    line = FrontProcess(
        store_config(workplace, workplace / "data"), workplace / "front.log", environment=clock.environment
    )
    chance = random.Random(1582)

    async def step_for_ever() -> None:
        while True:
            clock.set(HOURS_2 * chance.uniform(-0.98, 0.98))
            outcome.runs += 1
            await asyncio.sleep(chance.uniform(0.001, 0.02))

    try:
        await line.start()
        stepping = asyncio.create_task(step_for_ever())
        try:
            for number in range(12 * runs):
                for _ in range(5):
                    if (await line.visit(number))["step"] == "done":
                        break
                else:
                    outcome.problems.append(f"patient {number} was not checked in")
        finally:
            stepping.cancel()
        if (code := await line.stop()) != 0:
            outcome.problems.append(f"the process ended with {code}")
        await line.examine(outcome)
        await in_order(line, outcome)
    finally:
        line.end()
    return outcome


async def jumps_under_the_daemon(workplace: Path, runs: int = 1) -> Outcome:
    """The whole daemon: the clock is set while somebody's name is on the screen, and nobody loses anything."""
    outcome, clock = Outcome("clock set, whole daemon"), SetClock(workplace)
    rig = Rig(workplace, RigOptions(is_mechanical=False, languages=("en", "de"), timezone="Europe/Berlin"))
    daemon = StarvedDaemon(rig, clock.environment)
    crowd = [crowd_person(number) for number in range(PATIENTS)]
    async with people_at(rig, daemon, clinic_day(clock.right_now, crowd)) as people:
        number = 0
        for _ in range(runs):
            for wrong_by in (HOURS_2, -HOURS_2, timedelta()):
                set_at = time.monotonic()
                await people.must_visit(
                    number, outcome, f"when the clock was set by {wrong_by}", clock_set(clock, wrong_by)
                )
                outcome.recovery_s.append(time.monotonic() - set_at)
                outcome.runs += 1
                number += 1
        await records_agree(daemon, people, outcome)
        assert daemon.process is not None
        if daemon.process.poll() is not None:
            outcome.problems.append(f"the daemon ended with {daemon.process.returncode}")
    return outcome


def clock_set(clock: SetClock, wrong_by: timedelta) -> Callable[[], None]:
    """What happens while the page asks "Is this you?"."""
    return lambda: clock.set(wrong_by)


RUNS: dict[str, Callable[[Path, int], Coroutine[Any, Any, Outcome]]] = {
    "between check-ins": jumps,
    "during check-ins": steps_during_check_ins,
    "under the daemon": jumps_under_the_daemon,
}


def why_not() -> str:
    """Why this machine can't set a process's clock, or nothing."""
    return "" if LIBRARY is not None else "libfaketime is missing: apt-get install faketime"


def time_jumps(folder: Path, runs: int = 1) -> list[Outcome]:
    """Every run, in folders below ``folder``; none where libfaketime is missing."""
    if why_not():
        return []
    outcomes = []
    for name, run in RUNS.items():
        workplace = folder / name.replace(" ", "-")
        workplace.mkdir(parents=True)
        outcomes.append(asyncio.run(run(workplace, runs)))
    return outcomes
