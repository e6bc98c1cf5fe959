"""A front desk that is killed at any write, flush or send of a check-in loses and doubles nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.crash_points import crash_points
from tests.faults.recording import why_not_traced

pytestmark = pytest.mark.skipif(bool(why_not_traced()), reason=why_not_traced())


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A kill takes nothing from the kernel, so a real disk would only make it slow."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="kioskd-", dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("most", [20, pytest.param(0, marks=pytest.mark.long, id="all")])
def test_a_kill_at_a_write_flush_or_send_loses_and_doubles_nothing(in_memory: Path, most: int) -> None:
    outcome = crash_points(in_memory, most=most)
    assert outcome.is_clean, outcome.problems
    assert outcome.runs > most // 2 > 0 or outcome.runs > 100
