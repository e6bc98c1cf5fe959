"""A check-in as a secretary reads it: made from Encounter, Patient and Appointment, nothing guessed. Pure.

What a resource does not say stays empty. Identifier systems of an Encounter that a check-in makes:
``urn:kioskd:check-in`` (its id), ``:ticket`` (label), ``:station`` (name), ``:identified-by`` (card kind).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from kioskd.core.patient import KVID_SYSTEM
from kioskd.records.dates import UTC_ZONE, interval
from kioskd.records.fhirjson import write
from kioskd.records.resources import literal
from kioskd.records.rows import Stored

CHECK_IN_SYSTEM = "urn:kioskd:check-in"
TICKET_SYSTEM = "urn:kioskd:ticket"
STATION_SYSTEM = "urn:kioskd:station"
IDENTIFIED_BY_SYSTEM = "urn:kioskd:identified-by"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckIn:
    """One row of the desk. Times are aware UTC; ``birth_date`` is a FHIR date, so it may be a year only."""

    encounter_id: str
    check_in_id: str
    arrived_at: datetime | None
    label: str
    patient_id: str
    family: str
    given: str
    birth_date: str
    record_number: str
    insurance_number: str
    appointment_id: str
    appointment_at: datetime | None
    practitioner: str
    station: str
    identified_by: str
    encounter_status: str
    appointment_status: str


@dataclass(frozen=True, slots=True)
class Change:
    """One version of a resource. ``elements``: names of what differs from the version before; empty for the first."""

    at: datetime
    by: str
    type: str
    version: int
    status: str
    status_before: str
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckInDetail:
    """A check-in with everything that is stored of it. ``documents``: (type, id, version, indented JSON)."""

    check_in: CheckIn
    changes: tuple[Change, ...]
    documents: tuple[tuple[str, str, int, str], ...]


def target_of(reference: Any, kind: str) -> str:
    """The id that a Reference of this type names, or an empty text."""
    found = literal(reference.get("reference")) if isinstance(reference, dict) else None
    return found[1] if found and found[0] == kind else ""


def patient_of(encounter: Resource) -> str:
    return target_of(encounter.get("subject"), "Patient")


def appointment_of(encounter: Resource) -> str:
    return next((i for a in encounter.get("appointment", []) if (i := target_of(a, "Appointment"))), "")


def practitioners_of(appointment: Resource) -> Iterator[tuple[str, str]]:
    """Id and display of each practitioner who takes part."""
    for participant in appointment.get("participant", []):
        actor = participant.get("actor", {})
        if practitioner := target_of(actor, "Practitioner"):
            yield practitioner, actor.get("display", "")


def check_in_of(
    encounter: Resource,
    patient: Resource | None,
    appointment: Resource | None,
    practitioners: dict[str, Resource],
    record_number_system: str,
) -> CheckIn:
    """The row of an Encounter; what it refers to is None when it is not stored here."""
    patient, appointment = patient or {}, appointment or {}
    family, given = name_of(patient)
    doctors = [
        display or " ".join(reversed(name_of(practitioners.get(i, {})))) for i, display in practitioners_of(appointment)
    ]
    return CheckIn(
        encounter_id=encounter["id"],
        check_in_id=_identifier(encounter, CHECK_IN_SYSTEM),
        arrived_at=_begin(encounter.get("period", {}).get("start")),
        label=_identifier(encounter, TICKET_SYSTEM),
        patient_id=patient_of(encounter),
        family=family,
        given=given,
        birth_date=patient.get("birthDate", ""),
        record_number=_identifier(patient, record_number_system),
        insurance_number=_identifier(patient, KVID_SYSTEM),
        appointment_id=appointment_of(encounter),
        appointment_at=_begin(appointment.get("start")),
        practitioner=", ".join(name.strip() for name in doctors if name.strip()),
        station=_identifier(encounter, STATION_SYSTEM),
        identified_by=_identifier(encounter, IDENTIFIED_BY_SYSTEM),
        encounter_status=encounter.get("status", ""),
        appointment_status=appointment.get("status", ""),
    )


def _identifier(resource: Resource, system: str) -> str:
    """The values of a system; all of them when there are several, so that none is chosen silently."""
    found = (i.get("value", "") for i in resource.get("identifier", []) if i.get("system") == system)
    return ", ".join(value for value in found if value)


_NAME_USES = ("official", "usual", "", "temp", "nickname", "anonymous", "maiden", "old")


def name_of(person: Resource) -> tuple[str, str]:
    """Family and given names: the official name before the usual one before any other, former names last."""
    names = person.get("name", [])
    if not names:
        return "", ""
    chosen = min(names, key=lambda name: _NAME_USES.index(name.get("use", "")))
    given = " ".join(part for part in chosen.get("given", []) if part)
    family = chosen.get("family", "")
    return (family, given) if family or given else (chosen.get("text", ""), "")


def _begin(text: Any) -> datetime | None:
    return interval(text, UTC_ZONE).low if isinstance(text, str) else None


def changes(versions: Iterable[Sequence[Stored]]) -> tuple[Change, ...]:
    """What happened to some resources, each given with its versions, oldest first; the newest change comes first."""
    made: list[Change] = []
    for course in versions:
        resources = [stored.resource for stored in course]
        if course:
            made.append(_change(course[0], resources[0], None))
        made += [_change(new, after, old) for new, (old, after) in zip(course[1:], pairwise(resources), strict=True)]
    return tuple(sorted(made, key=lambda change: (change.at, change.version, change.type), reverse=True))


def _change(stored: Stored, resource: Resource, before: Resource | None) -> Change:
    differing = (
        ()
        if before is None
        else tuple(
            name
            for name in sorted({*resource, *before} - {"meta"})
            if write(resource.get(name), is_sorted=True) != write(before.get(name), is_sorted=True)
        )
    )
    return Change(
        at=stored.updated_at,
        by=stored.written_by,
        type=stored.type,
        version=stored.version,
        status=resource.get("status", ""),
        status_before=(before or {}).get("status", ""),
        elements=differing,
    )
