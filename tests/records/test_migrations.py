"""The migrations make exactly the tables that the code uses."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from kioskd.config import StoreConfig
from kioskd.records.tables import SCHEMA, metadata
from kioskd.store import open_store
from kioskd.store.migrate import revision_of


async def test_migrations_make_exactly_the_tables(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        assert await store.read(revision_of) == SCHEMA.revision
        options = {"compare_type": True}
        differing = await store.read(lambda c: compare_metadata(MigrationContext.configure(c, opts=options), metadata))
    assert differing == []
