"""An insurance card as FHIR R4: Coverage, Patient and Organization, as the CARIN digital insurance card puts them.

Read leniently where the guide leaves room and not at all where it would be a guess: with several coverages in force
for different people, for example, nobody knows whose card it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from drivers.codes.payloads.refusal import NotUsable
from kioskd.core.identity import Card, Reason
from kioskd.core.patient import Identifier, PartialDate, Sex

KIND = "smart-health-card"
MEMBER_SYSTEM = "urn:kioskd:member:"
"""Followed by the payer's id: the system of a member id for which the card names none."""
MOST_RESOURCES = 200
LONGEST = 200
"""Characters of a name or an identifier."""

Resource = dict[str, Any]


def card(bundle: Resource) -> Card:
    """The insurance card in a bundle. Raises NotUsable."""
    resources = _resources(bundle)
    coverages = [r for r in resources.values() if r.get("resourceType") == "Coverage"]
    if not coverages:
        raise NotUsable("the card holds no coverage by an insurer", Reason.CODE_NOT_FOR_US)
    in_force = [c for c in coverages if c.get("status") == "active"]
    if len(in_force) != 1:
        raise NotUsable("the card holds several coverages" if in_force else "the card's coverage is not in force")
    coverage = in_force[0]
    patient = _beneficiary(coverage, resources)
    payer_name, payer_id = _payer(coverage, resources)
    identifier, is_shared = _member(coverage, payer_id)
    family, given, undivided = _name(patient)
    born, partial = _birth_date(patient.get("birthDate"))
    return Card(
        kind=KIND,
        identifier=identifier,
        family=family,
        given=given,
        birth_date=born,
        sex=_sex(patient.get("gender")),
        insurer_name=payer_name,
        insurer_id=payer_id,
        partial_birth_date=partial,
        undivided_name=undivided,
        valid_until=_end(coverage.get("period")),
        is_shared_by_family=is_shared,
    )


def _resources(bundle: Resource) -> dict[str, Resource]:
    """The resources of a bundle by the addresses that others in it use, in their order."""
    if bundle.get("resourceType") != "Bundle":
        raise NotUsable("the card holds no FHIR bundle")
    found: dict[str, Resource] = {}
    entries = bundle.get("entry")
    if not isinstance(entries, list) or len(entries) > MOST_RESOURCES:
        raise NotUsable("the card's bundle is empty, or longer than any card's")
    for number, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        address = _text(entry.get("fullUrl")) or f"entry:{number}"
        if address in found:
            raise NotUsable("the card's bundle uses one address twice")
        found[address] = resource
    return found


def _resolved(reference: object, kind: str, resources: dict[str, Resource], holder: Resource) -> Resource | None:
    """What a reference points to: by its address, by type and id, or contained in its holder."""
    wanted = _text(reference.get("reference")) if isinstance(reference, dict) else ""
    if not wanted:
        return None
    found = resources.get(wanted)
    if found is None and wanted.startswith("#"):
        found = next((r for r in _objects(holder, "contained") if r.get("id") == wanted[1:]), None)
    if found is None:
        ids = [r for r in resources.values() if f"{r.get('resourceType')}/{r.get('id')}" == wanted]
        found = ids[0] if len(ids) == 1 else None
    return found if found is not None and found.get("resourceType") == kind else None


def _beneficiary(coverage: Resource, resources: dict[str, Resource]) -> Resource:
    found = _resolved(coverage.get("beneficiary"), "Patient", resources, coverage)
    if found is None:
        raise NotUsable("the card does not hold the person whom the coverage is for")
    return found


def _payer(coverage: Resource, resources: dict[str, Resource]) -> tuple[str, str]:
    """Name and id of the first payer; the id is the one of type ``payerid``, else its first."""
    reference = next(_objects(coverage, "payor"), {})
    organization = _resolved(reference, "Organization", resources, coverage) or {}
    identifiers = [i for i in _objects(organization, "identifier") if _text(i.get("value"))]
    best = next((i for i in identifiers if "payerid" in _codes(i)), next(iter(identifiers), {}))
    given = reference.get("identifier")
    payer_id = _text(best.get("value")) or (_text(given.get("value")) if isinstance(given, dict) else "")
    return _text(organization.get("name")) or _text(reference.get("display")), payer_id


def _member(coverage: Resource, payer_id: str) -> tuple[Identifier, bool]:
    """The member's own number (type MB), else the subscriber's, which a family shares."""
    identifiers = [i for i in _objects(coverage, "identifier") if _text(i.get("value"))]
    own = next((i for i in identifiers if "MB" in _codes(i)), None)
    if own is not None:
        return Identifier(_text(own.get("system")) or MEMBER_SYSTEM + payer_id, _text(own.get("value"))), False
    subscriber = _text(coverage.get("subscriberId"))
    if subscriber:
        return Identifier(MEMBER_SYSTEM + payer_id, subscriber), True
    if not identifiers:
        raise NotUsable("the card's coverage has no member's number")
    first = identifiers[0]
    return Identifier(_text(first.get("system")) or MEMBER_SYSTEM + payer_id, _text(first.get("value"))), True


def _name(patient: Resource) -> tuple[str, str, str]:
    """Family name, given names, or the whole name where the card does not divide it."""
    names = [
        n for n in _objects(patient, "name") if _text(n.get("use")) not in {"old", "maiden", "nickname", "anonymous"}
    ]
    best = next((n for n in names if n.get("use") == "official"), next(iter(names), {}))
    given = best.get("given")
    givens = [_text(part) for part in given] if isinstance(given, list) else []
    family, together = _text(best.get("family")), " ".join(filter(None, givens))
    if family or together:
        return family, together, ""
    whole = _text(best.get("text"))
    if not whole:
        raise NotUsable("the card has no name")
    return "", "", whole


def _birth_date(value: object) -> tuple[date | None, PartialDate | None]:
    try:
        parsed = PartialDate.parse(_text(value))
    except ValueError:
        raise NotUsable("the card has no birth date") from None
    return (parsed.whole, None) if parsed.whole else (None, parsed)


def _end(period: object) -> date | None:
    """The last day of a coverage; a month or a year ends on its last day."""
    end = _text(period.get("end")) if isinstance(period, dict) else ""
    if not end:
        return None
    try:
        parsed = PartialDate.parse(end[:10])
    except ValueError:
        raise NotUsable("the coverage's end is no date") from None
    return parsed.whole or _last_day(parsed)


def _last_day(part: PartialDate) -> date:
    """The last day of a month or year."""
    if part.month is None or part.month == 12:
        return date(part.year, 12, 31)
    return date.fromordinal(date(part.year, part.month + 1, 1).toordinal() - 1)


def _sex(value: object) -> Sex:
    return Sex(value) if isinstance(value, str) and value in set(Sex) else Sex.UNKNOWN


def _codes(identifier: Resource) -> set[str]:
    """The codes of an identifier's type."""
    kind = identifier.get("type")
    return {_text(coding.get("code")) for coding in _objects(kind, "coding")} if isinstance(kind, dict) else set()


def _objects(holder: Resource, name: str) -> Iterator[Resource]:
    """The objects of a list; anything else in it is passed over."""
    items = holder.get(name)
    if isinstance(items, list):
        yield from (item for item in items[:MOST_RESOURCES] if isinstance(item, dict))


def _text(value: object) -> str:
    """A text without blanks around it, or empty. Raises NotUsable for one that nobody can show."""
    if not isinstance(value, str):
        return ""
    collapsed = " ".join(value.split())
    if len(collapsed) > LONGEST or not collapsed.isprintable():
        raise NotUsable("the card holds a text that is too long or holds control characters")
    return collapsed
