"""What must be found in the databases after a process died or the power went, given what the world had been told.

``examine`` looks before anything is repaired: each database sound, every transaction whole, everything told still
there. ``recover`` then lets the station's, the hub's and the outbox's own recovery run, and looks again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import uuid5

from sqlalchemy import Connection, Row, Table, select, text

from kioskd.core.printing import PrintJob, PrintState
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
from kioskd.station import jobs
from kioskd.station import tables as station_tables
from kioskd.station.checkins import CheckIns
from kioskd.station.kiosk import Kiosk
from kioskd.station.printing import PrintQueue
from kioskd.store import Store, audit, open_store
from kioskd.store.heads import HeadFile
from kioskd.store.outbox import OutboxState
from kioskd.web.server import serve
from tests.fakes import PaperPrinter
from tests.faults.desk_life import RULES, SITE, STATION, TOKEN, schedule, store_config
from tests.faults.told import Heard, key_text, progress
from tests.station_jobs import job_maker

SETTLED_WITHIN_S = 60.0


_SCHEDULE = schedule()


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
class Seen:
    """The rows of the three databases, as far as they are compared."""

    check_ins: dict[str, Row[Any]]
    labels: dict[str, str]
    """Check-in to label of its ticket. All are of one business day, so a label stands for one number."""
    messages: list[Row[Any]]
    audited: Counter[str]
    sheets: set[str]
    closed: set[str]
    """Check-ins whose intent is answered."""
    asked: set[str]
    """Those whose intent is open."""
    jobs: dict[str, PrintJob]
    tokens: dict[str, int]
    encounters: dict[str, int]
    """Id to version."""

    @property
    def state(self) -> int:
        """The same for the same content, whatever the files look like: a recovery finds the same to do."""
        done = [(key, job.state, job.attempts) for key, job in self.jobs.items()]
        sent = [message.state for message in self.messages]
        names = (self.check_ins, self.closed, self.asked, self.sheets, self.encounters)
        return hash((*map(frozenset, names), tuple(done), tuple(sent), tuple(self.tokens.items())))


async def examine(folder: Path, stores: Stores, heard: Heard) -> tuple[Seen, list[Finding]]:
    """The databases as they were found, and what is wrong with them."""
    audited = {"station": None, "hub": hub_tables.audit, "records": records_tables.audit}
    findings: list[Finding] = []
    for store in (stores.station, stores.hub, stores.records):
        role = store.schema.role
        findings += await store.read(lambda c, r=role: list(_unsound(c, r, audited[r])))  # type: ignore[misc]
    findings += list(_contradicted(folder))
    seen = await look(stores)
    return seen, [*findings, *_halves(seen), *_lost(seen, heard), *_doubled(seen)]


def _contradicted(folder: Path) -> Iterator[Finding]:
    """Ends of audit chains that were noted beside a database (compared when it opened) and are not in it."""
    for role in ("hub", "records"):
        noted = HeadFile(role, store_config(folder)).read()
        if noted.problem or (folder / "data" / f"{role}.heads-refused").exists():
            yield Finding(Kind.BROKEN, f"{role}: the noted ends of the audit trail are not believed: {noted.problem}")
        for head in noted.contradicted:
            yield Finding(Kind.LOST, f"{role}: entry {head.sequence} of the audit trail was noted and is gone")


async def look(stores: Stores) -> Seen:
    made, asked, tokens = await stores.station.read(_look_at_station)
    check_ins, tickets, messages, audited, sheets = await stores.hub.read(_look_at_hub)
    resource = records_tables.resource.c
    encounters = select(resource.id, resource.version).where(resource.type == "Encounter")
    stored = await stores.records.read(lambda c: c.execute(encounters).all())
    return Seen(
        check_ins={str(row.id): row for row in check_ins},
        labels={str(row.check_in_id): f"{row.series}{row.number}" for row in tickets},
        messages=messages,
        audited=Counter(audited),
        sheets={f"{row.check_in_id}/{row.kind}/{row.copy}" for row in sheets},
        closed={str(row.check_in_id) for row in asked if row.answered_at is not None},
        asked={str(row.check_in_id) for row in asked if row.answered_at is None},
        jobs={key_text(job.key): job for job in made},
        tokens={row.device: row.last for row in tokens},
        encounters={row.id: row.version for row in stored},
    )


def _look_at_station(connection: Connection) -> tuple[Any, ...]:
    intent = station_tables.intent.c
    asked = select(intent.check_in_id, intent.answered_at)
    made = jobs.made_since(connection, datetime.min.replace(tzinfo=UTC))
    return made, connection.execute(asked).all(), connection.execute(select(station_tables.token_counter)).all()


def _look_at_hub(connection: Connection) -> tuple[Any, ...]:
    check_in, ticket, sheet = hub_tables.check_in.c, hub_tables.ticket.c, hub_tables.sheet.c
    message, audited = hub_tables.outbox.c, hub_tables.audit.c
    return (
        connection.execute(select(check_in.id, check_in.reason, check_in.appointment_id)).all(),
        connection.execute(select(ticket.check_in_id, ticket.series, ticket.number)).all(),
        connection.execute(select(message.state, message.payload).where(message.destination == RECORDS)).all(),
        connection.scalars(select(audited.subject)).all(),
        connection.execute(select(sheet.check_in_id, sheet.kind, sheet.copy)).all(),
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


def _halves(seen: Seen) -> Iterator[Finding]:
    """Transactions of which only a part is there, and what one database has before the one that it follows from."""
    with_message = Counter(message.payload["check_in_id"] for message in seen.messages)
    for id_, row in seen.check_ins.items():
        wanted = 1 if row.reason is None else 0
        if (id_ in seen.labels, with_message[id_], seen.audited[f"check-in/{id_}"]) != (True, wanted, 1):
            yield Finding(Kind.HALF, f"check-in {id_} without its ticket, its message or its audit entry")
    for id_ in (seen.labels.keys() | with_message.keys()) - seen.check_ins.keys():
        yield Finding(Kind.HALF, f"a ticket or message of check-in {id_}, which is not there")
    for message in seen.messages:
        id_ = message.payload["check_in_id"]
        if message.state == OutboxState.DONE and _encounter_id(id_) not in seen.encounters:
            yield Finding(Kind.HALF, f"check-in {id_} counts as delivered, and records do not have it")
    for id_ in {str(job.key.check_in_id) for job in seen.jobs.values()}:
        if id_ not in seen.check_ins or id_ not in seen.closed:
            yield Finding(Kind.HALF, f"sheets of check-in {id_}, which the hub does not have or which is still asked")
    for id_ in (seen.closed & seen.check_ins.keys()) - {str(job.key.check_in_id) for job in seen.jobs.values()}:
        yield Finding(Kind.HALF, f"check-in {id_} is answered and has no sheet")


def _lost(seen: Seen, heard: Heard) -> Iterator[Finding]:
    """What the world was told and the databases do not know."""
    labels = set(seen.labels.values())
    for id_, label in heard.replies.items():
        if seen.labels.get(id_) != label:
            yield Finding(Kind.LOST, f"the hub gave {label} to check-in {id_} and has {seen.labels.get(id_)}")
    for id_, label in heard.shown.items():
        if id_ not in seen.closed or label not in labels:
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


def _doubled(seen: Seen) -> Iterator[Finding]:
    for label, count in Counter(seen.labels.values()).items():
        if count > 1:
            yield Finding(Kind.DOUBLED, f"number {label} was given {count} times")
    for appointment, count in Counter(r.appointment_id for r in seen.check_ins.values() if r.appointment_id).items():
        if count > 1:
            yield Finding(Kind.DOUBLED, f"appointment {appointment} was checked in {count} times")


# --- recovery --------------------------------------------------------------------------------------------------


class _Switch:
    """A web app that can be replaced by another."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Recovery:
    """The recovery of a start, again and again: one server and one client serve any number of databases."""

    def __init__(self, client: FhirClient, clock: Callable[[], datetime], served: _Switch) -> None:
        self._destination = FhirDestination(client, RULES.hub.appointment_target)
        self._clock = clock
        self._served = served

    async def run(self, stores: Stores, before: Seen, heard: Heard) -> list[Finding]:
        """Let station, hub and outbox recover, and look whether every check-in, sheet and record is settled."""
        self._served.app = fhir_app(Records(stores.records, News(), SITE.zone, now=self._clock), TOKEN)
        site = Site(stores.hub, _SCHEDULE, RULES, News(), self._clock)
        queue = PrintQueue(STATION, stores.station, site, News(), self._clock)
        checkins = CheckIns(stores.station, site, job_maker(SITE, PaperPrinter(), PaperPrinter()), self._clock)
        kiosk = Kiosk(STATION, SITE, site, checkins, queue, News(), self._clock)
        await queue.recover()
        await kiosk.recover()
        await self._deliver(stores.hub, site)
        after = await look(stores)
        return unsettled(before, after, heard)

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

    switch = _Switch()
    async with serve(switch, "127.0.0.1", 0) as address, FhirClient(f"{address.url}/fhir", TOKEN) as client:
        yield Recovery(client, clock, switch)


def unsettled(before: Seen, after: Seen, heard: Heard) -> list[Finding]:
    """What is wrong after a recovery, given what there was before it."""
    findings = [Finding(Kind.LOST, f"intent {id_} is open for ever") for id_ in after.asked]
    findings += [*_halves(after), *_lost(after, heard), *_doubled(after)]
    return [*findings, *_open_sheets(before, after), *_wrong_records(after)]


def _open_sheets(before: Seen, after: Seen) -> Iterator[Finding]:
    """Sheets: every one is over, and none that had begun was set back to where it would be sent again."""
    for key, job in after.jobs.items():
        was = before.jobs.get(key)
        if not job.is_over:
            yield Finding(Kind.LOST, f"sheet {key} is {job.state} for ever")
        may_be_out = was is not None and was.state in {PrintState.SENDING, PrintState.SENT}
        if may_be_out and job.state not in {PrintState.UNKNOWN, PrintState.PRINTED}:
            yield Finding(Kind.DOUBLED, f"sheet {key} may have come out and is {job.state}")
        if was is None and job.state is not PrintState.EXPIRED:
            yield Finding(Kind.DOUBLED, f"sheet {key} of a patient who has gone is {job.state}")


def _wrong_records(after: Seen) -> Iterator[Finding]:
    """Every check-in is in the record, once: one Encounter under the derived id, in its first version."""
    wanted = {_encounter_id(id_) for id_, row in after.check_ins.items() if row.reason is None}
    for id_ in wanted - after.encounters.keys():
        yield Finding(Kind.LOST, f"Encounter {id_} never came")
    for id_ in after.encounters.keys() - wanted:
        yield Finding(Kind.DOUBLED, f"Encounter {id_} is of no check-in")
    for id_ in wanted & after.encounters.keys():
        if after.encounters[id_] != 1:
            yield Finding(Kind.DOUBLED, f"Encounter {id_} was written {after.encounters[id_]} times")
