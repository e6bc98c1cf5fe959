"""The French Carte Vitale 2: EXPERIMENTAL. Its open identity data, as far as they are publicly known.

Applications, the map of files and the tags are from one public reader of about 2013; whether cards of today still
answer so is not known, and it was never tried on a real card. Which file holds the beneficiary is not written down,
so the map (file 2001) is followed and each file tried; those that need rights answer with a refusal and are passed
over. The encoding of names is not written down either; Latin-1 is taken.

The number (NIR) on a card may be the one of the insured parent: a family shares it, so it never stands for one person.
Rights and beneficiaries beyond that need the health insurance's own interface (API Lecture Vitale) and a
professional's card.
"""

from __future__ import annotations

import re
from typing import ClassVar

from drivers.cards import fields, tlv
from drivers.cards.iso7816 import Status, demand, is_selected, read_selected, select, select_file, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier
from kioskd.errors import CardUnreadable
from kioskd.ports import Transmit

NIR_SYSTEM = "urn:kioskd:fr:nir-on-card"
"""Fifteen characters: NIR and key. Not the system of the INS, whose number is the patient's own and proven."""

AID = bytes.fromhex("D250000002564954414C45")
EF_POINTERS = bytes.fromhex("2001")
LARGEST_FILE = 2048
MOST_FILES = 32
_MAP, _APPLICATIONS, _APPLICATION, _FILE, _HOLDER = 0xE0, 0xA0, 0x82, 0x80, 0x65
_FAMILY, _GIVEN, _BIRTH_DATE, _NIR = 0x80, 0x81, 0x82, 0x93


class Vitale:
    """A ``ports.CardKind``."""

    name: ClassVar[str] = "vitale"
    suffices_for_billing: ClassVar[bool] = False
    """A bill needs the rights, read with the professional's card (SESAM-Vitale)."""
    is_experimental: ClassVar[bool] = True

    def is_present(self, transmit: Transmit) -> bool:
        return is_selected(transmit, select(AID))

    def read_id(self, transmit: Transmit) -> bytes:
        """What the card says of its holder, as no number of the card itself is known to be open."""
        return b"".join(value for _, value in _holder(transmit))

    def read(self, transmit: Transmit) -> Card:
        holder = _holder(transmit)
        birth = fields.ascii_text(tlv.value(holder, _BIRTH_DATE), "the birth date")
        birth_date, partial = fields.born(*fields.ymd(birth, "the birth date"))
        return Card(
            kind=self.name,
            identifier=Identifier(NIR_SYSTEM, _nir(fields.ascii_text(tlv.value(holder, _NIR), "the NIR"))),
            family=fields.demand_text(tlv.value(holder, _FAMILY), "latin-1", "the family name"),
            given=fields.demand_text(tlv.value(holder, _GIVEN), "latin-1", "the given name"),
            birth_date=birth_date,
            partial_birth_date=partial,
            suffices_for_billing=self.suffices_for_billing,
            is_shared_by_family=True,
        )


def _holder(transmit: Transmit) -> tlv.Elements:
    """What stands inside tag 65 of the one file that has it. Raises CardUnreadable: none, or several."""
    found = [content for aid, fid in files(_pointers(transmit)) if (content := _open(transmit, aid, fid))]
    if len(found) != 1:
        raise unreadable(f"{len(found)} files of the card name a beneficiary, not one")
    return tlv.inside(found[0], _HOLDER, "the beneficiary")


def _pointers(transmit: Transmit) -> bytes:
    demand(transmit, select(AID), "SELECT of the Carte Vitale")
    demand(transmit, select_file(EF_POINTERS, 0x00), "SELECT of the map")
    return read_selected(transmit, "the map", LARGEST_FILE)


def files(pointers: bytes) -> list[tuple[bytes, bytes]]:
    """Application name and file identifier of each file in the map. Raises CardUnreadable."""
    entries = tlv.inside(pointers, _MAP, "the map")
    applications = {
        value[:2]: value[4:]
        for tag, value in tlv.elements(tlv.value(entries, _APPLICATIONS), "the map")
        if tag == _APPLICATION and 9 <= len(value) <= 20
    }
    found = [(applications.get(v[8:10], b""), v[10:12]) for tag, v in entries if tag == _FILE and len(v) >= 12]
    return [place for place in found if place[0]][:MOST_FILES]


def _open(transmit: Transmit, aid: bytes, fid: bytes) -> bytes:
    """The content of a file that names a beneficiary; empty for every other, and for one that is closed."""
    if not is_selected(transmit, select(aid)) or not is_selected(transmit, select_file(fid, 0x00)):
        return b""
    first, sw = transmit(bytes.fromhex("00B0000001"))
    if sw != Status.NO_FURTHER_QUALIFICATION or first != bytes((_HOLDER,)):
        return b""
    try:
        return read_selected(transmit, "the beneficiary", LARGEST_FILE)
    except CardUnreadable:
        return b""


def _nir(written: str) -> str:
    """NIR with its key; the key is worked out where the card leaves it out."""
    if re.fullmatch(_NIR_FORM, written):
        return f"{written}{nir_key(written):02d}"
    fields.checked(is_nir(written), "the NIR")
    return written


_NIR_FORM = r"[1-478][0-9]{4}(?:[0-9]{2}|2A|2B)[0-9]{6}"


def nir_key(first_13: str) -> int:
    """The key of a NIR: 97 less the number modulo 97; 2A and 2B, which are Corsica, count as 19 and 18."""
    return 97 - int(first_13.replace("2A", "19").replace("2B", "18")) % 97


def is_nir(number: str) -> bool:
    """Whether it is thirteen characters (sex, year, month, département, commune, order) and their key."""
    return re.fullmatch(_NIR_FORM + "[0-9]{2}", number) is not None and nir_key(number[:13]) == int(number[13:])
