"""A store without room, read-only, damaged, or that does not answer. With whole processes: tests/faults."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from kioskd.config import StoreConfig
from kioskd.errors import StartRefused, StoreError, StoreLost, StoreUnwritable
from kioskd.store import Store, StoreState, open_store
from kioskd.store.reserve import Reserve
from tests.faults.bad_disk import small_disk, why_no_mount
from tests.store.notebook import SCHEMA, add_note, numbers
from tests.store.test_store import write_until_killed

SMALL = 1 << 20


async def until(store: Store, state: StoreState) -> None:
    async with asyncio.timeout(20):
        while store.health.state is not state:  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.02)


def limit_pages(connection: Connection, more: int) -> None:
    """From now on SQLite answers SQLITE_FULL when the database would need more than ``more`` new pages."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar() or 0
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")


def add_much(connection: Connection, first: int) -> None:
    for number in range(first, first + 100):
        add_note(connection, number, f"{number} " + "x" * 190)


def test_a_reserve_is_really_allocated_and_freed(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "hub.db", SMALL)
    assert reserve.take() == ""
    assert reserve.take() == ""
    assert reserve.path.stat().st_blocks * 512 >= SMALL
    assert reserve.path.stat().st_mode & 0o777 == 0o600
    assert reserve.give_up()
    assert not reserve.path.exists()
    assert not reserve.give_up()


def test_a_reserve_of_another_size_is_made_anew(tmp_path: Path) -> None:
    assert Reserve(tmp_path / "hub.db", SMALL).take() == ""
    assert Reserve(tmp_path / "hub.db", 2 * SMALL).take() == ""
    assert (tmp_path / "hub.db.reserve").stat().st_size == 2 * SMALL


def test_a_reserve_that_would_take_the_last_room_is_not_taken(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "hub.db", 1 << 50)
    assert "MB are free" in reserve.take()
    assert not reserve.is_held


async def test_on_a_full_disk_the_reserve_is_given_up_and_the_work_done_again(
    sqlite_config: StoreConfig,
) -> None:
    reserve, attempts = sqlite_config.folder / "notebook.db.reserve", []

    def full_at_first(connection: Connection) -> None:
        attempts.append(reserve.exists())
        limit_pages(connection, 1 if len(attempts) == 1 else 1000)
        add_much(connection, 1)

    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(full_at_first)
        assert attempts == [True, False]
        assert store.health.state is StoreState.SHORT_OF_SPACE
        assert "the disk is full; working in the reserve of 8 MB" in store.health.what
        assert (await store.read(numbers))[0] == list(range(1, 101))
        await until(store, StoreState.OK)
        assert reserve.exists()


async def test_without_a_reserve_nothing_is_stored_until_there_is_room_again(sqlite_config: StoreConfig) -> None:
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: limit_pages(c, 1))
        with pytest.raises(StoreUnwritable, match=r"disk is full; make room on the disk of .*notebook\.db"):
            await store.write(lambda c: add_much(c, 1))
        assert store.health.state is StoreState.FULL
        assert await store.read(numbers) == ([], [], [])
        await store.write(lambda c: limit_pages(c, 1000))
        await until(store, StoreState.OK)
        await store.write(lambda c: add_much(c, 1))
        assert len((await store.read(numbers))[0]) == 100


async def test_a_database_that_became_read_only_is_opened_again(sqlite_config: StoreConfig) -> None:
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: c.exec_driver_sql("PRAGMA query_only = ON"))
        with pytest.raises(StoreUnwritable, match="writable again"):
            await store.write(lambda c: add_note(c, 1, "first"))
        assert store.health.state is StoreState.READ_ONLY
        await until(store, StoreState.OK)
        await store.write(lambda c: add_note(c, 1, "first"))


async def test_a_change_of_health_is_logged_once(sqlite_config: StoreConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kioskd.store.health")
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: limit_pages(c, 1))
        for _ in range(3):
            with pytest.raises(StoreUnwritable):
                await store.write(lambda c: add_much(c, 1))
        await store.write(lambda c: limit_pages(c, 1000))
        await until(store, StoreState.OK)
    told = [record.levelname for record in caplog.records if record.name == "kioskd.store.health"]
    assert told == ["ERROR", "ERROR", "INFO"]  # the reserve, nothing any more, well again


async def test_a_store_that_does_not_answer_ends_who_uses_it(sqlite_config: StoreConfig) -> None:
    let_go = threading.Event()

    def hang(_: Connection) -> None:
        let_go.wait(20)

    async def use() -> None:
        async with open_store(SCHEMA, sqlite_config):
            pass  # the tables are there: what follows is quick
        async with open_store(SCHEMA, sqlite_config, within_s=2.0) as store:
            with pytest.raises(StoreLost):
                await store.write(hang)
            assert store.health.state is StoreState.FAILED
            with pytest.raises(StoreLost):
                await store.read(numbers)
            await asyncio.Event().wait()

    try:
        async with asyncio.timeout(40):
            with pytest.RaisesGroup(StoreLost):
                await use()
    finally:
        let_go.set()


async def test_running_out_of_memory_costs_the_transaction_only(sqlite_config: StoreConfig) -> None:
    def exhaust(connection: Connection) -> None:
        add_note(connection, 1, "first")
        raise MemoryError

    async with open_store(SCHEMA, sqlite_config) as store:
        with pytest.raises(StoreError, match="out of memory"):
            await store.write(exhaust)
        await store.write(lambda c: add_note(c, 2, "second"))
        assert await store.read(numbers) == ([2], [2], ["note/2"])


async def test_a_database_that_was_not_closed_is_checked_and_one_that_was_is_not(
    sqlite_config: StoreConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kioskd.store.check")
    await asyncio.to_thread(write_until_killed, sqlite_config, 3)
    async with open_store(SCHEMA, sqlite_config):
        pass
    assert [r.getMessage().partition(";")[0] for r in caplog.records if r.name == "kioskd.store.check"] == [
        f"{sqlite_config.folder / 'notebook.db'} was not closed when it ended last"
    ]
    caplog.clear()
    async with open_store(SCHEMA, sqlite_config):
        pass
    assert not [r for r in caplog.records if r.name == "kioskd.store.check"]


async def test_a_damaged_database_refuses_the_start_and_says_what_to_do(sqlite_config: StoreConfig) -> None:
    path = sqlite_config.folder / "notebook.db"
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: add_much(c, 1000))
        await store.write(lambda c: c.execute(text("UPDATE note SET text = text || 'y'")))
    await asyncio.to_thread(write_until_killed, sqlite_config, 3)
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)
    path.write_bytes(content)
    with pytest.raises(StartRefused, match=r"notebook\.db is damaged .* Restore it from the last backup"):
        async with open_store(SCHEMA, sqlite_config):
            pytest.fail("a damaged database was used")


@pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount() or "")
async def test_a_read_only_file_system_refuses_the_start_with_words(tmp_path: Path, sqlite_config: StoreConfig) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    config = sqlite_config.model_copy(update={"folder": folder, "reserve_mb": 1})
    with small_disk(folder, 8) as disk:
        async with open_store(SCHEMA, config) as store:
            await store.write(lambda c: add_note(c, 1, "first"))
        disk.remount("ro")
        assert not Reserve(folder / "notebook.db", SMALL).has_some_room()
        with pytest.raises(StartRefused, match=r"store\.folder .* can't be used: Read-only file system"):
            async with open_store(SCHEMA, config):
                pytest.fail("opened on a read-only file system")
        disk.remount("rw")
        async with open_store(SCHEMA, config) as store:
            assert (await store.read(numbers))[0] == [1]


@pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount() or "")
async def test_it_starts_on_a_full_disk_and_says_so(tmp_path: Path, sqlite_config: StoreConfig) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    config = sqlite_config.model_copy(update={"folder": folder, "reserve_mb": 1})
    with small_disk(folder, 8) as disk:
        async with open_store(SCHEMA, config) as store:
            await store.write(lambda c: add_note(c, 1, "first"))
        (folder / "notebook.db.reserve").unlink()
        disk.fill()
        with pytest.raises(StoreError):
            async with open_store(SCHEMA, config) as store:
                await store.write(lambda c: add_much(c, 2))
        disk.free()
        async with open_store(SCHEMA, config) as store:
            assert (await store.read(numbers))[0] == [1]
