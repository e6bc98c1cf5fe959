"""The Estonian identity card (EstEID since 2018, IDEMIA chip): the personal data, open without a PIN.

Commands and files are from a public reader; the check of the personal code is as the population register publishes it;
never tried on a real card. Cards made before 2018 and those of 2025 on other chips are laid out otherwise and are not
recognised. Directory 5000 holds one file for each field, in UTF-8: 5001 surname, 5002 given names, 5003 sex, 5005 date
and place of birth, 5006 personal code, 5007 document number, 5008 last day.
"""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar

from drivers.cards import fields
from drivers.cards.iso7816 import damaged, demand, is_selected, read_selected, select_file, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.ports import Transmit

PERSONAL_CODE_SYSTEM = "https://fhir.ee/sid/pid/est/ni"
"""Personal code (isikukood), as EE Base names it."""

SELECT_MF = bytes.fromhex("00A4000C")
DF_PERSONAL = bytes.fromhex("5000")
LARGEST_FIELD = 256
SURNAME, GIVEN, SEX, BIRTH, CODE, DOCUMENT, EXPIRY = 1, 2, 3, 5, 6, 7, 8


class EstonianId:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "estonian-id"
    suffices_for_billing: ClassVar[bool] = True
    """The personal code is all that the health insurance fund asks for; the card is not read by it."""

    def is_present(self, transmit: Transmit) -> bool:
        """Whether there is a personal code where one must be: directory 5000 is nobody's alone."""
        is_there = is_selected(transmit, SELECT_MF) and is_selected(transmit, select_file(DF_PERSONAL, 0x01))
        if not is_there or not is_selected(transmit, _field(CODE)):
            return False
        return re.match(rb"[1-8][0-9]{10}", transmit(bytes.fromhex("00B000000B"))[0]) is not None

    def read_id(self, transmit: Transmit) -> bytes:
        """The number of the document."""
        _select_personal(transmit)
        number = _read(transmit, DOCUMENT)
        if not number:
            raise unreadable("the card has no document number")
        return number.encode()

    def read(self, transmit: Transmit) -> Card:
        _select_personal(transmit)
        code = _read(transmit, CODE)
        fields.checked(is_personal_code(code), "the personal code")
        family, given = _read(transmit, SURNAME), _read(transmit, GIVEN)
        if not family:
            raise unreadable("the surname is empty")
        born = birth_date(code)
        if fields.dmy(_read(transmit, BIRTH)[:10], "the birth date") != (born.year, born.month, born.day):
            raise damaged("the birth date does not agree with the personal code")
        last_day = _read(transmit, EXPIRY)
        return Card(
            kind=self.name,
            identifier=Identifier(PERSONAL_CODE_SYSTEM, code),
            family=family,
            given=given,
            birth_date=born,
            sex={"M": Sex.MALE, "F": Sex.FEMALE, "N": Sex.FEMALE}.get(_read(transmit, SEX), Sex.UNKNOWN),
            valid_until=fields.whole(*fields.dmy(last_day, "the last day"), "the last day") if last_day else None,
            suffices_for_billing=self.suffices_for_billing,
        )


def _field(number: int) -> bytes:
    return select_file(bytes((0x50, number)), 0x02)


def _select_personal(transmit: Transmit) -> None:
    demand(transmit, SELECT_MF, "SELECT of the root")
    demand(transmit, select_file(DF_PERSONAL, 0x01), "SELECT of the personal data")


def _read(transmit: Transmit, number: int) -> str:
    what = f"file 50{number:02X}"
    demand(transmit, _field(number), f"SELECT of {what}")
    return fields.text(read_selected(transmit, what, LARGEST_FIELD), "utf-8", what)


def birth_date(code: str) -> date:
    """What a personal code says: its first digit is the century and the sex. Raises CardUnreadable."""
    century = 1800 + (int(code[0]) - 1) // 2 * 100
    return fields.whole(century + int(code[1:3]), int(code[3:5]), int(code[5:7]), "the date in the personal code")


def personal_code_check_digit(first_10_digits: str) -> int:
    """The last digit: weights 1 to 9 and 1, modulo 11; if that is 10, weights 3 to 9 and 1 to 3; if again, 0."""
    for shift in (0, 2):
        rest = sum(((place + shift) % 9 + 1) * int(digit) for place, digit in enumerate(first_10_digits)) % 11
        if rest < 10:
            return rest
    return 0


def is_personal_code(code: str) -> bool:
    """Whether it is eleven digits of which the last one checks the others."""
    return re.fullmatch(r"[1-8][0-9]{10}", code) is not None and personal_code_check_digit(code[:10]) == int(code[10])
