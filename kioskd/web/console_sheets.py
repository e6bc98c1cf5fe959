"""The console's part about sheets of paper: wristbands, labels, copies of tickets. Written against ``hub.sheet_view``.

What needs a second thought is asked first: ``/?ticket=ID&ask=NAME`` shows the question below the person in hand. So it
works as a plain link, and stays while the page is refreshed. ``NAME-2`` asks about the band of the second child.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from kioskd.core.patient import Sex
from kioskd.core.printing import Cause, PrintState, SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub.sheet_view import (
    BandReason,
    BandRow,
    BandState,
    ChildAsSaid,
    LabelRow,
    LabelWish,
    PrinterName,
    TicketReason,
    VoidBand,
)
from kioskd.hub.view import ConsoleView, Desk, DeviceRow, QueueRow, SheetRow
from kioskd.ports import PULSE_KIND

Command = Callable[[UUID, FormData, str], Awaitable[None]]
E = TypeVar("E", bound=StrEnum)

DONE = frozenset(
    {
        "print-band",
        "put-band-on",
        "new-band",
        "ticket-again",
        "came-out",
        "band-not-out",
        "band-for-unknown",
        "band-for-newborn",
        "print-labels",
        "label-not-out",
    }
)
_PRINTABLE = frozenset({BandState.DUE, BandState.NOT_PRINTED})
_REPLACEABLE = frozenset({BandState.PRINTED, BandState.ON})
_TICKETS = frozenset({SheetKind.TICKET, SheetKind.HELP_TICKET})
_ON_ITS_WAY = frozenset({PrintState.QUEUED, PrintState.SENDING, PrintState.SENT})


def commands(desk: Desk) -> Mapping[str, Command]:
    """By the last part of their address, ``/tickets/ID/NAME``."""
    return {
        "print-band": lambda ticket, form, who: desk.sheets.print_band(
            ticket, _number(form, "copy"), _printer(form), who, _is_similar(form)
        ),
        "put-band-on": lambda ticket, form, who: desk.sheets.put_band_on(ticket, _number(form, "copy"), who),
        "came-out": lambda ticket, form, who: desk.sheets.came_out(
            ticket, _one_of(SheetKind, form, "kind"), _number(form, "copy"), who
        ),
        "band-not-out": lambda ticket, form, who: desk.sheets.band_did_not_come_out(
            ticket, _number(form, "copy"), _printer(form), who
        ),
        "new-band": lambda ticket, form, who: desk.sheets.new_band(
            ticket, _number(form, "copy"), _one_of(BandReason, form, "reason"), _printer(form), who, _is_similar(form)
        ),
        "band-for-unknown": lambda ticket, form, who: desk.sheets.band_for_unknown(
            ticket, _text(form, "record-number"), _one_of(Sex, form, "sex"), _printer(form), who
        ),
        "band-for-newborn": lambda ticket, form, who: desk.sheets.band_for_newborn(
            ticket, _child(form), _printer(form), who
        ),
        "print-labels": lambda ticket, form, who: desk.sheets.print_labels(
            ticket, _labels(form), _number(form, "ordered"), _printer(form), who
        ),
        "label-not-out": lambda ticket, form, who: desk.sheets.label_did_not_come_out(
            ticket, _one_of(SheetKind, form, "kind"), _number(form, "copy"), who
        ),
        "ticket-again": lambda ticket, form, who: desk.sheets.print_ticket_again(
            ticket,
            _number(form, "copy"),
            _one_of(TicketReason, form, "reason"),
            _text(form, "words")[:150],
            _printer(form),
            who,
        ),
    }


def context(view: ConsoleView, in_hand: QueueRow | None, ask: str) -> dict[str, Any]:
    """What the templates know about sheets."""
    known = {
        "band_printers": _printers(view, "wristband-printer", staff_side_only=True),
        "label_printers": _printers(view, "label-printer", staff_side_only=True),
        "ticket_printers": _printers(view, "ticket-printer", staff_side_only=False),
    }
    name, band = _asked(ask, in_hand)
    printers = known["label_printers" if name == "print-labels" else "band_printers"]
    may_ask = in_hand is not None and _may_ask(name, in_hand, band, bool(printers))
    return known | {
        "ask": name if may_ask else "",
        "asked_band": band,
        "may_ask": lambda name, printers: in_hand is not None and _may_ask(name, in_hand, None, bool(printers)),
        "band_reasons": tuple(BandReason),
        "ticket_reasons": tuple(TicketReason),
        "label_kinds": (SheetKind.SPECIMEN_LABEL, SheetKind.DOCUMENT_LABEL),
        "sexes": (Sex.FEMALE, Sex.MALE, Sex.UNKNOWN),
        "bands_of": bands_of,
        "ticket_sheet": ticket_sheet,
        "ticket_copy": ticket_copy,
        "may_print_ticket_again": may_print_ticket_again,
        "is_asked": is_asked,
        "is_bad_label": is_bad_label,
        "printer_of": lambda station, name: _printer_row(view, station, name),
        "unknown_sheets": [(r, s) for r in view.rows for s in [*r.sheets, *_labels_of(r)] if is_asked(s)],
        "late_bands": list(_late_bands(view)),
    }


def bands_of(row: QueueRow) -> list[BandRow]:
    """The bands of a visit that count: of who came, and of children that were born."""
    return [*([row.band] if row.band else []), *row.children]


def _late_bands(view: ConsoleView) -> Iterator[tuple[QueueRow, BandRow, VoidBand]]:
    """Void bands that came out although nobody put a newer one in their place by hand."""
    for row in view.rows:
        for band in bands_of(row):
            yield from ((row, band, v) for v in band.void if v.came_out and v.cause is not Cause.REPLACED)


def _asked(ask: str, row: QueueRow | None) -> tuple[str, BandRow | None]:
    """What is asked, and about which band."""
    name, dash, person = ask.rpartition("-")
    if not (dash and len(person) == 1 and person.isascii() and person.isdigit()):
        name, person = ask, "0"
    bands = bands_of(row) if row else []
    return name, next((band for band in bands if band.person == int(person)), None)


def _may_ask(ask: str, row: QueueRow, band: BandRow | None, has_printer: bool) -> bool:
    """Whether a question still fits the state of the person in hand. ``has_printer``: for what it is about."""
    state = band.state if band else None
    match ask:
        case "print-band":
            return state in _PRINTABLE
        case "put-band-on":
            return state is BandState.PRINTED
        case "new-band":
            return state in _REPLACEABLE
        case "ticket-again":
            return may_print_ticket_again(row)
        case "print-labels":
            return has_printer and row.has_two_identifiers
        case "band-for-unknown":
            return has_printer and row.reason is not None and not row.is_identified
        case "band-for-newborn":
            return has_printer and row.is_identified and (row.band is not None or row.reason is not None)
        case _:
            return False


def _labels_of(row: QueueRow) -> list[SheetRow]:
    """The labels of which there is a sheet, of those of one state the first."""
    return [SheetRow(one.kind, one.state, None, one.cause, one.copy) for one in row.labels.rows if one.state]


def is_asked(sheet: SheetRow | LabelRow) -> bool:
    """Whether staff can tell what nobody else can: a sheet of which they have said nothing yet."""
    return sheet.state is PrintState.UNKNOWN and sheet.cause is not Cause.DENIED


def is_bad_label(row: LabelRow) -> bool:
    """Whether it did not come out, or nobody can tell."""
    return row.is_withdrawn or row.state in {PrintState.UNKNOWN, PrintState.EXPIRED}


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


def _number(form: FormData, name: str) -> int:
    text = _text(form, name)
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise HTTPException(400)
    return int(text)


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, ""))[:200].strip()


def _is_similar(form: FormData) -> bool:
    return "is-name-similar" in form


def _labels(form: FormData) -> LabelWish:
    kind = _one_of(SheetKind, form, "kind")
    return LabelWish(kind, _number(form, "count"), _text(form, "title"), _text(form, "code"))


def _child(form: FormData) -> ChildAsSaid:
    """Raises RuleViolation: not every browser lets nothing but a date be typed."""
    try:
        born_at = datetime.strptime(f"{_text(form, 'born-on')} {_text(form, 'born-at')[:5]}", "%Y-%m-%d %H:%M")
    except ValueError:
        raise RuleViolation("born-when", "the date or time of birth is none, such as 2026-11-24 and 08:40") from None
    order, births = _number(form, "birth-order"), _number(form, "births")
    return ChildAsSaid(_text(form, "record-number"), born_at, order, births)


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
