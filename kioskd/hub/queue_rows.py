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
from kioskd.hub import bands, billing, labels, orders, people, sheets
from kioskd.hub.band_state import band_row, order_row
from kioskd.hub.bands import THE_PATIENT, Band
from kioskd.hub.orders import LABELS, Order
from kioskd.hub.sheet_view import BandRow
from kioskd.hub.sheets import Sheet
from kioskd.hub.tables import check_in, ticket
from kioskd.hub.view import CardRow, QueueRow, RecordState, SheetRow

_TICKETS = (SheetKind.TICKET, SheetKind.HELP_TICKET)


@dataclass(frozen=True, slots=True)
class _Paper:
    """All sheets, bands, orders and wanted cards of a day."""

    now: datetime
    sheets: dict[UUID, list[Sheet]]
    bands: dict[UUID, Sequence[Band]]
    orders: dict[tuple[UUID, SheetKind], list[Order]]
    cards: dict[UUID, CardRow]


def of_day(connection: Connection, day: date, now: datetime) -> tuple[QueueRow, ...]:
    """Who waits, first come first; who is called, the newest call first; who has been, the last to come first."""
    paper = _Paper(
        now,
        sheets.of_day(connection, day),
        bands.of_day(connection, day),
        orders.of_day(connection, day),
        billing.of_day(connection, day),
    )
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
    by_person = _bands(row.id, mine, paper)
    band = by_person.pop(THE_PATIENT, None)
    # Of bands those that count, not the newest that was printed: a newer one may be on its way.
    counting = {b.copy for b in (band, *by_person.values()) if b is not None}
    shown = {s.kind: s for s in mine if s.kind is not SheetKind.WRISTBAND and s.kind not in LABELS}
    on_wrists = [s for s in mine if s.kind is SheetKind.WRISTBAND and s.copy in counting]
    ordered = [order for kind in LABELS for order in paper.orders.get((row.id, kind), ())]
    again = [paper.orders[key][-1] for key in ((row.id, kind) for kind in _TICKETS) if key in paper.orders]
    patient = people.loaded(row.patient) if row.patient else None
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
        sheets=tuple(SheetRow(s.kind, s.state, s.proof, s.cause, s.copy) for s in (*shown.values(), *on_wrists)),
        band=band,
        orders=tuple(order_row(o, paper.now) for o in again if _is_without_sheet(o, mine)),
        children=tuple(by_person[person] for person in sorted(by_person)),
        labels=labels.labels(ordered, mine, paper.now),
        is_identified=patient is not None,
        has_two_identifiers=people.has_two_identifiers(patient),
        card=paper.cards.get(row.id),
    )


def _bands(check_in_id: UUID, mine: Sequence[Sheet], paper: _Paper) -> dict[int, BandRow]:
    """The band of each person of a visit that counts."""
    printed = {s.copy: s for s in mine if s.kind is SheetKind.WRISTBAND}
    ordered = {order.copy: order for order in paper.orders.get((check_in_id, SheetKind.WRISTBAND), ())}
    by_person: dict[int, list[Band]] = {}
    for band in paper.bands.get(check_in_id, ()):
        by_person.setdefault(band.person, []).append(band)
    rows = {person: band_row(own, printed, ordered.get(own[-1].copy), paper.now) for person, own in by_person.items()}
    return {person: row for person, row in rows.items() if row is not None}


def _is_without_sheet(order: Order, mine: Sequence[Sheet]) -> bool:
    return all((s.kind, s.copy) != (order.kind, order.copy) for s in mine)
