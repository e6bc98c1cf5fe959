"""One daemon per database: a second one is refused and told who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from kioskd.errors import StartRefused

CLAIM_WITHIN_MS = 2000
"""The server frees the lock of a daemon that has just ended a moment after its connection."""
LOCK_NOT_AVAILABLE = "55P03"
"""PostgreSQL's error code."""


def application_name() -> str:
    """How this process is called in PostgreSQL's ``pg_stat_activity`` (at most 63 bytes)."""
    return f"kioskd {_me()}"[:63]


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


class FileLock:
    """flock on ``<database>.lock``, which also names the holder. The kernel frees it when the process dies."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._file: IO[bytes] = path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().decode(errors="replace").strip() or "another process"
            self._file.close()
            raise StartRefused(f"{database} is in use by kioskd, {holder}; stop that daemon first") from None
        with contextlib.suppress(OSError):  # on a full disk nobody is told who holds it; it is held all the same
            self._file.truncate(0)
            self._file.write(_me().encode())

    def release(self) -> None:
        self._file.close()


def claim_schema(connection: Connection, schema: str) -> None:
    """Take the PostgreSQL session lock on a schema for the writer's own connection. Raises StartRefused.

    The lock lives and dies with the connection that writes, so a daemon that lost it can't go on writing: it claims
    the schema again when it connects again.
    """
    key = zlib.crc32(f"kioskd.{schema}".encode())
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{CLAIM_WITHIN_MS}ms'"))
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        return
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
    holder = connection.scalar(
        text(
            "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "JOIN pg_database d ON d.oid = l.database AND d.datname = current_database() "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.objid = :key LIMIT 1"
        ),
        {"key": key},
    )
    raise StartRefused(f"schema {schema} is in use by {holder or 'another kioskd'}; stop that daemon first")
