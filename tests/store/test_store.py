"""What every role relies on, on both engines."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, inspect, select, text, update
from sqlalchemy.exc import StatementError

from kioskd.config import StoreConfig
from kioskd.errors import StartRefused, StoreError
from kioskd.store import Schema, open_store, outbox
from kioskd.store.migrate import revision_of
from tests.store.notebook import AUDIT, METADATA, NOTE, NOW, OUTBOX, SCHEMA, add_note, numbers

ROOT = Path(__file__).parents[2]


async def test_state_outbox_and_audit_are_one_transaction(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: add_note(c, 1, "first"))
        assert await store.read(numbers) == ([1], [1], ["note/1"])


async def test_an_exception_in_the_middle_leaves_nothing(store_config: StoreConfig):
    def fail(connection: Connection) -> None:
        add_note(connection, 1, "first")
        raise LookupError("after all three were written")

    async with open_store(SCHEMA, store_config) as store:
        with pytest.raises(LookupError):
            await store.write(fail)
        assert await store.read(numbers) == ([], [], [])
        await store.write(lambda c: add_note(c, 1, "again"))
        assert await store.read(numbers) == ([1], [1], ["note/1"])


async def test_a_constraint_refuses_the_whole_transaction_and_the_store_goes_on(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: add_note(c, 1, "first"))
        with pytest.raises(StoreError, match="notebook-write"):
            await store.write(lambda c: add_note(c, 2, "first"))
        await store.write(lambda c: add_note(c, 3, "third"))
        assert await store.read(numbers) == ([1, 3], [1, 3], ["note/1", "note/3"])


async def test_the_text_of_an_error_holds_nothing_that_was_to_be_stored(store_config: StoreConfig):
    canary = "Wilhelmine Canary"
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: add_note(c, 1, canary))
        with pytest.raises(StoreError) as repeated:
            await store.write(lambda c: add_note(c, 2, canary))
        with pytest.raises(StatementError) as naive:
            await store.write(lambda c: add_note(c, 3, canary, datetime(2026, 1, 1)))
    for error in (repeated.value, naive.value):
        assert canary not in f"{error} {error!r} {error.__cause__}"
    assert repeated.value.__suppress_context__


async def test_a_second_daemon_is_refused_and_told_who_holds_the_database(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config):
        with pytest.raises(StartRefused, match=f"in use by kioskd,? process {os.getpid()}"):
            async with open_store(SCHEMA, store_config):
                pytest.fail("two daemons on one database")
    async with open_store(SCHEMA, store_config) as store:
        assert await store.read(numbers) == ([], [], [])


async def test_two_roles_share_a_place_and_nothing_else(store_config: StoreConfig):
    other = Schema("diary", METADATA, SCHEMA.versions, "0001")
    async with open_store(SCHEMA, store_config) as store, open_store(other, store_config) as diary:
        await store.write(lambda c: add_note(c, 1, "first"))
        assert await diary.read(numbers) == ([], [], [])


async def test_a_read_sees_the_last_commit_and_nothing_younger(store_config: StoreConfig):
    written, may_commit = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add_note(connection, 1, "first")
        written.set()
        assert may_commit.wait(10)

    async with open_store(SCHEMA, store_config) as store:
        writing = asyncio.create_task(store.write(slow))
        assert await asyncio.to_thread(written.wait, 10)
        assert (await store.read(numbers))[0] == []
        may_commit.set()
        await writing
        assert (await store.read(numbers))[0] == [1]


@pytest.mark.parametrize("offset_hours", [0, 2, -5])
async def test_an_instant_comes_back_in_utc_to_the_microsecond(store_config: StoreConfig, offset_hours: int):
    at = NOW.astimezone(timezone(timedelta(hours=offset_hours)))
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: c.execute(insert(NOTE).values(number=1, text="a", at=at)))
        await store.write(lambda c: c.execute(insert(NOTE).values(number=2, text="b", at=None)))
        found = await store.read(lambda c: c.scalars(select(NOTE.c.at).order_by(NOTE.c.number)).all())
    assert found == [NOW, None]
    assert found[0].tzinfo is UTC


async def test_instants_sort_and_compare_in_the_database(store_config: StoreConfig):
    times = [NOW.replace(microsecond=0), NOW.replace(microsecond=5), NOW, NOW + timedelta(days=400)]
    async with open_store(SCHEMA, store_config) as store:
        for number, at in enumerate(reversed(times)):
            await store.write(
                lambda c, number=number, at=at: c.execute(insert(NOTE).values(number=number, text=str(number), at=at))
            )
        assert await store.read(lambda c: c.scalars(select(NOTE.c.at).order_by(NOTE.c.at)).all()) == times
        assert await store.read(lambda c: c.scalar(select(func.max(NOTE.c.at)))) == times[-1]
        assert await store.read(lambda c: c.scalar(select(func.count()).where(NOTE.c.at <= NOW))) == 3


async def test_a_naive_datetime_is_refused(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        with pytest.raises(StatementError, match="naive datetime"):
            await store.write(lambda c: add_note(c, 1, "first", datetime(2026, 11, 23)))
        assert await store.read(numbers) == ([], [], [])


async def test_the_outbox_signal_is_set_by_a_commit_that_put_something_and_by_no_other(store_config: StoreConfig):
    def put_and_fail(connection: Connection) -> None:
        add_note(connection, 9, "never")
        raise LookupError

    async with open_store(SCHEMA, store_config) as store:
        has_put = store.outbox_signal()
        with pytest.raises(LookupError):
            await store.write(put_and_fail)
        await store.write(lambda c: c.execute(insert(NOTE).values(number=1, text="no side effect")))
        assert not has_put.is_set()
        await store.write(lambda c: add_note(c, 2, "with a side effect"))
        assert has_put.is_set()


async def test_the_outbox_signal_is_set_although_the_caller_has_gone(store_config: StoreConfig):
    begun, may_commit = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add_note(connection, 1, "first")
        begun.set()
        assert may_commit.wait(10)

    async with open_store(SCHEMA, store_config) as store:
        has_put = store.outbox_signal()
        writing = asyncio.create_task(store.write(slow))
        assert await asyncio.to_thread(begun.wait, 10)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        may_commit.set()
        async with asyncio.timeout(10):
            await has_put.wait()
        assert (await store.read(numbers))[1] == [1]


async def test_a_database_of_a_newer_kioskd_is_refused(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '0099'")))
    with pytest.raises(StartRefused, match=r"revision 0099.*newer one"):
        async with open_store(SCHEMA, store_config):
            pytest.fail("opened a database that it does not understand")


async def test_a_migration_that_fails_half_way_leaves_the_database_as_it_was(store_config: StoreConfig, tmp_path: Path):
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "0001_first.py").write_text((SCHEMA.versions / "0001_first.py").read_text())
    (versions / "0002_broken.py").write_text(
        "from alembic import op\nimport sqlalchemy as sa\nrevision = '0002'\ndown_revision = '0001'\n"
        "def upgrade():\n    op.create_table('half', sa.Column('id', sa.Integer))\n    raise LookupError('half-way')\n"
    )
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: add_note(c, 1, "first"))
    with pytest.raises(LookupError):
        async with open_store(Schema("notebook", METADATA, versions, "0002"), store_config):
            pytest.fail("a broken migration went through")
    async with open_store(SCHEMA, store_config) as store:
        assert await store.read(revision_of) == "0001"
        assert not await store.read(lambda c: inspect(c).has_table("half"))
        assert (await store.read(numbers))[0] == [1]


def write_until_killed(config: StoreConfig, after_acks: int) -> list[int]:
    """The numbers whose commits a process acknowledged before it was killed."""
    command = [sys.executable, "-m", "tests.store.notebook", config.model_dump_json()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    try:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(after_acks)]
        process.send_signal(signal.SIGKILL)
        return acknowledged + [int(line) for line in process.stdout.read().splitlines()]
    finally:
        process.kill()
        process.communicate(timeout=10)


async def numbers_once_free(config: StoreConfig) -> tuple[list[int], list[int], list[str]]:
    """What is stored. A PostgreSQL backend frees its lock when it notices that its client has died."""
    async with asyncio.timeout(15):
        while True:
            with contextlib.suppress(StartRefused):
                async with open_store(SCHEMA, config) as store:
                    return await store.read(numbers)


@pytest.mark.parametrize("after_acks", [1, 40])
async def test_kill_9_in_the_middle_of_writing_loses_no_acknowledged_commit(store_config: StoreConfig, after_acks: int):
    acknowledged = await asyncio.to_thread(write_until_killed, store_config, after_acks)
    notes, messages, audited = await numbers_once_free(store_config)
    assert set(acknowledged) <= set(notes)
    assert notes == messages == [int(subject.removeprefix("note/")) for subject in audited]
    assert notes == list(range(1, len(notes) + 1))


async def test_the_outbox_and_the_audit_trail_survive_a_restart(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: add_note(c, 1, "first"))
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: add_note(c, 2, "second"))
        due = await store.read(lambda c: outbox.due(c, OUTBOX, "archive", NOW, 10))
        assert [(m.key, m.payload, m.created_at) for m in due] == [
            ("note/1", {"number": 1}, NOW),
            ("note/2", {"number": 2}, NOW),
        ]
        assert await store.read(lambda c: c.scalars(select(AUDIT.c.sequence)).all()) == [1, 2]


async def test_a_thousand_writers_at_once_are_served_in_order(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: c.execute(insert(NOTE).values(number=0, text="counter 0")))

        def count_up(connection: Connection) -> int:
            number = connection.scalar(select(NOTE.c.number)) or 0
            connection.execute(update(NOTE).values(number=number + 1))
            return number

        seen = await asyncio.gather(*(store.write(count_up) for _ in range(1000)))
    assert seen == list(range(1000))


def test_an_offered_configuration_survives_its_way_to_another_process(tmp_path: Path):
    config = StoreConfig(folder=tmp_path, key_file=tmp_path / "key")
    assert StoreConfig.model_validate(json.loads(config.model_dump_json())) == config
