"""A hub on both databases: site, desk, and what it told the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest_asyncio
from sqlalchemy import Table, select

from kioskd.config import AreaConfig, HubConfig, SiteConfig, StoreConfig
from kioskd.core.events import Event
from kioskd.hub.desk import ReceptionDesk
from kioskd.hub.site import Site, SiteRules
from kioskd.hub.tables import SCHEMA
from kioskd.news import News, Subscription
from kioskd.store import Store, open_store
from tests.fakes import Clock, ListSchedule
from tests.people import NOW
from tests.store.conftest import sqlite_config, store_config
from tests.store.postgres import postgres

__all__ = ["postgres", "sqlite_config", "store_config"]

T = TypeVar("T")
SITE = SiteConfig(id="markt", name="Praxis", timezone="Europe/Berlin")
AREAS = (
    AreaConfig(id="general", name="Wartezimmer", series="A", rooms=("Zimmer 1", "Zimmer 2"), wristbands=True),
    AreaConfig(id="lab", name="Labor", series="C", rooms=("Labor 1",)),
)
RULES = SiteRules(SITE, HubConfig(records_token_file=Path("unused"), desk_name="Empfang"), AREAS)


@dataclass
class HubUnderTest:
    """One site's hub. ``rows(table)`` reads a table in its order of ids; ``heard()`` is what pages were told."""

    site: Site
    desk: ReceptionDesk
    store: Store
    clock: Clock
    schedule: ListSchedule
    news: News
    listening: Subscription

    async def rows(self, table: Table) -> list[Any]:
        return await self.store.read(lambda c: list(c.execute(select(table).order_by(*table.primary_key))))

    async def heard(self) -> list[Event]:
        self.listening.end()
        return [event async for event in self.listening]


def hub_on(store: Store, news: News, listening: Subscription, rules: SiteRules = RULES) -> HubUnderTest:
    clock, schedule = Clock(NOW), ListSchedule()
    site = Site(store, schedule, rules, news, clock)
    is_broker_up: Callable[[], bool] = lambda: True  # noqa: E731
    return HubUnderTest(
        site, ReceptionDesk(store, rules, news, clock, is_broker_up), store, clock, schedule, news, listening
    )


@pytest_asyncio.fixture
async def hub(store_config: StoreConfig) -> AsyncIterator[HubUnderTest]:
    news = News()
    async with open_store(SCHEMA, store_config) as store:
        with news.subscribe() as listening:
            yield hub_on(store, news, listening)


@pytest_asyncio.fixture
async def sqlite_hub(sqlite_config: StoreConfig) -> AsyncIterator[HubUnderTest]:
    """Where the database makes no difference."""
    news = News()
    async with open_store(SCHEMA, sqlite_config) as store:
        with news.subscribe() as listening:
            yield hub_on(store, news, listening)
