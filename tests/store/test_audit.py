from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from kioskd.config import StoreConfig
from kioskd.store import AuditEntry, Store, audit, open_store
from tests.store.notebook import AUDIT, NOW, SCHEMA

ENTRY = AuditEntry("staff:anna", "view", "queue", NOW, {"rows": 3})


async def write_three(store: Store) -> None:
    for number in (1, 2, 3):
        await store.write(lambda c, number=number: audit.append(c, AUDIT, replace(ENTRY, subject=f"check-in/{number}")))


async def problem_after(store_config: StoreConfig, *tampering: Any) -> str:
    """What verify says of a chain of three after somebody with access to the database ran these statements."""

    def tamper(connection: Connection) -> None:
        for statement in tampering:
            connection.execute(statement)

    async with open_store(SCHEMA, store_config) as store:
        await write_three(store)
        await store.write(tamper)
        [report] = await store.read(lambda c: audit.verify(c, AUDIT))
        return report.problem


async def test_an_untouched_chain_is_whole_and_its_head_can_be_noted_down(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        assert await store.read(lambda c: audit.verify(c, AUDIT)) == []
        await write_three(store)
        [report] = await store.read(lambda c: audit.verify(c, AUDIT))
        head = await store.read(lambda c: c.scalar(select(AUDIT.c.hash).where(AUDIT.c.sequence == 3)))
    assert report == audit.ChainReport("main", 3, head, "")


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "staff:bert"},
        {"action": "nothing"},
        {"subject": "check-in/9"},
        {"detail": {"rows": 4}},
        {"at": NOW + timedelta(microseconds=1)},
        {"hash": "f" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_changed_entry_is_found(store_config: StoreConfig, change: dict[str, Any]):
    problem = await problem_after(store_config, update(AUDIT).where(AUDIT.c.sequence == 2).values(**change))
    assert problem == "entry 2 was changed"


async def test_a_removed_entry_is_found(store_config: StoreConfig):
    problem = await problem_after(store_config, delete(AUDIT).where(AUDIT.c.sequence == 2))
    assert problem == "entry 2 is missing; entry 3 follows 1"


async def test_an_entry_that_was_removed_and_the_gap_closed_is_found(store_config: StoreConfig):
    problem = await problem_after(
        store_config,
        delete(AUDIT).where(AUDIT.c.sequence == 2),
        update(AUDIT).where(AUDIT.c.sequence == 3).values(sequence=2),
    )
    assert problem == "entry 2 does not follow the entry before it"


async def test_an_inserted_entry_is_found(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        await write_three(store)

        def insert_forged(connection: Connection) -> None:
            connection.execute(update(AUDIT).where(AUDIT.c.sequence == 3).values(sequence=4))
            second = connection.execute(select(AUDIT).where(AUDIT.c.sequence == 2)).one()
            values = dict(second._mapping) | {"id": 99, "sequence": 3, "previous": second.hash}
            connection.execute(insert(AUDIT).values(values))

        await store.write(insert_forged)
        [report] = await store.read(lambda c: audit.verify(c, AUDIT))
    assert report.problem == "entry 3 was changed"


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"text": 'Zoë "quoted" \\ \n 漢字 😀', "empty": ""},
        {"number": 0.1, "big": 2**63, "tiny": 1e-300, "minus": -0.0, "yes": True, "none": None},
        {"nested": {"b": [1, {"z": 1, "a": [[]]}], "a": ()}},
        {10: "keys that are numbers", 9: "sort differently", "8": "as text"},
    ],
    ids=["empty", "text", "numbers", "nested", "number keys"],
)
async def test_any_json_detail_survives_its_way_through_the_database(store_config: StoreConfig, detail: dict[str, Any]):
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: audit.append(c, AUDIT, replace(ENTRY, detail=detail)))
        [report] = await store.read(lambda c: audit.verify(c, AUDIT))
    assert (report.entries, report.problem) == (1, "")


async def test_an_entry_with_a_local_time_is_whole_when_it_is_read_in_utc(store_config: StoreConfig):
    local = replace(ENTRY, at=NOW.astimezone(timezone(timedelta(hours=2))))
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: audit.append(c, AUDIT, local))
        [report] = await store.read(lambda c: audit.verify(c, AUDIT))
    assert report.problem == ""


async def test_each_chain_is_checked_on_its_own(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        for chain in ("one", "two", "one"):
            await store.write(lambda c, chain=chain: audit.append(c, AUDIT, ENTRY, chain))
        await store.write(lambda c: c.execute(update(AUDIT).where(AUDIT.c.chain == "two").values(actor="nobody")))
        reports = await store.read(lambda c: audit.verify(c, AUDIT))
    assert [(r.chain, r.entries, r.problem) for r in reports] == [("one", 2, ""), ("two", 0, "entry 1 was changed")]
