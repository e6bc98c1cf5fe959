"""Serbian health cards (``drivers.cards.serbian_health``). The ATR is a real one."""

from __future__ import annotations

from datetime import date

from drivers.cards import serbian_health as rfzo
from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import Sample
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex

ATR = bytes.fromhex("3B9E978031FE4553434520382E302D433156300D0A6E")
INSURER = "Републички фонд за здравствено осигурање"


def file_of(elements: dict[int, str]) -> bytes:
    """Header (two bytes, then the length), then tag, length and UTF-16, all little endian; padded."""
    body = b"".join(
        tag.to_bytes(2, "little") + (2 * len(text)).to_bytes(2, "little") + text.encode("utf-16-le")
        for tag, text in elements.items()
    )
    return (b"\0\0" + len(body).to_bytes(2, "little") + body).ljust(1024, b"\xff")


def rfzo_image(
    number: str, cyrillic: tuple[str, str], latin: tuple[str, str], born: str, sex: str, jmbg: str
) -> CardImage:
    """The image of a card; names as family and given, ``born`` as DDMMYYYY."""
    document = {rfzo.INSURER: INSURER, rfzo.INSURER_ID: "07", rfzo.CARD_ID: f"7{number[:9]}", 1557: "01012020"}
    insured = {
        rfzo.LBO: number,
        rfzo.FAMILY_CYRILLIC: cyrillic[0],
        rfzo.FAMILY_LATIN: latin[0],
        rfzo.GIVEN_CYRILLIC: cyrillic[1],
        rfzo.GIVEN_LATIN: latin[1],
        rfzo.BIRTH_DATE: born,
    }
    person = {rfzo.SEX: sex, rfzo.JMBG: jmbg, 1605: "БЕЗИМЕНА", 1607: "МУЗЕЈСКО ПОЉЕ"}
    files = (
        CardFile(0x0D01, 0x01, file_of(document | {rfzo.EXPIRY: "31122099"})),
        CardFile(0x0D02, 0x02, file_of(insured)),
        CardFile(0x0D03, 0x03, file_of({1586: "31122099", 1587: "0"})),
        CardFile(0x0D04, 0x04, file_of(person)),
    )
    return CardImage(ATR, (Application(fid=0x3F00), Application(rfzo.AID, files)))


def jmbg(first_12_digits: str) -> str:
    return f"{first_12_digits}{rfzo.jmbg_check_digit(first_12_digits)}"


SAMPLES = (
    Sample(
        "rfzo-ljubica-djordjevic", "Serbia: Љубица Ђорђевић", "A Serbian health card; names in Cyrillic and Latin.",
        rfzo_image(
            "30000000011", ("Ђорђевић", "Љубица"), ("Đorđević", "Ljubica"), "17031962", "02", jmbg("170396271500")
        ),
        Card(
            "rfzo", Identifier(rfzo.LBO_SYSTEM, "30000000011"), "Đorđević", "Ljubica", date(1962, 3, 17), Sex.FEMALE,
            INSURER, "07", other_spellings=(("Ђорђевић", "Љубица"),), valid_until=date(2099, 12, 31),
        ),
    ),
)  # fmt: skip
