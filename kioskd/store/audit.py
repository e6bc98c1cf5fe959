"""Who did what, as a hash chain: each entry holds the SHA-256 of itself and of the entry before.

One chain per database and writer process (measured: one chain for all writers serialises them). An entry is written
in the transaction of the change; a view is written before it is shown. ``verify`` finds a changed, removed or inserted
entry; what it can't find is a tail that was cut off together with the head it returns, so heads are worth noting down.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, Integer, MetaData, Row, String, Table, UniqueConstraint, insert, select

from kioskd.store.columns import UtcDateTime

GENESIS = "0" * 64


def audit_table(metadata: MetaData) -> Table:
    """The audit trail of a role."""
    return Table(
        "audit",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("chain", String(64), nullable=False),
        Column("sequence", Integer, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        Column("actor", String(128), nullable=False),
        Column("action", String(64), nullable=False),
        Column("subject", String(256), nullable=False),
        Column("detail", JSON, nullable=False),
        Column("previous", String(64), nullable=False),
        Column("hash", String(64), nullable=False),
        UniqueConstraint("chain", "sequence", name="uq_audit_sequence"),
    )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """``actor``: ``staff:NAME``, ``station:NAME`` or ``system``. ``subject``: type and id (``check-in/UUID``)."""

    actor: str
    action: str
    subject: str
    at: datetime
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What ``verify`` found in one chain. ``problem`` is empty when it is whole."""

    chain: str
    entries: int
    head: str
    problem: str


def _digest(chain: str, sequence: int, entry: AuditEntry, previous: str) -> str:
    at = entry.at.astimezone(UTC).isoformat()
    # The detail as it will be read back: JSON turns a key 10 into "10", which sorts elsewhere.
    detail = json.loads(json.dumps(entry.detail))
    fields = [chain, sequence, at, entry.actor, entry.action, entry.subject, detail, previous]
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def append(connection: Connection, table: Table, entry: AuditEntry, chain: str = "main") -> None:
    """Add an entry at the end of a chain, in the caller's transaction."""
    last = connection.execute(
        select(table.c.sequence, table.c.hash).where(table.c.chain == chain).order_by(table.c.sequence.desc()).limit(1)
    ).one_or_none()
    sequence, previous = (last.sequence + 1, last.hash) if last else (1, GENESIS)
    connection.execute(
        insert(table).values(
            chain=chain,
            sequence=sequence,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            subject=entry.subject,
            detail=entry.detail,
            previous=previous,
            hash=_digest(chain, sequence, entry, previous),
        )
    )


def verify(connection: Connection, table: Table) -> list[ChainReport]:
    """Check every chain of a database from its first entry to its head."""
    chains = connection.scalars(select(table.c.chain).distinct().order_by(table.c.chain)).all()
    return [_verify_chain(connection, table, chain) for chain in chains]


def _verify_chain(connection: Connection, table: Table, chain: str) -> ChainReport:
    rows: Iterator[Row[Any]] = iter(
        connection.execute(select(table).where(table.c.chain == chain).order_by(table.c.sequence))
    )
    count, head = 0, GENESIS
    for row in rows:
        entry = AuditEntry(row.actor, row.action, row.subject, row.at, row.detail)
        if row.sequence != count + 1:
            return ChainReport(
                chain, count, head, f"entry {count + 1} is missing; entry {row.sequence} follows {count}"
            )
        if row.previous != head:
            return ChainReport(chain, count, head, f"entry {row.sequence} does not follow the entry before it")
        if row.hash != _digest(chain, row.sequence, entry, row.previous):
            return ChainReport(chain, count, head, f"entry {row.sequence} was changed")
        count, head = count + 1, row.hash
    return ChainReport(chain, count, head, "")
