"""Tickets and wristbands on simulated printers of real speed: ``scripts/bench printing [--quick]``.

The limit is the paper: what the printer's own motor takes cannot be shortened, so times are told beside it. The peer is
plain python-escpos 3.1: ``Network(...)._raw(the same ticket)``, which ends when its bytes are in the kernel and proves
nothing; its paper stops when the simulator says so, as ours does. ``overhead_ratio`` is ours over the peer's, from the
wish to print until the paper stops.

==============  =====================================================================================================
sent            from the job's commit until its last byte left this process (two looks at the printer and two commits)
paper           from the commit until the paper stops
proof           from then until PRINTED is committed
==============  =====================================================================================================

Serial lines are ptys whose printer takes as many bytes a second as the line would carry (8N1).
"""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from PIL import Image

from drivers.escpos import EscposConfig
from drivers.escpos.layout import picture_command
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.raster import Bitmap
from drivers.zpl import ZplConfig
from drivers.zpl.graphic import gfa
from drivers.zpl.printer import ZplPrinter
from drivers.zpl.virtual import VirtualWristbandPrinter
from drivers.zpl.virtual_picture import sheet_png
from kioskd.beside import beside
from kioskd.config import StoreConfig
from kioskd.core.events import Event, SheetSent
from kioskd.core.printing import JobKey, PrintJob, PrintState, SheetKind
from kioskd.news import News
from kioskd.ports import CheckInReply, TicketSheet, WristbandSheet
from kioskd.station import jobs, tables
from kioskd.station.bands import gsrn
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.printing import PrintQueue
from kioskd.station.sheets import ticket_sheet
from kioskd.store import Store, open_store
from kioskd.web.pages import Pages
from tests.bus.list_hub import ListHub
from tests.drivers.line.cable import Cable
from tests.faults.print_faults import print_faults
from tests.store.conftest import key_file

ZONE = ZoneInfo("Europe/Berlin")
OVER_WITHIN_S = 60.0
IDLE_S = 20.0
LINES = (9600, 19200, 115200)
BITS_A_BYTE = 10  # start, eight, stop
PLACES = {"en": ("Waiting room", "Market Street Clinic"), "de": ("Wartezimmer", "Praxis am Markt")}


def ticket(language: str, label: str = "A12") -> TicketSheet:
    """What a patient gets who checked in at 9:40."""
    pages = Pages(ZONE)
    area, site = PLACES[language]
    reply = CheckInReply(uuid4(), label, "general", area, datetime(2026, 11, 23, 8, 40, tzinfo=UTC), False, None)
    return ticket_sheet(reply, language, site, ZONE, lambda code, text: pages.language(code).texts.gettext(text))


def band(number: int = 1) -> WristbandSheet:
    record = f"{123000 + number:08}"
    return WristbandSheet("Smith", "John", date(1980, 1, 18), record, 1, gsrn("4012345", record))


# --- a station's print queue at work --------------------------------------------------------------------------------


@dataclass
class Times:
    """Of one sheet, in seconds of ``time.perf_counter``."""

    committed: float
    sent: float = 0.0
    paper: float = 0.0
    proven: float = 0.0


@dataclass
class Bench:
    """A print queue with its printers. Each sheet is one that was never printed before."""

    store: Store
    queue: PrintQueue
    news: News
    times: dict[JobKey, Times] = field(default_factory=dict)
    states: dict[JobKey, PrintState] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, job: PrintJob) -> None:
        self.states[job.key] = job.state
        if job.state is PrintState.PRINTED and job.key in self.times:
            self.times[job.key].proven = time.perf_counter()
        self.changed.set()

    async def listen(self) -> None:
        with self.news.subscribe() as listening:
            async for event in listening:
                self._hear(event)

    def _hear(self, event: Event) -> None:
        if isinstance(event, SheetSent):
            key = JobKey(event.check_in_id, event.kind)
            if key in self.times:
                self.times[key].sent = time.perf_counter()

    async def put(self, kind: SheetKind, device: str, payloads: Sequence[bytes]) -> list[JobKey]:
        made = [PrintJob(JobKey(uuid4(), kind), device, payload, datetime.now(UTC)) for payload in payloads]
        await self.store.write(lambda c: [jobs.add(c, job) for job in made])
        self.times |= {job.key: Times(time.perf_counter()) for job in made}
        self.queue.announce(made)
        return [job.key for job in made]

    async def until_printed(self, keys: Sequence[JobKey]) -> None:
        """Raises TimeoutError, and RuntimeError for a sheet that ended in another way."""
        async with asyncio.timeout(OVER_WITHIN_S + len(keys)):
            while not all(self.states.get(key) is PrintState.PRINTED for key in keys):
                self.changed.clear()
                if any(self.states.get(key) in {PrintState.UNKNOWN, PrintState.EXPIRED} for key in keys):
                    raise RuntimeError("a sheet was not printed")
                await self.changed.wait()


@asynccontextmanager
async def at_work(folder: Path, **printers: Any) -> AsyncIterator[Bench]:
    """A queue with these drivers, by name."""

    async def tell_nobody(_: ManagedDevice) -> None: ...

    folder.mkdir()
    news = News()
    async with open_store(tables.SCHEMA, StoreConfig(folder=folder / "data", key_file=key_file(folder))) as store:
        queue = PrintQueue("entrance", store, ListHub(), news, lambda: datetime.now(UTC))
        bench = Bench(store, queue, news)
        queue.changed = bench.note
        lives = [
            ManagedDevice(name, "printer", driver, tell_nobody).run(queue.work) for name, driver in printers.items()
        ]
        async with beside(bench.listen(), queue.report(), queue.expire_in_time(), *lives):
            yield bench


# --- the rows -------------------------------------------------------------------------------------------------------


def sizes() -> dict[str, int]:
    """Bytes of a sheet, and of the same sheet as nothing but dots."""
    found = {}
    for language in ("en", "de"):
        driver = EscposPrinter("tickets", EscposConfig(port="tcp://127.0.0.1:9"))
        sheet, payload = _printed(driver.render(ticket(language)))
        found[f"ticket {language}"], found[f"ticket {language}, all dots"] = len(payload), len(picture_command(sheet))
    zpl = ZplPrinter("bands", ZplConfig(port="tcp://127.0.0.1:9"))
    payload = zpl.render(band())
    found["band"], found["band, all dots"] = len(payload), len(_band_as_dots(payload))
    return found


def _printed(payload: bytes) -> tuple[Bitmap, bytes]:
    """The picture of a ticket."""
    with VirtualTicketPrinter(mechanical=False) as printer:
        printer.write_foreign(payload)
        if not printer.wait_for_sheets(1, 10):
            raise RuntimeError("the ticket did not come out")
        return printer.sheets[0].picture, payload


def _band_as_dots(payload: bytes) -> str:
    """The same band as one compressed picture."""
    picture = (
        Image.open(io.BytesIO(sheet_png(payload, 300)))
        .convert("RGBA")
        .convert("L")
        .point(lambda value: 255 * (value < 128))
    )
    dots = picture.convert("1")
    return gfa(dots.tobytes(), (dots.width + 7) // 8)


async def printed_times(folder: Path, runs: int) -> list[Times]:
    """Tickets one by one, on a printer of real speed."""
    with VirtualTicketPrinter() as printer:
        driver = EscposPrinter("tickets", EscposConfig(port=f"tcp://127.0.0.1:{printer.port}"))
        times = []
        async with at_work(folder, tickets=driver) as bench:
            for run in range(runs):
                payload = driver.render(ticket("en", f"A{run + 1}"))
                stops = asyncio.create_task(asyncio.to_thread(_when_out, printer, run + 1))
                [key] = await bench.put(SheetKind.TICKET, "tickets", [payload])
                bench.times[key].paper = await stops
                await bench.until_printed([key])
                times.append(bench.times[key])
        return times[1:]


def _when_out(printer: VirtualTicketPrinter | VirtualWristbandPrinter, sheets: int) -> float:
    if not printer.wait_for_sheets(sheets, OVER_WITHIN_S):
        raise RuntimeError("a sheet did not come out")
    return time.perf_counter()


def peer_times(runs: int) -> list[float]:
    """Seconds until the paper stops when python-escpos sends the same tickets to the same simulator."""
    from escpos.printer import Network

    renderer = EscposPrinter("tickets", EscposConfig(port="tcp://127.0.0.1:9"))
    times = []
    with VirtualTicketPrinter() as printer:
        for run in range(runs):
            payload = renderer.render(ticket("en", f"A{run + 1}"))
            begin = time.perf_counter()
            network = Network("127.0.0.1", port=printer.port, timeout=10)
            network.open()
            network._raw(payload)
            network.close()
            times.append(_when_out(printer, run + 1) - begin)
            printer.wait_until_free(10)
    return times[1:]


async def line_times(folder: Path, runs: int) -> dict[str, float]:
    """Median seconds from commit to proof of a ticket, for each kind of line."""
    found = {}
    for speed in (*LINES, 0):
        with VirtualTicketPrinter(mechanical=False) as printer:
            printer.set_receive_rate(speed / BITS_A_BYTE if speed else None)
            cable = Cable(folder / f"line-{speed}", printer.port)
            address = f"serial:{cable.path}" if speed else f"usb:{cable.path}"
            keys = {"baud": speed, "flow": "none"} if speed else {}
            driver = EscposPrinter("tickets", EscposConfig.model_validate({"port": address} | keys))
            try:
                async with at_work(folder / f"store-{speed}", tickets=driver) as bench:
                    taken = []
                    for run in range(runs + 1):
                        keys_ = await bench.put(
                            SheetKind.TICKET, "tickets", [driver.render(ticket("en", f"A{run + 1}"))]
                        )
                        await bench.until_printed(keys_)
                        taken.append(bench.times[keys_[0]].proven - bench.times[keys_[0]].committed)
                    found[f"serial {speed}" if speed else "USB"] = statistics.median(taken[1:])
            finally:
                cable.unplug()
    return found


async def jobs_a_second(folder: Path, sheets: int) -> float:
    """Sheets a second of one station with both printers, whose paper moves in no time."""
    tickets_out, bands_out = VirtualTicketPrinter(mechanical=False), VirtualWristbandPrinter(mechanical=False)
    with tickets_out, bands_out:
        tickets = EscposPrinter("tickets", EscposConfig(port=f"tcp://127.0.0.1:{tickets_out.port}"))
        bands = ZplPrinter("bands", ZplConfig(port=f"tcp://127.0.0.1:{bands_out.port}"))
        async with at_work(folder, tickets=tickets, bands=bands) as bench:
            numbers = count(1)
            half = sheets // 2
            paper = [tickets.render(ticket("en", f"A{next(numbers)}")) for _ in range(half)]
            arms = [bands.render(band(next(numbers))) for _ in range(half)]
            begin = time.perf_counter()
            keys = await bench.put(SheetKind.TICKET, "tickets", paper)
            keys += await bench.put(SheetKind.WRISTBAND, "bands", arms)
            await bench.until_printed(keys)
            return len(keys) / (time.perf_counter() - begin)


async def idle_cpu(folder: Path, seconds: float) -> float:
    """Share of one core that two idle printers cost, simulators included, in per cent."""
    tickets_out, bands_out = VirtualTicketPrinter(), VirtualWristbandPrinter()
    with tickets_out, bands_out:
        tickets = EscposPrinter("tickets", EscposConfig(port=f"tcp://127.0.0.1:{tickets_out.port}"))
        bands = ZplPrinter("bands", ZplConfig(port=f"tcp://127.0.0.1:{bands_out.port}"))
        async with at_work(folder, tickets=tickets, bands=bands) as bench:
            keys = await bench.put(SheetKind.TICKET, "tickets", [tickets.render(ticket("en"))])
            await bench.until_printed(keys)
            before = _cpu_s()
            await asyncio.sleep(seconds)  # what is measured is that nothing happens
            return 100 * (_cpu_s() - before) / seconds


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# --- the table ------------------------------------------------------------------------------------------------------


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def rows(folder: Path, is_quick: bool) -> Iterator[tuple[str, Any]]:
    """Prints every row and yields the figures of the last line."""
    runs = 5 if is_quick else 100
    found = sizes()
    for name in ("ticket en", "ticket de", "band"):
        dots = found[f"{name}, all dots"]
        print(f"{name + ', bytes':38} {found[name]:8}   {dots / found[name]:6.1f} times fewer than all dots ({dots})")
    yield "ticket_bytes", found["ticket en"]
    yield "band_bytes", found["band"]
    ours = asyncio.run(printed_times(folder / "printed", runs + 1))
    peers = peer_times(runs + 1)
    print(f"\n{'ticket on a printer of 150 mm/s, ms':38} {'p50':>8} {'p99':>8}")
    for name, values in (
        ("commit to last byte", [t.sent - t.committed for t in ours]),
        ("commit to paper stops", [t.paper - t.committed for t in ours]),
        ("python-escpos: wish to paper stops", peers),
        ("paper stops to proof", [t.proven - t.paper for t in ours]),
    ):
        p50, p99 = quantiles(values)
        print(f"{name:38} {p50 * 1000:8.1f} {p99 * 1000:8.1f}")
    ours_p50 = statistics.median(t.paper - t.committed for t in ours)
    ratio = ours_p50 / statistics.median(peers)
    print(
        f"{'ratio to the peer, host overhead':38} {ratio:8.3f} {(ours_p50 - statistics.median(peers)) * 1000:8.1f} ms"
    )
    print("\ncommit to proof, paper in no time, s")
    for name, seconds in asyncio.run(line_times(folder, 3 if is_quick else 20)).items():
        print(f"  {name:36} {seconds:8.3f}")
    rate = asyncio.run(jobs_a_second(folder / "rate", 20 if is_quick else 400))
    print(f"\n{'sheets a second, both printers':38} {rate:8.1f}")
    idle = asyncio.run(idle_cpu(folder / "idle", 5 if is_quick else IDLE_S))
    print(f"{'idle, both printers, % of a core':38} {idle:8.2f}")
    yield "proof_ms_p99", f"{quantiles([t.proven - t.paper for t in ours])[1] * 1000:.1f}"
    yield "overhead_ratio", f"{ratio:.3f}"
    yield from _faults(folder, 20 if is_quick else 1000)


def _faults(folder: Path, runs: int) -> Iterator[tuple[str, int]]:
    outcomes = [print_faults(folder / language, runs, language) for language in ("escpos", "zpl")]
    print(f"\n{'fault runs':38} {'runs':>8} {'lost':>8} {'doubled':>8} {'wrong':>8}")
    for one in outcomes:
        print(f"{one.fault:38} {one.runs:8} {one.lost:8} {one.doubled:8} {len(one.problems):8}")
        for problem in one.problems:
            print(f"  ! {problem}")
    yield "fault_runs", sum(one.runs for one in outcomes)
    yield "lost", sum(one.lost for one in outcomes)
    yield "doubled", sum(one.doubled for one in outcomes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench printing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that every row works")
    options = parser.parse_args()
    logging.disable(logging.ERROR)  # what is broken on purpose is no news
    with tempfile.TemporaryDirectory(prefix="kioskd-bench-") as folder:
        figures = dict(rows(Path(folder), options.quick))
    print("\nfigures: " + " ".join(f"{name}={value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
