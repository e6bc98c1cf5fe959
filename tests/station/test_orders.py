"""What staff order from the desk: one sheet for each order, whoever crashed in between, or the reason why none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from kioskd.beside import beside
from kioskd.core.patient import Patient
from kioskd.core.printing import BEGIN_WITHIN, Cause, PrintJob, PrintState, ProofKind, SheetKind
from kioskd.errors import Unreachable
from kioskd.news import News
from kioskd.ports import CheckInReply, HelpReply, PrintOrder, PrintReport
from kioskd.station import jobs
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.orders import Orders
from kioskd.station.printers import WRISTBANDS, Printer, Printers
from kioskd.station.printing import PrintQueue
from tests.bus.list_hub import ListHub
from tests.fakes import PaperPrinter
from tests.people import NOW, patient
from tests.station.conftest import SITE, WITHIN_S, Front
from tests.station.test_crash_protocol import Crash, Fuse, FusedStore, World, in_memory, world
from tests.station_jobs import job_maker

__all__ = ["in_memory"]


class OrderHub(ListHub):
    """A hub with open orders; one is closed by a report with its id, as ``hub.orders`` does it."""

    def __init__(self, *orders: PrintOrder) -> None:
        super().__init__()
        self.open = {order.order_id: order for order in orders}
        self.reports: list[PrintReport] = []
        self.is_deaf = False
        self._reported = asyncio.Event()

    async def orders(self, station: str) -> Sequence[PrintOrder]:
        if self.failure is not None:
            raise self.failure
        return list(self.open.values())

    async def report_print(self, report: PrintReport) -> None:
        if self.is_deaf:
            raise Unreachable("the cable")
        self.reports.append(report)
        if report.order_id is not None:
            self.open.pop(report.order_id, None)
        self._reported.set()

    async def changed(self) -> None:
        """Until the next report."""
        self._reported.clear()
        await self._reported.wait()

    async def until(self, state: PrintState) -> PrintReport:
        async with asyncio.timeout(WITHIN_S):
            while not self.reports or self.reports[-1].state is not state:
                await self.changed()
        return self.reports[-1]


def ticket_order(copy: int = 2, device: str = "") -> PrintOrder:
    said = CheckInReply(uuid4(), "A7", "general", "Wartezimmer", NOW, False, None)
    return PrintOrder(uuid4(), "entrance", device, said.check_in_id, SheetKind.TICKET, copy, NOW, "de", said)


def band_order(who: Patient | None = None, device: str = "") -> PrintOrder:
    who = who or patient()
    kind = SheetKind.WRISTBAND
    return PrintOrder(uuid4(), "entrance", device, uuid4(), kind, 1, NOW, patient=who, band_number=3)


def self_test(device: str) -> PrintOrder:
    order_id = uuid4()
    return PrintOrder(order_id, "entrance", device, order_id, SheetKind.TEST, 1, NOW, "en")


class Station:
    """A station's orders and its queue, with the front's printers; its hub is an ``OrderHub``."""

    def __init__(self, front: Front, hub: OrderHub, printers: Printers | None = None) -> None:
        self.front, self.hub = front, hub
        clock = front.clock
        self.queue = PrintQueue("entrance", front.station, hub, front.news, clock)
        maker = front.maker if printers is None else job_maker(SITE)
        if printers is not None:
            maker.printers = printers
        self.orders = Orders("entrance", front.station, hub, maker, self.queue, clock, clock, "de")

    @asynccontextmanager
    async def printing(self, **printers: PaperPrinter) -> AsyncIterator[None]:
        lives = [self.front.device(name, "printer", printer).run(self.queue.work) for name, printer in printers.items()]
        async with beside(self.queue.report(), self.queue.expire_in_time(), *lives):
            yield

    async def job(self, order: PrintOrder) -> PrintJob:
        [job] = [job for job in await self.front.jobs() if job.order_id == order.order_id]
        return job


async def test_a_ticket_that_staff_order_comes_out_marked_as_a_copy(front: Front) -> None:
    order = ticket_order()
    at = Station(front, OrderHub(order))
    async with at.printing(tickets=front.tickets):
        await at.orders.take()
        report = await at.hub.until(PrintState.PRINTED)
    assert (report.order_id, report.device, report.station) == (order.order_id, "tickets", "entrance")
    assert list(front.tickets.paper) == [b"Your number|A7|copy"]
    assert not at.hub.open


async def test_what_staff_ordered_prints_although_the_patients_session_is_over(front: Front) -> None:
    order = ticket_order()
    at = Station(front, OrderHub(order))
    await at.orders.take()
    await at.queue.end_session(order.check_in_id)
    async with at.printing(tickets=front.tickets):
        await at.hub.until(PrintState.PRINTED)
    assert front.tickets.paper.total() == 1


async def test_an_order_that_is_told_again_and_again_is_one_sheet(front: Front) -> None:
    """The report that would close it does not get through, for as long as it prints."""
    at = Station(front, OrderHub(ticket_order()))
    at.hub.is_deaf = True
    async with at.printing(tickets=front.tickets):
        for _ in range(3):
            await at.orders.take()
        while not front.tickets.paper:
            await asyncio.to_thread(front.tickets.sent.wait, WITHIN_S)
        await at.orders.take()
        at.hub.is_deaf = False
        await at.queue.tell_again()
        await at.hub.until(PrintState.PRINTED)
    assert front.tickets.paper.total() == 1
    assert len(await front.jobs()) == 1


async def test_an_order_for_a_printer_that_is_not_there_says_so(front: Front) -> None:
    for order in (ticket_order(device="other"), ticket_order(device="bands"), self_test("")):
        at = Station(front, OrderHub(order))
        async with at.printing():
            await at.orders.take()
            report = await at.hub.until(PrintState.EXPIRED)
        assert (report.cause, report.order_id) == (Cause.NO_DEVICE, order.order_id)


async def test_a_band_for_which_two_identifiers_are_not_known_is_refused(front: Front) -> None:
    at = Station(front, OrderHub(band_order(replace(patient(), record_number=""))))
    async with at.printing(bands=front.bands):
        await at.orders.take()
        report = await at.hub.until(PrintState.EXPIRED)
    assert report.cause is Cause.CONTENT_REFUSED
    assert not front.bands.paper


@pytest.mark.parametrize(("age", "begins"), [(BEGIN_WITHIN - timedelta(seconds=1), True), (BEGIN_WITHIN, False)])
async def test_an_order_that_is_too_old_is_not_begun(front: Front, age: timedelta, begins: bool) -> None:
    order = replace(ticket_order(), ordered_at=NOW - age)
    at = Station(front, OrderHub(order))
    async with at.printing(tickets=front.tickets):
        await at.orders.take()
        await at.hub.until(PrintState.PRINTED if begins else PrintState.EXPIRED)
    assert front.tickets.paper.total() == begins


async def test_an_order_waits_for_its_printer_no_longer_than_it_may(front: Front) -> None:
    front.tickets.cause = Cause.PAPER_OUT
    order = replace(ticket_order(), ordered_at=NOW - timedelta(seconds=90))
    at = Station(front, OrderHub(order))
    async with at.printing(tickets=front.tickets):
        await at.orders.take()
        front.clock.now += timedelta(seconds=30)
        at.queue.announce([])
        report = await at.hub.until(PrintState.EXPIRED)
    assert report.cause is Cause.PAPER_OUT


async def test_a_self_test_says_which_printer_it_came_from(front: Front) -> None:
    at = Station(front, OrderHub(self_test("bands")))
    async with at.printing(bands=front.bands):
        await at.orders.take()
        await at.hub.until(PrintState.PRINTED)
    [paper] = front.bands.paper
    assert paper.startswith(b"Self-test|Printer: bands|Printed: 23 Nov 2026 09:12")


@pytest.mark.parametrize(("at_desk", "expected"), [(True, "staff"), (False, "bands")])
async def test_a_band_comes_out_where_only_staff_are_unless_the_site_has_it_at_the_kiosk_alone(
    front: Front, at_desk: bool, expected: str
) -> None:
    staff = PaperPrinter(has_odometer=True)
    here = Printer("bands", WRISTBANDS, front.bands)
    there = Printer("staff", WRISTBANDS, staff, is_staff_side=True, place="Room 2")
    at = Station(front, OrderHub(band_order()), Printers(here, *([there] if at_desk else [])))
    async with at.printing(bands=front.bands, staff=staff):
        await at.orders.take()
        report = await at.hub.until(PrintState.PRINTED)
    assert (report.device, report.proof) == (expected, ProofKind.ODOMETER)


async def test_a_help_ticket_can_be_ordered_too(front: Front) -> None:
    said = HelpReply(uuid4(), "D4", NOW)
    order = replace(ticket_order(), check_in_id=said.check_in_id, kind=SheetKind.HELP_TICKET, ticket=said)
    at = Station(front, OrderHub(order))
    async with at.printing(tickets=front.tickets):
        await at.orders.take()
        await at.hub.until(PrintState.PRINTED)
    assert list(front.tickets.paper) == [b"Help ticket|D4|copy"]


async def test_a_sheet_that_was_made_before_answers_an_order_for_the_same_sheet(front: Front) -> None:
    first, again = ticket_order(), ticket_order()
    again = replace(again, check_in_id=first.check_in_id, ticket=first.ticket)
    at = Station(front, OrderHub(first))
    async with at.printing(tickets=front.tickets):
        await at.orders.take()
        await at.hub.until(PrintState.PRINTED)
        at.hub.open[again.order_id] = again
        await at.orders.take()
    assert at.hub.reports[-1].order_id == again.order_id
    assert at.hub.reports[-1].state is PrintState.PRINTED
    assert front.tickets.paper.total() == 1


async def test_a_label_is_made_of_the_order_where_a_printer_has_labels(front: Front) -> None:
    order = replace(band_order(), kind=SheetKind.DOCUMENT_LABEL, band_number=None)
    at = Station(front, OrderHub(order))
    async with at.printing(tickets=front.tickets, bands=front.bands):
        await at.orders.take()
        report = await at.hub.until(PrintState.EXPIRED)
    assert report.cause is Cause.NO_DEVICE


async def test_the_hub_is_asked_when_it_wakes_the_station_and_again_when_it_was_away(front: Front) -> None:
    at = Station(front, OrderHub())
    at.hub.failure = Unreachable("the cable")
    async with at.printing(tickets=front.tickets), beside(at.orders.run()):
        at.hub.failure = None
        order = ticket_order()
        at.hub.open[order.order_id] = order
        at.orders.wake()
        await at.hub.until(PrintState.PRINTED)
    assert front.tickets.paper.total() == 1


async def test_a_queued_order_outlives_a_restart_and_a_begun_one_is_unknown(front: Front) -> None:
    waits = ticket_order()
    at = Station(front, OrderHub(waits))
    await at.orders.take()
    again = Station(front, at.hub)
    await again.queue.recover()
    assert (await again.job(waits)).state is PrintState.QUEUED
    again.queue.announce([await again.job(waits)])
    async with again.printing(tickets=front.tickets):
        await at.hub.until(PrintState.PRINTED)
    assert front.tickets.paper.total() == 1


# --- a crash at every step -----------------------------------------------------------------------------------------

MOST_STEPS = 26
"""More than an order has; the test below makes sure of it."""
OVER = {PrintState.PRINTED, PrintState.UNKNOWN, PrintState.EXPIRED}


class FusedOrderHub(OrderHub):
    """Its process outlives the station's; a question or an answer may get lost with the station."""

    fuse = Fuse(0)

    async def orders(self, station: str) -> Sequence[PrintOrder]:
        self.fuse.step("orders:before")
        found = await super().orders(station)
        self.fuse.step("orders:after")
        return found

    async def report_print(self, report: PrintReport) -> None:
        self.fuse.step("report:before")
        await super().report_print(report)
        self.fuse.step("report:after")


async def life(w: World, hub: FusedOrderHub, fuse: Fuse) -> None:
    """One life of the station: start, recover, take orders, print until nothing is left to do and the desk knows it."""
    hub.fuse = fuse
    w.tickets.step = fuse.step
    store = FusedStore(w.station, fuse, "station.db")
    queue = PrintQueue("entrance", store, hub, News(), w.clock)  # type: ignore[arg-type]
    maker = job_maker(SITE, w.tickets, w.bands)
    orders = Orders("entrance", store, hub, maker, queue, w.clock, w.clock, "de")  # type: ignore[arg-type]

    async def nobody(_: ManagedDevice) -> None: ...

    async def settled() -> None:
        while hub.open or not hub.reports or hub.reports[-1].state not in OVER:
            await hub.changed()

    with contextlib.suppress(Crash):
        await queue.recover()
        await orders.take()
        device = ManagedDevice("tickets", "printer", w.tickets, nobody)
        lives = [asyncio.create_task(one) for one in (queue.work(device), queue.report(), settled())]
        done, pending = await asyncio.wait(lives, return_when=asyncio.FIRST_COMPLETED, timeout=40)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        assert done, "the order did not settle"
        for task in done:
            task.result()


async def history(folder: Path, crashes: Sequence[int]) -> list[str]:
    """Live and crash, then live without a crash; the steps of the first life."""
    async with world(folder) as w:
        hub = FusedOrderHub(ticket_order())
        steps: list[str] = []
        was_begun = False
        for blows_at in [*crashes, 0]:
            was_begun = any(job.attempts for job in await made(w))
            fuse = Fuse(blows_at)
            await life(w, hub, fuse)
            w.clock.now += timedelta(seconds=3)
            steps = steps or fuse.steps
        [job] = await made(w)
        assert (hub.open, hub.reports[-1].state, job.attempts) == ({}, job.state, 1)
        assert job.state is PrintState.PRINTED or (was_begun and job.state is PrintState.UNKNOWN)
        assert w.tickets.paper.total() == 1 or (job.state is PrintState.UNKNOWN and not w.tickets.paper)
        return steps


async def made(w: World) -> Sequence[PrintJob]:
    return await w.station.read(lambda c: jobs.made_since(c, NOW - BEGIN_WITHIN))


async def test_an_order_without_a_crash_takes_fewer_steps_than_the_crashes_below(tmp_path: Path) -> None:
    steps = await history(tmp_path, [])
    assert 10 < len(steps) < MOST_STEPS
    assert "send:after" in steps


@pytest.mark.parametrize("blows_at", range(1, MOST_STEPS))
async def test_a_crash_at_any_step_of_an_order_leaves_one_sheet(in_memory: Path, blows_at: int) -> None:
    await history(in_memory, [blows_at])


@pytest.mark.parametrize("crashes", [(3, 2), (6, 1, 4), (5, 5), (4, 6, 8)])
async def test_crashes_of_crashed_restarts_leave_one_sheet(in_memory: Path, crashes: Sequence[int]) -> None:
    await history(in_memory, crashes)
