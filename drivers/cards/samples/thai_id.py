"""Thai identity cards (``drivers.cards.thai_id``). The ATR is from memory."""

from __future__ import annotations

from datetime import date

from drivers.cards import thai_id
from drivers.cards.image import Application, CardFile, CardImage, ImageSession, status
from drivers.cards.iso7816 import Status
from drivers.cards.samples import Sample
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, PartialDate, Sex

ATR = bytes.fromhex("3B791800005448204E4944203131")
FILE_SIZE = 0x1603


class ThaiSession(ImageSession):
    """Answers 80 B0: offset in P1 and P2, then 00 and the length; the data wait behind 61xx."""

    def respond(self, apdu: bytes) -> bytes:
        if apdu[:2] != b"\x80\xb0":
            return super().respond(apdu)
        if not self.application.files or len(apdu) != 7:
            return status(Status.CONDITIONS_OF_USE_NOT_SATISFIED)
        offset, content = int.from_bytes(apdu[2:4], "big"), self.application.files[0].content
        return self.answer(content[offset : offset + apdu[6]])


def thai_image(number: str, thai: str, latin: str, born: str, sex: str, last_day: str) -> CardImage:
    """The image of a card; names parted by "#", dates as YYYYMMDD of the Buddhist era."""
    content = bytearray(b" " * FILE_SIZE)
    for place, text in (
        (thai_id.CITIZEN_NUMBER[0], number),
        (thai_id.THAI_NAME[0], thai),
        (thai_id.LATIN_NAME[0], latin),
        (thai_id.BIRTH_DATE_AND_SEX[0], born + sex),
        (thai_id.ISSUE_AND_EXPIRY[0], "25630101" + last_day),
    ):
        encoded = text.encode("cp874")
        content[place : place + len(encoded)] = encoded
    applications = (Application(fid=0x3F00), Application(thai_id.AID, (CardFile(0x0001, 0x01, bytes(content)),)))
    return CardImage(ATR, applications, is_t0=True, session=ThaiSession)


def citizen_number(first_12_digits: str) -> str:
    return f"{first_12_digits}{thai_id.citizen_check_digit(first_12_digits)}"


_SOMCHAI, _YAI = citizen_number("110170012345"), citizen_number("310000054321")

SAMPLES = (
    Sample(
        "thai-somchai", "Thailand: สมชาย ตัวอย่าง", "A Thai identity card; years of the Buddhist era, two scripts.",
        thai_image(_SOMCHAI, "นาย#สมชาย##ตัวอย่าง", "Mr.#Somchai##Tuayang", "25390229", "1", "26421231"),
        Card(
            "thai-id", Identifier(thai_id.CITIZEN_SYSTEM, _SOMCHAI), "ตัวอย่าง", "สมชาย", date(1996, 2, 29), Sex.MALE,
            other_spellings=(("Tuayang", "Somchai"),), valid_until=date(2099, 12, 31),
        ),
    ),
    Sample(
        "thai-yai", "Thailand: ยาย สมมุติ", "Of this woman only the year of birth is known; her card never ends.",
        thai_image(_YAI, "นาง#ยาย##สมมุติ", "Mrs.#Yai##Sommut", "24850000", "2", "99999999"),
        Card(
            "thai-id", Identifier(thai_id.CITIZEN_SYSTEM, _YAI), "สมมุติ", "ยาย", None, Sex.FEMALE,
            partial_birth_date=PartialDate(1942), other_spellings=(("Sommut", "Yai"),),
        ),
    ),
)  # fmt: skip
