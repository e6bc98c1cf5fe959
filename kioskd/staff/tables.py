"""The tables of staff.db."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table

from kioskd.store import Schema, UtcDateTime
from kioskd.store.audit import audit_table

REVISION = "0001"
METADATA = MetaData()

ACCOUNT = Table(
    "account",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("password_set_at", UtcDateTime, nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

SESSION = Table(
    "session",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("account", String(64), ForeignKey("account.name"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Index("ix_session_account", "account"),
)

FAILURE = Table(
    "sign_in_failure",
    METADATA,
    Column("key", String(160), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", UtcDateTime, nullable=False),
)

AUDIT = audit_table(METADATA)

SCHEMA = Schema("staff", METADATA, Path(__file__).with_name("versions"), REVISION)
