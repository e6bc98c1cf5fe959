"""The demo's clinic: its invented patients and today's appointments, put into records over FHIR like anybody would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from drivers.cards.synthetic import SAMPLE_PEOPLE, SamplePerson
from kioskd.core.patient import KVID_SYSTEM
from kioskd.errors import StartRefused

RECORD_NUMBER_SYSTEM = "urn:kioskd:record-number"
PRACTITIONERS = (("Hart", "Lena"), ("Yıldız", "Mehmet"), ("Król", "Ines"))


def practitioner_resource(number: int) -> dict[str, Any]:
    """A FHIR Practitioner of the demo."""
    family, given = PRACTITIONERS[number]
    return {
        "resourceType": "Practitioner",
        "id": f"demo-{number}",
        "active": True,
        "name": [{"prefix": ["Dr."], "family": family, "given": [given]}],
    }


def patient_resource(person: SamplePerson, number: int) -> dict[str, Any]:
    """A FHIR Patient for an invented person; ``number`` makes the record number."""
    family = person.family_in_records or person.family
    return {
        "resourceType": "Patient",
        "id": f"demo-{person.id}",
        "active": True,
        "identifier": [
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                "system": RECORD_NUMBER_SYSTEM,
                "value": f"{100000 + number}",
            },
            {"system": KVID_SYSTEM, "value": person.kvnr},
        ],
        "name": [{"use": "official", "family": family, "given": person.given.split()}],
        "gender": str(person.sex),
        "birthDate": person.birth_date.isoformat(),
    }


def appointment_resource(person: SamplePerson, number: int, starts_at: datetime) -> dict[str, Any]:
    """A FHIR Appointment of 15 minutes."""
    ends_at = starts_at + timedelta(minutes=15)
    doctor = number % len(PRACTITIONERS)
    family, given = PRACTITIONERS[doctor]
    practitioner = {"reference": f"Practitioner/demo-{doctor}", "display": f"Dr. {given} {family}"}
    return {
        "resourceType": "Appointment",
        "id": f"demo-{person.id}-{number}",
        "status": "booked",
        "description": "Demo",
        "start": starts_at.isoformat(),
        "end": ends_at.isoformat(),
        "participant": [
            {"actor": {"reference": f"Patient/demo-{person.id}"}, "status": "accepted"},
            {"actor": practitioner, "status": "accepted"},
        ],
    }


def clinic_day(now: datetime, people: Sequence[SamplePerson] = SAMPLE_PEOPLE) -> list[dict[str, Any]]:
    """Everybody who is in the records, and an appointment in the next two hours for who has one."""
    resources = [practitioner_resource(number) for number in range(len(PRACTITIONERS))]
    first = now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=5)
    for number, person in enumerate(p for p in people if p.is_in_records):
        resources.append(patient_resource(person, number))
        if person.has_appointment:
            resources.append(appointment_resource(person, number, first + timedelta(minutes=15 * (number % 8))))
    return resources


async def seed(fhir_url: str, token: str, resources: Iterable[dict[str, Any]]) -> None:
    """PUT resources into a FHIR server. Raises StartRefused when it does not take one."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=10) as client:
        for resource in resources:
            kind, name = resource["resourceType"], resource["id"]
            answer = await client.put(f"{fhir_url}/{kind}/{name}", json=resource)
            if answer.status_code not in {200, 201}:
                raise StartRefused(f"the demo's {kind} was not taken by records: HTTP {answer.status_code}")
