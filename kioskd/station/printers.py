"""The printers of a station, in the order of its site file, and which of them prints what.

A role has any number of printers. Patients can reach those at the kiosk; what names a person and is not handed to that
person comes out where only staff can reach it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from kioskd.config import DeviceConfig
from kioskd.core.printing import SheetKind
from kioskd.ports import LabelPrinter, TicketPrinter, WristbandPrinter
from kioskd.station.devices.registry import DisabledDevice, FoundDevice

Printing = TicketPrinter | WristbandPrinter | LabelPrinter

TICKETS, WRISTBANDS, LABELS = "ticket-printer", "wristband-printer", "label-printer"
ROLES = {
    SheetKind.TICKET: TICKETS,
    SheetKind.HELP_TICKET: TICKETS,
    SheetKind.WRISTBAND: WRISTBANDS,
    SheetKind.SPECIMEN_LABEL: LABELS,
    SheetKind.DOCUMENT_LABEL: LABELS,
}
"""Whose printers print a kind of sheet; a self-test is of one printer, whatever its role."""


@dataclass(frozen=True, slots=True)
class Printer:
    """One printer. ``role`` is its driver's kind, ``place`` where it stands in the site's words."""

    name: str
    role: str
    device: Printing
    is_staff_side: bool = False
    place: str = ""

    def prints(self, kind: SheetKind) -> bool:
        return ROLES.get(kind, self.role) == self.role


class Printers:
    """All printers of a station that can be used."""

    def __init__(self, *printers: Printer) -> None:
        self._printers = {printer.name: printer for printer in printers}

    def named(self, name: str) -> Printer | None:
        return self._printers.get(name)

    def place_of(self, name: str) -> str:
        """Where a printer stands, or empty."""
        printer = self._printers.get(name)
        return printer.place if printer else ""

    def at_kiosk(self, kind: SheetKind) -> Printer | None:
        """The first one for a kind of sheet that patients can reach."""
        return next(self._of(kind, is_staff_side=False), None)

    def at_desk(self, kind: SheetKind) -> Printer | None:
        """The first one for a kind of sheet that only staff can reach."""
        return next(self._of(kind, is_staff_side=True), None)

    def stand_ins(self, name: str, kind: SheetKind) -> Sequence[Printer]:
        """Who may take a queued sheet from a printer: the others of its role and side that have a place to tell.

        What names a person moves only where staff alone can reach it.
        """
        first = self._printers.get(name)
        if first is None or kind not in ROLES or not first.prints(kind):
            return ()
        if ROLES[kind] != TICKETS and not first.is_staff_side:
            return ()
        same = self._of(kind, is_staff_side=first.is_staff_side)
        return [printer for printer in same if printer is not first and printer.place]

    def _of(self, kind: SheetKind, *, is_staff_side: bool) -> Iterator[Printer]:
        return (p for p in self._printers.values() if p.prints(kind) and p.is_staff_side is is_staff_side)


def printers_of(found: Sequence[FoundDevice | DisabledDevice], blocks: Sequence[DeviceConfig]) -> Printers:
    """The printers among the devices of a site file; ``blocks`` say where each stands."""
    by_name = {block.name: block for block in blocks}
    return Printers(
        *(
            Printer(one.name, one.kind, one.device, by_name[one.name].at == "desk", by_name[one.name].place)
            for one in found
            if isinstance(one, FoundDevice) and isinstance(one.device, get_args(Printing))
        )
    )
