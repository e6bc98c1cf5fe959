"""Dates of which a part may be unknown."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core.patient import PartialDate, in_groups

DATES = st.dates()
PARTIAL_DATES = st.one_of(
    DATES.map(PartialDate.of),
    DATES.map(lambda day: PartialDate(day.year, day.month)),
    DATES.map(lambda day: PartialDate(day.year)),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1984", PartialDate(1984)),
        ("1984-03", PartialDate(1984, 3)),
        ("1984-03-12", PartialDate(1984, 3, 12)),
        ("0098-01-31", PartialDate(98, 1, 31)),
        ("2024-02-29", PartialDate(2024, 2, 29)),
    ],
)
def test_the_text_of_a_partial_date_is_the_iso_form(text: str, value: PartialDate) -> None:
    assert PartialDate.parse(text) == value
    assert str(value) == text


@pytest.mark.parametrize(
    "text",
    ["", "84", "1984-3", "1984-03-1", "1984-13", "1984-00", "2023-02-29", "0000", "1984-", "1984-03-12 ", "١٩٨٤"],
)
def test_what_is_no_date_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        PartialDate.parse(text)
    assert not text or text not in str(refusal.value)


def test_a_day_without_a_month_is_refused() -> None:
    with pytest.raises(ValueError, match="without a month"):
        PartialDate(1984, day=3)


@given(PARTIAL_DATES)
def test_any_partial_date_comes_back_from_its_text(value: PartialDate) -> None:
    assert PartialDate.parse(str(value)) == value


@given(DATES)
def test_a_whole_date_comes_back_whole(day: date) -> None:
    assert PartialDate.of(day).whole == day
    assert PartialDate(day.year, day.month).whole is None
    assert PartialDate(day.year).whole is None


@given(PARTIAL_DATES, PARTIAL_DATES)
def test_the_order_is_the_order_of_the_texts(a: PartialDate, b: PartialDate) -> None:
    assert (a < b, a <= b, a > b, a >= b) == (str(a) < str(b), str(a) <= str(b), str(a) > str(b), str(a) >= str(b))


@given(DATES, DATES)
def test_whole_dates_are_ordered_as_dates_are(a: date, b: date) -> None:
    assert (PartialDate.of(a) < PartialDate.of(b)) == (a < b)


@pytest.mark.parametrize(
    ("number", "groups", "aloud"),
    [
        ("9434765919", (3, 3, 4), "943 476 5919"),
        ("9434765919", (), "9434 765 919"),
        ("00123456", (), "00 123 456"),
        ("00123456", (3, 3, 4), "00 123 456"),
        ("1234567", (), "1234 567"),
        ("1234", (), "1234"),
        ("1", (), "1"),
        ("", (), ""),
        ("A123456", (), "A123456"),
        ("12-3456", (2, 2, 3), "12-3456"),
        ("١٢٣٤", (), "١٢٣٤"),
    ],
)
def test_a_record_number_is_read_aloud_in_groups(number: str, groups: tuple[int, ...], aloud: str) -> None:
    assert in_groups(number, groups) == aloud


@given(st.text("0123456789", max_size=20), st.lists(st.integers(1, 5), max_size=6))
def test_groups_never_change_a_digit(number: str, groups: list[int]) -> None:
    aloud = in_groups(number, tuple(groups))
    assert aloud.replace(" ", "") == number
    assert not number or all(aloud.split(" "))
