"""A Bundle of type transaction (FHIR R4 3.1.0.11): its entries checked and their links resolved. Pure.

What is supported: updates with a client's own id (``PUT Type/id``), each with ``ifMatch`` where the client wants it.
Entries are done in their order, all or nothing. A link ``urn:uuid:`` that is another entry's ``fullUrl`` becomes a
reference to that entry's id; one that is nobody's refuses the transaction.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kioskd.records.outcome import InteractionRefused, Issue
from kioskd.records.primitives import is_id
from kioskd.records.resources import check, references
from kioskd.records.structures import STORED

ENTRIES = 500
"""Entries of one transaction, at most."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update: ``if_match`` is the version it was made from (as an ETag, ``W/"1"``), or empty."""

    type: str
    id: str
    resource: dict[str, Any]
    if_match: str = ""


def parse(bundle: Any) -> list[Update]:
    """The updates of a transaction. Raises InteractionRefused: 400, or 422 for a resource that is not valid."""
    entries = _entries(bundle)
    targets = [_target(entry, position) for position, entry in enumerate(entries)]
    for position, target in enumerate(targets):
        if target in targets[:position]:
            raise _refused("duplicate", "two entries of a transaction have one identity", position)
    links = {
        entry["fullUrl"]: f"{kind}/{resource_id}"
        for entry, (kind, resource_id) in zip(entries, targets, strict=True)
        if isinstance(entry.get("fullUrl"), str) and entry["fullUrl"].startswith("urn:")
    }
    return [
        _update(entry, target, links, position)
        for position, (entry, target) in enumerate(zip(entries, targets, strict=True))
    ]


def _refused(code: str, text: str, position: int | None = None, status: int = 400) -> InteractionRefused:
    where = "Bundle" if position is None else f"Bundle.entry[{position}]"
    return InteractionRefused(status, Issue(code, text, where))


def _entries(bundle: Any) -> Sequence[dict[str, Any]]:
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise _refused("structure", "expected a Bundle")
    if bundle.get("type") != "transaction":
        raise _refused("not-supported", "expected a Bundle of type transaction; other types are not supported")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _refused("structure", "expected entry to be a list of objects")
    if len(entries) > ENTRIES:
        raise _refused("too-costly", f"a transaction has {ENTRIES} entries at most")
    return entries


_CONDITIONS = ("ifNoneExist", "ifNoneMatch", "ifModifiedSince")


def _target(entry: dict[str, Any], position: int) -> tuple[str, str]:
    """Type and id that an entry is about."""
    request = entry.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise _refused("required", "an entry needs a request with method and url", position)
    if request.get("method") != "PUT":
        raise _refused("not-supported", "only entries with the method PUT are supported", position)
    if any(name in request for name in _CONDITIONS):
        raise _refused("not-supported", "of the conditions only ifMatch is supported", position)
    kind, _, resource_id = request["url"].removeprefix("/").partition("/")
    if kind not in STORED or not is_id(resource_id):
        raise _refused("not-supported", f"expected a url Type/id, with one of {', '.join(STORED)}", position)
    return kind, resource_id


def _update(entry: dict[str, Any], target: tuple[str, str], links: dict[str, str], position: int) -> Update:
    resource: Any = copy.deepcopy(entry.get("resource"))
    if isinstance(resource, dict):
        _resolve(resource, links, position)
    check_update(resource, *target, where=f"Bundle.entry[{position}].resource: ")
    if_match = entry["request"].get("ifMatch", "")
    if not isinstance(if_match, str):
        raise _refused("value", 'expected ifMatch to be an ETag such as W/"1"', position)
    return Update(*target, resource, if_match)


def _resolve(resource: dict[str, Any], links: dict[str, str], position: int) -> None:
    for reference in references(resource):
        target = reference["reference"]
        if not isinstance(target, str):
            continue  # ``check`` says what is wrong with it
        if target in links:
            reference["reference"] = links[target]
        elif target.startswith("urn:uuid:"):
            raise _refused("not-found", "a link urn:uuid: is not the fullUrl of any entry", position)


def check_update(resource: Any, kind: str, resource_id: str, where: str = "") -> None:
    """Raises InteractionRefused: 400 when a resource is not what its address says, 422 when it is not valid."""
    if not isinstance(resource, dict) or resource.get("resourceType") != kind or resource.get("id") != resource_id:
        raise InteractionRefused(400, Issue("invalid", f"{where}resourceType and id must be those of the address"))
    if issues := check(resource):
        raise InteractionRefused(422, *(Issue(i.code, where + i.text, i.expression) for i in issues))
