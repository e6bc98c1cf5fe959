"""A private PostgreSQL for a test session: own folder, own Unix socket, no TCP port, no flush to disk."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

BINARIES = Path("/usr/lib/postgresql/15/bin")
_numbers = count(1)


class Postgres:
    """A running server. ``new_database`` gives the URL of an empty database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_database(self) -> str:
        name = f"t{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(f"host={self.folder} user=postgres dbname={database}", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]


def _as_server_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: the prefix that runs a command as somebody else."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _run(command: list[str], log: Path) -> None:
    with log.open("ab") as output:
        done = subprocess.run(command, stdout=output, stderr=output, cwd="/", timeout=50, check=False)
    if done.returncode != 0:
        pytest.fail(f"{command} ended with {done.returncode}: {log.read_text()}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if not (BINARIES / "initdb").exists():
        if os.environ.get("CI"):
            pytest.fail(f"PostgreSQL is not in {BINARIES}; apt-get install postgresql-15")
        pytest.skip(f"PostgreSQL is not in {BINARIES}")
    folder = Path(tempfile.mkdtemp(prefix="kioskd-pg-"))
    log = Path(tempfile.mkstemp(prefix="kioskd-pg-", suffix=".log")[1])
    as_user, data = _as_server_user(folder), str(folder / "data")
    pg_ctl = [*as_user, str(BINARIES / "pg_ctl"), "-D", data]
    settings = f"-F -k {folder} -c listen_addresses= -c max_connections=40"
    try:
        initdb = [str(BINARIES / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        _run([*as_user, *initdb, "--no-sync"], log)
        _run([*pg_ctl, "-w", "-t", "30", "-o", settings, "-l", str(folder / "server.log"), "start"], log)
        try:
            yield Postgres(folder)
        finally:
            _run([*pg_ctl, "-m", "immediate", "-w", "stop"], log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        log.unlink()
