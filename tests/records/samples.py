"""Invented resources as the schedule and a check-in write them."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from kioskd.core.patient import KVID_SYSTEM

RECORD_NUMBER_SYSTEM = "urn:kioskd:record-number"
Resource = dict[str, Any]


def patient(number: int = 1, **more: Any) -> Resource:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [
            {"system": KVID_SYSTEM, "value": f"X{number:09d}"},
            {"system": RECORD_NUMBER_SYSTEM, "value": f"{100000 + number}"},
        ],
        "name": [{"use": "official", "family": "Núñez", "given": ["Ana", "María"]}],
        "gender": "female",
        "birthDate": "1980-02-03",
    } | more


def practitioner(number: int = 1, **more: Any) -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": f"d{number}",
        "name": [{"family": "Hart", "given": ["Lena"], "prefix": ["Dr."]}],
    } | more


def appointment(number: int = 1, start: str = "2026-11-23T09:15:00+01:00", **more: Any) -> Resource:
    return {
        "resourceType": "Appointment",
        "id": f"a{number}",
        "status": "booked",
        "start": start,
        "end": f"2099{start[4:]}",
        "participant": [
            {"actor": {"reference": f"Patient/p{number}"}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/d1", "display": "Dr. Lena Hart"}, "status": "accepted"},
        ],
    } | more


def check_in_id(number: int = 1) -> str:
    return str(uuid5(NAMESPACE_URL, f"check-in {number}"))


def encounter(number: int = 1, start: str = "2026-11-23T09:02:11+01:00", key: int | None = None) -> Resource:
    own = check_in_id(number if key is None else key)
    return {
        "resourceType": "Encounter",
        "id": str(uuid5(NAMESPACE_URL, own)),
        "identifier": [
            {"system": "urn:kioskd:check-in", "value": own},
            {"system": "urn:kioskd:ticket", "value": f"A{number}"},
            {"system": "urn:kioskd:station", "value": "entrance"},
            {"system": "urn:kioskd:identified-by", "value": "egk"},
        ],
        "status": "arrived",
        "statusHistory": [{"status": "arrived", "period": {"start": start}}],
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "subject": {"reference": f"Patient/p{number}"},
        "appointment": [{"reference": f"Appointment/a{number}"}],
        "period": {"start": start},
    }


def put_entry(resource: Resource, if_match: str = "", full_url: str = "") -> Resource:
    request = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
    entry: Resource = {"resource": resource, "request": request | ({"ifMatch": if_match} if if_match else {})}
    return entry | ({"fullUrl": full_url} if full_url else {})


def transaction(*entries: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def check_in(number: int = 1, if_match: str = 'W/"1"', key: int | None = None) -> Resource:
    """What the forwarder sends: the Encounter, and the Appointment booked -> checked-in."""
    return transaction(
        put_entry(encounter(number, key=key)),
        put_entry(appointment(number, status="checked-in"), if_match),
    )
