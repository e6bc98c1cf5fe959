"""The session at one kiosk: what a patient is told, and what is true behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from kioskd.core.checkin import ASKING_AT_MOST, IDLE_AFTER, IDLE_GRACE, SHOWN_FOR, Step
from kioskd.core.events import CheckInRefused, PatientIdentified, SessionChanged, SheetNotPrinted
from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, PrintState, SheetKind
from kioskd.errors import RuleViolation, Unreachable
from kioskd.hub import tables as hub_tables
from kioskd.station import intents
from kioskd.station.view import SheetView
from tests.people import NOW, card, patient
from tests.station.conftest import Front

AWAY = Unreachable("the hub is away")
STRANGER = card(patient(7, family="Nowak", given="Jan"))


@asynccontextmanager
async def time_runs(front: Front) -> AsyncIterator[None]:
    """The kiosk's own tasks, beside the test."""
    running = asyncio.create_task(front.kiosk.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


async def pass_by(front: Front, time: timedelta) -> None:
    """Set the clock, and stir the kiosk as any news of the reader does."""
    front.clock.now += time
    await front.kiosk.reader_ready(True)


async def until_step(front: Front, step: Step) -> None:
    async with asyncio.timeout(10):
        while front.step is not step:
            await front.until(SessionChanged)


# --- the hub or records are away -----------------------------------------------------------------------------------


async def test_a_hub_that_is_away_sends_the_patient_to_the_desk_without_a_number(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = AWAY
    await front.kiosk.confirm(session)
    view = front.kiosk.view()
    assert (view.step, view.label, view.reason) == (Step.HELP, "", Reason.HUB_UNREACHABLE)
    assert "ask_for_help" not in front.wire.asked, "the check-in may be there: a help ticket would be a second place"
    assert len(await front.station.read(intents.open_intents)) == 1


async def test_what_was_asked_is_asked_again_and_prints_nothing_for_who_has_gone(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = AWAY
    await front.kiosk.confirm(session)
    await front.kiosk.recover()
    assert len(await front.station.read(intents.open_intents)) == 1, "the hub is still away"
    front.wire.trouble.clear()
    await front.leave()
    await front.kiosk.recover()
    [row] = await front.rows(hub_tables.check_in)
    assert (row.id, row.arrived_at, row.reason) == (session, NOW, None)
    assert [(j.state, j.cause) for j in await front.jobs()] == [(PrintState.EXPIRED, Cause.RESTARTED)] * 2
    assert await front.station.read(intents.open_intents) == []
    assert front.step is Step.WELCOME


async def test_open_intents_are_asked_again_by_themselves(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = AWAY
    await front.kiosk.confirm(session)
    front.wire.trouble.clear()
    async with front.printing(), time_runs(front):
        assert (await front.until(SheetNotPrinted)).is_over
    assert await front.station.read(intents.open_intents) == []


async def test_what_is_in_hand_is_not_asked_twice(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = answer = asyncio.Event()
    confirming = asyncio.create_task(front.kiosk.confirm(session))
    await front.wire.until_asked("check_in")
    await front.kiosk.recover()
    answer.set()
    await confirming
    assert front.wire.asked.count("check_in") == 1
    assert {j.state for j in await front.jobs()} == {PrintState.QUEUED}, "the patient stands here"


async def test_a_check_in_that_begins_while_intents_are_read_is_in_hand_too(front: Front) -> None:
    """Confirmed between the decision to ask again and the look at the database: the patient still gets a ticket."""
    session = await front.identified()
    front.wire.trouble["check_in"] = answer = asyncio.Event()
    gate = threading.Event()
    busy = asyncio.create_task(front.station.read(lambda _: gate.wait(10)))
    recovering = asyncio.create_task(front.kiosk.recover())
    await asyncio.sleep(0)
    confirming = asyncio.create_task(front.kiosk.confirm(session))
    await front.wire.until_asked("check_in")
    gate.set()
    assert await busy
    await recovering
    answer.set()
    await confirming
    assert front.wire.asked.count("check_in") == 1
    assert {j.state for j in await front.jobs()} == {PrintState.QUEUED}


async def test_records_that_are_away_are_a_help_ticket_with_that_reason(front: Front) -> None:
    front.wire.trouble["identify"] = AWAY
    await front.kiosk.card_seen()
    await front.kiosk.card_read(card())
    view = front.kiosk.view()
    assert (view.step, view.label, view.reason) == (Step.HELP, "D1", Reason.RECORDS_UNREACHABLE)
    [row] = await front.rows(hub_tables.check_in)
    assert (row.reason, row.family, row.arrived_at) == ("records-unreachable", "", NOW)
    assert [j.key.kind for j in await front.jobs()] == [SheetKind.HELP_TICKET]


async def test_a_help_ticket_that_the_hub_can_not_give_now_is_given_later(front: Front) -> None:
    front.wire.trouble = {"identify": AWAY, "ask_for_help": AWAY}
    await front.kiosk.card_seen()
    await front.kiosk.card_read(card())
    assert (front.step, front.kiosk.view().label) == (Step.HELP, "")
    front.wire.trouble.clear()
    front.clock.now += timedelta(minutes=10)
    await front.kiosk.recover()
    [row] = await front.rows(hub_tables.check_in)
    assert (row.reason, row.arrived_at) == ("records-unreachable", NOW)


async def test_a_hub_that_refuses_for_good_is_a_help_ticket(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = RuleViolation("cancelled", "the appointment was cancelled")
    await front.kiosk.confirm(session)
    view = front.kiosk.view()
    assert (view.step, view.label, view.reason) == (Step.HELP, "D1", Reason.NO_APPOINTMENT)
    assert await front.station.read(intents.open_intents) == []


@pytest.mark.parametrize("table", ["intent", "print_job"])
async def test_a_database_that_refuses_never_leaves_the_patient_waiting(front: Front, table: str) -> None:
    session = await front.identified()
    await front.station.write(lambda c: c.execute(text(f"DROP TABLE {table}")))
    await front.kiosk.confirm(session)
    assert (front.step, front.kiosk.view().label) == (Step.HELP, "")


async def test_a_hub_that_never_answers_is_given_up_and_its_late_answer_changes_nothing(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = answer = asyncio.Event()
    confirming = asyncio.create_task(front.kiosk.confirm(session))
    async with time_runs(front):
        await until_step(front, Step.CHECKING_IN)
        await pass_by(front, ASKING_AT_MOST)
        await until_step(front, Step.HELP)
        before = front.kiosk.view()
        answer.set()
        await confirming
        assert front.kiosk.view() == before
    assert len(await front.rows(hub_tables.ticket)) == 1


async def test_an_answer_that_comes_after_the_patient_has_left_prints_nothing(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = answer = asyncio.Event()
    confirming = asyncio.create_task(front.kiosk.confirm(session))
    async with time_runs(front):
        await front.wire.until_asked("check_in")
        await pass_by(front, ASKING_AT_MOST)
        await until_step(front, Step.HELP)
        await front.leave()
        answer.set()
        await confirming
    assert {j.state for j in await front.jobs()} == {PrintState.EXPIRED}


# --- people who do what nobody expects -----------------------------------------------------------------------------


async def test_deny_says_nothing_of_the_card_holder_to_anybody(front: Front) -> None:
    await front.kiosk.deny(await front.identified())
    [row] = await front.rows(hub_tables.check_in)
    assert row.reason == "not-me"
    assert (row.family, row.given, row.birth_date, row.patient_id) == ("", "", None, "")
    assert front.kiosk.view().label == "D1"
    await front.until(CheckInRefused)
    assert "Huber" not in repr(front.heard)


async def test_who_is_found_without_an_appointment_is_named_at_the_desk(front: Front) -> None:
    front.schedule.appointments.clear()
    await front.kiosk.card_seen()
    await front.kiosk.card_read(card())
    [row] = await front.rows(hub_tables.check_in)
    assert (row.reason, row.family) == ("no-appointment", "Huber")


async def test_inputs_of_an_earlier_session_change_nothing(front: Front) -> None:
    await front.identified()
    before = front.kiosk.view()
    stale = uuid4()
    for act in (front.kiosk.confirm, front.kiosk.deny, front.kiosk.ask_for_help, front.kiosk.close):
        await act(stale)
    front.clock.now += timedelta(seconds=5)
    await front.kiosk.need_more_time(stale)
    front.clock.now -= timedelta(seconds=5)
    assert front.kiosk.view() == before
    assert await front.rows(hub_tables.check_in) == []


async def test_a_second_card_during_confirm_begins_a_new_session(front: Front) -> None:
    first = await front.identified()
    await front.kiosk.card_removed()
    await front.kiosk.card_seen()
    assert (front.step, front.kiosk.view().family) == (Step.READING, "")
    await front.kiosk.confirm(first)
    assert await front.rows(hub_tables.check_in) == []


async def test_the_card_of_the_next_patient_ends_the_session_before_and_its_sheets(front: Front) -> None:
    await front.checked_in()
    await front.kiosk.card_removed()
    await front.kiosk.card_seen()
    view = front.kiosk.view()
    assert (view.step, view.label, view.family, view.ticket) == (Step.READING, "", "", SheetView.NONE)
    assert {j.state for j in await front.jobs()} == {PrintState.EXPIRED}


@pytest.mark.parametrize("is_readable", [True, False])
async def test_a_strangers_card_while_a_check_in_is_committed_touches_nothing(front: Front, is_readable: bool) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = answer = asyncio.Event()
    confirming = asyncio.create_task(front.kiosk.confirm(session))
    await front.wire.until_asked("check_in")
    await front.kiosk.card_removed()
    await front.kiosk.card_seen()
    if is_readable:
        await front.kiosk.card_read(STRANGER)
    else:
        await front.kiosk.card_unreadable(Reason.CARD_NOT_SUPPORTED)
    assert front.step is Step.CHECKING_IN
    answer.set()
    await confirming
    assert (front.step, front.kiosk.view().label) == (Step.DONE, "A1")
    [row] = await front.rows(hub_tables.check_in)
    assert (row.reason, row.family) == (None, "Huber")


async def test_a_cry_for_help_while_a_check_in_is_committed_does_not_undo_it(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = answer = asyncio.Event()
    confirming = asyncio.create_task(front.kiosk.confirm(session))
    await front.wire.until_asked("check_in")
    await front.kiosk.ask_for_help(session)
    answer.set()
    await confirming
    assert (front.step, front.kiosk.view().label) == (Step.DONE, "A1")
    assert "ask_for_help" not in front.wire.asked


async def test_a_card_that_is_read_after_its_session_has_ended_is_nobodys(front: Front) -> None:
    await front.kiosk.card_seen()
    await front.kiosk.ask_for_help(front.session_id)
    await front.kiosk.close(front.session_id)
    assert front.step is Step.TAKE_CARD
    await front.kiosk.card_read(STRANGER)
    assert front.step is Step.TAKE_CARD
    assert len(await front.rows(hub_tables.check_in)) == 1


async def test_help_that_is_asked_for_while_the_card_is_read_wins(front: Front) -> None:
    await front.kiosk.card_seen()
    front.wire.trouble["identify"] = answer = asyncio.Event()
    reading = asyncio.create_task(front.kiosk.card_read(card()))
    await asyncio.sleep(0)
    await front.kiosk.ask_for_help(front.session_id)
    answer.set()
    await reading
    assert (front.step, front.kiosk.view().family) == (Step.HELP, "")
    front.news.end()
    assert not [e async for e in front.listening if isinstance(e, PatientIdentified)]


async def test_help_from_the_welcome_page_says_when_it_was_asked_for(front: Front) -> None:
    front.clock.now += timedelta(hours=3)
    await front.kiosk.ask_for_help(front.session_id)
    [row] = await front.rows(hub_tables.check_in)
    assert row.arrived_at == NOW + timedelta(hours=3)
    assert front.kiosk.view().arrived_at == NOW + timedelta(hours=3)


async def test_a_language_that_the_site_has_not_is_not_chosen(front: Front) -> None:
    await front.kiosk.choose_language("en")
    await front.kiosk.choose_language("tr")
    assert front.kiosk.view().language == "en"


async def test_the_next_patient_begins_in_the_sites_language(front: Front) -> None:
    await front.kiosk.choose_language("en")
    await front.checked_in()
    await front.leave()
    assert front.kiosk.view().language == "de"


# --- the reader ----------------------------------------------------------------------------------------------------


async def test_a_reader_that_goes_while_it_reads_sends_the_patient_to_the_desk(front: Front) -> None:
    await front.kiosk.reader_ready(True)
    await front.kiosk.card_seen()
    await front.kiosk.reader_ready(False)
    view = front.kiosk.view()
    assert (view.step, view.label, view.reason) == (Step.HELP, "D1", Reason.READER_FAILED)
    assert (view.is_reader_ready, view.is_card_in_reader) == (False, False)


async def test_a_reader_that_goes_at_another_time_is_only_shown(front: Front) -> None:
    await front.kiosk.reader_ready(True)
    session = await front.checked_in()
    await front.kiosk.reader_ready(False)
    assert (front.step, front.session_id, front.kiosk.view().is_reader_ready) == (Step.DONE, session, False)


async def test_a_card_taken_out_too_early_is_a_hint(front: Front) -> None:
    await front.kiosk.card_seen()
    await front.kiosk.card_unreadable(Reason.CARD_REMOVED_EARLY)
    await front.kiosk.card_removed()
    view = front.kiosk.view()
    assert (view.step, view.notice) == (Step.WELCOME, "card-removed-early")
    assert await front.rows(hub_tables.check_in) == []


# --- sheets --------------------------------------------------------------------------------------------------------


async def test_a_second_visit_to_the_kiosk_tells_the_number_and_prints_no_second_ticket(front: Front) -> None:
    async with front.printing("tickets", "bands"):
        await front.checked_in()
        async with asyncio.timeout(10):
            while front.kiosk.view().ticket is not SheetView.TAKE_IT:
                await front.until(SessionChanged)
            while front.kiosk.view().wristband is not SheetView.TAKE_IT:
                await front.until(SessionChanged)
        await front.leave()
        await front.checked_in()
        view = front.kiosk.view()
    assert (view.label, view.was_checked_in_before, view.ticket) == ("A1", True, SheetView.NONE)
    assert front.tickets.paper.total() == front.bands.paper.total() == 1


async def test_a_copy_for_a_second_visit_does_not_outlive_it(front: Front) -> None:
    """The first ticket expired unprinted; the copy belongs to the first check-in's id and must expire all the same."""
    await front.checked_in()
    await front.leave()
    await front.checked_in()
    assert front.kiosk.view().ticket is SheetView.PRINTING
    [copy] = [j for j in await front.jobs() if j.key.copy == 2]
    assert copy.state is PrintState.QUEUED
    await front.leave()
    assert {j.state for j in await front.jobs()} == {PrintState.EXPIRED}


# --- time ----------------------------------------------------------------------------------------------------------


async def test_the_last_page_clears_by_itself(front: Front) -> None:
    await front.checked_in()
    await front.kiosk.card_removed()
    async with time_runs(front):
        await pass_by(front, SHOWN_FOR - timedelta(seconds=1))
        assert (front.step, front.kiosk.view().clears_in_s) == (Step.DONE, 1)
        await pass_by(front, timedelta(seconds=1))
        await until_step(front, Step.WELCOME)
    view = front.kiosk.view()
    assert (view.family, view.label, view.area_name) == ("", "", "")


async def test_a_page_that_asks_is_idle_first_and_clears_then(front: Front) -> None:
    session = await front.identified()
    async with time_runs(front):
        await pass_by(front, IDLE_AFTER)
        assert front.kiosk.view().is_idle
        assert front.kiosk.view().clears_in_s == IDLE_GRACE.total_seconds()
        await front.kiosk.need_more_time(session)
        assert not front.kiosk.view().is_idle
        await pass_by(front, IDLE_AFTER + IDLE_GRACE)
        refused = await front.until(CheckInRefused)
        await until_step(front, Step.TAKE_CARD)
    assert (refused.check_in_id, refused.reason) == (session, Reason.TIMED_OUT)


async def test_a_welcome_page_waits_for_ever(front: Front) -> None:
    session = front.session_id
    async with time_runs(front):
        await pass_by(front, timedelta(days=2))
        await asyncio.sleep(0.02)
        assert front.session_id == session
