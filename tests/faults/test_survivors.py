"""The examination of what a power cut or a kill left behind sees each kind of damage."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Executable

from kioskd.core.printing import PrintState
from kioskd.hub import tables as hub_tables
from kioskd.records import tables as records_tables
from kioskd.station import tables as station_tables
from tests.fakes import PaperPrinter
from tests.faults.desk_life import open_desk, running_clock
from tests.faults.survivors import Finding, Kind, Seen, Stores, examine, look, open_stores, unsettled
from tests.faults.told import Heard, heard_in, teller


@dataclass
class Left:
    """The databases after one patient, and what was told."""

    folder: Path
    stores: Stores
    heard: Heard

    async def findings(self) -> list[Finding]:
        return (await examine(self.folder, self.stores, self.heard))[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of databases after one patient."""
    folder = tmp_path_factory.mktemp("served")

    async def life() -> None:
        async with open_desk(folder, teller(folder), PaperPrinter(), PaperPrinter(), running_clock()) as desk:
            await desk.serve(1)
            await desk.settled()

    asyncio.run(life())
    return folder


@pytest_asyncio.fixture
async def left(served: Path, tmp_path: Path) -> AsyncIterator[Left]:
    folder = shutil.copytree(served, tmp_path / "left")
    async with open_stores(folder) as stores:
        yield Left(folder, stores, heard_in(folder))


async def test_after_a_patient_was_served_nothing_is_wrong(left: Left) -> None:
    assert await left.findings() == []
    seen = await look(left.stores)
    assert unsettled(seen, seen, left.heard) == []
    assert (len(left.heard.replies), len(left.heard.shown), len(left.heard.jobs)) == (1, 1, 2)
    assert len(left.heard.stored) == len(left.heard.delivered) == 1
    assert left.heard.begun == {"tickets": 1, "bands": 1}


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        (Kind.HALF, hub_tables.ticket.delete()),
        (Kind.HALF, hub_tables.outbox.delete()),
        (Kind.HALF, hub_tables.audit.delete()),
        (Kind.BROKEN, hub_tables.audit.update().values(actor="somebody else")),
        (Kind.LOST, hub_tables.sheet.delete()),
        (Kind.LOST, hub_tables.outbox.update().values(state="pending")),
        (Kind.LOST, hub_tables.ticket.update().values(number=99)),
    ],
    ids=["no ticket", "no message", "no audit", "audit changed", "no sheet", "not delivered", "another number"],
)
async def test_damage_in_the_hub_is_found(left: Left, kind: Kind, damage: Executable) -> None:
    await left.stores.hub.write(lambda c: c.execute(damage))
    assert kind in {finding.kind for finding in await left.findings()}


@pytest.mark.parametrize(
    "damage",
    [
        station_tables.print_job.delete(),
        station_tables.print_job.update().values(state=PrintState.QUEUED, attempts=0),
        station_tables.intent.update().values(answered_at=None),
        station_tables.intent.delete(),
        station_tables.token_counter.update().values(last=0),
    ],
    ids=["no sheets", "sheets not begun", "intent open", "no intent", "token not counted"],
)
async def test_a_step_back_in_the_station_is_found(left: Left, damage: Executable) -> None:
    await left.stores.station.write(lambda c: c.execute(damage))
    assert Kind.LOST in {finding.kind for finding in await left.findings()}


async def test_a_record_that_is_gone_is_found(left: Left) -> None:
    tables = records_tables
    for table in (tables.token, tables.date_range, tables.reference, tables.resource):
        gone = table.delete().where(table.c.type == "Encounter")
        await left.stores.records.write(lambda c, g=gone: c.execute(g))  # type: ignore[misc]
    assert {finding.kind for finding in await left.findings()} == {Kind.HALF, Kind.LOST}


async def test_a_sheet_that_would_print_again_is_found_after_a_recovery(left: Left) -> None:
    seen = await look(left.stores)

    def with_sheets(state: PrintState) -> Seen:
        return replace(seen, jobs={key: replace(job, state=state) for key, job in seen.jobs.items()})

    found = unsettled(with_sheets(PrintState.SENT), with_sheets(PrintState.QUEUED), Heard())
    assert {finding.kind for finding in found} == {Kind.LOST, Kind.DOUBLED}
    assert unsettled(with_sheets(PrintState.SENT), with_sheets(PrintState.UNKNOWN), Heard()) == []


async def test_a_number_given_twice_and_a_record_written_twice_are_found(left: Left) -> None:
    seen = await look(left.stores)
    twice = replace(seen, labels={**seen.labels, "another": "A1"}, encounters=dict.fromkeys(seen.encounters, 2))
    assert sum(finding.kind is Kind.DOUBLED for finding in unsettled(twice, twice, Heard())) == 2
