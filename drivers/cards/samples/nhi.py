"""Taiwanese health insurance cards (``drivers.cards.nhi``). The ATR is invented."""

from __future__ import annotations

from datetime import date

from drivers.cards import nhi
from drivers.cards.image import Application, CardImage
from drivers.cards.samples import Sample
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex

ATR = bytes.fromhex("3B6400004E484943")


def nhi_image(card_number: str, name: str, number: str, born: str, sex: str) -> CardImage:
    """The image of a card; ``born`` as YYYMMDD in years of the Republic."""
    record = card_number.encode() + name.encode("cp950").ljust(20, b"\0") + f"{number}{born}{sex}1130101".encode()
    return CardImage(ATR, (Application(fid=0x3F00), Application(nhi.AID, data_objects=((0x1100, record),))), is_t0=True)


def identity_number(first_9: str) -> str:
    """The number with the last digit that its own check accepts."""
    return next(n for n in (f"{first_9}{check}" for check in range(10)) if nhi.is_identity_number(n))


_MEI, _RESIDENT = identity_number("A22345678"), identity_number("B80012345")

SAMPLES = (
    Sample(
        "nhi-wang-mei", "Taiwan: 王小美", "A Taiwanese health card. It does not divide the name.",
        nhi_image("000000000011", "王小美", _MEI, "0740520", "F"),
        Card(
            "nhi", Identifier(nhi.NATIONAL_ID_SYSTEM, _MEI), "", "", date(1985, 5, 20), Sex.FEMALE,
            undivided_name="王小美",
        ),
    ),
    Sample(
        "nhi-resident", "Taiwan: a resident", "A foreigner's health card, with the number of the residence permit.",
        nhi_image("000000000022", "NGUYEN VAN TEST", _RESIDENT, "0840101", "M"),
        Card(
            "nhi", Identifier(nhi.RESIDENT_SYSTEM, _RESIDENT), "", "", date(1995, 1, 1), Sex.MALE,
            undivided_name="NGUYEN VAN TEST",
        ),
    ),
)  # fmt: skip
