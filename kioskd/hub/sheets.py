"""What the hub knows of each sheet: reports of stations and answers of staff, and which of them counts.

A station says how its job is, again and again: after a restart and after the hub was away it says everything once
more, and what it said earlier may arrive later. Staff say what they saw. So the hub, not the station, is the one who
knows, and these rules decide whatever the order of arrival:

* What staff settled (PRINTED with the proof STAFF, or VOID) stays. The answer is not sent back to the station: its job
  stays UNKNOWN there, which makes it do nothing, and when it says so again that changes nothing here.
* A sheet that a machine proved PRINTED stays PRINTED.
* So does their word that a ticket did not come out (UNKNOWN with the cause DENIED), until a machine proves that it did.
* A sheet that is over does not wait again, nor is it being printed again.
* Proof that a VOID band came out after all is noted beside its state: somebody must destroy it.
* Everything else is as it was said last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from kioskd.core.events import Event, SheetNotPrinted, SheetPrinted, SheetUnknown
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.hub import devices
from kioskd.hub.tables import sheet, ticket
from kioskd.ports import PrintReport

_OVER = frozenset({PrintState.PRINTED, PrintState.UNKNOWN, PrintState.EXPIRED, PrintState.VOID})


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet as the hub knows it."""

    check_in_id: UUID
    kind: SheetKind
    copy: int
    state: PrintState
    proof: ProofKind | None
    cause: Cause | None
    at: datetime
    station: str = ""
    device: str = ""


def settle(known: Sheet | None, said: Sheet) -> Sheet:
    """What is known of a sheet after a station ``said`` how it is. See the module for the rules."""
    if known is None:
        return said
    if known.state is PrintState.VOID:
        is_news = said.state is PrintState.PRINTED and said.proof is not ProofKind.STAFF and known.proof is None
        return replace(known, proof=said.proof or ProofKind.NONE) if is_news else known
    if known.state is PrintState.PRINTED:
        return known
    if known.cause is Cause.DENIED and said.state is PrintState.UNKNOWN:
        return known
    if known.state in _OVER and said.state not in _OVER:
        return known
    return said


def report(connection: Connection, told: PrintReport) -> Event | None:
    """Take a station's report; what pages are told of it, or None when it is nothing new for anybody."""
    known = load(connection, told.check_in_id, told.kind, told.copy)
    said = Sheet(
        told.check_in_id,
        told.kind,
        told.copy,
        told.state,
        told.proof,
        told.cause,
        told.at,
        told.station,
        told.device,
    )
    settled = settle(known, said)
    if known is not None and _is_same(known, settled):
        return None
    if settled.proof is not None and (known is None or known.proof is None):
        devices.sheet_came_out(connection, settled.station, settled.device)
    save(connection, settled)
    return event_of(settled)


def save(connection: Connection, changed: Sheet) -> None:
    """Write a sheet, new or known."""
    where = _is(changed.check_in_id, changed.kind, changed.copy)
    key = {name: getattr(changed, name) for name in ("check_in_id", "kind", "copy")}
    values = {name: getattr(changed, name) for name in ("state", "proof", "cause", "at", "station", "device")}
    # Changed in its place: who waits for its lock then sees what was written.
    if connection.execute(update(sheet).where(where).values(values)).rowcount == 0:
        connection.execute(insert(sheet).values(key | values))


def load(connection: Connection, check_in_id: UUID, kind: SheetKind, copy: int) -> Sheet | None:
    """One sheet. Its row is locked until the end of a transaction that writes: hubs may share one PostgreSQL."""
    query = select(sheet).where(_is(check_in_id, kind, copy)).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else _sheet(row)


def newest(connection: Connection, check_in_id: UUID, kind: SheetKind) -> Sheet | None:
    """The newest copy of a kind of sheet for a check-in."""
    mine = (sheet.c.check_in_id == check_in_id) & (sheet.c.kind == kind)
    row = connection.execute(select(sheet).where(mine).order_by(sheet.c.copy.desc()).limit(1)).one_or_none()
    return None if row is None else _sheet(row)


def of_day(connection: Connection, day: date) -> dict[UUID, list[Sheet]]:
    """All sheets of a business day's check-ins, by kind and copy."""
    query = select(sheet).join(ticket, ticket.c.check_in_id == sheet.c.check_in_id).where(ticket.c.business_day == day)
    found: dict[UUID, list[Sheet]] = {}
    for row in connection.execute(query.order_by(sheet.c.kind, sheet.c.copy)):
        found.setdefault(row.check_in_id, []).append(_sheet(row))
    return found


def event_of(changed: Sheet) -> Event | None:
    """What pages are told of a changed sheet."""
    at, check_in_id, kind = changed.at, changed.check_in_id, changed.kind
    printer = (changed.station, changed.device)
    match changed.state:
        case PrintState.PRINTED:
            return SheetPrinted(at, check_in_id, kind, changed.proof or ProofKind.NONE, *printer)
        case PrintState.UNKNOWN:
            return SheetUnknown(at, check_in_id, kind, changed.cause or Cause.NOT_CONFIRMED, *printer)
        case PrintState.EXPIRED | PrintState.VOID:
            return SheetNotPrinted(at, check_in_id, kind, changed.cause, True, *printer)
        case PrintState.QUEUED if changed.cause is not None:
            return SheetNotPrinted(at, check_in_id, kind, changed.cause, False, *printer)
        case _:
            return None


def _is_same(known: Sheet, settled: Sheet) -> bool:
    """Nothing that anybody sees has changed."""
    return (known.state, known.cause, known.proof, known.device) == (
        settled.state,
        settled.cause,
        settled.proof,
        settled.device,
    )


def _is(check_in_id: UUID, kind: SheetKind, copy: int) -> Any:
    return (sheet.c.check_in_id == check_in_id) & (sheet.c.kind == kind) & (sheet.c.copy == copy)


def _sheet(row: Row[Any]) -> Sheet:
    return Sheet(
        row.check_in_id,
        SheetKind(row.kind),
        row.copy,
        PrintState(row.state),
        ProofKind(row.proof) if row.proof else None,
        Cause(row.cause) if row.cause else None,
        row.at,
        row.station,
        row.device,
    )
