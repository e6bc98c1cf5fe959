"""One thread with one connection to a database, and what becomes of each kind of failure there.

=================  ==================================================================================================
refused            StoreError; the next transaction may do
no room            the reserve is given up and the transaction done again; without a reserve StoreUnwritable, until
                   ``recover`` finds room again
read-only          StoreUnwritable, until ``recover`` may write again
unknown outcome    StoreLost, from now on and for everything: only a new process, which checks first, goes on
no answer          StoreLost, the same
=================  ==================================================================================================

A file system that is remounted read-only under an open database mostly shows as a failed write, so as an unknown
outcome: the new process refuses to start, saying why, until the file system takes writes again.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from kioskd.calls import CallThread, CallTimedOut
from kioskd.errors import StoreError, StoreLost, StoreUnwritable
from kioskd.store.health import HealthBook, StoreState
from kioskd.store.outbox import PUT_MARK
from kioskd.store.reserve import Reserve
from kioskd.store.trouble import Trouble, trouble_of

T = TypeVar("T")
log = logging.getLogger(__name__)

WITHIN_S = 30.0
"""Longest a transaction may take; the statement time-outs of both engines are shorter."""
CLOSE_WITHIN_S = 5.0


class Worker:
    """Transactions one at a time and in order; the connection is opened again after it broke.

    ``prepare`` runs in a transaction of its own on every new connection; ``after_commit`` runs on the thread, so it
    also runs when the caller has gone in the meantime. ``where`` names the database to staff.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        is_read_only: bool,
        health: HealthBook,
        where: str,
        reserve: Reserve | None = None,
        within_s: float = WITHIN_S,
        prepare: Callable[[Connection], None] = lambda _: None,
        after_commit: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._engine = engine
        self._options = {"kioskd_read_only": is_read_only}
        self._health = health
        self._where = where
        self._reserve = reserve
        self._within_s = within_s
        self._prepare = prepare
        self._after_commit = after_commit
        self._connection: Connection | None = None
        self._thread = CallThread(name)

    async def transact(self, function: Callable[[Connection], T]) -> T:
        """See ``Store.write``. ``function`` may be called a second time, after its first transaction was undone."""
        return await self._call(lambda: self._run(function))

    async def recover(self) -> None:
        """Look whether a disk that was full or read-only takes data again."""
        await self._call(self._look_again)

    async def _call(self, function: Callable[[], T]) -> T:
        try:
            return await self._thread.call(function, self._within_s)
        except CallTimedOut as error:
            self._health.note(StoreState.FAILED, f"{self._where} did not answer: {error}")
            raise StoreLost(f"the database did not answer: {error}") from None

    def _run(self, function: Callable[[Connection], T]) -> T:
        if self._health.present.state is StoreState.FAILED:
            raise StoreLost(self._health.present.what)
        try:
            connection, result = self._attempt(function)
        except IntegrityError as error:
            raise StoreError(f"{self._name}: {what(error)}") from None
        except DBAPIError as error:
            raise self._failed(error) from None
        except MemoryError:
            self._drop()
            raise StoreError(f"{self._name}: out of memory") from None
        self._after_commit(connection)
        return result

    def _attempt(self, function: Callable[[Connection], T]) -> tuple[Connection, T]:
        try:
            return self._transaction(function)
        except DBAPIError as error:
            if trouble_of(error) is not Trouble.NO_SPACE or self._reserve is None or not self._reserve.give_up():
                raise
        full = f"{self._where}: the disk is full; working in the reserve of {self._reserve.size_bytes // 2**20} MB"
        self._health.note(StoreState.SHORT_OF_SPACE, f"{full}: make room now")
        return self._transaction(function)

    def _transaction(self, function: Callable[[Connection], T]) -> tuple[Connection, T]:
        connection = self._connection or self._connect()
        with connection.begin():
            connection.info.pop(PUT_MARK, None)
            return connection, function(connection)

    def _failed(self, error: DBAPIError) -> StoreError:
        """What the caller is told, and what it means for the ones that follow."""
        said = what(error)
        match trouble_of(error):
            case Trouble.NO_SPACE:
                # Undone whole, and the connection is sound: a new one would need room for its shared memory.
                self._health.note(StoreState.FULL, f"{self._where}: the disk is full, nothing can be stored: make room")
                return StoreUnwritable(f"{self._name}: {said}; make room on the disk of {self._where}")
            case Trouble.READ_ONLY:
                self._drop()
                self._health.note(StoreState.READ_ONLY, f"{self._where} can't be written: make its disk writable again")
                return StoreUnwritable(f"{self._name}: {said}; make the disk of {self._where} writable again")
            case Trouble.UNKNOWN_OUTCOME:
                self._health.note(StoreState.FAILED, f"{self._where}: {said}; check the disk and the system's log")
                return StoreLost(f"{self._name}: {said}; what is on disk is not known any more")
            case Trouble.REFUSED:
                self._drop()
                return StoreError(f"{self._name}: {said}")

    def _look_again(self) -> None:
        state = self._health.present.state
        if state is StoreState.READ_ONLY:
            self._drop()  # it was opened read-only
        if self._reserve is None:
            self._health.note(StoreState.OK)  # PostgreSQL: its next refusal says so again
        elif not self._reserve.take():
            self._health.note(StoreState.OK)
        elif state is not StoreState.SHORT_OF_SPACE and self._reserve.has_some_room():
            self._health.note(StoreState.SHORT_OF_SPACE, f"{self._where}: hardly any room on the disk: make room now")

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
        try:
            await self._thread.call(self._end, CLOSE_WITHIN_S)
        except CallTimedOut:
            return  # a daemon thread is left behind; the process can stop all the same
        finally:
            self._thread.close()

    def _end(self) -> None:
        if self._connection is None:
            return
        if self._health.present.state is StoreState.FAILED:
            # The last connection that closes copies the write-ahead log into the database, unchecked, and removes it.
            # After a failed sync that log may be other on disk than in memory, so nothing closes: one reference too
            # many keeps the connection until the process is gone, and the next one reads the log by its checksums.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
        else:
            self._connection.close()


def what(error: DBAPIError) -> str:
    """An error of the database without the values that it was about: PostgreSQL's own text quotes them."""
    kind, diagnosis = type(error.orig).__name__, getattr(error.orig, "diag", None)
    if diagnosis is None or diagnosis.sqlstate is None:
        return f"{kind}: {error.orig}"
    return f"{kind} ({diagnosis.sqlstate}) {diagnosis.constraint_name or diagnosis.table_name or ''}".rstrip()
