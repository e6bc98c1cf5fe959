"""French Cartes Vitale 2 (``drivers.cards.vitale``, experimental). The ATR is from memory, the ids are invented."""

from __future__ import annotations

from datetime import date

from drivers.cards import vitale
from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import Sample
from drivers.cards.tlv import element
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier

ATR = bytes.fromhex("3B751300009C02020102")
MF = bytes.fromhex("D2500000024D465F564954414C45")


def vitale_image(family: str, given: str, born: str, number: str) -> CardImage:
    """The image of a card; ``born`` as YYYYMMDD. Two files of the map are closed, as most of a real card is."""
    applications = b"".join(
        element(0x82, bytes((0x00, n, 0x00, 0x00)) + aid) for n, aid in enumerate((MF, vitale.AID), 1)
    )
    entries = ((b"RIGHTS", 2, 0x2010), (b"IDO", 2, 0x2020), (b"CARD", 1, 0x2F02))
    files = b"".join(
        element(0x80, name.ljust(8) + bytes((0x00, n)) + fid.to_bytes(2, "big")) for name, n, fid in entries
    )
    holder = [(0x80, family), (0x81, given), (0x82, born), (0x90, "FR"), (0x93, number)]
    identity = element(0x65, b"".join(element(tag, text.encode("latin-1")) for tag, text in holder))
    validity = element(0x66, element(0x80, b"20200101"))
    in_vitale = (
        CardFile(0x2001, 0x01, element(0xE0, element(0xA0, applications) + files).ljust(256, b"\0")),
        CardFile(0x2010, 0x10, bytes(16), is_closed=True),
        CardFile(0x2020, 0x11, (identity + validity).ljust(300, b"\0")),
    )
    in_root = (CardFile(0x2F00, 0x1E, b"\x61\x00"), CardFile(0x2F02, 0x1D, bytes(10), is_closed=True))
    return CardImage(ATR, (Application(MF, in_root, fid=0x3F00), Application(vitale.AID, in_vitale)), is_t0=True)


_PARENT = "2840775000001"
_NUMBER = f"{_PARENT}{vitale.nir_key(_PARENT):02d}"

SAMPLES = (
    Sample(
        "vitale-lucie-lefevre", "France: Lucie Lefèvre", "A Carte Vitale (experimental); a family shares its number.",
        vitale_image("LEFÈVRE", "LUCIE", "19840714", _PARENT),
        Card(
            "vitale", Identifier(vitale.NIR_SYSTEM, _NUMBER), "LEFÈVRE", "LUCIE", date(1984, 7, 14),
            is_shared_by_family=True,
        ),
    ),
)  # fmt: skip
