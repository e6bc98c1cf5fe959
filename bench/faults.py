"""Bad days, many of them: ``scripts/bench faults [--quick] [--only kills,power,cut,starved,time]``.

Each row is a kind of fault, done to a real front desk or to the files that it left; ``lost`` and ``doubled`` are
counted by witnesses outside what was broken. Recovery is from the fault to all being right again: for a kill, until
the process says READY=1 (the init system's own RestartSec comes on top). A row that fails is said and the next one
begins; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import cut, starved, starved_daemon, time_jumps
from tests.faults.crash_points import crash_points
from tests.faults.exposure import exposure
from tests.faults.kills import kills
from tests.faults.outcome import Outcome
from tests.faults.power import power_cuts
from tests.faults.recording import why_not_traced

IN_MEMORY = Path("/dev/shm")
DISPLAYS = 20


@dataclass(frozen=True)
class Row:
    """A line of the table. ``run`` is called with a private folder and with whether small numbers will do."""

    part: str
    name: str
    run: Callable[[Path, bool], Outcome | Coroutine[Any, Any, Outcome]]
    in_memory: bool = False
    why_not: str = ""
    """Why this machine can't do it, or empty."""

    def outcome(self, folder: Path, is_quick: bool) -> Outcome:
        answer = self.run(folder, is_quick)
        return answer if isinstance(answer, Outcome) else asyncio.run(answer)


def rows() -> Iterator[Row]:
    """Everything that there is, in the order of the table."""
    yield Row("kills", "kill -9, one process", lambda f, quick: kills(f, 10 if quick else 500, 1, is_split=False))
    yield Row("kills", "kill -9, three processes", lambda f, quick: kills(f, 10 if quick else 500, 2, is_split=True))
    traced = why_not_traced()
    yield Row("power", "power cuts", lambda f, quick: power_cuts(f, 300 if quick else 10_000), True, traced)
    yield Row("power", "crash points", lambda f, quick: crash_points(f, most=20 if quick else 0), True, traced)
    yield Row("cut", "broker restarts", lambda f, quick: cut.broker_restarts(f, 3 if quick else 50, DISPLAYS))
    yield Row("cut", "broker hangs", lambda f, quick: cut.broker_hangs(f, 1 if quick else 5, DISPLAYS))
    yield Row("cut", "record cut", lambda f, quick: cut.records_faults(f, 4 if quick else 40))
    yield Row("cut", "card reader cut", lambda f, quick: cut.card_reader_faults(f, 2 if quick else 20))
    yield Row("cut", "printers cut", lambda f, quick: cut.printer_cuts(f, 48 if quick else 1))
    yield from (_starved(fault) for fault in starved.RUNS)
    yield from (_starved_daemon(fault) for fault in starved_daemon.DAEMON_RUNS)
    yield from (_time(jump) for jump in time_jumps.RUNS)


def _starved(fault: str) -> Row:
    return Row(
        "starved",
        fault,
        lambda f, quick: starved.run(fault, f, 1 if quick else 5),
        why_not=starved.why_not(fault),
    )


def _starved_daemon(fault: str) -> Row:
    run, why_not = starved_daemon.DAEMON_RUNS[fault], starved_daemon.why_not_the_daemon(fault)
    return Row("starved", f"{fault}, whole daemon", lambda f, _: run(f), why_not=why_not)


def _time(jump: str) -> Row:
    run = time_jumps.RUNS[jump]
    return Row("time", f"clock set {jump}", lambda f, quick: run(f, 1 if quick else 5), why_not=time_jumps.why_not())


def main() -> int:
    options = _arguments()
    logging.disable(logging.ERROR)  # what is broken on purpose is no news
    chosen = [row for row in rows() if not options.only or row.part in options.only.split(",")]
    print(f"{'fault':36} {'runs':>6} {'lost':>5} {'doubled':>8} {'wrong calls':>12} {'recovery p50':>13} {'p99 s':>7}")
    outcomes: list[tuple[Row, Outcome]] = []
    problems: list[str] = []
    for row in chosen:
        began = time.monotonic()
        if row.why_not:
            problems.append(f"{row.name}: not done: {row.why_not}")
            continue
        try:
            with _folder(row) as folder:
                outcome = row.outcome(folder, options.quick)
        except Exception as error:  # noqa: BLE001 - a bench goes on with the next row
            traceback.print_exc()
            problems.append(f"{row.name} did not end: {type(error).__name__}: {error}")
            continue
        print(_line(outcome, time.monotonic() - began), flush=True)
        outcomes.append((row, outcome))
        problems += [f"{outcome.fault}: {problem}" for problem in outcome.problems]
    for problem in problems:
        print(f"  ! {problem}")
    print(f"\nfigures: {_figures(outcomes)}")
    return 0 if all(outcome.is_clean for _, outcome in outcomes) and not problems else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that every row works")
    parser.add_argument("--only", default="", metavar="PARTS", help=f"some of {','.join(_parts())}")
    return parser.parse_args()


def _parts() -> list[str]:
    return list(dict.fromkeys(row.part for row in rows()))


@contextmanager
def _folder(row: Row) -> Iterator[Path]:
    """A private folder; in memory where nothing needs the disk, and there is such a place."""
    place = IN_MEMORY if row.in_memory and IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="kioskd-faults-", dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _line(outcome: Outcome, took_s: float) -> str:
    p50, p99 = (f"{quantile(outcome.recovery_s, q):.3f}" if outcome.recovery_s else "" for q in (0.5, 0.99))
    counts = f"{outcome.runs:6} {outcome.lost:5} {outcome.doubled:8} {outcome.wrong_calls:12}"
    return f"{outcome.fault:36} {counts} {p50:>13} {p99:>7}   ({took_s:.0f} s{_state(outcome)})"


def _state(outcome: Outcome) -> str:
    return "" if outcome.is_clean else f", {len(outcome.problems)} problems"


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _figures(outcomes: Sequence[tuple[Row, Outcome]]) -> str:
    def runs(part: str, fault: str = "") -> int:
        return sum(o.runs for row, o in outcomes if row.part == part and fault in o.fault)

    ready = [s for row, outcome in outcomes if row.part == "kills" for s in outcome.recovery_s]
    values = {
        "kills": runs("kills"),
        "lost": sum(o.lost for _, o in outcomes),
        "doubled": sum(o.doubled for _, o in outcomes),
        "recover_s_p99": f"{quantile(ready, 0.99):.2f}" if ready else "none",
        "powercuts": runs("power", "power cut"),
        "broker_restarts": runs("cut", "broker killed"),
        "wrong_calls": sum(o.wrong_calls for _, o in outcomes),
        "exposure": exposure() if shutil.which("systemd-analyze") else "none",
    }
    return " ".join(f"{name}={value}" for name, value in values.items())


if __name__ == "__main__":
    sys.exit(main())
