"""The role records: the bundled FHIR backend and the secretaries' desk. It needs no broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from kioskd.config import RecordsConfig
from kioskd.records import tables
from kioskd.records.backend import Records
from kioskd.records.rest import fhir_app
from kioskd.roles.running import Running, now, secret
from kioskd.store import open_store
from kioskd.web.records import records_app


@asynccontextmanager
async def records_role(daemon: Running, config: RecordsConfig) -> AsyncIterator[None]:
    """Run it from entering to leaving. Raises StartRefused."""
    site = daemon.config.site
    async with AsyncExitStack() as parts:
        store = await parts.enter_async_context(open_store(tables.SCHEMA, daemon.config.store))
        daemon.watch_store(parts, "records", store)
        records = Records(store, daemon.news, site.zone, site.day_starts, site.record_number_system, now)
        token = secret(config.token_file, "records.token_file")
        await daemon.serve(parts, "fhir", fhir_app(records, token), config.fhir_listen)
        app = records_app(records, daemon.staff, daemon.news, daemon.pages, daemon.staffed, site_name=site.name)
        await daemon.serve(parts, "records", app, config.desk_listen)
        yield
