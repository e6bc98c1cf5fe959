"""What is asked and answered on the hub link about people: a pydantic model for each body of a question or an answer.

The models repeat the core's dataclasses on purpose: what is said on the wire changes by a decision, not because a
class of the core did. ``core()`` gives the dataclass back. Times are aware UTC. ``hub_reports`` has the other bodies.
"""

from __future__ import annotations

from datetime import UTC, date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
)

from kioskd.core.appointment import Appointment, AppointmentStatus
from kioskd.core.identity import Card, Identified, Reason, Refused
from kioskd.core.patient import Identifier, PartialDate, Patient, Sex
from kioskd.ports import CheckInReply, CheckInRequest, HelpReply, HelpRequest

Instant = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]


def _partial_date(value: object) -> object:
    return PartialDate.parse(value) if isinstance(value, str) else value


WirePartialDate = Annotated[
    InstanceOf[PartialDate], BeforeValidator(_partial_date), PlainSerializer(str, return_type=str)
]
"""``core.patient.PartialDate`` as its ISO text."""


class Wire(BaseModel):
    """What all of them are: unchangeable, blind to unknown fields, and silent about what they hold."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True, hide_input_in_errors=True)


class WireIdentifier(Wire):
    """``core.patient.Identifier``."""

    system: str
    value: str

    def core(self) -> Identifier:
        return Identifier(self.system, self.value)


class WirePatient(Wire):
    """``core.patient.Patient``."""

    id: str
    identifiers: tuple[WireIdentifier, ...]
    family: str
    given: str
    birth_date: date | None
    sex: Sex
    record_number: str
    partial_birth_date: WirePartialDate | None = None

    def core(self) -> Patient:
        return Patient(
            self.id,
            tuple(i.core() for i in self.identifiers),
            self.family,
            self.given,
            self.birth_date,
            self.sex,
            self.record_number,
            self.partial_birth_date,
        )


class WireAppointment(Wire):
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


class WireCard(Wire):
    """``core.identity.Card``."""

    kind: str
    identifier: WireIdentifier
    family: str
    given: str
    birth_date: date | None
    sex: Sex
    insurer_name: str
    insurer_id: str
    partial_birth_date: WirePartialDate | None = None
    undivided_name: str = ""
    other_spellings: tuple[tuple[str, str], ...] = ()
    valid_until: date | None = None
    suffices_for_billing: bool = False
    is_shared_by_family: bool = False
    is_family_cut: bool = False
    is_given_cut: bool = False

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
            self.partial_birth_date,
            self.undivided_name,
            self.other_spellings,
            self.valid_until,
            self.suffices_for_billing,
            self.is_shared_by_family,
            self.is_family_cut,
            self.is_given_cut,
        )


class IdentifyQuestion(Wire):
    """Who is the holder of this card?"""

    card: WireCard
    at: Instant


class LetterQuestion(Wire):
    """Whom is this appointment letter for, if they were born then?"""

    letter: str
    birth_date: date
    at: Instant


class NumberQuestion(Wire):
    """Whose number is this, if they were born then?"""

    identifier: WireIdentifier
    birth_date: date
    is_shared_by_family: bool
    at: Instant


class IdentifiedAnswer(Wire):
    """``core.identity.Identified``."""

    outcome: Literal["identified"] = "identified"
    patient: WirePatient
    appointment: WireAppointment

    def core(self) -> Identified:
        return Identified(self.patient.core(), self.appointment.core())


class RefusedAnswer(Wire):
    """``core.identity.Refused``."""

    outcome: Literal["refused"] = "refused"
    reason: Reason
    patient: WirePatient | None

    def core(self) -> Refused:
        return Refused(self.reason, self.patient.core() if self.patient else None)


IdentifyAnswer = Annotated[IdentifiedAnswer | RefusedAnswer, Field(discriminator="outcome")]


class CheckInQuestion(Wire):
    """``ports.CheckInRequest``."""

    check_in_id: UUID
    station: str
    arrived_at: Instant
    patient: WirePatient
    appointment: WireAppointment
    card_kind: str
    language: str
    is_card_wanted: bool = False

    def core(self) -> CheckInRequest:
        return CheckInRequest(
            self.check_in_id,
            self.station,
            self.arrived_at,
            self.patient.core(),
            self.appointment.core(),
            self.card_kind,
            self.language,
            self.is_card_wanted,
        )


class CheckInAnswer(Wire):
    """``ports.CheckInReply``."""

    check_in_id: UUID
    label: str
    area: str
    area_name: str
    arrived_at: Instant
    was_checked_in_before: bool
    band_number: int | None
    called_to: str
    practitioner: str = ""

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
            self.practitioner,
        )


class HelpQuestion(Wire):
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


class HelpAnswer(Wire):
    """``ports.HelpReply``."""

    check_in_id: UUID
    label: str
    arrived_at: Instant

    def core(self) -> HelpReply:
        return HelpReply(self.check_in_id, self.label, self.arrived_at)


class DoneAnswer(Wire):
    """A method that returns nothing."""


def identify_answer(found: Identified | Refused) -> IdentifiedAnswer | RefusedAnswer:
    """The wire form of who was identified, or why nobody was."""
    kind = IdentifiedAnswer if isinstance(found, Identified) else RefusedAnswer
    return kind.model_validate(found)
