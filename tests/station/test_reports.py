"""What the desk is told of devices: the present state, never waited for, and everything again when the hub is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from kioskd.errors import RuleViolation, Unreachable
from kioskd.ports import DeviceReport, Hub
from kioskd.station.reports import DeviceReports
from tests.people import NOW


class Desk:
    """The part of a hub that hears of devices. ``trouble`` is raised, or an Event that is waited for."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.trouble: Exception | asyncio.Event | None = None
        self.asked = 0
        self._changed = asyncio.Condition()

    async def until_heard(self, *expected: str) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.heard == list(expected))

    async def until_asked(self, count: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.asked >= count)

    async def station_started(self, station: str, devices: Sequence[str]) -> None:
        await self._hear(f"started {', '.join(devices)}")

    async def report_device(self, report: DeviceReport) -> None:
        await self._hear(f"{report.device} {report.state}")

    async def _hear(self, what: str) -> None:
        async with self._changed:
            self.asked += 1
            self._changed.notify_all()
        if isinstance(self.trouble, Exception):
            raise self.trouble
        if self.trouble is not None:
            await self.trouble.wait()
        async with self._changed:
            self.heard.append(what)
            self._changed.notify_all()


def reader(state: str) -> DeviceReport:
    return DeviceReport("entrance", "reader", "card-reader", state, "", NOW)


@asynccontextmanager
async def telling(desk: Desk, tell_again_s: float = 3600) -> AsyncIterator[DeviceReports]:
    hub: Hub = desk  # type: ignore[assignment]
    reports = DeviceReports("entrance", ["reader"], hub, tell_again_s)
    running = asyncio.create_task(reports.run())
    try:
        yield reports
        assert not running.done()
    finally:
        running.cancel()


async def test_the_list_of_devices_comes_first_then_each_change() -> None:
    desk = Desk()
    async with telling(desk) as reports:
        reports.note(reader("ready"))
        await desk.until_heard("started reader", "reader ready")
        reports.note(reader("unavailable"))
        await desk.until_heard("started reader", "reader ready", "reader unavailable")


async def test_while_the_hub_is_away_only_the_present_state_is_kept_and_told_when_it_is_back() -> None:
    desk = Desk()
    desk.trouble = Unreachable("away")
    async with telling(desk) as reports:
        await desk.until_asked(1)
        for number in range(1000):
            reports.note(reader(f"state-{number}"))
        assert len(reports._untold) == len(reports._present) == 1
        desk.trouble = None
        reports.hub_returned()
        await desk.until_heard("started reader", "reader state-999")


async def test_a_hub_that_came_back_is_told_everything_again() -> None:
    desk = Desk()
    async with telling(desk) as reports:
        reports.note(reader("ready"))
        await desk.until_heard("started reader", "reader ready")
        reports.hub_returned()
        await desk.until_heard("started reader", "reader ready", "started reader", "reader ready")


async def test_a_change_while_a_report_is_on_its_way_is_told_after_it() -> None:
    desk = Desk()
    async with telling(desk) as reports:
        await desk.until_heard("started reader")
        desk.trouble = arrives = asyncio.Event()
        reports.note(reader("ready"))
        await desk.until_asked(2)
        reports.note(reader("unavailable"))
        arrives.set()
        await desk.until_heard("started reader", "reader ready", "reader unavailable")


async def test_a_hub_that_refuses_is_asked_again_later_and_costs_nothing() -> None:
    desk = Desk()
    desk.trouble = RuleViolation("site", "no such station")
    async with telling(desk, tell_again_s=0.01) as reports:
        reports.note(reader("ready"))
        await desk.until_asked(3)
        desk.trouble = None
        await desk.until_heard("started reader", "reader ready")


def test_a_state_keeps_the_time_since_when_it_is() -> None:
    report = DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW - timedelta(hours=1))
    reports = DeviceReports("entrance", ["reader"], Desk())  # type: ignore[arg-type]
    reports.note(report)
    assert reports._present["reader"].since == NOW - timedelta(hours=1)
