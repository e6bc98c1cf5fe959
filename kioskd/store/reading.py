"""A database opened to look at: it is never made, migrated or written, and may be in use by the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from kioskd.config import StoreConfig
from kioskd.errors import KioskdError, StartRefused, StoreError
from kioskd.store.engine import postgresql_engine, read_key


class NoDatabase(KioskdError):
    """There is no database to look at; the text says where none is."""


@contextmanager
def reading(role: str, config: StoreConfig) -> Iterator[Connection]:
    """The last commit of a role's database. Raises NoDatabase, StartRefused (key, address) and StoreError."""
    engine = _sqlite(role, config) if config.url is None else postgresql_engine(config.url, role)
    try:
        with engine.connect() as connection, connection.begin():
            if config.url is not None:
                connection.execute(text("SET TRANSACTION READ ONLY"))
                if not connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :n"), {"n": role}):
                    raise NoDatabase(f"no such database: PostgreSQL has no schema {role}")
            yield connection
    except DBAPIError as error:
        raise StoreError(f"the {role} database can't be read: {type(error.orig).__name__}") from None
    finally:
        engine.dispose()


def _sqlite(role: str, config: StoreConfig) -> Any:
    from sqlcipher3 import dbapi2

    path, key = config.folder / f"{role}.db", read_key(config.required_key_file)
    if not path.exists():
        raise NoDatabase(f"no such database: {path}")

    def connect() -> Any:
        connection = dbapi2.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
        try:
            connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except dbapi2.DatabaseError as error:
            connection.close()
            raise StartRefused(
                f"{path} can't be opened with the key of store.key_file: wrong key, or not a kioskd database ({error})"
            ) from None
        return connection

    return create_engine("sqlite://", module=dbapi2, creator=connect, poolclass=NullPool, hide_parameters=True)
