"""A front desk that something is taken from: nothing told is lost, nothing is there twice, and it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.starved import RUNS, run, why_not
from tests.faults.starved_daemon import DAEMON_RUNS, why_not_the_daemon

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("runs", [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
@pytest.mark.parametrize("fault", RUNS)
async def test_a_front_desk_survives(fault: str, runs: int, tmp_path: Path) -> None:
    if why := why_not(fault):
        pytest.skip(why)
    outcome = await run(fault, tmp_path, runs)
    assert outcome.is_clean, outcome
    assert outcome.runs >= runs


@pytest.mark.parametrize("fault", DAEMON_RUNS)
async def test_the_whole_daemon_survives(fault: str, tmp_path: Path) -> None:
    if why := why_not_the_daemon(fault):
        pytest.skip(why)
    outcome = await DAEMON_RUNS[fault](tmp_path)
    assert outcome.is_clean, outcome
