"""What a person of the staff may be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A person may have several. Which role may do what stands at the routes of each audience's app."""

    RECEPTIONIST = "receptionist"
    CLINICIAN = "clinician"
    SECRETARY = "secretary"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Who is signed in."""

    name: str
    roles: frozenset[Role]
    must_change_password: bool


@dataclass(frozen=True, slots=True)
class Account:
    """An account as an admin sees it."""

    name: str
    roles: frozenset[Role]
    must_change_password: bool
    is_disabled: bool
