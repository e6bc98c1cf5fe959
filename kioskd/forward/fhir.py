"""What is written to a FHIR R4 server: the one transaction of a check-in. Pure.

The Encounter's id is derived from the check-in's, so that a repeated update can only meet the same resource: of all
ways to write once, an update with the client's own id is the one that no measured server ever doubled (conditional
creates did). No name of a person is written: the Encounter refers to the patient, the backend knows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from kioskd.core.appointment import AppointmentStatus, is_at_or_past
from kioskd.errors import Rejected
from kioskd.forward.resources import Resource, is_id

NAMESPACE = UUID("92b24430-c47b-4776-a030-6c9bedcadf58")
"""Of all ids that kioskd derives. Never change it: a check-in that is delivered again must meet its own Encounter."""

CHECK_IN_SYSTEM = "urn:kioskd:check-in"
TICKET_SYSTEM = "urn:kioskd:ticket"
STATION_SYSTEM = "urn:kioskd:station"
IDENTIFIED_BY_SYSTEM = "urn:kioskd:identified-by"
APPOINTMENT_SYSTEM = "urn:kioskd:appointment"
"""Names an appointment that was deleted between the check-in and its delivery."""

Target = AppointmentStatus | Literal["none"]
"""What an appointment becomes by a check-in; ``none``: the backend's appointments are not written at all."""


@dataclass(frozen=True, slots=True)
class CheckIn:
    """The payload of an outbox message of the kind ``check-in``. ``appointment_id`` is empty without an appointment."""

    check_in_id: UUID
    patient_id: str
    appointment_id: str
    arrived_at: datetime
    label: str
    area_name: str
    station: str
    card_kind: str

    @property
    def encounter_id(self) -> str:
        return str(uuid5(NAMESPACE, f"{self.check_in_id}/encounter"))


@dataclass(frozen=True, slots=True)
class Versioned:
    """A resource as it was read, with its ETag (opaque, such as ``W/"1"``; empty when the server gave none)."""

    resource: Resource
    etag: str


def check_in_of(payload: Mapping[str, Any]) -> CheckIn:
    """The check-in that a payload describes. Raises Rejected when a part is missing or not what it should be."""

    def text(name: str) -> str:
        value = payload.get(name)
        if not isinstance(value, str):
            raise Rejected("invalid-payload", f"{name} of the check-in is missing or not text")
        return value

    try:
        check_in_id, arrived_at = UUID(text("check_in_id")), datetime.fromisoformat(text("arrived_at"))
    except ValueError:
        raise Rejected("invalid-payload", "check_in_id or arrived_at of the check-in is malformed") from None
    if arrived_at.tzinfo is None:
        raise Rejected("invalid-payload", "arrived_at of the check-in has no time zone")
    check_in = CheckIn(
        check_in_id=check_in_id,
        patient_id=text("patient_id"),
        appointment_id=text("appointment_id"),
        arrived_at=arrived_at,
        label=text("label"),
        area_name=text("area_name"),
        station=text("station"),
        card_kind=text("card_kind"),
    )
    if not is_id(check_in.patient_id) or (check_in.appointment_id and not is_id(check_in.appointment_id)):
        raise Rejected("invalid-payload", "patient_id or appointment_id of the check-in is not a FHIR id")
    return check_in


def instant(at: datetime) -> str:
    """An aware time as a FHIR dateTime in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encounter(check_in: CheckIn, has_appointment: bool) -> Resource:
    """The Encounter of a check-in. ``has_appointment``: its appointment still is there to be referred to."""
    begin = {"start": instant(check_in.arrived_at)}
    made: Resource = {
        "resourceType": "Encounter",
        "id": check_in.encounter_id,
        "identifier": [
            {"system": system, "value": value}
            for system, value in (
                (CHECK_IN_SYSTEM, str(check_in.check_in_id)),
                (TICKET_SYSTEM, check_in.label),
                (STATION_SYSTEM, check_in.station),
                (IDENTIFIED_BY_SYSTEM, check_in.card_kind),
            )
            if value  # FHIR has no empty strings
        ],
        "status": "arrived",
        "statusHistory": [{"status": "arrived", "period": begin}],
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "subject": {"reference": f"Patient/{check_in.patient_id}"},
        "period": dict(begin),
    }
    if check_in.appointment_id:
        made["appointment"] = [_appointment_reference(check_in.appointment_id, has_appointment)]
    if check_in.area_name:
        made["location"] = [{"location": {"display": check_in.area_name}, "status": "active"}]
    return made


def _appointment_reference(appointment_id: str, is_there: bool) -> Resource:
    if is_there:
        return {"reference": f"Appointment/{appointment_id}"}
    # Servers refuse a reference to what they do not have; the id is worth keeping all the same.
    return {"type": "Appointment", "identifier": {"system": APPOINTMENT_SYSTEM, "value": appointment_id}}


def must_move(appointment: Resource, target: Target) -> bool:
    """Whether the appointment is still short of ``target``.

    A cancelled or missed one is left as it is: the patient came and their Encounter says so, but what becomes of the
    appointment is for a person to say.
    """
    code = appointment.get("status")
    if target == "none" or not isinstance(code, str) or code not in set(AppointmentStatus):
        return False
    status = AppointmentStatus(code)
    return is_at_or_past(status, AppointmentStatus.PROPOSED) and not is_at_or_past(status, target)


def check_in_transaction(
    check_in: CheckIn, appointment: Versioned | None, target: Target, *, is_stored: bool = False
) -> Resource:
    """The transaction Bundle that brings a check-in into the record; without an entry when nothing is left to do.

    ``appointment`` as it was read just now, or None when it is gone or not to be read. ``is_stored``: the Encounter is
    there already; it is not written again, because staff may have taken it further meanwhile.
    """
    entries = []
    if not is_stored:
        has_appointment = appointment is not None or target == "none"
        entries.append(_update(encounter(check_in, has_appointment)))
    # Without a version an update could overwrite what somebody else has just written.
    if appointment is not None and appointment.etag and must_move(appointment.resource, target):
        entries.append(_update({**appointment.resource, "status": str(target)}, appointment.etag))
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _update(resource: Resource, if_match: str = "") -> Resource:
    request = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
    return {"resource": resource, "request": request | ({"ifMatch": if_match} if if_match else {})}
