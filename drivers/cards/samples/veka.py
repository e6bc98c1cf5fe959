"""Swiss health insurance cards (``drivers.cards.veka``). The ATR is a real one."""

from __future__ import annotations

from datetime import date

from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import Sample
from drivers.cards.tlv import element
from drivers.cards.veka import AHV_SYSTEM, ahv_check_digit
from kioskd.core.identity import Card
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


def _shown(number: str, family: str, given: str, born: date | None, sex: Sex, last_day: date) -> Card:
    return Card(
        "veka", Identifier(AHV_SYSTEM, number), family, given, born, sex, INSURER, BAG_NUMBER,
        valid_until=last_day, suffices_for_billing=True,
    )  # fmt: skip


_RETO, _AIMEE, _OLD = ahv("756123400011"), ahv("756123400022"), ahv("756123400033")
_LONG = "Rätoromanisch-Schächentaler von Unterwalden, Maria Magdalena Ursulina Domenica Seraphina Benedetta Chatrigna"

SAMPLES = (
    Sample(
        "veka-reto-rueegg", "Switzerland: Reto Rüegg", "A Swiss health insurance card.",
        veka_image("Rüegg, Reto", "19790214", _RETO, 1, "80756099990000000011", "20991231"),
        _shown(_RETO, "Rüegg", "Reto", date(1979, 2, 14), Sex.MALE, date(2099, 12, 31)),
    ),
    Sample(
        "veka-long-name", "Switzerland: a long name", "A name so long that its file needs a length of two bytes.",
        veka_image(_LONG, "19550000", _AIMEE, 2, "80756099990000000022", "20991231"),
        Card(
            "veka", Identifier(AHV_SYSTEM, _AIMEE), *_LONG.split(", "), None, Sex.FEMALE, INSURER, BAG_NUMBER,
            PartialDate(1955), valid_until=date(2099, 12, 31), suffices_for_billing=True,
        ),
    ),
    Sample(
        "veka-one-name", "Switzerland: one name", "A card that does not say which part is the family name.",
        veka_image("Tenzin", "19880301", _OLD, 1, "80756099990000000033", "20991231"),
        Card(
            "veka", Identifier(AHV_SYSTEM, _OLD), "", "", date(1988, 3, 1), Sex.MALE, INSURER, BAG_NUMBER,
            undivided_name="Tenzin", valid_until=date(2099, 12, 31), suffices_for_billing=True,
        ),
    ),
)  # fmt: skip
