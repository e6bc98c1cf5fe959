"""What is taken for a resource, and what is said about one that is not."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.records import fhirjson
from kioskd.records.resources import check, literal
from kioskd.records.structures import STORED, STRUCTURES
from tests.records.samples import appointment, encounter, patient, practitioner

LOCATION = {
    "resourceType": "Location",
    "id": "l1",
    "status": "active",
    "position": {"longitude": 13.4, "latitude": 52.5},
    "hoursOfOperation": [{"daysOfWeek": ["mon", "tue"], "openingTime": "08:00:00"}],
}
FULL_PATIENT = patient(
    text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Ana</div>'},
    language="de",
    extension=[{"url": "urn:x", "extension": [{"url": "y", "valueCode": "z"}]}],
    _birthDate={"extension": [{"url": "urn:birth-time", "valueDateTime": "1980-02-03T01:02:03+01:00"}]},
    name=[{"given": ["Ana", None], "_given": [None, {"extension": [{"url": "urn:x", "valueString": "?"}]}]}],
    deceasedBoolean=False,
    multipleBirthInteger=2,
    contained=[{"resourceType": "Organization", "id": "o", "name": "Praxis"}],
    managingOrganization={"reference": "#o"},
    contact=[{"name": {"family": "Núñez"}, "telecom": [{"system": "phone", "value": "030 1"}]}],
    link=[{"other": {"reference": "Patient/p2"}, "type": "seealso"}],
    photo=[{"contentType": "image/png", "data": "aGVsbG8=", "size": 5}],
)
GOOD = [patient(), FULL_PATIENT, practitioner(), appointment(), encounter(), LOCATION]


def _as_json(resource: dict[str, Any]) -> Any:
    return fhirjson.parse(json.dumps(resource).encode())


@pytest.mark.parametrize("resource", GOOD, ids=lambda r: r["resourceType"])
def test_a_good_resource_has_no_issue(resource: dict[str, Any]):
    assert check(_as_json(resource)) == []


def _without(resource: dict[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in resource.items() if k != name}


BAD = [
    ("a resource of a type that is not stored", {"resourceType": "Observation", "id": "o"}, "not-supported"),
    ("a gender that is no code of FHIR", patient(gender="F"), "code-invalid"),
    ("a day that is not in the calendar", patient(birthDate="1980-02-30"), "value"),
    ("a name that is an object", patient(name={"family": "N"}), "structure"),
    ("a list where one value belongs", patient(gender=["female"]), "structure"),
    ("an empty list", patient(name=[]), "structure"),
    ("an empty object", patient(maritalStatus={}), "structure"),
    ("an empty text", patient(language=""), "value"),
    ("a text of blanks", practitioner(name=[{"family": "  "}]), "value"),
    ("a null", patient(birthDate=None), "value"),
    ("a null in a list", patient(name=[{"given": [None]}]), "value"),
    ("a text for a boolean", patient(active="true"), "value"),
    ("a boolean for a number", patient(multipleBirthInteger=True), "value"),
    ("an id with a blank", patient(id="p 1"), "value"),
    ("an id of 65 characters", patient(id="p" * 65), "value"),
    ("an element that is not of FHIR", patient(surname="N"), "structure"),
    ("extras of an element that is not primitive", patient(_name=[{"id": "x"}]), "structure"),
    ("a choice made twice", patient(deceasedBoolean=True, deceasedDateTime="2020"), "structure"),
    ("a contact without details (pat-1)", patient(contact=[{"gender": "female"}]), "invariant"),
    ("a link without its other side", patient(link=[{"type": "refer"}]), "required"),
    ("a reference to the wrong type", encounter() | {"subject": {"reference": "Practitioner/d1"}}, "value"),
    ("a reference to nothing contained (ref-1)", patient(managingOrganization={"reference": "#o"}), "invariant"),
    ("a telephone without its system (cpt-2)", patient(telecom=[{"value": "030 1"}]), "invariant"),
    ("a photo without its type (att-1)", patient(photo=[{"data": "aGVsbG8="}]), "invariant"),
    ("data that is not base64", patient(photo=[{"contentType": "image/png", "data": "aGVsbG8"}]), "value"),
    ("an extension without a value (ext-1)", patient(extension=[{"url": "urn:x"}]), "invariant"),
    ("an identifier that can't be found again", patient(identifier=[{"value": "1" * 256}]), "too-long"),
    ("a status of nobody", appointment(status="here"), "code-invalid"),
    ("no status", _without(appointment(), "status"), "required"),
    ("no participant", _without(appointment(), "participant"), "required"),
    ("a participant without type and actor (app-1)", appointment(participant=[{"status": "accepted"}]), "invariant"),
    ("a start without an end (app-2)", _without(appointment(), "end"), "invariant"),
    ("no times (app-3)", _without(_without(appointment(), "start"), "end"), "invariant"),
    ("a reason to cancel what goes on (app-4)", appointment(cancelationReason={"text": "x"}), "invariant"),
    ("an end before the start", appointment(end="2020-01-01T00:00:00Z"), "invariant"),
    ("a start without a time zone", appointment(start="2026-11-23T09:15:00"), "value"),
    ("a start without seconds", appointment(start="2026-11-23T09:15Z"), "value"),
    ("minutes that run backwards", appointment(minutesDuration=-15), "value"),
    ("no class", _without(encounter(), "class"), "required"),
    ("a class that is a list, as in R5", encounter() | {"class": [{"code": "AMB"}]}, "structure"),
    ("an end before the start (per-1)", encounter() | {"period": {"start": "2026", "end": "2025"}}, "invariant"),
    ("a position without latitude", LOCATION | {"position": {"longitude": 1}}, "required"),
    ("an opening hour of 25 o'clock", LOCATION | {"hoursOfOperation": [{"openingTime": "25:00:00"}]}, "value"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "code"), [pytest.param(r, c, id=name) for name, r, c in BAD])
def test_a_bad_resource_is_told_by_its_code(resource: dict[str, Any], code: str):
    assert code in {issue.code for issue in check(_as_json(resource))}


def test_appointments_that_may_lack_times_may():
    for status in ("proposed", "cancelled", "waitlist"):
        assert check(_without(_without(appointment(status=status), "start"), "end")) == []


def test_an_issue_says_where_and_never_repeats_what_is_there():
    (issue,) = check(patient(contact=[{"name": {"text": "ok"}}, {"name": {"text": "ok"}, "gender": "Geheimnis"}]))
    assert issue.expression == "Patient.contact[1].gender"
    assert "Geheimnis" not in issue.text


@pytest.mark.parametrize("value", [None, [], "Patient", 7, {}, {"resourceType": ["Patient"]}, {"resourceType": None}])
def test_what_is_no_resource_at_all_is_told_so(value: object):
    assert check(value) != []


def test_literal_references_are_told_from_others():
    assert literal("Patient/p1") == ("Patient", "p1")
    assert literal("http://127.0.0.1:8405/fhir/Patient/p1/_history/3") == ("Patient", "p1")
    for other in ("#p1", "urn:uuid:0f", "Patient", "patient/p1", "Patient/p 1", None, 7):
        assert literal(other) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=5)
    | st.sampled_from(["2026-11-23", "Patient/p1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_whatever_stands_in_a_resource_the_check_answers(data: st.DataObject):
    """One element anywhere is replaced by anything."""
    resource = copy.deepcopy(data.draw(st.sampled_from(GOOD)))
    kind = resource["resourceType"]
    name = data.draw(st.sampled_from([*sorted(STRUCTURES[kind]), "_birthDate", "_status"]))
    resource[name] = data.draw(JSON)
    inner = data.draw(st.sampled_from([v[0] for v in resource.values() if isinstance(v, list) and v] or [{}]))
    if isinstance(inner, dict) and inner:
        inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(JSON)
    for issue in check(resource):
        assert issue.text
        assert issue.expression


def test_every_structure_that_an_element_names_is_there():
    from kioskd.records.primitives import PRIMITIVES

    named = {element.type for elements in STRUCTURES.values() for element in elements.values()}
    assert named - set(STRUCTURES) - set(PRIMITIVES) == {"Extension", "Resource"}
    assert set(STORED) <= set(STRUCTURES)
