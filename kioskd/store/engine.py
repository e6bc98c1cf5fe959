"""The two engines: SQLite encrypted by SQLCipher (default), and PostgreSQL.

SQLite runs in WAL mode with synchronous=FULL: with NORMAL a power cut loses commits that were already told to a
patient. A raw 256-bit key, not a passphrase: 0.1 ms against 76 ms a connection. SQLite 3.7.0 to 3.51.2 can lose
commits when two connections write and checkpoint at the same instant ("WAL-reset bug"; fixed in 3.51.3 and in the
maintenance releases 3.50.7 and 3.44.6), so an affected build refuses the start.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from kioskd.errors import StartRefused
from kioskd.store.lock import application_name

_CREDENTIALS = Path("/run/credentials")
_NOT_FOR_KEYS = 0o077
_NOT_FOR_CREDENTIALS = 0o037
_MAINTENANCE_FIXES = {(3, 44): 6, (3, 50): 7}


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite can lose commits in WAL mode with several connections."""
    if not (3, 7, 0) <= version <= (3, 51, 2):
        return False
    fixed_from = _MAINTENANCE_FIXES.get(version[:2])
    return fixed_from is None or version[2] < fixed_from


def refuse_unsafe_sqlite(version: tuple[int, int, int]) -> None:
    """Raises StartRefused for a build that loses commits."""
    if has_wal_reset_bug(version):
        text = ".".join(map(str, version))
        raise StartRefused(
            f"SQLite {text} loses committed data in WAL mode (WAL-reset bug, fixed in 3.51.3); "
            "install sqlcipher3 0.6.4 or newer"
        )


def read_key(key_file: Path, key: str = "store.key_file") -> bytes:
    """A key: 64 hexadecimal digits in a file that only its owner can read, or a credential of systemd.

    ``key`` is its name in the site file. Raises StartRefused.
    """
    try:
        mode = key_file.stat().st_mode
        text = key_file.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise StartRefused(
            f"{key} {key_file} can't be read: {error.strerror}; "
            f"make one with: (umask 077; openssl rand -hex 32 > {key_file})"
        ) from error
    if stat.S_IMODE(mode) & (_NOT_FOR_CREDENTIALS if _is_credential(key_file) else _NOT_FOR_KEYS):
        raise StartRefused(f"{key} {key_file} can be read by others; do: chmod 600 {key_file}")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise StartRefused(f"{key} {key_file} must hold 64 hexadecimal digits (256 bits), nothing else")
    return bytes.fromhex(text)


def _is_credential(file: Path) -> bool:
    """Whether systemd put a file there for this service alone (systemd.exec(5), LoadCredential=).

    Such a file belongs to root and is opened to the service's user by an access list, which shows as mode 0440. The
    folder is named to the service only; ``kioskd audit`` beside it knows the place where systemd has them all.
    """
    folders = [_CREDENTIALS, Path(named)] if (named := os.environ.get("CREDENTIALS_DIRECTORY")) else [_CREDENTIALS]
    return any(file.resolve().is_relative_to(folder.resolve()) for folder in folders)


def sqlite_engine(path: Path, key: bytes) -> Engine:
    """An engine on one encrypted SQLite file. Its transactions begin IMMEDIATE, so a writer never fails half-way."""
    from sqlcipher3 import dbapi2

    refuse_unsafe_sqlite(dbapi2.sqlite_version_info)
    pragma_key = f"PRAGMA key = \"x'{key.hex()}'\""

    def connect() -> Any:
        connection = dbapi2.connect(str(path), isolation_level=None, timeout=5.0, check_same_thread=False)
        try:
            connection.execute(pragma_key)
            journal_mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except dbapi2.DatabaseError as error:
            connection.close()
            if error.sqlite_errorname != "SQLITE_NOTADB":
                raise  # the disk, not the key
            raise StartRefused(
                f"{path} can't be opened with the key of store.key_file: wrong key, or not a kioskd database ({error})"
            ) from None
        if journal_mode != "wal":
            connection.close()
            raise StartRefused(f"{path} is on a file system without shared memory; put store.folder on a local disk")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    path.touch(mode=0o600, exist_ok=True)
    os.chmod(path, 0o600)
    # hide_parameters: the text of an error must not hold what was to be stored.
    engine = create_engine("sqlite://", module=dbapi2, creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin_immediate(connection: Any) -> None:
        how = "BEGIN" if connection.get_execution_options().get("kioskd_read_only") else "BEGIN IMMEDIATE"
        connection.exec_driver_sql(how)

    return engine


def postgresql_engine(url: str | URL, schema: str) -> Engine:
    """An engine on one schema of a PostgreSQL database."""
    return create_engine(
        make_url(url),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={
            "application_name": application_name(),
            "connect_timeout": 5,
            # A server that vanished without a word is noticed within 15 s, before store.WITHIN_S gives up the thread.
            "tcp_user_timeout": 15_000,
            "keepalives_idle": 5,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "options": f"-c search_path={schema} -c statement_timeout=20000 -c lock_timeout=10000 -c timezone=UTC"
            " -c synchronous_commit=on",
        },
    )
