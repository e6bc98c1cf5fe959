"""A power cut at any moment loses nothing that anybody was told, and leaves nothing half done."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disk import Cut, Flushed, Made, Removed, Renamed, Told, Written
from tests.faults.power import examine_cuts, only_at_checkpoints, power_cuts, record_morning
from tests.faults.recording import operations, record, why_not_traced

pytestmark = pytest.mark.skipif(bool(why_not_traced()), reason=why_not_traced())


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """The disk is a made one; the files that are built from it are opened thousands of times."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="kioskd-", dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("points", [200, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_power_cut_loses_nothing_that_was_told_and_leaves_nothing_half_done(in_memory: Path, points: int) -> None:
    outcome = power_cuts(in_memory, points, seed=1)
    assert outcome.runs == points
    assert outcome.is_clean, outcome.problems


@pytest.mark.timeout(300)
def test_the_simulator_finds_a_database_that_flushes_at_checkpoints_only(in_memory: Path) -> None:
    """As SQLite's ``synchronous = NORMAL`` would: sound at any moment, and what was told last is gone."""
    recorded = record_morning(in_memory, check_ins=4)
    found = examine_cuts(recorded, in_memory, points=30, seed=1, is_honoured=only_at_checkpoints(recorded))
    assert found.lost > 10, found.problems
    assert not any("broken" in problem for problem in found.problems), found.problems


WRITER = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
told = os.open(folder / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
database = os.open(folder / "data" / "hub.db", os.O_RDWR | os.O_CREAT)
os.pwrite(database, b"page", 8)
os.fsync(database)
os.write(told, b"one\\n")
os.ftruncate(database, 4)
with open(folder / "data" / "hub.heads-1", "wb") as heads:
    heads.write(b"head")
os.rename(folder / "data" / "hub.heads-1", folder / "data" / "hub.heads")
directory = os.open(folder / "data", os.O_RDONLY)
os.fsync(directory)
os.unlink(folder / "data" / "hub.db")
os.open(folder / "data" / "hub.db-shm", os.O_RDWR | os.O_CREAT)
"""


def test_a_recording_holds_what_was_done_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert record(tmp_path, ["-c", WRITER, str(tmp_path)]) == [
        Made("hub.db"),
        Written("hub.db", 8, b"page"),
        Flushed("hub.db", 2),
        Told(b"one\n"),
        Cut("hub.db", 4),
        Made("hub.heads-1"),
        Cut("hub.heads-1", 0),
        Written("hub.heads-1", 0, b"head"),
        Renamed("hub.heads-1", "hub.heads"),
        Flushed("", 9),
        Removed("hub.db"),
    ]


def shown(text: str) -> str:
    """A text as ``strace -xx`` shows it."""
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def test_a_flush_counts_from_its_end_for_what_was_there_at_its_beginning_and_a_word_from_its_beginning() -> None:
    database, told = f"5<{shown('/d/hub.db')}>", f"3<{shown('/told')}>"
    lines = [
        f'1 pwrite64({database}, "{shown("ab")}", 2, 0) = 2',
        f"1 fsync({database} <unfinished ...>",
        f'2 write({told}, "{shown("said")}", 4 <unfinished ...>',
        f'3 pwrite64({database}, "{shown("cd")}", 2, 2) = 2',
        "1 <... fsync resumed>) = 0",
        "2 <... write resumed>) = 4",
        f"3 fsync({database}) = -1 EIO (Input/output error)",
    ]
    assert list(operations([line.encode() + b"\n" for line in lines], Path("/d"), Path("/told"))) == [
        Written("hub.db", 0, b"ab"),
        Told(b"said"),
        Written("hub.db", 2, b"cd"),
        Flushed("hub.db", 1),
    ]


def test_a_way_of_writing_that_is_not_simulated_is_an_error() -> None:
    line = f'1 writev(5<{shown("/d/hub.db")}>, [{{iov_base="{shown("ab")}", iov_len=2}}], 1) = 2\n'
    with pytest.raises(AssertionError, match="not simulated"):
        list(operations([line.encode()], Path("/d"), Path("/told")))
