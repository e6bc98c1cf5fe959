"""The demo's clinic: its invented patients and today's appointments, put into records over FHIR like anybody would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from drivers.cards.samples import Sample, one_of_each_kind
from drivers.cards.synthetic import SAMPLE_PEOPLE, SamplePerson
from kioskd.core.identity import Card
from kioskd.core.patient import KVID_SYSTEM, Identifier
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
    number_on_card = Identifier(KVID_SYSTEM, person.kvnr)
    return _patient(person.id, number, number_on_card, family, person.given, str(person.sex), str(person.birth_date))


def guest_resource(guest: Card, person_id: str, number: int) -> dict[str, Any]:
    """A FHIR Patient for the holder of a card of another country; an undivided name stands as the family name."""
    family, born = guest.family or guest.undivided_name, guest.birth_date or guest.partial_birth_date
    return _patient(person_id, number, guest.identifier, family, guest.given, str(guest.sex), str(born))


def _patient(
    person_id: str, number: int, on_card: Identifier, family: str, given: str, sex: str, born: str
) -> dict[str, Any]:
    name = {"use": "official", "family": family} | ({"given": given.split()} if given else {})
    return {
        "resourceType": "Patient",
        "id": f"demo-{person_id}",
        "active": True,
        "identifier": [
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                "system": RECORD_NUMBER_SYSTEM,
                "value": f"{100000 + number}",
            },
            {"system": on_card.system, "value": on_card.value},
        ],
        "name": [name],
        "gender": sex,
        "birthDate": born,
    }


def appointment_resource(person: SamplePerson | Sample, number: int, starts_at: datetime) -> dict[str, Any]:
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


def guests(now: datetime) -> list[dict[str, Any]]:
    """The holder of one card of every other country, each with an appointment in the two hours after next."""
    resources = []
    first = now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(hours=2)
    for number, sample in enumerate(one_of_each_kind(), 100):
        if isinstance(sample.shows, Card):
            resources.append(guest_resource(sample.shows, sample.id, number))
            resources.append(appointment_resource(sample, number, first + timedelta(minutes=15 * (number % 8))))
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
