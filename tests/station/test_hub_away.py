"""A kiosk whose hub goes away and comes back: what its page says, and what happens to what is in hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from kioskd.core.checkin import Step
from kioskd.core.events import CheckInRefused, SessionChanged
from kioskd.core.identity import Reason
from kioskd.errors import Unreachable
from kioskd.hub import tables as hub_tables
from kioskd.station import intents
from kioskd.station.checkins import ASK_WITHIN_S, CheckIns
from kioskd.station.kiosk import Kiosk
from tests.people import card
from tests.station.conftest import SITE, Front
from tests.station_jobs import job_maker

AWAY = Unreachable("the hub is not connected to the broker")
METHODS = ("identify", "check_in", "ask_for_help", "report_device", "report_print", "station_started")


def cut(front: Front) -> None:
    front.wire.trouble = dict.fromkeys(METHODS, AWAY)
    front.kiosk.hub_changed(False)


def mend(front: Front) -> None:
    front.wire.trouble = {}
    front.kiosk.hub_changed(True)


async def test_the_page_hears_that_the_hub_came_or_went(front: Front) -> None:
    cut(front)
    await front.until(SessionChanged)
    assert not front.kiosk.view().is_hub_there
    mend(front)
    await front.until(SessionChanged)
    assert front.kiosk.view().is_hub_there


async def test_a_card_is_not_read_without_the_hub_and_staff_can_know_of_it(front: Front) -> None:
    cut(front)
    await front.kiosk.card_seen()
    assert (await front.until(CheckInRefused)).reason is Reason.HUB_UNREACHABLE
    await front.kiosk.card_read(card())
    assert front.step is Step.TAKE_CARD
    assert "identify" not in front.wire.asked
    await front.kiosk.card_removed()
    assert front.step is Step.WELCOME
    mend(front)
    await front.identified()


async def test_the_card_of_who_waits_for_their_answer_is_never_called_refused(front: Front) -> None:
    session = await front.identified()
    front.wire.trouble["check_in"] = answer = asyncio.Event()
    confirming = asyncio.create_task(front.kiosk.confirm(session))
    await front.wire.until_asked("check_in")
    await front.kiosk.card_removed()
    await front.kiosk.card_seen()
    answer.set()
    await confirming
    assert front.step is Step.DONE


async def test_a_hub_that_goes_while_a_card_is_read_sends_to_the_desk(front: Front) -> None:
    await front.kiosk.card_seen()
    cut(front)
    await front.kiosk.card_read(card())
    view = front.kiosk.view()
    assert (view.step, view.reason, view.label) == (Step.HELP, Reason.HUB_UNREACHABLE, "")


async def test_what_was_confirmed_when_the_hub_went_is_delivered_once_when_it_is_back(front: Front) -> None:
    session = await front.identified()
    cut(front)
    await front.kiosk.confirm(session)
    view = front.kiosk.view()
    assert (view.step, view.label, view.is_hub_there) == (Step.HELP, "", False)
    assert len(await front.station.read(intents.open_intents)) == 1
    await front.leave()
    front.clock.now += timedelta(hours=2)
    running = asyncio.create_task(front.kiosk.run())
    try:
        mend(front)  # asked again at once, and not five seconds later
        async with asyncio.timeout(4):
            await front.wire.until_asked("check_in")
            while await front.station.read(intents.open_intents):  # noqa: ASYNC110 - a row has no event
                await asyncio.sleep(0.01)
        mend(front)
    finally:
        running.cancel()
    [row] = await front.rows(hub_tables.check_in)
    assert row.arrived_at == view.arrived_at
    assert len(await front.rows(hub_tables.ticket)) == 1


@pytest.mark.parametrize("hangs", ["identify", "check_in", "ask_for_help"])
async def test_no_step_of_a_patient_waits_longer_for_the_hub_than_its_deadline(front: Front, hangs: str) -> None:
    """The deadline is 2 s in the product and shorter here."""
    assert ASK_WITHIN_S == 2.0
    maker = job_maker(SITE, front.tickets, front.bands)
    checkins = CheckIns(front.station, front.wire, maker, front.clock, ask_within_s=0.05)
    kiosk = Kiosk("entrance", SITE, front.wire, checkins, front.queue, front.news, front.clock, ask_within_s=0.05)
    front.wire.trouble[hangs] = asyncio.Event()
    async with asyncio.timeout(10):
        await kiosk.card_seen()
        if hangs == "ask_for_help":
            await kiosk.card_unreadable(Reason.CARD_UNREADABLE)
        else:
            await kiosk.card_read(card())
        if kiosk.view().step is Step.CONFIRM:
            await kiosk.confirm(kiosk.view().session_id)
    assert kiosk.view().step is Step.HELP
    if hangs != "identify":
        assert kiosk.view().label == "", "a number that nobody committed"
        assert len(await front.station.read(intents.open_intents)) == 1
