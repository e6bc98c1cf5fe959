"""Portuguese citizen cards of both chips (``drivers.cards.portuguese_cc``). The ATRs are invented."""

from __future__ import annotations

from datetime import date

from drivers.cards import portuguese_cc as cc
from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import Sample
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex

ATR = bytes.fromhex("3B64000050544343")


def identity_file(document: str, civil: str, family: str, given: str, born: str, sex: str, nif: str) -> bytes:
    """The fields at their places, padded with NUL; dates as DD MM YYYY."""
    content = bytearray(cc.FILE_SIZE)
    for (offset, width), text in (
        ((0, 39), "República Portuguesa"),
        (cc.DOCUMENT_NUMBER, document),
        (cc.VALID_UNTIL, "31 12 2099"),
        (cc.SURNAME, family),
        (cc.GIVEN, given),
        (cc.SEX, sex),
        (cc.BIRTH_DATE, born),
        (cc.CIVIL_NUMBER, civil),
        (cc.NIF, nif),
    ):
        encoded = text.encode()
        if len(encoded) > width:
            raise ValueError(f"field at {offset} has room for {width} bytes")
        content[offset : offset + len(encoded)] = encoded
    return bytes(content)


def ias_image(content: bytes) -> CardImage:
    """The IAS chip: the file stands beside the application, below 5F00."""
    identity = Application(files=(CardFile(0xEF02, 0x02, content),), fid=0x5F00)
    return CardImage(ATR, (Application(fid=0x3F00), Application(cc.AID_IAS), identity))


def gemsafe_image(content: bytes) -> CardImage:
    """The older chip: the file stands inside the application."""
    return CardImage(
        ATR, (Application(fid=0x3F00), Application(cc.AID_GEMSAFE, (CardFile(0xEF02, 0x02, content),))), is_t0=True
    )


def checked(first_8_digits: str) -> str:
    """A civil number or NIF with its check digit."""
    return f"{first_8_digits}{cc.mod_11_check_digit(first_8_digits)}"


def document_number(civil: str, issue: str = "ZZ") -> str:
    first_11 = f"{civil}{issue}"
    return f"{civil[:8]} {civil[8]} {issue}{cc.document_check_digit(first_11)}"


_INES, _TIAGO = checked("00000123"), checked("00000456")

SAMPLES = (
    Sample(
        "portuguese-ines-goncalves", "Portugal: Inês Gonçalves", "A Portuguese citizen card.",
        ias_image(
            identity_file(
                document_number(_INES), _INES, "Gonçalves da Conceição", "Inês Maria", "07 10 1991", "F",
                checked("20000012"),
            )
        ),
        Card(
            "portuguese-cc", Identifier(cc.CIVIL_NUMBER_SYSTEM, "00000123"), "Gonçalves da Conceição", "Inês Maria",
            date(1991, 10, 7), Sex.FEMALE, valid_until=date(2099, 12, 31), suffices_for_billing=True,
        ),
    ),
    Sample(
        "portuguese-tiago-brandao", "Portugal: Tiago Brandão", "A Portuguese citizen card on the older chip.",
        gemsafe_image(identity_file(document_number(_TIAGO), _TIAGO, "Brandão", "Tiago", "01 02 1973", "M", "")),
        Card(
            "portuguese-cc", Identifier(cc.CIVIL_NUMBER_SYSTEM, "00000456"), "Brandão", "Tiago", date(1973, 2, 1),
            Sex.MALE, valid_until=date(2099, 12, 31), suffices_for_billing=True,
        ),
    ),
)  # fmt: skip
