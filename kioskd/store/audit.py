"""Who did what, as a hash chain: each entry holds the SHA-256 of itself and of the entry before.

One chain per database and writer process (measured: one chain for all writers serialises them). An entry is written
in the transaction of the change; a view is written before it is shown. ``verify`` finds a changed, removed, inserted or
reordered entry by the chain itself, and an end that was cut off by the heads that ``store.heads`` noted outside the
database. Of the column ``id``, a storage number that nothing reads, only the order and the noted ones are checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    func,
    insert,
    select,
)

from kioskd.store.columns import UtcDateTime

GENESIS = "0" * 64
AUDIT = "audit"
"""The table's name in every role."""


def audit_table(metadata: MetaData) -> Table:
    """The audit trail of a role."""
    return Table(
        AUDIT,
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
class Head:
    """The newest entry of a chain at ``noted_at``. ``hash`` may be only its first digits, as a log has it."""

    chain: str
    sequence: int
    id: int | None
    hash: str
    noted_at: str


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


def heads(connection: Connection, table: Table, at: datetime) -> list[Head]:
    """The newest entry of every chain, as of ``at``."""
    noted_at = at.astimezone(UTC).isoformat(timespec="seconds")
    found = []
    # From one chain to the next by the index: SELECT DISTINCT would read it whole, every few seconds.
    chain = connection.scalar(select(func.min(table.c.chain)))
    while chain is not None:
        newest = select(table).where(table.c.chain == chain).order_by(table.c.sequence.desc()).limit(1)
        row = connection.execute(newest.with_only_columns(table.c.sequence, table.c.id, table.c.hash)).one()
        found.append(Head(chain, row.sequence, row.id, row.hash, noted_at))
        chain = connection.scalar(select(func.min(table.c.chain)).where(table.c.chain > chain))
    return found


def has_entry(connection: Connection, table: Table, head: Head) -> bool:
    """Whether the entry that a noted head names is still there, as it was."""
    where = (table.c.chain == head.chain) & (table.c.sequence == head.sequence)
    row = connection.execute(select(table.c.id, table.c.hash).where(where)).one_or_none()
    return row is not None and _is_same(head, row.id, row.hash)


def verify(connection: Connection, table: Table, noted: Sequence[Head] = ()) -> list[ChainReport]:
    """Check every chain from its first entry to its end; each head in ``noted`` must be one of the chain's entries."""
    present = connection.scalars(select(table.c.chain).distinct()).all()
    chains = sorted({*present, *(head.chain for head in noted)})
    return [_verify_chain(connection, table, c, [h for h in noted if h.chain == c]) for c in chains]


def _verify_chain(connection: Connection, table: Table, chain: str, noted: Iterable[Head]) -> ChainReport:
    awaited: dict[int, list[Head]] = {}
    for one in noted:
        awaited.setdefault(one.sequence, []).append(one)
    count, head, last_id = 0, GENESIS, 0
    query = select(table).where(table.c.chain == chain).order_by(table.c.sequence)
    try:
        with connection.execute(query, execution_options={"yield_per": 500}) as rows:
            for row in rows:
                problem = _problem_of(row, count, head, last_id) or _problem_with(awaited.pop(row.sequence, ()), row)
                if problem:
                    return ChainReport(chain, count, head, problem)
                count, head, last_id = count + 1, row.hash, row.id
    except (TypeError, ValueError):  # what JSON, times and numbers raise that are none
        return ChainReport(chain, count, head, f"an entry after {count} can't be read: it was changed")
    if awaited:
        far = max(awaited)
        what = f"entries {count + 1} to {far} are missing" if far > count + 1 else f"entry {far} is missing"
        return ChainReport(chain, count, head, f"{what} at the end; it was noted at {awaited[far][0].noted_at}")
    return ChainReport(chain, count, head, "")


def _problem_of(row: Row[Any], count: int, head: str, last_id: int) -> str:
    """What is wrong with the entry that follows ``count`` others, or nothing."""
    entry = AuditEntry(row.actor, row.action, row.subject, row.at, row.detail)
    if row.sequence != count + 1:
        return f"entry {count + 1} is missing; entry {row.sequence} follows {count}"
    if row.previous != head:
        return f"entry {row.sequence} does not follow the entry before it"
    if row.hash != _digest(row.chain, row.sequence, entry, row.previous):
        return f"entry {row.sequence} was changed"
    if row.id <= last_id:
        return f"entry {row.sequence} was moved: its id is not above that of the entry before it"
    return ""


def _problem_with(noted: Iterable[Head], row: Row[Any]) -> str:
    for head in noted:
        if not _is_same(head, row.id, row.hash):
            return f"entry {row.sequence} is not the one that was noted at {head.noted_at}: the chain was written anew"
    return ""


def _is_same(head: Head, row_id: int, row_hash: str) -> bool:
    return row_hash.startswith(head.hash) and head.id in (None, row_id)
