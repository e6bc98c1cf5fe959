"""The Serbian health card (здравствена картица) of the RFZO, open without a PIN.

Application, files, tags and encodings are from a public reader with test vectors; never tried on a real card. Each
file begins with four bytes, of which the last two are the length (little endian) of what follows: elements of tag and
length, two bytes little endian each, and text in UTF-16 little endian. Names stand there in Cyrillic and in Latin.

The insured number (LBO) is the holder's own; its check digit is not published, so its form is checked only. The
citizen's number (JMBG) on the card is checked by its own digit; foreigners have none.
"""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar

from drivers.cards import fields
from drivers.cards.iso7816 import demand, is_selected, read_selected, select, select_file, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.ports import Transmit

LBO_SYSTEM = "urn:kioskd:rs:lbo"
"""Лични број осигураника. No name of the system is published; this one is ours."""

AID = bytes.fromhex("F38100000253455256535A4B01")
EF_DOCUMENT, EF_INSURED, EF_PERSON = bytes.fromhex("0D01"), bytes.fromhex("0D02"), bytes.fromhex("0D04")
HEADER_SIZE = 4
LARGEST_FILE = 4096

INSURER, INSURER_ID, CARD_ID, EXPIRY = 1553, 1554, 1555, 1558
LBO, FAMILY_CYRILLIC, FAMILY_LATIN, GIVEN_CYRILLIC, GIVEN_LATIN, BIRTH_DATE = 1569, 1570, 1571, 1572, 1573, 1574
SEX, JMBG = 1603, 1604

Elements = dict[int, bytes]


class SerbianHealthCard:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "rfzo"
    suffices_for_billing: ClassVar[bool] = False
    """Whether the contribution is paid is asked of the RFZO's service; the card's own date may be old."""

    def is_present(self, transmit: Transmit) -> bool:
        return is_selected(transmit, select(AID))

    def read_id(self, transmit: Transmit) -> bytes:
        """The card's identifier."""
        number = _read(transmit, EF_DOCUMENT).get(CARD_ID, b"")
        if not number:
            raise unreadable("the card has no number")
        return number

    def read(self, transmit: Transmit) -> Card:
        document, insured, person = (_read(transmit, fid) for fid in (EF_DOCUMENT, EF_INSURED, EF_PERSON))
        number = _text(insured, LBO)
        if not re.fullmatch(r"[0-9]{11}", number):
            raise unreadable("the insured number does not have eleven digits")
        jmbg = _text(person, JMBG)
        fields.checked(not jmbg or is_jmbg(jmbg), "the citizen's number")
        latin = _text(insured, FAMILY_LATIN), _text(insured, GIVEN_LATIN)
        cyrillic = _text(insured, FAMILY_CYRILLIC), _text(insured, GIVEN_CYRILLIC)
        spellings = [spelling for spelling in (latin, cyrillic) if all(spelling)]
        if not spellings:
            raise unreadable("family name or given name is empty")
        birth_date, partial = fields.born(*fields.dmy(_text(insured, BIRTH_DATE), "the birth date"))
        return Card(
            kind=self.name,
            identifier=Identifier(LBO_SYSTEM, number),
            family=spellings[0][0],
            given=spellings[0][1],
            birth_date=birth_date,
            sex=_sex(_text(person, SEX)),
            insurer_name=_text(document, INSURER),
            insurer_id=_text(document, INSURER_ID),
            partial_birth_date=partial,
            other_spellings=tuple(spellings[1:]),
            valid_until=_last_day(_text(document, EXPIRY)),
            suffices_for_billing=self.suffices_for_billing,
        )


def _read(transmit: Transmit, fid: bytes) -> Elements:
    what = f"file {fid.hex().upper()}"
    demand(transmit, select(AID), "SELECT of the health card")
    demand(transmit, select_file(fid, 0x00, 0x00), f"SELECT of {what}")
    header = read_selected(transmit, what, HEADER_SIZE)
    length = int.from_bytes(header[2:], "little")
    if len(header) != HEADER_SIZE or length > LARGEST_FILE:
        raise unreadable(f"{what} has no valid length")
    return elements(read_selected(transmit, what, length, HEADER_SIZE), what)


def elements(body: bytes, what: str) -> Elements:
    """The elements of a file's body by tag. Raises CardUnreadable when one does not fit in."""
    found: Elements = {}
    at = 0
    while at + 4 <= len(body):
        tag, length = int.from_bytes(body[at : at + 2], "little"), int.from_bytes(body[at + 2 : at + 4], "little")
        at += 4 + length
        if at > len(body):
            raise unreadable(f"{what} is cut off")
        found[tag] = body[at - length : at]
    return found


def _text(found: Elements, tag: int) -> str:
    raw = found.get(tag, b"")
    if len(raw) % 2:
        raise unreadable(f"element {tag} has half a character")
    try:
        return fields.text(raw.decode("utf-16-le").encode(), "utf-8", f"element {tag}")
    except UnicodeError:
        raise unreadable(f"element {tag} is not in UTF-16") from None


def _last_day(written: str) -> date | None:
    return fields.whole(*fields.dmy(written, "the last day"), "the last day") if written else None


def _sex(code: str) -> Sex:
    return {"01": Sex.MALE, "02": Sex.FEMALE}.get(code, Sex.UNKNOWN)


_WEIGHTS = (7, 6, 5, 4, 3, 2) * 2


def jmbg_check_digit(first_12_digits: str) -> int:
    """The last digit of a JMBG: weights 7 to 2 twice, 11 less the sum modulo 11; 10 and 11 are 0."""
    rest = 11 - sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_12_digits, strict=True)) % 11
    return 0 if rest > 9 else rest


def is_jmbg(number: str) -> bool:
    """Whether it is thirteen digits of which the last one checks the others."""
    return re.fullmatch(r"[0-9]{13}", number) is not None and jmbg_check_digit(number[:12]) == int(number[12])
