"""A live stream renders when an event concerns it, and ends with the daemon."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from kioskd.core.events import CardRemoved, CardSeen, Event
from kioskd.news import QUEUE_LENGTH, News
from kioskd.web.live import events, message

AT = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)
SEEN = CardSeen(AT, "entrance")


class Counter:
    """Renders how often it was asked, or always the same."""

    def __init__(self, is_steady: bool = False) -> None:
        self.asked = 0
        self._is_steady = is_steady

    def render(self) -> str:
        self.asked += 1
        return "<p>same</p>" if self._is_steady else f"<p>{self.asked}</p>"


def _is_seen(event: Event) -> bool:
    return isinstance(event, CardSeen)


def _stream(news: News, counter: Counter, keep_alive_s: float = 10.0) -> AsyncIterator[bytes]:
    return aiter(events(news, _is_seen, counter.render, keep_alive_s).body_iterator)  # type: ignore[arg-type]


async def _next(stream: AsyncIterator[bytes]) -> bytes:
    async with asyncio.timeout(5):
        return await anext(stream)


async def test_the_fragment_comes_at_once_and_after_each_event_that_concerns_it():
    news, counter = News(), Counter()
    stream = _stream(news, counter)
    assert await _next(stream) == b"data: <p>1</p>\n\n"
    news.publish(CardRemoved(AT, "entrance"))
    news.publish(SEEN)
    assert await _next(stream) == b"data: <p>2</p>\n\n"
    assert counter.asked == 2


async def test_events_that_come_together_are_one_fragment():
    news, counter = News(), Counter()
    stream = _stream(news, counter)
    await _next(stream)
    news.publish(*[SEEN] * 100)
    assert await _next(stream) == b"data: <p>2</p>\n\n"
    news.end()
    with pytest.raises(StopAsyncIteration):
        await _next(stream)


async def test_what_happens_while_a_fragment_is_made_is_rendered_again():
    news = News()
    asked = 0

    def render() -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            news.publish(SEEN)
        return str(asked)

    stream = aiter(events(news, _is_seen, render).body_iterator)
    assert await _next(stream) == b"data: 1\n\n"  # type: ignore[arg-type]
    assert await _next(stream) == b"data: 2\n\n"  # type: ignore[arg-type]


async def test_an_equal_fragment_is_not_sent_again():
    news, counter = News(), Counter(is_steady=True)
    stream = _stream(news, counter, keep_alive_s=0.05)
    await _next(stream)
    news.publish(SEEN)
    assert await _next(stream) == b":\n\n"
    assert counter.asked == 2


async def test_a_quiet_stream_is_kept_alive_also_when_other_news_come():
    news, counter = News(), Counter()
    stream = _stream(news, counter, keep_alive_s=0.1)
    await _next(stream)

    async def chatter() -> None:
        for _ in range(40):
            news.publish(CardRemoved(AT, "entrance"))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(chatter())
        assert await _next(stream) == b":\n\n"
        assert not task.done()
    assert counter.asked == 1


async def test_a_stream_that_falls_behind_ends():
    news, counter = News(), Counter()
    stream = _stream(news, counter)
    await _next(stream)
    news.publish(*[CardRemoved(AT, "entrance")] * (QUEUE_LENGTH + 1))
    with pytest.raises(StopAsyncIteration):
        await _next(stream)


async def test_a_stream_ends_with_the_daemon():
    news, counter = News(), Counter()
    stream = _stream(news, counter)
    await _next(stream)
    news.end()
    with pytest.raises(StopAsyncIteration):
        await _next(stream)


async def test_a_fragment_may_be_made_asynchronously():
    async def render() -> str:
        return "later"

    stream = aiter(events(News(), _is_seen, render).body_iterator)
    assert await _next(stream) == b"data: later\n\n"  # type: ignore[arg-type]


def test_lines_of_a_fragment_can_not_break_out_of_their_message():
    assert message("a\nb\r\nevent: x\rid: 1") == b"data: a\ndata: b\ndata: event: x\ndata: id: 1\n\n"
