"""A clock that is set while the front desk works: in processes, and on real databases at the moments that matter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from kioskd.config import AreaConfig, HubConfig, SiteConfig, StoreConfig
from kioskd.core.checkin import IDLE_AFTER, IDLE_GRACE, SHOWN_FOR, Step
from kioskd.core.printing import BEGIN_WITHIN, JobKey, PrintJob, PrintState, SheetKind
from kioskd.core.ticket import business_day, day_in_hand
from kioskd.hub import tables as hub_tables
from kioskd.hub.desk import ReceptionDesk
from kioskd.hub.site import Site, SiteRules
from kioskd.news import News
from kioskd.roles.running import SteadyClock, now
from kioskd.staff import Role, Staff
from kioskd.staff import tables as staff_tables
from kioskd.station import jobs
from kioskd.station import tables as station_tables
from kioskd.station.checkins import CheckIns
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, open_store
from tests.fakes import Clock, ListSchedule, PaperPrinter
from tests.faults.time_jumps import RUNS, why_not
from tests.people import NOW, appointment, card, patient, request
from tests.station_jobs import job_maker

BERLIN = ZoneInfo("Europe/Berlin")
HOURS_2, DAY = timedelta(hours=2), timedelta(days=1)
AREAS = (AreaConfig(id="general", name="Wartezimmer", series="A", rooms=("Zimmer 1",), wristbands=True),)
HUB = HubConfig(records_token_file=Path("unused"))


def site_config(day_starts: time = time(4)) -> SiteConfig:
    return SiteConfig(id="markt", name="Praxis", timezone="Europe/Berlin", day_starts=day_starts)


def store_config(folder: Path) -> StoreConfig:
    key = folder / "store.key"
    key.touch(mode=0o600)
    key.write_text("0f" * 32)
    return StoreConfig(folder=folder / "data", key_file=key, reserve_mb=1)


@dataclass
class Desk:
    """A hub whose clock anybody may set. ``arrive``: the next patient checks in; their label."""

    site: Site
    desk: ReceptionDesk
    store: Store
    clock: Clock
    arrived: int = 0

    async def arrive(self) -> str:
        self.arrived += 1
        reply = await self.site.check_in(replace(request(self.arrived), arrived_at=self.clock.now))
        return reply.label

    async def rows(self) -> list[tuple[date, str]]:
        """Business day and label of every ticket, in the order of allocation."""
        ticket = hub_tables.ticket
        query = select(ticket.c.business_day, ticket.c.series, ticket.c.number).order_by(ticket.c.sequence)
        found = await self.store.read(lambda c: c.execute(query).all())
        return [(row.business_day, f"{row.series}{row.number}") for row in found]


@asynccontextmanager
async def desk_in(folder: Path, at: datetime, day_starts: time = time(4)) -> AsyncIterator[Desk]:
    clock, news, rules = Clock(at), News(), SiteRules(site_config(day_starts), HUB, AREAS)
    async with open_store(hub_tables.SCHEMA, store_config(folder)) as store:
        site = Site(store, ListSchedule(), rules, news, clock)
        yield Desk(site, ReceptionDesk(store, rules, news, clock, lambda: True), store, clock)


# --- processes ---------------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "")
@pytest.mark.parametrize("runs", [1, pytest.param(10, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
@pytest.mark.parametrize("run", RUNS)
async def test_nothing_is_lost_when_the_clock_is_set(run: str, runs: int, tmp_path: Path) -> None:
    outcome = await RUNS[run](tmp_path, runs)
    assert outcome.is_clean, outcome
    assert outcome.runs >= runs


def test_the_steady_clock_is_utc_and_goes_on() -> None:
    steady = SteadyClock()
    first, right, second = steady(), now(), steady()
    assert first.tzinfo is UTC
    assert first <= second
    assert abs(right - second) < timedelta(seconds=5)


# --- the business day --------------------------------------------------------------------------------------------

CUT_OVERS = {
    "an ordinary night": (datetime(2026, 11, 24, 4, 0, tzinfo=BERLIN), time(4)),
    "into summer time": (datetime(2027, 3, 28, 4, 0, tzinfo=BERLIN), time(4)),
    "out of summer time": (datetime(2026, 10, 25, 4, 0, tzinfo=BERLIN), time(4)),
    "in the hour that does not exist": (datetime(2027, 3, 28, 2, 30, tzinfo=BERLIN), time(2, 30)),
    "in the hour that comes twice": (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), time(2, 30)),
    "29 February": (datetime(2028, 2, 29, 4, 0, tzinfo=BERLIN), time(4)),
    "the day after 29 February": (datetime(2028, 3, 1, 4, 0, tzinfo=BERLIN), time(4)),
    "a new year": (datetime(2027, 1, 1, 4, 0, tzinfo=BERLIN), time(4)),
}
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("night", CUT_OVERS)
async def test_the_day_begins_once_although_the_clock_is_set_back_over_its_begin(night: str, tmp_path: Path) -> None:
    begins, day_starts = CUT_OVERS[night]
    at = begins.astimezone(UTC)
    moments = [at - MINUTE, at, at - MINUTE, at + MINUTE, at - HOURS_2, at - timedelta(seconds=1), at, at + HOURS_2]
    async with desk_in(tmp_path, at, day_starts) as desk:
        labels, shown = [], []
        for moment in moments:
            desk.clock.now = moment
            labels.append(await desk.arrive())
            view = await desk.desk.view()
            shown.append(view.business_day)
            assert labels[-1] in {row.label for row in view.rows}, "who has just checked in is not in the queue"
        days = [day for day, _ in await desk.rows()]
    assert labels == ["A1", "A1", "A2", "A3", "A4", "A5", "A6", "A7"]
    assert days == shown == [begins.date() - DAY, *[begins.date()] * 7]


@pytest.mark.parametrize("wrong_by", [DAY, -DAY, timedelta(days=365)], ids=["a day on", "a day back", "a year on"])
async def test_a_day_that_was_a_mistake_is_left_again_and_no_number_comes_twice(
    wrong_by: timedelta, tmp_path: Path
) -> None:
    async with desk_in(tmp_path, NOW) as desk:
        told = []
        for moment in (NOW, NOW + wrong_by, NOW + MINUTE, NOW + wrong_by + MINUTE, NOW + 2 * MINUTE):
            desk.clock.now = moment
            told.append(await desk.arrive())
        rows = await desk.rows()
        view = await desk.desk.view()
    assert told == ["A1", "A1", "A2", "A2", "A3"]
    assert len(set(rows)) == len(rows)
    assert [row.label for row in view.rows] == ["A1", "A2", "A3"]


def test_a_newer_day_counts_only_when_it_is_near() -> None:
    at = datetime(2026, 11, 24, 2, 59, tzinfo=UTC)  # a minute before the day begins at 4 in Berlin
    today = business_day(at, BERLIN, time(4))
    assert today == date(2026, 11, 23)
    assert day_in_hand(at, None, BERLIN, time(4)) == today
    assert day_in_hand(at, today, BERLIN, time(4)) == today
    assert day_in_hand(at, today + DAY, BERLIN, time(4)) == today + DAY
    assert day_in_hand(at - timedelta(hours=4), today + DAY, BERLIN, time(4)) == today
    assert day_in_hand(at, today + 2 * DAY, BERLIN, time(4)) == today


# --- calls -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("set_by", [HOURS_2, -HOURS_2], ids=["on", "back"])
async def test_the_newest_call_stands_first_although_the_clock_was_set(set_by: timedelta, tmp_path: Path) -> None:
    async with desk_in(tmp_path, NOW) as desk:
        for _ in range(8):
            await desk.arrive()
        for number in range(8):
            desk.clock.now += MINUTE if number != 4 else set_by
            assert await desk.desk.call_next("general", "Zimmer 1", "anna") == f"A{number + 1}"
            on_display = [call.label for call in (await desk.desk.snapshot_of("general")).calls]
            assert on_display == [f"A{n}" for n in range(number + 1, max(0, number - 4), -1)]
        console = [row.label for row in (await desk.desk.view()).rows]
    assert console == [f"A{number}" for number in range(8, 0, -1)]


async def test_the_queue_is_called_in_the_order_of_arrival_although_the_clock_was_set_back(tmp_path: Path) -> None:
    async with desk_in(tmp_path, NOW) as desk:
        assert await desk.arrive() == "A1"
        desk.clock.now -= HOURS_2
        assert await desk.arrive() == "A2"
        assert [row.label for row in (await desk.desk.view()).rows] == ["A1", "A2"]
        assert await desk.desk.call_next("general", "Zimmer 1", "anna") == "A1"


# --- the kiosk's page --------------------------------------------------------------------------------------------


@dataclass
class KioskUnderTest:
    """A kiosk with its two clocks: ``wall`` is set by anybody, ``steady`` by nobody."""

    kiosk: Kiosk
    queue: PrintQueue
    hub: Store
    station: Store
    wall: Clock
    steady: Clock

    async def identified(self) -> None:
        await self.kiosk.card_seen()
        await self.kiosk.card_read(card(patient()))
        assert self.kiosk.view().step is Step.CONFIRM

    def pass_time(self, for_: timedelta) -> None:
        self.wall.now += for_
        self.steady.now += for_


@asynccontextmanager
async def kiosk_in(folder: Path) -> AsyncIterator[KioskUnderTest]:
    config, site, news = store_config(folder), site_config(), News()
    wall, steady = Clock(NOW), Clock(NOW)
    schedule = ListSchedule([patient()], [appointment()])
    async with open_store(station_tables.SCHEMA, config) as store, open_store(hub_tables.SCHEMA, config) as hub_store:
        hub = Site(hub_store, schedule, SiteRules(site, HUB, AREAS), news, wall)
        queue = PrintQueue("entrance", store, hub, news, steady)
        checkins = CheckIns(store, hub, job_maker(site, PaperPrinter()), steady)
        kiosk = Kiosk("entrance", site, hub, checkins, queue, news, steady, wall_clock=wall)
        yield KioskUnderTest(kiosk, queue, hub_store, store, wall, steady)


@pytest.mark.parametrize("set_by", [HOURS_2, -HOURS_2, DAY, -DAY], ids=["2 h on", "2 h back", "a day on", "a day back"])
async def test_a_name_stays_on_the_screen_as_long_as_ever_when_the_clock_is_set(
    set_by: timedelta, tmp_path: Path
) -> None:
    async with kiosk_in(tmp_path) as under_test:
        await under_test.identified()
        under_test.wall.now += set_by
        assert under_test.kiosk.view().clears_in_s == (IDLE_AFTER + IDLE_GRACE).total_seconds()
        under_test.pass_time(IDLE_AFTER)
        assert under_test.kiosk.view().is_idle
        under_test.pass_time(IDLE_GRACE)
        assert under_test.kiosk.view().clears_in_s == 0


@pytest.mark.parametrize("set_by", [HOURS_2, -HOURS_2], ids=["on", "back"])
async def test_the_number_is_shown_as_long_as_ever_and_the_ticket_waits_as_long(
    set_by: timedelta, tmp_path: Path
) -> None:
    async with kiosk_in(tmp_path) as under_test:
        await under_test.identified()
        await under_test.kiosk.confirm(under_test.kiosk.view().session_id)
        under_test.wall.now += set_by
        assert under_test.kiosk.view().clears_in_s == SHOWN_FOR.total_seconds()
        [job] = await under_test.station.read(jobs.unfinished)
        assert job.created_at + BEGIN_WITHIN == under_test.steady.now + BEGIN_WITHIN


async def test_who_came_before_the_clock_was_put_right_arrived_by_the_right_clock(tmp_path: Path) -> None:
    async with kiosk_in(tmp_path) as under_test:
        under_test.wall.now -= HOURS_2  # wrong since the machine was switched on
        await under_test.identified()
        under_test.pass_time(timedelta(seconds=30))
        under_test.wall.now += HOURS_2
        await under_test.kiosk.confirm(under_test.kiosk.view().session_id)
        arrived = await under_test.hub.read(lambda c: c.scalar(select(hub_tables.check_in.c.arrived_at)))
    assert arrived == NOW


async def test_an_odometer_settles_the_sheet_that_was_begun_last_and_not_the_one_with_the_latest_time(
    tmp_path: Path,
) -> None:
    async with open_store(station_tables.SCHEMA, store_config(tmp_path)) as store:
        before, after = JobKey(uuid4(), SheetKind.WRISTBAND), JobKey(uuid4(), SheetKind.WRISTBAND)
        for key, made_at in ((before, NOW), (after, NOW - HOURS_2)):
            made = PrintJob(key, "bands", b"band", made_at)
            await store.write(lambda c, job=made: jobs.add(c, job))
            await store.write(lambda c, job=made: jobs.begin(c, job, 7))
        await store.write(lambda c: jobs.recover(c, NOW))
        found = await store.read(lambda c: jobs.unknown_with_odometer(c, "bands"))
    assert found is not None
    assert (found.key, found.state) == (after, PrintState.UNKNOWN)


# --- staff -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def staff_in(folder: Path, wall: Clock, steady: Clock) -> AsyncIterator[Staff]:
    async with open_store(staff_tables.SCHEMA, store_config(folder)) as store:
        staff = Staff(store, wall, steady_clock=steady)
        try:
            yield staff
        finally:
            staff.close()


@pytest.mark.parametrize("set_by", [HOURS_2, -HOURS_2, DAY, -DAY], ids=["2 h on", "2 h back", "a day on", "a day back"])
async def test_staff_stay_signed_in_and_are_signed_out_when_idle_although_the_clock_is_set(
    set_by: timedelta, tmp_path: Path
) -> None:
    wall, steady = Clock(NOW), Clock(NOW)
    async with staff_in(tmp_path, wall, steady) as staff:
        password = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
        token = await staff.sign_in("anna", password, "127.0.0.1")
        wall.now += set_by
        assert await staff.who(token) is not None
        steady.now += timedelta(minutes=30)
        assert await staff.who(token) is None


async def test_after_a_start_with_a_clock_set_far_back_people_sign_in_again(tmp_path: Path) -> None:
    async with staff_in(tmp_path, Clock(NOW), Clock(NOW)) as staff:
        password = await staff.add_account("anna", [Role.RECEPTIONIST], "system", is_permanent=True)
        token = await staff.sign_in("anna", password, "127.0.0.1")
    for set_by, is_in in ((-HOURS_2, False), (timedelta(minutes=-2), True)):
        async with staff_in(tmp_path, Clock(NOW + set_by), Clock(NOW + set_by)) as staff:
            assert (await staff.who(token) is not None) is is_in
