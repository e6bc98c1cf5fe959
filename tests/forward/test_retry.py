from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.errors import Rejected, Unreachable
from kioskd.forward.retry import LONGEST_WAIT, Park, Retry, decide

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def wait_s(attempts: int, error: Unreachable, jitter: float) -> float:
    decision = decide(attempts, error, NOW, jitter)
    assert isinstance(decision, Retry)
    return (decision.at - NOW).total_seconds()


def test_what_is_refused_for_good_is_parked_at_the_first_attempt() -> None:
    assert decide(0, Rejected("invalid", "no"), NOW, 0.5) == Park()


@pytest.mark.parametrize(("attempts", "longest_s"), [(0, 0.5), (1, 1), (2, 2), (6, 32), (7, 60), (8, 60), (10_000, 60)])
def test_waits_double_from_half_a_second_to_a_minute_and_never_end(attempts: int, longest_s: float) -> None:
    assert wait_s(attempts, Unreachable("away"), 0.0) == longest_s / 2
    assert wait_s(attempts, Unreachable("away"), 0.999_999) == pytest.approx(longest_s, rel=1e-3)


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e9))
def test_a_wait_is_never_shorter_than_asked_within_reason_nor_longer_than_the_longest(
    attempts: int, jitter: float, asked_s: float | None
) -> None:
    wait = wait_s(attempts, Unreachable("busy", asked_s), jitter)
    assert 0.25 <= wait <= LONGEST_WAIT.total_seconds()
    assert wait >= min(asked_s or 0, 900) - 1e-6
    assert asked_s is not None or wait <= 60


def test_a_server_that_asks_for_a_day_gets_a_quarter_of_an_hour() -> None:
    assert timedelta(seconds=wait_s(0, Unreachable("busy", 86_400), 0.0)) == timedelta(minutes=15)
