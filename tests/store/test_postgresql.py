from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from kioskd.config import StoreConfig
from kioskd.errors import StartRefused, StoreError
from kioskd.store import open_store
from tests.store.notebook import SCHEMA, add_note, numbers
from tests.store.postgres import Postgres


@pytest.fixture
def config(postgres: Postgres) -> StoreConfig:
    return StoreConfig(url=postgres.new_database())


def backend(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


async def test_the_writer_recovers_after_its_backend_was_terminated(config: StoreConfig, postgres: Postgres):
    async with open_store(SCHEMA, config) as store:
        await store.write(lambda c: add_note(c, 1, "first"))
        before = await store.write(backend)
        postgres.execute(f"SELECT pg_terminate_backend({before}, 5000)")
        with pytest.raises(StoreError):
            await store.write(lambda c: add_note(c, 2, "lost with its connection"))
        await store.write(lambda c: add_note(c, 3, "third"))
        assert await store.write(backend) != before
        assert await store.read(numbers) == ([1, 3], [1, 3], ["note/1", "note/3"])


async def test_a_backend_terminated_in_a_transaction_takes_all_of_it(config: StoreConfig, postgres: Postgres):
    def cut(connection: Connection) -> None:
        add_note(connection, 1, "first")
        postgres.execute(f"SELECT pg_terminate_backend({backend(connection)}, 5000)")

    async with open_store(SCHEMA, config) as store:
        with pytest.raises(StoreError):
            await store.write(cut)
        assert await store.read(numbers) == ([], [], [])


async def test_the_reader_recovers_after_its_backend_was_terminated(config: StoreConfig, postgres: Postgres):
    async with open_store(SCHEMA, config) as store:
        await store.write(lambda c: add_note(c, 1, "first"))
        postgres.execute(f"SELECT pg_terminate_backend({await store.read(backend)}, 5000)")
        with pytest.raises(StoreError):
            await store.read(numbers)
        assert (await store.read(numbers))[0] == [1]


async def test_a_daemon_that_lost_the_database_to_another_one_can_not_write(config: StoreConfig, postgres: Postgres):
    async with open_store(SCHEMA, config) as first:
        postgres.execute(f"SELECT pg_terminate_backend({await first.write(backend)}, 5000)")
        async with open_store(SCHEMA, config) as second:
            with pytest.raises(StoreError):
                await first.write(lambda c: add_note(c, 1, "on the dead connection"))
            with pytest.raises(StartRefused, match="in use by"):
                await first.write(lambda c: add_note(c, 1, "without the lock"))
            await second.write(lambda c: add_note(c, 2, "the holder writes"))
        await first.write(lambda c: add_note(c, 3, "free again"))
        assert (await first.read(numbers))[0] == [2, 3]


async def test_the_same_role_in_two_databases_of_one_server_is_two_daemons(postgres: Postgres):
    one, two = (StoreConfig(url=postgres.new_database()) for _ in range(2))
    async with open_store(SCHEMA, one) as first, open_store(SCHEMA, two) as second:
        await first.write(lambda c: add_note(c, 1, "first"))
        assert await second.read(numbers) == ([], [], [])


async def test_a_server_that_is_not_there_refuses_the_start_without_the_password(tmp_path: Path):
    config = StoreConfig(url=f"postgresql+psycopg://kioskd:hunter2@/kioskd?host={tmp_path}")
    with pytest.raises(StartRefused, match=r"store\.url") as refused:
        async with open_store(SCHEMA, config):
            pytest.fail("opened nothing")
    assert "hunter2" not in str(refused.value)


async def test_commits_wait_for_the_disk(config: StoreConfig):
    async with open_store(SCHEMA, config) as store:
        assert await store.write(lambda c: c.scalar(text("SHOW synchronous_commit"))) == "on"
        assert await store.write(lambda c: c.scalar(text("SHOW timezone"))) == "UTC"
