"""Print orders of staff in hub.db: placed by a command, asked for by the station, taken or withdrawn.

An order is open until a report of its sheet came (``taken``) or ``BEGIN_WITHIN`` is over: then the person may be gone,
and it is withdrawn. A station whose report of having taken it comes even later is believed: the sheet's own state
counts from then on. Runs inside transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, insert, select, update

from kioskd.core.printing import BEGIN_WITHIN, SheetKind
from kioskd.hub import bands, people
from kioskd.hub.rules import SiteRules
from kioskd.hub.tables import check_in, print_order, ticket
from kioskd.ports import CheckInReply, HelpReply, PrintOrder, PrintReport

MOST_AT_ONCE = 20
"""Open orders that a station is told at one time; the rest follows when it asks again."""
LABELS = frozenset({SheetKind.SPECIMEN_LABEL, SheetKind.DOCUMENT_LABEL})


@dataclass(frozen=True, slots=True)
class Order:
    """What staff asked a station to print. ``device``: empty for the station's own printer of this kind."""

    id: UUID
    station: str
    device: str
    check_in_id: UUID
    kind: SheetKind
    copy: int
    ordered_at: datetime
    ordered_by: str
    reason: str = ""
    title: str = ""
    """What a label is for, and its barcode where that is not the record number."""
    code: str = ""
    taken_at: datetime | None = None
    withdrawn_at: datetime | None = None

    def is_withdrawn(self, now: datetime) -> bool:
        """Whether no station took it in time. A clock that was set wrong keeps no order open for hours."""
        return self.withdrawn_at is not None or (self.taken_at is None and abs(now - self.ordered_at) >= BEGIN_WITHIN)

    def is_open(self, now: datetime) -> bool:
        return self.taken_at is None and not self.is_withdrawn(now)


def place(connection: Connection, order: Order) -> None:
    """Commit an order; one with the same check-in, kind and copy must not be there."""
    connection.execute(
        insert(print_order).values(
            id=order.id,
            station=order.station,
            device=order.device,
            check_in_id=order.check_in_id,
            kind=order.kind,
            copy=order.copy,
            ordered_at=order.ordered_at,
            ordered_by=order.ordered_by,
            reason=order.reason[:200],
            title=order.title,
            code=order.code,
        )
    )


def test_order(station: str, device: str, staff: str, now: datetime) -> Order:
    """A self-test of a printer: it is its own check-in."""
    order_id = uuid4()
    return Order(order_id, station, device, order_id, SheetKind.TEST, 1, now, staff)


def find(connection: Connection, check_in_id: UUID, kind: SheetKind, copy: int) -> Order | None:
    """The order of one sheet."""
    row = connection.execute(select(print_order).where(_sheet_is(check_in_id, kind, copy))).one_or_none()
    return None if row is None else _order(row)


def of_sheets(connection: Connection, check_in_id: UUID, kind: SheetKind) -> Sequence[Order]:
    """All orders of a kind of sheet for a check-in, oldest copy first."""
    mine = (print_order.c.check_in_id == check_in_id) & (print_order.c.kind == kind)
    return [_order(row) for row in connection.execute(select(print_order).where(mine).order_by(print_order.c.copy))]


def of_day(connection: Connection, day: date) -> dict[tuple[UUID, SheetKind], list[Order]]:
    """The orders of each kind of sheet for the check-ins of a business day, oldest copy first."""
    query = select(print_order).join(ticket, ticket.c.check_in_id == print_order.c.check_in_id)
    found: dict[tuple[UUID, SheetKind], list[Order]] = {}
    for row in connection.execute(query.where(ticket.c.business_day == day).order_by(print_order.c.copy)):
        found.setdefault((row.check_in_id, SheetKind(row.kind)), []).append(_order(row))
    return found


def withdraw(connection: Connection, order: Order, now: datetime) -> None:
    """Nobody took it; another one takes its place."""
    connection.execute(update(print_order).where(print_order.c.id == order.id).values(withdrawn_at=now))


def taken(connection: Connection, report: PrintReport, now: datetime) -> None:
    """A station reported the sheet of an order: it has it."""
    mine = _sheet_is(report.check_in_id, report.kind, report.copy)
    if report.order_id is not None:
        mine |= print_order.c.id == report.order_id
    connection.execute(update(print_order).where(mine, print_order.c.taken_at.is_(None)).values(taken_at=now))


def open_orders(connection: Connection, rules: SiteRules, station: str, now: datetime) -> Sequence[PrintOrder]:
    """What a station is asked to print, whole, oldest first."""
    query = select(print_order).where(
        print_order.c.station == station,
        print_order.c.taken_at.is_(None),
        print_order.c.withdrawn_at.is_(None),
        print_order.c.ordered_at > now - BEGIN_WITHIN,
        print_order.c.ordered_at < now + BEGIN_WITHIN,
    )
    rows = connection.execute(query.order_by(print_order.c.ordered_at, print_order.c.id).limit(MOST_AT_ONCE)).all()
    return [_whole(connection, rules, _order(row)) for row in rows]


def _whole(connection: Connection, rules: SiteRules, order: Order) -> PrintOrder:
    """An order with all that its sheet says."""
    query = (
        select(
            check_in.c.language,
            check_in.c.arrived_at,
            check_in.c.practitioner,
            check_in.c.patient,
            ticket.c.series,
            ticket.c.number,
            ticket.c.area,
        )
        .join(ticket, ticket.c.check_in_id == check_in.c.id)
        .where(check_in.c.id == order.check_in_id)
    )
    row = connection.execute(query).one_or_none()
    band = bands.load(connection, order.check_in_id, order.copy) if order.kind is SheetKind.WRISTBAND else None
    says = bands.says_of(connection, band) if band else bands.Says()
    if row is not None and row.patient and order.kind in LABELS:
        says = bands.Says(people.loaded(row.patient))
    said: CheckInReply | HelpReply | None = None
    if row is not None and order.kind is SheetKind.TICKET:
        label, name = f"{row.series}{row.number}", rules.name_of(row.area)
        said = CheckInReply(order.check_in_id, label, row.area, name, row.arrived_at, False, None, "", row.practitioner)
    elif row is not None and order.kind is SheetKind.HELP_TICKET:
        said = HelpReply(order.check_in_id, f"{row.series}{row.number}", row.arrived_at)
    return PrintOrder(
        order.id,
        order.station,
        order.device,
        order.check_in_id,
        order.kind,
        order.copy,
        order.ordered_at,
        row.language if row is not None else "",
        said,
        says.patient,
        band.number if band else None,
        says.is_name_similar,
        says.unnamed,
        says.record_number,
        order.title,
        order.code,
    )


def _sheet_is(check_in_id: UUID, kind: SheetKind, copy: int) -> Any:
    columns = print_order.c
    return (columns.check_in_id == check_in_id) & (columns.kind == kind) & (columns.copy == copy)


def _order(row: Row[Any]) -> Order:
    return Order(
        row.id,
        row.station,
        row.device,
        row.check_in_id,
        SheetKind(row.kind),
        row.copy,
        row.ordered_at,
        row.ordered_by,
        row.reason,
        row.title,
        row.code,
        row.taken_at,
        row.withdrawn_at,
    )
