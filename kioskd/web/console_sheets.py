"""The console's part about sheets of paper: wristbands and copies of tickets. Written against ``hub.sheet_view``.

What needs a second thought is asked first: ``/?ticket=ID&ask=NAME`` shows the question below the person in hand. So it
works as a plain link, and stays while the page is refreshed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from kioskd.core.printing import Cause, PrintState, SheetKind
from kioskd.hub.sheet_view import BandReason, BandState, PrinterName, TicketReason
from kioskd.hub.view import ConsoleView, Desk, DeviceRow, QueueRow, SheetRow
from kioskd.ports import PULSE_KIND

Command = Callable[[UUID, FormData, str], Awaitable[None]]
E = TypeVar("E", bound=StrEnum)

ASKED = frozenset({"print-band", "put-band-on", "new-band", "ticket-again"})
"""What can be asked before it is done."""
DONE = frozenset({"print-band", "put-band-on", "new-band", "ticket-again", "came-out", "band-not-out"})
_PRINTABLE = frozenset({BandState.DUE, BandState.NOT_PRINTED})
_REPLACEABLE = frozenset({BandState.PRINTED, BandState.ON})
_TICKETS = frozenset({SheetKind.TICKET, SheetKind.HELP_TICKET})
_ON_ITS_WAY = frozenset({PrintState.QUEUED, PrintState.SENDING, PrintState.SENT})


def commands(desk: Desk) -> Mapping[str, Command]:
    """By the last part of their address, ``/tickets/ID/NAME``."""
    return {
        "print-band": lambda ticket, form, who: desk.sheets.print_band(ticket, _copy(form), _printer(form), who),
        "put-band-on": lambda ticket, form, who: desk.sheets.put_band_on(ticket, _copy(form), who),
        "came-out": lambda ticket, form, who: desk.sheets.came_out(
            ticket, _one_of(SheetKind, form, "kind"), _copy(form), who
        ),
        "band-not-out": lambda ticket, form, who: desk.sheets.band_did_not_come_out(
            ticket, _copy(form), _printer(form), who
        ),
        "new-band": lambda ticket, form, who: desk.sheets.new_band(
            ticket, _copy(form), _one_of(BandReason, form, "reason"), _printer(form), who
        ),
        "ticket-again": lambda ticket, form, who: desk.sheets.print_ticket_again(
            ticket,
            _copy(form),
            _one_of(TicketReason, form, "reason"),
            str(form.get("words", ""))[:150],
            _printer(form),
            who,
        ),
    }


def context(view: ConsoleView, in_hand: QueueRow | None, ask: str) -> dict[str, Any]:
    """What the templates know about sheets."""
    return {
        "ask": ask if in_hand is not None and _may_ask(ask, in_hand) else "",
        "band_printers": _printers(view, "wristband-printer", staff_side_only=True),
        "ticket_printers": _printers(view, "ticket-printer", staff_side_only=False),
        "band_reasons": tuple(BandReason),
        "ticket_reasons": tuple(TicketReason),
        "ticket_sheet": ticket_sheet,
        "ticket_copy": ticket_copy,
        "may_print_ticket_again": may_print_ticket_again,
        "is_asked": is_asked,
        "printer_of": lambda station, name: _printer_row(view, station, name),
        "unknown_sheets": [(r, s) for r in view.rows for s in r.sheets if is_asked(s)],
        "late_bands": [
            (r, v) for r in view.rows if r.band for v in r.band.void if v.came_out and v.cause is not Cause.REPLACED
        ],
    }


def _may_ask(ask: str, row: QueueRow) -> bool:
    """Whether a question still fits the state of the person in hand."""
    state = row.band.state if row.band else None
    match ask:
        case "print-band":
            return state in _PRINTABLE
        case "put-band-on":
            return state is BandState.PRINTED
        case "new-band":
            return state in _REPLACEABLE
        case "ticket-again":
            return may_print_ticket_again(row)
        case _:
            return False


def is_asked(sheet: SheetRow) -> bool:
    """Whether staff can tell what nobody else can: a sheet of which they have said nothing yet."""
    return sheet.state is PrintState.UNKNOWN and sheet.cause is not Cause.DENIED


def ticket_sheet(row: QueueRow) -> SheetRow | None:
    """The newest ticket of a visit, as far as the hub has heard of it."""
    return next((s for s in row.sheets if s.kind in _TICKETS), None)


def ticket_copy(row: QueueRow) -> int:
    """The newest copy of the ticket, printed or ordered; 0: none."""
    sheet = ticket_sheet(row)
    return max([sheet.copy if sheet else 0, *(o.copy for o in row.orders)])


def may_print_ticket_again(row: QueueRow) -> bool:
    """Whether no ticket is on its way. What is on its way without the hub's knowing is refused by the command."""
    sheet = ticket_sheet(row)
    is_ordered = any(not order.is_withdrawn for order in row.orders)
    return not is_ordered and (sheet is None or sheet.state not in _ON_ITS_WAY)


def _printers(view: ConsoleView, kind: str, *, staff_side_only: bool) -> list[DeviceRow]:
    """Those that work first, and among them those that staff can reach; bands elsewhere only where there is none."""
    silent = {d.station for d in view.devices if d.kind == PULSE_KIND and d.state == "unavailable"}
    found = [d for d in view.devices if d.kind == kind and d.state != "disabled"]
    found = [replace(d, state="unavailable") if d.station in silent else d for d in found]
    at_desk = [d for d in found if d.is_staff_side]
    if staff_side_only and at_desk:
        found = at_desk
    return sorted(found, key=lambda d: (d.state != "ready", not d.is_staff_side, d.station, d.device))


def _printer_row(view: ConsoleView, station: str, name: str) -> DeviceRow | None:
    return next((d for d in view.devices if (d.station, d.device) == (station, name)), None)


def _copy(form: FormData) -> int:
    text = str(form.get("copy", ""))
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise HTTPException(400)
    return int(text)


def _printer(form: FormData) -> PrinterName:
    station, slash, device = str(form.get("printer", "")).partition("/")
    if not (station and slash and device):
        raise HTTPException(400)
    return PrinterName(station, device)


def _one_of(kind: type[E], form: FormData, name: str) -> E:
    try:
        return kind(str(form.get(name, "")))
    except ValueError:
        raise HTTPException(400) from None
