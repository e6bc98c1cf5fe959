"""Both hubs of a station keep one contract: the site in the same process, and the site behind a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from kioskd.beside import beside
from kioskd.bus.connection import open_bus
from kioskd.bus.hub_client import HubLink
from kioskd.bus.hub_server import serve_hub
from kioskd.bus.topics import SiteTopics
from kioskd.config import StoreConfig
from kioskd.core.patient import Identifier, Patient
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.errors import Unreachable
from kioskd.hub import tables
from kioskd.hub.desk import ReceptionDesk
from kioskd.hub.site import Site
from kioskd.news import News
from kioskd.ports import CheckInReply, CheckInRequest
from kioskd.store import open_store
from tests.fakes import Clock, ListSchedule
from tests.hub.conftest import RULES, HubUnderTest
from tests.hub_contract.hub_contract import HubAtWork, HubContract
from tests.people import NOW, request
from tests.store.conftest import sqlite_config

__all__ = ["sqlite_config"]

WITHIN_S = 20.0
"""A test machine may be busy; what a station really waits is tested with the link."""


class MoodySchedule(ListSchedule):
    """Two lists, or the failure that it is told."""

    failure: Exception | None = None

    async def find_patients(self, identifier: Identifier) -> Sequence[Patient]:
        if self.failure is not None:
            raise self.failure
        return await super().find_patients(identifier)


@pytest_asyncio.fixture
async def site(sqlite_config: StoreConfig) -> AsyncIterator[HubUnderTest]:
    news, clock, schedule = News(), Clock(NOW), MoodySchedule()
    async with open_store(tables.SCHEMA, sqlite_config) as store:
        with news.subscribe() as listening:
            desk = ReceptionDesk(store, RULES, news, clock, lambda: True)
            yield HubUnderTest(Site(store, schedule, RULES, news, clock), desk, store, clock, schedule, news, listening)


@asynccontextmanager
async def over_the_broker(site: Site, folder: Path, within_s: float = WITHIN_S) -> AsyncIterator[HubLink]:
    """A link of station "entrance" to ``site`` through a mosquitto of its own."""
    topics, key = SiteTopics("markt"), os.urandom(32)
    async with AsyncExitStack() as parts:
        broker = await parts.enter_async_context(PrivateMosquitto(folder / "broker", "markt"))
        of_hub = await parts.enter_async_context(
            open_bus(broker.address, presence=topics.presence, replies=topics.replies)
        )
        await parts.enter_async_context(serve_hub(of_hub, topics, key, site))
        of_station = await parts.enter_async_context(open_bus(broker.station("entrance"), replies=topics.replies))
        link = HubLink(of_station, topics, key, "entrance", within_s=within_s)
        await parts.enter_async_context(beside(link.run()))
        await link.there.wait()
        yield link


class TestSiteInTheSameProcess(HubContract):
    @pytest.fixture
    def at(self, site: HubUnderTest) -> HubAtWork:
        return HubAtWork(site.site, site)


class TestSiteBehindTheBroker(HubContract):
    @pytest_asyncio.fixture
    async def at(self, site: HubUnderTest, tmp_path: Path) -> AsyncIterator[HubAtWork]:
        async with over_the_broker(site.site, tmp_path) as link:
            yield HubAtWork(link, site)


class SlowToAnswer(Site):
    """A site that commits, and answers when ``may_answer`` is set."""

    def __init__(self, site: HubUnderTest) -> None:
        super().__init__(site.store, site.schedule, RULES, site.news, site.clock)
        self.has_committed, self.may_answer = asyncio.Event(), asyncio.Event()

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        reply = await super().check_in(request)
        self.has_committed.set()
        await self.may_answer.wait()
        return reply


async def test_a_check_in_that_is_committed_and_answered_too_late_is_one_when_it_is_asked_for_again(
    site: HubUnderTest, tmp_path: Path
) -> None:
    slow, asked = SlowToAnswer(site), request()
    async with over_the_broker(slow, tmp_path, within_s=0.5) as link:
        with pytest.raises(Unreachable):
            await link.check_in(asked)
        async with asyncio.timeout(WITHIN_S):
            await slow.has_committed.wait()
        assert len(await site.rows(tables.ticket)) == 1
        slow.may_answer.set()
        reply = await _asked_until_answered(link, asked)
    assert reply == CheckInReply(asked.check_in_id, "A1", "general", "Wartezimmer", NOW, False, 1, "", "Dr. Lena Hart")
    assert len(await site.rows(tables.ticket)) == 1
    assert len(await site.heard()) == 1


async def _asked_until_answered(link: HubLink, asked: CheckInRequest) -> CheckInReply:
    """As a station asks its open intents, with a deadline for the whole of it."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            with contextlib.suppress(Unreachable):
                return await link.check_in(asked)
