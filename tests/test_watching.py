"""What the parts of a role answer to the health loop."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from kioskd.config import StoreConfig
from kioskd.errors import Unreachable
from kioskd.forward.worker import Progress, run_worker
from kioskd.health import Finding, State, Why
from kioskd.ports import OutboxMessage
from kioskd.roles.watching import ask_outbox, ask_store, look_at_connection, look_at_disk
from kioskd.store import open_store, outbox
from tests.fakes import Clock
from tests.store.conftest import sqlite_config, store_config
from tests.store.notebook import NOW, OUTBOX, SCHEMA
from tests.store.postgres import postgres

__all__ = ["postgres", "sqlite_config", "store_config"]


async def put(store: object, number: int, clock: Clock) -> None:
    await store.write(lambda c: outbox.put(c, OUTBOX, "archive", f"note/{number}", "note-added", {}, clock()))  # type: ignore[attr-defined]


async def test_a_store_that_answers_is_well_and_is_not_written_to(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        assert await ask_store(store, is_on_server=store_config.url is not None)() == Finding()


async def test_what_is_not_delivered_for_long_is_counted(store_config: StoreConfig):
    clock = Clock(NOW)
    async with open_store(SCHEMA, store_config) as store:
        ask = ask_outbox(store, OUTBOX, "archive", Progress(), clock)
        assert await ask() == Finding()
        for number in (1, 2):
            await put(store, number, clock)
        assert await ask() == Finding(), "it may still be on its way"
        clock.now += timedelta(minutes=2)
        assert await ask() == Finding(State.TROUBLE, Why.NOT_DELIVERED, "2")
        await store.write(lambda c: outbox.park(c, OUTBOX, 1, "422"))
        assert await ask() == Finding(State.TROUBLE, Why.NEEDS_PERSON, "1")


async def test_a_worker_whose_destination_is_away_moves(sqlite_config: StoreConfig):
    tried = asyncio.Event()

    class Away:
        async def deliver(self, message: OutboxMessage) -> None:
            tried.set()
            raise Unreachable("nobody there")

    clock = Clock(NOW)
    async with (
        open_store(SCHEMA, sqlite_config) as store,
        run_worker(store, OUTBOX, "archive", Away(), clock) as progress,
    ):
        await put(store, 1, clock)
        async with asyncio.timeout(20):
            await tried.wait()
        assert progress.overdue_s() == 0
        assert (await ask_outbox(store, OUTBOX, "archive", progress, clock)()).state is State.OK


async def test_a_worker_that_breaks_its_promise_stands_still(sqlite_config: StoreConfig):
    progress = Progress()
    progress.promise("note/1", -60.0)
    progress.promise("note/2", 60.0)
    assert progress.overdue_s() > 50
    async with open_store(SCHEMA, sqlite_config) as store:
        found = await ask_outbox(store, OUTBOX, "archive", progress, Clock(NOW))()
    assert (found.state, found.why) == (State.FAILED, Why.STANDS_STILL)
    progress.keep("note/1")
    assert progress.overdue_s() == 0


@pytest.mark.parametrize(("is_up", "state"), [(True, State.OK), (False, State.TROUBLE)])
def test_a_connection_that_is_away_is_trouble_and_no_failure(is_up: bool, state: State):
    assert look_at_connection(lambda: is_up)().state is state


def test_a_disk_is_looked_at(tmp_path: Path):
    assert look_at_disk(tmp_path / "nowhere")().why is Why.NO_ANSWER
    assert look_at_disk(tmp_path)().why in {None, Why.SHORT_OF_SPACE}
