"""A role's database: ``await store.write(function)`` runs a plain function in one transaction on the writer thread.

Nothing can be awaited inside, so no device or network call ever happens while the database is locked. Reads have a
thread and a connection of their own and see the last commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema

from kioskd.calls import CallThread, CallTimedOut
from kioskd.config import StoreConfig
from kioskd.errors import StoreError
from kioskd.store.engine import postgresql_engine, read_key, sqlite_engine
from kioskd.store.lock import AdvisoryLock, DatabaseLock, FileLock
from kioskd.store.migrate import migrate
from kioskd.store.outbox import PUT_MARK

T = TypeVar("T")

WITHIN_S = 30.0
"""Longest a transaction may take; the statement time-outs of both engines are shorter."""


@dataclass(frozen=True, slots=True)
class Schema:
    """How a role describes its database: its tables and the revision that its newest migration makes."""

    role: str
    tables: MetaData
    versions: Path
    revision: str


class _Worker:
    """One thread with one connection, opened again after it broke."""

    def __init__(self, name: str, engine: Engine, is_read_only: bool) -> None:
        self._engine = engine
        self._options = {"kioskd_read_only": is_read_only}
        self._connection: Connection | None = None
        self._thread = CallThread(name)

    async def transact(self, function: Callable[[Connection], T]) -> tuple[T, bool]:
        try:
            return await self._thread.call(lambda: self._run(function), WITHIN_S)
        except CallTimedOut as error:
            raise StoreError(f"the database did not answer: {error}") from None

    def _run(self, function: Callable[[Connection], T]) -> tuple[T, bool]:
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(**self._options)
            with self._connection.begin():
                self._connection.info.pop(PUT_MARK, None)
                result = function(self._connection)
            return result, bool(self._connection.info.pop(PUT_MARK, False))
        except DBAPIError as error:
            if error.connection_invalidated or not _is_rule(error):
                self._drop()
            raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    async def close(self) -> None:
        def close() -> None:
            if self._connection is not None:
                self._connection.close()

        try:
            await self._thread.call(close, 5.0)
        except CallTimedOut:
            return  # a daemon thread is left behind; the process can stop all the same
        finally:
            self._thread.close()


def _is_rule(error: DBAPIError) -> bool:
    """Whether the database only enforced a constraint; the connection is as good as before."""
    return type(error.orig).__name__ in {"IntegrityError", "UniqueViolation", "ForeignKeyViolation", "CheckViolation"}


class Store:
    """One role's database, open. See ``open_store``."""

    def __init__(self, schema: Schema, engine: Engine, lock: DatabaseLock) -> None:
        self.schema = schema
        self._engine = engine
        self._lock = lock
        self._writer = _Worker(f"{schema.role}-write", engine, is_read_only=False)
        self._reader = _Worker(f"{schema.role}-read", engine, is_read_only=True)
        self._outbox_signals: list[asyncio.Event] = []

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run ``function(connection)`` in one transaction; it is on disk when this returns. Raises what it raises."""
        result, has_put = await self._writer.transact(function)
        if has_put:
            for signal in self._outbox_signals:
                signal.set()
        return result

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run ``function(connection)`` on the last commit."""
        result, _ = await self._reader.transact(function)
        return result

    def outbox_signal(self) -> asyncio.Event:
        """An event that is set after each commit that put a message into the outbox."""
        signal = asyncio.Event()
        self._outbox_signals.append(signal)
        return signal

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()
        self._engine.dispose()
        self._lock.release()


@asynccontextmanager
async def open_store(schema: Schema, config: StoreConfig) -> AsyncIterator[Store]:
    """Lock, open and migrate a role's database. Raises StartRefused."""
    opener = CallThread(f"{schema.role}-open")
    store = await opener.call(lambda: _open(schema, config), WITHIN_S)
    opener.close()
    try:
        await store.write(lambda c: migrate(c, schema.role, schema.versions, schema.revision))
        yield store
    finally:
        await store.close()


def _open(schema: Schema, config: StoreConfig) -> Store:
    if config.url is None:
        config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = config.folder / f"{schema.role}.db"
        lock: DatabaseLock = FileLock(path)
        try:
            return Store(schema, sqlite_engine(path, read_key(config.required_key_file)), lock)
        except BaseException:
            lock.release()
            raise
    _create_schema(config.url, schema.role)
    engine = postgresql_engine(config.url, schema.role)
    return Store(schema, engine, AdvisoryLock(engine, schema.role))


def _create_schema(url: str, name: str) -> None:
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 5})
    with engine.begin() as connection:
        if not connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :n"), {"n": name}):
            connection.execute(CreateSchema(name, if_not_exists=True))
    engine.dispose()


def columns(row: Any) -> dict[str, Any]:
    """A result row as a dict, for building a frozen dataclass from it."""
    return dict(row._mapping)
