"""The Malaysian identity card (MyKad): the JPN application's first file, open without a PIN.

Commands and layout are from public sources; never tried on a real card. A read is three commands of the card's own:
the length (C8 32), the place (CC 00) and the data (CC 06). The name is not divided: Malay names have no family
name. The number has no check digit; its first six digits are the birth date and must agree with it. The card does
not say until when it is good.
"""

from __future__ import annotations

from typing import ClassVar

from drivers.cards import fields
from drivers.cards.iso7816 import damaged, demand, is_selected, select, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex
from kioskd.ports import Transmit

MYKAD_SYSTEM = "http://fhir.hie.moh.gov.my/sid/my-kad-no"
"""Number of the identity card, as MY Core names it."""

AID = bytes.fromhex("A0000000744A504E0010")
JPN1 = 1
NAME, NUMBER, SEX, BIRTH_DATE = (3, 40), (273, 13), (286, 1), (295, 4)


class MyKad:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "mykad"
    suffices_for_billing: ClassVar[bool] = True
    """Public care asks for the identity card only; a private insurer's card is another matter."""

    def is_present(self, transmit: Transmit) -> bool:
        return is_selected(transmit, select(AID, 0x00))

    def read_id(self, transmit: Transmit) -> bytes:
        """The card holder's number: the open part has no number of the card."""
        _select(transmit)
        return _read(transmit, *NUMBER)

    def read(self, transmit: Transmit) -> Card:
        _select(transmit)
        name = fields.demand_text(_read(transmit, *NAME), "latin-1", "the name")
        number = fields.digits(_read(transmit, *NUMBER), 12, "the card number")
        birth = _read(transmit, *BIRTH_DATE).hex()
        birth_date, partial = fields.born(*fields.ymd(birth, "the birth date"))
        if birth[2:] != number[:6]:
            raise damaged("the birth date does not agree with the card number")
        sex = fields.ascii_text(_read(transmit, *SEX), "the sex")
        return Card(
            kind=self.name,
            identifier=Identifier(MYKAD_SYSTEM, number),
            family="",
            given="",
            birth_date=birth_date,
            sex=_SEXES.get(sex, Sex.UNKNOWN),
            partial_birth_date=partial,
            undivided_name=name,
            suffices_for_billing=self.suffices_for_billing,
        )


_SEXES = {"L": Sex.MALE, "M": Sex.MALE, "P": Sex.FEMALE, "F": Sex.FEMALE}
"""Lelaki and perempuan; the English letters from memory."""


def _select(transmit: Transmit) -> None:
    demand(transmit, select(AID, 0x00), "SELECT of the identity card")


def _read(transmit: Transmit, offset: int, length: int) -> bytes:
    """``length`` bytes, below 253, from ``offset`` of JPN1."""
    size = length.to_bytes(2, "little")
    demand(transmit, bytes.fromhex("C832000005080000") + size, "setting the length")
    place = bytes((JPN1, 0x00, 0x01, 0x00)) + offset.to_bytes(2, "little") + size
    demand(transmit, bytes.fromhex("CC00000008") + place, "setting the place")
    data = demand(transmit, bytes((0xCC, 0x06, 0x00, 0x00, length)), f"reading {length} bytes at {offset}")
    if len(data) != length:
        raise unreadable(f"the card gave {len(data)} bytes at {offset}, asked for {length}")
    return data
