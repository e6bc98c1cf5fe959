"""Events to live pages: in order, and nobody waits for a slow one."""

from __future__ import annotations

import asyncio

import pytest

from kioskd.core.events import CardRemoved, CardSeen, Event
from kioskd.news import QUEUE_LENGTH, News, Subscription
from tests.people import NOW

SEEN, REMOVED = CardSeen(NOW, "entrance"), CardRemoved(NOW, "entrance")


async def everything(subscription: Subscription) -> list[Event]:
    async with asyncio.timeout(5):
        return [event async for event in subscription]


async def test_every_listener_hears_every_event_in_order() -> None:
    news = News()
    with news.subscribe() as one, news.subscribe() as two:
        news.publish(SEEN, REMOVED)
        news.publish(SEEN)
        news.end()
        assert await everything(one) == await everything(two) == [SEEN, REMOVED, SEEN]


async def test_who_subscribes_later_hears_what_comes_later() -> None:
    news = News()
    news.publish(SEEN)
    with news.subscribe() as late:
        news.publish(REMOVED)
        assert await late.next_within(5) == REMOVED


async def test_who_has_left_is_not_kept() -> None:
    news = News()
    with news.subscribe() as left:
        pass
    news.publish(SEEN)
    assert await left.next_within(0.01) is None


async def test_a_slow_listener_is_dropped_and_the_others_hear_everything() -> None:
    news = News()
    many = [SEEN, REMOVED] * QUEUE_LENGTH
    with news.subscribe() as slow, news.subscribe() as quick:
        heard = []
        for event in many:
            news.publish(event)
            heard.append(await quick.next_within(5))
        assert heard == many
        assert await everything(slow) == many[:QUEUE_LENGTH]


async def test_a_listener_that_just_keeps_up_is_not_dropped() -> None:
    news = News()
    with news.subscribe() as listener:
        news.publish(*[SEEN] * QUEUE_LENGTH)
        assert [await listener.next_within(5) for _ in range(QUEUE_LENGTH)] == [SEEN] * QUEUE_LENGTH
        news.publish(REMOVED)
        assert await listener.next_within(5) == REMOVED


async def test_the_end_ends_every_stream_that_is_open_and_every_later_one() -> None:
    news = News()
    with news.subscribe() as open_stream:
        waiting = asyncio.create_task(everything(open_stream))
        await asyncio.sleep(0)
        news.end()
        assert await waiting == []
    with news.subscribe() as later:
        news.publish(SEEN)
        assert await everything(later) == []


async def test_nothing_comes_within_its_time() -> None:
    with News().subscribe() as listener:
        assert await listener.next_within(0.01) is None


async def test_a_stream_that_has_ended_stays_ended() -> None:
    news = News()
    with news.subscribe() as listener:
        news.end()
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await listener.next_within(0.05)
