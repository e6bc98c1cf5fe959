"""The smallest role that has everything: a note, the outbox and the audit trail. Also run as a process of its own."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select

from kioskd.config import StoreConfig
from kioskd.store import AuditEntry, Schema, UtcDateTime, audit, open_store, outbox

METADATA = MetaData()
NOTE = Table(
    "note",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("text", String(200), nullable=False, unique=True),
    Column("at", UtcDateTime),
)
OUTBOX = outbox.outbox_table(METADATA)
AUDIT = audit.audit_table(METADATA)
SCHEMA = Schema("notebook", METADATA, Path(__file__).with_name("versions"), "0001")
NOW = datetime(2026, 11, 23, 9, 30, 15, 123456, tzinfo=UTC)


def add_note(connection: Connection, number: int, text: str, now: datetime = NOW) -> None:
    """State, outbox and audit of one change."""
    connection.execute(insert(NOTE).values(number=number, text=text, at=now))
    outbox.put(connection, OUTBOX, "archive", f"note/{number}", "note-added", {"number": number}, now)
    audit.append(connection, AUDIT, AuditEntry("staff:anna", "add-note", f"note/{number}", now, {"length": len(text)}))


def numbers(connection: Connection) -> tuple[list[int], list[int], list[str]]:
    """What of each change is stored: numbers of notes, numbers in the outbox, subjects in the audit trail."""
    return (
        list(connection.scalars(select(NOTE.c.number).order_by(NOTE.c.number))),
        [payload["number"] for payload in connection.scalars(select(OUTBOX.c.payload).order_by(OUTBOX.c.id))],
        list(connection.scalars(select(AUDIT.c.subject).order_by(AUDIT.c.sequence))),
    )


async def write_for_ever(config: StoreConfig) -> None:
    """Add note after note and print each number once its commit is acknowledged, until killed."""
    async with open_store(SCHEMA, config) as store:
        number = 0
        while True:
            number += 1
            await store.write(lambda connection, number=number: add_note(connection, number, f"note {number}"))
            print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(write_for_ever(StoreConfig.model_validate_json(sys.argv[1])))
