from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from kioskd.config import StoreConfig
from kioskd.staff.tables import METADATA, SCHEMA
from kioskd.store import open_store


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, METADATA))


async def test_the_migrations_make_exactly_the_tables_that_the_code_uses(store_config: StoreConfig):
    async with open_store(SCHEMA, store_config) as store:
        assert await store.write(differences) == []
