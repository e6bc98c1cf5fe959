"""Labels for specimens and documents: each one an order with a copy number of its own. Inside transactions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from kioskd.core.events import Event
from kioskd.core.printing import Cause, PrintState
from kioskd.errors import RuleViolation
from kioskd.hub import orders, people, sheets
from kioskd.hub.orders import LABELS, Order
from kioskd.hub.sheet_changes import Asked, Done, order
from kioskd.hub.sheet_view import LabelRow, Labels, LabelWish
from kioskd.hub.sheets import Sheet
from kioskd.hub.visits import Visit

RULES = frozenset({"no-identifiers", "labels-ordered", "label-count", "label-text"})

MOST = 10
"""Labels that staff order at one time."""
LONGEST_TEXT = 40


def print_labels(connection: Connection, visit: Visit, wish: LabelWish, ordered: int, asked: Asked) -> Done:
    """Order them. Raises RuleViolation."""
    if not people.has_two_identifiers(visit.patient):
        raise RuleViolation("no-identifiers", f"two identifiers of the person of {visit.label} are not known")
    if wish.kind not in LABELS or not 1 <= wish.count <= MOST:
        raise RuleViolation("label-count", f"1 to {MOST} labels can be ordered at a time")
    title, code = _checked(wish.title), _checked(wish.code)
    known = {kind: orders.of_sheets(connection, visit.check_in_id, kind) for kind in LABELS}
    if sum(map(len, known.values())) != ordered:
        raise RuleViolation("labels-ordered", f"more labels of {visit.label} were ordered meanwhile")
    first = max((one.copy for one in known[wish.kind]), default=0) + 1
    copies = range(first, first + wish.count)
    events = [order(connection, visit, wish.kind, copy, asked, title=title, code=code) for copy in copies]
    detail = {"sheet": str(wish.kind), "copies": f"{first}-{first + wish.count - 1}", "printer": str(asked.printer)}
    return detail, events[:1]  # the station asks for all that is open


def _checked(text: str) -> str:
    text = text.strip()
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise RuleViolation("label-text", f"at most {LONGEST_TEXT} printable characters fit on a label")
    return text


def did_not_come_out(connection: Connection, known: Sheet, now: datetime) -> list[Event]:
    """Staff see none. The state stays UNKNOWN: no machine has proved it."""
    denied = replace(known, cause=Cause.DENIED, at=now)
    sheets.save(connection, denied)
    event = sheets.event_of(denied)
    return [event] if event else []


def labels(ordered: Sequence[Order], printed: Iterable[Sheet], now: datetime) -> Labels:
    """The labels of a visit as the console shows them: those of one state together, those to be asked of alone."""
    by_key = {(sheet.kind, sheet.copy): sheet for sheet in printed if sheet.kind in LABELS}
    rows = [_sheet_row(sheet) for _, sheet in sorted(by_key.items())]
    rows += [_order_row(one, now) for one in ordered if (one.kind, one.copy) not in by_key]
    return Labels(len(ordered), tuple(_together(rows)))


def _sheet_row(sheet: Sheet) -> LabelRow:
    return LabelRow(sheet.kind, sheet.copy, 1, sheet.state, sheet.cause, station=sheet.station)


def _order_row(one: Order, now: datetime) -> LabelRow:
    return LabelRow(one.kind, one.copy, 1, None, None, one.is_withdrawn(now), one.station)


def _together(rows: Iterable[LabelRow]) -> list[LabelRow]:
    found: dict[tuple[object, ...], LabelRow] = {}
    for row in rows:
        is_asked = row.state is PrintState.UNKNOWN and row.cause is not Cause.DENIED
        key = (row.kind, row.state, row.cause, row.is_withdrawn, row.station, row.copy if is_asked else 0)
        seen = found.get(key)
        found[key] = replace(seen, count=seen.count + 1) if seen else row
    return list(found.values())
