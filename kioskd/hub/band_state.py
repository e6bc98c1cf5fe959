"""How a wristband is: what a receptionist is told follows from what is stored. Pure.

Four things are stored: the band itself, the report of its sheet, the order of staff, and who put it on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from kioskd.core.printing import PrintState
from kioskd.hub.bands import Band
from kioskd.hub.orders import Order
from kioskd.hub.sheet_view import BandRow, BandState, OrderRow, VoidBand
from kioskd.hub.sheets import Sheet

_STATES = {
    PrintState.QUEUED: BandState.WAITING,
    PrintState.SENDING: BandState.PRINTING,
    PrintState.SENT: BandState.PRINTING,
    PrintState.PRINTED: BandState.PRINTED,
    PrintState.UNKNOWN: BandState.UNKNOWN,
    PrintState.EXPIRED: BandState.NOT_PRINTED,
    PrintState.VOID: BandState.NOT_PRINTED,
}


def order_row(order: Order, now: datetime) -> OrderRow:
    """An order as the console shows it."""
    is_withdrawn = order.is_withdrawn(now)
    return OrderRow(
        order.kind, order.copy, order.station, order.device, order.ordered_at, order.ordered_by, is_withdrawn
    )


def band_row(bands: Sequence[Band], sheets: Mapping[int, Sheet], order: Order | None, now: datetime) -> BandRow | None:
    """The band that counts: the last of ``bands``, all of one person. ``sheets`` by copy; ``order``: of a band."""
    if not bands:
        return None
    band = bands[-1]
    sheet = sheets.get(band.copy)
    mine = order_row(order, now) if order is not None and order.copy == band.copy and sheet is None else None
    return BandRow(
        band.number,
        band.copy,
        _state(band, sheet, mine),
        sheet.cause if sheet else None,
        sheet.proof if sheet else None,
        sheet.station if sheet else "",
        sheet.device if sheet else "",
        mine,
        band.put_on_by,
        band.put_on_at,
        tuple(
            VoidBand(earlier.number, s.cause, s.proof is not None)
            for earlier in bands[:-1]
            if (s := sheets.get(earlier.copy)) is not None and s.state is PrintState.VOID
        ),
        band.person,
        band.is_name_similar,
        band.unnamed,
        band.record_number,
    )


def _state(band: Band, sheet: Sheet | None, order: OrderRow | None) -> BandState:
    if band.put_on_at is not None:
        return BandState.ON
    if sheet is not None:
        return _STATES[sheet.state]
    if order is None:
        return BandState.DUE
    return BandState.NOT_PRINTED if order.is_withdrawn else BandState.ORDERED
