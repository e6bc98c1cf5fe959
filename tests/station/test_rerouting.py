"""A printer that can't print hands its queued sheets to the next one of its role, and people are told where."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kioskd.beside import beside
from kioskd.clock import DeviceClock
from kioskd.config import StoreConfig
from kioskd.core.events import SheetPrinted
from kioskd.core.printing import BEGIN_WITHIN, Cause, JobKey, PrintJob, PrintState, SheetKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.news import News
from kioskd.ports import CheckInReply, PrinterStatus, TicketSheet, WristbandSheet
from kioskd.station import jobs, tables
from kioskd.station.checkins import CheckIns
from kioskd.station.content import band_content, ticket_content
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.job_maker import JobMaker
from kioskd.station.kiosk import Kiosk
from kioskd.station.printers import TICKETS, WRISTBANDS, Printer, Printers
from kioskd.station.printing import PrintQueue
from kioskd.station.view import SheetView
from kioskd.store import Store, open_store
from tests.bus.list_hub import ListHub
from tests.fakes import Clock, PaperPrinter
from tests.people import NOW, patient
from tests.station.conftest import SITE, WITHIN_S, Front
from tests.station.test_crash_protocol import in_memory
from tests.store.conftest import key_file

__all__ = ["in_memory"]

HURRIED = DeviceClock(30)


class Marked(PaperPrinter):
    """Paper that says which printer it came from: another one would set the sheet in another way."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.was_asked = threading.Event()

    def status(self) -> PrinterStatus:
        status = super().status()
        self.was_asked.set()
        return status

    def render(self, sheet: TicketSheet | WristbandSheet) -> bytes:
        return self.name.encode() + b":" + super().render(sheet)


class Site:
    """Three printers of a role, of which the last has no place to tell; and one where only staff are."""

    def __init__(self, store: Store, clock: Clock, kind: SheetKind, device_clock: DeviceClock) -> None:
        self.kind, self.store, self.clock = kind, store, clock
        role = TICKETS if kind is SheetKind.TICKET else WRISTBANDS
        self.paper = {name: Marked(name) for name in ("first", "second", "nameless", "staff", "staff2")}
        here = (("first", "Screen"), ("second", "Window 2"), ("nameless", ""))
        there = (("staff", "Desk 1"), ("staff2", "Desk 2"))
        self.printers = Printers(
            *(Printer(name, role, self.paper[name], place=place) for name, place in here),
            *(Printer(name, role, self.paper[name], is_staff_side=True, place=place) for name, place in there),
        )
        self.maker = JobMaker(SITE, self.printers, lambda _, english: english)
        self.queue = PrintQueue("entrance", store, ListHub(), News(), clock, device_clock)
        self.queue.changed = self._changed
        self._stirred = asyncio.Event()

    def _changed(self, job: PrintJob) -> None:
        self._stirred.set()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        async def nobody(_: ManagedDevice) -> None: ...

        devices = [ManagedDevice(name, "printer", p, nobody, first_wait_s=0.01) for name, p in self.paper.items()]
        lives = [device.run(self.queue.work) for device in devices]
        async with beside(self.queue.report(), self.queue.expire_in_time(), self.queue.reroute(self.maker), *lives):
            # A printer that was never heard of has its time to come, on a clock that hurries.
            for paper in self.paper.values():
                assert paper.is_gone or await asyncio.to_thread(paper.was_asked.wait, WITHIN_S)
            yield

    async def print(self, device: str = "first") -> JobKey:
        key = JobKey(uuid4(), self.kind)
        if self.kind is SheetKind.TICKET:
            content = ticket_content(CheckInReply(key.check_in_id, "A7", "general", "Hall", NOW, False, None), "en")
        else:
            content = band_content(patient(), 1, "en")
        job = await self.maker.job(key, content, self.printers.named(device), self.clock())
        await self.store.write(lambda c: jobs.add(c, job))
        self.queue.announce([job])
        return key

    async def job(self, key: JobKey) -> PrintJob:
        found = await self.store.read(lambda c: jobs.load(c, key))
        assert found is not None
        return found

    async def until(self, key: JobKey, *states: PrintState, cause: Cause | None = None, at: str = "") -> PrintJob:
        async with asyncio.timeout(WITHIN_S):
            while True:
                self._stirred.clear()
                job = await self.job(key)
                if job.state in states and cause in {None, job.cause} and at in {"", job.device}:
                    return job
                await self._stirred.wait()

    def wake(self) -> None:
        for name in self.paper:
            self.queue.wake(name)

    def out(self) -> list[bytes]:
        return [sheet for paper in self.paper.values() for sheet in paper.paper.elements()]


@asynccontextmanager
async def site_in(
    folder: Path, kind: SheetKind = SheetKind.TICKET, clock: DeviceClock = HURRIED
) -> AsyncIterator[Site]:
    config = StoreConfig(folder=folder / "data", key_file=key_file(folder))
    async with open_store(tables.SCHEMA, config) as store:
        yield Site(store, Clock(NOW), kind, clock)


@pytest.mark.parametrize("cause", [Cause.PAPER_OUT, Cause.COVER_OPEN, Cause.OFFLINE, Cause.NO_ANSWER])
async def test_the_next_printer_takes_the_sheet_and_sets_it_for_its_own_paper(tmp_path: Path, cause: Cause) -> None:
    async with site_in(tmp_path) as site:
        site.paper["first"].cause = cause
        async with site.at_work():
            printed = await site.until(await site.print(), PrintState.PRINTED)
    assert (printed.device, printed.attempts, printed.payload, printed.content) == ("second", 1, b"", "")
    assert site.out() == [b"second:Your number|A7"]


async def test_a_printer_that_is_off_hands_its_sheets_over_too(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        site.paper["first"].is_gone = True
        async with site.at_work():
            printed = await site.until(await site.print(), PrintState.PRINTED)
    assert printed.device == "second"


async def test_what_is_proven_not_printed_moves_when_its_printer_does_not_come_back(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:

        def breaks(name: str) -> None:
            site.paper["first"].is_gone = True
            raise NotPrinted("first", Cause.CONNECTION_LOST, "no byte left")

        site.paper["first"].step = breaks
        async with site.at_work():
            printed = await site.until(await site.print(), PrintState.PRINTED)
    assert (printed.device, printed.attempts) == ("second", 2)
    assert site.out() == [b"second:Your number|A7"]


@pytest.mark.parametrize("step", ["send:after", "prove"])
async def test_what_was_sent_never_moves(tmp_path: Path, step: str) -> None:
    async with site_in(tmp_path) as site:

        def breaks(name: str) -> None:
            if name == step:
                site.paper["first"].is_gone = True
                raise DeviceUnavailable("first", "cable")

        site.paper["first"].step = breaks
        async with site.at_work():
            lost = await site.until(await site.print(), PrintState.UNKNOWN)
            later = await site.until(await site.print(), PrintState.PRINTED)
    assert (lost.device, later.device) == ("first", "second")
    assert sorted(site.out()) == [b"first:Your number|A7", b"second:Your number|A7"]


async def test_a_short_busy_moves_nothing(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site, site.at_work():
        await site.until(await site.print(), PrintState.PRINTED)
        site.paper["first"].cause = Cause.BUSY
        key = await site.print()
        await site.until(key, PrintState.QUEUED, cause=Cause.BUSY)
        site.paper["first"].cause = None
        site.wake()
        printed = await site.until(key, PrintState.PRINTED)
    assert printed.device == "first"


async def test_without_a_place_to_tell_the_sheet_waits_for_staff(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        site.paper["first"].cause = site.paper["second"].cause = Cause.PAPER_OUT
        async with site.at_work():
            key = await site.print()
            other = await site.until(await site.print("nameless"), PrintState.PRINTED)
            await site.until(key, PrintState.QUEUED, cause=Cause.PAPER_OUT)
            site.clock.now += BEGIN_WITHIN
            site.queue.announce([])
            gone = await site.until(key, PrintState.EXPIRED)
    assert (other.device, gone.device, gone.cause) == ("nameless", "first", Cause.PAPER_OUT)
    assert site.out() == [b"nameless:Your number|A7"]


async def test_a_sheet_moves_again_when_its_second_printer_fails_as_well(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        site.paper["first"].cause = Cause.PAPER_OUT
        async with site.at_work():
            await site.until(await site.print("second"), PrintState.PRINTED)
            site.paper["second"].cause = Cause.BUSY  # it will be well again soon, and so may stand in
            key = await site.print()
            await site.until(key, PrintState.QUEUED, at="second")
            site.paper["second"].cause, site.paper["first"].cause = Cause.COVER_OPEN, None
            site.wake()
            printed = await site.until(key, PrintState.PRINTED)
    assert printed.device == "first"


@pytest.mark.parametrize(
    ("kind", "first", "expected"),
    [
        (SheetKind.TICKET, "staff", "staff2"),
        (SheetKind.WRISTBAND, "staff", "staff2"),
        (SheetKind.WRISTBAND, "first", ""),
    ],
)
async def test_sheets_stay_on_their_side_and_bands_move_among_staff_only(
    tmp_path: Path, kind: SheetKind, first: str, expected: str
) -> None:
    async with site_in(tmp_path, kind) as site:
        site.paper[first].cause = Cause.PAPER_OUT
        async with site.at_work():
            key = await site.print(first)
            if expected:
                assert (await site.until(key, PrintState.PRINTED)).device == expected
            else:
                await site.until(key, PrintState.QUEUED, cause=Cause.PAPER_OUT)
                assert not site.printers.stand_ins(first, kind)
                site.paper[first].cause = None
                site.wake()
                assert (await site.until(key, PrintState.PRINTED)).device == first


async def test_a_sheet_that_another_printer_took_is_not_begun_by_the_first(tmp_path: Path) -> None:
    async with site_in(tmp_path) as site:
        seen = await site.job(await site.print())
        moved = await site.store.write(lambda c: jobs.reroute(c, seen, "second", b"anew"))
        assert moved is not None
        assert await site.store.write(lambda c: jobs.begin(c, seen, None)) is None
        assert await site.store.write(lambda c: jobs.reroute(c, seen, "staff", b"anew")) is None
        begun = await site.store.write(lambda c: jobs.begin(c, moved, None))
        assert begun is not None
        assert (begun.device, begun.payload) == ("second", b"anew")
        assert await site.store.write(lambda c: jobs.reroute(c, moved, "first", b"anew")) is None


# --- what the patient is told ------------------------------------------------------------------------------------


async def test_the_page_says_where_the_ticket_comes_out(front: Front) -> None:
    other = PaperPrinter()
    printers = Printers(
        Printer("tickets", TICKETS, front.tickets), Printer("other", TICKETS, other, place="the window on your left")
    )
    maker = JobMaker(SITE, printers, lambda _, english: english)
    queue = PrintQueue("entrance", front.station, front.wire, front.news, front.clock, HURRIED)
    checkins = CheckIns(front.station, front.wire, maker, front.clock)
    front.kiosk = Kiosk(
        "entrance", SITE, front.wire, checkins, queue, front.news, front.clock, place_of=printers.place_of
    )
    front.tickets.cause = Cause.PAPER_OUT
    seen: list[tuple[SheetView, str]] = []
    show = queue.changed

    def changed(job: PrintJob) -> None:
        show(job)
        view = front.kiosk.view()
        if not seen or seen[-1] != (view.ticket, view.ticket_place):
            seen.append((view.ticket, view.ticket_place))

    queue.changed = changed
    async with beside(
        queue.report(),
        queue.expire_in_time(),
        queue.reroute(maker),
        front.device("tickets", "printer", front.tickets).run(queue.work),
        front.device("other", "printer", other).run(queue.work),
    ):
        await front.checked_in()
        await front.until(SheetPrinted)
    place = "the window on your left"
    assert seen[-2:] == [(SheetView.PRINTING, place), (SheetView.TAKE_IT, place)]


# --- any order of faults -----------------------------------------------------------------------------------------


class Faulty(Marked):
    """A printer whose next step may fail, at each step in another way."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.next_fault = ""

    def _blow(self, name: str) -> None:
        if self.next_fault != name:
            return
        self.next_fault = ""
        if name == "send:before":
            raise NotPrinted(self.name, Cause.OFFLINE, "no byte left")
        raise DeviceUnavailable(self.name, "cable")

    def send(self, payload: bytes, token: int) -> None:
        self._blow("send:before")
        super().send(payload, token)
        self._blow("send:after")

    def status(self) -> PrinterStatus:
        self._blow("status")
        return super().status()


FAULTS = st.sampled_from(
    ["paper-out", "cover-open", "busy", "well", "gone", "back", "status", "send:before", "send:after", "leave"]
)
STEPS = st.lists(st.tuples(st.sampled_from(["first", "second", "staff"]), FAULTS), min_size=2, max_size=12)


async def live(folder: Path, steps: list[tuple[str, str]]) -> None:
    """Two tickets while printers fail and come back; then all is well until both are over."""
    async with site_in(folder) as site:
        site.paper.update({name: Faulty(name) for name in site.paper})
        for name in site.paper:
            printer = site.printers.named(name)
            assert printer is not None
            object.__setattr__(printer, "device", site.paper[name])
        async with site.at_work():
            keys = [await site.print()]
            for name, fault in steps:
                await happen(site, name, fault, keys[0])
                await asyncio.sleep(0.05)  # one and a half seconds of the printers' clock
            keys.append(await site.print())
            for name in site.paper:
                await happen(site, name, "well", keys[0])
                await happen(site, name, "back", keys[0])
            site.wake()
            ended = [await site.until(key, PrintState.PRINTED, PrintState.UNKNOWN, PrintState.EXPIRED) for key in keys]
    out = site.out()
    certain = sum(job.state is PrintState.PRINTED for job in ended)
    assert certain <= len(out) <= certain + sum(job.state is PrintState.UNKNOWN for job in ended)
    assert all(job.attempts <= 1 or job.state is not PrintState.EXPIRED for job in ended)


async def happen(site: Site, name: str, fault: str, first: JobKey) -> None:
    printer = site.paper[name]
    assert isinstance(printer, Faulty)
    match fault:
        case "paper-out" | "cover-open" | "busy":
            printer.cause = Cause(fault)
        case "well":
            printer.cause, printer.next_fault = None, ""
        case "gone" | "back":
            printer.is_gone = fault == "gone"
        case "leave":
            await site.queue.end_session(first.check_in_id)
        case _:
            printer.next_fault = fault
    site.queue.wake(name)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_the_order_of_faults_a_ticket_comes_out_once_at_most(
    in_memory: Path, steps: list[tuple[str, str]]
) -> None:
    folder = in_memory / uuid4().hex
    folder.mkdir()
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(live(folder, steps))
