"""Malaysian identity cards (``drivers.cards.mykad``). The ATR is from memory."""

from __future__ import annotations

from datetime import date

from drivers.cards import mykad
from drivers.cards.image import Application, CardFile, CardImage, ImageSession, status
from drivers.cards.iso7816 import Status
from drivers.cards.samples import Sample
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, Sex

ATR = bytes.fromhex("3B6700007320006C689000")
FILE_SIZE = 459


class MyKadSession(ImageSession):
    """Answers C8 32 (length), CC 00 (file, place and length again) and CC 06 (the data)."""

    def __init__(self, image: CardImage) -> None:
        super().__init__(image)
        self._size = 0
        self._chosen = b""

    def respond(self, apdu: bytes) -> bytes:
        match apdu[:2]:
            case b"\xc8\x32" if len(apdu) == 10 and self.application.files:
                self._size = int.from_bytes(apdu[8:10], "little")
                return status(Status.NO_FURTHER_QUALIFICATION)
            case b"\xcc\x00" if len(apdu) == 13 and apdu[5:9] == bytes((mykad.JPN1, 0x00, 0x01, 0x00)):
                offset = int.from_bytes(apdu[9:11], "little")
                self._chosen = self.application.files[0].content[offset : offset + self._size]
                return status(Status.NO_FURTHER_QUALIFICATION)
            case b"\xcc\x06" if len(apdu) == 5 and apdu[4] == len(self._chosen):
                return self._chosen + status(Status.NO_FURTHER_QUALIFICATION)
            case b"\xc8\x32" | b"\xcc\x00" | b"\xcc\x06":
                return status(Status.WRONG_LENGTH)
        return super().respond(apdu)


def mykad_image(name: str, number: str, sex: str, born: str) -> CardImage:
    """The image of a card; ``born`` as YYYYMMDD."""
    content = bytearray(FILE_SIZE)
    for (offset, width), value in (
        (mykad.NAME, name.encode("latin-1").ljust(40)),
        (mykad.NUMBER, number.encode()),
        (mykad.SEX, sex.encode()),
        (mykad.BIRTH_DATE, bytes.fromhex(born)),
    ):
        content[offset : offset + min(width, len(value))] = value[:width]
    applications = (Application(fid=0x3F00), Application(mykad.AID, (CardFile(0x0001, 0x01, bytes(content)),)))
    return CardImage(ATR, applications, is_t0=True, session=MyKadSession)


SAMPLES = (
    Sample(
        "mykad-siti", "Malaysia: Siti binti Contoh", "A Malaysian identity card. Malay names have no family name.",
        mykad_image("SITI BINTI CONTOH", "870430140000", "P", "19870430"),
        Card(
            "mykad", Identifier(mykad.MYKAD_SYSTEM, "870430140000"), "", "", date(1987, 4, 30), Sex.FEMALE,
            undivided_name="SITI BINTI CONTOH", suffices_for_billing=True,
        ),
    ),
)  # fmt: skip
