import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, select, update

from kioskd.errors import Rejected, StoreLost, Unreachable
from kioskd.forward import run_worker
from kioskd.ports import OutboxMessage
from kioskd.store import Store, outbox
from kioskd.store.outbox import OutboxState
from tests.fakes import Clock
from tests.forward.outbox_rows import NAME, Watch, put, rows, states, utc_now
from tests.store.notebook import NOTE, OUTBOX, add_note

DONE, PENDING, PARKED = OutboxState.DONE, OutboxState.PENDING, OutboxState.PARKED


class Archive:
    """A destination that remembers. ``first`` is awaited before a message is taken and may raise."""

    def __init__(self, first: Callable[[OutboxMessage], Awaitable[None]] | None = None) -> None:
        self.taken: list[tuple[str, int]] = []
        self.attempts: list[int] = []
        self.most_at_once = 0
        self.most_of_a_key = 0
        self._first = first
        self._at_once: dict[str, int] = defaultdict(int)

    async def deliver(self, message: OutboxMessage) -> None:
        self.attempts.append(message.id)
        self._at_once[message.key] += 1
        self.most_at_once = max(self.most_at_once, sum(self._at_once.values()))
        self.most_of_a_key = max(self.most_of_a_key, self._at_once[message.key])
        try:
            await asyncio.sleep(0)
            if self._first is not None:
                await self._first(message)
        finally:
            self._at_once[message.key] -= 1
        self.taken.append((message.key, message.payload["n"]))


def numbered(*keys: str) -> list[tuple[str, dict[str, int]]]:
    return [(key, {"n": n}) for n, key in enumerate(keys)]


async def test_what_waits_at_the_start_and_what_comes_later_is_delivered(store: Store) -> None:
    archive, watch = Archive(), Watch()
    await put(store, numbered("a", "b"))
    async with run_worker(store, OUTBOX, NAME, archive, utc_now, committed=watch):
        await watch.until_done(2)
        await put(store, [("a", {"n": 2})])
        await watch.until_done(3)
    assert sorted(archive.taken) == [("a", 0), ("a", 2), ("b", 1)]
    assert await states(store) == [DONE] * 3
    assert watch.told == [(1, DONE, ""), (2, DONE, ""), (3, DONE, "")]


async def test_a_new_message_wakes_the_worker_at_once(store: Store) -> None:
    archive, watch = Archive(), Watch()
    async with run_worker(store, OUTBOX, NAME, archive, utc_now, committed=watch):
        await put(store, numbered("a"))
        await watch.until_done(1)
        began = time.monotonic()
        for number in range(20):
            await put(store, [("a", {"n": number})])
            await watch.until_done(number + 2)
    assert time.monotonic() - began < 10  # twenty of them; a worker that polls by the second would need longer


async def test_messages_of_a_key_leave_in_order_and_keys_side_by_side(store: Store) -> None:
    archive, watch = Archive(), Watch()
    keys = [f"key {n % 7}" for n in range(140)]
    await put(store, numbered(*keys))
    async with run_worker(store, OUTBOX, NAME, archive, utc_now, committed=watch, parallel=4):
        await watch.until_done(140)
    for key in set(keys):
        assert [n for taken, n in archive.taken if taken == key] == [n for n, k in enumerate(keys) if k == key]
    assert (archive.most_of_a_key, archive.most_at_once) == (1, 4)
    assert len(archive.attempts) == 140


async def test_one_that_waits_for_its_answer_holds_up_its_own_key_only(store: Store) -> None:
    answer = asyncio.Event()

    async def wait_for_a(message: OutboxMessage) -> None:
        if message.key == "a":
            await answer.wait()

    archive, watch = Archive(wait_for_a), Watch()
    await put(store, numbered("a", "a", *(f"b{n}" for n in range(30))))
    async with run_worker(store, OUTBOX, NAME, archive, utc_now, committed=watch, parallel=2):
        await watch.until_done(30)
        assert not [taken for taken in archive.taken if taken[0] == "a"]
        answer.set()
        await watch.until_done(32)


async def test_one_that_fails_is_tried_again_and_staff_see_it_from_the_first_time(store: Store) -> None:
    failures = iter([Unreachable("HTTP 503"), Unreachable("HTTP 500")])

    async def fail(_: OutboxMessage) -> None:
        if failure := next(failures, None):
            raise failure

    archive, watch = Archive(fail), Watch()
    async with run_worker(store, OUTBOX, NAME, archive, utc_now, committed=watch):
        await put(store, numbered("a", "a"))
        await watch.until(lambda w: w.count(PENDING) == 1)
        row, behind = await rows(store)
        assert (row.state, row.attempts, row.last_error) == (PENDING, 1, "HTTP 503")
        assert timedelta(0) < row.next_try_at - utc_now() < timedelta(seconds=0.5)
        assert behind.attempts == 0
        await watch.until_done(2)
    assert [row.attempts for row in await rows(store)] == [3, 1]
    assert archive.taken == [("a", 0), ("a", 1)]
    assert watch.told[:2] == [(1, PENDING, "HTTP 503"), (1, PENDING, "HTTP 500")]


async def test_one_that_is_refused_is_parked_and_holds_back_its_own_key_only(store: Store) -> None:
    async def refuse(message: OutboxMessage) -> None:
        if message.payload["n"] == 0:
            raise Rejected("invalid", "it is not valid")

    archive, watch = Archive(refuse), Watch()
    async with run_worker(store, OUTBOX, NAME, archive, utc_now, committed=watch):
        await put(store, numbered("a", "a", "b", "b"))
        await watch.until_done(2)
    assert await states(store) == [PARKED, PENDING, DONE, DONE]
    assert archive.taken == [("b", 2), ("b", 3)]
    assert (1, PARKED, "invalid: it is not valid") in watch.told
    assert archive.attempts.count(1) == 1


async def test_nothing_is_looked_up_while_there_is_nothing_to_do(store: Store) -> None:
    looks = 0

    def counting_clock() -> datetime:
        nonlocal looks
        looks += 1
        return utc_now()

    async def refuse(message: OutboxMessage) -> None:
        raise Rejected("invalid", "no") if message.key == "a" else Unreachable("away", retry_after_s=600)

    watch = Watch()
    async with run_worker(store, OUTBOX, NAME, Archive(refuse), counting_clock, committed=watch):
        # Behind the parked and the postponed one there are messages whose time has long come.
        await put(store, numbered("a", "a", "b", "b"))
        await watch.until(lambda w: len(w.told) == 2)
        before = looks
        await asyncio.sleep(0.5)  # how long it is watched; a busy loop would look hundreds of times
        assert looks <= before + 4


async def test_two_are_out_of_reach_and_a_third_is_not(store: Store) -> None:
    async def away(message: OutboxMessage) -> None:
        if message.key != "c":
            raise Unreachable("HTTP 503")

    watch = Watch()
    async with run_worker(store, OUTBOX, NAME, Archive(away), utc_now, committed=watch, parallel=2):
        await put(store, numbered("a", "b"))
        await watch.until(lambda w: w.count(PENDING) >= 4)
        await put(store, [("c", {"n": 9})])
        await watch.until_done(1)
    assert await states(store) == [PENDING, PENDING, DONE]


async def test_the_state_of_the_role_changes_in_the_transaction_of_the_outbox(store: Store) -> None:
    await store.write(lambda c: add_note(c, 1, "not stored"))
    await store.write(lambda c: add_note(c, 2, "not stored either"))

    def settled(connection: Connection, message: OutboxMessage, state: OutboxState, text: str) -> None:
        number = message.payload["number"]
        connection.execute(update(NOTE).where(NOTE.c.number == number).values(text=f"{number} {state} {text}"))

    class Shelf:
        async def deliver(self, message: OutboxMessage) -> None:
            if message.payload["number"] == 2:
                raise Rejected("full", "no room")

    watch = Watch()
    async with run_worker(store, OUTBOX, "archive", Shelf(), utc_now, settled=settled, committed=watch):
        await watch.until(lambda w: len(w.told) == 2)
    texts = await store.read(lambda c: c.scalars(select(NOTE.c.text).order_by(NOTE.c.number)).all())
    assert texts == ["1 done ", "2 parked full: no room"]


async def test_a_message_whose_transaction_fails_stays_and_is_delivered_again(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([True, True])

    def settled(connection: Connection, message: OutboxMessage, state: OutboxState, text: str) -> None:
        if next(failures, False):
            raise ValueError("Erika Mustermann")

    archive, watch = Archive(), Watch()
    async with run_worker(store, OUTBOX, NAME, archive, utc_now, settled=settled, committed=watch):
        await put(store, numbered("a", "a"))
        await watch.until_done(2)
    assert archive.taken == [("a", 0), ("a", 0), ("a", 0), ("a", 1)]
    assert [row.attempts for row in await rows(store)] == [1, 1]
    assert "Mustermann" not in caplog.text
    assert "ValueError at test_outbox_worker.py" in caplog.text


async def test_a_message_that_a_destination_stumbles_over_is_parked_without_its_words(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble(message: OutboxMessage) -> None:
        if message.key == "a":
            raise KeyError("Erika Mustermann")

    watch = Watch()
    async with run_worker(store, OUTBOX, NAME, Archive(stumble), utc_now, committed=watch):
        await put(store, numbered("a", "b"))
        await watch.until(lambda w: len(w.told) == 2)
    row, other = await rows(store)
    assert (row.state, other.state) == (PARKED, DONE)
    assert row.last_error.startswith("internal-error: kioskd failed on this message: KeyError at test_outbox_worker.py")
    assert "Mustermann" not in caplog.text


async def test_the_log_tells_changes_and_not_attempts(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    is_away = True

    async def away(_: OutboxMessage) -> None:
        if is_away:
            raise Unreachable("ConnectError")

    watch = Watch()
    with caplog.at_level(logging.INFO, "kioskd.forward"):
        async with run_worker(store, OUTBOX, NAME, Archive(away), utc_now, committed=watch):
            await put(store, numbered("a", "b", "c"))
            await watch.until(lambda w: w.count(PENDING) >= 6)
            is_away = False
            await watch.until_done(3)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.messages[0] == "records takes nothing now, trying again until it does: ConnectError"
    assert caplog.messages[1].startswith("records answers again after ")


async def test_a_stop_finishes_what_is_in_flight_and_starts_nothing_more(store: Store) -> None:
    began, answer = asyncio.Event(), asyncio.Event()

    async def slowly(_: OutboxMessage) -> None:
        began.set()
        await answer.wait()

    archive = Archive(slowly)
    await put(store, numbered("a", "a", "b"))
    async with run_worker(store, OUTBOX, NAME, archive, utc_now, parallel=1):
        await began.wait()
        asyncio.get_running_loop().call_later(0.1, answer.set)
    assert archive.taken == [("a", 0)]
    assert await states(store) == [DONE, PENDING, PENDING]


async def test_a_stop_is_bounded_and_what_is_cut_off_stays(store: Store) -> None:
    began = asyncio.Event()

    async def never(_: OutboxMessage) -> None:
        began.set()
        await asyncio.Event().wait()

    await put(store, numbered("a", "b"))
    async with run_worker(store, OUTBOX, NAME, Archive(never), utc_now, stop_within_s=0.2):
        await began.wait()
        stopped = time.monotonic()
    assert 0.2 <= time.monotonic() - stopped < 20
    assert [(row.state, row.attempts) for row in await rows(store)] == [(PENDING, 0)] * 2


async def test_an_error_of_the_body_leaves_as_it_is(store: Store) -> None:
    with pytest.raises(LookupError, match="of the body"):
        async with run_worker(store, OUTBOX, NAME, Archive(), utc_now):
            raise LookupError("of the body")


async def test_a_lost_database_thread_ends_the_body(store: Store) -> None:
    def settled(connection: Connection, message: OutboxMessage, state: OutboxState, text: str) -> None:
        raise StoreLost("the database did not answer")

    await put(store, numbered("a"))
    with pytest.RaisesGroup(StoreLost):
        async with run_worker(store, OUTBOX, NAME, Archive(), utc_now, settled=settled), asyncio.timeout(20):
            await asyncio.Event().wait()


async def test_a_clock_that_is_set_back_holds_nothing_back(store: Store) -> None:
    clock = Clock(utc_now())
    await put(store, numbered("a"))
    await store.write(lambda c: outbox.postpone(c, OUTBOX, 1, clock.now + timedelta(seconds=30), "HTTP 503"))
    clock.now -= timedelta(hours=2)
    archive, watch = Archive(), Watch()
    async with run_worker(store, OUTBOX, NAME, archive, clock, committed=watch):
        await watch.until_done(1)
    assert archive.taken == [("a", 0)]


async def test_messages_for_somebody_else_are_not_touched(store: Store) -> None:
    await store.write(lambda c: add_note(c, 1, "for the archive"))
    watch = Watch()
    async with run_worker(store, OUTBOX, NAME, Archive(), utc_now, committed=watch):
        await put(store, numbered("a"))
        await watch.until_done(1)
    assert await states(store) == [PENDING, DONE]
