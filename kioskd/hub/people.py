"""People as hub.db keeps them in JSON columns: patients with every letter of their names, and who has no name yet."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from kioskd.core.patient import Identifier, PartialDate, Patient, Sex
from kioskd.ports import Newborn, UnknownPerson

Unnamed = UnknownPerson | Newborn
"""Times are aware UTC here."""


def has_two_identifiers(patient: Patient | None) -> bool:
    """Whether a sheet can tell them from everybody else: name, birth date and record number (NPSG.01.01.01)."""
    if patient is None:
        return False
    is_born = patient.birth_date is not None or patient.partial_birth_date is not None
    return is_born and bool(patient.record_number) and bool(patient.family or patient.given)


def stored(patient: Patient) -> dict[str, Any]:
    """A patient as JSON."""
    born, partly = patient.birth_date, patient.partial_birth_date
    return {
        "id": patient.id,
        "identifiers": [[i.system, i.value] for i in patient.identifiers],
        "family": patient.family,
        "given": patient.given,
        "birth_date": born.isoformat() if born else None,
        "partial_birth_date": str(partly) if partly else None,
        "sex": patient.sex.value,
        "record_number": patient.record_number,
    }


def loaded(stored: dict[str, Any]) -> Patient:
    """The patient of ``stored``."""
    born, partly = stored["birth_date"], stored["partial_birth_date"]
    return Patient(
        stored["id"],
        tuple(Identifier(system, value) for system, value in stored["identifiers"]),
        stored["family"],
        stored["given"],
        date.fromisoformat(born) if born else None,
        Sex(stored["sex"]),
        stored["record_number"],
        PartialDate.parse(partly) if partly else None,
    )


def stored_unnamed(person: Unnamed, record_number: str) -> dict[str, Any]:
    """Who has no name yet, as JSON, with the record number."""
    if isinstance(person, UnknownPerson):
        said: dict[str, Any] = {"sex": person.sex.value, "arrived_at": person.arrived_at.isoformat()}
    else:
        said = {
            "mother_family": person.mother_family,
            "mother_given": person.mother_given,
            "mother_record_number": person.mother_record_number,
            "born_at": person.born_at.isoformat(),
            "birth_order": person.birth_order,
            "births": person.births,
        }
    return said | {"record_number": record_number}


def loaded_unnamed(stored: dict[str, Any]) -> tuple[Unnamed, str]:
    """Who ``stored_unnamed`` was given, and the record number."""
    number = stored["record_number"]
    if "arrived_at" in stored:
        return UnknownPerson(Sex(stored["sex"]), datetime.fromisoformat(stored["arrived_at"])), number
    child = Newborn(
        stored["mother_family"],
        stored["mother_given"],
        stored["mother_record_number"],
        datetime.fromisoformat(stored["born_at"]),
        stored["birth_order"],
        stored["births"],
    )
    return child, number
