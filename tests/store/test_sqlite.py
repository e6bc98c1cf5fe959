import asyncio
from pathlib import Path

import pytest

from kioskd.config import StoreConfig
from kioskd.errors import StartRefused
from kioskd.store import open_store
from kioskd.store.engine import has_wal_reset_bug, read_key, refuse_unsafe_sqlite
from tests.store.conftest import key_file
from tests.store.notebook import SCHEMA, add_note, numbers


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 3), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 4), False),
        ((4, 0, 0), False),
    ],
)
def test_builds_that_lose_commits_are_known(version: tuple[int, int, int], is_affected: bool):
    assert has_wal_reset_bug(version) is is_affected
    if is_affected:
        with pytest.raises(StartRefused, match=".".join(map(str, version))):
            refuse_unsafe_sqlite(version)
    else:
        refuse_unsafe_sqlite(version)


async def test_the_wrong_key_is_refused_clearly(sqlite_config: StoreConfig, tmp_path: Path):
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: add_note(c, 1, "first"))
    key_file(tmp_path, "f0" * 32)
    with pytest.raises(StartRefused, match=r"notebook\.db can't be opened with the key of store\.key_file: wrong key"):
        async with open_store(SCHEMA, sqlite_config):
            pytest.fail("opened with a wrong key")
    key_file(tmp_path)
    async with open_store(SCHEMA, sqlite_config) as store:
        assert (await store.read(numbers))[0] == [1]


async def test_a_file_that_is_no_database_is_refused_and_left_alone(sqlite_config: StoreConfig):
    sqlite_config.folder.mkdir()
    path = sqlite_config.folder / "notebook.db"
    path.write_bytes(b"not a database " * 500)
    with pytest.raises(StartRefused, match="not a kioskd database"):
        async with open_store(SCHEMA, sqlite_config):
            pytest.fail("opened a file that is no database")
    assert path.read_bytes() == b"not a database " * 500


async def test_no_plaintext_reaches_the_disk(sqlite_config: StoreConfig):
    canary = "Wilhelmine Canary"
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: add_note(c, 1, canary))
        while_open = {p.name: p.read_bytes() for p in sqlite_config.folder.iterdir()}
    after = {p.name: p.read_bytes() for p in sqlite_config.folder.iterdir()}
    assert {"notebook.db", "notebook.db-wal"} <= while_open.keys()
    for files in (while_open, after):
        for name, content in files.items():
            assert canary.encode() not in content, name
            assert b"SQLite format 3" not in content, name
            assert b"CREATE TABLE" not in content, name


async def test_only_the_owner_can_read_what_is_stored(sqlite_config: StoreConfig):
    async with open_store(SCHEMA, sqlite_config) as store:
        await store.write(lambda c: add_note(c, 1, "first"))
        modes = {p.name: p.stat().st_mode & 0o777 for p in sqlite_config.folder.iterdir() if ".lock" not in p.name}
    assert set(modes.values()) == {0o600}, modes
    assert sqlite_config.folder.stat().st_mode & 0o777 == 0o700


async def test_the_engine_flushes_every_commit_and_keeps_foreign_keys(sqlite_config: StoreConfig):
    async with open_store(SCHEMA, sqlite_config) as store:
        for pragma, expected in [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)]:
            for transact in (store.write, store.read):
                found = await transact(lambda c, p=pragma: c.exec_driver_sql(f"PRAGMA {p}").scalar())
                assert found == expected, pragma


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int):
    path = key_file(tmp_path)
    path.chmod(mode)
    with pytest.raises(StartRefused, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_of_the_owner_alone_is_read(tmp_path: Path, mode: int):
    path = key_file(tmp_path, "0123456789abcdefABCDEF" + "0" * 42)
    path.chmod(mode)
    assert read_key(path) == bytes.fromhex("0123456789abcdefABCDEF" + "0" * 42)


@pytest.mark.parametrize("content", ["", "0f" * 31, "0f" * 33, "g" * 64, "0f" * 32 + " # old", "passphrase"])
def test_a_key_of_another_form_is_refused_and_not_quoted(tmp_path: Path, content: str):
    with pytest.raises(StartRefused, match="64 hexadecimal digits") as refused:
        read_key(key_file(tmp_path, content))
    assert not content or content not in str(refused.value)


def test_a_missing_key_file_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(StartRefused, match="openssl rand -hex 32"):
        read_key(tmp_path / "none")


async def test_databases_opened_at_the_same_time_are_each_brought_up_to_date(tmp_path: Path):
    """Alembic keeps the migration it is in as a global: two at once would run in each other's database."""
    key = key_file(tmp_path)

    async def numbers_of(folder: Path) -> list[int]:
        async with open_store(SCHEMA, StoreConfig(folder=folder, key_file=key)) as store:
            await store.write(lambda c: add_note(c, 1, "first"))
            return (await store.read(numbers))[0]

    folders = [tmp_path / f"data-{number}" for number in range(8)]
    assert await asyncio.gather(*map(numbers_of, folders)) == [[1]] * 8
