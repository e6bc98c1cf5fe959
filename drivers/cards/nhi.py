"""The Taiwanese health insurance card (NHI IC card): the basic data, open without a PIN and without the NHI's module.

Command and layout are from public readers; never tried on a real card. One record of 57 bytes: card number 12, name 20
(Big5, padded with NUL), identity number 10, birth date 7 (YYYMMDD in years of the Republic), sex 1, date of issue 7.
Read as Windows code page 950, which most software writes; letters outside of it come as U+FFFD, and such a name then
agrees with no record. The name is not divided: which character is the family name is for a person to say. The card does
not say until when it is good, nor who insures (there is one insurer).
"""

from __future__ import annotations

import re
from typing import ClassVar

from drivers.cards import fields
from drivers.cards.iso7816 import demand, is_selected, select, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.ports import Transmit

NATIONAL_ID_SYSTEM = "http://www.moi.gov.tw"
"""National identity number, as TW Core names it."""
RESIDENT_SYSTEM = "http://www.immigration.gov.tw"
"""Number of a resident certificate, which foreigners have instead (TW Core)."""

AID = bytes.fromhex("D1580000010000000000000000001100")
GET_BASIC_DATA = bytes.fromhex("00CA1100020000")
RECORD_SIZE = 57
FIRST_YEAR = 1911
"""Year 0 of the Republic: year 1 is 1912."""


class Nhi:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "nhi"
    suffices_for_billing: ClassVar[bool] = False
    """A visit is written to the card and signed by the NHI's own module and the doctor's card."""

    def is_present(self, transmit: Transmit) -> bool:
        return is_selected(transmit, select(AID, 0x00))

    def read_id(self, transmit: Transmit) -> bytes:
        """The card number, 12 characters."""
        return _record(transmit)[:12]

    def read(self, transmit: Transmit) -> Card:
        record = _record(transmit)
        number = fields.ascii_text(record[32:42], "the identity number")
        fields.checked(is_identity_number(number), "the identity number")
        birth_date, partial = fields.born(*_republican(record[42:49]))
        name = fields.text(record[12:32], "cp950", "the name", errors="replace")
        if not name:
            raise unreadable("the name is empty")
        is_national = number[1] in "12"
        return Card(
            kind=self.name,
            identifier=Identifier(NATIONAL_ID_SYSTEM if is_national else RESIDENT_SYSTEM, number),
            family="",
            given="",
            birth_date=birth_date,
            sex={b"M": Sex.MALE, b"F": Sex.FEMALE}.get(record[49:50], Sex.UNKNOWN),
            partial_birth_date=partial,
            undivided_name=name,
            suffices_for_billing=self.suffices_for_billing,
        )


def _record(transmit: Transmit) -> bytes:
    demand(transmit, select(AID, 0x00), "SELECT of the basic data")
    record = demand(transmit, GET_BASIC_DATA, "GET DATA of the basic data")
    if len(record) < RECORD_SIZE:
        raise unreadable(f"the basic data have {len(record)} bytes, not {RECORD_SIZE}")
    return record[:RECORD_SIZE]


def _republican(raw: bytes) -> tuple[int, int, int]:
    compact = fields.digits(raw, 7, "the birth date")
    year = int(compact[:3])
    return year + FIRST_YEAR if year else 0, int(compact[3:5]), int(compact[5:])


_LETTERS = {letter: 10 + place for place, letter in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO")}
"""The two digits that a letter (the place of registration) stands for; the order has grown with the places."""
_WEIGHTS = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)


def is_identity_number(number: str) -> bool:
    """Whether letter and digits agree: weighted sum modulo 10 is 0.

    National numbers go on with 1 or 2, resident certificates since 2021 with 8 or 9, and those before with a letter
    A to D, which stands for its last digit (from memory).
    """
    if not re.fullmatch(r"[A-Z][1289A-D][0-9]{8}", number):
        return False
    second = str(_LETTERS[number[1]] % 10) if number[1].isalpha() else number[1]
    digits = f"{_LETTERS[number[0]]}{second}{number[2:]}"
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 10 == 0
