"""Bad days, many of them: ``scripts/bench faults [--quick] [--only kills,power,cut,starved]``.

Each row is a kind of fault, done to a real front desk or to the files that it left; ``lost`` and ``doubled`` are
counted by witnesses outside what was broken. Recovery is from the fault to all being right again: for a kill, until
the process says READY=1 (the init system's own RestartSec comes on top). A row that fails is said and the next one
begins; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import starved
from tests.faults.outcome import Outcome
from tests.faults.recording import why_not_traced

ROOT = Path(__file__).resolve().parents[1]
IN_MEMORY = Path("/dev/shm")
FOLDERS = ("folder", "workplace")
"""How runners call the place where they may write."""


@dataclass(frozen=True)
class Row:
    """One line of the table, or several: a runner of ``tests/faults``, called with a private folder and its numbers."""

    part: str
    module: str
    runner: str
    full: dict[str, Any]
    quick: dict[str, Any]
    both: dict[str, Any] = field(default_factory=dict)
    in_memory: bool = False
    why_not: str = ""
    """Why this machine can't do it, or empty."""

    @property
    def name(self) -> str:
        return " ".join([self.runner, *(str(value) for value in self.both.values())])

    def run(self, folder: Path, is_quick: bool) -> list[Outcome]:
        runner: Callable[..., Any] = getattr(importlib.import_module(f"tests.faults.{self.module}"), self.runner)
        numbers = {**self.both, **(self.quick if is_quick else self.full)}
        answer = runner(
            **{next(name for name in inspect.signature(runner).parameters if name in FOLDERS): folder}, **numbers
        )
        if inspect.isawaitable(answer):
            answer = asyncio.run(_awaited(answer))
        return list(answer) if isinstance(answer, Iterable) else [answer]


async def _awaited(answer: Any) -> Any:
    return await answer


ROWS = (
    Row("kills", "kills", "kills", {"count": 500}, {"count": 10}, {"seed": 1, "is_split": False}),
    Row("kills", "kills", "kills", {"count": 500}, {"count": 10}, {"seed": 2, "is_split": True}),
    Row("power", "power", "power_cuts", {"points": 10_000}, {"points": 300}, in_memory=True, why_not=why_not_traced()),
    Row("power", "crash_points", "crash_points", {}, {"most": 20}, in_memory=True, why_not=why_not_traced()),
    Row("cut", "cut_broker", "broker_restarts", {"count": 50}, {"count": 3}, {"displays": 20}),
    Row("cut", "cut_broker", "broker_hangs", {"count": 5}, {"count": 1}, {"displays": 20}),
    Row("cut", "cut_records", "records_faults", {"rounds": 20}, {"rounds": 1}),
    Row("cut", "cut_reader", "card_reader_faults", {"rounds": 20}, {"rounds": 2}),
    Row("cut", "cut_printers", "printer_cuts", {"every": 1}, {"every": 48}),
    *(
        Row("starved", "starved", "run", {"runs": 5}, {"runs": 1}, {"fault": fault}, why_not=starved.why_not(fault))
        for fault in starved.RUNS
    ),
)


def main() -> int:
    options = _arguments()
    chosen = [row for row in ROWS if not options.only or row.part in options.only.split(",")]
    print(f"{'fault':36} {'runs':>6} {'lost':>5} {'doubled':>8} {'wrong calls':>12} {'recovery p50':>13} {'p99 s':>7}")
    outcomes: list[tuple[Row, Outcome]] = []
    problems: list[str] = []
    for row in chosen:
        began = time.monotonic()
        if row.why_not:
            problems.append(f"{row.name} was not done: {row.why_not}")
            continue
        try:
            with _folder(row) as folder:
                found = row.run(folder, options.quick)
        except Exception as error:  # noqa: BLE001 - a bench goes on with the next row
            traceback.print_exc()
            problems.append(f"{row.name} did not end: {type(error).__name__}: {error}")
            continue
        for outcome in found:
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
    return list(dict.fromkeys(row.part for row in ROWS))


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
        "exposure": exposure(),
    }
    return " ".join(f"{name}={value}" for name, value in values.items())


def exposure() -> str:
    """What ``systemd-analyze security`` says of our unit, 0 to 10; "none" where there is no systemd."""
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(ROOT / "systemd" / "kioskd.service")]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    except OSError:
        return "none"
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    return found.group(1) if found else "none"


if __name__ == "__main__":
    sys.exit(main())
