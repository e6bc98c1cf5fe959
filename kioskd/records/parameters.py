"""The search parameters of each type, and what of a resource they find. Pure.

The search rows of a resource are made when it is stored and replaced with every version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

from kioskd.records.dates import EARLIEST, LATEST, Interval, interval
from kioskd.records.resources import literal


class Kind(Enum):
    """The type of a search parameter."""

    ID = "id"
    TOKEN = "token"  # noqa: S105 - not a secret
    DATE = "date"
    REFERENCE = "reference"

    @property
    def fhir_type(self) -> str:
        return "token" if self is Kind.ID else self.value


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter: where in the resource it looks. ``target``: the only type that a reference may name."""

    kind: Kind
    path: str = ""
    target: str = ""
    system: str = ""
    """The code system of a plain code."""


_ID = {"_id": Parameter(Kind.ID), "identifier": Parameter(Kind.TOKEN, "identifier")}
PARAMETERS: dict[str, dict[str, Parameter]] = {
    "Appointment": _ID
    | {
        "date": Parameter(Kind.DATE, "start"),
        "patient": Parameter(Kind.REFERENCE, "participant.actor", "Patient"),
        "status": Parameter(Kind.TOKEN, "status", system="http://hl7.org/fhir/appointmentstatus"),
    },
    "Encounter": _ID
    | {
        "appointment": Parameter(Kind.REFERENCE, "appointment", "Appointment"),
        "date": Parameter(Kind.DATE, "period"),
        "patient": Parameter(Kind.REFERENCE, "subject", "Patient"),
        "status": Parameter(Kind.TOKEN, "status", system="http://hl7.org/fhir/encounter-status"),
    },
    "Location": _ID,
    "Patient": _ID,
    "Practitioner": _ID,
}
INCLUDES = {
    f"{kind}:{name}": parameter
    for kind, parameters in PARAMETERS.items()
    for name, parameter in parameters.items()
    if parameter.kind is Kind.REFERENCE
}


@dataclass(frozen=True, slots=True)
class SearchRows:
    """What of one resource can be found: (parameter, ...) rows, each once."""

    tokens: frozenset[tuple[str, str, str]]
    """Parameter, system (empty when there is none), value."""
    dates: frozenset[tuple[str, Interval]]
    references: frozenset[tuple[str, str, str]]
    """Parameter, target type, target id."""


def search_rows(resource: dict[str, Any], zone: ZoneInfo) -> SearchRows:
    """The search rows of a resource that ``resources.check`` found nothing wrong with."""
    tokens: set[tuple[str, str, str]] = set()
    dates: set[tuple[str, Interval]] = set()
    references: set[tuple[str, str, str]] = set()
    for name, parameter in PARAMETERS[resource["resourceType"]].items():
        for value in _at(resource, parameter.path.split(".")):
            if parameter.kind is Kind.TOKEN:
                tokens.update((name, *token) for token in _tokens(value, parameter))
            elif parameter.kind is Kind.DATE:
                dates.add((name, _covered(value, zone)))
            elif parameter.kind is Kind.REFERENCE:
                references.update((name, *target) for target in _targets(value, parameter))
    return SearchRows(frozenset(tokens), frozenset(dates), frozenset(references))


def _at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for inner in value:
            yield from _at(inner, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _tokens(value: Any, parameter: Parameter) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield parameter.system, value
    elif "value" in value:
        yield value.get("system", ""), value["value"]


def _targets(reference: dict[str, Any], parameter: Parameter) -> Iterator[tuple[str, str]]:
    target = literal(reference.get("reference"))
    if target is not None and target[0] == parameter.target:
        yield target


def _covered(value: Any, zone: ZoneInfo) -> Interval:
    if isinstance(value, str):
        return interval(value, zone)
    low = interval(value["start"], zone).low if "start" in value else EARLIEST
    high = interval(value["end"], zone).high if "end" in value else LATEST
    return Interval(low, high)
