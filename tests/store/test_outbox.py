from datetime import timedelta

from sqlalchemy import Connection, select

from kioskd.config import StoreConfig
from kioskd.ports import OutboxMessage
from kioskd.store import open_store, outbox
from kioskd.store.outbox import OutboxState
from tests.store.notebook import NOW, OUTBOX, SCHEMA

SECOND = timedelta(seconds=1)


def put(connection: Connection, key: str, kind: str = "note", destination: str = "archive") -> int:
    return outbox.put(connection, OUTBOX, destination, key, kind, {"text": "Zoë", "n": [1, None, True, 0.1]}, NOW)


def due(connection: Connection, limit: int = 100) -> list[OutboxMessage]:
    return list(outbox.due(connection, OUTBOX, "archive", NOW + SECOND, limit))


async def test_a_message_comes_out_as_it_was_put_in(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        message_id = await store.write(lambda c: put(c, "patient/1"))
        assert await store.read(due) == [
            OutboxMessage(
                message_id, "archive", "patient/1", "note", {"text": "Zoë", "n": [1, None, True, 0.1]}, 0, NOW
            )
        ]


async def test_only_the_first_open_message_of_a_key_is_due(store_config: StoreConfig):
    def fill(connection: Connection) -> None:
        for key in ("a", "b", "a", "b", "c"):
            put(connection, key)

    async with open_store(SCHEMA, store_config) as store:
        await store.write(fill)
        first = await store.read(due)
        assert [m.key for m in first] == ["a", "b", "c"]
        await store.write(lambda c: outbox.mark_done(c, OUTBOX, first[0].id, NOW))
        assert [(m.key, m.id) for m in await store.read(due)] == [("b", 2), ("a", 3), ("c", 5)]
        assert [m.id for m in await store.read(lambda c: due(c, limit=2))] == [2, 3]


async def test_messages_of_another_destination_are_not_due_and_hold_nothing_back(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        await store.write(lambda c: (put(c, "a", destination="displays"), put(c, "a")))
        assert [m.destination for m in await store.read(due)] == ["archive"]


async def test_a_postponed_message_waits_and_holds_back_its_key_only(store_config: StoreConfig):
    later = NOW + timedelta(minutes=5)
    async with open_store(SCHEMA, store_config) as store:
        first, _, other = await store.write(lambda c: (put(c, "a"), put(c, "a"), put(c, "b")))
        await store.write(lambda c: outbox.postpone(c, OUTBOX, first, later, "archive does not answer"))
        assert [m.id for m in await store.read(due)] == [other]
        ready = await store.read(lambda c: outbox.due(c, OUTBOX, "archive", later, 100))
        assert [(m.id, m.attempts) for m in ready] == [(first, 1), (other, 0)]


async def test_parked_messages_are_listed_with_their_reason_and_tried_again_on_demand(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        first, second = await store.write(lambda c: (put(c, "a"), put(c, "b")))
        await store.write(lambda c: outbox.park(c, OUTBOX, first, "422: unknown patient"))
        await store.write(lambda c: outbox.mark_done(c, OUTBOX, second, NOW))
        (open_one,) = await store.read(lambda c: outbox.not_delivered(c, OUTBOX))
        assert (open_one.key, open_one.state, open_one.last_error) == ("a", OutboxState.PARKED, "422: unknown patient")
        assert await store.write(lambda c: outbox.unpark(c, OUTBOX, NOW)) == 1
        assert [m.id for m in await store.read(due)] == [first]
        assert await store.write(lambda c: outbox.unpark(c, OUTBOX, NOW)) == 0


async def test_a_parked_message_holds_back_its_key_only_and_is_counted(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        parked, _, other = await store.write(lambda c: (put(c, "a"), put(c, "a"), put(c, "b")))
        await store.write(lambda c: outbox.park(c, OUTBOX, parked, "x" * 5000))
        assert [m.id for m in await store.read(due)] == [other]
        assert await store.read(lambda c: outbox.backlog(c, OUTBOX, "archive")) == outbox.Backlog(pending=2, parked=1)
        error = await store.read(lambda c: c.scalar(select(OUTBOX.c.last_error).where(OUTBOX.c.id == parked)))
        assert error == "x" * 2000


async def test_done_is_for_good_and_clears_the_last_error(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        message_id = await store.write(lambda c: put(c, "a"))
        await store.write(lambda c: outbox.postpone(c, OUTBOX, message_id, NOW, "once"))
        await store.write(lambda c: outbox.mark_done(c, OUTBOX, message_id, NOW + SECOND))
        row = await store.read(lambda c: c.execute(select(OUTBOX)).one())
        assert (row.state, row.attempts, row.last_error, row.done_at) == ("done", 2, "", NOW + SECOND)
        assert await store.read(lambda c: outbox.backlog(c, OUTBOX, "archive")) == outbox.Backlog(0, 0)
