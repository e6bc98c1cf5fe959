import logging
from datetime import UTC, datetime

import pytest

from kioskd.core.appointment import AppointmentStatus
from kioskd.core.patient import KVID_SYSTEM, Identifier
from kioskd.errors import Rejected, Unreachable
from kioskd.forward import FhirClient, FhirSchedule
from tests.faults.chaos_http import HttpChaos, HttpFault
from tests.forward.conftest import NO_TLS, PATIENT, QUICK, Backend
from tests.forward.fhir_server import TOKEN, FhirServer, appointment, patient

BEGIN, END = datetime(2026, 11, 23, 3, 0, tzinfo=UTC), datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NUMBERS = "urn:kioskd:record-number"
Server = tuple[FhirServer, HttpChaos]


@pytest.fixture
def schedule(client: FhirClient) -> FhirSchedule:
    return FhirSchedule(client, NUMBERS)


async def test_a_patient_is_found_by_exactly_their_identifier(backend: Backend, schedule: FhirSchedule) -> None:
    await backend.put(patient("p1"), patient("p2", "B234567897"))
    (found,) = await schedule.find_patients(Identifier(KVID_SYSTEM, "A123456780"))
    assert (found.id, found.family, found.record_number) == ("p1", "Mustermann", "R-p1")
    assert await schedule.find_patients(Identifier(KVID_SYSTEM, "A12345678")) == []
    assert await schedule.find_patients(Identifier("urn:other", "A123456780")) == []


async def test_two_with_one_identifier_are_both_found(backend: Backend, schedule: FhirSchedule) -> None:
    await backend.put(patient("p1"), patient("p2"))
    assert {p.id for p in await schedule.find_patients(Identifier(KVID_SYSTEM, "A123456780"))} == {"p1", "p2"}


async def test_a_record_that_was_merged_into_another_one_is_not_found(backend: Backend, schedule: FhirSchedule) -> None:
    await backend.put(patient("p1"), patient("p2", active=False))
    (found,) = await schedule.find_patients(Identifier(KVID_SYSTEM, "A123456780"))
    assert found.id == "p1"


async def test_a_patient_is_read_by_id_unless_the_record_is_not_in_use(
    backend: Backend, schedule: FhirSchedule
) -> None:
    await backend.put(patient("p1"), patient("p2", active=False))
    found = await schedule.read_patient("p1")
    assert found is not None
    assert (found.id, found.family, found.record_number) == ("p1", "Mustermann", "R-p1")
    assert await schedule.read_patient("p2") is None
    assert await schedule.read_patient("p3") is None
    with pytest.raises(Rejected, match="invalid-id"):
        await schedule.read_patient("p1/_history")


async def test_an_insurance_number_is_never_in_an_address(
    backend: Backend, proxy: HttpChaos, schedule: FhirSchedule
) -> None:
    await backend.put(patient("p1"))
    await schedule.find_patients(Identifier(KVID_SYSTEM, "A123456780"))
    assert proxy.seen == [("POST", "/fhir/Patient/_search", None)]


@pytest.mark.parametrize("value", ["a|b", "a,b", "a$b", "a\\b", "a b&c=d+e", "ä"])
async def test_an_identifier_may_hold_the_separators_of_a_search(
    backend: Backend, schedule: FhirSchedule, value: str
) -> None:
    await backend.put(patient("p1", value), patient("p2", "a"), patient("p3", "b"))
    assert [p.id for p in await schedule.find_patients(Identifier(KVID_SYSTEM, value))] == ["p1"]


async def test_the_appointments_of_a_day_come_with_their_patients(backend: Backend, schedule: FhirSchedule) -> None:
    await backend.put(
        patient("p1"),
        patient("p2", "B234567897"),
        appointment("early", "p1", "2026-11-23T02:59:59.000Z"),
        appointment("first", "p1", "2026-11-23T03:00:00.000Z"),
        appointment("again", "p1", "2026-11-23T15:00:00.000Z", status="checked-in"),
        appointment("other", "p2", "2026-11-24T02:59:59.000Z"),
        appointment("late", "p2", "2026-11-24T03:00:00.000Z"),
    )
    found = await schedule.appointments_between(BEGIN, END)
    assert {(s.appointment.id, s.patient.id) for s in found} == {("first", "p1"), ("again", "p1"), ("other", "p2")}
    assert next(s.appointment.status for s in found if s.appointment.id == "again") is AppointmentStatus.CHECKED_IN


async def test_one_patients_appointments_of_a_day(backend: Backend, schedule: FhirSchedule) -> None:
    await backend.put(
        patient("p1"),
        patient("p2", "B234567897"),
        appointment("mine", "p1"),
        appointment("tomorrow", "p1", "2026-11-24T09:00:00.000Z"),
        appointment("theirs", "p2"),
    )
    assert [a.id for a in await schedule.appointments_of("p1", BEGIN, END)] == ["mine"]
    with pytest.raises(Rejected, match="invalid-id"):
        await schedule.appointments_of("p1&_id=x", BEGIN, END)


async def test_a_busy_day_has_several_pages(backend: Backend, schedule: FhirSchedule) -> None:
    await backend.put(patient("p1"), *(appointment(f"a{number}", "p1") for number in range(250)))
    found = await schedule.appointments_between(BEGIN, END)
    assert {s.appointment.id for s in found} == {f"a{number}" for number in range(250)}


async def test_a_server_without_includes_is_asked_for_each_patient(server: Server) -> None:
    memory, proxy = server
    memory.can_include = False
    for resource in (patient("p1"), appointment("a1", "p1"), appointment("a2", "p1"), appointment("a3", "gone")):
        memory.put(resource)
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, PATIENT, NO_TLS) as client:
        found = await FhirSchedule(client, NUMBERS).appointments_between(BEGIN, END)
    assert {(s.appointment.id, s.patient.id) for s in found} == {("a1", "p1"), ("a2", "p1")}
    assert sorted(path for _, path, _ in proxy.seen)[1:] == ["/fhir/Patient/gone", "/fhir/Patient/p1"]


async def test_one_broken_resource_costs_its_own_patient_only_and_is_told_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    memory, proxy = server
    memory.put(patient("p1"))
    memory.put(patient("p2", birthDate=1964))
    memory.put(appointment("a1", "p1"))
    memory.put(appointment("a2", "p2"))
    memory.put(appointment("a3", "p1", status="Confirmed"))
    memory.put(appointment("a4", "p1", participant=[{"actor": {"reference": "Location/1"}}]))
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, PATIENT, NO_TLS) as client:
        schedule = FhirSchedule(client, NUMBERS)
        with caplog.at_level(logging.INFO, "kioskd.forward"):
            for _ in range(3):
                assert [s.appointment.id for s in await schedule.appointments_between(BEGIN, END)] == ["a1"]
    assert [r.getMessage().partition(": invalid-resource: ")[2] for r in caplog.records] == [
        "Appointment.status is missing or not a code of FHIR R4",
        "Patient.birthDate is not a JSON string",
    ]


async def test_a_patient_who_can_not_be_read_is_not_passed_over_when_somebody_is_identified(server: Server) -> None:
    memory, proxy = server
    memory.put(patient("p1"))
    memory.put(patient("p2", birthDate=1964))
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, PATIENT, NO_TLS) as client:
        with pytest.raises(Rejected, match=r"Patient\.birthDate"):
            await FhirSchedule(client, NUMBERS).find_patients(Identifier(KVID_SYSTEM, "A123456780"))


async def test_a_server_that_answers_with_more_than_was_asked_for_is_not_believed(server: Server) -> None:
    memory, proxy = server
    # Offset and form stay, all conditions go: what a server does that does not know a parameter and is lenient.
    memory.ignores_conditions = True
    for resource in (patient("p1"), patient("p2", "B234567897"), appointment("a1", "p1"), appointment("a2", "p2")):
        memory.put(resource)
    memory.put(appointment("old", "p1", "2020-01-01T09:00:00.000Z"))
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, PATIENT, NO_TLS) as client:
        schedule = FhirSchedule(client, NUMBERS)
        assert [p.id for p in await schedule.find_patients(Identifier(KVID_SYSTEM, "A123456780"))] == ["p1"]
        assert [a.id for a in await schedule.appointments_of("p1", BEGIN, END)] == ["a1"]
        assert {s.appointment.id for s in await schedule.appointments_between(BEGIN, END)} == {"a1", "a2"}


@pytest.mark.parametrize("fault", [HttpFault.HANG, HttpFault.SERVER_ERROR, HttpFault.HALF, HttpFault.NOT_FHIR])
async def test_a_schedule_that_can_not_be_had_is_unreachable(proxy: HttpChaos, fault: HttpFault) -> None:
    proxy.choose_for = lambda *_: fault
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, QUICK, NO_TLS) as client:
        schedule = FhirSchedule(client, NUMBERS)
        with pytest.raises(Unreachable):
            await schedule.appointments_between(BEGIN, END)
        with pytest.raises(Unreachable):
            await schedule.find_patients(Identifier(KVID_SYSTEM, "A123456780"))
