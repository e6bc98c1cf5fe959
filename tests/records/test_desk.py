"""The secretaries' use cases, and the way of a check-in from the forwarder to the desk."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kioskd.core.appointment import AppointmentStatus
from kioskd.core.patient import KVID_SYSTEM, Identifier
from kioskd.forward.destination import FhirDestination
from kioskd.forward.http import FhirClient
from kioskd.forward.schedule import FhirSchedule
from kioskd.ports import OutboxMessage
from kioskd.records import tables
from kioskd.records.checkins import name_of
from kioskd.store import audit
from tests.records.conftest import NOW, TOKEN, Backend
from tests.records.samples import RECORD_NUMBER_SYSTEM, appointment, check_in, check_in_id, encounter, patient
from tests.records.samples import practitioner as doctor

DAY = date(2026, 11, 23)
BEGIN = datetime(2026, 11, 23, 3, tzinfo=UTC)


async def test_a_delivered_check_in_stands_on_the_desk_once(backend: Backend):
    """The forwarder's own client and destination against this server; the delivery is repeated."""
    await backend.records.seed([patient(), doctor(), appointment()])
    async with FhirClient(backend.url, TOKEN) as client:
        schedule = FhirSchedule(client, RECORD_NUMBER_SYSTEM)
        (found,) = await schedule.find_patients(Identifier(KVID_SYSTEM, "X000000001"))
        assert (found.family, found.given, found.record_number) == ("Núñez", "Ana María", "100001")
        (booked,) = await schedule.appointments_between(BEGIN, BEGIN + timedelta(days=1))
        assert booked.appointment.practitioner == "Dr. Lena Hart"
        payload = {
            "check_in_id": check_in_id(),
            "patient_id": found.id,
            "appointment_id": booked.appointment.id,
            "arrived_at": "2026-11-23T09:02:11+01:00",
            "label": "A12",
            "area_name": "Waiting room 1",
            "station": "entrance",
            "card_kind": "egk",
        }
        message = OutboxMessage(1, "records", "patient/p1", "check-in", payload, 0, NOW)
        destination = FhirDestination(client, AppointmentStatus.CHECKED_IN)
        await destination.deliver(message)
        await destination.deliver(message)
        (after,) = await schedule.appointments_of("p1", BEGIN, BEGIN + timedelta(days=1))
    assert after.status is AppointmentStatus.CHECKED_IN
    (row,) = await backend.records.checkins_of_day(DAY, "petra")
    assert (row.label, row.family, row.birth_date) == ("A12", "Núñez", "1980-02-03")
    assert (row.station, row.identified_by, row.check_in_id) == ("entrance", "egk", check_in_id())
    assert (row.encounter_status, row.appointment_status) == ("arrived", "checked-in")
    assert (row.insurance_number, row.record_number) == ("X000000001", "100001")
    assert row.appointment_at == datetime(2026, 11, 23, 8, 15, tzinfo=UTC)


async def test_seeding_never_undoes_what_happened(backend: Backend):
    seeds = [patient(), appointment()]
    assert await backend.records.seed(seeds) == 2
    await backend.records.transaction(check_in(), "client:hub")
    assert await backend.records.seed(seeds) == 0
    assert (await backend.records.read("Appointment", "a1")).resource["status"] == "checked-in"


async def test_a_check_in_is_told_with_its_course(backend: Backend):
    await backend.records.seed([patient(), appointment()])
    backend.clock.now += timedelta(minutes=1)
    await backend.records.transaction(check_in(), "client:hub")
    backend.clock.now += timedelta(minutes=1)
    await backend.records.put("Patient", "p1", patient(gender="other", birthDate="1980"), "client:ehr")
    detail = await backend.records.check_in(encounter()["id"], "petra")
    assert detail is not None
    told = [(c.type, c.version, c.status_before, c.status, c.elements, c.by) for c in detail.changes]
    assert told[:3] == [
        ("Patient", 2, "", "", ("birthDate", "gender"), "client:ehr"),
        ("Appointment", 2, "booked", "checked-in", ("status",), "client:hub"),
        ("Encounter", 1, "", "arrived", (), "client:hub"),
    ]
    assert detail.check_in.birth_date == "1980"
    assert [(kind, version) for kind, _, version, _ in detail.documents] == [
        ("Encounter", 1),
        ("Appointment", 2),
        ("Patient", 2),
    ]
    assert await backend.records.check_in("nobody", "petra") is None


async def test_every_view_is_in_the_audit_trail_and_the_chain_is_whole(backend: Backend):
    await backend.records.seed([patient(), appointment()])
    await backend.records.transaction(check_in(), "client:hub")
    await backend.records.checkins_of_day(DAY, "petra")
    await backend.records.check_in(encounter()["id"], "petra")
    rows = await backend.store.read(lambda c: c.execute(tables.audit.select().order_by(tables.audit.c.sequence)).all())
    assert [(r.actor, r.action, r.subject, r.detail) for r in rows[-2:]] == [
        ("staff:petra", "desk.list", "day/2026-11-23", {"check_ins": 1}),
        ("staff:petra", "desk.check-in", f"Encounter/{encounter()['id']}", {}),
    ]
    (report,) = await backend.store.read(lambda c: audit.verify(c, tables.audit))
    assert (report.entries, report.problem) == (len(rows), "")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ("", "")),
        ([{"text": "Ana"}], ("Ana", "")),
        ([{"use": "maiden", "family": "Alt"}, {"use": "usual", "family": "Neu", "given": ["A", None]}], ("Neu", "A")),
        ([{"use": "usual", "family": "U"}, {"use": "official", "family": "O"}], ("O", "")),
    ],
)  # fmt: skip
def test_a_person_goes_by_their_official_name(names: list[dict[str, object]], told: tuple[str, str]):
    assert name_of({"name": names}) == told
