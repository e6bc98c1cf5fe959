"""Who a patient is: the few facts of a FHIR Patient that a front desk works with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import total_ordering

KVID_SYSTEM = "http://fhir.de/sid/gkv/kvid-10"
"""German health insurance number (KVNR), the identifier system of the German basis profiles."""


class Sex(StrEnum):
    """FHIR R4 AdministrativeGender."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


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
