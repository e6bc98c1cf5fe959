"""The reception desk: commands in calling order, refusals that staff can read, the view, the trail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from kioskd.core.display import Call
from kioskd.core.events import TicketCalled, TicketFinished, TicketMissed, TicketReturned
from kioskd.core.identity import Reason
from kioskd.core.patient import Identifier, Patient
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.core.queue import TicketState
from kioskd.errors import RuleViolation
from kioskd.hub import tables
from kioskd.hub.desk import ReceptionDesk
from kioskd.hub.sheet_view import BandRow, BandState
from kioskd.hub.view import AreaRow, AttemptRow, ConsoleView, DeviceRow, QueueRow, RecordState, SheetRow
from kioskd.ports import AttemptReport, CheckInRequest, DeviceReport, HelpRequest, PrintReport
from kioskd.store import audit
from tests.hub.conftest import RULES, HubUnderTest
from tests.people import NOW, appointment, patient, request

CANARY = Patient(
    id="p9",
    identifiers=(Identifier("urn:test", "Q987654321"),),
    family="Kanarienvogel",
    given="Tweety-Lotte",
    birth_date=date(1931, 7, 13),
    record_number="MRN-4711",
)
SECRETS = ("Kanarienvogel", "Tweety", "1931", "Q987654321", "MRN-4711", "Lena Hart")


async def fill(hub: HubUnderTest, count: int, area: str = "general") -> list[str]:
    labels = []
    for _ in range(count):
        number = len(await hub.rows(tables.ticket)) + 1
        asked = request(number)
        asked = replace(asked, appointment=replace(asked.appointment, area=area))
        labels.append((await hub.site.check_in(asked)).label)
    return labels


async def row_of(hub: HubUnderTest, label: str) -> QueueRow:
    return next(row for row in (await hub.desk.view()).rows if row.label == label)


async def ticket_of(hub: HubUnderTest, label: str) -> UUID:
    return (await row_of(hub, label)).ticket_id


def help_request(reason: Reason = Reason.NOT_ME) -> HelpRequest:
    return HelpRequest(uuid4(), "entrance", NOW, reason, "de")


async def test_call_next_calls_in_the_order_of_numbers_and_then_nobody(hub: HubUnderTest) -> None:
    await fill(hub, 3)
    called = [await hub.desk.call_next("general", "Zimmer 1", "anna") for _ in range(4)]
    assert called == ["A1", "A2", "A3", None]
    assert [r.action for r in await hub.rows(tables.audit)][3:] == ["call"] * 3


async def test_a_clock_that_is_set_back_changes_no_order(hub: HubUnderTest) -> None:
    await fill(hub, 1)
    hub.clock.now -= timedelta(hours=1)
    late = request(2)
    await hub.site.check_in(replace(late, arrived_at=hub.clock.now))
    assert await hub.desk.call_next("general", "Zimmer 1", "anna") == "A1"


async def test_two_desks_that_call_at_once_never_call_one_ticket_twice(hub: HubUnderTest) -> None:
    await fill(hub, 4)
    called = await asyncio.gather(*(hub.desk.call_next("general", f"Zimmer {n % 2 + 1}", "anna") for n in range(6)))
    assert sorted(label or "" for label in called) == ["", "", "A1", "A2", "A3", "A4"]


async def test_each_area_calls_its_own_and_the_help_desk_too(hub: HubUnderTest) -> None:
    await fill(hub, 1)
    await fill(hub, 1, "lab")
    await hub.site.ask_for_help(help_request())
    assert await hub.desk.call_next("lab", "Labor 1", "anna") == "C1"
    assert await hub.desk.call_next("desk", "Empfang", "anna") == "D1"
    assert await hub.desk.call_next("general", "Zimmer 2", "anna") == "A1"


async def test_tickets_of_yesterday_are_not_called(hub: HubUnderTest) -> None:
    await fill(hub, 1)
    hub.clock.now += timedelta(days=1)
    assert await hub.desk.call_next("general", "Zimmer 1", "anna") is None
    assert (await hub.desk.view()).rows == ()


async def test_the_course_of_a_visit(hub: HubUnderTest) -> None:
    await fill(hub, 2)
    ticket = await ticket_of(hub, "A2")
    await hub.desk.call(ticket, "Zimmer 2", "anna")
    hub.clock.now += timedelta(minutes=2)
    await hub.desk.recall(ticket, "bert")
    row = await row_of(hub, "A2")
    assert (row.state, row.room, row.called_at, row.times_called) == ("called", "Zimmer 2", hub.clock.now, 2)
    await hub.desk.miss(ticket, "bert")
    await hub.desk.put_back(ticket, "anna")
    row = await row_of(hub, "A2")
    assert (row.state, row.room, row.called_at) == ("waiting", "", None)
    await hub.desk.call(ticket, "Zimmer 1", "anna")
    await hub.desk.finish(ticket, "anna")
    assert (await row_of(hub, "A2")).state is TicketState.FINISHED
    trail = [(r.actor, r.action, r.subject, r.detail) for r in (await hub.rows(tables.audit))[2:]]
    subject = f"ticket/{ticket}"
    assert trail == [
        ("staff:anna", "call", subject, {"ticket": "A2", "room": "Zimmer 2"}),
        ("staff:bert", "recall", subject, {"ticket": "A2", "room": "Zimmer 2"}),
        ("staff:bert", "no-show", subject, {"ticket": "A2", "room": "Zimmer 2"}),
        ("staff:anna", "put-back", subject, {"ticket": "A2", "room": ""}),
        ("staff:anna", "call", subject, {"ticket": "A2", "room": "Zimmer 1"}),
        ("staff:anna", "finish", subject, {"ticket": "A2", "room": "Zimmer 1"}),
    ]
    kinds = [type(event) for event in (await hub.heard())[2:]]
    assert kinds == [TicketCalled, TicketCalled, TicketMissed, TicketReturned, TicketCalled, TicketFinished]


COMMANDS: dict[str, Callable[[HubUnderTest, UUID], Awaitable[None]]] = {
    "call": lambda hub, ticket: hub.desk.call(ticket, "Zimmer 1", "anna"),
    "recall": lambda hub, ticket: hub.desk.recall(ticket, "anna"),
    "finish": lambda hub, ticket: hub.desk.finish(ticket, "anna"),
    "miss": lambda hub, ticket: hub.desk.miss(ticket, "anna"),
    "put back": lambda hub, ticket: hub.desk.put_back(ticket, "anna"),
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("recall", "A1 is waiting; only a called ticket can be called again"),
        ("finish", "A1 is waiting; only a called ticket can be finished"),
        ("miss", "A1 is waiting; only a called ticket can be a no-show"),
        ("put back", "A1 is waiting; only a called or missed ticket can wait again"),
    ],
)
async def test_a_command_that_comes_too_early_says_why_and_changes_nothing(
    sqlite_hub: HubUnderTest, name: str, text: str
) -> None:
    await fill(sqlite_hub, 1)
    with pytest.raises(RuleViolation) as caught:
        await COMMANDS[name](sqlite_hub, await ticket_of(sqlite_hub, "A1"))
    assert (caught.value.rule, str(caught.value)) == ("wrong-state", text)
    assert len(await sqlite_hub.rows(tables.audit)) == 1


async def test_a_second_call_from_a_stale_page_is_refused(hub: HubUnderTest) -> None:
    await fill(hub, 1)
    ticket = await ticket_of(hub, "A1")
    await hub.desk.call(ticket, "Zimmer 1", "anna")
    with pytest.raises(RuleViolation, match=r"^A1 is called; only a waiting ticket can be called$"):
        await hub.desk.call(ticket, "Zimmer 2", "bert")
    assert (await row_of(hub, "A1")).room == "Zimmer 1"


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_ticket_that_there_is_not_is_refused(sqlite_hub: HubUnderTest, name: str) -> None:
    with pytest.raises(RuleViolation) as caught:
        await COMMANDS[name](sqlite_hub, uuid4())
    assert caught.value.rule == "unknown-ticket"


@pytest.mark.parametrize(
    ("area", "room", "text"),
    [
        ("general", "Labor 1", "general has no room 'Labor 1'; it has Zimmer 1, Zimmer 2"),
        ("attic", "Zimmer 1", "attic has no room 'Zimmer 1'; it has none"),
        ("desk", "Zimmer 1", "desk has no room 'Zimmer 1'; it has Empfang"),
    ],
)
async def test_a_room_that_an_area_has_not_is_refused(
    sqlite_hub: HubUnderTest, area: str, room: str, text: str
) -> None:
    await fill(sqlite_hub, 1)
    with pytest.raises(RuleViolation) as caught:
        await sqlite_hub.desk.call_next(area, room, "anna")
    assert (caught.value.rule, str(caught.value)) == ("unknown-room", text)


async def test_a_ticket_is_called_to_the_rooms_of_its_own_area_only(sqlite_hub: HubUnderTest) -> None:
    await fill(sqlite_hub, 1)
    with pytest.raises(RuleViolation, match="general has no room 'Labor 1'"):
        await sqlite_hub.desk.call(await ticket_of(sqlite_hub, "A1"), "Labor 1", "anna")
    assert (await row_of(sqlite_hub, "A1")).state is TicketState.WAITING


async def test_a_command_is_a_new_picture_and_a_message_in_one_transaction(hub: HubUnderTest) -> None:
    await fill(hub, 1)
    before = await hub.desk.snapshot_of("general")
    outbox_before = len(await hub.rows(tables.outbox))
    hub.clock.now += timedelta(minutes=1)
    await hub.desk.call_next("general", "Zimmer 1", "anna")
    after = await hub.desk.snapshot_of("general")
    assert (before.version, before.waiting_count, before.calls) == (1, 1, ())
    assert (after.version, after.waiting_count, after.calls) == (2, 0, (Call("A1", "Zimmer 1", hub.clock.now, 1),))
    assert after.area_name == "Wartezimmer"
    assert [m.payload for m in (await hub.rows(tables.outbox))[outbox_before:]] == [{"area": "general"}]


async def test_a_call_of_the_desk_is_in_every_areas_picture_with_a_new_version(hub: HubUnderTest) -> None:
    await fill(hub, 1)
    await hub.site.ask_for_help(help_request())
    versions = [(await hub.desk.snapshot_of(area)).version for area in ("general", "lab", "desk")]
    await hub.desk.call_next("desk", "Empfang", "anna")
    for area, version in zip(("general", "lab", "desk"), versions, strict=True):
        shown = await hub.desk.snapshot_of(area)
        assert [call.label for call in shown.calls] == ["D1"]
        assert shown.version == version + 1


async def test_the_view_lists_waiting_then_called_then_ended_newest_first(hub: HubUnderTest) -> None:
    await fill(hub, 6)
    for minute, label in enumerate(("A2", "A4", "A1"), 1):
        hub.clock.now = NOW + timedelta(minutes=minute)
        await hub.desk.call(await ticket_of(hub, label), "Zimmer 1", "anna")
    await hub.desk.finish(await ticket_of(hub, "A2"), "anna")
    assert [r.label for r in (await hub.desk.view()).rows] == ["A3", "A5", "A6", "A1", "A4", "A2"]


async def test_everything_that_a_view_says(hub: HubUnderTest) -> None:
    asked = request()
    await hub.site.check_in(asked)
    for state, copy in ((PrintState.EXPIRED, 1), (PrintState.PRINTED, 2)):
        proof = ProofKind.COMPLETION if state is PrintState.PRINTED else None
        cause = Cause.PAPER_OUT if state is PrintState.EXPIRED else None
        await hub.site.report_print(PrintReport(asked.check_in_id, SheetKind.TICKET, copy, state, proof, cause, NOW))
    await hub.site.report_device(DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW))
    view = await hub.desk.view()
    [row] = view.rows
    assert row == QueueRow(
        ticket_id=row.ticket_id,
        check_in_id=asked.check_in_id,
        label="A1",
        area="general",
        state=TicketState.WAITING,
        arrived_at=NOW,
        called_at=None,
        room="",
        times_called=0,
        family="Huber",
        given="Anna",
        birth_date=patient().birth_date,
        appointment_at=appointment().starts_at,
        practitioner="Dr. Lena Hart",
        reason=None,
        record=RecordState.PENDING,
        record_error="",
        sheets=(SheetRow(SheetKind.TICKET, PrintState.PRINTED, ProofKind.COMPLETION, None, 2),),
        band=BandRow(1, 1, BandState.DUE),
        is_identified=True,
        has_two_identifiers=True,
    )
    assert view == ConsoleView(
        at=NOW,
        site_name="Praxis",
        business_day=date(2026, 11, 23),
        areas=(
            AreaRow("general", "Wartezimmer", ("Zimmer 1", "Zimmer 2"), is_help_desk=False),
            AreaRow("lab", "Labor", ("Labor 1",), is_help_desk=False),
            AreaRow("desk", "Empfang", ("Empfang",), is_help_desk=True),
        ),
        rows=(row,),
        devices=(DeviceRow("entrance", "reader", "card-reader", "ready", "", NOW),),
        records_pending=1,
        records_parked=0,
        is_broker_up=True,
        records_waiting_since=NOW,
    )


async def test_the_view_has_the_attempts_that_were_broken_off_today_newest_first(hub: HubUnderTest) -> None:
    for n, at in enumerate((NOW - timedelta(days=1), NOW, NOW + timedelta(minutes=1))):
        await hub.site.report_attempt(AttemptReport(UUID(int=n), "entrance", Reason.TIMED_OUT, at))
    attempts = (await hub.desk.view()).attempts
    assert attempts == tuple(AttemptRow("entrance", NOW + timedelta(minutes=n), Reason.TIMED_OUT) for n in (1, 0))


async def test_a_station_on_another_machine_that_fell_silent_is_not_connected(hub: HubUnderTest) -> None:
    silent_s = 0.0
    desk = ReceptionDesk(hub.store, RULES, hub.news, hub.clock, lambda: True, silent_s=lambda station: silent_s)
    await hub.site.report_device(DeviceReport("entrance", "kiosk-pc", "station", "ready", "", NOW))
    await hub.site.report_device(DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW))
    assert [row.state for row in (await desk.view()).devices] == ["ready", "ready"]
    silent_s = 31.0
    station, reader = (await desk.view()).devices
    assert (station.state, station.what) == ("unavailable", "not-connected")
    assert reader.state == "ready"
    assert hub.site.silent_s("entrance") < 30
    assert hub.site.silent_s("nobody") < 30, "a hub that has just begun waits first"


async def test_a_help_ticket_in_the_view_says_the_reason_and_needs_no_record(hub: HubUnderTest) -> None:
    await hub.site.ask_for_help(help_request(Reason.CARD_UNREADABLE))
    row = await row_of(hub, "D1")
    assert (row.reason, row.record, row.family, row.area) == (Reason.CARD_UNREADABLE, RecordState.NONE, "", "desk")


async def test_that_the_queue_was_shown_is_in_the_trail(hub: HubUnderTest) -> None:
    await hub.desk.opened("anna")
    [entry] = await hub.rows(tables.audit)
    assert (entry.actor, entry.action, entry.subject) == ("staff:anna", "view-queue", "day/2026-11-23")


async def test_no_name_is_in_any_message_event_or_entry_and_the_trail_is_whole(hub: HubUnderTest) -> None:
    """One of everything for a patient whose name would be found anywhere."""
    visit = replace(appointment(9), patient_id=CANARY.id)
    asked = CheckInRequest(uuid4(), "entrance", NOW, CANARY, visit, "egk", "de")
    helped = replace(help_request(Reason.NO_APPOINTMENT), patient=CANARY)
    await hub.site.check_in(asked)
    await hub.site.check_in(replace(asked, check_in_id=uuid4()))
    await hub.site.ask_for_help(helped)
    await hub.site.report_print(
        PrintReport(asked.check_in_id, SheetKind.WRISTBAND, 1, PrintState.UNKNOWN, None, Cause.NOT_CONFIRMED, NOW)
    )
    await hub.desk.opened("anna")
    for label in ("A1", "D1"):
        ticket = await ticket_of(hub, label)
        await hub.desk.call(ticket, "Zimmer 1" if label == "A1" else "Empfang", "anna")
        await hub.desk.recall(ticket, "anna")
        await hub.desk.miss(ticket, "anna")
        await hub.desk.put_back(ticket, "anna")
    assert (await row_of(hub, "A1")).family == "Kanarienvogel", "the desk itself does see it"
    told = [
        *(json.dumps([r.payload, r.key, r.last_error]) for r in await hub.rows(tables.outbox)),
        *(json.dumps([r.actor, r.action, r.subject, r.detail]) for r in await hub.rows(tables.audit)),
        *[repr(await hub.desk.snapshot_of(area)) for area in ("general", "lab", "desk")],
        *(repr(event) for event in await hub.heard()),
    ]
    assert len(told) > 30
    assert [line for line in told for secret in SECRETS if secret in line] == []
    [chain] = await hub.store.read(lambda c: audit.verify(c, tables.audit))
    assert (chain.problem, chain.entries) == ("", 11)
