from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from kioskd.config import StaffConfig, StoreConfig
from kioskd.staff import Staff
from kioskd.staff.tables import SCHEMA
from kioskd.store import Store, open_store
from tests.store.conftest import sqlite_config, store_config
from tests.store.postgres import postgres

__all__ = ["postgres", "sqlite_config", "store_config"]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(sqlite_config: StoreConfig) -> AsyncIterator[Store]:
    async with open_store(SCHEMA, sqlite_config) as opened:
        yield opened


@pytest.fixture
async def staff(store: Store, clock: Clock) -> AsyncIterator[Staff]:
    staff = Staff(store, clock, StaffConfig(idle_minutes=30, session_hours=12))
    yield staff
    staff.close()
