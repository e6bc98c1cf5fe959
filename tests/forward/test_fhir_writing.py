from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core.appointment import AppointmentStatus
from kioskd.errors import Rejected
from kioskd.forward.fhir import Target, Versioned, check_in_of, check_in_transaction, instant, must_move
from kioskd.records.resources import check
from tests.forward.fhir_server import appointment
from tests.forward.messages import payload

ARRIVED, CHECKED_IN = AppointmentStatus.ARRIVED, AppointmentStatus.CHECKED_IN
ENCOUNTER_ID = "34788102-4991-5404-bef6-14d84c02da96"


def entries(target: Target = CHECKED_IN, status: str = "booked", **more: Any) -> list[dict[str, Any]]:
    read = Versioned(appointment("a1", "p1", status=status), 'W/"7"')
    bundle = check_in_transaction(check_in_of(payload(1)), read, target, **more)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")
    written: list[dict[str, Any]] = bundle["entry"]
    return written


def test_a_check_in_is_one_encounter_that_names_nobody() -> None:
    encounter = entries()[0]
    assert encounter["request"] == {"method": "PUT", "url": f"Encounter/{encounter['resource']['id']}"}
    assert encounter["resource"] == {
        "resourceType": "Encounter",
        "id": check_in_of(payload(1)).encounter_id,
        "identifier": [
            {"system": "urn:kioskd:check-in", "value": payload(1)["check_in_id"]},
            {"system": "urn:kioskd:ticket", "value": "A1"},
            {"system": "urn:kioskd:station", "value": "entrance"},
            {"system": "urn:kioskd:identified-by", "value": "egk"},
        ],
        "status": "arrived",
        "statusHistory": [{"status": "arrived", "period": {"start": "2026-11-23T08:02:11.250Z"}}],
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "AMB",
            "display": "ambulatory",
        },
        "subject": {"reference": "Patient/p1"},
        "appointment": [{"reference": "Appointment/a1"}],
        "location": [{"location": {"display": "Waiting room 1"}, "status": "active"}],
        "period": {"start": "2026-11-23T08:02:11.250Z"},
    }


def test_the_id_of_an_encounter_never_changes() -> None:
    # A check-in of an older kioskd that is delivered again by this one must meet its own Encounter.
    assert check_in_of(payload(1)).encounter_id == ENCOUNTER_ID


def test_the_appointment_goes_along_as_it_was_read_with_its_version_and_the_new_status() -> None:
    _, moved = entries()
    assert moved["request"] == {"method": "PUT", "url": "Appointment/a1", "ifMatch": 'W/"7"'}
    assert moved["resource"] == appointment("a1", "p1", status="checked-in")


@pytest.mark.parametrize("more", [{}, {"card_kind": "", "station": ""}, {"appointment_id": "", "area_name": ""}])
def test_what_is_written_is_valid_fhir_in_the_eyes_of_the_bundled_backend(more: dict[str, str]) -> None:
    for is_there in (True, False):
        read = Versioned(appointment("a1", "p1"), 'W/"1"') if is_there else None
        bundle = check_in_transaction(check_in_of(payload(1, **more)), read, CHECKED_IN)
        assert [check(entry["resource"]) for entry in bundle["entry"]] == [[]] * len(bundle["entry"])


@pytest.mark.parametrize(
    ("status", "target", "moves"),
    [
        ("booked", ARRIVED, True),
        ("booked", CHECKED_IN, True),
        ("pending", CHECKED_IN, True),
        ("proposed", ARRIVED, True),
        ("arrived", CHECKED_IN, True),
        ("arrived", ARRIVED, False),
        ("checked-in", ARRIVED, False),
        ("fulfilled", CHECKED_IN, False),
        ("cancelled", CHECKED_IN, False),
        ("noshow", ARRIVED, False),
        ("entered-in-error", ARRIVED, False),
        ("waitlist", ARRIVED, False),
        ("booked", "none", False),
        ("no-code", ARRIVED, False),
        (None, ARRIVED, False),
        (["booked"], ARRIVED, False),
    ],
)
def test_an_appointment_moves_forward_only(status: Any, target: Target, moves: bool) -> None:
    assert must_move({"status": status}, target) is moves


def test_an_appointment_that_need_not_move_is_not_written() -> None:
    assert [e["resource"]["resourceType"] for e in entries(status="fulfilled")] == ["Encounter"]


def test_an_encounter_that_is_stored_is_not_written_again() -> None:
    assert [e["resource"]["resourceType"] for e in entries(is_stored=True)] == ["Appointment"]
    assert entries(is_stored=True, status="checked-in") == []


def test_without_a_version_the_appointment_is_left_alone() -> None:
    read = Versioned(appointment("a1", "p1"), "")
    bundle = check_in_transaction(check_in_of(payload(1)), read, CHECKED_IN)
    assert [e["resource"]["resourceType"] for e in bundle["entry"]] == ["Encounter"]


def test_an_appointment_that_is_gone_is_named_and_not_referred_to() -> None:
    (encounter,) = check_in_transaction(check_in_of(payload(1)), None, CHECKED_IN)["entry"]
    identifier = {"system": "urn:kioskd:appointment", "value": "a1"}
    assert encounter["resource"]["appointment"] == [{"type": "Appointment", "identifier": identifier}]


def test_where_appointments_are_not_read_the_encounter_refers_to_it_all_the_same() -> None:
    (encounter,) = check_in_transaction(check_in_of(payload(1)), None, "none")["entry"]
    assert encounter["resource"]["appointment"] == [{"reference": "Appointment/a1"}]


@pytest.mark.parametrize("name", list(payload(1)))
def test_a_payload_without_one_of_its_parts_is_rejected_by_name(name: str) -> None:
    with pytest.raises(Rejected, match=f"invalid-payload: {name} of"):
        check_in_of({k: v for k, v in payload(1).items() if k != name})


@pytest.mark.parametrize(
    "more",
    [
        {"check_in_id": "12"},
        {"arrived_at": "today"},
        {"arrived_at": "2026-11-23T09:02:11"},
        {"patient_id": "../Task/1"},
        {"patient_id": ""},
        {"appointment_id": "a b"},
        {"label": 12},
    ],
)
def test_a_malformed_payload_is_rejected(more: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="invalid-payload"):
        check_in_of(payload(1, **more))


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_instants_are_utc_and_read_back_the_same(at: datetime) -> None:
    text = instant(at)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)
