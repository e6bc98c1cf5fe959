from pathlib import Path

import pytest

from kioskd.config import StoreConfig
from tests.store.postgres import postgres

__all__ = ["postgres"]


def key_file(folder: Path, key: str = "0f" * 32) -> Path:
    path = folder / "store.key"
    path.touch(mode=0o600)
    path.write_text(key + "\n")
    return path


@pytest.fixture
def sqlite_config(tmp_path: Path) -> StoreConfig:
    return StoreConfig(folder=tmp_path / "data", key_file=key_file(tmp_path))


@pytest.fixture(params=["sqlite", "postgresql"])
def store_config(request: pytest.FixtureRequest) -> StoreConfig:
    """An empty place for databases, once on each engine."""
    if request.param == "sqlite":
        config: StoreConfig = request.getfixturevalue("sqlite_config")
        return config
    return StoreConfig(url=request.getfixturevalue("postgres").new_database())
