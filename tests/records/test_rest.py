"""The FHIR server over HTTP, on both databases."""

import asyncio
import logging
from email.utils import parsedate_to_datetime

import httpx
import pytest

from kioskd.records import tables
from kioskd.records.rest import BODY_BYTES
from kioskd.store import audit
from tests.records.conftest import NOW, Backend
from tests.records.samples import appointment, check_in, encounter, patient, put_entry, transaction


def _code(answer: httpx.Response) -> str:
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert answer.headers["content-type"] == "application/fhir+json"
    return str(outcome["issue"][0]["code"])


async def _actions(backend: Backend) -> list[tuple[str, str, str]]:
    table = tables.audit
    rows = await backend.store.read(lambda c: c.execute(table.select().order_by(table.c.sequence)).all())
    (report,) = await backend.store.read(lambda c: audit.verify(c, table)) or [None]
    assert report is None or report.problem == ""
    return [(row.actor, row.action, row.subject) for row in rows]


async def test_what_was_put_is_read_with_its_version(backend: Backend):
    made = await backend.http.put("/Patient/p1", json=patient())
    assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
    assert made.headers["location"] == f"{backend.url}/Patient/p1"
    read = await backend.http.get("/Patient/p1")
    assert read.status_code == 200
    assert read.json() == made.json()
    meta = read.json()["meta"]
    assert meta == {"versionId": "1", "lastUpdated": "2026-11-23T08:12:00.000Z"}
    assert parsedate_to_datetime(read.headers["last-modified"]) == NOW
    assert {k: v for k, v in read.json().items() if k != "meta"} == patient()
    again = await backend.http.put("/Patient/p1", json=patient(gender="other"))
    assert (again.status_code, again.headers["etag"], "location" in again.headers) == (200, 'W/"2"', False)


async def test_the_same_content_makes_no_new_version(backend: Backend):
    await backend.http.put("/Patient/p1", json=patient())
    again = await backend.http.put("/Patient/p1", json=(await backend.http.get("/Patient/p1")).json())
    assert (again.status_code, again.headers["etag"]) == (200, 'W/"1"')
    assert len(await _actions(backend)) == 1


async def test_a_decimal_and_foreign_letters_come_back_as_they_went_in(backend: Backend):
    text = '{"resourceType":"Location","id":"l1","name":"Ärzte 你好","position":{"longitude":13.10,"latitude":52.0}}'
    await backend.http.put("/Location/l1", content=text.encode())
    read = (await backend.http.get("/Location/l1")).text
    assert '"longitude":13.10,"latitude":52.0' in read
    assert "Ärzte 你好" in read


async def test_an_update_of_an_older_version_is_refused(backend: Backend):
    await backend.http.put("/Patient/p1", json=patient())
    for etag in ('W/"2"', '"0"', "1", "*"):
        refused = await backend.http.put("/Patient/p1", json=patient(gender="male"), headers={"if-match": etag})
        assert (refused.status_code, _code(refused)) == (412, "conflict")
    absent = await backend.http.put("/Patient/p2", json=patient(2), headers={"if-match": 'W/"1"'})
    assert absent.status_code == 412
    taken = await backend.http.put("/Patient/p1", json=patient(gender="male"), headers={"if-match": 'W/"1"'})
    assert (taken.status_code, taken.headers["etag"]) == (200, 'W/"2"')


async def test_a_check_in_is_stored_whole_and_audited(backend: Backend):
    await backend.records.seed([patient(), appointment()])
    answer = await backend.http.post("/", json=check_in())
    assert answer.status_code == 200
    bundle = answer.json()
    assert bundle["type"] == "transaction-response"
    assert [(e["response"]["status"], e["response"]["etag"]) for e in bundle["entry"]] == [
        ("201 Created", 'W/"1"'),
        ("200 OK", 'W/"2"'),
    ]
    assert (await backend.http.get("/Appointment/a1")).json()["status"] == "checked-in"
    own = encounter()["id"]
    assert await _actions(backend) == [
        ("system", "seed", "Patient/p1"),
        ("system", "seed", "Appointment/a1"),
        ("client:hub", "fhir.transaction", f"Encounter/{own}"),
        ("client:hub", "fhir.transaction", "Appointment/a1"),
    ]


async def test_a_check_in_that_is_sent_again_changes_nothing(backend: Backend):
    await backend.records.seed([patient(), appointment()])
    first = await backend.http.post("/", json=check_in())
    again = await backend.http.post("/", json=check_in())
    assert again.status_code == 200
    assert [e["response"]["etag"] for e in again.json()["entry"]] == ['W/"1"', 'W/"2"']
    assert [e["response"]["location"] for e in again.json()["entry"]] == [
        e["response"]["location"] for e in first.json()["entry"]
    ]
    assert len(await _actions(backend)) == 4


async def test_a_second_check_in_to_one_appointment_is_refused_whole(backend: Backend):
    await backend.records.seed([patient(), appointment()])
    assert (await backend.http.post("/", json=check_in())).status_code == 200
    other = await backend.http.post("/", json=check_in(key=77))
    assert (other.status_code, _code(other)) == (412, "conflict")
    assert (await backend.http.get("/Encounter")).json()["total"] == 1


async def test_one_bad_entry_leaves_nothing_of_the_others(backend: Backend):
    bad = [
        put_entry(appointment(status="nowhere")),
        put_entry(appointment(), 'W/"9"'),
        {"request": {"method": "DELETE", "url": "Patient/p1"}},
        {"request": {"method": "PUT", "url": "Patient?identifier=a"}, "resource": patient()},
        {"request": {"method": "PUT", "url": "Observation/o1"}, "resource": {"resourceType": "Observation"}},
        put_entry(appointment()) | {"resource": patient()},
        put_entry(encounter() | {"subject": {"reference": "urn:uuid:0"}}),
        put_entry(patient(), full_url="urn:uuid:1"),
    ]
    for entry in bad:
        answer = await backend.http.post("/", json=transaction(put_entry(patient()), entry))
        assert (answer.status_code in {400, 412, 422}, bool(_code(answer))) == (True, True)
    assert (await backend.http.get("/Patient")).json()["total"] == 0
    assert await _actions(backend) == []


async def test_links_within_a_transaction_become_references(backend: Backend):
    visit = encounter() | {"subject": {"reference": "urn:uuid:61ebe359"}}
    bundle = transaction(put_entry(visit), put_entry(patient(), full_url="urn:uuid:61ebe359"))
    assert (await backend.http.post("/", json=bundle)).status_code == 200
    stored = (await backend.http.get(f"/Encounter/{visit['id']}")).json()
    assert stored["subject"] == {"reference": "Patient/p1"}


async def test_whoever_brings_no_token_gets_nothing(backend: Backend):
    async with httpx.AsyncClient(base_url=backend.url) as stranger:
        for token in ("", "Bearer", "Bearer wrong", "Basic YTpi", "Bearer é"):
            answer = await stranger.get("/Patient/p1", headers={"authorization": token.encode()} if token else {})
            assert (answer.status_code, _code(answer)) == (401, "login")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (await stranger.get("/metadata")).status_code == 200


async def test_the_capability_statement_is_true(backend: Backend):
    statement = (await backend.http.get("/metadata")).json()
    (rest,) = statement["rest"]
    assert [i["code"] for i in rest["interaction"]] == ["transaction"]
    for resource in rest["resource"]:
        kind = resource["type"]
        assert (await backend.http.get(f"/{kind}/nobody")).status_code == 404
        for parameter in resource["searchParam"]:
            value = {"date": "2026", "reference": "x", "token": "x"}[parameter["type"]]
            strict = await backend.http.get(
                f"/{kind}?{parameter['name']}={value}", headers={"prefer": "handling=strict"}
            )
            assert strict.status_code == 200, (kind, parameter)
        for include in resource.get("searchInclude", []):
            strict = await backend.http.get(f"/{kind}?_include={include}", headers={"prefer": "handling=strict"})
            assert strict.status_code == 200
    assert statement["fhirVersion"] == "4.0.1"


async def test_everything_else_is_refused_with_an_outcome(backend: Backend):
    http = backend.http
    for method, url, status in [
        ("GET", "/Observation", 404),
        ("GET", "/Patient/p1/_history", 404),
        ("GET", "/Patient/p1/$everything", 404),
        ("GET", "/", 405),
        ("DELETE", "/Patient/p1", 405),
        ("PATCH", "/Patient/p1", 405),
        ("POST", "/Patient", 405),
        ("PUT", "/metadata", 405),
        ("PUT", "/Patient?identifier=a", 405),
    ]:
        answer = await http.request(method, url)
        assert (method, url, answer.status_code) == (method, url, status)
        _code(answer)
        assert ("allow" in answer.headers) == (status == 405)
    for body, status in [(b"{", 400), (b"[]", 400), (b'{"resourceType":"Bundle","type":"batch"}', 400)]:
        assert (await http.post("/", content=body)).status_code == status
    for headers, status in [({"content-type": "text/xml"}, 415), ({"accept": "application/fhir+xml"}, 406)]:
        assert (await http.put("/Patient/p1", json=patient(), headers=headers)).status_code == status
    too_long = await http.put("/Patient/p1", content=b" " * (BODY_BYTES + 1))
    assert (too_long.status_code, _code(too_long)) == (413, "too-long")
    other = await http.put("/Patient/p2", json=patient(1))
    assert (other.status_code, _code(other)) == (400, "invalid")
    conditional = await http.put("/Patient/p1", json=patient(), headers={"if-none-match": "*"})
    assert (conditional.status_code, _code(conditional)) == (400, "not-supported")


async def test_nothing_of_a_patient_is_logged(backend: Backend, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG, "kioskd"), caplog.at_level(logging.DEBUG, "uvicorn"):
        await backend.http.put("/Patient/p1", json=patient(gender="Núñez"))
        await backend.http.put("/Patient/p1", json=patient())
        await backend.http.get("/Patient?identifier=X000000001")
    assert "X000000001" not in caplog.text
    assert "Núñez" not in caplog.text


# --- many at once -----------------------------------------------------------------------------------------------


async def test_eight_at_once_put_one_resource(backend: Backend):
    answers = await asyncio.gather(*(backend.http.put("/Patient/p1", json=patient()) for _ in range(8)))
    assert sorted(a.status_code for a in answers) == [200] * 7 + [201]
    assert (await backend.http.get("/Patient")).json()["total"] == 1
    assert {a.headers["etag"] for a in answers} == {'W/"1"'}


async def test_eight_at_once_with_eight_contents_make_eight_versions(backend: Backend):
    bodies = [patient(language=code) for code in ("de", "en", "fr", "tr", "ar", "ru", "uk", "pl")]
    answers = await asyncio.gather(*(backend.http.put("/Patient/p1", json=body) for body in bodies))
    assert {a.headers["etag"] for a in answers} == {f'W/"{n}"' for n in range(1, 9)}
    count = await backend.store.read(lambda c: len(c.execute(tables.history.select()).all()))
    assert count == 8


async def test_of_eight_check_ins_to_one_appointment_one_wins(backend: Backend):
    await backend.records.seed([patient(), appointment()])
    answers = await asyncio.gather(*(backend.http.post("/", json=check_in(key=n)) for n in range(8)))
    assert sorted(a.status_code for a in answers) == [200] + [412] * 7
    encounters = (await backend.http.get("/Encounter")).json()
    assert encounters["total"] == 1
    assert (await backend.http.get("/Appointment/a1")).headers["etag"] == 'W/"2"'
    assert len(await _actions(backend)) == 4


async def test_one_check_in_sent_eight_times_at_once_is_stored_once(backend: Backend):
    await backend.records.seed([patient(), appointment()])
    answers = await asyncio.gather(*(backend.http.post("/", json=check_in()) for _ in range(8)))
    assert [a.status_code for a in answers] == [200] * 8
    assert (await backend.http.get("/Encounter")).json()["total"] == 1
    assert (await backend.http.get("/Appointment/a1")).headers["etag"] == 'W/"2"'


async def test_listeners_hear_of_a_new_version_and_of_no_replay(backend: Backend):
    await backend.records.seed([patient(), appointment()])
    with backend.news.subscribe() as heard:
        for _ in range(2):
            await backend.http.post("/", json=check_in())
        await backend.http.put("/Patient/p1", json=patient(gender="male"))
        events = [await heard.next_within(1) for _ in range(3)]
        assert [(e.type, e.id) for e in events] == [  # type: ignore[union-attr]
            ("Encounter", encounter()["id"]),
            ("Appointment", "a1"),
            ("Patient", "p1"),
        ]
        assert await heard.next_within(0) is None
