"""The wire format of ``ports.Hub``: one pair of pydantic models for each of its methods, as JSON inside the seal.

::

    Question  {"v": 1, "station": "entrance", "within_ms": 2000, "body": {...}}
    Answer    {"v": 1, "body": {...}}   or   {"v": 1, "error": {"kind": "rule", "rule": "...", "text": "..."}}

A field with a default may be added under the same ``v``, and readers ignore what they do not know; anything else
raises ``v``. The models repeat the core's dataclasses on purpose: what is said on the wire changes by a decision, not
because a class of the core did. Times are aware UTC. A text about a wrong message never quotes it: it goes to logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kioskd.core.appointment import Appointment, AppointmentStatus
from kioskd.core.identity import Card, Identified, Reason, Refused
from kioskd.core.patient import Identifier, Patient, Sex
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.ports import AttemptReport, CheckInReply, CheckInRequest, DeviceReport, HelpReply, HelpRequest, PrintReport

LINK_VERSION = 1
LONGEST_WAIT_S = 30.0
"""Longest that a station may wait for an answer."""

Instant = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True, hide_input_in_errors=True)


class WireIdentifier(_Wire):
    """``core.patient.Identifier``."""

    system: str
    value: str

    def core(self) -> Identifier:
        return Identifier(self.system, self.value)


class WirePatient(_Wire):
    """``core.patient.Patient``."""

    id: str
    identifiers: tuple[WireIdentifier, ...]
    family: str
    given: str
    birth_date: date | None
    sex: Sex
    record_number: str

    def core(self) -> Patient:
        identifiers = tuple(i.core() for i in self.identifiers)
        return Patient(self.id, identifiers, self.family, self.given, self.birth_date, self.sex, self.record_number)


class WireAppointment(_Wire):
    """``core.appointment.Appointment``."""

    id: str
    patient_id: str
    starts_at: Instant
    ends_at: Instant
    status: AppointmentStatus
    practitioner: str
    area: str

    def core(self) -> Appointment:
        return Appointment(
            self.id, self.patient_id, self.starts_at, self.ends_at, self.status, self.practitioner, self.area
        )


class WireCard(_Wire):
    """``core.identity.Card``."""

    kind: str
    identifier: WireIdentifier
    family: str
    given: str
    birth_date: date | None
    sex: Sex
    insurer_name: str
    insurer_id: str

    def core(self) -> Card:
        return Card(
            self.kind,
            self.identifier.core(),
            self.family,
            self.given,
            self.birth_date,
            self.sex,
            self.insurer_name,
            self.insurer_id,
        )


class IdentifyQuestion(_Wire):
    """Who is the holder of this card?"""

    card: WireCard
    at: Instant


class IdentifiedAnswer(_Wire):
    """``core.identity.Identified``."""

    outcome: Literal["identified"] = "identified"
    patient: WirePatient
    appointment: WireAppointment

    def core(self) -> Identified:
        return Identified(self.patient.core(), self.appointment.core())


class RefusedAnswer(_Wire):
    """``core.identity.Refused``."""

    outcome: Literal["refused"] = "refused"
    reason: Reason
    patient: WirePatient | None

    def core(self) -> Refused:
        return Refused(self.reason, self.patient.core() if self.patient else None)


IdentifyAnswer = Annotated[IdentifiedAnswer | RefusedAnswer, Field(discriminator="outcome")]


class CheckInQuestion(_Wire):
    """``ports.CheckInRequest``."""

    check_in_id: UUID
    station: str
    arrived_at: Instant
    patient: WirePatient
    appointment: WireAppointment
    card_kind: str
    language: str

    def core(self) -> CheckInRequest:
        return CheckInRequest(
            self.check_in_id,
            self.station,
            self.arrived_at,
            self.patient.core(),
            self.appointment.core(),
            self.card_kind,
            self.language,
        )


class CheckInAnswer(_Wire):
    """``ports.CheckInReply``."""

    check_in_id: UUID
    label: str
    area: str
    area_name: str
    arrived_at: Instant
    was_checked_in_before: bool
    band_number: int | None
    called_to: str

    def core(self) -> CheckInReply:
        return CheckInReply(
            self.check_in_id,
            self.label,
            self.area,
            self.area_name,
            self.arrived_at,
            self.was_checked_in_before,
            self.band_number,
            self.called_to,
        )


class HelpQuestion(_Wire):
    """``ports.HelpRequest``."""

    check_in_id: UUID
    station: str
    arrived_at: Instant
    reason: Reason
    language: str
    patient: WirePatient | None

    def core(self) -> HelpRequest:
        patient = self.patient.core() if self.patient else None
        return HelpRequest(self.check_in_id, self.station, self.arrived_at, self.reason, self.language, patient)


class HelpAnswer(_Wire):
    """``ports.HelpReply``."""

    check_in_id: UUID
    label: str
    arrived_at: Instant

    def core(self) -> HelpReply:
        return HelpReply(self.check_in_id, self.label, self.arrived_at)


class StationQuestion(_Wire):
    """A station has started with these devices."""

    station: str
    devices: tuple[str, ...]


class DeviceQuestion(_Wire):
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

    def core(self) -> DeviceReport:
        return DeviceReport(**{name: getattr(self, name) for name in type(self).model_fields})


class PrintQuestion(_Wire):
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


class AttemptQuestion(_Wire):
    """``ports.AttemptReport``."""

    attempt_id: UUID
    station: str
    reason: Reason
    at: Instant

    def core(self) -> AttemptReport:
        return AttemptReport(self.attempt_id, self.station, self.reason, self.at)


class DoneAnswer(_Wire):
    """A method that returns nothing."""


class WireError(_Wire):
    """Why there is no answer. ``text`` holds no patient data; ``code`` is a rule's name or a Rejected's code."""

    kind: str
    """``rule``, ``rejected``, ``clocks``, ``not-understood``, ``failed`` or ``unreachable``; who reads a kind that they
    do not know takes it for the last."""
    text: str
    code: str = ""
    retry_after_s: float | None = None


# --- questions and answers around them -----------------------------------------------------------------------------

Q = TypeVar("Q")
A = TypeVar("A")


class Question(_Wire, Generic[Q]):
    """What a station asks. ``within_ms``: how long it waits for the answer."""

    v: Literal[1] = 1
    station: str
    within_ms: int = Field(gt=0)
    body: Q


class Answer(_Wire, Generic[A]):
    """What the hub answers: a body or an error."""

    v: Literal[1] = 1
    body: A | None = None
    error: WireError | None = None


@dataclass(frozen=True, slots=True)
class Method(Generic[Q, A]):
    """One method of ``ports.Hub``. ``name`` is the last level of its request topic."""

    name: str
    question: TypeAdapter[Question[Q]]
    answer: TypeAdapter[Answer[A]]


def _method(name: str, question: Any, answer: Any) -> Method[Any, Any]:
    return Method(name, TypeAdapter(Question[question]), TypeAdapter(Answer[answer]))


IDENTIFY: Method[IdentifyQuestion, IdentifiedAnswer | RefusedAnswer] = _method(
    "identify", IdentifyQuestion, IdentifyAnswer
)
CHECK_IN: Method[CheckInQuestion, CheckInAnswer] = _method("check-in", CheckInQuestion, CheckInAnswer)
ASK_FOR_HELP: Method[HelpQuestion, HelpAnswer] = _method("ask-for-help", HelpQuestion, HelpAnswer)
STATION_STARTED: Method[StationQuestion, DoneAnswer] = _method("station-started", StationQuestion, DoneAnswer)
REPORT_DEVICE: Method[DeviceQuestion, DoneAnswer] = _method("report-device", DeviceQuestion, DoneAnswer)
REPORT_PRINT: Method[PrintQuestion, DoneAnswer] = _method("report-print", PrintQuestion, DoneAnswer)
REPORT_ATTEMPT: Method[AttemptQuestion, DoneAnswer] = _method("report-attempt", AttemptQuestion, DoneAnswer)

METHODS: dict[str, Method[Any, Any]] = {
    m.name: m for m in (IDENTIFY, CHECK_IN, ASK_FOR_HELP, STATION_STARTED, REPORT_DEVICE, REPORT_PRINT, REPORT_ATTEMPT)
}


class NotUnderstood(ValueError):
    """A message that is of another version or shape; the text says which, and quotes nothing."""


class _Version(BaseModel):
    v: int


def read(adapter: TypeAdapter[Any], message: bytes, what: str, reader: str) -> Any:
    """The question or answer that ``message`` is. Raises NotUnderstood; ``what`` and ``reader`` are for its text."""
    try:
        return adapter.validate_json(message)
    except ValidationError as error:
        raise NotUnderstood(_why_not(message, error, what, reader)) from None


def _why_not(message: bytes, error: ValidationError, what: str, reader: str) -> str:
    try:
        version = _Version.model_validate_json(message).v
    except ValidationError:
        return f"{what} is no message of the hub link"
    if version != LINK_VERSION:
        return f"{what} is of version {version} of the hub link, and {reader} knows version {LINK_VERSION}: update one"
    places = sorted({".".join(str(part) for part in e["loc"]) for e in error.errors(include_input=False)})
    return f"{what} is wrong at {', '.join(places[:5])}"


def identify_answer(found: Identified | Refused) -> IdentifiedAnswer | RefusedAnswer:
    """The wire form of who was identified, or why nobody was."""
    kind = IdentifiedAnswer if isinstance(found, Identified) else RefusedAnswer
    return kind.model_validate(found)


def utc_now() -> datetime:
    """The clock of this machine: aware UTC."""
    return datetime.now(UTC)
