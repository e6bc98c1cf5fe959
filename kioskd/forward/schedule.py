"""Patients and appointments from a FHIR R4 server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from kioskd.core.appointment import Appointment
from kioskd.core.patient import Identifier, Patient
from kioskd.errors import Rejected
from kioskd.forward import resources
from kioskd.forward.fhir import instant
from kioskd.forward.http import FhirClient
from kioskd.forward.resources import Resource
from kioskd.ports import Scheduled

log = logging.getLogger(__name__)

T = TypeVar("T")


class FhirSchedule:
    """Implements ``ports.Schedule``. ``record_number_system``: identifier system of the site's own numbers.

    What a server answers is checked against what was asked: one that does not know a search parameter may leave it
    out and answer with everybody.
    """

    def __init__(self, client: FhirClient, record_number_system: str) -> None:
        self._client = client
        self._record_number_system = record_number_system
        self._told: set[str] = set()

    async def find_patients(self, identifier: Identifier) -> Sequence[Patient]:
        """All patients in use that have exactly this identifier. One that can't be read is not passed over silently:
        two matches could look like one. Raises Unreachable or Rejected.
        """
        # In the body: the value is an insurance number, and servers and proxies log addresses.
        found = await self._client.search("Patient", [("identifier", _token(identifier))], in_body=True)
        patients = [self._patient(r) for r in found if r.get("resourceType") == "Patient" and resources.is_active(r)]
        return [p for p in patients if identifier in p.identifiers]

    async def read_patient(self, patient_id: str) -> Patient | None:
        """The patient in use with this logical id. Raises Unreachable or Rejected."""
        versioned = await self._client.read("Patient", patient_id)
        if versioned is None or not resources.is_active(versioned.resource):
            return None
        found = self._patient(versioned.resource)
        return found if found.id == patient_id else None

    async def appointments_between(self, begin: datetime, end: datetime) -> Sequence[Scheduled]:
        """All appointments that start in [begin, end) and have a patient, with that patient.

        One that can't be read is left out and logged: the others' patients must not wait for it.
        Raises Unreachable or Rejected.
        """
        found = await self._client.search("Appointment", [*_dates(begin, end), ("_include", "Appointment:patient")])
        read = self._readable(found, "Appointment", resources.appointment)
        booked = [a for a in read if a.patient_id and begin <= a.starts_at < end]
        included = {r.get("id") for r in found if r.get("resourceType") == "Patient"}
        for missing in sorted({a.patient_id for a in booked} - included):  # a server without _include
            if (versioned := await self._client.read("Patient", missing)) is not None:
                found.append(versioned.resource)
        patients = {p.id: p for p in self._readable(found, "Patient", self._patient)}
        return [Scheduled(a, patients[a.patient_id]) for a in booked if a.patient_id in patients]

    async def appointments_of(self, patient_id: str, begin: datetime, end: datetime) -> Sequence[Appointment]:
        """One patient's appointments that start in [begin, end). Raises Unreachable or Rejected."""
        if not resources.is_id(patient_id):
            raise Rejected("invalid-id", "search Appointment: the patient's id is not a FHIR id")
        found = await self._client.search("Appointment", [*_dates(begin, end), ("patient", f"Patient/{patient_id}")])
        read = self._readable(found, "Appointment", resources.appointment)
        return [a for a in read if a.patient_id == patient_id and begin <= a.starts_at < end]

    def _patient(self, resource: object) -> Patient:
        return resources.patient(resource, self._record_number_system)

    def _readable(self, found: Sequence[Resource], kind: str, parse: Callable[[object], T]) -> list[T]:
        """What can be read of the resources of a type. Each kind of problem is logged once, not at every look."""
        read = []
        for resource in found:
            if resource.get("resourceType") != kind:
                continue
            try:
                read.append(parse(resource))
            except Rejected as error:
                if str(error) not in self._told:
                    self._told.add(str(error))
                    log.warning("schedule: a resource is left out, the desk must help its patient: %s", error)
        return read


def _dates(begin: datetime, end: datetime) -> list[tuple[str, str]]:
    return [("date", f"ge{instant(begin)}"), ("date", f"lt{instant(end)}")]


def _token(identifier: Identifier) -> str:
    r"""``system|value`` of a search; FHIR escapes its own separators with a backslash (R4 3.1.1.4.11)."""

    def escaped(text: str) -> str:
        for separator in ("\\", "|", ",", "$"):
            text = text.replace(separator, f"\\{separator}")
        return text

    return f"{escaped(identifier.system)}|{escaped(identifier.value)}"
