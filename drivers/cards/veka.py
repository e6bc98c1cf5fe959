"""The Swiss health insurance card (Versichertenkarte, VeKa; eCH-0064): EF.ID and EF.AD, open without a PIN.

The medical files need a PIN or the card of a professional and are left alone. Commands, layout and the ATR of the
samples are from public readers, the form of a length above 127 from ISO/IEC 7816-4; never tried on a real card.
The name stands in one field as "Family, Given"; without a comma it is taken as undivided.

The insured number (AHV number) is a person's own. The card's number of twenty digits begins with 80756 as a European
health insurance card's does; it is checked for that form only (its last digit is not known to be a check digit
in every country).
"""

from __future__ import annotations

import re
from typing import ClassVar

from drivers.cards import fields, tlv
from drivers.cards.iso7816 import demand, is_selected, read_selected, select_file, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.ports import Transmit

AHV_SYSTEM = "urn:oid:2.16.756.5.32"
"""AHV number (AHVN13), as CH Core names it."""

EF_ID, EF_AD = bytes.fromhex("2F06"), bytes.fromhex("2F07")
LARGEST_FILE = 1024
_SEX = {1: Sex.MALE, 2: Sex.FEMALE, 9: Sex.OTHER}


class Veka:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "veka"
    suffices_for_billing: ClassVar[bool] = True
    """Insurer, insured person and card number are all that a bill of the basic insurance names (eCH-0064)."""

    def is_present(self, transmit: Transmit) -> bool:
        """Whether there is an EF.ID with a holder in it: other cards have a file 2F06 too."""
        if not is_selected(transmit, _select(EF_ID)):
            return False
        return transmit(bytes.fromhex("00B0000001"))[0] == b"\x65" and is_selected(transmit, _select(EF_AD))

    def read_id(self, transmit: Transmit) -> bytes:
        """The card number, 20 digits."""
        return _card_number(_read(transmit, EF_AD, "EF.AD")).encode("ascii")

    def read(self, transmit: Transmit) -> Card:
        holder, administration = _read(transmit, EF_ID, "EF.ID"), _read(transmit, EF_AD, "EF.AD")
        _card_number(administration)
        family, given, undivided = _names(fields.demand_text(tlv.value(holder, 0x80), "utf-8", "the name"))
        number = fields.digits(tlv.value(holder, 0x83), 13, "the AHV number")
        fields.checked(is_ahv(number), "the AHV number")
        birth_date, partial = fields.born(*_date(tlv.value(holder, 0x82), "the birth date"))
        return Card(
            kind=self.name,
            identifier=Identifier(AHV_SYSTEM, number),
            family=family,
            given=given,
            birth_date=birth_date,
            sex=_sex(tlv.value(holder, 0x84)),
            insurer_name=fields.text(tlv.value(administration, 0x91), "utf-8", "the insurer"),
            insurer_id=fields.digits(tlv.value(administration, 0x92), 5, "the BAG number"),
            partial_birth_date=partial,
            undivided_name=undivided,
            valid_until=fields.whole(*_date(tlv.value(administration, 0x94), "the last day"), "the last day"),
            suffices_for_billing=self.suffices_for_billing,
        )


def _select(fid: bytes) -> bytes:
    return select_file(fid, 0x08, 0x00)


def _read(transmit: Transmit, fid: bytes, what: str) -> tlv.Elements:
    """The elements inside the 65 of a file. What stands behind it is padding."""
    demand(transmit, _select(fid), f"SELECT of {what}")
    start = read_selected(transmit, what, 4)
    _, place, length = tlv.header(start, what)
    if length > LARGEST_FILE:
        raise unreadable(f"{what} is longer than any such file")
    return tlv.inside(start + read_selected(transmit, what, place + length - len(start), len(start)), 0x65, what)


def _card_number(administration: tlv.Elements) -> str:
    number = fields.digits(tlv.value(administration, 0x93), 20, "the card number")
    if not number.startswith("80756"):
        raise unreadable("the card number does not begin with 80756")
    return number


def _names(written: str) -> tuple[str, str, str]:
    """Family, given and undivided name."""
    family, comma, given = (part.strip() for part in written.partition(","))
    return (family, given, "") if comma and family and given else ("", "", written.replace(",", " ").strip())


def _date(raw: bytes, what: str) -> tuple[int, int, int]:
    return fields.ymd(fields.ascii_text(raw, what), what)


def _sex(raw: bytes) -> Sex:
    """ISO/IEC 5218 in one byte, as a number or as its digit."""
    return _SEX.get(raw[0] & 0x0F, Sex.UNKNOWN) if re.fullmatch(rb"[\0-\x090-9]", raw) else Sex.UNKNOWN


def ahv_check_digit(first_12_digits: str) -> int:
    """The thirteenth digit, as of an EAN-13: weights 1 and 3 in turn, to the next ten."""
    return -sum(int(digit) * (1 + 2 * (place % 2)) for place, digit in enumerate(first_12_digits)) % 10


def is_ahv(number: str) -> bool:
    """Whether it is thirteen digits from 756 (Switzerland) on of which the last one checks the others."""
    return re.fullmatch(r"756[0-9]{10}", number) is not None and ahv_check_digit(number[:12]) == int(number[12])
