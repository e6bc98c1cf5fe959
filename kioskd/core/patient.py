"""Who a patient is: the few facts of a FHIR Patient that a front desk works with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

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
