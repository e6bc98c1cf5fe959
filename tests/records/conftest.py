"""A records server over a real uvicorn, on both databases."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from kioskd.config import StoreConfig
from kioskd.news import News
from kioskd.records.backend import Records
from kioskd.records.rest import fhir_app
from kioskd.records.tables import SCHEMA
from kioskd.store import Store, open_store
from kioskd.web.server import serve
from tests.fakes import Clock
from tests.store.postgres import postgres

__all__ = ["postgres"]

TOKEN = "a-token-of-the-clinic"
NOW = datetime(2026, 11, 23, 8, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def sqlite_config(tmp_path: Path) -> StoreConfig:
    key_file = tmp_path / "store.key"
    key_file.touch(mode=0o600)
    key_file.write_text("0f" * 32)
    return StoreConfig(folder=tmp_path / "data", key_file=key_file)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_config(request: pytest.FixtureRequest) -> StoreConfig:
    if request.param == "sqlite":
        config: StoreConfig = request.getfixturevalue("sqlite_config")
        return config
    return StoreConfig(url=request.getfixturevalue("postgres").new_database())


@dataclass
class Backend:
    """A running server and what stands behind it."""

    records: Records
    store: Store
    news: News
    clock: Clock
    http: httpx.AsyncClient
    url: str


@pytest_asyncio.fixture
async def backend(store_config: StoreConfig) -> AsyncIterator[Backend]:
    news, clock = News(), Clock(NOW)
    async with open_store(SCHEMA, store_config) as store:
        records = Records(store, news, BERLIN, now=clock)
        async with serve(fhir_app(records, TOKEN), "127.0.0.1", 0) as address:
            url = f"{address.url}/fhir"
            headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/fhir+json"}
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
                yield Backend(records, store, news, clock, http, url)
            news.end()
