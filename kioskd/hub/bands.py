"""Wristbands in hub.db: each one with its own number (GS1 AI 8019) and whom it is for, as it says. Inside transactions.

A visit has bands for one person or several: ``person`` 0 is who came (the patient, or somebody unknown), 1 and up are
the children that were born, in the order of their births. Copy 1 is made at the check-in; copies count over all persons
of a visit. Every further band of a person takes the place of the one before, so the newest is the band that counts. How
a band printed is the ``sheet`` row of the same copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, func, insert, null, select, update

from kioskd.core.patient import Patient
from kioskd.hub import people, tickets
from kioskd.hub.people import Unnamed
from kioskd.hub.tables import band, check_in, ticket

THE_PATIENT = 0
"""``person`` of who came."""


@dataclass(frozen=True, slots=True)
class Says:
    """Whom a band is for: a ``patient``, or who has no name yet with their ``record_number``."""

    patient: Patient | None = None
    unnamed: Unnamed | None = None
    record_number: str = ""
    is_name_similar: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """One wristband. ``put_on_by``: who compared what it says and put it on; empty while nobody did."""

    check_in_id: UUID
    copy: int
    number: int
    put_on_by: str = ""
    put_on_at: datetime | None = None
    person: int = THE_PATIENT
    is_name_similar: bool = False
    unnamed: Unnamed | None = None
    record_number: str = ""
    """That of ``unnamed``."""


_BAND: Select[Any] = select(*(c for c in band.c if c.name != "patient"))
"""Without the patient: the console reads all bands of a day again and again."""


def make(connection: Connection, check_in_id: UUID, says: Says, person: int = THE_PATIENT) -> Band:
    """The next band of a person, with their next number."""
    number = _next_number(connection, says)
    last: int | None = connection.scalar(select(func.max(band.c.copy)).where(band.c.check_in_id == check_in_id))
    patient, unnamed = says.patient, says.unnamed
    connection.execute(
        insert(band).values(
            check_in_id=check_in_id,
            copy=(last or 0) + 1,
            number=number,
            patient=people.stored(patient) if patient else None,
            unnamed=people.stored_unnamed(unnamed, says.record_number) if unnamed else None,
            person=person,
            is_name_similar=says.is_name_similar,
            put_on_by="",
        )
    )
    made = load(connection, check_in_id, (last or 0) + 1)
    assert made is not None  # noqa: S101 - it was written just now
    return made


def _next_number(connection: Connection, says: Says) -> int:
    """Higher than on every band of this person, and than on every one with this record number.

    A band's code is record number and band number: who was unknown under a record number may get a name later.
    """
    if says.patient is None:
        return tickets.next_band(connection, _counter_of(says.record_number))
    keys = [says.patient.id]
    if says.patient.record_number:
        keys.append(_counter_of(says.patient.record_number))
    numbers = [tickets.next_band(connection, key) for key in keys]
    for key, number in zip(keys, numbers, strict=True):
        if number < max(numbers):
            tickets.set_last_band(connection, key, max(numbers))
    return max(numbers)


def _counter_of(record_number: str) -> str:
    """The counter of a record number, among those of patients, in whose ids there is no colon (FHIR R4 2.24.0.1)."""
    return f"no:{record_number}"[:64]


def load(connection: Connection, check_in_id: UUID, copy: int) -> Band | None:
    """One band."""
    query = _BAND.where(band.c.check_in_id == check_in_id, band.c.copy == copy)
    row = connection.execute(query).one_or_none()
    return None if row is None else _band(row)


def says_of(connection: Connection, which: Band) -> Says:
    """What a band says, every letter of the name."""
    where = (band.c.check_in_id == which.check_in_id) & (band.c.copy == which.copy)
    patient = connection.execute(select(band.c.patient).where(where)).scalar_one()
    return Says(people.loaded(patient) if patient else None, which.unnamed, which.record_number, which.is_name_similar)


def newest(connection: Connection, check_in_id: UUID, person: int = THE_PATIENT) -> Band | None:
    """The band of a person that counts."""
    mine = (band.c.check_in_id == check_in_id) & (band.c.person == person)
    row = connection.execute(_BAND.where(mine).order_by(band.c.copy.desc()).limit(1)).one_or_none()
    return None if row is None else _band(row)


def of_day(connection: Connection, day: date) -> dict[UUID, Sequence[Band]]:
    """All bands of a business day's check-ins, oldest copy first."""
    query = _BAND.join(ticket, ticket.c.check_in_id == band.c.check_in_id).where(ticket.c.business_day == day)
    found: dict[UUID, list[Band]] = {}
    for row in connection.execute(query.order_by(band.c.copy)):
        found.setdefault(row.check_in_id, []).append(_band(row))
    return dict(found)


def unnamed_since(connection: Connection, since: datetime) -> Sequence[Band]:
    """The bands of people without a name whose visits began then or later."""
    query = _BAND.join(check_in, check_in.c.id == band.c.check_in_id)
    query = query.where(check_in.c.committed_at >= since, band.c.unnamed.is_not(null()))
    return [_band(row) for row in connection.execute(query.order_by(band.c.check_in_id, band.c.copy))]


def mark(connection: Connection, which: Band, is_name_similar: bool) -> None:
    """A band that nobody can have printed yet is to warn of a similar name, or not to."""
    where = (band.c.check_in_id == which.check_in_id) & (band.c.copy == which.copy)
    connection.execute(update(band).where(where).values(is_name_similar=is_name_similar))


def put_on(connection: Connection, which: Band, staff: str, now: datetime) -> None:
    """Somebody compared what it says and put it on."""
    where = (band.c.check_in_id == which.check_in_id) & (band.c.copy == which.copy)
    connection.execute(update(band).where(where).values(put_on_by=staff, put_on_at=now))


def _band(row: Row[Any]) -> Band:
    unnamed, record_number = people.loaded_unnamed(row.unnamed) if row.unnamed else (None, "")
    return Band(
        row.check_in_id,
        row.copy,
        row.number,
        row.put_on_by,
        row.put_on_at,
        row.person,
        row.is_name_similar,
        unnamed,
        record_number,
    )
