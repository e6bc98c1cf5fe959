from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kioskd.staff.throttle import ACCOUNT, ADDRESS, PAIR, delay, keys, wait

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PATIENCE = st.sampled_from([PAIR, ACCOUNT, ADDRESS])


@given(st.integers(0, 10**9), PATIENCE)
def test_a_delay_never_shrinks_with_failures_and_never_grows_for_ever(failures: int, patience):
    assert timedelta(0) <= delay(failures, patience) <= delay(failures + 1, patience) <= patience.longest


@given(st.integers(0, 10**6), PATIENCE, st.timedeltas(timedelta(-400), timedelta(400)))
def test_a_wait_is_over_at_the_latest_after_the_longest_delay(failures: int, patience, since: timedelta):
    left = wait(failures, NOW - since, patience, NOW)
    assert timedelta(0) <= left <= patience.longest
    assert since < patience.longest or left == timedelta(0)


@given(st.text(), st.text(max_size=300))
def test_names_are_not_stored_and_keys_fit_their_column(account: str, address: str):
    made = keys(account, address)
    assert len(made) == 3
    assert all(len(key) <= 160 for key in made)
