"""A front desk that is open: the daemon as a process, a patient, a receptionist, and a look into the hub's database."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from drivers.cards.synthetic import crowd_person
from kioskd import config
from kioskd.config import DESK_AREA
from kioskd.core.display import Snapshot, snapshot
from kioskd.core.ticket import business_day
from kioskd.demo.clinic import clinic_day, seed
from kioskd.demo.desks import desks_of_processes
from kioskd.demo.person import Person
from kioskd.demo.processes import Processes
from kioskd.demo.rig import ALL, Rig, RigOptions
from kioskd.hub import tables, tickets
from kioskd.staff import Role
from kioskd.store import Store, open_store

T = TypeVar("T")

AREA = "general"
WITHIN_S = 60.0
"""For anything that must come; far longer than it takes on a machine that is not busy with other tests."""
READY_WITHIN_S = 120.0
"""For a process to start on a machine that is busy with other tests."""
LOOK_AGAIN_S = 0.05
"""How often another process is looked at that has no signal for us."""


@dataclass
class OpenDesk:
    """Everybody in place. Patients are ``crowd-<number>``, all with an appointment."""

    rig: Rig
    processes: Processes
    patient: Person
    receptionist: Person
    secretary: Person
    fhir: httpx.AsyncClient
    hub: Store
    """hub.db, beside the daemon."""

    async def check_in(self, card: str) -> str:
        """A patient checks in at the kiosk, sees their number and goes; the number."""
        await self.identify(card)
        return await self.confirm()

    async def identify(self, card: str) -> None:
        """The card goes in, and the kiosk asks whether it is them."""
        await self.welcome()
        await self.rig.hardware("insert", card=card)
        await self.patient.until('data-step="confirm"', WITHIN_S)

    async def confirm(self) -> str:
        await self.patient.send("/confirm")
        return await self.leave(await self.patient.until('data-step="done"', WITHIN_S))

    async def leave(self, page: str) -> str:
        """The card comes out, and the page is closed; the number that it showed."""
        found = re.search(r'<p class="number">([A-Z][0-9]+)</p>', page)
        assert found, "the kiosk showed no number"
        await self.rig.hardware("remove")
        await self.patient.send("/close")
        await self.welcome()
        return found.group(1)

    async def welcome(self) -> None:
        await self.patient.until('data-step="welcome"', WITHIN_S)

    async def truth(self) -> Snapshot:
        """What the displays of the area must show now, from the database."""
        site = config.load(self.rig.site_file).site
        now = datetime.now(UTC)

        def read(connection: Any) -> Snapshot:
            entries = tickets.entries_of_day(connection, business_day(now, site.zone, site.day_starts))
            epoch, version = tickets.epoch_of(connection), tickets.version_of(connection, AREA)
            return snapshot(entries, AREA, "", DESK_AREA, epoch, version, now)

        return await self.hub.read(read)

    async def ticket_id(self, label: str) -> str:
        """The id of a ticket that is called."""
        site = config.load(self.rig.site_file).site
        day = business_day(datetime.now(UTC), site.zone, site.day_starts)
        entries = await self.hub.read(lambda c: tickets.entries_of_day(c, day))
        return next(str(entry.ticket_id) for entry in entries if entry.label == label)

    async def encounters(self) -> list[dict[str, Any]]:
        """Every Encounter of the real records backend, asked directly."""
        answer = await self.fhir.get("Encounter", params={"_count": "200"})
        return [entry["resource"] for entry in answer.raise_for_status().json().get("entry", [])]


async def until(question: Callable[[], Awaitable[T]], within_s: float = WITHIN_S) -> tuple[T, float]:
    """Ask again and again until the answer is yes; the answer, and the seconds that it took. Raises TimeoutError."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        while not (answer := await question()):  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(LOOK_AGAIN_S)
    return answer, time.monotonic() - began


@asynccontextmanager
async def open_desk(folder: Path, patients: int, records_port: int | None = None) -> AsyncIterator[OpenDesk]:
    """A rig with one daemon for all roles and ``patients`` of a crowd in its records, and everybody signed in."""
    rig = Rig(folder, RigOptions(is_mechanical=False, languages=("en",), records_port=records_port))
    processes = Processes(rig)
    async with AsyncExitStack() as parts:
        parts.push_async_callback(rig.stop)
        parts.callback(processes.kill_all)
        await rig.start()
        await processes.start(ALL, READY_WITHIN_S)
        people = [crowd_person(number) for number in range(patients)]
        await seed(f"{processes.url('fhir')}/fhir", rig.token, clinic_day(datetime.now(UTC), people))
        desks = desks_of_processes(processes)
        pages: Sequence[tuple[str, Role | None]] = (
            ("kiosk", None),
            ("console", Role.RECEPTIONIST),
            ("records", Role.SECRETARY),
        )
        persons = []
        for page, role in pages:
            person = await parts.enter_async_context(Person(processes.url(page)))
            if role is not None:
                await person.sign_in(role.value, await desks.password(role.value, role, page))
            persons.append(person)
        fhir = await parts.enter_async_context(
            httpx.AsyncClient(
                base_url=f"{processes.url('fhir')}/fhir",
                headers={"authorization": f"Bearer {rig.token}"},
                trust_env=False,
                timeout=30,
            )
        )
        store = config.load(rig.site_file_of(ALL)).store
        hub = await parts.enter_async_context(open_store(tables.SCHEMA, store, is_beside_daemon=True))
        yield OpenDesk(rig, processes, *persons, fhir, hub)
