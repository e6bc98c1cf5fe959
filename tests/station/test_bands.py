"""What a wristband says, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kioskd.station.bands import gsrn, wristband_sheet
from tests.people import patient


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
