"""Who a patient is: the few facts of a FHIR Patient that a front desk works with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Self

KVID_SYSTEM = "http://fhir.de/sid/gkv/kvid-10"
"""German health insurance number (KVNR), the identifier system of the German basis profiles."""


class Sex(StrEnum):
    """FHIR R4 AdministrativeGender."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


_ISO_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date of which the day, or month and day, may be unknown, as in FHIR: ``1984-03-12``, ``1984-03``, ``1984``.

    Ordered by year, month and day; the unknown comes before the known. Raises ValueError where there is no such date.
    """

    year: int
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        if self.month is None and self.day is not None:
            raise ValueError("a day without a month is no part of a date")
        # Checks the range of all three; the first of January stands in for what is unknown.
        date(self.year, 1 if self.month is None else self.month, 1 if self.day is None else self.day)

    @classmethod
    def of(cls, whole: date) -> Self:
        return cls(whole.year, whole.month, whole.day)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the ISO 8601 forms YYYY, YYYY-MM and YYYY-MM-DD. Raises ValueError, whose text does not quote it."""
        parts = _ISO_DATE.fullmatch(text)
        if parts is None:
            raise ValueError("neither YYYY nor YYYY-MM nor YYYY-MM-DD")
        year, month, day = parts.groups()
        return cls(int(year), int(month) if month else None, int(day) if day else None)

    @property
    def whole(self) -> date | None:
        """The date, or None when a part of it is unknown."""
        return None if self.month is None or self.day is None else date(self.year, self.month, self.day)

    def __str__(self) -> str:
        return "-".join([f"{self.year:04}", *(f"{part:02}" for part in (self.month, self.day) if part is not None)])

    def __lt__(self, other: PartialDate) -> bool:
        return self._key() < other._key()

    def __le__(self, other: PartialDate) -> bool:
        return self._key() <= other._key()

    def __gt__(self, other: PartialDate) -> bool:
        return self._key() > other._key()

    def __ge__(self, other: PartialDate) -> bool:
        return self._key() >= other._key()

    def _key(self) -> tuple[int, int, int]:
        return self.year, self.month or 0, self.day or 0


@dataclass(frozen=True, slots=True)
class Identifier:
    """FHIR Identifier: a value that is unique within its system."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient as the records backend knows them. ``id`` is the logical id of the FHIR resource."""

    id: str
    identifiers: tuple[Identifier, ...]
    family: str
    given: str
    birth_date: date | None
    sex: Sex = Sex.UNKNOWN
    record_number: str = ""
    """The site's own number of the record (identifier type MR), printed on a wristband."""
    partial_birth_date: PartialDate | None = None
    """What is known of the birth date where ``birth_date`` is None."""


def in_groups(record_number: str, groups: tuple[int, ...] = ()) -> str:
    """A record number as people read it aloud: digits in groups of these sizes, such as 3 3 4 of the NHS number.

    Where the sizes do not add up to its length: groups of three from the right, none of one digit. A number with
    anything but digits in it has a form of its own and stays as it is.
    """
    if not re.fullmatch(r"[0-9]+", record_number):
        return record_number
    sizes = list(groups)
    if sum(sizes) != len(record_number):
        threes, rest = divmod(len(record_number), 3)
        sizes = [rest] * (rest > 0) + [3] * threes
        if rest == 1 and threes:
            sizes[:2] = [4]
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    return " ".join(record_number[end - size : end] for end, size in zip(ends, sizes, strict=True))
