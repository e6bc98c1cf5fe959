"""Print faults on one hurried clock: queue, drivers and simulators live through minutes in seconds.

A busy test machine may be slow against such a clock. So a sheet may end UNKNOWN here where a calm one would see it
PRINTED; what must hold in any case: nothing comes out twice, and nobody says PRINTED of what did not come out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.zpl import ZplConfig
from drivers.zpl.printer import ZplPrinter
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.beside import beside
from kioskd.clock import DeviceClock
from kioskd.config import StoreConfig
from kioskd.core.printing import Cause, JobKey, PrintJob, PrintState, ProofKind, SheetKind
from kioskd.news import News
from kioskd.ports import TicketSheet, WristbandSheet
from kioskd.station import jobs, tables
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, open_store
from tests.bus.list_hub import ListHub
from tests.sheets import simple_ticket
from tests.store.conftest import key_file

HURRIED = DeviceClock(20)
SOON_S = 30.0
"""Of the machine's seconds."""
HELD_AT_MOST_S = 40.0
"""Of the hurried clock's."""


def ticket(label: str) -> TicketSheet:
    return simple_ticket(label)


def band(number: int) -> WristbandSheet:
    return WristbandSheet("Smith", "John", date(1980, 1, 18), f"00123{number}", number)


class Tickets:
    kind, name, proof = SheetKind.TICKET, "tickets", ProofKind.COMPLETION

    def __init__(self) -> None:
        self.virtual = VirtualTicketPrinter(clock=HURRIED)
        self.virtual.start()
        self.driver = EscposPrinter(self.name, EscposConfig(port=f"tcp://127.0.0.1:{self.virtual.port}"), HURRIED)

    def payload(self, number: int) -> bytes:
        return self.driver.render(ticket(f"A{number}"))

    def out(self) -> list[str]:
        return [sheet.text for sheet in self.virtual.sheets]


class Bands:
    kind, name, proof = SheetKind.WRISTBAND, "bands", ProofKind.ODOMETER

    def __init__(self) -> None:
        self.virtual = VirtualWristbandPrinter(clock=HURRIED)
        self.virtual.start()
        self.driver = ZplPrinter(self.name, ZplConfig(port=f"tcp://127.0.0.1:{self.virtual.port}"), HURRIED)

    def payload(self, number: int) -> bytes:
        return self.driver.render(band(number))

    def out(self) -> list[str]:
        return [sheet.decode() for sheet in self.virtual.sheets]


class Desk:
    """A print queue at work on one printer; ``states`` is the last word on each sheet."""

    def __init__(self, store: Store, bench: Tickets | Bands) -> None:
        self.bench = bench
        self.states: dict[UUID, PrintJob] = {}
        self._changed = asyncio.Condition()
        self._numbers = count(1)
        self._store = store
        self.queue = PrintQueue(
            "entrance", store, ListHub(), News(), lambda: datetime.now(UTC), HURRIED, held_at_most_s=HELD_AT_MOST_S
        )
        self.queue.changed = self._note

    def _note(self, job: PrintJob) -> None:
        self.states[job.key.check_in_id] = job
        asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def print(self, how_many: int = 1) -> list[UUID]:
        """Put sheets into the queue, no two of them alike."""
        payloads = [self.bench.payload(next(self._numbers)) for _ in range(how_many)]
        made = [
            PrintJob(JobKey(uuid4(), self.bench.kind), self.bench.name, payload, datetime.now(UTC))
            for payload in payloads
        ]
        await self._store.write(lambda c: [jobs.add(c, job) for job in made])
        self.queue.announce(made)
        return [job.key.check_in_id for job in made]

    async def until(self, ids: Sequence[UUID], *states: PrintState, cause: Cause | None = None) -> list[PrintJob]:
        def is_so() -> bool:
            known = [self.states.get(one) for one in ids]
            return all(job and job.state in states and (cause is None or job.cause is cause) for job in known)

        async with asyncio.timeout(SOON_S), self._changed:
            await self._changed.wait_for(is_so)
        return [self.states[one] for one in ids]

    async def sheets(self) -> list[str]:
        """What is out when the printer has nothing more to do; nothing twice."""
        assert await asyncio.to_thread(self.bench.virtual.wait_until_idle, SOON_S)
        out = self.bench.out()
        assert len(set(out)) == len(out)
        return out


@asynccontextmanager
async def desk_with(bench_of: type[Tickets] | type[Bands], folder: Path) -> AsyncIterator[Desk]:
    config = StoreConfig(folder=folder / "data", key_file=key_file(folder))
    bench = bench_of()

    async def tell_nobody(_: ManagedDevice) -> None: ...

    try:
        async with open_store(tables.SCHEMA, config) as store:
            desk = Desk(store, bench)
            device = ManagedDevice(bench.name, "printer", bench.driver, tell_nobody, first_wait_s=0.01)
            async with beside(device.run(desk.queue.work), desk.queue.report()):
                yield desk
    finally:
        await asyncio.to_thread(bench.virtual.stop)


OVER = (PrintState.PRINTED, PrintState.UNKNOWN)
BENCHES: Any = pytest.mark.parametrize("bench_of", [Tickets, Bands])


@BENCHES
async def test_sheets_come_out_once_each(bench_of: type[Tickets] | type[Bands], tmp_path: Path) -> None:
    async with desk_with(bench_of, tmp_path) as desk:
        ended = await desk.until(await desk.print(4), *OVER)
        assert len(await desk.sheets()) == 4
        assert all(job.proof is desk.bench.proof for job in ended if job.state is PrintState.PRINTED)


@BENCHES
async def test_a_sheet_that_is_held_too_long_is_unknown_and_is_not_sent_again(
    bench_of: type[Tickets] | type[Bands], tmp_path: Path
) -> None:
    """The roll ends under the sheet; nobody comes for longer than a sheet may be held."""
    async with desk_with(bench_of, tmp_path) as desk:
        desk.bench.virtual.set_speed(2.0)  # time to take the roll out
        [one] = await desk.print()
        await desk.until([one], PrintState.SENT, *OVER)
        desk.bench.virtual.set_paper(False)
        [held] = await desk.until([one], *OVER)
        assert held.state is PrintState.UNKNOWN or len(desk.bench.out()) == 1
        desk.bench.virtual.set_speed(None)
        desk.bench.virtual.set_paper(True)
        assert len(await desk.sheets()) == 1, "what was inside comes out, once"


@BENCHES
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
async def test_a_connection_that_breaks_in_a_sheet_doubles_nothing(
    bench_of: type[Tickets] | type[Bands], part: float, tmp_path: Path
) -> None:
    async with desk_with(bench_of, tmp_path) as desk:
        await desk.until(await desk.print(), *OVER)
        desk.bench.virtual.drop_after(round(len(desk.bench.payload(1)) * part) + 60)
        for _ in range(2):
            await desk.until(await desk.print(), *OVER)
        said = sum(job.state is PrintState.PRINTED for job in desk.states.values())
        assert said <= len(await desk.sheets()) <= len(desk.states) == 3
