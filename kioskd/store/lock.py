"""One daemon per database: a second one is refused and told who holds it."""

from __future__ import annotations

import fcntl
import os
import socket
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy import Connection, Engine, text

from kioskd.errors import StartRefused


class DatabaseLock(Protocol):
    """Held as long as the store is open; the operating system or the server frees it when the process dies."""

    def release(self) -> None: ...


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


class FileLock:
    """flock on ``<database>.lock``, which also names the holder."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._file: IO[str] = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise StartRefused(f"{database} is in use by kioskd, {holder}; stop that daemon first") from None
        self._file.truncate(0)
        self._file.write(_me())
        self._file.flush()

    def release(self) -> None:
        self._file.close()


class AdvisoryLock:
    """A PostgreSQL session lock on the schema's name; ``application_name`` names the holder."""

    def __init__(self, engine: Engine, schema: str) -> None:
        key = zlib.crc32(f"kioskd.{schema}".encode())
        self._connection: Connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.execute(
            text("SELECT set_config('application_name', :me, false)"), {"me": f"kioskd {_me()}"[:63]}
        )
        if self._connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
            return
        holder = self._connection.scalar(
            text(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
                "WHERE l.locktype = 'advisory' AND l.granted AND l.objid = :key LIMIT 1"
            ),
            {"key": key},
        )
        self._connection.close()
        raise StartRefused(f"schema {schema} is in use by {holder or 'another kioskd'}; stop that daemon first")

    def release(self) -> None:
        self._connection.close()
