"""The tables of hub.db."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

from kioskd.store import Schema, UtcDateTime
from kioskd.store.audit import audit_table
from kioskd.store.outbox import outbox_table

metadata = MetaData()

check_in = Table(
    "check_in",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("station", String(64), nullable=False),
    Column("arrived_at", UtcDateTime, nullable=False),
    Column("committed_at", UtcDateTime, nullable=False),
    Column("language", String(8), nullable=False),
    Column("card_kind", String(32), nullable=False),
    # A help ticket has a reason and no appointment; a check-in has an appointment, once.
    Column("reason", String(32)),
    Column("appointment_id", String(64), unique=True),
    Column("appointment_at", UtcDateTime),
    Column("practitioner", String(200), nullable=False),
    Column("patient_id", String(64), nullable=False),
    Column("family", String(200), nullable=False),
    Column("given", String(200), nullable=False),
    Column("birth_date", Date),
    # The patient as the records had them, every letter: for labels. NULL where nobody was identified.
    Column("patient", JSON(none_as_null=True)),
    Column("record_state", String(16), nullable=False),
    Column("record_error", String(2000), nullable=False),
)

ticket = Table(
    "ticket",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("check_in_id", Uuid, ForeignKey("check_in.id"), nullable=False, unique=True),
    Column("site", String(32), nullable=False),
    Column("business_day", Date, nullable=False),
    Column("series", String(1), nullable=False),
    Column("number", Integer, nullable=False),
    Column("area", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("room", String(40), nullable=False),
    Column("called_at", UtcDateTime),
    Column("times_called", Integer, nullable=False),
    Column("ended_at", UtcDateTime),
    UniqueConstraint("site", "business_day", "series", "number", name="uq_ticket_number"),
    Index("ix_ticket_day", "business_day", "area", "state"),
)

counter = Table(
    "counter",
    metadata,
    Column("business_day", Date, primary_key=True),
    Column("series", String(1), primary_key=True),
    Column("last", Integer, nullable=False),
)

band_counter = Table(
    "band_counter",
    metadata,
    # A patient's id, or "no:" and a record number.
    Column("patient_id", String(64), primary_key=True),
    Column("last", Integer, nullable=False),
)

area_version = Table(
    "area_version",
    metadata,
    Column("area", String(32), primary_key=True),
    Column("version", Integer, nullable=False),
)

epoch = Table("epoch", metadata, Column("epoch", BigInteger, primary_key=True))

device = Table(
    "device",
    metadata,
    Column("station", String(64), primary_key=True),
    Column("device", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("what", String(500), nullable=False),
    Column("since", UtcDateTime, nullable=False),
    # What is known of printers alone.
    Column("model", String(100), nullable=False),
    Column("proof", String(16)),
    Column("odometer", BigInteger),
    # What it will need soon, and since when: {"paper-low": "2026-11-23T08:12:00+00:00"}.
    Column("notes", JSON, nullable=False),
    Column("is_staff_side", Boolean, nullable=False),
    Column("place", String(40), nullable=False),
    Column("line", String(200), nullable=False),
    Column("roll_sheets", Integer, nullable=False),
)

roll = Table(
    "roll",
    metadata,
    Column("station", String(64), primary_key=True),
    Column("device", String(64), primary_key=True),
    Column("roll", JSON, nullable=False),
)
"""The roll in each printer, as ``core.paper.Roll``. It outlives the device's row: what was learned is kept."""

sheet = Table(
    "sheet",
    metadata,
    Column("check_in_id", Uuid, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("copy", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("proof", String(16)),
    Column("cause", String(32)),
    Column("at", UtcDateTime, nullable=False),
    Column("station", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Index("ix_sheet_device", "station", "device", "at"),
)

band = Table(
    "band",
    metadata,
    Column("check_in_id", Uuid, ForeignKey("check_in.id"), primary_key=True),
    Column("copy", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
    # The patient as the band says, every letter of the name; or who has no name yet, see ``people``.
    Column("patient", JSON(none_as_null=True)),
    Column("unnamed", JSON(none_as_null=True)),
    # Whose of this visit: see ``bands``.
    Column("person", Integer, nullable=False),
    Column("is_name_similar", Boolean, nullable=False),
    # Who compared what it says and put it on, and when.
    Column("put_on_by", String(64), nullable=False),
    Column("put_on_at", UtcDateTime),
)
"""Every wristband of a check-in with its own number (GS1 AI 8019). How it printed is the ``sheet`` of the same copy."""

print_order = Table(
    "print_order",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("station", String(64), nullable=False),
    Column("device", String(64), nullable=False),
    Column("check_in_id", Uuid, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("copy", Integer, nullable=False),
    Column("ordered_at", UtcDateTime, nullable=False),
    Column("ordered_by", String(64), nullable=False),
    Column("reason", String(200), nullable=False),
    # What a label says beside the person; see ``ports.LabelSheet``.
    Column("title", String(80), nullable=False),
    Column("code", String(80), nullable=False),
    Column("taken_at", UtcDateTime),
    Column("withdrawn_at", UtcDateTime),
    UniqueConstraint("check_in_id", "kind", "copy", name="uq_print_order"),
    Index("ix_print_order_station", "station", "taken_at"),
)
"""What staff asked a station to print."""

attempt = Table(
    "attempt",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("station", String(64), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_attempt_at", "at"),
)
"""Attempts at kiosks that ended without a ticket."""

letter = Table(
    "letter",
    metadata,
    # SHA-256 of the reference that stands in the letter's code: the code itself is nowhere kept.
    Column("hash", String(64), primary_key=True),
    Column("appointment_id", String(64), nullable=False),
    Column("patient_id", String(64), nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("issued_by", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    # The check-in that used it up.
    Column("used_by", Uuid),
    # A mark for each different wrong birth date that was given with it.
    Column("wrong_dates", JSON, nullable=False),
    Index("ix_letter_appointment", "appointment_id"),
)
"""Appointment letters, see ``letters``."""

letter_key = Table(
    "letter_key",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)
"""One row: what letters are sealed with, made with the first of them. Without it every letter is unknown."""

card_wanted = Table(
    "card_wanted",
    metadata,
    Column("check_in_id", Uuid, ForeignKey("check_in.id"), primary_key=True),
    Column("read_at", UtcDateTime),
    Column("read_by", String(64), nullable=False),
)
"""Check-ins whose card the desk has to read for the bill; by whom it was read, and when."""

outbox = outbox_table(metadata)
audit = audit_table(metadata)

SCHEMA = Schema("hub", metadata, Path(__file__).with_name("versions"), "0007")
