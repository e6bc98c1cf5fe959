"""The tables of station.db."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import JSON, Column, Index, Integer, LargeBinary, MetaData, String, Table, Uuid

from kioskd.store import Schema, UtcDateTime

metadata = MetaData()

intent = Table(
    "intent",
    metadata,
    Column("check_in_id", Uuid, primary_key=True),
    # A check-in that the hub refuses turns into a help ticket of the same id, so the kind is part of the key.
    Column("kind", String(16), primary_key=True),
    Column("request", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
)

print_job = Table(
    "print_job",
    metadata,
    Column("check_in_id", Uuid, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("copy", Integer, primary_key=True),
    Column("device", String(64), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("token", Integer),
    Column("odometer_before", Integer),
    Column("proof", String(16)),
    Column("cause", String(32)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("order_id", Uuid, unique=True),
    # What the sheet says, as JSON, while it is queued: another printer of the role has other paper.
    Column("content", JSON),
    Index("ix_print_job_state", "state", "device"),
)

token_counter = Table(
    "token_counter",
    metadata,
    Column("device", String(64), primary_key=True),
    Column("last", Integer, nullable=False),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("reason", String(32), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
"""Attempts that were broken off and that the desk was not told of yet."""

SCHEMA = Schema("station", metadata, Path(__file__).with_name("versions"), "0003")
