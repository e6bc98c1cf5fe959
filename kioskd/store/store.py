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
from typing import TypeVar

from sqlalchemy import Connection, Engine, MetaData, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.schema import CreateSchema

from kioskd.calls import CallThread, CallTimedOut
from kioskd.config import StoreConfig
from kioskd.errors import StartRefused, StoreError, StoreLost
from kioskd.store.engine import postgresql_engine, read_key, sqlite_engine
from kioskd.store.lock import FileLock, claim_schema
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
    """One thread with one connection, opened again after it broke.

    ``prepare`` runs in a transaction of its own on every new connection; ``after_commit`` runs on the thread, so it
    also runs when the caller has gone in the meantime.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        is_read_only: bool,
        prepare: Callable[[Connection], None] = lambda _: None,
        after_commit: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._engine = engine
        self._options = {"kioskd_read_only": is_read_only}
        self._prepare = prepare
        self._after_commit = after_commit
        self._connection: Connection | None = None
        self._thread = CallThread(name)

    async def transact(self, function: Callable[[Connection], T]) -> T:
        try:
            return await self._thread.call(lambda: self._run(function), WITHIN_S)
        except CallTimedOut as error:
            raise StoreLost(f"the database did not answer: {error}") from None

    def _run(self, function: Callable[[Connection], T]) -> T:
        try:
            connection = self._connection or self._connect()
            with connection.begin():
                connection.info.pop(PUT_MARK, None)
                result = function(connection)
        except IntegrityError as error:
            raise StoreError(f"{self._name}: {_what(error)}") from None
        except DBAPIError as error:
            self._drop()
            raise StoreError(f"{self._name}: {_what(error)}") from None
        self._after_commit(connection)
        return result

    def _connect(self) -> Connection:
        self._connection = self._engine.connect().execution_options(**self._options)
        try:
            with self._connection.begin():
                self._prepare(self._connection)
        except BaseException:
            self._drop()
            raise
        return self._connection

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


def _what(error: DBAPIError) -> str:
    """An error of the database without the values that it was about: PostgreSQL's own text quotes them."""
    kind, diagnosis = type(error.orig).__name__, getattr(error.orig, "diag", None)
    if diagnosis is None or diagnosis.sqlstate is None:
        return f"{kind}: {error.orig}"
    return f"{kind} ({diagnosis.sqlstate}) {diagnosis.constraint_name or diagnosis.table_name or ''}".rstrip()


class Store:
    """One role's database, open. See ``open_store``."""

    def __init__(
        self,
        schema: Schema,
        engine: Engine,
        lock: FileLock | None = None,
        claim: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self.schema = schema
        self._engine = engine
        self._lock = lock
        self._writer = _Worker(f"{schema.role}-write", engine, False, prepare=claim, after_commit=self._wake)
        self._reader = _Worker(f"{schema.role}-read", engine, is_read_only=True)
        self._outbox_signals: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run ``function(connection)`` in one transaction; it is on disk when this returns.

        Raises what the function raises (nothing is stored then), and StoreError for what the database refuses. A
        caller that is cancelled does not undo a transaction that has begun.
        """
        return await self._writer.transact(function)

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Run ``function(connection)`` on the last commit. Raises what it raises, and StoreError."""
        return await self._reader.transact(function)

    def outbox_signal(self) -> asyncio.Event:
        """An event that is set after each commit that put a message into the outbox."""
        signal = asyncio.Event()
        self._outbox_signals.append((asyncio.get_running_loop(), signal))
        return signal

    def _wake(self, connection: Connection) -> None:
        if connection.info.pop(PUT_MARK, False):
            for loop, signal in tuple(self._outbox_signals):
                if not loop.is_closed():
                    loop.call_soon_threadsafe(signal.set)

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()


@asynccontextmanager
async def open_store(schema: Schema, config: StoreConfig, *, is_beside_daemon: bool = False) -> AsyncIterator[Store]:
    """Lock, open and migrate a role's database. Raises StartRefused.

    ``is_beside_daemon``: for a command of the command line, which may also run while the daemon has the lock. Both
    engines keep transactions of several processes apart; the lock only keeps a second daemon out.
    """
    opener = CallThread(f"{schema.role}-open")
    try:
        store = await opener.call(lambda: _open(schema, config, is_beside_daemon), WITHIN_S)
    except CallTimedOut as error:
        raise StartRefused(f"the {schema.role} database did not answer: {error}") from None
    finally:
        opener.close()
    try:
        await store.write(lambda c: migrate(c, schema.role, schema.versions, schema.revision))
        yield store
    finally:
        await store.close()


def _open(schema: Schema, config: StoreConfig, is_beside_daemon: bool) -> Store:
    if config.url is None:
        config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = config.folder / f"{schema.role}.db"
        lock = _lock(path, is_beside_daemon)
        try:
            return Store(schema, sqlite_engine(path, read_key(config.required_key_file)), lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
    _create_schema(config.url, schema.role)
    engine = postgresql_engine(config.url, schema.role)
    if is_beside_daemon:
        return Store(schema, engine)
    return Store(schema, engine, claim=lambda connection: claim_schema(connection, schema.role))


def _lock(path: Path, is_beside_daemon: bool) -> FileLock | None:
    try:
        return FileLock(path)
    except StartRefused:
        if is_beside_daemon:
            return None
        raise


def _create_schema(url: str, name: str) -> None:
    engine = postgresql_engine(url, "public")
    try:
        with engine.begin() as connection:
            if not connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :n"), {"n": name}):
                connection.execute(CreateSchema(name, if_not_exists=True))
    except DBAPIError as error:
        where = make_url(url).render_as_string(hide_password=True)
        raise StartRefused(f"store.url {where} can't be used: {_what(error)}") from None
    finally:
        engine.dispose()
