"""Invented patients and appointments for tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from kioskd.core.appointment import Appointment, AppointmentStatus
from kioskd.core.identity import Card
from kioskd.core.patient import KVID_SYSTEM, Identifier, Patient, Sex
from kioskd.ports import CheckInRequest

NOW = datetime(2026, 11, 23, 8, 12, tzinfo=UTC)


def patient(number: int = 1, family: str = "Huber", given: str = "Anna") -> Patient:
    return Patient(
        id=f"p{number}",
        identifiers=(Identifier(KVID_SYSTEM, f"X{number:09d}"),),
        family=family,
        given=given,
        birth_date=date(1980, 2, 3),
        sex=Sex.FEMALE,
        record_number=f"{100000 + number}",
    )


def card(of: Patient | None = None) -> Card:
    who = of or patient()
    return Card("egk", who.identifiers[0], who.family, who.given, who.birth_date, who.sex)


def appointment(number: int = 1, of: Patient | None = None, at: datetime = NOW) -> Appointment:
    return Appointment(
        id=f"a{number}",
        patient_id=(of or patient()).id,
        starts_at=at + timedelta(minutes=30),
        ends_at=at + timedelta(minutes=45),
        status=AppointmentStatus.BOOKED,
        practitioner="Dr. Lena Hart",
        area="general",
    )


def request(number: int = 1) -> CheckInRequest:
    who = patient(number)
    return CheckInRequest(uuid4(), "entrance", NOW, who, appointment(number, who), "egk", "de")
