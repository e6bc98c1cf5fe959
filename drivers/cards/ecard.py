"""The Austrian e-card (social security): EF01 (Grunddaten) and EF02 (European health insurance card), open without PIN.

Commands, object identifiers and the ATRs of the samples are from public readers; the check of the number is as the
Austrian social security publishes it. Never tried on a real card. Both files are DER: a SEQUENCE of
SEQUENCE {OBJECT IDENTIFIER, SET {value}}; new cards with a photograph write a surname twice, the last one counts.
Children have cards of their own, so the number (Sozialversicherungsnummer) is the holder's.
"""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar

from drivers.cards import fields, tlv
from drivers.cards.iso7816 import demand, is_selected, read_selected, select, select_file, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.errors import CardUnreadable
from kioskd.ports import Transmit

SVNR_SYSTEM = "urn:oid:1.2.40.0.10.1.4.3.1"
"""Sozialversicherungsnummer, as HL7 Austria names it."""

AID = bytes.fromhex("D040000017010101")
EF_PERSON, EF_EHIC = bytes.fromhex("EF01"), bytes.fromhex("EF02")
LARGEST_FILE = 4096

SVNR, CARD_SEQUENCE = "1.2.40.0.10.1.4.1.1", "1.2.40.0.10.1.4.1.3"
GIVEN, SURNAME = "2.5.4.42", "2.5.4.4"
BIRTH_DATE, GENDER = "1.3.6.1.5.5.7.9.1", "1.3.6.1.5.5.7.9.3"
EHIC_INSTITUTION_CODE, EHIC_INSTITUTION = "1.2.40.0.10.1.4.1.20", "1.2.40.0.10.1.4.1.21"
EHIC_CARD, EHIC_EXPIRY = "1.2.40.0.10.1.4.1.22", "1.2.40.0.10.1.4.1.23"

_SEQUENCE, _SET, _OID, _OCTETS = 0x30, 0x31, 0x06, 0x04
_ENCODINGS = {_OCTETS: "latin-1", 0x0C: "utf-8", 0x14: "latin-1", 0x1E: "utf-16-be"} | dict.fromkeys(
    (0x12, 0x13, 0x16, 0x18), "ascii"
)
"""String types by their tag: octets, UTF8, Teletex, BMP; Numeric, Printable, IA5 and GeneralizedTime."""

Attributes = dict[str, tuple[int, bytes]]
"""The last value of each attribute: its ASN.1 tag and its bytes, by dotted object identifier."""


class ECard:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "ecard"
    suffices_for_billing: ClassVar[bool] = False
    """Entitlement is asked online, through the practice's own connection to the e-card system."""

    def is_present(self, transmit: Transmit) -> bool:
        return is_selected(transmit, select(AID, 0x00))

    def read_id(self, transmit: Transmit) -> bytes:
        """Number and sequence of the card: a new card of one person has the next sequence."""
        person = _read(transmit, EF_PERSON, "Grunddaten")
        return _raw(person, SVNR) + b"/" + _raw(person, CARD_SEQUENCE)

    def read(self, transmit: Transmit) -> Card:
        person = _read(transmit, EF_PERSON, "Grunddaten")
        number = _string(person, SVNR)
        fields.checked(is_svnr(number), "the Sozialversicherungsnummer")
        birth_date, partial = fields.born(*fields.ymd(_string(person, BIRTH_DATE)[:8], "the birth date"))
        family, given = _string(person, SURNAME), _string(person, GIVEN)
        if not family or not given:
            raise unreadable("surname or given name is empty")
        insurer_name, insurer_id, valid_until = _read_ehic(transmit)
        return Card(
            kind=self.name,
            identifier=Identifier(SVNR_SYSTEM, number),
            family=family,
            given=given,
            birth_date=birth_date,
            sex={"M": Sex.MALE, "F": Sex.FEMALE}.get(_string(person, GENDER), Sex.UNKNOWN),
            insurer_name=insurer_name,
            insurer_id=insurer_id,
            partial_birth_date=partial,
            valid_until=valid_until,
            suffices_for_billing=self.suffices_for_billing,
        )


def _read_ehic(transmit: Transmit) -> tuple[str, str, date | None]:
    """Short name and number of the institution, and the last day, from EF02.

    Nothing where there is no European card on the back: its fields are stars then.
    """
    try:
        ehic = _read(transmit, EF_EHIC, "EHIC")
        if not is_ehic_number(_string(ehic, EHIC_CARD)):
            return "", "", None
        last_day = fields.whole(*fields.ymd(_string(ehic, EHIC_EXPIRY)[:8], "the last day"), "the last day")
        return _string(ehic, EHIC_INSTITUTION_CODE), _string(ehic, EHIC_INSTITUTION), last_day
    except CardUnreadable:
        # What identifies the holder stands in EF01; the back of the card is not worth refusing them.
        return "", "", None


def _read(transmit: Transmit, fid: bytes, what: str) -> Attributes:
    demand(transmit, select(AID, 0x00), "SELECT of the personal data")
    demand(transmit, select_file(fid, 0x02, 0x04), f"SELECT of {what}")
    start = read_selected(transmit, what, 5)
    _, place, length = tlv.header(start, what)
    if length > LARGEST_FILE:
        raise unreadable(f"{what} is longer than any such file")
    rest = read_selected(transmit, what, max(0, place + length - len(start)), len(start))
    return attributes(start + rest, what)


def attributes(content: bytes, what: str) -> Attributes:
    """The attributes of a file by object identifier. Raises CardUnreadable."""
    found: Attributes = {}
    for tag, entry in tlv.inside(content, _SEQUENCE, what):
        parts = tlv.elements(entry, what) if tag == _SEQUENCE else []
        name, values = tlv.value(parts, _OID), tlv.elements(tlv.value(parts, _SET), what)
        if name and values:
            found[_dotted(name, what)] = values[-1]
    return found


def _dotted(encoded: bytes, what: str) -> str:
    """An object identifier as numbers with dots (X.690, 8.19)."""
    numbers, number = [], 0
    for byte in encoded:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    if encoded[-1] >= 0x80:
        raise unreadable(f"{what} has an object identifier that is cut off")
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - 40 * first, *numbers[1:]))


def _raw(found: Attributes, name: str) -> bytes:
    if name not in found:
        raise unreadable(f"attribute {name} is absent")
    return found[name][1]


def _string(found: Attributes, name: str) -> str:
    """The text of an attribute; empty when it is absent."""
    tag, raw = found.get(name, (0x0C, b""))
    if tag not in _ENCODINGS:
        raise unreadable(f"attribute {name} is no string")
    return fields.text(raw, _ENCODINGS[tag], f"attribute {name}")


_WEIGHTS = (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)


def is_svnr(number: str) -> bool:
    """Whether it is ten digits of which the fourth checks the others: weighted sum modulo 11, never 10."""
    if not re.fullmatch(r"[1-9][0-9]{9}", number):
        return False
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=True)) % 11 == int(number[3])


def is_ehic_number(number: str) -> bool:
    """Whether it has the form of a European health insurance card's number: 80, a country, 15 digits (EN 1867)."""
    return re.fullmatch(r"80[0-9]{18}", number) is not None
