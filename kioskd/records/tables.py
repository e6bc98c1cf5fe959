"""The tables of records.db: the newest version of every resource, all versions, what searches find, who did what."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Boolean, Column, ForeignKeyConstraint, Index, Integer, MetaData, String, Table, Text

from kioskd.store import Schema, UtcDateTime
from kioskd.store.audit import audit_table

REVISION = "0001"
"""What the newest migration in ``versions`` makes."""

metadata = MetaData()


def _key() -> tuple[Column[str], Column[str]]:
    return Column("type", String(64), primary_key=True), Column("id", String(64), primary_key=True)


def _version() -> tuple[Column[object], ...]:
    return (
        Column("updated_at", UtcDateTime, nullable=False),
        Column("written_by", String(128), nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("json", Text, nullable=False),
    )


resource = Table("resource", metadata, *_key(), Column("version", Integer, nullable=False), *_version())
history = Table(
    "history", metadata, *_key(), Column("version", Integer, primary_key=True, autoincrement=False), *_version()
)
"""Append-only: every version that was ever stored, the newest one too."""


def _of_resource() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["type", "id"], ["resource.type", "resource.id"])


def _owner() -> tuple[Column[object], ...]:
    return (
        Column("type", String(64), nullable=False),
        Column("id", String(64), nullable=False),
        Column("parameter", String(64), nullable=False),
    )


token = Table(
    "search_token",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    *_owner(),
    Column("system", String(255), nullable=False),
    Column("value", String(255), nullable=False),
    _of_resource(),
    Index("ix_search_token_value", "type", "parameter", "value", "system"),
    Index("ix_search_token_owner", "type", "id"),
)
date_range = Table(
    "search_date",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    *_owner(),
    Column("low", UtcDateTime, nullable=False),
    Column("high", UtcDateTime, nullable=False),
    _of_resource(),
    Index("ix_search_date_low", "type", "parameter", "low"),
    Index("ix_search_date_owner", "type", "id"),
)
"""From ``low`` up to but not including ``high``."""
reference = Table(
    "search_reference",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    *_owner(),
    Column("target_type", String(64), nullable=False),
    Column("target_id", String(64), nullable=False),
    _of_resource(),
    Index("ix_search_reference_target", "type", "parameter", "target_id", "target_type"),
    Index("ix_search_reference_owner", "type", "id"),
)
audit = audit_table(metadata)

SCHEMA = Schema("records", metadata, Path(__file__).with_name("versions"), REVISION)
