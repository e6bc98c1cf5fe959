"""What is said on the hub link about devices, sheets and print orders. See ``hub_bodies``."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from pydantic import Field

from kioskd.bus.hub_bodies import CheckInAnswer, HelpAnswer, Instant, Wire, WirePatient
from kioskd.core.identity import Reason
from kioskd.core.patient import Sex
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.ports import AttemptReport, DeviceReport, HelpReply, Newborn, PrintOrder, PrintReport, UnknownPerson


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


class WireUnknownPerson(Wire):
    """``ports.UnknownPerson``."""

    sex: Sex
    arrived_at: Instant

    def core(self) -> UnknownPerson:
        return UnknownPerson(self.sex, self.arrived_at)


class WireNewborn(Wire):
    """``ports.Newborn``."""

    mother_family: str
    mother_given: str
    mother_record_number: str
    born_at: Instant
    birth_order: int = 1
    births: int = 1

    def core(self) -> Newborn:
        return Newborn(
            self.mother_family,
            self.mother_given,
            self.mother_record_number,
            self.born_at,
            self.birth_order,
            self.births,
        )


class WireOrder(Wire):
    """``ports.PrintOrder``. Its ticket is a check-in's or a help ticket; who has no name is one of two."""

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
    is_name_similar: bool = False
    unknown_person: WireUnknownPerson | None = None
    newborn: WireNewborn | None = None
    record_number: str = ""
    title: str = ""
    code: str = ""

    def core(self) -> PrintOrder:
        ticket = self.check_in or self.help_ticket
        unnamed = self.unknown_person or self.newborn
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
            self.is_name_similar,
            unnamed.core() if unnamed else None,
            self.record_number,
            self.title,
            self.code,
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
    ticket, unnamed = order.ticket, order.unnamed
    is_help, is_newborn = isinstance(ticket, HelpReply), isinstance(unnamed, Newborn)
    own = {name: getattr(order, name) for name in PrintOrder.__dataclass_fields__ if name not in {"ticket", "unnamed"}}
    alternatives = {
        "check_in": None if is_help else ticket,
        "help_ticket": ticket if is_help else None,
        "unknown_person": None if is_newborn else unnamed,
        "newborn": unnamed if is_newborn else None,
    }
    return WireOrder.model_validate(own | alternatives)
