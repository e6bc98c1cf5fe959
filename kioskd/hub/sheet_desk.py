"""What staff do about sheets: bands, labels, copies of tickets. Implements ``hub.sheet_view.SheetDesk``.

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
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from kioskd.core.events import Event, WristbandPutOn
from kioskd.core.patient import Sex
from kioskd.core.printing import BEGIN_WITHIN, Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub import bands, devices, labels, orders, sheets, unnamed, visits
from kioskd.hub.bands import Says
from kioskd.hub.sheet_changes import Asked, Done, in_its_place, order, order_new_band, void
from kioskd.hub.sheet_view import BandReason, BandState, ChildAsSaid, LabelWish, PrinterName, TicketReason
from kioskd.hub.sheets import Sheet
from kioskd.hub.tables import audit
from kioskd.hub.visits import BandInHand, Visit
from kioskd.news import News
from kioskd.store import AuditEntry, Store
from kioskd.store import audit as audit_chain

RULES = (
    frozenset(
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
    | labels.RULES
    | unnamed.RULES
)
"""Why a command is refused."""

FIRST_STAFF_COPY = 101
"""Copies of a ticket that staff ask for are counted from here; a kiosk counts its own from 2, perhaps meanwhile."""


class StaffSheets:
    """See the module. ``clock`` gives aware UTC; staff say times on the clock of ``zone``."""

    def __init__(self, store: Store, news: News, clock: Callable[[], datetime], zone: ZoneInfo) -> None:
        self._store = store
        self._news = news
        self._clock = clock
        self._zone = zone

    async def print_band(
        self, ticket_id: UUID, copy: int, printer: PrinterName, staff: str, is_name_similar: bool | None = None
    ) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            held = visits.band_in_hand(connection, visit, copy, now)
            _must_be_printable(visit, held)
            asked, says = Asked(printer, staff, now), _wanted(connection, held, is_name_similar)
            if not _may_still_be_that_one(connection, visit, held, printer, says):
                if held.sheet is None:
                    void(connection, held, printer, None, now)
                return order_new_band(connection, visit, says, held.band.person, asked)
            bands.mark(connection, held.band, says.is_name_similar)
            event = order(connection, visit, SheetKind.WRISTBAND, held.band.copy, asked)
            return {"band": str(held.band.number), "printer": str(printer)}, [event]

        await self._do(ticket_id, "print-band", staff, change)

    async def band_for_unknown(
        self, ticket_id: UUID, record_number: str, sex: Sex, printer: PrinterName, staff: str
    ) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            asked = Asked(printer, staff, now)
            return unnamed.band_for_unknown(connection, visit, record_number, sex, asked)

        await self._do(ticket_id, "band-for-unknown", staff, change)

    async def band_for_newborn(self, ticket_id: UUID, child: ChildAsSaid, printer: PrinterName, staff: str) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            return unnamed.band_for_newborn(connection, visit, child, self._zone, Asked(printer, staff, now))

        await self._do(ticket_id, "band-for-newborn", staff, change)

    async def print_labels(
        self, ticket_id: UUID, wish: LabelWish, ordered: int, printer: PrinterName, staff: str
    ) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            return labels.print_labels(connection, visit, wish, ordered, Asked(printer, staff, now))

        await self._do(ticket_id, "print-labels", staff, change)

    async def label_did_not_come_out(self, ticket_id: UUID, kind: SheetKind, copy: int, staff: str) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            known = _unknown(connection, visit, kind, copy)
            if kind not in orders.LABELS or known.cause is Cause.DENIED:
                raise RuleViolation("settled", "somebody has answered this already")
            return {"sheet": kind, "copy": str(copy)}, labels.did_not_come_out(connection, known, now)

        await self._do(ticket_id, "label-not-out", staff, change)

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
            says = bands.says_of(connection, held.band)
            return in_its_place(connection, visit, held, Cause.DENIED, Asked(printer, staff, now), says)

        await self._do(ticket_id, "band-not-out", staff, change)

    async def new_band(
        self,
        ticket_id: UUID,
        copy: int,
        reason: BandReason,
        printer: PrinterName,
        staff: str,
        is_name_similar: bool | None = None,
    ) -> None:
        def change(connection: Connection, visit: Visit, now: datetime) -> Done:
            held = visits.band_in_hand(connection, visit, copy, now)
            if held.row.state not in {BandState.PRINTED, BandState.ON}:
                raise RuleViolation("band-not-printed", "only a band that came out can be replaced")
            says = _wanted(connection, held, is_name_similar)
            return in_its_place(connection, visit, held, Cause.REPLACED, Asked(printer, staff, now), says, reason)

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
            event = order(connection, visit, visit.ticket_kind, new, Asked(printer, staff, now), why)
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


def _wanted(connection: Connection, held: BandInHand, is_name_similar: bool | None) -> Says:
    """What the band in hand says, with or without the warning of a similar name; None: as it is."""
    says = bands.says_of(connection, held.band)
    if is_name_similar is None or says.patient is None:
        return says
    return replace(says, is_name_similar=is_name_similar)


def _may_still_be_that_one(
    connection: Connection, visit: Visit, held: BandInHand, printer: PrinterName, says: Says
) -> bool:
    """Whether nobody else can print this number: see the module. A kiosk that can prints it as it was."""
    if held.row.state is not BandState.DUE:
        return False
    is_as_it_was = says.is_name_similar == held.band.is_name_similar
    is_its_own = printer.station == visit.station and is_as_it_was
    return is_its_own or not visits.has_printer(connection, visit.station, SheetKind.WRISTBAND)


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
    last = ordered[-1] if ordered else None
    newest = max(known.copy if known else 0, last.copy if last else 0)
    if last is not None and last.is_open(now):
        raise RuleViolation("ticket-ordered", f"{last.ordered_by} has ordered this ticket again already")
    if newest != copy:
        raise RuleViolation("other-sheet", f"another ticket of {visit.label} was made meanwhile")
    if known is not None and known.copy == newest:
        if known.state in {PrintState.QUEUED, PrintState.SENDING, PrintState.SENT}:
            raise RuleViolation("ticket-printing", f"the ticket of {visit.label} is at its printer")
        return known
    if last is None and abs(now - visit.committed_at) < BEGIN_WITHIN:
        raise RuleViolation("ticket-printing", f"the kiosk has only just begun to print the ticket of {visit.label}")
    if last is not None:
        orders.withdraw(connection, last, now)
    return None
