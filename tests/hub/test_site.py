"""The hub as stations see it: one transaction a check-in, repeatable, numbers without gap or repeat."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, event, text

from kioskd.config import AreaConfig
from kioskd.core.appointment import AppointmentStatus
from kioskd.core.events import (
    DeviceChanged,
    HelpTicketIssued,
    PatientCheckedIn,
    SheetNotPrinted,
    SheetPrinted,
    SheetUnknown,
)
from kioskd.core.identity import Identified, Reason, Refused
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import StoreError, Unreachable
from kioskd.hub import tables, tickets
from kioskd.hub.site import DISPLAYS, RECORDS, SiteRules
from kioskd.hub.view import RecordState
from kioskd.ports import (
    CheckInReply,
    CheckInRequest,
    DeviceReport,
    HelpReply,
    HelpRequest,
    OutboxMessage,
    PrintReport,
)
from kioskd.store.outbox import OutboxState
from tests.hub.conftest import RULES, SITE, HubUnderTest, hub_on
from tests.people import NOW, appointment, card, patient, request

EVERY_TABLE = (tables.check_in, tables.ticket, tables.counter, tables.band_counter, tables.area_version)


def help_request(reason: Reason = Reason.NO_PATIENT) -> HelpRequest:
    return HelpRequest(uuid4(), "entrance", NOW, reason, "de")


def in_area(number: int, area: str) -> CheckInRequest:
    made = request(number)
    return replace(made, appointment=replace(made.appointment, area=area))


async def test_a_check_in_is_a_ticket_a_message_for_records_and_displays_and_an_audit_entry(hub: HubUnderTest) -> None:
    asked = request()
    reply = await hub.site.check_in(asked)
    assert reply == CheckInReply(asked.check_in_id, "A1", "general", "Wartezimmer", NOW, False, 1, "", "Dr. Lena Hart")
    records, display = await hub.rows(tables.outbox)
    assert (records.destination, records.kind, records.key) == (RECORDS, "check-in", "patient/p1")
    assert records.payload == {
        "check_in_id": str(asked.check_in_id),
        "patient_id": "p1",
        "appointment_id": "a1",
        "arrived_at": NOW.isoformat(),
        "label": "A1",
        "area_name": "Wartezimmer",
        "station": "entrance",
        "card_kind": "egk",
    }
    assert (display.destination, display.key, display.payload) == (DISPLAYS, "area/general", {"area": "general"})
    [entry] = await hub.rows(tables.audit)
    assert (entry.actor, entry.action, entry.detail) == ("station:entrance", "check-in", {"ticket": "A1"})
    assert entry.subject == f"check-in/{asked.check_in_id}"
    assert await hub.heard() == [PatientCheckedIn(NOW, asked.check_in_id, "A1", "general")]


async def test_asked_again_by_id_it_answers_the_same_and_does_nothing(hub: HubUnderTest) -> None:
    asked = request()
    first = await hub.site.check_in(asked)
    hub.clock.now += timedelta(minutes=5)
    assert [await hub.site.check_in(asked) for _ in range(3)] == [first] * 3
    assert [len(await hub.rows(t)) for t in (*EVERY_TABLE, tables.outbox, tables.audit)] == [1, 1, 1, 2, 1, 2, 1]
    assert len(await hub.heard()) == 1


async def test_one_appointment_is_one_ticket_whoever_asks(hub: HubUnderTest) -> None:
    asked = request()
    first = await hub.site.check_in(asked)
    again = replace(asked, check_in_id=uuid4(), arrived_at=NOW + timedelta(minutes=9), station="side-door")
    assert await hub.site.check_in(again) == replace(first, was_checked_in_before=True, band_number=None)
    assert len(await hub.rows(tables.ticket)) == 1


async def test_two_visits_of_one_patient_are_two_tickets_and_two_bands(hub: HubUnderTest) -> None:
    asked = request()
    await hub.site.check_in(asked)
    second = replace(asked, check_in_id=uuid4(), appointment=appointment(2))
    reply = await hub.site.check_in(second)
    assert (reply.label, reply.was_checked_in_before, reply.band_number) == ("A2", False, 2)


async def test_many_at_once_get_numbers_without_gap_or_repeat(hub: HubUnderTest) -> None:
    replies = await asyncio.gather(*(hub.site.check_in(request(n)) for n in range(1, 21)))
    assert sorted(int(r.label[1:]) for r in replies) == list(range(1, 21))
    rows = await hub.rows(tables.ticket)
    assert [row.number for row in rows] == list(range(1, 21)), "the order of allocation is the order of numbers"


async def test_the_same_check_in_many_times_at_once_is_one(hub: HubUnderTest) -> None:
    asked = request()
    replies = await asyncio.gather(*(hub.site.check_in(asked) for _ in range(10)))
    assert {r.label for r in replies} == {"A1"}
    assert len(await hub.rows(tables.ticket)) == 1


async def test_numbers_begin_again_with_the_business_day_and_not_at_midnight(hub: HubUnderTest) -> None:
    local = [(23, 23, 30), (24, 0, 30), (24, 3, 59), (24, 4, 0), (24, 9, 0)]
    labels = []
    for number, (day, hour, minute) in enumerate(local, 1):
        hub.clock.now = datetime(2026, 11, day, hour, minute, tzinfo=SITE.zone).astimezone(UTC)
        asked = replace(request(number), arrived_at=hub.clock.now)
        labels.append((await hub.site.check_in(asked)).label)
    assert labels == ["A1", "A2", "A3", "A1", "A2"]


async def test_a_check_in_that_is_answered_a_day_late_counts_to_the_day_of_its_arrival(hub: HubUnderTest) -> None:
    hub.clock.now = NOW + timedelta(days=1)
    await hub.site.check_in(request(1))
    [late] = await hub.rows(tables.ticket)
    assert late.business_day == NOW.astimezone(SITE.zone).date()


async def test_every_area_and_the_desk_have_series_of_their_own(hub: HubUnderTest) -> None:
    labels = [
        (await hub.site.check_in(in_area(1, "lab"))).label,
        (await hub.site.check_in(in_area(2, "general"))).label,
        (await hub.site.ask_for_help(help_request())).label,
        (await hub.site.check_in(in_area(3, "lab"))).label,
        (await hub.site.ask_for_help(help_request())).label,
    ]
    assert labels == ["C1", "A1", "D1", "C2", "D2"]


async def test_numbers_that_the_site_skips_are_in_no_series(hub: HubUnderTest) -> None:
    rules = SiteRules(SITE, RULES.hub, RULES.areas, frozenset({1, 2, 4}))
    site = hub_on(hub.store, hub.news, hub.listening, rules).site
    given = [(await site.check_in(in_area(number, "general"))).label for number in (1, 2, 3)]
    assert [*given, (await site.ask_for_help(help_request())).label] == ["A3", "A5", "A6", "D3"]
    assert [row.number for row in await hub.rows(tables.ticket)] == [3, 5, 6, 3]


async def test_a_reply_names_whom_the_appointment_is_with_every_time(hub: HubUnderTest) -> None:
    first = await hub.site.check_in(request(1))
    assert first.practitioner == request(1).appointment.practitioner != ""
    assert (await hub.site.check_in(request(1))).practitioner == first.practitioner


async def test_an_area_that_the_site_has_not_is_the_first_one(hub: HubUnderTest) -> None:
    reply = await hub.site.check_in(in_area(1, "radiology"))
    assert (reply.area, reply.area_name) == ("general", "Wartezimmer")


async def test_a_site_without_wristbands_prints_none(hub: HubUnderTest) -> None:
    rules = SiteRules(SITE, RULES.hub, tuple(area.model_copy(update={"wristbands": False}) for area in RULES.areas))
    reply = await hub_on(hub.store, hub.news, hub.listening, rules).site.check_in(request())
    assert reply.band_number is None
    assert await hub.rows(tables.band_counter) == []


async def test_a_help_ticket_keeps_the_arrival_time_and_the_reason(hub: HubUnderTest) -> None:
    asked = replace(help_request(Reason.NAME_DIFFERS), patient=patient())
    hub.clock.now += timedelta(minutes=40)  # the hub was away; the patient came before
    assert await hub.site.ask_for_help(asked) == HelpReply(asked.check_in_id, "D1", NOW)
    [row] = await hub.rows(tables.check_in)
    assert (row.reason, row.family, row.record_state, row.arrived_at) == ("name-differs", "Huber", "none", NOW)
    assert [m.payload["area"] for m in await hub.rows(tables.outbox)] == ["general", "lab", "desk"]
    [entry] = await hub.rows(tables.audit)
    assert (entry.action, entry.detail) == ("help-ticket", {"ticket": "D1", "reason": "name-differs"})
    assert await hub.heard() == [HelpTicketIssued(hub.clock.now, asked.check_in_id, "D1", Reason.NAME_DIFFERS)]


async def test_help_that_is_asked_for_again_is_one_help_ticket(hub: HubUnderTest) -> None:
    asked = help_request()
    assert await hub.site.ask_for_help(asked) == await hub.site.ask_for_help(asked)
    assert len(await hub.rows(tables.ticket)) == 1
    assert len(await hub.heard()) == 1


@pytest.mark.parametrize("last_statement", ["INSERT INTO outbox", "INSERT INTO area_version", "INSERT INTO audit"])
async def test_a_failure_in_the_middle_leaves_nothing(hub: HubUnderTest, last_statement: str) -> None:
    """The database itself fails at one statement of the transaction."""
    fails = [True]

    def fail(connection: object, cursor: object, statement: str, *_: object) -> None:
        if fails and statement.startswith(last_statement):
            raise LookupError("the process trips here")

    event.listen(hub.store._engine, "before_cursor_execute", fail)
    with pytest.raises(LookupError):
        await hub.site.check_in(request())
    with pytest.raises(LookupError):
        await hub.site.ask_for_help(help_request())
    assert [await hub.rows(t) for t in (*EVERY_TABLE, tables.outbox, tables.audit)] == [[]] * 7
    fails.clear()
    assert (await hub.site.check_in(request())).label == "A1", "a failed attempt must not use up a number"
    assert await hub.heard() == [PatientCheckedIn(NOW, (await hub.rows(tables.check_in))[0].id, "A1", "general")]


async def test_a_database_that_refuses_is_a_hub_that_is_away(hub: HubUnderTest) -> None:
    """To a station it makes no difference, and ports.Hub promises Unreachable and nothing else."""
    await hub.store.write(lambda c: c.execute(text("DROP TABLE area_version")))
    await hub.store.write(lambda c: c.execute(text("DROP TABLE device")))
    await hub.store.write(lambda c: c.execute(text("DROP TABLE sheet")))
    report = DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW)
    sheet = PrintReport(uuid4(), SheetKind.TICKET, 1, PrintState.QUEUED, None, None, NOW)
    for asking in (
        hub.site.check_in(request()),
        hub.site.ask_for_help(help_request()),
        hub.site.report_device(report),
        hub.site.report_print(sheet),
        hub.site.station_started("entrance", []),
    ):
        with pytest.raises(Unreachable) as caught:
            await asking
        assert isinstance(caught.value.__cause__, StoreError)
        assert "Huber" not in str(caught.value)
    assert await hub.heard() == []


async def test_versions_rise_with_every_change_of_what_an_area_shows(hub: HubUnderTest) -> None:
    async def versions() -> dict[str, int]:
        return {row.area: row.version for row in await hub.rows(tables.area_version)}

    await hub.site.check_in(in_area(1, "general"))
    assert await versions() == {"general": 1}
    await hub.site.check_in(in_area(2, "lab"))
    await hub.site.check_in(in_area(3, "general"))
    assert await versions() == {"general": 2, "lab": 1}
    await hub.site.ask_for_help(help_request())
    assert await versions() == {"general": 3, "lab": 2, "desk": 1}


# --- identify ------------------------------------------------------------------------------------------------------


async def test_who_has_an_appointment_today_is_identified(hub: HubUnderTest) -> None:
    hub.schedule.patients, hub.schedule.appointments = [patient()], [appointment()]
    assert await hub.site.identify(card(), NOW) == Identified(patient(), appointment())


async def test_the_day_of_an_appointment_is_the_business_day(hub: HubUnderTest) -> None:
    """At 01:30 the night clinic's day has begun the evening before, and ends at 04:00."""
    night = datetime(2026, 11, 24, 1, 30, tzinfo=SITE.zone).astimezone(UTC)
    evening = replace(appointment(1), starts_at=night - timedelta(hours=6))
    morning = replace(appointment(2), starts_at=night + timedelta(hours=7))
    hub.schedule.patients, hub.schedule.appointments = [patient()], [evening, morning]
    assert await hub.site.identify(card(), night) == Identified(patient(), evening)
    hub.schedule.appointments = [morning]
    assert await hub.site.identify(card(), night) == Refused(Reason.NO_APPOINTMENT, patient())


async def test_who_is_refused_is_refused_with_the_reason(hub: HubUnderTest) -> None:
    assert await hub.site.identify(card(), NOW) == Refused(Reason.NO_PATIENT)
    hub.schedule.patients = [patient(), replace(patient(2), identifiers=patient().identifiers)]
    assert await hub.site.identify(card(), NOW) == Refused(Reason.SEVERAL_PATIENTS)
    hub.schedule.patients = [patient()]
    hub.schedule.appointments = [replace(appointment(), status=AppointmentStatus.CANCELLED)]
    assert await hub.site.identify(card(), NOW) == Refused(Reason.NO_APPOINTMENT, patient())


# --- reports -------------------------------------------------------------------------------------------------------


async def test_a_device_is_known_by_its_last_report(hub: HubUnderTest) -> None:
    first = DeviceReport("entrance", "reader", "card-reader", "unavailable", "no reader", NOW)
    await hub.site.report_device(first)
    await hub.site.report_device(replace(first, state="ready", what="", since=NOW + timedelta(minutes=1)))
    await hub.site.report_device(replace(first, station="side-door", what="x" * 900))
    rows = await hub.rows(tables.device)
    assert [(r.station, r.state, len(r.what)) for r in rows] == [
        ("entrance", "ready", 0),
        ("side-door", "unavailable", 500),
    ]
    heard = await hub.heard()
    assert heard[1] == DeviceChanged(NOW, "entrance", "reader", "ready", "")


async def test_a_device_that_left_the_site_file_is_forgotten_at_the_next_start(hub: HubUnderTest) -> None:
    for station, device in (("entrance", "reader"), ("entrance", "old"), ("side-door", "old")):
        await hub.site.report_device(DeviceReport(station, device, "card-reader", "ready", "", NOW))
    await hub.site.station_started("entrance", ["reader"])
    assert [(r.station, r.device) for r in await hub.rows(tables.device)] == [
        ("entrance", "reader"),
        ("side-door", "old"),
    ]


def sheet(check_in_id: UUID, state: PrintState, **more: object) -> PrintReport:
    return replace(PrintReport(check_in_id, SheetKind.TICKET, 1, state, None, None, NOW), **more)


async def test_a_sheet_is_known_by_its_last_report(hub: HubUnderTest) -> None:
    check_in_id = uuid4()
    for report in (
        sheet(check_in_id, PrintState.QUEUED),
        sheet(check_in_id, PrintState.QUEUED, cause=Cause.PAPER_OUT),
        sheet(check_in_id, PrintState.PRINTED, proof=ProofKind.COMPLETION),
        sheet(check_in_id, PrintState.QUEUED, copy=2),
    ):
        await hub.site.report_print(report)
    rows = await hub.rows(tables.sheet)
    assert [(r.copy, r.state, r.proof, r.cause) for r in rows] == [
        (1, "printed", "completion", None),
        (2, "queued", None, None),
    ]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (sheet(UUID(int=1), PrintState.QUEUED), None),
        (sheet(UUID(int=1), PrintState.SENDING), None),
        (
            sheet(UUID(int=1), PrintState.QUEUED, cause=Cause.PAPER_OUT),
            SheetNotPrinted(NOW, UUID(int=1), SheetKind.TICKET, Cause.PAPER_OUT, is_over=False),
        ),
        (
            sheet(UUID(int=1), PrintState.EXPIRED, cause=Cause.PAPER_OUT),
            SheetNotPrinted(NOW, UUID(int=1), SheetKind.TICKET, Cause.PAPER_OUT, is_over=True),
        ),
        (
            sheet(UUID(int=1), PrintState.EXPIRED),
            SheetNotPrinted(NOW, UUID(int=1), SheetKind.TICKET, None, is_over=True),
        ),
        (
            sheet(UUID(int=1), PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST),
            SheetUnknown(NOW, UUID(int=1), SheetKind.TICKET, Cause.CONNECTION_LOST),
        ),
        (
            sheet(UUID(int=1), PrintState.PRINTED, proof=ProofKind.ODOMETER),
            SheetPrinted(NOW, UUID(int=1), SheetKind.TICKET, ProofKind.ODOMETER),
        ),
    ],
)
async def test_what_the_desks_page_hears_of_a_sheet(
    sqlite_hub: HubUnderTest, report: PrintReport, expected: object
) -> None:
    await sqlite_hub.site.report_print(report)
    assert await sqlite_hub.heard() == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("settled", "error", "expected"),
    [
        (OutboxState.DONE, "", RecordState.STORED),
        (OutboxState.PENDING, "no answer", RecordState.PENDING),
        (OutboxState.PARKED, "422: " + "x" * 3000, RecordState.PARKED),
    ],
)
async def test_what_became_of_the_record_is_kept_with_the_check_in(
    hub: HubUnderTest, settled: OutboxState, error: str, expected: RecordState
) -> None:
    asked, other = request(1), request(2)
    await hub.site.check_in(asked)
    await hub.site.check_in(other)
    row = (await hub.rows(tables.outbox))[0]
    message = OutboxMessage(row.id, row.destination, row.key, row.kind, row.payload, 0, NOW)
    await hub.store.write(lambda c: hub.site.record_settled(c, message, settled, error))
    found = {r.id: (r.record_state, r.record_error) for r in await hub.rows(tables.check_in)}
    assert found[asked.check_in_id] == (expected, error[:2000])
    assert found[other.check_in_id] == (RecordState.PENDING, "")


async def test_an_epoch_is_kept(hub: HubUnderTest) -> None:
    def begin(connection: Connection, at: int) -> int:
        tickets.begin_epoch(connection, at)
        return tickets.epoch_of(connection)

    assert await hub.store.write(tickets.epoch_of) == 0
    big = int(datetime(2040, 1, 1, tzinfo=UTC).timestamp())
    assert await hub.store.write(lambda c: begin(c, big)) == big
    assert await hub.store.write(lambda c: begin(c, big + 5)) == big


async def test_an_area_named_in_the_site_file_only_is_no_trouble(hub: HubUnderTest) -> None:
    only = (AreaConfig(id="only", name="Flur", series="C", rooms=("1",)),)
    other = hub_on(hub.store, hub.news, hub.listening, SiteRules(SITE, RULES.hub, only))
    assert (await other.site.check_in(in_area(1, "general"))).label == "C1"
