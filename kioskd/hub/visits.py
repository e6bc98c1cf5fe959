"""One visit with its sheets, read under a lock, for commands about sheets. Runs inside transactions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select

from kioskd.core.patient import Patient
from kioskd.core.printing import SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub import bands, orders, people, sheets
from kioskd.hub.band_state import band_row
from kioskd.hub.bands import Band
from kioskd.hub.orders import Order
from kioskd.hub.sheet_view import BandRow, PrinterName
from kioskd.hub.sheets import Sheet
from kioskd.hub.tables import check_in, device, ticket

_PRINTER_OF = {
    SheetKind.TICKET: "ticket-printer",
    SheetKind.HELP_TICKET: "ticket-printer",
    SheetKind.WRISTBAND: "wristband-printer",
    SheetKind.SPECIMEN_LABEL: "label-printer",
    SheetKind.DOCUMENT_LABEL: "label-printer",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A ticket and its check-in."""

    ticket_id: UUID
    check_in_id: UUID
    label: str
    station: str
    """Where they checked in."""
    arrived_at: datetime
    committed_at: datetime
    is_help: bool
    patient: Patient | None = None
    """As the records had them; None where nobody was identified."""

    @property
    def ticket_kind(self) -> SheetKind:
        return SheetKind.HELP_TICKET if self.is_help else SheetKind.TICKET


@dataclass(frozen=True, slots=True)
class BandInHand:
    """The band that counts, with what is known of it."""

    band: Band
    row: BandRow
    sheet: Sheet | None
    order: Order | None


def visit(connection: Connection, ticket_id: UUID) -> Visit:
    """A visit, locked until the end of the transaction: who presses second waits and sees what the first did.

    SQLite has one writer at a time anyway. Raises RuleViolation.
    """
    query = (
        select(ticket.c.series, ticket.c.number, check_in)
        .join(check_in, check_in.c.id == ticket.c.check_in_id)
        .where(ticket.c.id == ticket_id)
        .with_for_update(of=check_in)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise RuleViolation("unknown-ticket", "this ticket does not exist (any more)")
    label = f"{row.series}{row.number}"
    patient = people.loaded(row.patient) if row.patient else None
    return Visit(
        ticket_id, row.id, label, row.station, row.arrived_at, row.committed_at, row.reason is not None, patient
    )


def band_in_hand(connection: Connection, of: Visit, copy: int, now: datetime) -> BandInHand:
    """The band that a page showed as ``copy``, if it still counts. Raises RuleViolation."""
    seen = bands.load(connection, of.check_in_id, copy)
    band = bands.newest(connection, of.check_in_id, seen.person if seen else bands.THE_PATIENT)
    if band is None:
        raise RuleViolation("no-band", f"{of.label} gets no wristband: its area has none")
    if band.copy != copy:
        raise RuleViolation("other-band", f"band {band.number} has taken the place of the one that you saw")
    sheet = sheets.load(connection, of.check_in_id, SheetKind.WRISTBAND, copy)
    order = orders.find(connection, of.check_in_id, SheetKind.WRISTBAND, copy)
    row = band_row([band], {copy: sheet} if sheet else {}, order, now)
    assert row is not None  # noqa: S101 - there is a band
    return BandInHand(band, row, sheet, order)


def must_have_printer(connection: Connection, printer: PrinterName, kind: SheetKind) -> None:
    """Raises RuleViolation when the station has no such printer, or says that it is switched off."""
    mine = (device.c.station == printer.station) & (device.c.device == printer.device)
    row = connection.execute(select(device.c.kind, device.c.state).where(mine)).one_or_none()
    if row is None or row.kind != _PRINTER_OF[kind]:
        raise RuleViolation("unknown-printer", f"there is no such printer as {printer} for a {kind}")
    if row.state == "disabled":
        raise RuleViolation("unknown-printer", f"the printer {printer} is switched off")


def has_printer(connection: Connection, station: str, kind: SheetKind) -> bool:
    """Whether a station has a printer for this kind of sheet at all."""
    mine = (device.c.station == station) & (device.c.kind == _PRINTER_OF[kind])
    return connection.execute(select(device.c.device).where(mine).limit(1)).first() is not None
