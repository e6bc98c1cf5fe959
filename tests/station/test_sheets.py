"""What tickets and wristbands say, and what never stands on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from kioskd.ports import CheckInReply, HelpReply
from kioskd.station.sheets import gsrn, help_sheet, ticket_sheet, wristband_sheet
from tests.people import patient

BERLIN = ZoneInfo("Europe/Berlin")
LATE = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
REPLY = CheckInReply(uuid4(), "A12", "general", "Wartezimmer {1}", LATE, False, 1)


@pytest.mark.parametrize(
    ("language", "expected"),
    [("de", "[de] You came at 00:30 on 24.11.2026."), ("en", "[en] You came at 00:30 on 24 Nov 2026.")],
)
def test_a_ticket_is_in_the_patients_language_and_the_sites_time(language: str, expected: str) -> None:
    sheet = ticket_sheet(REPLY, language, "Praxis", BERLIN, lambda chosen, text: f"[{chosen}] {text}")
    assert (sheet.label, sheet.site_name, sheet.is_copy) == ("A12", "Praxis", False)
    assert sheet.lines == (f"[{language}] Please wait here: Wartezimmer {{1}}", expected)


def test_a_help_ticket_says_that_nobody_is_checked_in_yet() -> None:
    sheet = help_sheet(HelpReply(uuid4(), "D7", LATE), "en", "Praxis", BERLIN, lambda _, text: text)
    assert sheet.label == "D7"
    assert sheet.lines[0] == "You are not checked in yet. Please go to the desk."
    assert sheet.lines[1] == "We noted that you came at 00:30 on 24 Nov 2026."


def test_a_band_needs_two_identifiers_of_the_person() -> None:
    whole = wristband_sheet(patient(), 3, "")
    assert whole is not None
    assert (whole.family, whole.record_number, whole.band_number, whole.gsrn) == ("Huber", "100001", 3, "")
    assert wristband_sheet(replace(patient(), birth_date=None), 3, "") is None
    assert wristband_sheet(replace(patient(), record_number=""), 3, "") is None


def test_the_check_digit_is_that_of_the_gs1_example() -> None:
    """The check digit of 18-digit keys, in the SSCC that GS1 uses as its example: (00) 1 0614141 123456789 7."""
    assert gsrn("10614141", "123456789") == "106141411234567897"


@pytest.mark.parametrize(
    ("prefix", "number"),
    [
        ("", "123"),
        ("4012345", ""),
        ("4012345", "12345678901"),
        ("4012345", "A123"),
        ("4012345", "12-3"),
        ("4012345", "¹"),
    ],
)
def test_what_can_not_be_a_number_of_its_own_is_none(prefix: str, number: str) -> None:
    assert gsrn(prefix, number) == ""


def test_the_longest_number_fits_and_every_one_has_18_digits() -> None:
    made = [gsrn("4012345", number) for number in ("1", "1234567890")]
    assert [len(number) for number in made] == [18, 18]
    assert all(number.startswith("4012345") for number in made)
