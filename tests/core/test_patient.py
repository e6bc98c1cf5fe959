"""Dates of which a part may be unknown."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core.patient import PartialDate, date_from

DATES = st.dates()
PARTIAL_DATES = st.builds(PartialDate, st.integers(1, 9999), st.none() | st.integers(1, 12))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1984", PartialDate(1984)),
        ("1984-03", PartialDate(1984, 3)),
        ("1984-03-12", date(1984, 3, 12)),
        ("0098-01-31", date(98, 1, 31)),
        ("2024-02-29", date(2024, 2, 29)),
    ],
)
def test_the_text_of_a_date_is_the_iso_form(text: str, value: date | PartialDate) -> None:
    assert date_from(text) == value
    assert str(value) == text


@pytest.mark.parametrize(
    "text",
    ["", "84", "1984-3", "1984-03-1", "1984-13", "1984-00", "2023-02-29", "0000", "1984-", "1984-03-12 ", "١٩٨٤"],
)
def test_what_is_no_date_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        date_from(text)
    assert not text or text not in str(refusal.value)


@given(PARTIAL_DATES | DATES)
def test_any_date_comes_back_from_its_text(value: date | PartialDate) -> None:
    assert date_from(str(value)) == value


@given(PARTIAL_DATES, PARTIAL_DATES)
def test_the_order_is_the_order_of_the_texts(a: PartialDate, b: PartialDate) -> None:
    assert (a < b, a <= b, a > b, a >= b) == (str(a) < str(b), str(a) <= str(b), str(a) > str(b), str(a) >= str(b))


@given(PARTIAL_DATES, DATES)
def test_a_partial_date_may_be_a_day_that_its_text_begins(partial: PartialDate, day: date) -> None:
    assert partial.may_be(day) == str(day).startswith(str(partial))
