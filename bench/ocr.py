"""What is read of printed cards: 60 invented cards of six designs, each photographed in seven conditions.

A field counts as read when its value is exact. ``wrong but confident`` are values that differ from the card, or that
the card does not have, and would be shown without a warning. Memory is that of this process and its children together:
before the first photo, while the text is read, and after the reading process has ended for want of work.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from drivers.ocr import PrintedCardReader
from drivers.ocr.photographed import CONDITIONS, photo
from drivers.ocr.synthetic import DESIGNS, PaperCard, paper_card
from kioskd.core.printed_card import PhotoRefused, PrintedCard

CARDS_EACH = 10
IDLE_S = 10.0


@dataclass
class Tally:
    """Fields of one cell of the table."""

    fields: int = 0
    right: int = 0
    confident: int = 0
    confident_wrong: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.fields += other.fields
        self.right += other.right
        self.confident += other.confident
        self.confident_wrong += other.confident_wrong
        self.refused += other.refused
        self.missed += other.missed

    @property
    def field_pct(self) -> float:
        return 100 * self.right / max(self.fields, 1)

    @property
    def wrong_pct(self) -> float:
        """Of all fields that were shown without a warning."""
        return 100 * self.confident_wrong / max(self.confident, 1)


def judged(card: PaperCard, result: PrintedCard | PhotoRefused, is_told: bool = False) -> Tally:
    """One card against what stands on it."""
    tally = Tally(fields=len(card.truth))
    if isinstance(result, PhotoRefused):
        tally.refused[result.trouble] += 1
        tally.missed.update(name.value for name in card.truth)
        return tally
    read = {one.name: one for one in result.fields}
    for name, value in card.truth.items():
        if name in read and read[name].value == value:
            tally.right += 1
        else:
            tally.missed[name.value] += 1
    for name, one in read.items():
        is_wrong = card.truth.get(name) != one.value
        tally.confident += one.is_confident
        tally.confident_wrong += is_wrong and one.is_confident
        if is_wrong and is_told:
            print(f"  {card.design}: {name} {one.value!r} ({one.confidence:.2f}), printed {card.truth.get(name)!r}")
    return tally


def children_mib(pid: int | None) -> float:
    """Resident memory of this process and of ``pid`` (proc(5), statm)."""
    total = 0.0
    for one in filter(None, (os.getpid(), pid)):
        pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
        total += pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return total


def wait_for_end(reader: PrintedCardReader, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while reader.pid is not None and time.monotonic() < deadline:
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench ocr", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one card of each design, to see that every row works")
    parser.add_argument("--cards", type=int, default=CARDS_EACH, help="how many of each design")
    parser.add_argument("--first", type=int, default=0, help="number of the first card of each design")
    parser.add_argument("--tell", action="store_true", help="print what was read wrongly; the people are invented")
    options = parser.parse_args()
    cells: dict[tuple[str, str], Tally] = {}
    seconds: list[float] = []
    reader = PrintedCardReader(idle_s=IDLE_S)
    numbers = range(options.first, options.first + (1 if options.quick else options.cards))
    # Drawn before memory is looked at: drawing is no part of reading.
    paper = [(design, number, paper_card(design, number)) for design in DESIGNS for number in numbers]
    before_mib = children_mib(None)
    began = time.perf_counter()
    reader.read_card(photo(paper[0][2].front, "clean", 0), within_s=60)
    first_s = time.perf_counter() - began
    during_mib = 0.0
    for condition in CONDITIONS:
        for design, number, card in paper:
            front = photo(card.front, condition, 2 * number)
            back = photo(card.back, condition, 2 * number + 1) if card.back else None
            began = time.perf_counter()
            result = reader.read_card(front, back, within_s=60)
            seconds.append(time.perf_counter() - began)
            during_mib = max(during_mib, children_mib(reader.pid))
            cells.setdefault((design, condition), Tally()).add(judged(card, result, options.tell))
        so_far = _sum(cells.values())
        print(
            f"{condition}: {so_far.field_pct:.2f} % of fields by now, {so_far.confident_wrong} wrong", file=sys.stderr
        )
    wait_for_end(reader, IDLE_S + 10)
    after_mib = children_mib(reader.pid)
    reader.close()
    report(cells)
    total = _sum(cells.values())
    p50, p95 = statistics.median(seconds), sorted(seconds)[int(len(seconds) * 0.95)]
    print(f"\nseconds a card: median {p50:.2f}, p95 {p95:.2f}, first after the start of the process {first_s:.2f}")
    print(f"memory in MiB: before {before_mib:.0f}, reading {during_mib:.0f}, after {after_mib:.0f}")
    print(f"confident of {total.confident} of {total.fields} fields; missed: {dict(total.missed.most_common())}")
    print(
        f"\nfigures: field_pct={total.field_pct:.2f} confident_wrong_pct={total.wrong_pct:.2f} s_p50={p50:.2f}"
        f" mib_before={before_mib:.0f} mib_reading={during_mib:.0f} mib_after={after_mib:.0f}"
    )


def report(cells: dict[tuple[str, str], Tally]) -> None:
    """A row for each design, a column for each condition: % of fields read / wrong but confident."""
    print(
        f"{'% of fields / confident, wrong':32}"
        + "".join(f"{condition:>12}" for condition in CONDITIONS)
        + f"{'all':>14}"
    )
    for design in DESIGNS:
        row = [cells[design, condition] for condition in CONDITIONS]
        print(f"{design:32}" + "".join(_cell(one) for one in row) + f"{_cell(_sum(row)):>14}")
    columns = [_sum([cells[design, condition] for design in DESIGNS]) for condition in CONDITIONS]
    print(f"{'all':32}" + "".join(_cell(one) for one in columns) + f"{_cell(_sum(columns)):>14}")
    if refused := sum((one.refused for one in columns), Counter()):
        print(f"photos refused: {dict(refused)}")


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for one in tallies:
        total.add(one)
    return total


def _cell(tally: Tally) -> str:
    return f"{f'{tally.field_pct:.0f}/{tally.confident_wrong}':>12}"


if __name__ == "__main__":
    main()
