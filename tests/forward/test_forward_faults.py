"""The worker, the FHIR client and a server on bad days: nothing lost, nothing doubled, in order."""

import asyncio
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kioskd.core.appointment import AppointmentStatus
from kioskd.forward import FhirClient, FhirDestination, Timeouts, run_worker
from kioskd.store import Store, open_store
from kioskd.store.outbox import OutboxState
from tests.faults.chaos_http import TEMPORARY, HttpChaos, HttpFault
from tests.forward.conftest import NO_TLS, PATIENT, Backend, sqlite_in
from tests.forward.fhir_server import TOKEN, FhirServer, appointment, patient
from tests.forward.messages import check_in_id, payload
from tests.forward.outbox_rows import NAME, Watch, put, states, utc_now
from tests.store.notebook import OUTBOX, SCHEMA

CHECKED_IN = AppointmentStatus.CHECKED_IN
PER_KEY = 5
FAULTS_A_REQUEST = 0.072
"""A delivery is three requests: one in five meets a fault."""


@asynccontextmanager
async def delivering(
    proxy: HttpChaos, store: Store, watch: Watch, timeouts: Timeouts = PATIENT, parallel: int = 4
) -> AsyncIterator[None]:
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, timeouts, NO_TLS) as client:
        destination = FhirDestination(client, CHECKED_IN)
        async with run_worker(store, OUTBOX, NAME, destination, utc_now, committed=watch, parallel=parallel):
            yield


def identifier_of(encounter: dict[str, object], system: str) -> str:
    identifiers = encounter["identifier"]
    assert isinstance(identifiers, list)
    return next(str(i["value"]) for i in identifiers if i["system"] == system)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(250, marks=pytest.mark.timeout(240)),
        pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
    ids=str,
)
async def test_with_every_fifth_delivery_failing_nothing_is_lost_doubled_or_overtaken(
    server: tuple[FhirServer, HttpChaos], store: Store, count: int
) -> None:
    memory, proxy = server
    dice = random.Random(20261123)
    proxy.choose_for = lambda *_: dice.choice(TEMPORARY) if dice.random() < FAULTS_A_REQUEST else None
    keys = count // PER_KEY
    for number in range(count):
        memory.put(appointment(f"a{number}", f"p{number % keys}"))
    memory.written.clear()
    check_ins = [
        (f"patient/p{n % keys}", payload(n, patient_id=f"p{n % keys}", appointment_id=f"a{n}")) for n in range(count)
    ]
    await put(store, check_ins)
    watch = Watch()
    async with delivering(proxy, store, watch, Timeouts(5, 0.6, 10), parallel=8):
        await watch.until_done(count, within_s=0.1 * count + 150)
    assert await states(store) == [OutboxState.DONE] * count
    written = [r for r in memory.written if r["resourceType"] == "Encounter"]
    assert sorted(identifier_of(e, "urn:kioskd:check-in") for e in written) == sorted(
        str(check_in_id(n)) for n in range(count)
    )
    assert {r["status"] for r in memory.all("Appointment")} == {"checked-in"}
    labels = defaultdict(list)
    for encounter in written:
        labels[encounter["subject"]["reference"]].append(identifier_of(encounter, "urn:kioskd:ticket"))
    assert labels == {f"Patient/p{key}": [f"A{n}" for n in range(key, count, keys)] for key in range(keys)}
    assert {fault for _, _, fault in proxy.seen} == {None, *TEMPORARY}


async def test_one_that_the_server_refuses_delays_nobody_else(
    server: tuple[FhirServer, HttpChaos], store: Store
) -> None:
    memory, proxy = server
    memory.refused_patients.add("Patient/p0")
    for number in range(40):
        memory.put(appointment(f"a{number}", f"p{number % 4}"))
    await put(store, [(f"p{n % 4}", payload(n, patient_id=f"p{n % 4}", appointment_id=f"a{n}")) for n in range(40)])
    watch = Watch()
    async with delivering(proxy, store, watch):
        await watch.until_done(30)
    assert await states(store) == [
        OutboxState.DONE if n % 4 else OutboxState.PENDING if n else OutboxState.PARKED for n in range(40)
    ]
    assert len(memory.all("Encounter")) == 30


async def test_a_daemon_killed_between_delivery_and_outbox_delivers_again_with_one_effect(
    backend: Backend, tmp_path: Path
) -> None:
    (tmp_path / "killed").mkdir()
    config = sqlite_in(tmp_path / "killed")
    await backend.put(patient("p1"), appointment("a1", "p1"))
    async with open_store(SCHEMA, config) as store:
        await put(store, [("p1", payload())])
    program = [sys.executable, "-m", "tests.forward.killed_worker", config.model_dump_json(), f"{backend.origin}/fhir"]
    for _ in range(2):
        run = await asyncio.to_thread(subprocess.run, [*program, TOKEN], capture_output=True, timeout=40)
        assert run.returncode == -signal.SIGKILL, run.stderr.decode()
        (encounter,) = await backend.encounters()
    watch = Watch()
    async with open_store(SCHEMA, config) as store, FhirClient(f"{backend.origin}/fhir", TOKEN) as client:
        assert await states(store) == [OutboxState.PENDING]
        async with run_worker(store, OUTBOX, NAME, FhirDestination(client, CHECKED_IN), utc_now, committed=watch):
            await watch.until_done(1)
        assert await states(store) == [OutboxState.DONE]
    assert await backend.encounters() == [encounter]
    assert encounter["meta"]["versionId"] == "1"
    assert (await backend.read("Appointment/a1"))["status"] == "checked-in"


async def test_a_server_that_comes_back_gets_everything_that_was_committed_meanwhile(
    backend: Backend, proxy: HttpChaos, store: Store
) -> None:
    await backend.put(patient("p1"), *(appointment(f"a{n}", "p1") for n in range(12)))
    proxy.choose_for = lambda *_: HttpFault.RESET
    watch = Watch()
    async with delivering(proxy, store, watch):
        await put(store, [(f"k{n % 3}", payload(n, appointment_id=f"a{n}")) for n in range(12)])
        await watch.until(lambda w: w.count(OutboxState.PENDING) >= 6)
        assert await backend.encounters() == []
        proxy.choose_for = lambda *_: None
        await watch.until_done(12)
    assert len(await backend.encounters()) == 12
    assert {(await backend.read(f"Appointment/a{n}"))["status"] for n in range(12)} == {"checked-in"}
