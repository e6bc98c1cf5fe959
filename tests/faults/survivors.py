"""What must be found in the databases after a process died or the power went, given what the world had been told.

``examine`` looks before anything is repaired: each database sound, every transaction whole, everything told still
there. ``recover`` then lets the station's, the hub's and the outbox's own recovery run, and looks again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, Row, Table, select, text

from kioskd.core.printing import JobKey, PrintJob, PrintState, SheetKind
from kioskd.forward.destination import FhirDestination
from kioskd.forward.fhir import NAMESPACE
from kioskd.forward.http import FhirClient
from kioskd.forward.worker import run_worker
from kioskd.hub import tables as hub_tables
from kioskd.hub.site import RECORDS, Site
from kioskd.news import News
from kioskd.ports import OutboxMessage
from kioskd.records import tables as records_tables
from kioskd.records.backend import Records
from kioskd.records.rest import fhir_app
from kioskd.station import intents, jobs
from kioskd.station import tables as station_tables
from kioskd.station.checkins import CheckIns, Printers
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, audit, open_store
from kioskd.store.outbox import OutboxState
from kioskd.web.server import serve
from tests.fakes import PaperPrinter
from tests.faults.desk_life import RULES, SITE, STATION, TOKEN, schedule, store_config
from tests.faults.told import Heard, Progress, key_text, progress

SETTLED_WITHIN_S = 60.0


class Kind(StrEnum):
    LOST = "lost"
    DOUBLED = "doubled"
    HALF = "half"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be. The text names ids and labels only."""

    kind: Kind
    what: str


@dataclass(frozen=True, slots=True)
class Stores:
    station: Store
    hub: Store
    records: Store


@asynccontextmanager
async def open_stores(folder: Path) -> AsyncIterator[Stores]:
    """The databases as the daemon opens them: key, lock, migrations. Raises StartRefused or StoreError."""
    config = store_config(folder)
    async with (
        open_store(station_tables.SCHEMA, config) as station,
        open_store(hub_tables.SCHEMA, config) as hub,
        open_store(records_tables.SCHEMA, config) as records,
    ):
        yield Stores(station, hub, records)


# --- before anything is repaired -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """The rows of the three databases."""

    check_ins: dict[str, Row[Any]]
    tickets: list[Row[Any]]
    messages: list[Row[Any]]
    audited: Counter[str]
    sheets: set[str]
    intents: list[Row[Any]]
    jobs: dict[str, PrintJob]
    tokens: dict[str, int]
    encounters: dict[str, Row[Any]]

    @property
    def labels(self) -> Counter[str]:
        """All tickets are of one business day, so a label stands for one number."""
        return Counter(f"{t.series}{t.number}" for t in self.tickets)


async def examine(stores: Stores, heard: Heard) -> list[Finding]:
    """What is wrong with the databases as they were found."""
    findings = []
    for store, audited in (
        (stores.station, None),
        (stores.hub, hub_tables.audit),
        (stores.records, records_tables.audit),
    ):
        findings += await store.read(lambda c, s=store, a=audited: list(_unsound(c, s.schema.role, a)))  # type: ignore[misc]
    seen = await _look(stores)
    return [*findings, *_halves(seen), *_lost(seen, heard), *_doubled(seen)]


async def _look(stores: Stores) -> _Seen:
    def rows(table: Table) -> Callable[[Connection], list[Row[Any]]]:
        return lambda c: list(c.execute(select(table)))

    def of_station(c: Connection) -> tuple[Any, ...]:
        made = [
            jobs.load(c, JobKey(r.check_in_id, SheetKind(r.kind), r.copy)) for r in rows(station_tables.print_job)(c)
        ]
        return rows(station_tables.intent)(c), made, rows(station_tables.token_counter)(c)

    def of_hub(c: Connection) -> tuple[Any, ...]:
        tables = hub_tables
        return tuple(rows(t)(c) for t in (tables.check_in, tables.ticket, tables.outbox, tables.audit, tables.sheet))

    asked, made, tokens = await stores.station.read(of_station)
    check_ins, tickets, messages, audited, sheets = await stores.hub.read(of_hub)
    encounters = select(records_tables.resource).where(records_tables.resource.c.type == "Encounter")
    stored = await stores.records.read(lambda c: list(c.execute(encounters)))
    return _Seen(
        check_ins={str(row.id): row for row in check_ins},
        tickets=tickets,
        messages=[m for m in messages if m.destination == RECORDS],
        audited=Counter(row.subject for row in audited),
        sheets={key_text(JobKey(row.check_in_id, SheetKind(row.kind), row.copy)) for row in sheets},
        intents=asked,
        jobs={key_text(job.key): job for job in made},
        tokens={row.device: row.last for row in tokens},
        encounters={row.id: row for row in stored},
    )


def _unsound(connection: Connection, role: str, audited: Table | None) -> Iterator[Finding]:
    said = connection.scalars(text("PRAGMA integrity_check")).all()
    if said != ["ok"]:
        yield Finding(Kind.BROKEN, f"{role}: integrity_check says {said[0]}")
    if connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
        yield Finding(Kind.BROKEN, f"{role}: a row refers to one that is not there")
    for chain in audit.verify(connection, audited) if audited is not None else ():
        if chain.problem:
            yield Finding(Kind.BROKEN, f"{role}: audit chain {chain.chain}: {chain.problem}")


def _encounter_id(check_in_id: str) -> str:
    return str(uuid5(NAMESPACE, f"{check_in_id}/encounter"))


def _halves(seen: _Seen) -> Iterator[Finding]:
    """Transactions of which only a part is there, and what one database has before the one that it follows from."""
    with_ticket = Counter(str(ticket.check_in_id) for ticket in seen.tickets)
    with_message = Counter(message.payload["check_in_id"] for message in seen.messages)
    for id_, row in seen.check_ins.items():
        wanted = 1 if row.reason is None else 0
        if (with_ticket[id_], with_message[id_], seen.audited[f"check-in/{id_}"]) != (1, wanted, 1):
            yield Finding(Kind.HALF, f"check-in {id_} without its ticket, its message or its audit entry")
    for id_ in (with_ticket.keys() | with_message.keys()) - seen.check_ins.keys():
        yield Finding(Kind.HALF, f"a ticket or message of check-in {id_}, which is not there")
    for message in seen.messages:
        id_ = message.payload["check_in_id"]
        if message.state == OutboxState.DONE and _encounter_id(id_) not in seen.encounters:
            yield Finding(Kind.HALF, f"check-in {id_} counts as delivered, and records do not have it")
    closed = {str(row.check_in_id) for row in seen.intents if row.answered_at is not None}
    for id_ in {str(job.key.check_in_id) for job in seen.jobs.values()} - closed:
        if id_ not in seen.check_ins:
            yield Finding(Kind.HALF, f"sheets of check-in {id_}, which the hub does not have")


def _lost(seen: _Seen, heard: Heard) -> Iterator[Finding]:
    """What the world was told and the databases do not know."""
    labels = {str(t.check_in_id): f"{t.series}{t.number}" for t in seen.tickets}
    closed = {str(row.check_in_id) for row in seen.intents if row.answered_at is not None}
    for id_, label in heard.replies.items():
        if labels.get(id_) != label:
            yield Finding(Kind.LOST, f"the hub gave {label} to check-in {id_} and has {labels.get(id_)}")
    for id_, label in heard.shown.items():
        if id_ not in closed or label not in labels.values():
            yield Finding(Kind.LOST, f"{label} was shown in session {id_} and is not committed")
    for key, told in heard.jobs.items():
        job = seen.jobs.get(key)
        if job is None or progress(job.state, job.attempts) < told:
            yield Finding(Kind.LOST, f"sheet {key} is {job.state if job else 'gone'} and was told further")
    for device, token in heard.begun.items():
        if seen.tokens.get(device, 0) < token:
            yield Finding(Kind.LOST, f"{device}: sheet {token} was begun and is not known")
    for key in heard.at_desk - seen.sheets:
        yield Finding(Kind.LOST, f"the desk took the word of sheet {key} and does not have it")
    for id_ in heard.stored:
        if _encounter_id(id_) not in seen.encounters:
            yield Finding(Kind.LOST, f"records answered for check-in {id_} and do not have it")
    done = {m.payload["check_in_id"] for m in seen.messages if m.state == OutboxState.DONE}
    for id_ in heard.delivered - done:
        yield Finding(Kind.LOST, f"check-in {id_} was told to be in the record and counts as open")


def _doubled(seen: _Seen) -> Iterator[Finding]:
    for label, count in seen.labels.items():
        if count > 1:
            yield Finding(Kind.DOUBLED, f"number {label} was given {count} times")
    for appointment, count in Counter(r.appointment_id for r in seen.check_ins.values() if r.appointment_id).items():
        if count > 1:
            yield Finding(Kind.DOUBLED, f"appointment {appointment} was checked in {count} times")


# --- recovery --------------------------------------------------------------------------------------------------


class Recovery:
    """The recovery of a start, again and again: one server and one client serve any number of databases."""

    def __init__(self, client: FhirClient, clock: Callable[[], datetime]) -> None:
        self._destination = FhirDestination(client, RULES.hub.appointment_target)
        self._clock = clock
        self.app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    async def run(self, stores: Stores, heard: Heard, before: _Seen | None = None) -> list[Finding]:
        """Let station, hub and outbox recover, and look whether every check-in, sheet and record is settled."""
        before = before or await _look(stores)
        self.app = fhir_app(Records(stores.records, News(), SITE.zone, now=self._clock), TOKEN)
        site = Site(stores.hub, schedule(), RULES, News(), self._clock)
        queue = PrintQueue(STATION, stores.station, site, News(), self._clock)
        printers = Printers(("tickets", PaperPrinter()), ("bands", PaperPrinter()))
        checkins = CheckIns(SITE, stores.station, site, printers, self._clock, lambda _, english: english)
        kiosk = Kiosk(STATION, SITE, site, checkins, queue, News(), self._clock)
        await queue.recover()
        await kiosk.recover()
        await self._deliver(stores.hub, site)
        after = await _look(stores)
        still_open = await stores.station.read(intents.open_intents)
        findings = [Finding(Kind.LOST, f"intent {request.check_in_id} is open for ever") for request in still_open]
        findings += [*_halves(after), *_lost(after, heard), *_doubled(after)]
        return [*findings, *_unsettled(before, after), *_wrong_records(after)]

    async def _deliver(self, hub: Store, site: Site) -> None:
        """Until the outbox is empty."""
        is_open = select(hub_tables.outbox.c.id).where(
            hub_tables.outbox.c.destination == RECORDS, hub_tables.outbox.c.state == OutboxState.PENDING
        )
        waiting = set(await hub.read(lambda c: c.scalars(is_open).all()))
        settled = asyncio.Event()

        def committed(message: OutboxMessage, state: OutboxState, error: str) -> None:
            assert state is OutboxState.DONE, f"a record was not taken: {error}"
            waiting.discard(message.id)
            if not waiting:
                settled.set()

        if not waiting:
            return
        worker = run_worker(
            hub,
            hub_tables.outbox,
            RECORDS,
            self._destination,
            self._clock,
            settled=site.record_settled,
            committed=committed,
        )
        async with worker, asyncio.timeout(SETTLED_WITHIN_S):
            await settled.wait()


@asynccontextmanager
async def recovery(clock: Callable[[], datetime]) -> AsyncIterator[Recovery]:
    """A ``Recovery`` with its server running. ``clock``: later than everything in the databases."""

    async def switch(scope: Any, receive: Any, send: Any) -> None:
        await made[0](scope, receive, send)

    made: list[Recovery] = []
    async with AsyncExitStack() as parts:
        address = await parts.enter_async_context(serve(switch, "127.0.0.1", 0))
        client = await parts.enter_async_context(FhirClient(f"{address.url}/fhir", TOKEN))
        made.append(Recovery(client, clock))
        yield made[0]


def _unsettled(before: _Seen, after: _Seen) -> Iterator[Finding]:
    """Sheets: every one is over, and none that had begun was set back to where it would be sent again."""
    for key, job in after.jobs.items():
        was = before.jobs.get(key)
        if not job.is_over:
            yield Finding(Kind.LOST, f"sheet {key} is {job.state} for ever")
        if was and was.state in {PrintState.SENDING, PrintState.SENT} and job.state is not PrintState.UNKNOWN:
            yield Finding(Kind.DOUBLED, f"sheet {key} may have come out and is {job.state}")
        if was is None and job.state is not PrintState.EXPIRED:
            yield Finding(Kind.DOUBLED, f"sheet {key} of a patient who has gone is {job.state}")


def _wrong_records(after: _Seen) -> Iterator[Finding]:
    """Every check-in is in the record, once: one Encounter under the derived id, in its first version."""
    wanted = {_encounter_id(id_) for id_, row in after.check_ins.items() if row.reason is None}
    for id_ in wanted - after.encounters.keys():
        yield Finding(Kind.LOST, f"Encounter {id_} never came")
    for id_ in after.encounters.keys() - wanted:
        yield Finding(Kind.DOUBLED, f"Encounter {id_} is of no check-in")
    for id_ in wanted & after.encounters.keys():
        if after.encounters[id_].version != 1:
            yield Finding(Kind.DOUBLED, f"Encounter {id_} was written {after.encounters[id_].version} times")


def progress_of(jobs_: Iterable[PrintJob]) -> dict[str, Progress]:
    return {key_text(job.key): progress(job.state, job.attempts) for job in jobs_}


def sheets_of(seen: Iterable[PrintJob], check_in_id: UUID) -> list[PrintJob]:
    return [job for job in seen if job.key.check_in_id == check_in_id]
