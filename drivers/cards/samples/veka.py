"""Swiss health insurance cards (``drivers.cards.veka``). The ATR is a real one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import Sample
from drivers.cards.tlv import element
from drivers.cards.veka import AHV_SYSTEM, ahv_check_digit
from kioskd.core.identity import Card, Reason
from kioskd.core.patient import Identifier, PartialDate, Sex

ATR = bytes.fromhex("3B9F1381B180371F038031F8694D54434F5370020102810786")
ID_SIZE, AD_SIZE = 84, 95
INSURER, BAG_NUMBER = "Musterkasse Luzern", "09999"


def veka_image(
    name: str, born: str, number: str, sex: int, card_number: str, last_day: str, insurer: str = INSURER
) -> CardImage:
    """The image of a card; dates as YYYYMMDD. Both files are padded to the size that cards have."""
    identity = [(0x80, name.encode()), (0x82, born.encode()), (0x83, number.encode()), (0x84, bytes((sex,)))]
    administration = [
        (0x90, b"CH"),
        (0x91, insurer.encode()),
        (0x92, BAG_NUMBER.encode()),
        (0x93, card_number.encode()),
        (0x94, last_day.encode()),
    ]
    files = (
        CardFile(0x2F06, 0x06, _file(identity, ID_SIZE)),
        CardFile(0x2F07, 0x07, _file(administration, AD_SIZE)),
        CardFile(0x5600, 0x08, b"\x01\x00"),
    )
    return CardImage(ATR, (Application(files=files, fid=0x3F00),))


def _file(inner: list[tuple[int, bytes]], size: int) -> bytes:
    return element(0x65, b"".join(element(tag, value) for tag, value in inner)).ljust(size, b"\0")


def ahv(first_12_digits: str) -> str:
    return f"{first_12_digits}{ahv_check_digit(first_12_digits)}"


def _shown(number: str, family: str, given: str, born: date | None, sex: Sex) -> Card:
    return Card(
        "veka", Identifier(AHV_SYSTEM, number), family, given, born, sex, INSURER, BAG_NUMBER,
        valid_until=date(2099, 12, 31), suffices_for_billing=True,
    )  # fmt: skip


_RETO, _URSULINA, _TENZIN = ahv("756123400011"), ahv("756123400022"), ahv("756123400033")
_FAMILY = "Rätoromanisch-Schächentaler von Unterwalden"
_GIVEN = "Maria Magdalena Ursulina Domenica Seraphina Benedetta Chatrigna"
_WRONG = f"{_RETO[:12]}{(int(_RETO[12]) + 1) % 10}"

SAMPLES = (
    Sample(
        "veka-reto-rueegg", "Switzerland: Reto Rüegg", "A Swiss health insurance card.",
        veka_image("Rüegg, Reto", "19790214", _RETO, 1, "80756099990000000011", "20991231"),
        _shown(_RETO, "Rüegg", "Reto", date(1979, 2, 14), Sex.MALE),
    ),
    Sample(
        "veka-long-name", "Switzerland: a long name", "So long that its file needs a length of two bytes.",
        veka_image(f"{_FAMILY}, {_GIVEN}", "19550000", _URSULINA, 2, "80756099990000000022", "20991231"),
        replace(_shown(_URSULINA, _FAMILY, _GIVEN, None, Sex.FEMALE), partial_birth_date=PartialDate(1955)),
    ),
    Sample(
        "veka-one-name", "Switzerland: Tenzin", "A card that does not say which part is the family name.",
        veka_image("Tenzin", "19880301", _TENZIN, 1, "80756099990000000033", "20991231"),
        replace(_shown(_TENZIN, "", "", date(1988, 3, 1), Sex.MALE), undivided_name="Tenzin"),
    ),
    Sample(
        "veka-expired", "Switzerland: an old card", "Its last day is over.",
        veka_image("Rüegg, Reto", "19790214", _RETO, 1, "80756099990000000044", "20201231"),
        Reason.CARD_EXPIRED,
    ),
    Sample(
        "veka-damaged", "Switzerland: a damaged card", "Its number does not agree with its check digit.",
        veka_image("Rüegg, Reto", "19790214", _WRONG, 1, "80756099990000000055", "20991231"),
        Reason.CARD_DAMAGED,
    ),
)  # fmt: skip
