"""The German health card (elektronische Gesundheitskarte, eGK), generations 1 to 2.1, open data over contacts.

Read are EF.GDO (the card's own number, ICCSN), EF.StatusVD, EF.PD (who) and EF.VD (insured where), all readable
without a PIN (gemSpec_eGK_ObjSys_G2.1). EF.GVD needs a PIN or a practice card and is left alone. The read
identifies a patient; it is not the online check (VSDM) that billing needs.

Names are given as the FHIR basis profile for Germany composes ``HumanName.family``: Namenszusatz, Vorsatzwort and
Nachname with spaces ("Gräfin von der Heide", "von der Heide"). A Titel ("Dr.") is no part of the name and is left out.

What cards in the field disagree on, and what is done: the length in EF.PD counts its own two bytes or not, and the
end of the VD in EF.VD points at its last byte or behind it, so one is read to the larger bound and the gzip
trailer says where the data end. Both stand in ISO-8859-15 XML of two schema versions and any namespace prefix, so
elements are told by their local names.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zlib
from datetime import date
from typing import ClassVar

from drivers.cards import fields
from drivers.cards.iso7816 import damaged, demand, is_selected, read_file, select, unreadable
from kioskd.core.identity import Card
from kioskd.core.patient import KVID_SYSTEM, Identifier, PartialDate, Sex
from kioskd.ports import Transmit

MF = bytes.fromhex("D2760001448000")
DF_HCA = bytes.fromhex("D27600000102")
SFI_GDO, SFI_STATUS_VD, SFI_PD, SFI_VD = 0x02, 0x0C, 0x01, 0x02

LARGEST_FILE = 4096
"""Bound of what is read from one file; the specification gives EF.PD 850 and EF.VD 1250 bytes."""
LARGEST_XML = 64 * 1024
"""Bound of one unpacked document; real ones have about a kilobyte."""

_ENCODINGS = {"iso-8859-15", "iso-8859-1", "utf-8"}
_DECLARATION = re.compile(rb"\A<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,20})[\"'][^>]*\?>")
_COVER = ("Versicherter", "Versicherungsschutz")
_SEX = {"M": Sex.MALE, "W": Sex.FEMALE, "D": Sex.OTHER, "X": Sex.OTHER}
"""Geschlecht. D (diverse) and X (indeterminate) are both ``other`` in the FHIR basis profile for Germany."""


class Egk:
    """A ``ports.CardKind``. Everything but ``read_id`` of a card that is no eGK raises CardUnreadable or answers."""

    name: ClassVar[str] = "egk"
    suffices_for_billing: ClassVar[bool] = False
    """Billing needs the online check (VSDM) in the practice's own system, once in a quarter."""

    def is_present(self, transmit: Transmit) -> bool:
        return is_selected(transmit, select(MF))

    def read_id(self, transmit: Transmit) -> bytes:
        """The ICCSN, 10 bytes BCD (20 digits), from EF.GDO: tag 5A, length 0A."""
        demand(transmit, select(MF), "SELECT of the eGK root")
        gdo = read_file(transmit, SFI_GDO, 12)
        if len(gdo) != 12 or gdo[:2] != b"\x5a\x0a":
            raise unreadable("EF.GDO does not hold a card number (5A 0A and 10 bytes)")
        return gdo[2:]

    def read(self, transmit: Transmit) -> Card:
        demand(transmit, select(DF_HCA), "SELECT of DF.HCA")
        _check_status(read_file(transmit, SFI_STATUS_VD, 25))
        person = parse_xml(_read_pd(transmit), "EF.PD")
        insurance = parse_xml(_read_vd(transmit), "EF.VD")
        return card_of(person, insurance)


def _check_status(content: bytes) -> None:
    """EF.StatusVD: first byte ASCII 0, or 1 while an update that was begun is not finished (data may be mixed)."""
    match content[:1]:
        case b"0":
            return
        case b"1":
            raise unreadable("an update of the card was begun and not finished; the card must be updated first")
        case _:
            raise unreadable("EF.StatusVD does not begin with 0 or 1")


def _read_pd(transmit: Transmit) -> bytes:
    """EF.PD: u16 length, then gzip. Read as if the length did not count itself; the trailer ends the data."""
    header = read_file(transmit, SFI_PD, 2)
    length = int.from_bytes(header, "big")
    if len(header) != 2 or not 0 < length <= LARGEST_FILE:
        raise unreadable("EF.PD has no valid length")
    return gunzip(read_file(transmit, SFI_PD, length, offset=2), "EF.PD")


def _read_vd(transmit: Transmit) -> bytes:
    """EF.VD: u16 each of VD start, VD end, GVD start, GVD end; FFFF where absent. A copy of the GVD is not read."""
    header = read_file(transmit, SFI_VD, 8)
    start, end = int.from_bytes(header[0:2], "big"), int.from_bytes(header[2:4], "big")
    if len(header) != 8 or not 8 <= start < end < LARGEST_FILE:
        raise unreadable("EF.VD has no valid start and end")
    return gunzip(read_file(transmit, SFI_VD, end + 1 - start, offset=start), "EF.VD")


def gunzip(packed: bytes, what: str) -> bytes:
    """Unpack one gzip member and ignore what follows it. Raises CardUnreadable: damaged, cut off, too large."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        document = unpacker.decompress(packed, LARGEST_XML)
    except zlib.error as error:
        raise damaged(f"{what} is not valid gzip") from error
    if unpacker.unconsumed_tail:
        raise unreadable(f"{what} unpacks to more than {LARGEST_XML} bytes")
    if not unpacker.eof:
        raise unreadable(f"{what} is cut off")
    return document


def parse_xml(document: bytes, what: str) -> ET.Element:
    """The root element. A document type declaration is refused: without one there are no entities to expand."""
    declaration = _DECLARATION.match(document)
    encoding = declaration[1].decode("ascii").lower() if declaration else "iso-8859-15"
    if encoding not in _ENCODINGS:
        raise unreadable(f"{what} is in an encoding that the schema does not have")
    try:
        # Decoded here, not by the parser: the check below then sees exactly the characters that are parsed.
        text = document.decode(encoding)
        if "<!DOCTYPE" in text:
            raise unreadable(f"{what} has a document type declaration")
        return ET.fromstring(text)  # noqa: S314 - bounded, and without a DTD nothing can expand
    except (UnicodeDecodeError, ET.ParseError) as error:
        # `from None`: the parser's message could quote the document.
        raise unreadable(f"{what} is not well-formed: {type(error).__name__}") from None


def _child(parent: ET.Element, *path: str) -> ET.Element | None:
    """The first descendant along ``path`` by local names, whatever the namespace."""
    here: ET.Element | None = parent
    for name in path:
        here = next((e for e in here if e.tag.rpartition("}")[2] == name), None) if here is not None else None
    return here


def _text(parent: ET.Element, *path: str) -> str:
    """The text of a descendant with spaces collapsed; empty where it is absent. Raises CardUnreadable."""
    element = _child(parent, *path)
    text = " ".join((element.text or "").split()) if element is not None else ""
    if not text.isprintable():
        raise unreadable(f"{path[-1]} holds control characters")
    return text


def card_of(person: ET.Element, insurance: ET.Element) -> Card:
    """The card's holder from the roots of PD (UC_PersoenlicheVersichertendatenXML) and VD. Raises CardUnreadable."""
    kvnr = _text(person, "Versicherter", "Versicherten_ID")
    if not is_kvnr(kvnr):
        raise damaged("Versicherten_ID does not agree with its check digit, or has another form")
    holder = _child(person, "Versicherter", "Person")
    payer = _child(insurance, *_COVER, "Kostentraeger")
    if holder is None or payer is None:
        raise unreadable("Person or Kostentraeger is absent")
    parts = [_text(holder, name) for name in ("Namenszusatz", "Vorsatzwort", "Nachname")]
    given = _text(holder, "Vorname")
    if not parts[-1] or not given:
        raise unreadable("Nachname or Vorname is empty")
    insurer_id = _text(payer, "Kostentraegerkennung")
    if not re.fullmatch(r"[0-9]{9}", insurer_id):
        raise unreadable("Kostentraegerkennung does not have nine digits")
    born, ends = birth_date(_text(holder, "Geburtsdatum")), _text(insurance, *_COVER, "Ende")
    return Card(
        kind=Egk.name,
        identifier=Identifier(KVID_SYSTEM, kvnr),
        family=" ".join(part for part in parts if part),
        given=given,
        birth_date=born if isinstance(born, date) else None,
        sex=_SEX.get(_text(holder, "Geschlecht"), Sex.UNKNOWN),
        insurer_name=_text(payer, "Name"),
        insurer_id=insurer_id,
        partial_birth_date=born if isinstance(born, PartialDate) else None,
        valid_until=fields.whole(*fields.ymd(ends, "Ende"), "Ende") if ends else None,
        suffices_for_billing=Egk.suffices_for_billing,
    )


def birth_date(text: str) -> date | PartialDate | None:
    """Geburtsdatum YYYYMMDD, whole or what is known of it (the rest are zeros). Raises CardUnreadable."""
    whole, partial = fields.born(*fields.ymd(text, "Geburtsdatum"), "Geburtsdatum")
    return whole or partial


def kvnr_check_digit(letter_and_8_digits: str) -> int:
    """The last digit of a KVNR: letter as 01 to 26, weights 1 and 2 in turn, cross sums, modulo 10 (SGB V, 290)."""
    digits = f"{ord(letter_and_8_digits[0]) - 64:02d}{letter_and_8_digits[1:9]}"
    products = (int(digit) * (1 + place % 2) for place, digit in enumerate(digits))
    return sum(product // 10 + product % 10 for product in products) % 10


def is_kvnr(text: str) -> bool:
    """Whether ``text`` is a letter and nine digits of which the last one checks the others."""
    return re.fullmatch(r"[A-Z][0-9]{9}", text) is not None and kvnr_check_digit(text) == int(text[9])
