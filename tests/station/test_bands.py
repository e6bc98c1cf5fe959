"""What a wristband says, and when there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from kioskd.core.patient import PartialDate, Sex
from kioskd.core.printing import SheetKind
from kioskd.ports import Newborn, UnknownPerson
from kioskd.station.bands import SheetStyle, gsrn, label_sheet, sheet_style, unnamed_sheet, wristband_sheet
from tests.people import patient


def test_a_band_needs_two_identifiers_of_the_person() -> None:
    whole = wristband_sheet(patient(), 3, "")
    assert whole is not None
    assert (whole.family, whole.record_number, whole.band_number, whole.gsrn) == ("Huber", "100001", 3, "")
    assert wristband_sheet(replace(patient(), birth_date=None), 3, "") is None
    assert wristband_sheet(replace(patient(), record_number=""), 3, "") is None
    assert wristband_sheet(replace(patient(), family="", given=""), 3, "") is None


def test_a_part_of_a_birth_date_is_said_as_what_it_is() -> None:
    sheet = wristband_sheet(replace(patient(), birth_date=None, partial_birth_date=PartialDate(1980, 3)), 3, "4012345")
    assert sheet is not None
    assert sheet.birth_date == PartialDate(1980, 3)
    assert len(sheet.gsrn) == 18


def test_a_band_is_written_in_the_style_of_the_site() -> None:
    style = sheet_style("de", lambda language, text: f"{language}:{text}", (3, 3, 4))
    sheet = wristband_sheet(patient(), 3, "", style, is_name_similar=True)
    assert sheet is not None
    assert (sheet.number_groups, sheet.is_name_similar) == ((3, 3, 4), True)
    assert (sheet.words.born, sheet.words.baby_of_several) == ("de:Born", "de:Baby {order} of")
    assert SheetStyle().words.born == "Born"


ARRIVED = datetime(2026, 11, 24, 3, 12)
UNNAMED = [UnknownPerson(Sex.MALE, ARRIVED), Newborn("Huber", "Anna", "100001", ARRIVED, 1, 2)]


@pytest.mark.parametrize("person", UNNAMED)
def test_who_has_no_name_yet_is_told_by_a_record_number(person: UnknownPerson | Newborn) -> None:
    sheet = unnamed_sheet(person, "100002", 1, "4012345")
    assert sheet is not None
    assert (sheet.family, sheet.given, sheet.birth_date, sheet.record_number) == ("", "", None, "100002")
    assert person in (sheet.unknown, sheet.newborn)
    assert None in (sheet.unknown, sheet.newborn)
    assert unnamed_sheet(person, "", 1, "4012345") is None


def test_a_newborn_without_a_mother_gets_no_band() -> None:
    assert unnamed_sheet(Newborn("", "", "100001", ARRIVED), "100002", 1, "") is None


def test_a_label_needs_two_identifiers_of_the_person_too() -> None:
    label = label_sheet(SheetKind.DOCUMENT_LABEL, patient(), ARRIVED, "Referral", "DOC-1")
    assert label is not None
    assert (label.family, label.title, label.code, label.made_at) == ("Huber", "Referral", "DOC-1", ARRIVED)
    assert label_sheet(SheetKind.SPECIMEN_LABEL, replace(patient(), birth_date=None), ARRIVED) is None
    assert label_sheet(SheetKind.SPECIMEN_LABEL, replace(patient(), record_number=""), ARRIVED) is None


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
