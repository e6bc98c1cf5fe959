"""What is said on the hub link about devices, sheets and print orders. See ``hub_bodies``."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from pydantic import Field

from kioskd.bus.hub_bodies import CheckInAnswer, HelpAnswer, Instant, Wire, WirePatient
from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.ports import AttemptReport, DeviceReport, HelpReply, PrintOrder, PrintReport


class StationQuestion(Wire):
    """A station has started with these devices."""

    station: str
    devices: tuple[str, ...]


class DeviceQuestion(Wire):
    """``ports.DeviceReport``."""

    station: str
    device: str
    kind: str
    state: str
    what: str
    since: Instant
    model: str = ""
    proof: ProofKind | None = None
    odometer: int | None = None
    notes: tuple[str, ...] = ()
    is_staff_side: bool = False
    place: str = ""
    line: str = ""
    roll_sheets: int = 0

    def core(self) -> DeviceReport:
        return DeviceReport(**{name: getattr(self, name) for name in type(self).model_fields})


class PrintQuestion(Wire):
    """``ports.PrintReport``."""

    check_in_id: UUID
    kind: SheetKind
    copy_: int = Field(alias="copy")
    state: PrintState
    proof: ProofKind | None
    cause: Cause | None
    at: Instant
    station: str = ""
    device: str = ""
    order_id: UUID | None = None

    def core(self) -> PrintReport:
        return PrintReport(
            self.check_in_id,
            self.kind,
            self.copy_,
            self.state,
            self.proof,
            self.cause,
            self.at,
            self.station,
            self.device,
            self.order_id,
        )


class OrdersQuestion(Wire):
    """Is there anything that staff want printed at this station?"""

    station: str


class WireOrder(Wire):
    """``ports.PrintOrder``. Its ticket is a check-in's or a help ticket."""

    order_id: UUID
    station: str
    device: str
    check_in_id: UUID
    kind: SheetKind
    copy_: int = Field(alias="copy")
    ordered_at: Instant
    language: str = ""
    check_in: CheckInAnswer | None = None
    help_ticket: HelpAnswer | None = None
    patient: WirePatient | None = None
    band_number: int | None = None

    def core(self) -> PrintOrder:
        ticket = self.check_in or self.help_ticket
        return PrintOrder(
            self.order_id,
            self.station,
            self.device,
            self.check_in_id,
            self.kind,
            self.copy_,
            self.ordered_at,
            self.language,
            ticket.core() if ticket else None,
            self.patient.core() if self.patient else None,
            self.band_number,
        )


class OrdersAnswer(Wire):
    """Open print orders, oldest first."""

    orders: tuple[WireOrder, ...]


class AttemptQuestion(Wire):
    """``ports.AttemptReport``."""

    attempt_id: UUID
    station: str
    reason: Reason
    at: Instant

    def core(self) -> AttemptReport:
        return AttemptReport(self.attempt_id, self.station, self.reason, self.at)


def order_answer(orders: Sequence[PrintOrder]) -> OrdersAnswer:
    """The wire form of print orders."""
    return OrdersAnswer(orders=tuple(_wire_order(order) for order in orders))


def _wire_order(order: PrintOrder) -> WireOrder:
    is_help = isinstance(order.ticket, HelpReply)
    tickets = {"check_in": None if is_help else order.ticket, "help_ticket": order.ticket if is_help else None}
    names = ("order_id", "station", "device", "check_in_id", "kind", "copy", "ordered_at", "language", "patient")
    own = {name: getattr(order, name) for name in (*names, "band_number")}
    return WireOrder.model_validate(own | tickets)
