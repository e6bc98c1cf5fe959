import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core.appointment import Appointment, AppointmentStatus
from kioskd.core.patient import Identifier, PartialDate, Patient, Sex
from kioskd.errors import Rejected
from kioskd.forward import resources
from tests.forward import fhir_server as samples

NUMBERS = "urn:kioskd:record-number"
SECRET = "Leutheusser-Schnarrenberger"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def patient(**more: Any) -> Patient:
    return resources.patient(samples.patient("p1", **more), NUMBERS)


def appointment(**more: Any) -> Appointment:
    return resources.appointment(samples.appointment("a1", "p1") | more)


def test_a_patient_is_read() -> None:
    assert patient() == Patient(
        id="p1",
        identifiers=(Identifier("http://fhir.de/sid/gkv/kvid-10", "A123456780"), Identifier(NUMBERS, "R-p1")),
        family="Mustermann",
        given="Erika Maria",
        birth_date=date(1964, 8, 12),
        sex=Sex.FEMALE,
        record_number="R-p1",
    )


def test_a_patient_with_an_id_only_is_a_patient() -> None:
    bare = resources.patient({"resourceType": "Patient", "id": "p1"}, NUMBERS)
    assert bare == Patient("p1", (), "", "", None)


@pytest.mark.parametrize(
    ("uses", "chosen"),
    [
        (["maiden", "usual", "official"], "official"),
        (["nickname", "usual"], "usual"),
        (["old", None], "None"),
        (["temp", "maiden"], "temp"),
        (["old"], "old"),
    ],
)
def test_the_official_name_counts_then_the_usual_one(uses: list[str | None], chosen: str) -> None:
    names = [{"family": str(use)} | ({"use": use} if use else {}) for use in uses]
    assert patient(name=names).family == chosen


@pytest.mark.parametrize("text", ["1964", "1964-08"])
def test_a_part_of_a_birth_date_is_no_birth_date_and_kept_as_what_it_is(text: str) -> None:
    found = patient(birthDate=text)
    assert (found.birth_date, found.partial_birth_date) == (None, PartialDate.parse(text))
    assert patient(birthDate="1964-08-12").partial_birth_date is None


@pytest.mark.parametrize("text", ["1964-02-30", "12.08.1964", "", "1964-13", "1964-08-12T00:00:00Z", "64"])
def test_a_birth_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match=r"invalid-resource: Patient\.birthDate is not a FHIR date"):
        patient(birthDate=text)


def test_identifiers_that_are_old_or_incomplete_do_not_count() -> None:
    incomplete = [{"value": "1"}, {"system": "urn:x"}, {"system": "urn:x", "value": "2", "use": "old"}, None]
    assert patient(identifier=incomplete).identifiers == ()


def test_a_gender_that_fhir_does_not_have_is_unknown() -> None:
    assert patient(gender="f").sex is Sex.UNKNOWN


def test_an_appointment_is_read_with_its_times_in_utc() -> None:
    read = appointment(start="2026-11-23T10:00:00+01:00", end="2026-11-23T10:15:00+01:00")
    starts_at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    assert read == Appointment(
        "a1", "p1", starts_at, starts_at + timedelta(minutes=15), AppointmentStatus.BOOKED, "Dr. Hart", ""
    )
    assert read.starts_at.tzinfo is UTC


@pytest.mark.parametrize(
    "reference", ["Patient/p1", "https://ehr.example/fhir/Patient/p1", "Patient/p1/_history/3", "/Patient/p1"]
)
def test_every_way_to_write_a_reference_is_understood(reference: str) -> None:
    assert appointment(participant=[{"actor": {"reference": reference}}]).patient_id == "p1"


@pytest.mark.parametrize(
    "participant", [[], [{}], [{"actor": {}}], [{"actor": {"display": "x"}}], [{"actor": {"reference": "p1"}}]]
)
def test_an_appointment_without_a_patient_has_none(participant: list[Any]) -> None:
    assert appointment(participant=participant).patient_id == ""


def test_the_area_is_that_of_the_location_that_takes_part() -> None:
    location = {"reference": "Location/1", "identifier": {"system": "urn:kioskd:area", "value": "consultation"}}
    other = {"reference": "Location/2", "identifier": {"system": "urn:other", "value": "cellar"}}
    assert appointment(participant=[{"actor": other}, {"actor": location}]).area == "consultation"


def test_without_an_end_the_minutes_count() -> None:
    read = appointment(end=None, minutesDuration=30)
    assert read.ends_at - read.starts_at == timedelta(minutes=30)
    read = appointment(end=None)
    assert read.ends_at == read.starts_at


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"start": None}, "Appointment.start is missing"),
        ({"start": "2026-11-23"}, "Appointment.start is not"),
        ({"start": "2026-11-23T09:00:00"}, "Appointment.start is not"),
        ({"start": "2026-11-23T25:00:00Z"}, "Appointment.start is not"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "Appointment.start is not"),
        ({"end": 7}, "Appointment.end is not a JSON string"),
        ({"status": "confirmed"}, "Appointment.status is missing or not"),
        ({"status": None}, "Appointment.status is missing or not"),
        ({"participant": {}}, "Appointment.participant is not a JSON array"),
        ({"participant": ["p1"]}, "Appointment.participant holds an item"),
        ({"participant": [{"actor": "p1"}]}, "Appointment.participant.actor is not a JSON object"),
        ({"id": "a/1"}, "Appointment.id is missing or malformed"),
        ({"resourceType": "Slot"}, "Appointment expected"),
    ],
)
def test_an_appointment_with_a_wrong_part_is_refused_with_its_place(more: dict[str, Any], place: str) -> None:
    with pytest.raises(Rejected, match=place):
        appointment(**more)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"name": "Erika"}, "Patient.name is not a JSON array"),
        ({"name": [{"family": ["x"]}]}, "Patient.name.family is not a JSON string"),
        ({"name": [{"given": "Erika"}]}, "Patient.name.given is not a JSON array"),
        ({"identifier": [{"system": 1}]}, "Patient.identifier.system is not a JSON string"),
        ({"gender": 1}, "Patient.gender is not a JSON string"),
        ({"birthDate": 1964}, "Patient.birthDate is not a JSON string"),
    ],
)
def test_a_patient_with_a_wrong_part_is_refused_with_its_place(more: dict[str, Any], place: str) -> None:
    with pytest.raises(Rejected, match=place):
        patient(**more)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be replaced within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in inner for found in places(part, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], by)
    return changed


@given(data=st.data(), by=JSON, kind=st.sampled_from(["Patient", "Appointment"]))
def test_whatever_stands_anywhere_in_a_resource_it_is_read_or_refused_without_a_word_of_it(
    data: st.DataObject, by: Any, kind: str
) -> None:
    sample = samples.patient("p1") if kind == "Patient" else samples.appointment("a1", "p1")
    resource = replaced(sample, data.draw(st.sampled_from(places(sample))), by)
    text = ""
    try:
        if kind == "Patient":
            assert resources.patient(resource, NUMBERS).id
        else:
            read = resources.appointment(resource)
            assert read.starts_at.tzinfo is UTC
            assert read.ends_at.tzinfo is UTC
    except Rejected as refusal:
        text = str(refusal)
    assert not text or text.startswith("invalid-resource: ")
    assert SECRET not in text
    assert "Mustermann" not in text
