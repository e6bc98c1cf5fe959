"""Whether a resource is one: elements, cardinality, primitive values, required codes and invariants of FHIR R4.

Pure. What is not checked: profiles, value sets other than the required ones that ``structures`` names, whether a
reference's target exists, and the inside of extensions and of contained resources of other types beyond their shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kioskd.records.dates import UTC_ZONE, interval
from kioskd.records.outcome import Issue
from kioskd.records.primitives import PRIMITIVES, is_id, is_text
from kioskd.records.structures import STORED, STRUCTURES, Element

INDEXED_LENGTH = 255
"""Longest system and value of an identifier that can be found again, in characters."""

_LITERAL = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def literal(reference: object) -> tuple[str, str] | None:
    """Type and id of a literal reference such as ``Patient/17``, or None for any other kind."""
    found = _LITERAL.fullmatch(reference) if isinstance(reference, str) else None
    return (found[1], found[2]) if found else None


def check(resource: Any) -> list[Issue]:
    """What is wrong with a resource, or nothing. ``expression`` of an issue is its FHIRPath."""
    if not isinstance(resource, dict):
        return [Issue("structure", "a resource is a JSON object")]
    kind = resource.get("resourceType")
    if kind not in STORED:
        return [Issue("not-supported", f"resourceType must be one of {', '.join(STORED)}", "Resource")]
    issues = list(_object(resource, kind, kind, is_resource=True))
    return issues or [*_local_references(resource, kind), *_INVARIANTS.get(kind, _none)(resource)]


def _object(value: Any, structure: str, path: str, is_resource: bool = False) -> Iterator[Issue]:
    if not isinstance(value, dict):
        yield Issue("structure", f"expected an object of type {structure.partition('.')[0]}", path)
        return
    if not value:
        yield Issue("structure", "an object must not be empty", path)
        return
    elements = STRUCTURES[structure]
    for name, inner in value.items():
        if is_resource and name == "resourceType":
            continue
        element = elements.get(name.removeprefix("_"))
        if element is None or (name.startswith("_") and element.type not in PRIMITIVES):
            yield Issue("structure", f"{structure} has no element {name[:64]}", path)
        elif name.startswith("_"):
            yield from _primitive_extras(inner, f"{path}.{name}")
        else:
            yield from _element(inner, element, value.get(f"_{name}"), f"{path}.{name}")
    yield from _presence(value, structure, path)
    yield from _DATATYPE_INVARIANTS.get(structure, _none_at)(value, path)


def _presence(value: dict[str, Any], structure: str, path: str) -> Iterator[Issue]:
    chosen: dict[str, str] = {}
    for name, element in STRUCTURES[structure].items():
        is_there = name in value or f"_{name}" in value
        if element.is_required and not is_there:
            yield Issue("required", f"{name} is missing", f"{path}.{name}")
        if is_there and element.choice and chosen.setdefault(element.choice, name) != name:
            yield Issue("structure", f"{element.choice} is there twice", path)


def _element(value: Any, element: Element, extras: Any, path: str) -> Iterator[Issue]:
    if not element.is_many:
        if isinstance(value, list):
            yield Issue("structure", "expected one value, not a list", path)
        else:
            yield from _value(value, element, path)
        return
    if not isinstance(value, list) or not value:
        yield Issue("structure", "expected a list that is not empty", path)
        return
    for position, inner in enumerate(value):
        if inner is None and isinstance(extras, list) and position < len(extras) and extras[position] is not None:
            continue  # FHIR R4 2.6.0.3: the value is in the extension of the same position
        yield from _value(inner, element, f"{path}[{position}]")


def _value(value: Any, element: Element, path: str) -> Iterator[Issue]:
    primitive = PRIMITIVES.get(element.type)
    if primitive is not None:
        is_one, expected = primitive
        if not is_one(value):
            yield Issue("value", f"expected {expected}", path)
        elif element.allowed and value not in element.allowed:
            yield Issue("code-invalid", f"expected one of {', '.join(sorted(element.allowed))}", path)
    elif element.type == "Extension":
        yield from _extension(value, path)
    elif element.type == "Resource":
        yield from _contained(value, path)
    else:
        yield from _object(value, element.type, path)
        if element.type == "Reference" and isinstance(value, dict):
            yield from _target(value, element, path)


def _target(reference: dict[str, Any], element: Element, path: str) -> Iterator[Issue]:
    target = literal(reference.get("reference"))
    if target and element.allowed and target[0] not in element.allowed:
        yield Issue("value", f"expected a reference to {', '.join(sorted(element.allowed))}", f"{path}.reference")


def _extension(value: Any, path: str) -> Iterator[Issue]:
    """An extension: a url, and either one value or extensions of its own (ext-1)."""
    yield from _open(value, path)
    if not isinstance(value, dict) or not is_text(value.get("url")):
        yield Issue("required", "an extension needs a url", path)
        return
    values = [name for name in value if name.startswith(("value", "_value"))]
    unknown = [name for name in value if name not in {"url", "id", "extension", *values}]
    if unknown or len({name.removeprefix("_") for name in values}) + ("extension" in value) != 1:
        yield Issue("invariant", "ext-1: an extension has either one value or extensions", path)


def _contained(value: Any, path: str) -> Iterator[Issue]:
    if not isinstance(value, dict) or not is_text(value.get("resourceType")) or not is_id(value.get("id")):
        yield Issue("structure", "a contained resource needs resourceType and id", path)
    elif "contained" in value:
        yield Issue("invariant", "dom-2: a contained resource must not contain others", path)
    elif value["resourceType"] in STORED:
        yield from _object(value, value["resourceType"], path, is_resource=True)
    else:
        yield from _open(value, path)


def _primitive_extras(value: Any, path: str) -> Iterator[Issue]:
    for extra in value if isinstance(value, list) else [value]:
        if extra is None and isinstance(value, list):
            continue
        if not isinstance(extra, dict) or not extra or set(extra) - {"id", "extension"}:
            yield Issue("structure", "expected an object with id or extension", path)
        elif "extension" in extra and not (isinstance(extra["extension"], list) and extra["extension"]):
            yield Issue("structure", "expected a list that is not empty", f"{path}.extension")
        else:
            for position, extension in enumerate(extra.get("extension", [])):
                yield from _extension(extension, f"{path}.extension[{position}]")


def _open(value: Any, path: str) -> Iterator[Issue]:
    """Content whose type is not known here: no nulls and nothing empty (FHIR R4 2.6.0.2)."""
    if value is None or value in ("", [], {}):
        yield Issue("structure", "a value must not be empty", path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _open(inner, f"{path}.{name[:64]}")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            if inner is not None:
                yield from _open(inner, f"{path}[{position}]")


# --- invariants ------------------------------------------------------------------------------------------------


def _none(resource: dict[str, Any]) -> Iterator[Issue]:
    return iter(())


def _none_at(value: dict[str, Any], path: str) -> Iterator[Issue]:
    return iter(())


def _period(period: dict[str, Any], path: str) -> Iterator[Issue]:
    start, end = period.get("start"), period.get("end")
    if isinstance(start, str) and isinstance(end, str):
        try:
            is_reversed = interval(start, UTC_ZONE).low >= interval(end, UTC_ZONE).high
        except ValueError:
            return  # said already where the date is
        if is_reversed:
            yield Issue("invariant", "per-1: the start must not be after the end", path)


def _contact_point(point: dict[str, Any], path: str) -> Iterator[Issue]:
    if "value" in point and "system" not in point and "_system" not in point:
        yield Issue("invariant", "cpt-2: a value needs a system", path)


def _attachment(attachment: dict[str, Any], path: str) -> Iterator[Issue]:
    if "data" in attachment and "contentType" not in attachment:
        yield Issue("invariant", "att-1: data needs a contentType", path)


def _identifier(identifier: dict[str, Any], path: str) -> Iterator[Issue]:
    for name in ("system", "value"):
        text = identifier.get(name)
        if isinstance(text, str) and len(text) > INDEXED_LENGTH:
            yield Issue("too-long", f"this server keeps {INDEXED_LENGTH} characters", f"{path}.{name}")


def _patient(patient: dict[str, Any]) -> Iterator[Issue]:
    for position, contact in enumerate(patient.get("contact", [])):
        if not contact.keys() & {"name", "telecom", "address", "organization"}:
            yield Issue(
                "invariant", "pat-1: a contact needs details or an organization", f"Patient.contact[{position}]"
            )


def _appointment(appointment: dict[str, Any]) -> Iterator[Issue]:
    status = appointment.get("status")
    for position, participant in enumerate(appointment.get("participant", [])):
        if not participant.keys() & {"type", "actor"}:
            yield Issue("invariant", "app-1: type or actor is needed", f"Appointment.participant[{position}]")
    has_start, has_end = "start" in appointment, "end" in appointment
    if has_start != has_end:
        yield Issue("invariant", "app-2: start and end, both or neither", "Appointment")
    if not (has_start and has_end) and status not in {"proposed", "cancelled", "waitlist"}:
        yield Issue("invariant", "app-3: only proposed, cancelled or waitlist may lack start and end", "Appointment")
    if "cancelationReason" in appointment and status not in {"cancelled", "noshow"}:
        yield Issue("invariant", "app-4: a cancelationReason is for cancelled or noshow", "Appointment")
    if has_start and has_end:
        yield from _period(appointment, "Appointment")


def _local_references(resource: dict[str, Any], path: str) -> Iterator[Issue]:
    """ref-1: a reference to ``#id`` needs a contained resource of that id."""
    contained = {f"#{inner['id']}" for inner in resource.get("contained", [])}
    for reference in references(resource):
        target = reference.get("reference")
        if isinstance(target, str) and target.startswith("#") and target != "#" and target not in contained:
            yield Issue("invariant", "ref-1: there is no contained resource of that id", path)


def references(value: Any) -> Iterator[dict[str, Any]]:
    """Every object with an element ``reference``, wherever it stands."""
    if isinstance(value, dict):
        if "reference" in value:
            yield value
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


_DATATYPE_INVARIANTS = {
    "Period": _period,
    "ContactPoint": _contact_point,
    "Attachment": _attachment,
    "Identifier": _identifier,
}
_INVARIANTS = {"Patient": _patient, "Appointment": _appointment}
