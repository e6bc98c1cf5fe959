"""The ends of chains, noted beside the database."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from kioskd.config import StoreConfig
from kioskd.errors import StartRefused, StoreError
from kioskd.store import AuditEntry, audit, open_store
from kioskd.store.heads import HeadFile
from kioskd.store.reading import NoDatabase, reading
from tests.store.notebook import AUDIT, NOW, SCHEMA

ENTRY = AuditEntry("staff:anna", "view", "queue", NOW, {})


async def write(config: StoreConfig, count: int) -> None:
    async with open_store(SCHEMA, config) as store:
        for number in range(count):
            entry = replace(ENTRY, subject=f"queue/{count}/{number}")
            await store.write(lambda c, e=entry: audit.append(c, AUDIT, e))  # type: ignore[misc]


async def test_a_store_that_closes_leaves_its_heads_signed_and_private(sqlite_config: StoreConfig):
    await write(sqlite_config, 3)
    file = HeadFile("notebook", sqlite_config)
    noted = file.read()
    assert [(h.chain, h.sequence, h.id) for h in noted.heads] == [("main", 3, 3)]
    assert (noted.contradicted, noted.problem) == ((), "")
    assert file.path.stat().st_mode & 0o077 == 0


async def test_a_head_that_the_database_lost_stays_noted_while_the_chain_goes_on(sqlite_config: StoreConfig):
    await write(sqlite_config, 3)
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: c.execute(delete(AUDIT).where(AUDIT.c.sequence > 1)))
    await write(sqlite_config, 5)
    noted = HeadFile("notebook", sqlite_config).read()
    assert [(h.sequence) for h in noted.contradicted] == [3]
    assert [(h.sequence) for h in noted.heads] == [6]
    with reading("notebook", sqlite_config) as connection:
        [report] = audit.verify(connection, AUDIT, noted.contradicted)
    assert "entry 3 is not the one that was noted at" in report.problem


async def test_a_head_file_that_can_not_be_believed_is_kept_as_evidence(sqlite_config: StoreConfig):
    await write(sqlite_config, 1)
    path = HeadFile("notebook", sqlite_config).path
    data = json.loads(path.read_text())
    data["noted"]["heads"] = []
    path.write_text(json.dumps(data))
    assert "was changed, or was signed with another key" in HeadFile("notebook", sqlite_config).read().problem
    await write(sqlite_config, 1)
    assert HeadFile("notebook", sqlite_config).read().problem == ""
    assert json.loads(path.with_suffix(".heads-refused").read_text()) == data


@pytest.mark.parametrize("content", ["", "{", "[]", '{"noted": {}}', '{"noted": {"heads": 1}, "mac": 2}'])
async def test_garbage_is_damage_and_not_a_crash(sqlite_config: StoreConfig, content: str):
    await write(sqlite_config, 1)
    file = HeadFile("notebook", sqlite_config)
    file.path.write_text(content)
    assert file.read().problem


async def test_a_file_that_can_not_be_read_now_is_left_alone(sqlite_config: StoreConfig):
    await write(sqlite_config, 1)
    file = HeadFile("notebook", sqlite_config)
    content = file.path.read_bytes()
    file.path.rename(file.path.with_suffix(".kept"))
    file.path.mkdir()
    await write(sqlite_config, 1)
    file.path.rmdir()
    file.path.with_suffix(".kept").rename(file.path)
    assert file.path.read_bytes() == content
    assert not file.path.with_suffix(".heads-refused").exists()
    assert file.read().problem == ""


async def test_a_folder_that_takes_no_note_costs_a_line_in_the_log_and_nothing_else(
    sqlite_config: StoreConfig, caplog: pytest.LogCaptureFixture
):
    await write(sqlite_config, 1)
    path = HeadFile("notebook", sqlite_config).path
    path.with_suffix(f".heads-{os.getpid()}").mkdir()
    await write(sqlite_config, 1)
    assert [r.message for r in caplog.records if "can't be noted" in r.message]


async def test_looking_makes_nothing(sqlite_config: StoreConfig):
    with pytest.raises(NoDatabase, match=r"no such database: .*notebook\.db"), reading("notebook", sqlite_config):
        pass
    assert not sqlite_config.folder.exists()


async def test_looking_writes_nothing_and_sees_the_last_commit_of_an_open_store(sqlite_config: StoreConfig):
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: audit.append(c, AUDIT, ENTRY))
        with reading("notebook", sqlite_config) as connection:
            assert len(audit.verify(connection, AUDIT)) == 1
        with pytest.raises(StoreError, match="can't be read"), reading("notebook", sqlite_config) as connection:
            audit.append(connection, AUDIT, ENTRY)


async def test_looking_with_another_key_is_refused_in_words(sqlite_config: StoreConfig, tmp_path: Path):
    await write(sqlite_config, 1)
    other = tmp_path / "other.key"
    other.touch(mode=0o600)
    other.write_text("ab" * 32)
    config = StoreConfig(folder=sqlite_config.folder, key_file=other)
    with pytest.raises(StartRefused, match="wrong key"), reading("notebook", config):
        pass


async def test_looking_at_postgresql_needs_no_schema_to_be_made(store_config: StoreConfig):
    with pytest.raises(NoDatabase), reading("notebook", store_config):
        pass
    await write(store_config, 2)
    with reading("notebook", store_config) as connection:
        [report] = audit.verify(connection, AUDIT)
    assert (report.entries, report.problem) == (2, "")
