"""The two FHIR servers that everything runs against: one in memory, and the bundled records backend."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from kioskd.config import StoreConfig
from kioskd.forward import FhirClient, Timeouts
from kioskd.news import News
from kioskd.records.backend import Records
from kioskd.records.rest import fhir_app
from kioskd.records.tables import SCHEMA as RECORDS_SCHEMA
from kioskd.store import Store, open_store
from kioskd.web.server import serve
from tests.faults.chaos_http import HttpChaos, http_chaos
from tests.forward.fhir_server import TOKEN, FhirServer
from tests.store.notebook import SCHEMA

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Made once: a context with all the certificates of the machine takes 20 ms a client."""
PATIENT = Timeouts()
QUICK = Timeouts(connect_s=1.0, read_s=0.4, whole_s=2.0)
"""Only where the server never answers: on a busy machine an answer may take as long as that."""


class Backend:
    """A running FHIR server, seen by a person who looks into it from aside."""

    def __init__(self, origin: str, http: httpx.AsyncClient) -> None:
        self.origin = origin
        self._http = http

    async def put(self, *resources: dict[str, Any]) -> None:
        for resource in resources:
            (await self._http.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)).raise_for_status()

    async def read(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._http.get(f"/{path}")).raise_for_status().json()
        return found

    async def set_status(self, path: str, status: str) -> None:
        await self.put({**await self.read(path), "status": status})

    async def encounters(self) -> list[dict[str, Any]]:
        found, url = [], "/Encounter?_count=200"
        while url:
            page = (await self._http.get(url)).raise_for_status().json()
            found += [entry["resource"] for entry in page.get("entry", [])]
            url = next((link["url"] for link in page.get("link", []) if link["relation"] == "next"), "")
        return found


def sqlite_in(folder: Path) -> StoreConfig:
    key_file = folder / "store.key"
    key_file.touch(mode=0o600)
    key_file.write_text("0f" * 32)
    return StoreConfig(folder=folder / "data", key_file=key_file)


@asynccontextmanager
async def looked_into(app: ASGIApp) -> AsyncIterator[Backend]:
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/fhir+json"}
    async with serve(app, "127.0.0.1", 0) as address:
        base = f"{address.url}/fhir"
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False, verify=NO_TLS) as http:
            yield Backend(address.url, http)


@pytest_asyncio.fixture(params=["memory", "bundled"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    if request.param == "memory":
        async with looked_into(FhirServer().app) as running:
            yield running
        return
    async with open_store(RECORDS_SCHEMA, sqlite_in(tmp_path)) as store:
        records = Records(store, News(), ZoneInfo("Europe/Berlin"))
        async with looked_into(fhir_app(records, TOKEN)) as running:
            yield running


@pytest_asyncio.fixture
async def proxy(backend: Backend) -> AsyncIterator[HttpChaos]:
    async with http_chaos(backend.origin) as running:
        yield running


@pytest_asyncio.fixture
async def client(proxy: HttpChaos) -> AsyncIterator[FhirClient]:
    async with FhirClient(f"{proxy.url}/fhir", TOKEN, PATIENT, NO_TLS) as ready:
        yield ready


@pytest_asyncio.fixture
async def server() -> AsyncIterator[tuple[FhirServer, HttpChaos]]:
    """The server in memory, with its insides, behind a proxy."""
    memory = FhirServer()
    async with serve(memory.app, "127.0.0.1", 0) as address, http_chaos(address.url) as running:
        yield memory, running


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    (tmp_path / "hub").mkdir()
    async with open_store(SCHEMA, sqlite_in(tmp_path / "hub")) as opened:
        yield opened
