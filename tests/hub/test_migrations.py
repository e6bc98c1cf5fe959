"""The migrations of hub and station make exactly the tables that the code uses."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from kioskd.config import StoreConfig
from kioskd.hub.tables import SCHEMA as HUB
from kioskd.station.tables import SCHEMA as STATION
from kioskd.store import Schema, open_store
from kioskd.store import migrate as runner
from kioskd.store.migrate import revision_of


@pytest.mark.parametrize("schema", [HUB, STATION], ids=lambda schema: schema.role)
async def test_migrations_make_exactly_the_tables(store_config: StoreConfig, schema: Schema) -> None:
    async with open_store(schema, store_config) as store:
        assert await store.read(revision_of) == schema.revision
        differing = await store.read(
            lambda c: compare_metadata(
                MigrationContext.configure(c, opts={"compare_type": True, "compare_server_default": True}),
                schema.tables,
            )
        )
    assert differing == []


@pytest.mark.parametrize("schema", [HUB, STATION], ids=lambda schema: schema.role)
def test_the_revision_is_that_of_the_newest_migration(schema: Schema) -> None:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", runner.__file__.replace("migrate.py", "migrations"))
    config.set_main_option("version_locations", str(schema.versions))
    config.set_main_option("path_separator", "newline")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.revision]
