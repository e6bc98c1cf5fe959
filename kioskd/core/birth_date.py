"""A birth date as somebody types it: day, month and year, each in a field of its own, so that no order can be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

LONGEST_LIFE_YEARS = 130


@dataclass(frozen=True, slots=True)
class TypedDate:
    """What stands in the three fields. It is a patient's: in no ``repr``."""

    day: str = field(default="", repr=False)
    month: str = field(default="", repr=False)
    year: str = field(default="", repr=False)


NOTHING_TYPED = TypedDate()


def read(typed: TypedDate, today: date) -> date | None:
    """The date that was typed, or None when nobody alive can have it; the year needs all four digits."""
    day, month, year = typed.day.strip(), typed.month.strip(), typed.year.strip()
    if not all(part.isdecimal() for part in (day, month, year)):
        return None
    if len(day) > 2 or len(month) > 2 or len(year) != 4:
        return None
    try:
        born = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return born if born <= today and born.year >= today.year - LONGEST_LIFE_YEARS else None
