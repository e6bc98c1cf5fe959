"""Brings a database to the revision its role needs. Alembic is imported only when there is something to do."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, inspect, text

from kioskd.errors import StartRefused

VERSION_TABLE = "alembic_version"

_one_at_a_time = Lock()
"""Alembic keeps the migration it is in as a global of the process: two at once run in each other's database."""


def revision_of(connection: Connection) -> str | None:
    """The revision a database is at, or None for an empty one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a constant
    return revision


def migrate(connection: Connection, role: str, versions: Path, revision: str) -> bool:
    """Upgrade inside the caller's transaction; whether anything was done. Raises StartRefused for a newer database."""
    present = revision_of(connection)
    if present == revision:
        return False
    with _one_at_a_time:
        _upgrade(connection, role, versions, present, revision)
    return True


def _upgrade(connection: Connection, role: str, versions: Path, present: str | None, revision: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise StartRefused(
            f"the {role} database is at revision {present}, which this kioskd does not know; "
            "it was written by a newer one: install that version, or restore a backup"
        )
    command.upgrade(config, revision)
