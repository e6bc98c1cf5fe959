"""The Portuguese citizen card (Cartão de Cidadão) of both older chips: the identity file, open without a PIN.

Application names, commands and layout are from a public reader, the checks of the numbers from memory, but for the
card's own, which is printed in its manual; never tried on a real card. The address needs a PIN and is left alone. The
file has fields of fixed width in UTF-8. Cards made since 2024 may be laid out otherwise [unknown].

The identifier is the civil number (número de identificação civil, eight digits), which every card has. The numbers for
tax (NIF), social security (NISS) and health (SNS) stand there too; only NIF is checked, to notice a bad read.
"""

from __future__ import annotations

import re
from typing import ClassVar

from drivers.cards import fields
from drivers.cards.iso7816 import demand, is_selected, read_selected, select, select_file, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.ports import Transmit

CIVIL_NUMBER_SYSTEM = "urn:kioskd:pt:civil-number"
"""Número de identificação civil without its check digit. No name of the system is published; this one is ours."""

AID_IAS, AID_GEMSAFE = bytes.fromhex("604632FF000102"), bytes.fromhex("604632FF000002")
SELECT_PARENT = bytes.fromhex("00A4030C")
PATH_FROM_MF, EF_IDENTITY = bytes.fromhex("5F00EF02"), bytes.fromhex("EF02")
FILE_SIZE = 1372

DOCUMENT_NUMBER, VALID_UNTIL, SURNAME, GIVEN, SEX = (154, 28), (310, 20), (330, 120), (450, 120), (570, 2)
BIRTH_DATE, CIVIL_NUMBER, NIF = (578, 20), (606, 18), (1104, 18)


class PortugueseCitizenCard:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "portuguese-cc"
    suffices_for_billing: ClassVar[bool] = True
    """It names the user of the national health service; who pays is on record there."""

    def is_present(self, transmit: Transmit) -> bool:
        return any(is_selected(transmit, select(aid, 0x00)) for aid in (AID_IAS, AID_GEMSAFE))

    def read_id(self, transmit: Transmit) -> bytes:
        """The number of the document, which changes with every card."""
        _select(transmit)
        return _document_number(read_selected(transmit, "the identity file", 182)).encode("ascii")

    def read(self, transmit: Transmit) -> Card:
        _select(transmit)
        content = read_selected(transmit, "the identity file", FILE_SIZE)
        if len(content) < NIF[0] + NIF[1]:
            raise unreadable("the identity file is cut off")
        _document_number(content)
        nif = _text(content, NIF, "NIF")
        fields.checked(not nif or is_nif(nif), "NIF")
        family, given = _text(content, SURNAME, "the surname"), _text(content, GIVEN, "the given name")
        if not family or not given:
            raise unreadable("surname or given name is empty")
        birth_date, partial = fields.born(*fields.dmy(_text(content, BIRTH_DATE, "birth date"), "the birth date"))
        last_day = _text(content, VALID_UNTIL, "the last day")
        return Card(
            kind=self.name,
            identifier=Identifier(CIVIL_NUMBER_SYSTEM, _civil_number(_text(content, CIVIL_NUMBER, "the civil number"))),
            family=family,
            given=given,
            birth_date=birth_date,
            sex={"M": Sex.MALE, "F": Sex.FEMALE}.get(_text(content, SEX, "the sex"), Sex.UNKNOWN),
            partial_birth_date=partial,
            valid_until=fields.whole(*fields.dmy(last_day, "the last day"), "the last day"),
            suffices_for_billing=self.suffices_for_billing,
        )


def _select(transmit: Transmit) -> None:
    """Make the identity file current: by its path on the IAS chip, by its identifier on the older one."""
    if is_selected(transmit, select(AID_IAS, 0x00)):
        demand(transmit, SELECT_PARENT, "SELECT of the parent")
        demand(transmit, select_file(PATH_FROM_MF, 0x09, 0x00), "SELECT of the identity file")
    else:
        demand(transmit, select(AID_GEMSAFE, 0x00), "SELECT of the citizen card")
        demand(transmit, select_file(EF_IDENTITY, 0x00, 0x00), "SELECT of the identity file")


def _text(content: bytes, place: tuple[int, int], what: str) -> str:
    return fields.text(content[place[0] : place[0] + place[1]], "utf-8", what)


def _document_number(content: bytes) -> str:
    number = _text(content, DOCUMENT_NUMBER, "the document number").replace(" ", "")
    fields.checked(is_document_number(number), "the document number")
    return number


def _civil_number(written: str) -> str:
    """Eight digits; a ninth one behind them is their check digit."""
    number = written.replace(" ", "")
    if re.fullmatch(r"[0-9]{8}", number):
        return number
    fields.checked(is_civil_number(number), "the civil number")
    return number[:8]


def document_check_digit(first_11: str) -> int:
    """The last digit of a document number: letters are 10 to 35, every second value doubled (less 9 above 9)."""
    total = 0
    for place, character in enumerate(reversed(first_11)):
        worth = int(character, 36)
        if place % 2 == 0:
            worth = 2 * worth - (9 if 2 * worth > 9 else 0)
        total += worth
    return -total % 10


def is_document_number(number: str) -> bool:
    """Whether it is nine digits, two letters or digits and a digit that checks them ("00000000 0 ZZ4")."""
    return re.fullmatch(r"[0-9]{9}[A-Z0-9]{2}[0-9]", number) is not None and document_check_digit(number[:11]) == int(
        number[11]
    )


def mod_11_check_digit(first_8_digits: str) -> int:
    """The check digit of NIF and civil number: weights 9 to 2, 11 less the sum modulo 11; 10 and 11 are 0."""
    rest = 11 - sum((9 - place) * int(digit) for place, digit in enumerate(first_8_digits)) % 11
    return 0 if rest > 9 else rest


def is_nif(number: str) -> bool:
    """Whether it is nine digits of which the last one checks the others."""
    return re.fullmatch(r"[0-9]{9}", number) is not None and mod_11_check_digit(number[:8]) == int(number[8])


def is_civil_number(number: str) -> bool:
    """Whether it is eight digits and their check digit."""
    return is_nif(number)
