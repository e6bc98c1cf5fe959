"""The table of the records desk: which rows, in which order, and the same as a file. Pure."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from kioskd.records.checkins import CheckIn

_TICKET = re.compile(r"(\D*)(\d{1,9})")


def _ticket(row: CheckIn) -> Any:
    """A12 goes after A9."""
    found = _TICKET.fullmatch(row.label)
    return (found[1], int(found[2])) if found else (row.label, 0) if row.label else None


def _folded(text: str) -> str:
    """A text as it is compared: without accents and case, so that ``nunez`` finds Núñez."""
    apart = unicodedata.normalize("NFD", text)
    return "".join(c for c in apart if not unicodedata.combining(c)).casefold()


def _name(row: CheckIn) -> Any:
    return (_folded(row.family), _folded(row.given)) if row.family else None


SORTS: dict[str, Callable[[CheckIn], Any]] = {
    "time": lambda row: row.arrived_at,
    "ticket": _ticket,
    "name": _name,
    "born": lambda row: row.birth_date or None,
    "record": lambda row: row.record_number or None,
    "insurance": lambda row: row.insurance_number or None,
    "appointment": lambda row: row.appointment_at,
    "practitioner": lambda row: _folded(row.practitioner) or None,
    "station": lambda row: row.station or None,
    "identified": lambda row: row.identified_by or None,
    "visit": lambda row: row.encounter_status or None,
    "status": lambda row: row.appointment_status or None,
}
"""Column to what it is sorted by; None goes last in either direction."""


def arranged(
    rows: Sequence[CheckIn], sort: str, is_descending: bool, words: str, shown: Callable[[CheckIn], str]
) -> list[CheckIn]:
    """The rows whose text, as ``shown`` gives it, holds all of ``words``, sorted; equal ones stay in their order."""
    wanted = _folded(words).split()
    kept = [row for row in rows if all(word in text for text in [_folded(shown(row))] for word in wanted)]
    key = SORTS[sort]
    there = sorted((row for row in kept if key(row) is not None), key=key, reverse=is_descending)
    return there + [row for row in kept if key(row) is None]


def csv_text(rows: Sequence[CheckIn], headings: Sequence[str], zone: ZoneInfo, separator: str) -> str:
    """The rows as CSV (RFC 4180), times local with their offset, codes as FHIR has them.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    made = io.StringIO()
    writer = csv.writer(made, delimiter=separator, lineterminator="\r\n")
    writer.writerow(headings)
    for row in rows:
        writer.writerow([_cell(value, zone) for value in _values(row)])
    return made.getvalue()


def _values(row: CheckIn) -> tuple[str | datetime | None, ...]:
    return (
        row.arrived_at,
        row.label,
        row.family,
        row.given,
        row.birth_date,
        row.record_number,
        row.insurance_number,
        row.appointment_at,
        row.practitioner,
        row.station,
        row.identified_by,
        row.encounter_status,
        row.appointment_status,
        row.check_in_id,
    )


def _cell(value: str | datetime | None, zone: ZoneInfo) -> str:
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    text = value or ""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
