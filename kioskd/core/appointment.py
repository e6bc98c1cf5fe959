"""Appointments: what of a FHIR Appointment decides an arrival."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AppointmentStatus(StrEnum):
    """FHIR R4 AppointmentStatus."""

    PROPOSED = "proposed"
    PENDING = "pending"
    BOOKED = "booked"
    ARRIVED = "arrived"
    CHECKED_IN = "checked-in"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"
    ENTERED_IN_ERROR = "entered-in-error"
    WAITLIST = "waitlist"


EXPECTED = frozenset({AppointmentStatus.BOOKED, AppointmentStatus.ARRIVED, AppointmentStatus.CHECKED_IN})
"""A patient with one of these may stand at the kiosk. ARRIVED and CHECKED_IN: again, or the desk was faster."""

_COURSE = [
    AppointmentStatus.PROPOSED,
    AppointmentStatus.PENDING,
    AppointmentStatus.BOOKED,
    AppointmentStatus.ARRIVED,
    AppointmentStatus.CHECKED_IN,
    AppointmentStatus.FULFILLED,
]


@dataclass(frozen=True, slots=True)
class Appointment:
    """One visit. Times are aware UTC."""

    id: str
    patient_id: str
    starts_at: datetime
    ends_at: datetime
    status: AppointmentStatus
    practitioner: str = ""
    area: str = ""
    """Id of the site's waiting area; empty when the schedule does not say."""


def is_at_or_past(status: AppointmentStatus, target: AppointmentStatus) -> bool:
    """Whether ``status`` already is ``target`` or beyond it. A cancelled or missed visit is not."""
    return status in _COURSE and target in _COURSE and _COURSE.index(status) >= _COURSE.index(target)


def next_expected(appointments: Iterable[Appointment]) -> Appointment | None:
    """The patient's appointment to check in to: the earliest that is still expected today.

    A visit that was not checked in yet goes before one that was: who comes a second time on one day comes
    for the second visit.
    """
    expected = [a for a in appointments if a.status in EXPECTED]
    fresh = [a for a in expected if a.status is AppointmentStatus.BOOKED]
    return min(fresh or expected, key=lambda a: (a.starts_at, a.id), default=None)
