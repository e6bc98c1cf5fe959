import pytest

from kioskd.bus.backoff import FIRST_S, LONGEST_S, REFUSED_S, delay_s


def test_waits_double_up_to_the_longest():
    waits = [delay_s(failures, jitter=0.999999) for failures in range(1, 12)]
    assert waits[:4] == pytest.approx([0.5, 1, 2, 4], abs=0.001)
    assert waits[-1] == pytest.approx(LONGEST_S, abs=0.001)
    assert waits == sorted(waits)


def test_jitter_spreads_over_the_second_half_of_a_wait():
    assert delay_s(1, jitter=0.0) == FIRST_S / 2
    assert FIRST_S / 2 < delay_s(1, jitter=0.5) < FIRST_S


def test_who_is_not_admitted_waits_longest_from_the_first_time():
    assert delay_s(1, jitter=0.0, is_refused=True) == REFUSED_S / 2


def test_a_year_of_failures_is_no_overflow():
    assert delay_s(10**9, jitter=0.999999) <= LONGEST_S
