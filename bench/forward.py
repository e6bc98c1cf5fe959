"""How fast check-ins leave the outbox for a FHIR server: our worker and client, the bundled backend on this machine.

Both databases are encrypted SQLite files with synchronous=FULL, the server is a process of its own. Prints a table,
first for check-ins that come one by one (the wait from commit to stored) and then for a backlog (how many a second).
Run it from the top of the repository: ``python -m bench.forward [--messages 300]``.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx

from kioskd.config import StoreConfig
from kioskd.core.appointment import AppointmentStatus
from kioskd.forward import FhirClient, FhirDestination, run_worker
from kioskd.news import News
from kioskd.ports import OutboxMessage
from kioskd.records.backend import Records
from kioskd.records.rest import fhir_app
from kioskd.records.tables import SCHEMA as RECORDS_SCHEMA
from kioskd.store import Store, open_store, outbox
from kioskd.store.outbox import OutboxState
from kioskd.web.server import serve
from tests.store.notebook import OUTBOX, SCHEMA

TOKEN = "token-of-the-benchmark"
PARALLEL = 4


def encrypted(folder: Path) -> StoreConfig:
    folder.mkdir()
    key_file = folder / "store.key"
    key_file.touch(mode=0o600)
    key_file.write_text("0f" * 32)
    return StoreConfig(folder=folder / "data", key_file=key_file)


async def serve_records(folder: Path) -> None:
    """The server process: prints its address, serves until its standard input ends."""
    async with open_store(RECORDS_SCHEMA, encrypted(folder)) as store:
        app = fhir_app(Records(store, News(), ZoneInfo("Europe/Berlin")), TOKEN)
        async with serve(app, "127.0.0.1", 0) as address:
            print(f"{address.url}/fhir", flush=True)
            await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def records_server(folder: Path) -> AsyncIterator[str]:
    command = [sys.executable, "-m", "bench.forward", "--serve", str(folder)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(30):
            url = (await process.stdout.readline()).decode().strip()
        yield url
    finally:
        process.stdin.close()
        async with asyncio.timeout(10):
            await process.wait()


async def fill(url: str, count: int) -> list[dict[str, Any]]:
    """Patients and appointments into the server; the payloads of their check-ins."""
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/fhir+json"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as http:
        patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Mustermann"}]}
        (await http.put("/Patient/p1", json=patient)).raise_for_status()
        for number in range(count):
            appointment = {
                "resourceType": "Appointment",
                "id": f"a{number}",
                "status": "booked",
                "start": "2026-11-23T09:00:00Z",
                "end": "2026-11-23T09:15:00Z",
                "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
            }
            (await http.put(f"/Appointment/a{number}", json=appointment)).raise_for_status()
    return [
        {
            "check_in_id": str(uuid4()),
            "patient_id": "p1",
            "appointment_id": f"a{number}",
            "arrived_at": datetime.now(UTC).isoformat(),
            "label": f"A{number}",
            "area_name": "Waiting room 1",
            "station": "entrance",
            "card_kind": "egk",
        }
        for number in range(count)
    ]


async def put(store: Store, payloads: Sequence[dict[str, Any]]) -> None:
    now = datetime.now(UTC)
    await store.write(
        lambda c: [outbox.put(c, OUTBOX, "records", p["check_in_id"], "check-in", p, now) for p in payloads]
    )


class Arrivals:
    """Counts what is stored; anything else than stored ends the benchmark."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    def __call__(self, message: OutboxMessage, state: OutboxState, text: str) -> None:
        if state is not OutboxState.DONE:
            raise SystemExit(f"message {message.id} is {state}: {text}")
        self.count += 1
        self._changed.set()

    async def reach(self, count: int) -> None:
        while self.count < count:
            self._changed.clear()
            await self._changed.wait()


async def measure(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with records_server(folder / "records") as url:
            payloads = await fill(url, 2 * count)
            arrivals, waits_ms = Arrivals(), []
            async with open_store(SCHEMA, encrypted(folder / "hub")) as store, FhirClient(url, TOKEN) as client:
                destination = FhirDestination(client, AppointmentStatus.CHECKED_IN)
                async with run_worker(
                    store,
                    OUTBOX,
                    "records",
                    destination,
                    lambda: datetime.now(UTC),
                    committed=arrivals,
                    parallel=PARALLEL,
                ):
                    for number, payload in enumerate(payloads[:count], 1):
                        await put(store, [payload])
                        began = time.perf_counter()
                        await arrivals.reach(number)
                        waits_ms.append((time.perf_counter() - began) * 1000)
                    began = time.perf_counter()
                    await put(store, payloads[count:])
                    await arrivals.reach(2 * count)
                    per_s = count / (time.perf_counter() - began)
    report(count, waits_ms, per_s)


def report(count: int, waits_ms: Sequence[float], per_s: float) -> None:
    cuts = statistics.quantiles(waits_ms, n=100, method="inclusive")
    print(f"{'check-ins':<12}{'what':<44}{'p50 ms':>10}{'p99 ms':>10}{'worst ms':>10}{'per s':>10}")
    print(f"{count:<12}{'one by one, commit to stored':<44}{cuts[49]:>10.1f}{cuts[98]:>10.1f}{max(waits_ms):>10.1f}")
    print(f"{count:<12}{f'a backlog, {PARALLEL} keys at once':<44}{'':>30}{per_s:>10.0f}")
    print(f"figures: deliver_ms_p50={cuts[49]:.1f} deliver_ms_p99={cuts[98]:.1f} per_s={per_s:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    asyncio.run(serve_records(arguments.serve) if arguments.serve else measure(arguments.messages))


if __name__ == "__main__":
    main()
