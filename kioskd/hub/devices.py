"""The devices of all stations in hub.db: how each is, since when, and the paper of printers. Runs in transactions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, Table, and_, insert, select

from kioskd.core import paper
from kioskd.core.paper import Paper, Roll
from kioskd.core.printing import Cause, PrinterNote, ProofKind
from kioskd.hub.tables import device, roll
from kioskd.hub.view import DeviceRow, NoteRow, PaperRow
from kioskd.ports import DeviceReport

READY = "ready"
_ROLL = TypeAdapter(Roll)


def save(connection: Connection, report: DeviceReport, now: datetime) -> None:
    """Keep what a station says of one of its devices; a note that it told before keeps its time."""
    where = _is(device, report.station, report.device)
    before = connection.execute(select(device.c.notes).where(where)).scalar_one_or_none() or {}
    connection.execute(device.delete().where(where))
    connection.execute(
        insert(device).values(
            station=report.station,
            device=report.device,
            kind=report.kind,
            state=report.state,
            what=report.what[:500],
            since=report.since,
            model=report.model[:100],
            proof=report.proof,
            odometer=report.odometer,
            notes={note[:40]: before.get(note[:40], now.isoformat()) for note in report.notes},
            is_staff_side=report.is_staff_side,
            place=report.place[:40],
            line=report.line[:200],
            roll_sheets=report.roll_sheets,
        )
    )
    if report.kind.endswith("-printer"):
        _save_paper(connection, report, now)


def _save_paper(connection: Connection, report: DeviceReport, now: datetime) -> None:
    known = present = roll_of(connection, report.station, report.device)
    if report.odometer is not None:
        present = paper.counted(present, report.odometer)
    said = _paper_of(report)
    if said is not None:
        present = paper.seen(present, said, now)
    if present != known:
        save_roll(connection, report.station, report.device, present)


def _paper_of(report: DeviceReport) -> Paper | None:
    """What a report says of the paper; None: nothing, as while the cover is open."""
    if report.what == Cause.PAPER_OUT:
        return Paper.OUT
    if PrinterNote.PAPER_LOW in report.notes or report.what == PrinterNote.PAPER_LOW:
        return Paper.LOW
    return Paper.FINE if report.state == READY else None


def sheet_came_out(connection: Connection, station: str, name: str) -> None:
    """A printer's sheet is proven: its roll has one less."""
    if name:
        save_roll(connection, station, name, paper.printed(roll_of(connection, station, name)))


def roll_of(connection: Connection, station: str, name: str) -> Roll:
    """The roll in a printer; one of which nothing is known when nobody has told of it yet."""
    kept = connection.execute(select(roll.c.roll).where(_is(roll, station, name))).scalar_one_or_none()
    return Roll() if kept is None else _ROLL.validate_python(kept)


def save_roll(connection: Connection, station: str, name: str, present: Roll) -> None:
    connection.execute(roll.delete().where(_is(roll, station, name)))
    kept = _ROLL.dump_python(present, mode="json")
    connection.execute(insert(roll).values(station=station, device=name, roll=kept))


def rows(connection: Connection) -> tuple[DeviceRow, ...]:
    """All devices, by station and name."""
    query = (
        select(device, roll.c.roll)
        .outerjoin(roll, and_(roll.c.station == device.c.station, roll.c.device == device.c.device))
        .order_by(device.c.station, device.c.device)
    )
    return tuple(_row(found) for found in connection.execute(query))


def _row(found: Row[Any]) -> DeviceRow:
    return DeviceRow(
        station=found.station,
        device=found.device,
        kind=found.kind,
        state=found.state,
        what=found.what,
        since=found.since,
        model=found.model,
        proof=ProofKind(found.proof) if found.proof else None,
        odometer=found.odometer,
        notes=tuple(NoteRow(name, datetime.fromisoformat(since)) for name, since in sorted(found.notes.items())),
        is_staff_side=found.is_staff_side,
        place=found.place,
        line=found.line,
        paper=_paper_row(found) if found.kind.endswith("-printer") else None,
    )


def _paper_row(found: Row[Any]) -> PaperRow:
    present = Roll() if found.roll is None else _ROLL.validate_python(found.roll)
    left = paper.sheets_left(present, paper.first_for(found.kind, found.roll_sheets))
    return PaperRow(present.used, present.begun_at, left, paper.is_running_out(present, left))


def _is(table: Table, station: str, name: str) -> Any:
    return and_(table.c.station == station, table.c.device == name)
