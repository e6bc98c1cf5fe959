"""What the lines of bands and labels say."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.zpl.words import day, has_pile_of_marks, moment, name_settings, partial_day, upper, visible
from kioskd.core.patient import PartialDate
from tests.drivers.zpl.zpl_oracle import NAMES


@pytest.mark.parametrize(
    ("born", "text"),
    [
        (date(1980, 1, 18), "18-Jan-1980"),
        (date(987, 5, 3), "03-May-0987"),
        (PartialDate(1980), "1980"),
        (PartialDate(1980, 12), "Dec-1980"),
        (PartialDate(1980, 3, 5), "05-Mar-1980"),
    ],
)
def test_a_date_says_what_is_known_of_it(born: date | PartialDate, text: str) -> None:
    assert partial_day(born) == text


def test_months_and_hours_are_the_same_in_every_language() -> None:
    assert [day(date(2026, month, 1))[3:6] for month in range(1, 13)] == (
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    )
    assert moment(datetime(2026, 11, 24, 3, 2)) == "24-Nov-2026 03:02"


@pytest.mark.parametrize(
    ("name", "capitals"),
    [
        ("Smith", "SMITH"),
        ("Straßer", "STRAßER"),
        ("Łódź", "ŁÓDŹ"),
        ("Nguyễn", "NGUYỄN"),
        ("Παπαδόπουλος", "ΠΑΠΑΔΟΠΟΥΛΟΣ"),
        ("Μαΐου", "ΜΑΪΟΥ"),
        ("გელაშვილი", "გელაშვილი"),
        ("王", "王"),
    ],
)
def test_capitals_never_change_the_spelling(name: str, capitals: str) -> None:
    assert upper(name) == capitals


def test_what_can_not_be_seen_is_left_out_and_joiners_stay() -> None:
    assert visible(" a\u202e\u200bb \t\n c\x10\x04\x01 ") == "ab c"
    assert visible("یوسفی\u200cنژاد") == "یوسفی\u200cنژاد"
    assert visible("e\u0301") == "é"


def test_no_setting_of_a_name_loses_a_letter_or_cuts_a_word() -> None:
    for family, first in NAMES:
        whole = f"{family} {first}"
        settings = list(name_settings([family, first]))
        assert settings[:2] == [[whole], [family, first]]
        for lines in settings:
            assert all(lines)
            assert "".join(lines).replace(" ", "") == whole.replace(" ", "")
            assert set(" ".join(lines).replace("-", " ").split()) == set(whole.replace("-", " ").split())


@given(st.lists(st.text(" -ab", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=2))
def test_settings_of_any_name_keep_its_letters_in_their_order(parts: list[str]) -> None:
    for lines in name_settings(parts):
        assert "".join(lines).replace(" ", "") == "".join(parts).replace(" ", "")


def test_a_name_is_broken_where_its_halves_are_most_alike() -> None:
    assert ["von und zu", "Hohenzollern", "Max"] in list(name_settings(["von und zu Hohenzollern", "Max"]))
    assert ["Müller-", "Lüdenscheidt", "Max"] in list(name_settings(["Müller-Lüdenscheidt", "Max"]))


def test_no_name_of_the_world_is_a_pile_of_marks() -> None:
    assert not any(has_pile_of_marks("".join(name)) for name in NAMES)
    assert has_pile_of_marks("Z" + "\u0301" * 11)
