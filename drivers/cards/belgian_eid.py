"""The Belgian identity card (eID; also the Kids-ID and the foreigners' card): the identity file, open without a PIN.

Path and tags are from the public eID middleware; the words for the months of German cards from memory; never tried on a
real card. The address and the photograph are open too and are left alone: a kiosk needs neither. The file
is signed by the National Register; the signature is not checked.

Elements are a tag of one byte, a length (as many FF as there are full 255s, and the rest) and text in UTF-8. The birth
date is written in the language of the card: "30 JUL 1985"; of some people only the year is known.
"""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar

from drivers.cards import fields
from drivers.cards.iso7816 import demand, is_selected, read_selected, select_file, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.ports import Transmit

NRN_SYSTEM = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin"
"""National Register number (INSZ, NISS), as the Belgian eHealth platform names it."""

IDENTITY = bytes.fromhex("3F00DF014031")
LARGEST_FILE = 1024
CARD_NUMBER, VALID_UNTIL, NRN, SURNAME, GIVEN, BIRTH_DATE, SEX = 0x01, 0x04, 0x06, 0x07, 0x08, 0x0C, 0x0D

_WORDS = "JAN|FEB FEV|MAR MARS MAAR MRT|APR AVR|MAI MEI|JUN JUIN|JUL JUIL|AUG AOU AOUT|SEP SEPT|OCT OKT|NOV|DEC DEZ"
_MONTHS = {word: month for month, words in enumerate(_WORDS.split("|"), 1) for word in words.split()}
"""The months as cards in Dutch, French and German name them, without accents."""
_SEXES = {"M": Sex.MALE, "F": Sex.FEMALE, "V": Sex.FEMALE, "W": Sex.FEMALE}

Elements = dict[int, bytes]


class BelgianEid:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "belgian-eid"
    suffices_for_billing: ClassVar[bool] = False
    """Who is insured where is asked of the sickness funds (MyCareNet)."""

    def is_present(self, transmit: Transmit) -> bool:
        return is_selected(transmit, select_file(IDENTITY, 0x08))

    def read_id(self, transmit: Transmit) -> bytes:
        """The card number, 12 digits."""
        number = _read(transmit).get(CARD_NUMBER, b"")
        if not number:
            raise unreadable("the card has no number")
        return number

    def read(self, transmit: Transmit) -> Card:
        found = _read(transmit)
        number = fields.digits(found.get(NRN, b""), 11, "the National Register number")
        fields.checked(is_nrn(number), "the National Register number")
        birth_date, partial = fields.born(*written_date(fields.text(found.get(BIRTH_DATE, b""), "utf-8", "birth date")))
        last_day = fields.dmy(fields.ascii_text(found.get(VALID_UNTIL, b""), "the last day"), "the last day")
        return Card(
            kind=self.name,
            identifier=Identifier(NRN_SYSTEM, number),
            family=fields.demand_text(found.get(SURNAME, b""), "utf-8", "the surname"),
            given=fields.text(found.get(GIVEN, b""), "utf-8", "the given names"),
            birth_date=birth_date,
            sex=_SEXES.get(fields.ascii_text(found.get(SEX, b""), "the sex"), Sex.UNKNOWN),
            partial_birth_date=partial,
            valid_until=fields.whole(*last_day, "the last day"),
            suffices_for_billing=self.suffices_for_billing,
        )


def _read(transmit: Transmit) -> Elements:
    demand(transmit, select_file(IDENTITY, 0x08), "SELECT of the identity file")
    return elements(read_selected(transmit, "the identity file", LARGEST_FILE))


def elements(content: bytes) -> Elements:
    """The elements of a file by tag; zeros end them. Raises CardUnreadable when one does not fit in."""
    found: Elements = {}
    at = 0
    while at < len(content) and (content[at] != 0 or at == 0):
        tag, at, length = content[at], at + 1, 0
        while content[at : at + 1] == b"\xff":
            at, length = at + 1, length + 0xFF
        length += int.from_bytes(content[at : at + 1], "big")
        at += 1 + length
        if at > len(content):
            raise unreadable("the identity file is cut off")
        found[tag] = content[at - length : at]
    return found


def written_date(written: str) -> tuple[int, int, int]:
    """Year, month and day as a card writes them; 0 for what it leaves out. Raises CardUnreadable."""
    plain = "".join(c for c in unicodedata.normalize("NFD", written.upper()) if not unicodedata.combining(c))
    parts = re.fullmatch(r"(?:(?:([0-9]{1,2})[ .]+)?([A-Z]{3,5})[ .]+)?([0-9]{4})", plain.strip())
    if parts is None:
        raise unreadable("the birth date is written in a way that is not known")
    if parts[2] and parts[2] not in _MONTHS:
        raise unreadable("the birth date has a month that is not known")
    return int(parts[3]), _MONTHS.get(parts[2] or "", 0), int(parts[1] or 0)


def nrn_check_number(first_9_digits: str, was_born_after_1999: bool) -> int:
    """The last two digits: 97 less the first nine modulo 97, with a 2 in front for who was born in 2000 or later."""
    return 97 - int(("2" if was_born_after_1999 else "") + first_9_digits) % 97


def is_nrn(number: str) -> bool:
    """Whether it is eleven digits of which the last two check the others, in one of the two centuries."""
    if not re.fullmatch(r"[0-9]{11}", number):
        return False
    return any(nrn_check_number(number[:9], century) == int(number[9:]) for century in (False, True))
