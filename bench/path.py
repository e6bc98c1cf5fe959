"""The whole path, one patient after another, from card to record; simulated hardware without mechanical time.

``card`` is the card's own time: the chip's answers, which no software can shorten. ``identified`` is what comes on top
of it until one patient and one appointment are known. Peer and limit in the same run: the time of a bare commit on this
disk, and of a bare MQTT round trip to the display, stand below the table.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from drivers.cards.synthetic import crowd_person
from kioskd import app, config, log
from kioskd.demo.clinic import clinic_day, seed
from kioskd.demo.desks import desks_of
from kioskd.demo.path import FrontDeskPeople, Times, front_desk_people
from kioskd.demo.rig import Rig, RigOptions

ROWS = {
    "identified": ("card seen", "identified", 50.0),
    "commit": ("confirmed", "committed", 25.0),
    "ticket": ("committed", "ticket sent", 50.0),
    "ticket proven": ("committed", "ticket proven", None),
    "band": ("committed", "band sent", None),
    "display": ("called", "display right", 30.0),
    "record": ("committed", "record stored", None),
}
WARM_UP = 3


def rss_mib() -> float:
    """Resident memory of this process now (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def commit_ms(folder: Path, rounds: int = 200) -> list[float]:
    """The physical limit of a commit: append 4 KiB and wait until the disk has it."""
    taken = []
    with (folder / "limit").open("wb", buffering=0) as file:
        for _ in range(rounds):
            begin = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begin) * 1000)
    return taken


def quantiles(values: list[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


async def measure(folder: Path, patients: int) -> None:
    rig = Rig(folder, RigOptions(is_mechanical=False))
    crowd = [crowd_person(number) for number in range(patients + WARM_UP)]
    try:
        await rig.start()
        began = time.perf_counter()
        async with app.running(config.load(rig.site_file), str(rig.site_file), rig.site_text()) as daemon:
            ready_s = time.perf_counter() - began
            await seed(f"{daemon.addresses['fhir'].url}/fhir", rig.token, clinic_day(datetime.now(UTC), crowd))
            async with front_desk_people(rig, desks_of(daemon)) as people:
                idle_mib = rss_mib()
                runs = [await one(people, person.id) for person in crowd]
                end_mib = rss_mib()
        report(runs[WARM_UP:], ready_s, idle_mib, end_mib, commit_ms(folder))
    finally:
        await rig.stop()


async def one(people: FrontDeskPeople, card_id: str) -> Times:
    times, _, label = await people.check_in(card_id)
    await people.finish(label)
    return times


def report(runs: list[Times], ready_s: float, idle_mib: float, end_mib: float, commits: list[float]) -> None:
    figures: dict[str, float] = {}
    limit, limit_p99 = quantiles(commits)
    print(f"{len(runs)} patients, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print(f"{'step':15} {'p50 ms':>8} {'p99 ms':>8} {'aim':>6} {'p50 / commit':>13}")
    for name, (begin, end, aim) in ROWS.items():
        p50, p99 = quantiles([run.ms(begin, end) for run in runs])
        figures[name] = p99
        print(f"{name:15} {p50:8.1f} {p99:8.1f} {aim or '':>6} {p50 / limit:12.0f}x")
    print(f"\nlimit: 4 KiB to this disk {limit:.2f} ms, p99 {limit_p99:.2f} ms")
    print(f"ready after {ready_s:.2f} s; memory {idle_mib:.0f} MiB idle, {end_mib:.0f} MiB at the end,", end=" ")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")
    print(
        f"figures: identified_ms_p99={figures['identified']:.1f} commit_ms_p99={figures['commit']:.1f} "
        f"ticket_ms_p99={figures['ticket']:.1f} display_ms_p99={figures['display']:.1f} "
        f"record_ms_p99={figures['record']:.1f} ready_s={ready_s:.2f} "
        f"rss_idle_mib={idle_mib:.0f} rss_end_mib={end_mib:.0f}"
    )


def main() -> None:
    log.set_up(logging.WARNING)
    patients = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="kioskd-bench-") as folder:
        asyncio.run(measure(Path(folder), patients))


if __name__ == "__main__":
    main()
