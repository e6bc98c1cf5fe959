"""Austrian e-cards (``drivers.cards.ecard``). The ATR is a real one."""

from __future__ import annotations

from datetime import date

from drivers.cards import ecard
from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import Sample
from drivers.cards.tlv import element
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex

ATR = bytes.fromhex("3BDD96FF81B1FE451F038031B052020364041BB422810518")
INSTITUTION, INSTITUTION_NUMBER = "MUSTERKASSE", "9900"
UTF8, NUMERIC, PRINTABLE, TIME, INTEGER, OCTETS = 0x0C, 0x12, 0x13, 0x18, 0x02, 0x04

Value = tuple[int, bytes]


def oid(dotted: str) -> bytes:
    """The bytes of an object identifier (X.690, 8.19)."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    encoded = bytearray()
    for number in (40 * first + second, *rest):
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        encoded += bytes(reversed(septets))
    return bytes(encoded)


def attributes_file(attributes: dict[str, tuple[Value, ...]]) -> bytes:
    """SEQUENCE of SEQUENCE {OBJECT IDENTIFIER, SET of values}."""
    entries = (
        element(0x30, element(0x06, oid(name)) + element(0x31, b"".join(element(*value) for value in values)))
        for name, values in attributes.items()
    )
    return element(0x30, b"".join(entries))


def ecard_image(
    number: str, families: tuple[str, ...], given: str, born: str, sex: str, card_number: str, last_day: str
) -> CardImage:
    """The image of a card; dates as YYYYMMDD. ``card_number`` of stars: no European card on the back."""
    person: dict[str, tuple[Value, ...]] = {
        ecard.SVNR: ((NUMERIC, number.encode()),),
        ecard.CARD_SEQUENCE: ((INTEGER, b"\x03"),),
        ecard.GIVEN: ((UTF8, given.encode()),),
        ecard.SURNAME: tuple((UTF8, family.encode()) for family in families),
        ecard.BIRTH_DATE: ((TIME, f"{born}000000Z".encode()),),
        ecard.GENDER: ((PRINTABLE, sex.encode()),),
    }
    ehic: dict[str, tuple[Value, ...]] = {
        "2.5.4.6": ((PRINTABLE, b"AT"),),
        ecard.EHIC_INSTITUTION: ((NUMERIC, INSTITUTION_NUMBER.encode()),),
        ecard.EHIC_INSTITUTION_CODE: ((OCTETS, INSTITUTION.encode()),),
        ecard.EHIC_CARD: ((PRINTABLE, card_number.encode()),),
        ecard.EHIC_EXPIRY: ((TIME, f"{last_day}000000Z".encode()),),
    }
    files = (
        CardFile(0xEF01, 0x01, attributes_file(person).ljust(640, b"\0")),
        CardFile(0xEF02, 0x02, attributes_file(ehic).ljust(640, b"\0")),
        CardFile(0xEF03, 0x03, bytes(8), is_closed=True),
    )
    return CardImage(ATR, (Application(fid=0x3F00), Application(ecard.AID, files)))


def svnr(serial: str, ddmmyy: str) -> str:
    """The number of a person: the first of ten that its own check accepts."""
    return next(n for n in (f"{serial}{check}{ddmmyy}" for check in range(10)) if ecard.is_svnr(n))


_THERESIA, _HEINZ = svnr("123", "150968"), svnr("345", "010205")

SAMPLES = (
    Sample(
        "ecard-theresia-hoelzl", "Austria: Theresia Hölzl", "An Austrian e-card, a European one on its back.",
        ecard_image(_THERESIA, ("Hoelzl", "Hölzl"), "Theresia", "19680915", "F", "80040000010000000011", "20991231"),
        Card(
            "ecard", Identifier(ecard.SVNR_SYSTEM, _THERESIA), "Hölzl", "Theresia", date(1968, 9, 15), Sex.FEMALE,
            INSTITUTION, INSTITUTION_NUMBER, valid_until=date(2099, 12, 31),
        ),
    ),
    Sample(
        "ecard-heinz-grabner", "Austria: Heinz Grabner", "An e-card with stars on its back: no European card.",
        ecard_image(_HEINZ, ("Grabner",), "Heinz", "20050201", "M", "*" * 20, "00000000"),
        Card("ecard", Identifier(ecard.SVNR_SYSTEM, _HEINZ), "Grabner", "Heinz", date(2005, 2, 1), Sex.MALE),
    ),
)  # fmt: skip
