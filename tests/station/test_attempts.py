"""Attempts that end without a ticket: noted, kept while the hub is away, told once it is there."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from kioskd.beside import beside
from kioskd.core.checkin import Step
from kioskd.core.identity import Reason
from kioskd.errors import Unreachable
from kioskd.hub import tables as hub_tables
from kioskd.ports import AttemptReport
from kioskd.station import tables
from kioskd.station.attempts import Attempts
from kioskd.station.checkins import CheckIns
from kioskd.station.kiosk import Kiosk
from tests.fakes import Clock
from tests.people import NOW, card
from tests.station.conftest import SITE, Front
from tests.station_jobs import job_maker

WITHIN_S = 20.0


class Told:
    """A hub that hears of attempts; ``is_away``: it takes none."""

    def __init__(self) -> None:
        self.reports: list[AttemptReport] = []
        self.tried = asyncio.Event()
        self.heard = asyncio.Event()
        self.is_away = False

    async def report_attempt(self, report: AttemptReport) -> None:
        self.tried.set()
        if self.is_away:
            raise Unreachable("the hub is not connected to the broker")
        self.reports.append(report)
        self.heard.set()


async def waiting(front: Front) -> list[str]:
    return await front.station.read(lambda c: list(c.scalars(select(tables.attempt.c.reason))))


async def test_an_attempt_is_told_with_place_time_and_reason_and_then_forgotten(front: Front) -> None:
    told = Told()
    attempts = Attempts("entrance", front.station, told, Clock(NOW))  # type: ignore[arg-type]
    await attempts.note(Reason.TIMED_OUT)
    async with asyncio.timeout(WITHIN_S), beside(attempts.run()):
        await told.heard.wait()
        told.heard.clear()
        await attempts.note(Reason.CLOSED)
        await told.heard.wait()  # so the one before it is forgotten
        assert "timed-out" not in await waiting(front)
    report, _ = told.reports
    assert (report.station, report.reason, report.at) == ("entrance", Reason.TIMED_OUT, NOW)


async def test_what_the_hub_was_not_told_waits_on_disk_for_its_return(front: Front) -> None:
    told = Told()
    told.is_away = True
    attempts = Attempts("entrance", front.station, told, Clock(NOW), tell_again_s=600)  # type: ignore[arg-type]
    async with asyncio.timeout(WITHIN_S), beside(attempts.run()):
        await attempts.note(Reason.CLOSED)
        await told.tried.wait()
    assert await waiting(front) == ["page-closed"]
    told.is_away = False
    after_a_restart = Attempts("entrance", front.station, told, Clock(NOW))  # type: ignore[arg-type]
    async with asyncio.timeout(WITHIN_S), beside(after_a_restart.run()):
        await told.heard.wait()
    assert [report.reason for report in told.reports] == [Reason.CLOSED]


@pytest.fixture
def reasons() -> list[Reason]:
    return []


def kiosk_of(front: Front, reasons: list[Reason], is_hub_there: bool = True) -> Kiosk:
    async def broken_off(reason: Reason) -> None:
        reasons.append(reason)

    checkins = CheckIns(front.station, front.wire, job_maker(SITE), front.clock)
    return Kiosk(
        "entrance",
        SITE,
        front.wire,
        checkins,
        front.queue,
        front.news,
        front.clock,
        is_hub_there,
        broken_off=broken_off,
    )


async def at_confirm(kiosk: Kiosk) -> None:
    await kiosk.card_seen()
    await kiosk.card_read(card())
    assert kiosk.view().step is Step.CONFIRM


async def test_who_closes_the_page_before_confirming_leaves_a_reason(front: Front, reasons: list[Reason]) -> None:
    kiosk = kiosk_of(front, reasons)
    await at_confirm(kiosk)
    await kiosk.close(kiosk.view().session_id)
    assert reasons == [Reason.CLOSED]


async def test_another_card_while_confirming_leaves_a_reason(front: Front, reasons: list[Reason]) -> None:
    kiosk = kiosk_of(front, reasons)
    await at_confirm(kiosk)
    await kiosk.card_removed()
    await kiosk.card_seen()
    assert reasons == [Reason.ANOTHER_CARD]


async def test_a_card_taken_out_too_early_leaves_a_reason(front: Front, reasons: list[Reason]) -> None:
    kiosk = kiosk_of(front, reasons)
    await kiosk.card_seen()
    await kiosk.card_unreadable(Reason.CARD_REMOVED_EARLY)
    assert reasons == [Reason.CARD_REMOVED_EARLY]


async def test_a_card_while_the_hub_is_away_leaves_a_reason(front: Front, reasons: list[Reason]) -> None:
    kiosk = kiosk_of(front, reasons, is_hub_there=False)
    await kiosk.card_seen()
    assert reasons == [Reason.HUB_UNREACHABLE]


async def test_who_is_checked_in_leaves_none(front: Front, reasons: list[Reason]) -> None:
    kiosk = kiosk_of(front, reasons)
    await at_confirm(kiosk)
    await kiosk.confirm(kiosk.view().session_id)
    await kiosk.close(kiosk.view().session_id)
    assert reasons == []
    assert await front.hub.read(lambda c: list(c.execute(select(hub_tables.attempt)))) == []
