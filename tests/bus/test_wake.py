"""A station hears over a real broker that staff want something printed there: without a word of what, and only it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import pytest

from kioskd.beside import beside
from kioskd.bus.connection import Bus, open_bus
from kioskd.bus.hub_client import HubLink
from kioskd.bus.hub_server import serve_hub
from kioskd.bus.topics import SiteTopics
from kioskd.bus.wake import wake_stations
from kioskd.core.events import CardSeen, PrintOrdered
from kioskd.core.printing import SheetKind
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.news import QUEUE_LENGTH, News
from tests.bus.list_hub import ListHub
from tests.people import NOW

SOON_S = 20.0
KEY = bytes(32)


class Ears:
    """How often a station was called."""

    def __init__(self) -> None:
        self.calls = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def hear(self) -> None:
        self.calls += 1
        task = asyncio.ensure_future(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, calls: int) -> None:
        async with asyncio.timeout(SOON_S), self._changed:
            await self._changed.wait_for(lambda: self.calls >= calls)


class Site:
    """A hub and two stations on one broker."""

    def __init__(self, broker: PrivateMosquitto, news: News, hub: Bus, ears: dict[str, Ears]) -> None:
        self.broker, self.news, self.hub, self.ears = broker, news, hub, ears


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    topics, news, ears = SiteTopics("praxis"), News(), {}
    async with AsyncExitStack() as parts:
        broker = await parts.enter_async_context(PrivateMosquitto(tmp_path / "broker", "praxis", ("entrance", "desk")))
        hub = await parts.enter_async_context(
            open_bus(broker.address, presence=topics.presence, replies=topics.replies)
        )
        await parts.enter_async_context(serve_hub(hub, topics, KEY, ListHub()))
        await parts.enter_async_context(beside(wake_stations(hub, topics, news)))
        for name in ("entrance", "desk"):
            bus = await parts.enter_async_context(open_bus(broker.station(name), replies=topics.replies))
            link, ears[name] = HubLink(bus, topics, KEY, name), Ears()
            link.on_orders(ears[name].hear)
            await parts.enter_async_context(beside(link.run()))
        yield Site(broker, news, hub, ears)
        news.end()


def ordered(station: str) -> PrintOrdered:
    return PrintOrdered(NOW, station, UUID(int=7), SheetKind.WRISTBAND)


async def test_a_station_asks_for_its_orders_when_the_hub_comes_and_when_it_is_called(site: Site) -> None:
    for ears in site.ears.values():
        await ears.until(1)
    site.news.publish(CardSeen(NOW, "entrance"), ordered("entrance"))
    await site.ears["entrance"].until(2)
    site.news.publish(ordered("desk"))
    await site.ears["desk"].until(2)
    assert {name: ears.calls for name, ears in site.ears.items()} == {"entrance": 2, "desk": 2}


async def test_what_is_said_aloud_is_nothing_but_the_version(site: Site) -> None:
    topics, said = SiteTopics("praxis"), asyncio.Queue[bytes]()
    async with open_bus(site.broker.station("entrance"), replies=topics.replies) as spy:
        async with asyncio.timeout(SOON_S):
            await spy.up.wait()
        await spy.subscribe(topics.orders("entrance"), lambda message: said.put_nowait(message.payload))
        site.news.publish(ordered("entrance"))
        async with asyncio.timeout(SOON_S):
            assert json.loads(await said.get()) == {"v": 1}


async def test_a_hub_that_was_too_busy_to_listen_calls_again(site: Site) -> None:
    """News drops a subscriber that falls behind; the next order must be heard all the same."""
    await site.ears["entrance"].until(1)
    site.news.publish(*(CardSeen(NOW, "entrance") for _ in range(QUEUE_LENGTH + 1)))
    async with asyncio.timeout(SOON_S):
        while site.ears["entrance"].calls < 2:
            site.news.publish(ordered("entrance"))
            await asyncio.sleep(0.05)
