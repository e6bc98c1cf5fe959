"""Side effects that were committed together with the state they follow from, and wait for their delivery.

The table belongs to each role that has one: ``outbox_table(metadata)``. All functions run inside the caller's
transaction. A message is PENDING until its destination has it for good (DONE) or will never take it (PARKED: a
person must look). Messages with one key leave in order, and one that is parked holds back the later ones of its key
only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
    update,
)

from kioskd.ports import OutboxMessage
from kioskd.store.columns import UtcDateTime

PUT_MARK = "kioskd_outbox_put"


class OutboxState(StrEnum):
    """Where a message is."""

    PENDING = "pending"
    DONE = "done"
    PARKED = "parked"


def outbox_table(metadata: MetaData) -> Table:
    """The outbox of a role."""
    return Table(
        "outbox",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("destination", String(64), nullable=False),
        Column("key", String(128), nullable=False),
        Column("kind", String(64), nullable=False),
        Column("payload", JSON, nullable=False),
        Column("state", String(16), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("created_at", UtcDateTime, nullable=False),
        Column("next_try_at", UtcDateTime, nullable=False),
        Column("last_error", String(2000), nullable=False),
        Column("done_at", UtcDateTime),
        Index("ix_outbox_open", "destination", "state", "id"),
    )


def put(
    connection: Connection, table: Table, destination: str, key: str, kind: str, payload: dict[str, Any], now: datetime
) -> int:
    """Add a message; the store wakes the workers after the commit. Returns its id."""
    connection.info[PUT_MARK] = True
    row = {
        "destination": destination,
        "key": key,
        "kind": kind,
        "payload": payload,
        "state": OutboxState.PENDING,
        "attempts": 0,
        "created_at": now,
        "next_try_at": now,
        "last_error": "",
    }
    return int(connection.execute(insert(table).values(row).returning(table.c.id)).scalar_one())


def due(connection: Connection, table: Table, destination: str, now: datetime, limit: int) -> Sequence[OutboxMessage]:
    """The first open message of each key that may be tried now, oldest first."""
    query = (
        select(table)
        .where(_is_pending_head(table, destination), table.c.next_try_at <= now)
        .order_by(table.c.id)
        .limit(limit)
    )
    return [
        OutboxMessage(r.id, r.destination, r.key, r.kind, r.payload, r.attempts, r.created_at)
        for r in connection.execute(query)
    ]


def _is_pending_head(table: Table, destination: str) -> ColumnElement[bool]:
    """Whether a message is the first open one of its key and waits to be delivered."""
    is_open = (table.c.destination == destination) & table.c.state.in_([OutboxState.PENDING, OutboxState.PARKED])
    heads = select(func.min(table.c.id)).where(is_open).group_by(table.c.key)
    return table.c.id.in_(heads) & (table.c.state == OutboxState.PENDING)


def mark_done(connection: Connection, table: Table, message_id: int, now: datetime) -> None:
    """The destination has it for good."""
    connection.execute(
        update(table)
        .where(table.c.id == message_id)
        .values(state=OutboxState.DONE, done_at=now, attempts=table.c.attempts + 1, last_error="")
    )


def postpone(connection: Connection, table: Table, message_id: int, next_try_at: datetime, error: str) -> None:
    """Not now; ``error`` is for staff and holds no patient data."""
    connection.execute(
        update(table)
        .where(table.c.id == message_id)
        .values(next_try_at=next_try_at, attempts=table.c.attempts + 1, last_error=error[:2000])
    )


def park(connection: Connection, table: Table, message_id: int, error: str) -> None:
    """Never as it is: a person must look."""
    connection.execute(
        update(table)
        .where(table.c.id == message_id)
        .values(state=OutboxState.PARKED, attempts=table.c.attempts + 1, last_error=error[:2000])
    )


def unpark(connection: Connection, table: Table, now: datetime) -> int:
    """Try every parked message again, after a person put right what they were refused for; how many there were."""
    parked = update(table).where(table.c.state == OutboxState.PARKED)
    return connection.execute(parked.values(state=OutboxState.PENDING, next_try_at=now)).rowcount


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """A message that its destination does not have yet, for staff."""

    destination: str
    kind: str
    key: str
    state: OutboxState
    attempts: int
    created_at: datetime
    last_error: str


def not_delivered(connection: Connection, table: Table, limit: int = 200) -> Sequence[NotDelivered]:
    """What is not delivered, oldest first."""
    query = select(table).where(table.c.state != OutboxState.DONE).order_by(table.c.id).limit(limit)
    return [
        NotDelivered(r.destination, r.kind, r.key, OutboxState(r.state), r.attempts, r.created_at, r.last_error)
        for r in connection.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of an outbox is not delivered."""

    pending: int
    parked: int


def backlog(connection: Connection, table: Table, destination: str) -> Backlog:
    """How much waits for a destination and how much needs a person."""
    query = select(table.c.state, func.count()).where(table.c.destination == destination).group_by(table.c.state)
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    return Backlog(counts.get(OutboxState.PENDING, 0), counts.get(OutboxState.PARKED, 0))
