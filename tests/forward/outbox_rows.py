"""Puts messages into the outbox of the smallest role and reads how they are; also how a test waits for the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from kioskd.ports import OutboxMessage
from kioskd.store import Store, outbox
from kioskd.store.outbox import OutboxState
from tests.store.notebook import OUTBOX

NAME = "records"


def utc_now() -> datetime:
    return datetime.now(UTC)


async def put(store: Store, messages: Iterable[tuple[str, dict[str, Any]]], kind: str = "check-in") -> None:
    """Add messages, each a key and a payload, in one transaction."""

    def write(connection: Connection) -> None:
        for key, payload in messages:
            outbox.put(connection, OUTBOX, NAME, key, kind, payload, utc_now())

    await store.write(write)


async def rows(store: Store) -> list[Row[Any]]:
    return await store.read(lambda c: list(c.execute(select(OUTBOX).order_by(OUTBOX.c.id))))


async def states(store: Store) -> list[str]:
    return [row.state for row in await rows(store)]


class Watch:
    """The ``committed`` callback of a worker: what it told, and waiting for it."""

    def __init__(self) -> None:
        self.told: list[tuple[int, OutboxState, str]] = []
        self._changed = asyncio.Event()

    def __call__(self, message: OutboxMessage, state: OutboxState, text: str) -> None:
        self.told.append((message.id, state, text))
        self._changed.set()

    def count(self, state: OutboxState) -> int:
        return sum(told is state for _, told, _ in self.told)

    async def until(self, is_so: Callable[[Watch], bool], within_s: float = 20.0) -> None:
        async with asyncio.timeout(within_s):
            while not is_so(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_done(self, count: int, within_s: float = 20.0) -> None:
        await self.until(lambda watch: watch.count(OutboxState.DONE) >= count, within_s)
