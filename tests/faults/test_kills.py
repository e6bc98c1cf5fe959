"""kill -9 of each process and of all while people check in: nothing lost, nothing doubled, no wrong call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kill_plan import plans
from tests.faults.kills import kills

SHORT, LONG = 20, 500


@pytest.mark.timeout(900)
@pytest.mark.parametrize("is_split", [False, True], ids=["one-process", "three-processes"])
async def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path: Path, is_split: bool) -> None:
    outcome = await kills(tmp_path, SHORT, seed=1, is_split=is_split)
    assert outcome.is_clean, "\n".join(outcome.problems)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("is_split", [False, True], ids=["one-process", "three-processes"])
async def test_a_thousand_kills_lose_and_double_nothing(tmp_path: Path, is_split: bool) -> None:
    outcome = await kills(tmp_path, LONG, seed=0, is_split=is_split)
    assert outcome.is_clean, "\n".join(outcome.problems)


def test_the_same_seed_draws_the_same_kills() -> None:
    assert plans(50, 7, is_split=True) == plans(50, 7, is_split=True)
    assert plans(50, 7, is_split=True) != plans(50, 8, is_split=True)
    drawn = plans(200, 7, is_split=True)
    assert {plan.victims for plan in drawn} > {("station",), ("hub",), ("records",)}
    assert any(plan.again_after_s is not None for plan in drawn)
    assert any(plan.stays for plan in drawn)
    assert any(not plan.stays for plan in drawn)
