"""What staff do about sheets: bands and copies of tickets. Implements ``hub.sheet_view.SheetDesk``.

Every command is one transaction: what it changes, its print order and its audit entry; the events go to pages and to
the station after the commit. Two people who press at once are one order: the second one is told what the first did.

A band number (GS1 AI 8019) stands on one piece of plastic at most. So a band that staff ask for gets a new number
unless the old one can't have been printed by anybody: its check-in's own station is asked, which makes one job of one
copy, or that station has no printer for bands. What comes out late all the same is void, and the console says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from kioskd.core.events import Event, PrintOrdered, WristbandPutOn
from kioskd.core.printing import BEGIN_WITHIN, Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub import bands, devices, orders, sheets, visits
from kioskd.hub.orders import Order
from kioskd.hub.sheet_view import BandReason, BandState, PrinterName, TicketReason
from kioskd.hub.sheets import Sheet
from kioskd.hub.tables import audit
from kioskd.hub.visits import BandInHand, Visit
from kioskd.news import News
from kioskd.store import AuditEntry, Store
from kioskd.store import audit as audit_chain

RULES = frozenset(
    {
        "unknown-ticket",
        "unknown-printer",
        "no-band",
        "other-band",
        "band-ordered",
        "band-printed",
        "band-not-printed",
        "band-on",
        "settled",
        "other-sheet",
        "ticket-ordered",
        "ticket-printing",
    }
)
"""Why a command is refused."""

FIRST_STAFF_COPY = 101
"""Copies of a ticket that staff ask for are counted from here; a kiosk counts its own from 2, perhaps meanwhile."""

Done = tuple[dict[str, str], list[Event]]
"""What a command tells the audit trail, and what it tells pages."""


class StaffSheets:
    """See the module. ``clock`` gives aware UTC."""

    def __init__(self, store: Store, news: News, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._news = news
        self._clock = clock

    async def print_band(self, ticket_id: UUID, copy: int, printer: PrinterName, staff: str) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            held = visits.band_in_hand(connection, visit, copy, now)
            _must_be_printable(visit, held)
            band = held.band
            if not _may_still_be_that_one(connection, visit, held, printer):
                if held.sheet is None:
                    _void(connection, held, printer, None, now)
                band = bands.make(connection, visit.check_in_id, bands.patient_of(connection, band))
            event = _order(connection, visit, SheetKind.WRISTBAND, band.copy, printer, staff, "", now)
            return {"band": str(band.number), "printer": str(printer)}, [event]

        await self._do(ticket_id, "print-band", staff, change)

    async def put_band_on(self, ticket_id: UUID, copy: int, staff: str) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            held = visits.band_in_hand(connection, visit, copy, now)
            if held.row.state is BandState.ON:
                raise RuleViolation("band-on", f"{held.row.put_on_by} has put this band on already")
            if held.row.state is not BandState.PRINTED:
                raise RuleViolation("band-not-printed", "only a band that came out can be put on")
            bands.put_on(connection, held.band, staff, now)
            return {"band": str(held.band.number)}, [WristbandPutOn(now, visit.check_in_id)]

        await self._do(ticket_id, "band-put-on", staff, change)

    async def came_out(self, ticket_id: UUID, kind: SheetKind, copy: int, staff: str) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            known = _unknown(connection, visit, kind, copy)
            seen = replace(known, state=PrintState.PRINTED, proof=ProofKind.STAFF, cause=None, at=now)
            sheets.save(connection, seen)
            devices.sheet_came_out(connection, seen.station, seen.device)
            event = sheets.event_of(seen)
            return {"sheet": kind, "copy": str(copy)}, [event] if event else []

        await self._do(ticket_id, "sheet-came-out", staff, change)

    async def band_did_not_come_out(self, ticket_id: UUID, copy: int, printer: PrinterName, staff: str) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            _unknown(connection, visit, SheetKind.WRISTBAND, copy)
            held = visits.band_in_hand(connection, visit, copy, now)
            return _in_its_place(connection, visit, held, Cause.DENIED, printer, staff, "", now)

        await self._do(ticket_id, "band-not-out", staff, change)

    async def new_band(self, ticket_id: UUID, copy: int, reason: BandReason, printer: PrinterName, staff: str) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            held = visits.band_in_hand(connection, visit, copy, now)
            if held.row.state not in {BandState.PRINTED, BandState.ON}:
                raise RuleViolation("band-not-printed", "only a band that came out can be replaced")
            return _in_its_place(connection, visit, held, Cause.REPLACED, printer, staff, reason, now)

        await self._do(ticket_id, "new-band", staff, change)

    async def print_ticket_again(
        self, ticket_id: UUID, copy: int, reason: TicketReason, words: str, printer: PrinterName, staff: str
    ) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            known = _ticket_that_may_be_printed_again(connection, visit, copy, now)
            if known is not None and known.state is PrintState.UNKNOWN and reason is TicketReason.NOT_OUT:
                sheets.save(connection, replace(known, cause=Cause.DENIED, at=now))
            new = max(copy + 1, FIRST_STAFF_COPY)
            why = f"{reason}: {words.strip()}" if words.strip() else str(reason)
            event = _order(connection, visit, visit.ticket_kind, new, printer, staff, why, now)
            return {"copy": str(new), "reason": why[:200], "printer": str(printer)}, [event]

        await self._do(ticket_id, "ticket-again", staff, change)

    async def _do(
        self, ticket_id: UUID, action: str, staff: str, change: Callable[[Connection, Visit, datetime], Done]
    ) -> None:
        now = self._clock()

        def transact(connection: Connection) -> list[Event]:
            visit = visits.visit(connection, ticket_id)
            detail, events = change(connection, visit, now)
            entry = AuditEntry(f"staff:{staff}", action, f"ticket/{ticket_id}", now, {"ticket": visit.label} | detail)
            audit_chain.append(connection, audit, entry)
            return events

        self._news.publish(*await self._store.write(transact))


def _must_be_printable(visit: Visit, held: BandInHand) -> None:
    """Raises RuleViolation unless the band is due or was not printed."""
    row = held.row
    if row.state in {BandState.DUE, BandState.NOT_PRINTED}:
        return
    if row.state is BandState.ORDERED and row.order is not None:
        raise RuleViolation("band-ordered", f"{row.order.ordered_by} has ordered this band already")
    if row.state in {BandState.WAITING, BandState.PRINTING}:
        raise RuleViolation("band-ordered", f"the band of {visit.label} is at its printer already")
    raise RuleViolation("band-printed", f"band {row.number} of {visit.label} came out, or may have come out")


def _may_still_be_that_one(connection: Connection, visit: Visit, held: BandInHand, printer: PrinterName) -> bool:
    """Whether nobody else can print this number: see the module."""
    if held.row.state is not BandState.DUE:
        return False
    is_its_own = printer.station == visit.station
    return is_its_own or not visits.has_printer(connection, visit.station, SheetKind.WRISTBAND)


def _in_its_place(
    connection: Connection,
    visit: Visit,
    held: BandInHand,
    cause: Cause,
    printer: PrinterName,
    staff: str,
    reason: str,
    now: datetime,
) -> Done:
    """The band in hand is void, and a new one is ordered."""
    _void(connection, held, printer, cause, now)
    new = bands.make(connection, visit.check_in_id, bands.patient_of(connection, held.band))
    event = _order(connection, visit, SheetKind.WRISTBAND, new.copy, printer, staff, reason, now)
    detail = {"void": str(held.band.number), "band": str(new.number), "printer": str(printer)}
    return detail | ({"reason": reason} if reason else {}), [event]


def _void(connection: Connection, held: BandInHand, printer: PrinterName, cause: Cause | None, now: datetime) -> None:
    """A band that does not count any more; its proof stays: who has it in hand must destroy it."""
    band, known = held.band, held.sheet
    if known is None:
        known = Sheet(
            band.check_in_id, SheetKind.WRISTBAND, band.copy, PrintState.VOID, None, cause, now, printer.station
        )
    sheets.save(connection, replace(known, state=PrintState.VOID, cause=cause, at=now))
    if held.order is not None and held.order.taken_at is None:
        orders.withdraw(connection, held.order, now)


def _unknown(connection: Connection, visit: Visit, kind: SheetKind, copy: int) -> Sheet:
    """A sheet of which nobody can tell yet. Raises RuleViolation."""
    known = sheets.load(connection, visit.check_in_id, kind, copy)
    if known is None:
        raise RuleViolation("other-sheet", f"{visit.label} has no such sheet")
    if known.state is not PrintState.UNKNOWN:
        raise RuleViolation("settled", f"it is known by now how this sheet is: {known.state}")
    return known


def _ticket_that_may_be_printed_again(connection: Connection, visit: Visit, copy: int, now: datetime) -> Sheet | None:
    """The newest ticket, which a page showed as ``copy`` (0: none), if none is on its way. Raises RuleViolation."""
    known = sheets.newest(connection, visit.check_in_id, visit.ticket_kind)
    ordered = orders.of_sheets(connection, visit.check_in_id, visit.ticket_kind)
    order = ordered[-1] if ordered else None
    newest = max(known.copy if known else 0, order.copy if order else 0)
    if order is not None and order.is_open(now):
        raise RuleViolation("ticket-ordered", f"{order.ordered_by} has ordered this ticket again already")
    if newest != copy:
        raise RuleViolation("other-sheet", f"another ticket of {visit.label} was made meanwhile")
    if known is not None and known.copy == newest:
        if known.state in {PrintState.QUEUED, PrintState.SENDING, PrintState.SENT}:
            raise RuleViolation("ticket-printing", f"the ticket of {visit.label} is at its printer")
        return known
    if order is None and abs(now - visit.committed_at) < BEGIN_WITHIN:
        raise RuleViolation("ticket-printing", f"the kiosk has only just begun to print the ticket of {visit.label}")
    if order is not None:
        orders.withdraw(connection, order, now)
    return None


def _order(
    connection: Connection,
    visit: Visit,
    kind: SheetKind,
    copy: int,
    printer: PrinterName,
    staff: str,
    reason: str,
    now: datetime,
) -> Event:
    visits.must_have_printer(connection, printer, kind)
    order = Order(uuid4(), printer.station, printer.device, visit.check_in_id, kind, copy, now, staff, reason)
    orders.place(connection, order)
    return PrintOrdered(now, printer.station, visit.check_in_id, kind)
