"""Wristbands in hub.db: each one with its own number (GS1 AI 8019) and the patient as it says. Inside transactions.

Copy 1 is made at the check-in; every further one takes the place of the one before, so the newest copy is the band that
counts. How a band printed is the ``sheet`` row of the same copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, insert, select, update

from kioskd.core.patient import Identifier, PartialDate, Patient, Sex
from kioskd.hub import tickets
from kioskd.hub.tables import band, ticket


@dataclass(frozen=True, slots=True)
class Band:
    """One wristband. ``put_on_by``: who compared name and birth date and put it on; empty while nobody did."""

    check_in_id: UUID
    copy: int
    number: int
    put_on_by: str = ""
    put_on_at: datetime | None = None


_BAND: Select[Any] = select(band.c.check_in_id, band.c.copy, band.c.number, band.c.put_on_by, band.c.put_on_at)
"""Without the patient: the console reads all bands of a day again and again."""


def make(connection: Connection, check_in_id: UUID, patient: Patient) -> Band:
    """The next band of a check-in, with the patient's next number."""
    last = newest(connection, check_in_id)
    number = tickets.next_band(connection, patient.id)
    made = Band(check_in_id, 1 if last is None else last.copy + 1, number)
    connection.execute(
        insert(band).values(
            check_in_id=check_in_id, copy=made.copy, number=number, patient=_stored(patient), put_on_by=""
        )
    )
    return made


def load(connection: Connection, check_in_id: UUID, copy: int) -> Band | None:
    """One band."""
    query = _BAND.where(band.c.check_in_id == check_in_id, band.c.copy == copy)
    row = connection.execute(query).one_or_none()
    return None if row is None else _band(row)


def patient_of(connection: Connection, which: Band) -> Patient:
    """The patient as a band says, every letter of the name."""
    where = (band.c.check_in_id == which.check_in_id) & (band.c.copy == which.copy)
    return _patient(connection.execute(select(band.c.patient).where(where)).scalar_one())


def newest(connection: Connection, check_in_id: UUID) -> Band | None:
    """The band of a check-in that counts."""
    query = _BAND.where(band.c.check_in_id == check_in_id).order_by(band.c.copy.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _band(row)


def of_day(connection: Connection, day: date) -> dict[UUID, Sequence[Band]]:
    """All bands of a business day's check-ins, oldest copy first."""
    query = _BAND.join(ticket, ticket.c.check_in_id == band.c.check_in_id).where(ticket.c.business_day == day)
    found: dict[UUID, list[Band]] = {}
    for row in connection.execute(query.order_by(band.c.copy)):
        found.setdefault(row.check_in_id, []).append(_band(row))
    return dict(found)


def put_on(connection: Connection, which: Band, staff: str, now: datetime) -> None:
    """Somebody compared name and birth date and put it on."""
    where = (band.c.check_in_id == which.check_in_id) & (band.c.copy == which.copy)
    connection.execute(update(band).where(where).values(put_on_by=staff, put_on_at=now))


def _band(row: Row[Any]) -> Band:
    return Band(row.check_in_id, row.copy, row.number, row.put_on_by, row.put_on_at)


def _stored(patient: Patient) -> dict[str, Any]:
    born, partly = patient.birth_date, patient.partial_birth_date
    return {
        "id": patient.id,
        "identifiers": [[i.system, i.value] for i in patient.identifiers],
        "family": patient.family,
        "given": patient.given,
        "birth_date": born.isoformat() if born else None,
        "partial_birth_date": str(partly) if partly else None,
        "sex": patient.sex.value,
        "record_number": patient.record_number,
    }


def _patient(stored: dict[str, Any]) -> Patient:
    born, partly = stored["birth_date"], stored["partial_birth_date"]
    return Patient(
        stored["id"],
        tuple(Identifier(system, value) for system, value in stored["identifiers"]),
        stored["family"],
        stored["given"],
        date.fromisoformat(born) if born else None,
        Sex(stored["sex"]),
        stored["record_number"],
        PartialDate.parse(partly) if partly else None,
    )
