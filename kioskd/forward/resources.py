"""What is read from a FHIR R4 server: Patient and Appointment, into ``core``. Pure.

An element that is absent is tolerated where the front desk can do without it. One of the wrong type is refused: a
guess about who somebody is would be worse than the way to the desk. No value of a resource is in an error's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from kioskd.core.appointment import Appointment, AppointmentStatus
from kioskd.core.patient import Identifier, PartialDate, Patient, Sex
from kioskd.errors import Rejected

AREA_SYSTEM = "urn:kioskd:area"
"""A participant Location whose identifier in this system names the site's waiting area."""

Resource = dict[str, Any]
T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NAME_RANK = {"official": 0, "usual": 1, None: 2}
_OTHER_NAME, _FORMER_NAME = 3, 4


def is_id(text: str) -> bool:
    """Whether a text is a FHIR id (2.24.0.1 of R4), which is safe in a URL."""
    return _ID.fullmatch(text) is not None


def _wrong(where: str, what: str) -> Rejected:
    return Rejected("invalid-resource", f"{where} {what}")


def _get(parent: Resource, name: str, kind: type[T], where: str) -> T | None:
    value = parent.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise _wrong(f"{where}.{name}", f"is not a JSON {_JSON_NAMES[kind]}")


_JSON_NAMES: dict[type, str] = {str: "string", dict: "object", list: "array", bool: "boolean"}


def _items(parent: Resource, name: str, kind: type[T], where: str) -> Iterator[T]:
    """The items of a list; null ones stand for extensions of primitives and are passed over."""
    for item in _get(parent, name, list, where) or []:
        if item is None:
            continue
        if not isinstance(item, kind):
            raise _wrong(f"{where}.{name}", f"holds an item that is not a JSON {_JSON_NAMES[kind]}")
        yield item


def resource_id(resource: object, kind: str) -> str:
    """The id of a resource of this type. Raises Rejected when it is another type or has none."""
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise _wrong(kind, "expected, and something else came")
    found = _get(resource, "id", str, kind)
    if found is None or not is_id(found):
        raise _wrong(f"{kind}.id", "is missing or malformed")
    return found


def patient(resource: object, record_number_system: str) -> Patient:
    """A Patient. ``record_number_system`` is the identifier system of the site's own numbers. Raises Rejected."""
    found_id = resource_id(resource, "Patient")
    assert isinstance(resource, dict)  # noqa: S101 - for the type checker; resource_id refuses anything else
    identifiers = tuple(_identifiers(resource))
    family, given = _name(resource)
    gender = _get(resource, "gender", str, "Patient")
    born = _birth_date(resource)
    return Patient(
        id=found_id,
        identifiers=identifiers,
        family=family,
        given=given,
        birth_date=born.whole if born else None,
        sex=Sex(gender) if gender in set(Sex) else Sex.UNKNOWN,
        record_number=next((i.value for i in identifiers if i.system == record_number_system), ""),
        partial_birth_date=born if born and not born.whole else None,
    )


def is_active(resource: Resource) -> bool:
    """Whether a Patient is in use; a record that was merged into another one is not."""
    return _get(resource, "active", bool, "Patient") is not False


def _identifiers(resource: Resource) -> Iterator[Identifier]:
    for item in _items(resource, "identifier", dict, "Patient"):
        system, value, use = (_get(item, name, str, "Patient.identifier") for name in ("system", "value", "use"))
        if system and value and use != "old":
            yield Identifier(system, value)


def _name(resource: Resource) -> tuple[str, str]:
    """Family and given names: official before usual before any other, former names last."""
    names = list(_items(resource, "name", dict, "Patient"))
    if not names:
        return "", ""
    chosen = min(names, key=_name_rank)
    given = " ".join(_items(chosen, "given", str, "Patient.name"))
    return _get(chosen, "family", str, "Patient.name") or "", given


def _name_rank(name: Resource) -> int:
    use = _get(name, "use", str, "Patient.name")
    return _FORMER_NAME if use in {"old", "maiden"} else _NAME_RANK.get(use, _OTHER_NAME)


def _birth_date(resource: Resource) -> PartialDate | None:
    """What the server knows of it: FHIR allows a year, or year and month."""
    text = _get(resource, "birthDate", str, "Patient")
    if text is None:
        return None
    try:
        return PartialDate.parse(text)
    except ValueError:  # a day that the calendar does not have is as wrong as no date at all
        raise _wrong("Patient.birthDate", "is not a FHIR date") from None


def appointment(resource: object) -> Appointment:
    """An Appointment; ``patient_id`` is empty when no patient takes part. Raises Rejected."""
    found_id = resource_id(resource, "Appointment")
    assert isinstance(resource, dict)  # noqa: S101 - for the type checker; resource_id refuses anything else
    starts_at = _instant(resource, "start")
    if starts_at is None:
        raise _wrong("Appointment.start", "is missing")
    status = _get(resource, "status", str, "Appointment")
    if status not in set(AppointmentStatus):
        raise _wrong("Appointment.status", "is missing or not a code of FHIR R4")
    actors = list(_actors(resource))
    return Appointment(
        id=found_id,
        patient_id=next((i for kind, i, _ in actors if kind == "Patient" and is_id(i)), ""),
        starts_at=starts_at,
        ends_at=_instant(resource, "end") or starts_at + _duration(resource),
        status=AppointmentStatus(status),
        practitioner=next((_display(a) for kind, _, a in actors if kind.startswith("Practitioner")), ""),
        area=next((area for _, _, a in actors if (area := _area(a))), ""),
    )


def _actors(resource: Resource) -> Iterator[tuple[str, str, Resource]]:
    """Type and id of who and what takes part, with the Reference; both are empty when it names no resource."""
    for participant in _items(resource, "participant", dict, "Appointment"):
        actor = _get(participant, "actor", dict, "Appointment.participant")
        if actor is None:
            continue
        text = _get(actor, "reference", str, "Appointment.participant.actor") or ""
        # "Patient/1", "https://server/fhir/Patient/1" and "Patient/1/_history/2" mean the same here.
        parts = text.partition("/_history/")[0].split("/")
        kind, found_id = (parts[-2], parts[-1]) if len(parts) > 1 else ("", "")
        yield kind or _get(actor, "type", str, "Appointment.participant.actor") or "", found_id, actor


def _display(actor: Resource) -> str:
    return _get(actor, "display", str, "Appointment.participant.actor") or ""


def _area(actor: Resource) -> str:
    where = "Appointment.participant.actor.identifier"
    identifier = _get(actor, "identifier", dict, "Appointment.participant.actor") or {}
    is_area = _get(identifier, "system", str, where) == AREA_SYSTEM
    return (_get(identifier, "value", str, where) or "") if is_area else ""


def _duration(resource: Resource) -> timedelta:
    minutes = resource.get("minutesDuration")
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 0 < minutes <= 24 * 60:
        return timedelta(0)
    return timedelta(minutes=minutes)


def _instant(resource: Resource, name: str) -> datetime | None:
    """A FHIR instant as aware UTC."""
    text = _get(resource, name, str, "Appointment")
    if text is None:
        return None
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # an hour 25, or an instant before the year 1: as wrong as no instant at all
    raise _wrong(f"Appointment.{name}", "is not a FHIR instant")
