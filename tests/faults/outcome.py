"""What a fault run found: one row of the table that ``scripts/bench faults`` prints.

A fault run is a function of a module in this folder. A test calls it with a small number and asserts
``outcome.is_clean``; with ``--long`` the same test has a bigger number; ``bench/faults.py`` calls it with the
published one.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """One kind of fault, done ``runs`` times.

    ``lost``: committed things that were gone. ``doubled``: things that happened twice (a record, a number, an unmarked
    sheet). ``wrong_calls``: displays that showed what was not so. ``recovery_s``: from the end of each fault until all
    was right again. ``problems``: every finding in words, for the person who reads a failed test.
    """

    fault: str
    runs: int = 0
    lost: int = 0
    doubled: int = 0
    wrong_calls: int = 0
    recovery_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong_calls or self.problems)
