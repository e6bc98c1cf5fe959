"""A birth date out of three fields."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core.birth_date import LONGEST_LIFE_YEARS, TypedDate, read

TODAY = date(2026, 11, 24)


@given(st.dates(date(TODAY.year - LONGEST_LIFE_YEARS, 1, 1), TODAY), st.booleans())
def test_every_date_of_a_life_is_read_with_and_without_zeros(born: date, has_zeros: bool):
    width = 2 if has_zeros else 1
    typed = TypedDate(f"{born.day:0{width}d}", f"{born.month:0{width}d}", f"{born.year:04d}")
    assert read(typed, TODAY) == born


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_nothing_else_raises(day: str, month: str, year: str):
    born = read(TypedDate(day, month, year), TODAY)
    assert born is None or born <= TODAY


@pytest.mark.parametrize(
    "typed",
    [
        ("31", "2", "1980"),
        ("", "2", "1980"),
        ("3", "2", "80"),
        ("3", "13", "1980"),
        ("-3", "2", "1980"),
        ("003", "2", "1980"),
    ],
)
def test_what_is_no_date_is_none(typed: tuple[str, str, str]):
    assert read(TypedDate(*typed), TODAY) is None


def test_nobody_is_born_tomorrow_or_in_another_age():
    tomorrow = TODAY + timedelta(days=1)
    assert read(TypedDate(str(tomorrow.day), str(tomorrow.month), str(tomorrow.year)), TODAY) is None
    assert read(TypedDate("1", "1", "1780"), TODAY) is None


def test_it_is_in_no_repr():
    assert "1980" not in repr(TypedDate("3", "2", "1980"))
