"""What a search asks for and what it finds."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kioskd.core.patient import KVID_SYSTEM
from kioskd.records.dates import Interval
from kioskd.records.outcome import InteractionRefused
from kioskd.records.parameters import search_rows
from kioskd.records.search import MOST, TokenMatch, parse
from tests.records.conftest import BERLIN, Backend
from tests.records.samples import appointment, encounter, patient, practitioner

UTC_ZONE = ZoneInfo("UTC")


def _matches(name: str, value: str, kind: str = "Patient") -> tuple[Any, ...]:
    (condition,) = parse(kind, [(name, value)], UTC_ZONE).conditions
    return condition.matches


@pytest.mark.parametrize(
    ("value", "matches"),
    [
        ("X1", [(None, "X1")]),
        ("urn:a|X1", [("urn:a", "X1")]),
        ("|X1", [("", "X1")]),
        ("urn:a|", [("urn:a", None)]),
        ("X1,urn:a|X2", [(None, "X1"), ("urn:a", "X2")]),
        (r"a\,b\|c\\d", [(None, r"a,b|c\d")]),
    ],
)
def test_a_token_is_a_system_and_a_value(value: str, matches: list[tuple[str | None, str | None]]):
    assert _matches("identifier", value) == tuple(TokenMatch(*match) for match in matches)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Patient", "identifier", ""),
        ("Patient", "identifier", "|"),
        ("Patient", "identifier", "a,,b"),
        ("Patient", "identifier", "9" * 256),
        ("Patient", "identifier:exact", "a"),
        ("Patient", "_count", "-1"),
        ("Patient", "_count", "many"),
        ("Patient", "_after", "\0"),
        ("Appointment", "date", "tomorrow"),
        ("Appointment", "date", "sa2026-11-23"),
        ("Appointment", "date", "ge2026-11-23T09:15:00 01:00"),
        ("Appointment", "patient", "Practitioner/d1"),
        ("Appointment", "patient:Patient", "p1"),
        ("Appointment", "_include:iterate", "Appointment:patient"),
        ("Encounter", "_include", "Appointment:patient"),
        ("Appointment", "_include", "Appointment:patient:Appointment"),
    ],
)
def test_what_is_not_understood_is_refused_and_never_left_out(kind: str, name: str, value: str):
    with pytest.raises(InteractionRefused) as refused:
        parse(kind, [(name, value)], UTC_ZONE)
    assert refused.value.status == 400


def test_an_unknown_parameter_is_named_or_refused():
    assert parse("Patient", [("shoe-size", "44"), ("_id", "p1")], UTC_ZONE).ignored == ("shoe-size",)
    with pytest.raises(InteractionRefused, match="400"):
        parse("Patient", [("shoe-size", "44")], UTC_ZONE, is_strict=True)


def test_a_page_is_never_longer_than_the_server_can_bear():
    assert parse("Patient", [("_count", "999999")], UTC_ZONE).count == MOST
    with pytest.raises(InteractionRefused):
        parse("Patient", [("_id", ",".join("a" * 300))], UTC_ZONE)


def test_search_rows_are_made_from_where_fhir_says():
    rows = search_rows(appointment(identifier=[{"value": "K7"}]), BERLIN)
    assert rows.tokens == {
        ("status", "http://hl7.org/fhir/appointmentstatus", "booked"),
        ("identifier", "", "K7"),
    }
    assert rows.references == {("patient", "Patient", "p1")}
    ((name, start),) = rows.dates
    assert (name, start) == ("date", Interval(start.low, start.high))
    assert search_rows(encounter(), BERLIN).references == {
        ("patient", "Patient", "p1"),
        ("appointment", "Appointment", "a1"),
    }


# --- over HTTP ---------------------------------------------------------------------------------------------------


async def _store(backend: Backend, *resources: dict[str, Any]) -> None:
    assert await backend.records.seed(resources) == len(resources)


async def _found(backend: Backend, url: str) -> list[str]:
    answer = await backend.http.get(url)
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    ids = [e["resource"]["id"] for e in bundle.get("entry", []) if e["search"]["mode"] == "match"]
    assert bundle["total"] == len(ids)
    return ids


STARTS = {
    "a1": "2026-03-28T23:59:59+01:00",
    "a2": "2026-03-29T00:00:00+01:00",
    "a3": "2026-03-29T03:00:00+02:00",
    "a4": "2026-03-29T23:59:59+02:00",
    "a5": "2026-03-30T00:00:00+02:00",
    "a6": "2026-10-25T02:30:00+02:00",
    "a7": "2026-10-25T02:30:00+01:00",
}
DATE_TABLE = [
    ("date=2026-03-29", "a2 a3 a4"),
    ("date=eq2026-03-29", "a2 a3 a4"),
    ("date=ge2026-03-29&date=lt2026-03-30", "a2 a3 a4"),
    ("date=gt2026-03-29&date=lt2026-10", "a5"),
    ("date=le2026-03-28", "a1"),
    ("date=lt2026-03-29", "a1"),
    ("date=2026-10-25", "a6 a7"),
    ("date=2026-10-25T02:30:00%2B02:00", "a6"),
    ("date=2026-10-25T01:30:00Z", "a7"),
    ("date=2026-10-25T02:30", "a6"),
    ("date=2026-03", "a1 a2 a3 a4 a5"),
    ("date=2026", "a1 a2 a3 a4 a5 a6 a7"),
    ("date=gt2026-03-29T23:59:59%2B02:00", "a5 a6 a7"),
    ("date=ge2026-03-29T23:59:59%2B02:00", "a4 a5 a6 a7"),
    ("date=lt2026-03-29T00:00:00%2B01:00", "a1"),
    ("date=le2026-03-29T00:00:00%2B01:00", "a1 a2"),
    ("date=2026-03-28,2026-03-30", "a1 a5"),
    ("date=2025", ""),
]


async def test_dates_find_as_r4_lays_down(backend: Backend):
    await _store(backend, *(appointment(int(i[1:]), start) for i, start in STARTS.items()))
    for query, ids in DATE_TABLE:
        assert (query, await _found(backend, f"/Appointment?{query}")) == (query, ids.split())


async def test_a_period_is_found_by_every_day_it_touches(backend: Backend):
    over = encounter(1, "2026-11-22T23:00:00+01:00") | {
        "period": {"start": "2026-11-22T23:00:00+01:00", "end": "2026-11-23T01:00:00+01:00"}
    }
    still_open = encounter(2, "2026-11-23T09:00:00+01:00")
    await _store(backend, over, still_open)
    assert await _found(backend, "/Encounter?date=2026-11-23") == []
    assert await _found(backend, "/Encounter?date=ge2026-11-24") == [still_open["id"]]
    assert set(await _found(backend, "/Encounter?date=lt2026-11-24")) == {over["id"], still_open["id"]}
    assert await _found(backend, "/Encounter?date=2026-11") == [over["id"]]


async def test_an_identifier_finds_its_patient_and_nobody_else(backend: Backend):
    await _store(backend, patient(1), patient(2))
    assert await _found(backend, f"/Patient?identifier={KVID_SYSTEM}|X000000001") == ["p1"]
    assert await _found(backend, "/Patient?identifier=X000000002") == ["p2"]
    assert await _found(backend, "/Patient?identifier=urn:other|X000000001") == []
    assert await _found(backend, "/Patient?identifier=x000000001") == []
    assert await _found(backend, "/Patient?identifier=%25") == []


async def test_an_identifier_that_is_taken_away_finds_nobody_any_more(backend: Backend):
    await _store(backend, patient(1))
    answer = await backend.http.put("/Patient/p1", json=patient(1, identifier=[{"value": "new"}]))
    assert answer.status_code == 200
    assert await _found(backend, "/Patient?identifier=X000000001") == []
    assert await _found(backend, "/Patient?identifier=new") == ["p1"]


async def test_conditions_hold_together_and_includes_come_once(backend: Backend):
    second = appointment(2) | {"participant": appointment(1)["participant"]}
    await _store(backend, patient(1), practitioner(), appointment(1), second, encounter(1))
    answer = (await backend.http.get("/Appointment?date=2026-11-23&status=booked&_include=Appointment:patient")).json()
    modes = [(e["search"]["mode"], e["resource"]["id"]) for e in answer["entry"]]
    assert modes == [("match", "a1"), ("match", "a2"), ("include", "p1")]
    assert answer["total"] == 2
    assert await _found(backend, "/Appointment?patient=p1&status=arrived") == []
    assert await _found(backend, "/Appointment?patient=Patient/p1&status=arrived,booked") == ["a1", "a2"]
    assert await _found(backend, "/Encounter?appointment=a1&patient=Patient/p1") == [encounter(1)["id"]]
    assert await _found(backend, "/Encounter?identifier=urn:kioskd:ticket|A1") == [encounter(1)["id"]]


async def test_pages_follow_one_another_without_a_gap(backend: Backend):
    await _store(backend, *(patient(n) for n in range(1, 12)))
    url, seen = "/Patient?_count=4", []
    while url:
        bundle = (await backend.http.get(url)).json()
        assert bundle["total"] == 11
        seen.append([e["resource"]["id"] for e in bundle["entry"]])
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
    assert [len(page) for page in seen] == [4, 4, 3]
    assert sorted(i for page in seen for i in page) == sorted(f"p{n}" for n in range(1, 12))
    only_counted = (await backend.http.get("/Patient?_count=0")).json()
    assert only_counted["total"] == 11
    assert "entry" not in only_counted


async def test_a_search_by_form_keeps_the_number_out_of_the_address(backend: Backend):
    await _store(backend, patient(1), patient(2))
    answer = await backend.http.post(
        "/Patient/_search",
        content="identifier=X000000001",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert [e["resource"]["id"] for e in answer.json()["entry"]] == ["p1"]


async def test_unknown_parameters_are_named_in_the_bundle_or_refused_when_strict(backend: Backend):
    await _store(backend, patient(1))
    bundle = (await backend.http.get("/Patient?shoe-size=44")).json()
    assert [e["search"]["mode"] for e in bundle["entry"]] == ["match", "outcome"]
    outcome = bundle["entry"][1]["resource"]
    assert outcome["resourceType"] == "OperationOutcome"
    assert "shoe-size" in outcome["issue"][0]["diagnostics"]
    assert "shoe-size" not in bundle["link"][0]["url"]
    strict = await backend.http.get("/Patient?shoe-size=44", headers={"prefer": "handling=strict"})
    assert (strict.status_code, strict.json()["resourceType"]) == (400, "OperationOutcome")
