"""Belgian identity cards (``drivers.cards.belgian_eid``). The ATR is a real one."""

from __future__ import annotations

from datetime import date

from drivers.cards import belgian_eid as eid
from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import Sample
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, PartialDate, Sex

ATR = bytes.fromhex("3B9894400AA503010101AD1310")


def eid_file(elements: dict[int, str | bytes]) -> bytes:
    """Tag, length as 255s and the rest, value."""
    content = b""
    for tag, text in elements.items():
        value = text.encode() if isinstance(text, str) else text
        content += bytes((tag,)) + b"\xff" * (len(value) // 255) + bytes((len(value) % 255,)) + value
    return content


def eid_image(card_number: str, number: str, family: str, given: str, born: str, sex: str) -> CardImage:
    """The image of a card; ``born`` as the card writes it, in the language of its holder."""
    identity: dict[int, str | bytes] = {
        0x00: b"00",
        eid.CARD_NUMBER: card_number,
        0x02: bytes(range(1, 17)),
        0x03: "01.01.2020",
        eid.VALID_UNTIL: "31.12.2099",
        0x05: "Musterstad",
        eid.NRN: number,
        eid.SURNAME: family,
        eid.GIVEN: given,
        0x09: "",
        0x0A: "Belg",
        0x0B: "Musterstad",
        eid.BIRTH_DATE: born,
        eid.SEX: sex,
        0x0F: "1",
        0x11: bytes(range(200, 220)),
    }
    address = eid_file({0x01: "Voorbeeldstraat 1", 0x02: "0000", 0x03: "Musterstad"}).ljust(117, b"\0")
    files = (CardFile(0x4031, 0x01, eid_file(identity)), CardFile(0x4033, 0x03, address))
    return CardImage(ATR, (Application(fid=0x3F00), Application(files=files, fid=0xDF01)), is_t0=True)


def nrn(first_9_digits: str, was_born_after_1999: bool = False) -> str:
    return f"{first_9_digits}{eid.nrn_check_number(first_9_digits, was_born_after_1999):02}"


_ZOE, _KAREL = nrn("040229001", was_born_after_1999=True), nrn("500000003")

SAMPLES = (
    Sample(
        "eid-zoe-vandenbroeck", "Belgium: Zoé Vandenbroeck", "A Belgian identity card, in French, of a leap day.",
        eid_image("592000000011", _ZOE, "Vandenbroeck", "Zoé Marie", "29 FEV 2004", "F"),
        Card(
            "belgian-eid", Identifier(eid.NRN_SYSTEM, _ZOE), "Vandenbroeck", "Zoé Marie", date(2004, 2, 29), Sex.FEMALE,
            valid_until=date(2099, 12, 31),
        ),
    ),
    Sample(
        "eid-karel-only-a-year", "Belgium: Karel Ouderling", "Of this man only the year of birth is known.",
        eid_image("592000000022", _KAREL, "Ouderling", "Karel", "1950", "M"),
        Card(
            "belgian-eid", Identifier(eid.NRN_SYSTEM, _KAREL), "Ouderling", "Karel", None, Sex.MALE,
            partial_birth_date=PartialDate(1950), valid_until=date(2099, 12, 31),
        ),
    ),
)  # fmt: skip
