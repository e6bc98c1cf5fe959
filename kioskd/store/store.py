"""A role's database: ``await store.write(function)`` runs a plain function in one transaction on the writer thread.

Nothing can be awaited inside, so no device or network call ever happens while the database is locked. Reads have a
thread and a connection of their own and see the last commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, MetaData, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from kioskd.beside import beside
from kioskd.calls import CallThread, CallTimedOut
from kioskd.config import StoreConfig
from kioskd.errors import StartRefused, StoreLost
from kioskd.store.check import CHECK_WITHIN_S, check, ended_well
from kioskd.store.engine import postgresql_engine, read_key, sqlite_engine
from kioskd.store.heads import heads_kept
from kioskd.store.health import HealthBook, StoreHealth, StoreState
from kioskd.store.lock import FileLock, claim_schema
from kioskd.store.migrate import migrate
from kioskd.store.outbox import PUT_MARK
from kioskd.store.reserve import BYTES_PER_MB, Reserve
from kioskd.store.worker import WITHIN_S, Worker, what

T = TypeVar("T")

LOOK_AGAIN_S = 2.0
"""How often a disk that was full or read-only is tried again."""


@dataclass(frozen=True, slots=True)
class Schema:
    """How a role describes its database: its tables and the revision that its newest migration makes."""

    role: str
    tables: MetaData
    versions: Path
    revision: str


class Store:
    """One role's database, open. See ``open_store``."""

    def __init__(
        self,
        schema: Schema,
        engine: Engine,
        where: str,
        lock: FileLock | None = None,
        reserve: Reserve | None = None,
        within_s: float = WITHIN_S,
        claim: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self.schema = schema
        self._engine = engine
        self._lock = lock
        self._book = HealthBook(schema.role)
        self._stirred = asyncio.Event()
        self._writer = Worker(
            f"{schema.role}-write",
            engine,
            False,
            self._book,
            where,
            reserve,
            within_s,
            prepare=claim,
            after_commit=self._wake,
        )
        self._reader = Worker(f"{schema.role}-read", engine, True, self._book, where, within_s=within_s)
        if reserve is not None and (missing := reserve.take()):
            self._book.note(StoreState.SHORT_OF_SPACE, f"{where}: no room for a reserve, {missing}: make room now")
        self._outbox_signals: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self.on_write: Callable[[float], None] = lambda _: None
        """Called with the seconds that each ``write`` took, waiting for its turn and failing ones too."""

    @property
    def health(self) -> StoreHealth:
        """How the database is now, for the console and the health loop."""
        return self._book.present

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run ``function(connection)`` in one transaction; it is on disk when this returns.

        Raises what the function raises (nothing is stored then), and StoreError for what the database refuses:
        StoreUnwritable while there is no room, StoreLost once nobody knows what is on disk. A caller that is cancelled
        does not undo a transaction that has begun. On a full disk the function is called a second time.
        """
        began_s = time.perf_counter()
        try:
            return await self._writer.transact(function)
        finally:
            self.on_write(time.perf_counter() - began_s)

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

    async def look_after(self) -> None:
        """Run beside whoever uses the store: has a full disk tried again. Raises StoreLost when the store is lost."""
        loop = asyncio.get_running_loop()

        def stir() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._stirred.set)

        self._book.changed = stir
        while True:
            self._stirred.clear()
            present = self.health
            if present.state is StoreState.FAILED:
                raise StoreLost(present.what)
            try:
                async with asyncio.timeout(None if present.state is StoreState.OK else LOOK_AGAIN_S):
                    await self._stirred.wait()
            except TimeoutError:
                await self._writer.recover()

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()


@asynccontextmanager
async def open_store(
    schema: Schema, config: StoreConfig, *, is_beside_daemon: bool = False, within_s: float = WITHIN_S
) -> AsyncIterator[Store]:
    """Lock, open and migrate a role's database. Raises StartRefused.

    ``is_beside_daemon``: for a command of the command line, which may also run while the daemon has the lock. Both
    engines keep transactions of several processes apart; the lock only keeps a second daemon out. ``within_s``: longest
    a transaction may take. When the store is lost the body is cancelled, and an ExceptionGroup with StoreLost leaves.
    """
    opener = CallThread(f"{schema.role}-open")
    try:
        store = await opener.call(lambda: _open(schema, config, is_beside_daemon, within_s), CHECK_WITHIN_S)
    except CallTimedOut as error:
        raise StartRefused(f"the {schema.role} database did not answer: {error}") from None
    finally:
        opener.close()
    try:
        await store.write(lambda c: migrate(c, schema.role, schema.versions, schema.revision))
        async with beside(store.look_after()), heads_kept(store, config):
            yield store
    finally:
        await store.close()


def _open(schema: Schema, config: StoreConfig, is_beside_daemon: bool, within_s: float) -> Store:
    if config.url is None:
        try:
            return _open_file(schema, config, is_beside_daemon, within_s)
        except OSError as error:
            raise StartRefused(f"store.folder {config.folder} can't be used: {error.strerror}") from error
    _create_schema(config.url, schema.role)
    engine, where = postgresql_engine(config.url, schema.role), f"PostgreSQL's schema {schema.role}"
    if is_beside_daemon:
        return Store(schema, engine, where, within_s=within_s)
    return Store(schema, engine, where, within_s=within_s, claim=lambda c: claim_schema(c, schema.role))


def _open_file(schema: Schema, config: StoreConfig, is_beside_daemon: bool, within_s: float) -> Store:
    config.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = config.folder / f"{schema.role}.db"
    lock = _lock(path, is_beside_daemon)
    try:
        had_ended_well = lock is None or ended_well(path)
        engine = sqlite_engine(path, read_key(config.required_key_file))
        if not had_ended_well:
            check(engine, path)
        reserve = None if is_beside_daemon else Reserve(path, config.reserve_mb * BYTES_PER_MB)
        return Store(schema, engine, str(path), lock, reserve, within_s)
    except BaseException:
        if lock is not None:
            lock.release()
        raise


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
        raise StartRefused(f"store.url {where} can't be used: {what(error)}") from None
    finally:
        engine.dispose()
