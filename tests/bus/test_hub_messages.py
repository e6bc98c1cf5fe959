"""The wire format of the hub link: exact, versioned, and with room for fields that this version does not know."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.bus.hub_bodies import (
    CheckInAnswer,
    CheckInQuestion,
    HelpAnswer,
    HelpQuestion,
    IdentifyQuestion,
    LetterQuestion,
    NumberQuestion,
    identify_answer,
)
from kioskd.bus.hub_messages import (
    ASK_FOR_HELP,
    CHECK_IN,
    IDENTIFY,
    IDENTIFY_LETTER,
    IDENTIFY_NUMBER,
    METHODS,
    ORDERS,
    REPORT_ATTEMPT,
    REPORT_DEVICE,
    REPORT_PRINT,
    Answer,
    Method,
    NotUnderstood,
    Question,
    read,
)
from kioskd.bus.hub_reports import AttemptQuestion, DeviceQuestion, OrdersQuestion, PrintQuestion, order_answer
from kioskd.core.appointment import Appointment, AppointmentStatus
from kioskd.core.identity import Card, Identified, Reason, Refused
from kioskd.core.patient import Identifier, PartialDate, Patient, Sex
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.ports import (
    AttemptReport,
    CheckInReply,
    CheckInRequest,
    DeviceReport,
    HelpReply,
    HelpRequest,
    Newborn,
    PrintOrder,
    PrintReport,
    UnknownPerson,
)
from tests.people import NOW, appointment, card, patient

texts = st.text(max_size=20)
dates = st.none() | st.dates()
instants = st.datetimes(timezones=st.just(UTC))
identifiers = st.builds(Identifier, texts, texts)
partial_dates = st.builds(PartialDate, st.integers(1, 9999), st.none() | st.integers(1, 12))
patients = st.builds(
    Patient,
    texts,
    st.lists(identifiers, max_size=3).map(tuple),
    texts,
    texts,
    dates,
    st.sampled_from(Sex),
    texts,
    st.none() | partial_dates,
)
cards = st.builds(
    Card,
    texts,
    identifiers,
    texts,
    texts,
    dates,
    st.sampled_from(Sex),
    texts,
    texts,
    st.none() | partial_dates,
    texts,
    st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    dates,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
appointments = st.builds(
    Appointment, texts, texts, instants, instants, st.sampled_from(AppointmentStatus), texts, texts
)
found = st.builds(Identified, patients, appointments) | st.builds(
    Refused, st.sampled_from(Reason), st.none() | patients
)
check_ins = st.builds(CheckInRequest, st.uuids(), texts, instants, patients, appointments, texts, texts)
check_in_replies = st.builds(
    CheckInReply, st.uuids(), texts, texts, texts, instants, st.booleans(), st.none() | st.integers(), texts
)
help_requests = st.builds(
    HelpRequest, st.uuids(), texts, instants, st.sampled_from(Reason), texts, st.none() | patients
)
help_replies = st.builds(HelpReply, st.uuids(), texts, instants)
attempt_reports = st.builds(AttemptReport, st.uuids(), texts, st.sampled_from(Reason), instants)
device_reports = st.builds(
    DeviceReport,
    texts,
    texts,
    texts,
    texts,
    texts,
    instants,
    texts,
    st.none() | st.sampled_from(ProofKind),
    st.none() | st.integers(),
    st.lists(texts, max_size=2).map(tuple),
    st.booleans(),
    texts,
    texts,
    st.integers(),
)
print_reports = st.builds(
    PrintReport,
    st.uuids(),
    st.sampled_from(SheetKind),
    st.integers(),
    st.sampled_from(PrintState),
    st.none() | st.sampled_from(ProofKind),
    st.none() | st.sampled_from(Cause),
    instants,
    texts,
    texts,
    st.none() | st.uuids(),
)
unnamed = st.builds(UnknownPerson, st.sampled_from(Sex), instants) | st.builds(
    Newborn, texts, texts, texts, instants, st.integers(), st.integers()
)
print_orders = st.builds(
    PrintOrder,
    st.uuids(),
    texts,
    texts,
    st.uuids(),
    st.sampled_from(SheetKind),
    st.integers(),
    instants,
    texts,
    st.none() | check_in_replies | help_replies,
    st.none() | patients,
    st.none() | st.integers(),
    st.booleans(),
    st.none() | unnamed,
    texts,
    texts,
    texts,
)


def asked(method: Method[Any, Any], body: Any) -> Any:
    """A question's body after the wire."""
    wire = method.question.dump_json(Question(station="entrance", within_ms=2000, body=body), by_alias=True)
    return read(method.question, wire, "it", "the hub").body


def answered(method: Method[Any, Any], body: Any) -> Any:
    """An answer's body after the wire, written as the hub writes it."""
    wire = Answer(body=body).model_dump_json(by_alias=True).encode()
    return read(method.answer, wire, "it", "the station").body


@given(cards, instants)
def test_a_card_comes_through_as_it_was(card: Card, at: Any):
    body = asked(IDENTIFY, IdentifyQuestion.model_validate({"card": card, "at": at}))
    assert (body.card.core(), body.at) == (card, at)


@given(found)
def test_who_was_identified_or_why_nobody_was_comes_through_as_it_was(found: Identified | Refused):
    assert answered(IDENTIFY, identify_answer(found)).core() == found


@given(texts, identifiers, st.dates(), st.booleans(), instants)
def test_a_letter_and_a_number_come_through_with_the_birth_date(
    letter: str, number: Identifier, born: date, is_shared: bool, at: Any
):
    body = asked(IDENTIFY_LETTER, LetterQuestion(letter=letter, birth_date=born, at=at))
    assert (body.letter, body.birth_date, body.at) == (letter, born, at)
    said = {"identifier": number, "birth_date": born, "is_shared_by_family": is_shared, "at": at}
    body = asked(IDENTIFY_NUMBER, NumberQuestion.model_validate(said))
    assert (body.identifier.core(), body.birth_date, body.is_shared_by_family, body.at) == (number, born, is_shared, at)


@given(check_ins, check_in_replies)
def test_a_check_in_comes_through_as_it_was(request: CheckInRequest, reply: CheckInReply):
    assert asked(CHECK_IN, CheckInQuestion.model_validate(request)).core() == request
    assert answered(CHECK_IN, CheckInAnswer.model_validate(reply)).core() == reply


@given(help_requests, help_replies)
def test_help_comes_through_as_it_was(request: HelpRequest, reply: HelpReply):
    assert asked(ASK_FOR_HELP, HelpQuestion.model_validate(request)).core() == request
    assert answered(ASK_FOR_HELP, HelpAnswer.model_validate(reply)).core() == reply


@given(attempt_reports)
def test_an_attempt_that_was_broken_off_comes_through_as_it_was(report: AttemptReport):
    assert asked(REPORT_ATTEMPT, AttemptQuestion.model_validate(report)).core() == report


@given(device_reports, print_reports)
def test_reports_come_through_as_they_were(device: DeviceReport, sheet: PrintReport):
    assert asked(REPORT_DEVICE, DeviceQuestion.model_validate(device)).core() == device
    assert asked(REPORT_PRINT, PrintQuestion.model_validate(sheet)).core() == sheet


@given(texts, st.lists(print_orders, max_size=3))
def test_print_orders_come_through_as_they_were(station: str, orders: list[PrintOrder]):
    assert asked(ORDERS, OrdersQuestion(station=station)).station == station
    assert [order.core() for order in answered(ORDERS, order_answer(orders)).orders] == orders


def test_an_instant_is_utc_whatever_the_zone_it_was_said_in():
    local = NOW.astimezone(timezone(timedelta(hours=-7)))
    report = DeviceReport("entrance", "reader", "card-reader", "ready", "", local)
    since = asked(REPORT_DEVICE, DeviceQuestion.model_validate(report)).core().since
    assert (since, since.tzinfo) == (NOW, UTC)


REQUEST = CheckInRequest(UUID(int=7), "entrance", NOW, patient(), appointment(), "egk", "de")


def test_the_wire_is_what_other_stations_of_a_site_were_promised():
    question = Question(station="entrance", within_ms=2000, body=CheckInQuestion.model_validate(REQUEST))
    assert json.loads(CHECK_IN.question.dump_json(question, by_alias=True)) == {
        "v": 1,
        "station": "entrance",
        "within_ms": 2000,
        "body": {
            "check_in_id": "00000000-0000-0000-0000-000000000007",
            "station": "entrance",
            "arrived_at": "2026-11-23T08:12:00Z",
            "patient": {
                "id": "p1",
                "identifiers": [{"system": "http://fhir.de/sid/gkv/kvid-10", "value": "X000000001"}],
                "family": "Huber",
                "given": "Anna",
                "birth_date": "1980-02-03",
                "sex": "female",
                "record_number": "100001",
                "partial_birth_date": None,
            },
            "appointment": {
                "id": "a1",
                "patient_id": "p1",
                "starts_at": "2026-11-23T08:42:00Z",
                "ends_at": "2026-11-23T08:57:00Z",
                "status": "booked",
                "practitioner": "Dr. Lena Hart",
                "area": "general",
            },
            "card_kind": "egk",
            "language": "de",
            "is_card_wanted": False,
        },
    }
    sheet = PrintReport(UUID(int=7), SheetKind.TICKET, 1, PrintState.PRINTED, ProofKind.COMPLETION, None, NOW)
    assert json.loads(PrintQuestion.model_validate(sheet).model_dump_json(by_alias=True)) == {
        "check_in_id": "00000000-0000-0000-0000-000000000007",
        "kind": "ticket",
        "copy": 1,
        "state": "printed",
        "proof": "completion",
        "cause": None,
        "at": "2026-11-23T08:12:00Z",
        "station": "",
        "device": "",
        "order_id": None,
    }
    reader = DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW)
    assert json.loads(DeviceQuestion.model_validate(reader).model_dump_json()) == {
        "station": "entrance",
        "device": "reader",
        "kind": "card-reader",
        "state": "ready",
        "what": "",
        "since": "2026-11-23T08:12:00Z",
        "model": "",
        "proof": None,
        "odometer": None,
        "notes": [],
        "is_staff_side": False,
        "place": "",
        "line": "",
        "roll_sheets": 0,
    }
    attempt = AttemptReport(UUID(int=7), "entrance", Reason.TIMED_OUT, NOW)
    assert json.loads(AttemptQuestion.model_validate(attempt).model_dump_json()) == {
        "attempt_id": "00000000-0000-0000-0000-000000000007",
        "station": "entrance",
        "reason": "timed-out",
        "at": "2026-11-23T08:12:00Z",
    }
    order = PrintOrder(
        UUID(int=9), "entrance", "bands", UUID(int=7), SheetKind.WRISTBAND, 2, NOW, "de", None, patient(), 5
    )
    assert json.loads(order_answer([order]).model_dump_json(by_alias=True)) == {
        "orders": [
            {
                "order_id": "00000000-0000-0000-0000-000000000009",
                "station": "entrance",
                "device": "bands",
                "check_in_id": "00000000-0000-0000-0000-000000000007",
                "kind": "wristband",
                "copy": 2,
                "ordered_at": "2026-11-23T08:12:00Z",
                "language": "de",
                "check_in": None,
                "help_ticket": None,
                "patient": {
                    "id": "p1",
                    "identifiers": [{"system": "http://fhir.de/sid/gkv/kvid-10", "value": "X000000001"}],
                    "family": "Huber",
                    "given": "Anna",
                    "birth_date": "1980-02-03",
                    "sex": "female",
                    "record_number": "100001",
                    "partial_birth_date": None,
                },
                "band_number": 5,
                "is_name_similar": False,
                "unknown_person": None,
                "newborn": None,
                "record_number": "",
                "title": "",
                "code": "",
            }
        ]
    }
    child = Newborn("Huber", "Anna", "100001", NOW, 2, 3)
    order = PrintOrder(
        UUID(int=9), "ward", "", UUID(int=7), SheetKind.WRISTBAND, 2, NOW, unnamed=child, record_number="100009"
    )
    [said_order] = json.loads(order_answer([order]).model_dump_json(by_alias=True))["orders"]
    assert (said_order["patient"], said_order["unknown_person"], said_order["record_number"]) == (None, None, "100009")
    assert said_order["newborn"] == {
        "mother_family": "Huber",
        "mother_given": "Anna",
        "mother_record_number": "100001",
        "born_at": "2026-11-23T08:12:00Z",
        "birth_order": 2,
        "births": 3,
    }
    someone = replace(order, unnamed=UnknownPerson(Sex.UNKNOWN, NOW))
    [said_order] = json.loads(order_answer([someone]).model_dump_json(by_alias=True))["orders"]
    assert said_order["unknown_person"] == {"sex": "unknown", "arrived_at": "2026-11-23T08:12:00Z"}
    letter = LetterQuestion(letter="KL1:AAAA", birth_date=date(1980, 2, 3), at=NOW)
    assert json.loads(letter.model_dump_json()) == {
        "letter": "KL1:AAAA",
        "birth_date": "1980-02-03",
        "at": "2026-11-23T08:12:00Z",
    }
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9434765919"}
    said = {
        "identifier": number,
        "birth_date": "1980-02-03",
        "is_shared_by_family": False,
        "at": "2026-11-23T08:12:00Z",
    }
    assert json.loads(NumberQuestion.model_validate(said).model_dump_json()) == said
    refused = identify_answer(Refused(Reason.NO_PATIENT))
    assert json.loads(refused.model_dump_json()) == {"outcome": "refused", "reason": "no-patient", "patient": None}
    assert set(METHODS) == {
        "identify",
        "identify-letter",
        "identify-number",
        "check-in",
        "ask-for-help",
        "station-started",
        "report-device",
        "report-print",
        "orders",
        "report-attempt",
    }


def _wire(change: Callable[[dict[str, Any]], object]) -> bytes:
    question = Question(station="entrance", within_ms=2000, body=CheckInQuestion.model_validate(REQUEST))
    wire = json.loads(CHECK_IN.question.dump_json(question, by_alias=True))
    change(wire)
    return json.dumps(wire).encode()


def test_fields_that_a_reader_does_not_know_are_ignored_at_every_level():
    def add(wire: dict[str, Any]) -> None:
        for place in (wire, wire["body"], wire["body"]["patient"], wire["body"]["patient"]["identifiers"][0]):
            place["newer"] = {"anything": 1}

    assert read(CHECK_IN.question, _wire(add), "it", "the hub").body.core() == REQUEST


def test_another_version_is_said_with_both_versions_and_its_content_is_not():
    newer = _wire(lambda wire: wire.update(v=2, body={"name": "Anna Huber"}))
    with pytest.raises(NotUnderstood) as failure:
        read(CHECK_IN.question, newer, "the station's question check-in", "the hub")
    assert str(failure.value) == (
        "the station's question check-in is of version 2 of the hub link, and the hub knows version 1: update one"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda wire: wire["body"]["patient"].update(birth_date="3. Februar 1980"), "body.patient.birth_date"),
        (lambda wire: wire["body"].pop("arrived_at"), "body.arrived_at"),
        (lambda wire: wire["body"].update(arrived_at="2026-11-23T08:12:00"), "body.arrived_at"),
        (lambda wire: wire.update(within_ms=0), "within_ms"),
    ],
    ids=["wrong date", "missing", "time without zone", "no time to answer"],
)
def test_what_is_wrong_is_named_and_not_quoted(change: Callable[[dict[str, Any]], object], said: str):
    with pytest.raises(NotUnderstood) as failure:
        read(CHECK_IN.question, _wire(change), "it", "the hub")
    assert str(failure.value) == f"it is wrong at {said}"
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__, "pydantic's own text would quote it"


@given(st.binary(max_size=60))
def test_rubbish_is_no_message(rubbish: bytes):
    with pytest.raises(NotUnderstood):
        read(CHECK_IN.question, rubbish, "it", "the hub")


def test_a_card_that_gives_no_whole_birth_date_says_so_on_the_wire_too():
    partial = replace(card(), birth_date=None)
    body = asked(IDENTIFY, IdentifyQuestion.model_validate({"card": partial, "at": NOW}))
    assert body.card.core() == partial
