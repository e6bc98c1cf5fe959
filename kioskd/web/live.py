"""Server-sent events for htmx: one fragment, sent at once and again whenever an event concerns it.

The stream carries no state of its own. A page that connects again reads the whole fragment, so nothing can be missed.
Chromium opens six connections to one origin and five streams leave one for everything else: one stream a page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import StreamingResponse

from kioskd.core.events import Event
from kioskd.news import News, Subscription

KEEP_ALIVE_S = 10.0
"""Longest silence on a stream. A client that hears nothing for longer may take the daemon for gone."""

Wants = Callable[[Event], bool]
Render = Callable[[], str | Awaitable[str]]


def events(
    news: News, wants: Wants, render: Render, keep_alive_s: float = KEEP_ALIVE_S, *, looks_again: bool = False
) -> StreamingResponse:
    """A stream for ``hx-sse:connect``: ``render()`` now, and again after each event that ``wants`` accepts.

    Events that come while one is on its way are answered by one more fragment, not by one each; a fragment equal to the
    one before is not sent. With ``looks_again`` a silence is broken by another look, for what changes without an event
    (minutes that pass, a broker that is gone). Ends when the subscription ends: the client fell behind, or the daemon
    stops.
    """
    return StreamingResponse(
        _stream(news, wants, render, keep_alive_s, looks_again),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


def message(text: str) -> bytes:
    """One unnamed event, which htmx swaps in (HTML standard, 9.2.6)."""
    return b"".join(b"data: " + line.encode() + b"\n" for line in text.splitlines()) + b"\n"


async def _stream(
    news: News, wants: Wants, render: Render, keep_alive_s: float, looks_again: bool
) -> AsyncIterator[bytes]:
    # Subscribed before the first look: what happens between the two is rendered again, never lost.
    with news.subscribe() as subscription:
        shown = await _text(render)
        yield message(shown)
        while True:
            try:
                has_news = await _concerned(subscription, wants, keep_alive_s)
            except StopAsyncIteration:
                return
            text = await _text(render) if has_news or looks_again else shown
            if text != shown:
                shown = text
                yield message(text)
            elif not has_news:
                yield b":\n\n"


async def _concerned(subscription: Subscription, wants: Wants, within_s: float) -> bool:
    """Whether a wanted event came within ``within_s``; everything that waits is taken with it."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within_s
    while (event := await subscription.next_within(max(0.0, ends_at - loop.time()))) is not None:
        if wants(event):
            while await subscription.next_within(0) is not None:
                pass
            return True
    return False


async def _text(render: Render) -> str:
    made = render()
    return made if isinstance(made, str) else await made
