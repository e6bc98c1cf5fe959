"""How many sheets a printer's roll has left: a range, learned from the rolls before it, or nothing when nobody knows.

::

    FINE ──near its end──> LOW ──> OUT
      ^                     │       │
      └──── another roll ───┴───────┘     (or staff say that they put one in)

What is learned is counted in sheets, so paper of any width and tickets of any length need no setting: from the
beginning of a roll to its near-end sensor, from there to the end, and the whole of it. A roll whose beginning nobody
saw teaches nothing but its tail. ``First`` is what is taken for true before the first roll came to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

REMEMBERED = 5
"""Rolls of each kind: paper is bought by the box, and an older box says nothing about this one."""
SPREAD = 0.1
"""How far a roll may differ from those that were counted."""
LEAST_SHEETS = 20
"""A roll that ended sooner was taken out, not used up."""
WAVERS = 5
"""A near-end sensor that speaks again within so many sheets had wavered: it is the same roll."""
WARN_AT = 20
"""Sheets left at which the desk is told, also of a printer that has no near-end sensor."""
_MOST_AHEAD = 10
"""A printer's own count is told after every tenth sheet."""


class Paper(StrEnum):
    """What a printer says of its paper."""

    FINE = "fine"
    LOW = "low"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Learned:
    """Sheets that earlier rolls of a printer had, the newest last."""

    whole: tuple[int, ...] = ()
    """From beginning to end."""
    heads: tuple[int, ...] = ()
    """From the beginning until it was near its end."""
    tails: tuple[int, ...] = ()
    """From there to the end."""


@dataclass(frozen=True, slots=True)
class Before:
    """A roll that was taken out near its end, as long as it may turn out that it was not."""

    used: int
    low_at: int
    begun_at: datetime | None


@dataclass(frozen=True, slots=True)
class Roll:
    """The roll that is in a printer, and what is known of those before it."""

    used: int = 0
    """Sheets since ``begun_at``, or since anybody counts."""
    begun_at: datetime | None = None
    """When it was put in; None: before anybody counted."""
    paper: Paper = Paper.FINE
    low_at: int | None = None
    """``used`` when it came near its end."""
    odometer: int | None = None
    """The printer's lifetime count when it was told last."""
    ahead: int = 0
    """Sheets that were reported since then; negative: that the odometer had told before their reports came."""
    before: Before | None = None
    learned: Learned = Learned()


@dataclass(frozen=True, slots=True)
class First:
    """Sheets (from, to) to reckon with before anything is learned; None: nobody knows."""

    whole: tuple[int, int] | None = None
    tail: tuple[int, int] | None = None


UNKNOWN = First()


@dataclass(frozen=True, slots=True)
class Left:
    """Sheets left: at least, and at most."""

    least: int
    most: int

    @property
    def about(self) -> int:
        """One number for a person: to the next 5 below 50, then to the next 10."""
        middle = (self.least + self.most) / 2
        step = _step(middle)
        return round(middle / step) * step

    @property
    def rough(self) -> tuple[int, int]:
        """The range for a person, as round and never narrower."""
        low, high = _step(self.least), _step(self.most)
        return self.least // low * low, -(-self.most // high) * high


def _step(sheets: float) -> int:
    return 5 if sheets < 50 else 10


def first_of(roll_mm: int, sheet_mm: tuple[int, int], tail_mm: tuple[int, int] | None) -> First:
    """What a roll of ``roll_mm`` gives when a sheet is from ``sheet_mm[0]`` to ``sheet_mm[1]`` long."""
    shortest, longest = sheet_mm
    tail = None if tail_mm is None else (tail_mm[0] // longest, tail_mm[1] // shortest)
    return First((roll_mm // longest, roll_mm // shortest), tail)


# A common 80 mm roll has 80 m; a ticket is 8 to 14 cm; a near-end sensor as delivered leaves 1.5 to 3.5 m.
TICKETS = first_of(80_000, (80, 140), (1_500, 3_500))


def first_for(kind: str, sheets_on_a_roll: int = 0) -> First:
    """What to reckon with for a kind of printer; ``sheets_on_a_roll`` when the site file says so."""
    first = TICKETS if kind == "ticket-printer" else UNKNOWN
    if not sheets_on_a_roll:
        return first
    return replace(first, whole=(round(sheets_on_a_roll * (1 - SPREAD)), round(sheets_on_a_roll * (1 + SPREAD))))


# --- what happens to a roll ----------------------------------------------------------------------------------------


def printed(roll: Roll) -> Roll:
    """A sheet of ours came out. One that the odometer had told already is not counted again."""
    is_counted = roll.odometer is not None and roll.ahead < 0
    return replace(roll, used=roll.used + (not is_counted), ahead=roll.ahead + 1)


def counted(roll: Roll, odometer: int) -> Roll:
    """The printer's own count: it knows of sheets that came from elsewhere. A lower one is another printer's."""
    if roll.odometer is None or odometer < roll.odometer:
        return replace(roll, odometer=odometer, ahead=0)
    rose = odometer - roll.odometer
    foreign = max(0, rose - max(0, roll.ahead))
    ahead = max(roll.ahead - rose, -_MOST_AHEAD)
    return replace(roll, used=roll.used + foreign, odometer=odometer, ahead=ahead)


def new_roll(roll: Roll, now: datetime) -> Roll:
    """A whole roll was put in."""
    return replace(roll, used=0, begun_at=now, paper=Paper.FINE, low_at=None, before=None)


def seen(roll: Roll, paper: Paper, now: datetime) -> Roll:
    """The printer says how its paper is."""
    match roll.paper, paper:
        case (Paper.FINE, Paper.LOW):
            return _near_its_end(roll)
        case (Paper.FINE | Paper.LOW, Paper.OUT):
            return replace(roll, paper=Paper.OUT, learned=_learned_at_end(roll), before=None)
        case (Paper.OUT, Paper.FINE):
            return new_roll(roll, now)
        case (Paper.LOW, Paper.FINE):
            before = Before(roll.used, roll.low_at or 0, roll.begun_at)
            return replace(new_roll(roll, now), before=before)
        case (Paper.OUT, Paper.LOW) if roll.low_at is not None:
            return replace(roll, paper=Paper.LOW)  # the same one, put in again
        case (Paper.OUT, Paper.LOW):
            return replace(roll, paper=Paper.LOW, used=0, begun_at=None, low_at=0)  # another one that was begun before
        case _:
            return roll


def _near_its_end(roll: Roll) -> Roll:
    if roll.before is not None and roll.used <= WAVERS:
        was = roll.before
        return replace(
            roll, used=was.used + roll.used, begun_at=was.begun_at, paper=Paper.LOW, low_at=was.low_at, before=None
        )
    learned = roll.learned
    if roll.begun_at is not None and roll.used >= LEAST_SHEETS:
        learned = replace(learned, heads=_with(learned.heads, roll.used))
    return replace(roll, paper=Paper.LOW, low_at=roll.used, before=None, learned=learned)


def _learned_at_end(roll: Roll) -> Learned:
    """A roll that is out teaches how long it was; one that was out before its near-end sensor spoke was taken out."""
    learned = roll.learned
    was_taken_out = roll.low_at is None and bool(learned.heads)
    if roll.begun_at is not None and roll.used >= LEAST_SHEETS and not was_taken_out:
        learned = replace(learned, whole=_with(learned.whole, roll.used))
    if roll.low_at is not None and roll.low_at > 0:
        learned = replace(learned, tails=_with(learned.tails, roll.used - roll.low_at))
    return learned


def _with(known: Sequence[int], newest: int) -> tuple[int, ...]:
    return (*known, newest)[-REMEMBERED:]


# --- what is left --------------------------------------------------------------------------------------------------


def sheets_left(roll: Roll, first: First = UNKNOWN) -> Left | None:
    """What the roll has left; None when nothing is known, or it has already outlasted what was known."""
    if roll.paper is Paper.OUT:
        return Left(0, 0)
    tail = _range(roll.learned.tails, first.tail)
    if roll.paper is Paper.LOW:
        return None if tail is None else _less(tail, roll.used - (roll.low_at or 0))
    whole = _range(roll.learned.whole, _whole_of_parts(roll.learned, tail) or first.whole)
    if roll.begun_at is None or whole is None or whole[1] <= roll.used:
        return None
    left = _less(whole, roll.used)
    if tail is not None and roll.learned.heads:  # its sensor would have spoken
        least = min(max(left.least, tail[0]), max(left.most, tail[0]))
        left = Left(least, max(left.most, least))
    return left


def is_running_out(roll: Roll, left: Left | None) -> bool:
    """Whether the desk is to be told: the printer says so, or rolls like this one end about here."""
    is_known = bool(roll.learned.whole or roll.learned.heads)
    return roll.paper is not Paper.FINE or (is_known and left is not None and left.least <= WARN_AT)


def _whole_of_parts(learned: Learned, tail: tuple[int, int] | None) -> tuple[int, int] | None:
    head = _range(learned.heads, None)
    return None if head is None or tail is None else (head[0] + tail[0], head[1] + tail[1])


def _range(known: Sequence[int], first: tuple[int, int] | None) -> tuple[int, int] | None:
    if not known:
        return first
    return int(min(known) * (1 - SPREAD)), -int(-max(known) * (1 + SPREAD) // 1)


def _less(of: tuple[int, int], used: int) -> Left:
    return Left(max(0, of[0] - used), max(0, of[1] - used))
