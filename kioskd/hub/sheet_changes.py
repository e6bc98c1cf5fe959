"""What commands about sheets change: print orders, and bands that become void. Inside transactions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection

from kioskd.core.events import Event, PrintOrdered
from kioskd.core.printing import Cause, PrintState, SheetKind
from kioskd.hub import bands, orders, sheets, visits
from kioskd.hub.bands import Says
from kioskd.hub.orders import Order
from kioskd.hub.sheet_view import PrinterName
from kioskd.hub.sheets import Sheet
from kioskd.hub.visits import BandInHand, Visit

Done = tuple[dict[str, str], list[Event]]
"""What a command tells the audit trail, and what it tells pages."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where staff want something printed, who, and when."""

    printer: PrinterName
    staff: str
    at: datetime


def order(
    connection: Connection,
    visit: Visit,
    kind: SheetKind,
    copy: int,
    asked: Asked,
    reason: str = "",
    title: str = "",
    code: str = "",
) -> Event:
    """One sheet is ordered. Raises RuleViolation when there is no such printer."""
    printer = asked.printer
    visits.must_have_printer(connection, printer, kind)
    order_id = uuid4()
    placed = Order(
        order_id, printer.station, printer.device, visit.check_in_id, kind, copy, asked.at, asked.staff, reason
    )
    orders.place(connection, replace(placed, title=title, code=code))
    return PrintOrdered(asked.at, printer.station, visit.check_in_id, kind)


def order_new_band(connection: Connection, visit: Visit, says: Says, person: int, asked: Asked) -> Done:
    """A band with a number of its own is made and ordered."""
    made = bands.make(connection, visit.check_in_id, says, person)
    event = order(connection, visit, SheetKind.WRISTBAND, made.copy, asked)
    return {"band": str(made.number), "printer": str(asked.printer)}, [event]


def in_its_place(
    connection: Connection, visit: Visit, held: BandInHand, cause: Cause, asked: Asked, says: Says, reason: str = ""
) -> Done:
    """The band in hand is void, and a new one is ordered."""
    void(connection, held, asked.printer, cause, asked.at)
    new = bands.make(connection, visit.check_in_id, says, held.band.person)
    event = order(connection, visit, SheetKind.WRISTBAND, new.copy, asked, reason)
    detail = {"void": str(held.band.number), "band": str(new.number), "printer": str(asked.printer)}
    return detail | ({"reason": reason} if reason else {}), [event]


def void(connection: Connection, held: BandInHand, printer: PrinterName, cause: Cause | None, now: datetime) -> None:
    """A band that does not count any more; its proof stays: who has it in hand must destroy it."""
    band, known = held.band, held.sheet
    if known is None:
        known = Sheet(
            band.check_in_id, SheetKind.WRISTBAND, band.copy, PrintState.VOID, None, cause, now, printer.station
        )
    sheets.save(connection, replace(known, state=PrintState.VOID, cause=cause, at=now))
    if held.order is not None and held.order.taken_at is None:
        orders.withdraw(connection, held.order, now)
