"""A crash at each step of a check-in, then a restart: one check-in, one ticket, no sheet lost or doubled.

The real station and hub on real databases; only paper and crashes are made here. A ``Fuse`` counts the steps (each
transaction before and after, each call of the hub before and after, each effect of a printer) and blows at one.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from kioskd.config import AreaConfig, HubConfig, SiteConfig, StoreConfig
from kioskd.core.checkin import Step
from kioskd.core.identity import Card, Identified, Refused
from kioskd.core.patient import Identifier
from kioskd.core.printing import PrintState, SheetKind
from kioskd.hub import tables as hub_tables
from kioskd.hub.site import Site, SiteRules
from kioskd.news import News
from kioskd.ports import (
    AttemptReport,
    CheckInReply,
    CheckInRequest,
    DeviceReport,
    HelpReply,
    HelpRequest,
    PrintOrder,
    PrintReport,
)
from kioskd.station import intents, jobs
from kioskd.station import tables as station_tables
from kioskd.station.checkins import CheckIns
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, open_store
from tests.fakes import Clock, ListSchedule, PaperPrinter
from tests.people import NOW, appointment, card, patient
from tests.station_jobs import job_maker

T = TypeVar("T")
SITE = SiteConfig(id="markt", name="Praxis", timezone="Europe/Berlin")
AREAS = (AreaConfig(id="general", name="Wartezimmer", series="A", rooms=("Zimmer 1",), wristbands=True),)
MOST_STEPS = 60
"""More than a whole check-in has; the test below makes sure of it."""


class Crash(BaseException):
    """The process is gone; not an Exception, so that no handler of the daemon sees it."""


@dataclass
class Fuse:
    blows_at: int
    steps: list[str] = field(default_factory=list)
    has_blown: bool = False

    def step(self, name: str) -> None:
        if self.has_blown:
            raise Crash  # nothing happens any more in a process that has ended
        self.steps.append(name)
        if len(self.steps) == self.blows_at:
            self.has_blown = True
            raise Crash


class FusedStore:
    """A store whose process may end right before a transaction or right after its commit."""

    def __init__(self, store: Store, fuse: Fuse, name: str) -> None:
        self._store, self._fuse, self._name = store, fuse, name

    async def write(self, function: Callable[[Any], T]) -> T:
        self._fuse.step(f"{self._name}:before-commit")
        result = await self._store.write(function)
        self._fuse.step(f"{self._name}:after-commit")
        return result

    async def read(self, function: Callable[[Any], T]) -> T:
        return await self._store.read(function)


class FusedHub:
    """A hub whose question or answer may get lost with the process that asked."""

    def __init__(self, hub: Site, fuse: Fuse) -> None:
        self._hub, self._fuse = hub, fuse

    async def identify(self, card: Card, at: Any) -> Identified | Refused:
        return await self._hub.identify(card, at)

    async def identify_letter(self, letter: str, birth_date: date, at: Any) -> Identified | Refused:
        return await self._hub.identify_letter(letter, birth_date, at)

    async def identify_number(
        self, identifier: Identifier, birth_date: date, is_shared_by_family: bool, at: Any
    ) -> Identified | Refused:
        return await self._hub.identify_number(identifier, birth_date, is_shared_by_family, at)

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        self._fuse.step("hub:before")
        reply = await self._hub.check_in(request)
        self._fuse.step("hub:after")
        return reply

    async def ask_for_help(self, request: HelpRequest) -> HelpReply:
        self._fuse.step("hub:before")
        reply = await self._hub.ask_for_help(request)
        self._fuse.step("hub:after")
        return reply

    async def station_started(self, station: str, devices: Sequence[str]) -> None:
        await self._hub.station_started(station, devices)

    async def report_device(self, report: DeviceReport) -> None:
        await self._hub.report_device(report)

    async def orders(self, station: str) -> Sequence[PrintOrder]:
        return await self._hub.orders(station)

    async def report_attempt(self, report: AttemptReport) -> None:
        await self._hub.report_attempt(report)

    async def report_print(self, report: PrintReport) -> None:
        await self._hub.report_print(report)


@dataclass
class World:
    """What outlives a crash: both databases and the paper."""

    station: Store
    hub: Store
    tickets: PaperPrinter
    bands: PaperPrinter
    clock: Clock
    told: list[tuple[Step, str]] = field(default_factory=list)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    key = folder / "store.key"
    key.touch(mode=0o600)
    key.write_text("0f" * 32)
    config = StoreConfig(folder=folder, key_file=key)
    async with open_store(station_tables.SCHEMA, config) as station, open_store(hub_tables.SCHEMA, config) as hub:
        yield World(station, hub, PaperPrinter(), PaperPrinter(has_odometer=True), Clock(NOW))


async def life(world: World, fuse: Fuse, inputs: str) -> None:
    """One life of the daemon: start, recover, the patient's ``inputs``, print until nothing is left to do."""
    rules = SiteRules(SITE, HubConfig(records_token_file=Path("unused")), AREAS)
    schedule = ListSchedule([patient()], [appointment()])
    site = Site(FusedStore(world.hub, fuse, "hub.db"), schedule, rules, News(), world.clock)  # type: ignore[arg-type]
    hub, store = FusedHub(site, fuse), FusedStore(world.station, fuse, "station.db")
    world.tickets.step = world.bands.step = fuse.step
    queue = PrintQueue("entrance", store, hub, News(), world.clock)  # type: ignore[arg-type]
    maker = job_maker(SITE, world.tickets, world.bands)
    checkins = CheckIns(store, hub, maker, world.clock)  # type: ignore[arg-type]
    kiosk = Kiosk("entrance", SITE, hub, checkins, queue, News(), world.clock)
    with contextlib.suppress(Crash):
        await queue.recover()
        await kiosk.recover()
        if inputs:
            await kiosk.card_seen()
            await kiosk.card_read(card())
            session_id = kiosk.view().session_id
            if inputs == "confirm":
                # The second tap of an impatient finger, at the same moment.
                await asyncio.gather(kiosk.confirm(session_id), kiosk.confirm(session_id))
            else:
                await kiosk.deny(session_id)
            world.told.append((kiosk.view().step, kiosk.view().label))
        for name, printer in (("tickets", world.tickets), ("bands", world.bands)):
            await _print_all(world, queue, name, printer)


async def _print_all(world: World, queue: PrintQueue, name: str, printer: PaperPrinter) -> None:
    """Let a printer's worker run until its queue is empty and the desk knows it, or the process ends."""

    async def nobody(_: ManagedDevice) -> None:
        return

    working = asyncio.create_task(queue.work(ManagedDevice(name, "printer", printer, nobody)))
    reporting = asyncio.create_task(queue.report())
    settled = asyncio.create_task(_until_settled(world, name, printer))
    done, pending = await asyncio.wait({working, reporting, settled}, return_when=asyncio.FIRST_COMPLETED, timeout=40)
    if not done:
        working.print_stack()
        settled.print_stack()
        made = await world.station.read(lambda c: jobs.made_since(c, NOW))
        pytest.fail(f"the queue of {name} did not settle: {[(j.key, j.state, j.cause) for j in made]}")
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _until_settled(world: World, name: str, printer: PaperPrinter) -> None:
    while True:
        mine = [j for j in await world.station.read(lambda c: jobs.made_since(c, NOW)) if j.device == name]
        at_desk = [await world.hub.read(lambda c, j=j: _state_at_desk(c, j.key.kind)) for j in mine]  # type: ignore[misc]
        provable = [
            j for j in mine if j.state is PrintState.UNKNOWN and printer.paper.total() == (j.odometer_before or 0) + 1
        ]
        if all(j.is_over for j in mine) and at_desk == [j.state for j in mine] and (name != "bands" or not provable):
            return


async def check(world: World) -> None:
    """What must hold after every history that ends with a life without a crash."""
    count = select(func.count())
    check_ins = await world.hub.read(lambda c: c.scalar(count.select_from(hub_tables.check_in)))
    tickets = await world.hub.read(lambda c: c.scalar(count.select_from(hub_tables.ticket)))
    assert check_ins == tickets
    assert check_ins <= 1
    assert not await world.station.read(intents.open_intents), "an intent was never answered"
    if any(step in {Step.DONE, Step.HELP} for step, _ in world.told):
        assert check_ins == 1, "told, and not committed"
    check_in_id = await world.hub.read(lambda c: c.scalar(select(hub_tables.check_in.c.id)))
    await _check_sheets(world, check_in_id)


async def _check_sheets(world: World, check_in_id: UUID | None) -> None:
    for paper in (world.tickets.paper, world.bands.paper):
        assert paper.total() <= 1, "a sheet was printed twice"
    if check_in_id is None:
        assert not world.tickets.paper
        assert not world.bands.paper
        return
    made = await world.station.read(lambda c: jobs.of_check_in(c, check_in_id))
    assert {j.key.kind for j in made} in ({SheetKind.TICKET, SheetKind.WRISTBAND}, {SheetKind.HELP_TICKET})
    for job in made:
        printed = (world.bands if job.key.kind is SheetKind.WRISTBAND else world.tickets).paper.total()
        match job.state:
            case PrintState.PRINTED:
                assert printed == 1
            case PrintState.EXPIRED:
                assert printed == 0
            case PrintState.UNKNOWN:
                pass  # the desk is asked; that nothing was printed twice is checked above
            case _:
                pytest.fail(f"a job is {job.state} for ever")
        known = await world.hub.read(lambda c, j=job: _state_at_desk(c, j.key.kind))  # type: ignore[misc]
        assert known == job.state, "the desk was told something else"


def _state_at_desk(connection: Any, kind: SheetKind) -> str | None:
    state: str | None = connection.scalar(select(hub_tables.sheet.c.state).where(hub_tables.sheet.c.kind == kind))
    return state


async def history(folder: Path, inputs: str, crashes: list[int]) -> list[str]:
    """Live and crash, then live without a crash; the steps of the first life."""
    async with world(folder) as w:
        steps: list[str] = []
        for number, blows_at in enumerate([*crashes, 0]):
            fuse = Fuse(blows_at)
            await life(w, fuse, inputs if number == 0 else "")
            w.clock.now += timedelta(seconds=3)
            steps = steps or fuse.steps
        await check(w)
        return steps


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in memory where there is one: the processes that end here end without a power cut, and thousands of
    flushes to a busy disk would only make the test slow."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="kioskd-", dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("inputs", ["confirm", "deny"])
async def test_a_check_in_without_a_crash_takes_fewer_steps_than_the_crashes_below(tmp_path: Path, inputs: str) -> None:
    steps = await history(tmp_path, inputs, [])
    assert 10 < len(steps) < MOST_STEPS
    assert "send:after" in steps


@pytest.mark.parametrize("blows_at", range(1, MOST_STEPS))
@pytest.mark.parametrize("inputs", ["confirm", "deny"])
async def test_a_crash_at_any_step_loses_and_doubles_nothing(in_memory: Path, inputs: str, blows_at: int) -> None:
    await history(in_memory, inputs, [blows_at])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    inputs=st.sampled_from(["confirm", "deny"]),
    crashes=st.lists(st.integers(min_value=1, max_value=MOST_STEPS), min_size=2, max_size=4),
)
def test_crashes_of_crashed_restarts_lose_and_double_nothing(in_memory: Path, inputs: str, crashes: list[int]) -> None:
    with tempfile.TemporaryDirectory(dir=in_memory) as folder:
        asyncio.run(history(Path(folder), inputs, crashes))
