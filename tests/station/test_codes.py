"""Codes at the kiosk: letters and numbers with a birth date, cards as codes, strangers, and what nobody may learn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from drivers.scanner import SerialConfig, SerialDriver
from drivers.scanner.virtual import VirtualScanner
from kioskd.core.birth_date import TypedDate
from kioskd.core.checkin import IDLE_AFTER, IDLE_GRACE, NOTICE_FOR, Step
from kioskd.core.events import CheckInRefused, SessionChanged
from kioskd.core.identity import Reason
from kioskd.core.payload import CardPayload, CodeKind, Unusable
from kioskd.errors import CodeUnreadable, DeviceUnavailable, Unreachable
from kioskd.hub import letters
from kioskd.hub import tables as hub_tables
from kioskd.ports import CodeScanner
from kioskd.station.code_reading import read_codes
from kioskd.station.view import KioskView
from tests.people import appointment, card, patient
from tests.station.code_wand import PICTURE, Eye, Wand, scanning, understand
from tests.station.conftest import WITHIN_S, Front
from tests.station.test_kiosk import time_runs

BORN = TypedDate("3", "2", "1980")
WRONG = TypedDate("4", "2", "1980")
MEMBER = b"X000000001"
NOBODY = b"X999999999"
PRESCRIPTION = b'{"urls":["Task/160.000.033.491.280.78/$accept?ac=777bea0e13cc9c42ceec14aec3ddee2263325dc2c6c699db"]}'


async def letter(front: Front) -> bytes:
    """An appointment letter of the patient."""
    text = await front.hub.write(lambda c: letters.issue(c, appointment(), "resi", front.clock.now))
    return text.encode()


async def until(front: Front, fits: Callable[[KioskView], bool]) -> KioskView:
    async with asyncio.timeout(WITHIN_S):
        while not fits(front.kiosk.view()):
            await front.until(SessionChanged)
    return front.kiosk.view()


async def until_step(front: Front, step: Step) -> KioskView:
    return await until(front, lambda view: view.step is step)


# --- the whole path --------------------------------------------------------------------------------------------------


async def test_a_letter_through_a_real_scanner_checks_in_and_is_used_up(front: Front, tmp_path: Path) -> None:
    code = await letter(front)
    with VirtualScanner(tmp_path / "scanner") as hand:
        scanner = SerialDriver().create("scanner", SerialConfig(port=f"serial:{hand.path}"), [])
        assert isinstance(scanner, CodeScanner)
        device = front.device("scanner", "scanner", scanner)
        life = asyncio.create_task(device.run(lambda managed: read_codes(managed, front.kiosk.codes, understand)))
        await until(front, lambda view: view.can_show_code)
        assert await asyncio.to_thread(hand.scan, code)
        view = await until_step(front, Step.BIRTH_DATE)
        assert view.given == view.family == ""  # nothing of the person is shown before they said who they are
        await front.kiosk.give_birth_date(view.session_id, BORN)
        view = front.kiosk.view()
        assert (view.step, view.given, view.family) == (Step.CONFIRM, "Anna", "Huber")
        assert await front.hub.read(lambda c: letters.find(c, code.decode(), front.clock.now)) != Reason.LETTER_USED
        await front.kiosk.confirm(view.session_id)
        assert front.step is Step.DONE
        life.cancel()
        await asyncio.wait({life}, timeout=10)
    assert await front.hub.read(lambda c: letters.find(c, code.decode(), front.clock.now)) == Reason.LETTER_USED
    assert [row.card_kind for row in await front.rows(hub_tables.check_in)] == ["letter"]


async def test_a_letter_that_was_used_leads_to_the_desk(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        code = await letter(front)
        for _ in range(2):
            wand.hold(code)
            view = await until_step(front, Step.BIRTH_DATE)
            await front.kiosk.give_birth_date(view.session_id, BORN)
            await front.kiosk.confirm(view.session_id)
            reached = front.step
            await front.kiosk.close(view.session_id)
    assert reached is Step.HELP
    assert [row.reason for row in await front.rows(hub_tables.check_in)] == [None, Reason.LETTER_USED]


async def test_a_code_that_is_a_card_goes_the_way_of_a_card(front: Front) -> None:
    await front.kiosk.codes.code_read(CardPayload(card()), 300)
    view = front.kiosk.view()
    assert (view.step, view.family) == (Step.CONFIRM, "Huber")
    await front.kiosk.confirm(view.session_id)
    assert front.step is Step.DONE
    assert front.kiosk.view().is_card_wanted


# --- the birth date --------------------------------------------------------------------------------------------------


async def test_a_number_alone_stands_for_nobody(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(MEMBER, "]C0")
        view = await until_step(front, Step.BIRTH_DATE)
        await front.kiosk.give_birth_date(view.session_id, BORN)
    assert front.step is Step.CONFIRM


@pytest.mark.parametrize("number", [MEMBER, NOBODY])
async def test_nobody_learns_whether_a_number_exists(front: Front, number: bytes) -> None:
    wand, seen = Wand(), []
    async with scanning(front, wand):
        wand.hold(number, "]C0")
        view = await until_step(front, Step.BIRTH_DATE)
        for _ in range(2):
            await front.kiosk.give_birth_date(view.session_id, WRONG)
            now = front.kiosk.view()
            seen.append((now.step, now.notice, now.given, now.label))
    assert seen == [(Step.BIRTH_DATE, "date-differs", "", ""), (Step.HELP, "", "", "D1")]


async def test_the_desk_sees_why(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(NOBODY, "]C0")
        view = await until_step(front, Step.BIRTH_DATE)
        for _ in range(2):
            await front.kiosk.give_birth_date(view.session_id, WRONG)
    assert [row.reason for row in await front.rows(hub_tables.check_in)] == [Reason.NO_PATIENT]


async def test_the_second_try_counts(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(await letter(front))
        view = await until_step(front, Step.BIRTH_DATE)
        await front.kiosk.give_birth_date(view.session_id, WRONG)
        await front.kiosk.give_birth_date(view.session_id, BORN)
    assert front.step is Step.CONFIRM


async def test_what_is_no_date_uses_up_no_try_and_asks_nobody(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(await letter(front))
        view = await until_step(front, Step.BIRTH_DATE)
        for typed in (TypedDate("31", "2", "1980"), TypedDate("", "", ""), TypedDate("3", "2", "80")):
            await front.kiosk.give_birth_date(view.session_id, typed)
            now = front.kiosk.view()
            assert (now.step, now.notice, now.typed) == (Step.BIRTH_DATE, "date-impossible", typed)
    assert "identify_letter" not in front.wire.asked


async def test_records_that_are_away_lead_to_the_desk(front: Front) -> None:
    wand = Wand()
    front.wire.trouble["identify_letter"] = Unreachable("the records are away")
    async with scanning(front, wand):
        wand.hold(await letter(front))
        view = await until_step(front, Step.BIRTH_DATE)
        await front.kiosk.give_birth_date(view.session_id, BORN)
    assert (front.step, front.kiosk.view().reason) == (Step.HELP, Reason.RECORDS_UNREACHABLE)


async def test_a_birth_date_for_an_earlier_session_changes_nothing(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(await letter(front))
        view = await until_step(front, Step.BIRTH_DATE)
        await front.kiosk.close(view.session_id)
        assert front.step is Step.WELCOME
        await front.kiosk.give_birth_date(view.session_id, BORN)
    assert front.step is Step.WELCOME
    assert "identify_letter" not in front.wire.asked


async def test_who_walks_off_while_asked_is_noted_and_nothing_stays(front: Front) -> None:
    wand = Wand()
    async with time_runs(front), scanning(front, wand):
        wand.hold(await letter(front))
        await until_step(front, Step.BIRTH_DATE)
        front.clock.now += IDLE_AFTER + IDLE_GRACE
        await front.kiosk.reader_ready(True)
        assert (await front.until(CheckInRefused)).reason is Reason.TIMED_OUT
        view = await until_step(front, Step.WELCOME)
    assert view.typed == TypedDate()


# --- codes that are of no use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "notice", "reason"),
    [
        (PRESCRIPTION, "prescription", Reason.CODE_NOT_FOR_US),
        (b"https://example.org/menu", "web-address", Reason.CODE_NOT_FOR_US),
        (b"what is this", "code-unknown", Reason.CODE_UNKNOWN),
        (b"KL1:CUTSHORT", "code-again", Reason.CODE_UNUSABLE),
    ],
)
async def test_a_code_of_no_use_is_told_kindly_and_begins_nothing(
    front: Front, code: bytes, notice: str, reason: Reason
) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(code)
        refused = await front.until(CheckInRefused)
        view = front.kiosk.view()
    assert (view.step, view.notice, refused.reason) == (Step.WELCOME, notice, reason)
    assert await front.rows(hub_tables.check_in) == []


async def test_a_hint_goes_after_a_while(front: Front) -> None:
    wand = Wand()
    async with time_runs(front), scanning(front, wand):
        wand.hold(b"what is this")
        await until(front, lambda view: view.notice == "code-unknown")
        front.clock.now += NOTICE_FOR
        await front.kiosk.reader_ready(True)
        view = await until(front, lambda view: view.notice == "")
    assert view.step is Step.WELCOME


async def test_a_code_that_did_not_come_whole_is_asked_for_again(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(CodeUnreadable("wand", "a packet came spoiled"))
        view = await until(front, lambda view: view.notice == "code-again")
        assert view.step is Step.WELCOME
        wand.hold(MEMBER)
        await until_step(front, Step.BIRTH_DATE)


async def test_a_card_from_nobody_we_trust_leads_to_the_desk(front: Front) -> None:
    await front.kiosk.codes.code_read(Unusable(CodeKind.HEALTH_CARD, Reason.CODE_UNTRUSTED, "unknown issuer"), 900)
    assert (front.step, front.kiosk.view().reason) == (Step.HELP, Reason.CODE_UNTRUSTED)


# --- others who stand there, and the log -----------------------------------------------------------------------------


async def test_a_code_does_not_disturb_who_is_there(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        session = await front.identified()
        wand.hold(MEMBER)
        wand.hold(CodeUnreadable("wand", "a packet came spoiled"))
        wand.hold(DeviceUnavailable("wand", "was pulled out"))
        await until(front, lambda view: not view.can_show_code)  # so all before it was taken
        assert (front.step, front.session_id, front.kiosk.view().notice) == (Step.CONFIRM, session, "")


async def test_without_the_hub_a_code_begins_nothing(front: Front) -> None:
    front.kiosk.hub_changed(False)
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(MEMBER)
        assert (await front.until(CheckInRefused)).reason is Reason.HUB_UNREACHABLE
    assert front.step is Step.WELCOME


async def test_a_card_ends_the_question_for_a_birth_date(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(MEMBER)
        asked = (await until_step(front, Step.BIRTH_DATE)).session_id
        await front.kiosk.card_seen()
        await front.kiosk.card_read(card())
    assert front.step is Step.CONFIRM
    assert front.session_id != asked


async def test_no_log_says_what_a_code_holds(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    wand = Wand()
    code = await letter(front)
    with caplog.at_level(logging.DEBUG):
        async with scanning(front, wand):
            wand.hold(b"Jan Nowak 1970")
            await front.until(CheckInRefused)
            wand.hold(code)
            view = await until_step(front, Step.BIRTH_DATE)
            await front.kiosk.give_birth_date(view.session_id, WRONG)
            await front.kiosk.give_birth_date(view.session_id, WRONG)
    assert "unknown, 14 bytes" in caplog.text
    assert "letter, 60 bytes" in caplog.text
    for secret in ("Nowak", code.decode()[4:], "1980", patient().family):
        assert secret not in caplog.text


# --- the page --------------------------------------------------------------------------------------------------------


async def test_the_page_knows_what_can_be_shown(front: Front) -> None:
    eye = Eye()
    async with scanning(front, eye):
        view = front.kiosk.view()
        assert (view.can_show_code, view.has_camera) == (True, True)
        assert front.kiosk.look() == PICTURE
        await front.identified()
        assert front.kiosk.look() is None  # a camera is no mirror for who is busy
    view = front.kiosk.view()
    assert (view.can_show_code, view.has_camera) == (False, False)


async def test_a_card_that_says_all_for_the_bill_is_not_wanted_at_the_desk(front: Front) -> None:
    session = await front.checked_in()
    assert front.kiosk.view().is_card_wanted
    await front.kiosk.card_removed()
    await front.kiosk.close(session)
    await front.kiosk.codes.code_read(CardPayload(replace(card(), suffices_for_billing=True)), 300)
    assert not front.kiosk.view().is_card_wanted


async def test_idle_time_begins_with_the_last_touch(front: Front) -> None:
    wand = Wand()
    async with scanning(front, wand):
        wand.hold(MEMBER)
        view = await until_step(front, Step.BIRTH_DATE)
        front.clock.now += IDLE_AFTER - timedelta(seconds=1)
        await front.kiosk.need_more_time(view.session_id)
        front.clock.now += timedelta(seconds=2)
        assert not front.kiosk.view().is_idle
