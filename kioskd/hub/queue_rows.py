"""The tickets of a day with their people and sheets, as the console shows them. Runs inside transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select

from kioskd.core.identity import Reason
from kioskd.core.printing import SheetKind
from kioskd.core.queue import TicketState
from kioskd.hub import bands, orders, sheets
from kioskd.hub.band_state import band_row, order_row
from kioskd.hub.bands import Band
from kioskd.hub.orders import Order
from kioskd.hub.sheets import Sheet
from kioskd.hub.tables import check_in, ticket
from kioskd.hub.view import QueueRow, RecordState, SheetRow


@dataclass(frozen=True, slots=True)
class _Paper:
    """All sheets, bands and orders of a day."""

    now: datetime
    sheets: dict[UUID, list[Sheet]]
    bands: dict[UUID, Sequence[Band]]
    orders: dict[tuple[UUID, SheetKind], Order]


def of_day(connection: Connection, day: date, now: datetime) -> tuple[QueueRow, ...]:
    """Who waits, first come first; who is called, the newest call first; who has been, the last to come first."""
    paper = _Paper(now, sheets.of_day(connection, day), bands.of_day(connection, day), orders.of_day(connection, day))
    query = (
        select(check_in, ticket.c.id.label("ticket_id"), *[c for c in ticket.c if c.name not in {"id", "check_in_id"}])
        .join(ticket, ticket.c.check_in_id == check_in.c.id)
        .where(ticket.c.business_day == day)
        .order_by(ticket.c.sequence)
    )
    return tuple(_in_console_order([_queue_row(row, paper) for row in connection.execute(query)]))


def _in_console_order(rows: Sequence[QueueRow]) -> list[QueueRow]:
    """``rows`` are in the order of allocation, which no change of the clock can turn round."""
    waiting = [row for row in rows if row.state is TicketState.WAITING]
    called = [row for row in rows if row.state is TicketState.CALLED]
    called.sort(key=lambda row: row.called_at or row.arrived_at, reverse=True)
    ended = [row for row in reversed(rows) if row.state not in {TicketState.WAITING, TicketState.CALLED}]
    return [*waiting, *called, *ended]


def _queue_row(row: Row[Any], paper: _Paper) -> QueueRow:
    mine = paper.sheets.get(row.id, [])
    my_bands = paper.bands.get(row.id, ())
    band_sheets = {s.copy: s for s in mine if s.kind is SheetKind.WRISTBAND}
    band = band_row(my_bands, band_sheets, paper.orders.get((row.id, SheetKind.WRISTBAND)), paper.now)
    # The band that counts, not the newest that was printed: a newer one may be on its way.
    shown = {s.kind: s for s in mine if band is None or s.kind is not SheetKind.WRISTBAND or s.copy == band.copy}
    again = (paper.orders.get((row.id, kind)) for kind in (SheetKind.TICKET, SheetKind.HELP_TICKET))
    return QueueRow(
        ticket_id=row.ticket_id,
        check_in_id=row.id,
        label=f"{row.series}{row.number}",
        area=row.area,
        state=TicketState(row.state),
        arrived_at=row.arrived_at,
        called_at=row.called_at,
        room=row.room,
        times_called=row.times_called,
        family=row.family,
        given=row.given,
        birth_date=row.birth_date,
        appointment_at=row.appointment_at,
        practitioner=row.practitioner,
        reason=Reason(row.reason) if row.reason else None,
        record=RecordState(row.record_state),
        record_error=row.record_error,
        sheets=tuple(SheetRow(s.kind, s.state, s.proof, s.cause, s.copy) for s in shown.values()),
        band=band,
        orders=tuple(order_row(o, paper.now) for o in again if o is not None and _is_without_sheet(o, mine)),
    )


def _is_without_sheet(order: Order, mine: Sequence[Sheet]) -> bool:
    return all((s.kind, s.copy) != (order.kind, order.copy) for s in mine)
