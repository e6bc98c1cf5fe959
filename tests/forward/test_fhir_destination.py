import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

import pytest

from kioskd.core.appointment import AppointmentStatus
from kioskd.errors import Rejected, Unreachable
from kioskd.forward import FhirClient, FhirDestination
from kioskd.forward.destination import MOST_ROUNDS
from kioskd.forward.fhir import Target
from kioskd.ports import OutboxMessage
from tests.faults.chaos_http import HANGS, TEMPORARY, HttpChaos, HttpFault
from tests.faults.chaos_proxy import CLEAR, Fault, Kind, Way, chaos_proxy
from tests.forward.conftest import NO_TLS, PATIENT, QUICK, Backend
from tests.forward.fhir_server import TOKEN, FhirServer, appointment, patient
from tests.forward.messages import message

ARRIVED, CHECKED_IN = AppointmentStatus.ARRIVED, AppointmentStatus.CHECKED_IN


async def given(backend: Backend, status: str = "booked") -> None:
    await backend.put(patient("p1"), appointment("a1", "p1", status=status))


async def deliver_until_done(client: FhirClient, what: OutboxMessage, target: Target = CHECKED_IN) -> int:
    """Deliver as the worker would, without its waits; how many attempts it took."""
    destination = FhirDestination(client, target)
    for attempt in range(1, 10):
        try:
            await destination.deliver(what)
        except Unreachable:
            continue
        return attempt
    raise AssertionError("nine attempts were not enough")


async def the_encounter(backend: Backend) -> dict[str, Any]:
    """The one Encounter there is, written once."""
    (encounter,) = await backend.encounters()
    assert encounter["meta"]["versionId"] == "1"
    return encounter


@pytest.mark.parametrize("target", [ARRIVED, CHECKED_IN])
async def test_a_check_in_becomes_an_encounter_and_moves_its_appointment(
    backend: Backend, client: FhirClient, target: AppointmentStatus
) -> None:
    await given(backend)
    assert await deliver_until_done(client, message(), target) == 1
    encounter = await the_encounter(backend)
    assert encounter["subject"] == {"reference": "Patient/p1"}
    assert encounter["appointment"] == [{"reference": "Appointment/a1"}]
    assert (await backend.read("Appointment/a1"))["status"] == target


@pytest.mark.parametrize("nth", [0, 1, 2], ids=["reading the Encounter", "reading the Appointment", "writing"])
@pytest.mark.parametrize("fault", TEMPORARY)
async def test_after_any_fault_at_any_request_there_is_one_encounter_and_the_right_status(
    backend: Backend, proxy: HttpChaos, fault: HttpFault, nth: int
) -> None:
    await given(backend)
    proxy.choose_for = lambda method, path, n: fault if n == nth else None
    timeouts = QUICK if fault in HANGS else PATIENT
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, timeouts, NO_TLS) as client:
        attempts = await deliver_until_done(client, message())
    assert fault in [chosen for _, _, chosen in proxy.seen]
    # A conflict is decided again within the delivery; every other fault ends it.
    if fault is HttpFault.FIRST_ONLY and nth == 2:
        assert attempts == 1
    else:
        assert attempts == 2 or (attempts > 2 and fault in HANGS)  # QUICK may be too quick for a busy machine
    await the_encounter(backend)
    assert (await backend.read("Appointment/a1"))["status"] == "checked-in"


async def test_a_time_out_after_the_commit_writes_nothing_twice(backend: Backend, proxy: HttpChaos) -> None:
    await given(backend)
    version = int((await backend.read("Appointment/a1"))["meta"]["versionId"])
    proxy.choose_for = lambda method, path, n: HttpFault.COMMIT_THEN_HANG if method == "POST" else None
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, QUICK, NO_TLS) as client:
        assert await deliver_until_done(client, message()) >= 2
    await the_encounter(backend)
    assert int((await backend.read("Appointment/a1"))["meta"]["versionId"]) == version + 1
    assert [method for method, _, _ in proxy.seen].count("POST") == 1


@pytest.mark.parametrize("way", list(Way))
async def test_a_connection_reset_at_any_byte_of_a_delivery_stores_it_once(backend: Backend, way: Way) -> None:
    """All three requests go over one connection; where it breaks is taken every 131 bytes, a prime number."""
    where = urlsplit(backend.origin)
    server = (where.hostname or "", where.port or 0)
    async with chaos_proxy(server) as clear, FhirClient(f"http://127.0.0.1:{clear.port}/fhir", TOKEN) as client:
        await given(backend)
        await deliver_until_done(client, message())
        length = clear.passed[0][way]
    stored = 1
    for stored, after in enumerate(range(0, length, 131), 2):
        who = f"{way.name.lower().replace('_', '-')}-{after}"
        await backend.put(patient(who), appointment(f"a-{who}", who))
        fault = Fault(Kind.RESET, way, after)
        choose = lambda number, fault=fault: fault if number == 0 else CLEAR  # noqa: E731
        async with (
            chaos_proxy(server, choose) as cut,
            FhirClient(f"http://127.0.0.1:{cut.port}/fhir", TOKEN, PATIENT, NO_TLS) as client,
        ):
            what = message(stored, patient_id=who, appointment_id=f"a-{who}")
            await deliver_until_done(client, what)
        assert (await backend.read(f"Appointment/a-{who}"))["status"] == "checked-in"
    encounters = await backend.encounters()
    assert len({encounter["subject"]["reference"] for encounter in encounters}) == len(encounters) == stored
    assert {encounter["meta"]["versionId"] for encounter in encounters} == {"1"}


async def test_a_transaction_that_arrives_twice_is_one_encounter(
    backend: Backend, proxy: HttpChaos, client: FhirClient
) -> None:
    await given(backend)
    version = int((await backend.read("Appointment/a1"))["meta"]["versionId"])
    proxy.choose_for = lambda method, path, n: HttpFault.TWICE if method == "POST" else None
    await deliver_until_done(client, message())
    await the_encounter(backend)
    assert int((await backend.read("Appointment/a1"))["meta"]["versionId"]) == version + 1


async def test_a_transaction_that_arrives_after_its_time_out_and_behind_its_repetition_changes_nothing(
    backend: Backend, proxy: HttpChaos
) -> None:
    await given(backend)
    is_first, may_pass, has_passed = True, asyncio.Event(), asyncio.Event()

    async def held_up(method: str, _: str) -> None:
        nonlocal is_first
        if method == "POST" and is_first:
            is_first = False
            async with asyncio.timeout(20):
                await may_pass.wait()

    proxy.before = held_up
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, QUICK, NO_TLS) as client:
        assert await deliver_until_done(client, message()) >= 2
    encounter = await the_encounter(backend)
    await backend.set_status(f"Encounter/{encounter['id']}", "in-progress")
    before = await backend.read("Appointment/a1")
    proxy.after = lambda *_: has_passed.set()
    may_pass.set()
    async with asyncio.timeout(20):
        await has_passed.wait()
    (encounter,) = await backend.encounters()
    assert encounter["status"] == "in-progress"
    assert await backend.read("Appointment/a1") == before


async def test_a_delivery_that_is_repeated_does_not_undo_what_staff_did_since(
    backend: Backend, client: FhirClient
) -> None:
    await given(backend)
    await deliver_until_done(client, message())
    encounter = await the_encounter(backend)
    await backend.set_status(f"Encounter/{encounter['id']}", "finished")
    await backend.set_status("Appointment/a1", "fulfilled")
    await deliver_until_done(client, message())
    (encounter,) = await backend.encounters()
    assert encounter["status"] == "finished"
    assert (await backend.read("Appointment/a1"))["status"] == "fulfilled"


async def test_somebody_who_changes_the_appointment_between_reading_and_writing_loses_nothing(
    backend: Backend, proxy: HttpChaos, client: FhirClient
) -> None:
    await given(backend)
    rivals = iter(["first", "second", "third"])

    async def rival(method: str, _: str) -> None:
        if method == "POST" and (comment := next(rivals, None)):
            await backend.put({**await backend.read("Appointment/a1"), "comment": comment})

    proxy.before = rival
    assert await deliver_until_done(client, message()) == 1
    await the_encounter(backend)
    stored = await backend.read("Appointment/a1")
    assert (stored["status"], stored["comment"]) == ("checked-in", "third")


async def test_the_desk_that_is_faster_is_not_overtaken(backend: Backend, proxy: HttpChaos, client: FhirClient) -> None:
    await given(backend)

    async def desk(method: str, _: str) -> None:
        if method == "POST" and (await backend.read("Appointment/a1"))["status"] == "booked":
            await backend.set_status("Appointment/a1", "fulfilled")

    proxy.before = desk
    assert await deliver_until_done(client, message()) == 1
    await the_encounter(backend)
    assert (await backend.read("Appointment/a1"))["status"] == "fulfilled"


async def test_an_appointment_that_never_stands_still_is_tried_again_later(
    backend: Backend, proxy: HttpChaos, client: FhirClient
) -> None:
    await given(backend)

    async def rival(method: str, _: str) -> None:
        if method == "POST":
            await backend.put({**await backend.read("Appointment/a1"), "comment": str(len(proxy.seen))})

    proxy.before = rival
    with pytest.raises(Unreachable, match="changed by others"):
        await FhirDestination(client, CHECKED_IN).deliver(message())
    assert [method for method, _, _ in proxy.seen].count("POST") == MOST_ROUNDS
    assert await backend.encounters() == []


@pytest.mark.parametrize("status", ["arrived", "checked-in", "fulfilled", "cancelled", "noshow"])
async def test_an_appointment_that_is_there_already_or_was_called_off_is_left_alone(
    backend: Backend, client: FhirClient, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    await given(backend, status)
    before = await backend.read("Appointment/a1")
    with caplog.at_level(logging.INFO, "kioskd.forward"):
        await deliver_until_done(client, message(), ARRIVED)
    await the_encounter(backend)
    assert await backend.read("Appointment/a1") == before
    told = [r.getMessage() for r in caplog.records]
    is_off = status in {"cancelled", "noshow"}
    assert told == ([f"message 1 is stored; the appointment was left as it is: {status}"] if is_off else [])


async def test_who_comes_for_an_appointment_that_was_deleted_is_stored_all_the_same(
    backend: Backend, client: FhirClient
) -> None:
    await backend.put(patient("p1"))
    await deliver_until_done(client, message())
    encounter = await the_encounter(backend)
    assert encounter["appointment"][0]["identifier"] == {"system": "urn:kioskd:appointment", "value": "a1"}


async def test_where_appointments_are_not_ours_to_write_they_are_not_even_read(
    backend: Backend, proxy: HttpChaos, client: FhirClient
) -> None:
    await given(backend)
    await deliver_until_done(client, message(), "none")
    await the_encounter(backend)
    assert (await backend.read("Appointment/a1"))["status"] == "booked"
    assert not [path for _, path, _ in proxy.seen if "Appointment" in path]


async def test_another_kind_of_message_is_rejected(client: FhirClient) -> None:
    with pytest.raises(Rejected, match="unknown-kind"):
        await FhirDestination(client, CHECKED_IN).deliver(message(kind="fax"))


@pytest.mark.parametrize("fault", [HttpFault.ENTRY_REFUSED])
async def test_what_the_server_will_never_take_is_rejected(
    backend: Backend, proxy: HttpChaos, client: FhirClient, fault: HttpFault
) -> None:
    await given(backend)
    proxy.choose_for = lambda method, path, n: fault if method == "POST" else None
    with pytest.raises(Rejected):
        await FhirDestination(client, CHECKED_IN).deliver(message())
    assert await backend.encounters() == []


async def test_a_rejection_says_nothing_of_the_patient(server: tuple[FhirServer, HttpChaos]) -> None:
    memory, proxy = server
    memory.put(appointment("a1", "p1"))
    memory.refused_patients.add("Patient/p1")
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, QUICK, NO_TLS) as client:
        with pytest.raises(Rejected) as caught:
            await FhirDestination(client, CHECKED_IN).deliver(message())
    assert str(caught.value) == "business-rule: transaction: HTTP 422, business-rule at Encounter.class"
