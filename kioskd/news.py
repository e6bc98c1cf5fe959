"""Typed events to whoever listens in this process, after they were committed. Nothing durable: that is the outbox.

A subscriber that does not keep up is dropped, not waited for: its stream ends and the page connects again and
reads the whole state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from kioskd.core.events import Event

QUEUE_LENGTH = 256


class Subscription:
    """One listener's events, in order. Iteration ends when the listener fell behind or the daemon stops."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_LENGTH + 1)
        self._is_over = False

    def put(self, event: Event) -> None:
        if self._is_over:
            return
        if self._queue.qsize() >= QUEUE_LENGTH:
            self.end()
        else:
            self._queue.put_nowait(event)

    def end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._queue.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self._is_over and self._queue.empty():
            raise StopAsyncIteration
        event = await self._queue.get()
        if event is None:
            raise StopAsyncIteration
        return event

    async def next_within(self, within_s: float) -> Event | None:
        """The next event, or None after ``within_s`` seconds (time for a keep-alive). StopAsyncIteration at the end."""
        try:
            async with asyncio.timeout(within_s):
                return await self.__anext__()
        except TimeoutError:
            return None


class News:
    """Hands every published event to every subscription."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the daemon stops: no subscription will hear anything more."""
        return self._is_over

    def publish(self, *events: Event) -> None:
        for event in events:
            for subscription in tuple(self._subscriptions):
                subscription.put(event)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        subscription = Subscription()
        self._subscriptions.add(subscription)
        if self._is_over:
            subscription.end()
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def end(self) -> None:
        """The daemon stops: end every stream, so that the web servers can."""
        self._is_over = True
        for subscription in tuple(self._subscriptions):
            subscription.end()
