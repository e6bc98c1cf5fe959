"""Tickets and the queue in hub.db: allocation of numbers, reading and saving entries. Runs inside transactions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Date, Row, bindparam, func, insert, select, text, update

from kioskd.core.queue import QueueEntry, TicketState
from kioskd.core.ticket import Ticket
from kioskd.hub.tables import area_version, band_counter, check_in, counter, epoch, ticket

_NEXT_NUMBER = text(
    "INSERT INTO counter (business_day, series, last) VALUES (:day, :series, 1) "
    "ON CONFLICT (business_day, series) DO UPDATE SET last = counter.last + 1 RETURNING last"
).bindparams(bindparam("day", type_=Date))

_NEXT_BAND = text(
    "INSERT INTO band_counter (patient_id, last) VALUES (:patient, 1) "
    "ON CONFLICT (patient_id) DO UPDATE SET last = band_counter.last + 1 RETURNING last"
)

_NEXT_VERSION = text(
    "INSERT INTO area_version (area, version) VALUES (:area, 1) "
    "ON CONFLICT (area) DO UPDATE SET version = area_version.version + 1 RETURNING version"
)


def allocate(
    connection: Connection,
    site: str,
    day: date,
    series: str,
    area: str,
    check_in_id: UUID,
    skipped_numbers: Collection[int] = (),
) -> Ticket:
    """The next number of a series on a business day, as a waiting ticket. The counter's row is locked until commit."""
    number = 0
    while number == 0 or number in skipped_numbers:
        number = int(connection.execute(_NEXT_NUMBER, {"day": day, "series": series}).scalar_one())
    made = Ticket(uuid4(), site, day, series, number)
    connection.execute(
        insert(ticket).values(
            id=made.id,
            check_in_id=check_in_id,
            site=site,
            business_day=day,
            series=series,
            number=number,
            area=area,
            state=TicketState.WAITING,
            room="",
            times_called=0,
        )
    )
    return made


def newest_day(connection: Connection) -> date | None:
    """The latest business day that has tickets, or None."""
    newest: date | None = connection.scalar(select(func.max(counter.c.business_day)))
    return newest


def after_last_call(connection: Connection, day: date, now: datetime) -> datetime:
    """``now``, but later than the last call of a day: the newest call stands first, whatever the clock does."""
    is_called = (ticket.c.business_day == day) & (ticket.c.state == TicketState.CALLED)
    last: datetime | None = connection.scalar(select(func.max(ticket.c.called_at)).where(is_called))
    return now if last is None else max(now, last + timedelta(milliseconds=1))


def next_band(connection: Connection, key: str) -> int:
    """The next number of a wristband (GS1 AI 8019) for a patient's id, or a key of ``bands``."""
    return int(connection.execute(_NEXT_BAND, {"patient": key}).scalar_one())


def set_last_band(connection: Connection, key: str, last: int) -> None:
    """The next number is the one after ``last``."""
    connection.execute(update(band_counter).where(band_counter.c.patient_id == key).values(last=last))


def entries_of_day(connection: Connection, day: date, area: str | None = None) -> Sequence[QueueEntry]:
    """The queue of a business day, of one area or of all, in the order of allocation."""
    query = select(ticket, check_in.c.arrived_at).join(check_in, check_in.c.id == ticket.c.check_in_id)
    query = query.where(ticket.c.business_day == day).order_by(ticket.c.sequence)
    if area is not None:
        query = query.where(ticket.c.area == area)
    return [entry_of(row) for row in connection.execute(query)]


def entry(connection: Connection, ticket_id: UUID) -> QueueEntry | None:
    """One entry of the queue."""
    query = select(ticket, check_in.c.arrived_at).join(check_in, check_in.c.id == ticket.c.check_in_id)
    row = connection.execute(query.where(ticket.c.id == ticket_id)).one_or_none()
    return None if row is None else entry_of(row)


def entry_of(row: Row[Any]) -> QueueEntry:
    """A row of ``ticket`` joined with the arrival time, as an entry of the queue."""
    return QueueEntry(
        ticket_id=row.id,
        label=f"{row.series}{row.number}",
        area=row.area,
        sequence=row.sequence,
        arrived_at=row.arrived_at,
        state=TicketState(row.state),
        room=row.room,
        called_at=row.called_at,
        times_called=row.times_called,
        ended_at=row.ended_at,
    )


def save(connection: Connection, changed: QueueEntry) -> None:
    """Write back what commands change."""
    connection.execute(
        update(ticket)
        .where(ticket.c.id == changed.ticket_id)
        .values(
            state=changed.state,
            room=changed.room,
            called_at=changed.called_at,
            times_called=changed.times_called,
            ended_at=changed.ended_at,
        )
    )


def raise_version(connection: Connection, area: str) -> int:
    """The next version of an area's snapshot."""
    return int(connection.execute(_NEXT_VERSION, {"area": area}).scalar_one())


def version_of(connection: Connection, area: str) -> int:
    """The present version of an area's snapshot; 0 before the first change."""
    return connection.scalar(select(area_version.c.version).where(area_version.c.area == area)) or 0


def epoch_of(connection: Connection) -> int:
    """The epoch of this database (see ``core.display.Snapshot``)."""
    return int(connection.scalar(select(epoch.c.epoch)) or 0)


def begin_epoch(connection: Connection, new_epoch: int) -> None:
    """Give a fresh database its epoch; one that has an epoch keeps it."""
    if connection.scalar(select(epoch.c.epoch)) is None:
        connection.execute(insert(epoch).values(epoch=new_epoch))
