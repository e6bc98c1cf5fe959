"""Invented people and the images of the cards they carry. Nobody here exists.

Insurance numbers lie in the range X11..., which test cards use; check digits are valid. The demo seeds the same
people into records, except where ``note`` says otherwise.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import escape

from drivers.cards.egk import DF_HCA, MF, kvnr_check_digit
from drivers.cards.image import Application, CardFile, CardImage
from drivers.cards.samples import all_samples
from kioskd.core.patient import Sex
from kioskd.ports import SampleCard

EGK_ATR = bytes.fromhex("3BD097FF81B1FE451F072B")
_GESCHLECHT = {Sex.MALE: "M", Sex.FEMALE: "W", Sex.OTHER: "D", Sex.UNKNOWN: "X"}


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """An invented insured person. ``family`` is the whole family name as it is read; ``vorsatzwort`` a part of it."""

    id: str
    kvnr: str
    family: str
    given: str
    birth_date: date
    sex: Sex
    insurer_name: str
    insurer_id: str
    iccsn: str
    title: str
    """What the lab page writes on the card."""
    note: str
    """What this person is there to show."""
    vorsatzwort: str = ""
    is_in_records: bool = True
    has_appointment: bool = True
    """Whether the demo gives them an appointment today."""
    family_in_records: str = ""
    """The family name that records have, where it is not the card's."""


@dataclass(frozen=True, slots=True)
class EgkVariant:
    """Where cards in the field differ, and what can be wrong with one. The default is a sound G2.1 card."""

    pd_length_counts_itself: bool = False
    vd_end_is_inclusive: bool = True
    prefix: str = "vsd:"
    """Namespace prefix of the XML; empty for a default namespace."""
    schema_version: str = "5.2.0"
    status: str = "0"
    geburtsdatum: str | None = None
    """As written on the card, in place of the person's birth date."""
    geschlecht: str | None = None
    is_t0: bool = False
    is_locked: bool = False
    """The health insurer has blocked the insurance data (DF.HCA)."""


SOUND = EgkVariant()


def _kvnr(letter_and_8_digits: str) -> str:
    return f"{letter_and_8_digits}{kvnr_check_digit(letter_and_8_digits)}"


def _iccsn(number: int) -> str:
    """Twenty digits: 80 (health), 276 (Germany), a test issuer, a running number (ISO/IEC 7812, DIN EN 1867)."""
    return f"8027688311{number:010d}"


_NORTH = ("Musterkasse Nord", "109905003")
_SOUTH = ("Beispielkasse Süd", "108905001")

SAMPLE_PEOPLE: tuple[SamplePerson, ...] = (
    SamplePerson(
        "anna-huber", _kvnr("X11012345"), "Huber", "Anna", date(1984, 3, 12), Sex.FEMALE,
        *_NORTH, _iccsn(1), "Anna Huber", "An ordinary patient with an appointment today.",
    ),
    SamplePerson(
        "joerg-moeller", _kvnr("X11023456"), "Möller-Großmann", "Jörg Emil", date(1957, 11, 2), Sex.MALE,
        *_SOUTH, _iccsn(2), "Jörg Möller-Großmann", "A double name with umlauts, and two given names.",
    ),
    SamplePerson(
        "charlotte-von-der-heide", _kvnr("X11034567"), "von der Heide", "Charlotte", date(1999, 12, 31), Sex.FEMALE,
        *_NORTH, _iccsn(3), "Charlotte von der Heide", "A family name with a prefix.", "von der",
    ),
    SamplePerson(
        "samuel-okafor", _kvnr("X11045678"), "Okafor", "Samuel", date(2015, 6, 1), Sex.MALE,
        *_SOUTH, _iccsn(4), "Samuel Okafor", "A child with an appointment today.",
    ),
    SamplePerson(
        "leyla-demir", _kvnr("X11056789"), "Demir", "Leyla", date(1971, 7, 23), Sex.FEMALE,
        *_NORTH, _iccsn(5), "Leyla Demir", "In the records, with no appointment today.",
        has_appointment=False,
    ),
    SamplePerson(
        "robin-lindqvist", _kvnr("X11067890"), "Lindqvist", "Robin", date(1990, 2, 28), Sex.OTHER,
        *_SOUTH, _iccsn(6), "Robin Lindqvist", "The record has another family name: Lindgren.",
        family_in_records="Lindgren",
    ),
    SamplePerson(
        "unknown", _kvnr("X11078901"), "Nguyen", "Minh", date(1966, 10, 9), Sex.MALE,
        *_NORTH, _iccsn(7), "Minh Nguyen", "Not in the records at all.",
        is_in_records=False, has_appointment=False,
    ),
)  # fmt: skip

_CROWD_FAMILIES = ("Albers", "Brandt", "Celik", "Dorn", "Ebert", "Franke", "Gül", "Hahn", "Iversen", "Jansen")
_CROWD_GIVEN = ("Alma", "Bruno", "Clara", "Deniz", "Emil", "Frida", "Georg", "Hanna", "Ivo", "Jana")


def crowd_person(number: int) -> SamplePerson:
    """One of as many invented people as a benchmark needs, ``crowd-0`` on; all are in the records."""
    family = _CROWD_FAMILIES[number % 10]
    given = _CROWD_GIVEN[number // 10 % 10]
    return SamplePerson(
        f"crowd-{number}", _kvnr(f"X114{number:05d}"), family, given, date(1950 + number % 60, 1 + number % 12, 15),
        Sex.FEMALE if number % 2 else Sex.MALE, *_NORTH, _iccsn(1000 + number), f"{given} {family}", "One of a crowd.",
    )  # fmt: skip


CANARIES: tuple[SamplePerson, ...] = (
    SamplePerson(
        "canary", _kvnr("X11977538"), "Zwyrnqolt-Pflümkwaxodt", "Xanthyvë Qworbalindør", date(1907, 9, 23), Sex.FEMALE,
        "Vlimbrochta-Jurgkränzel", "105337042", _iccsn(93_702_651), "A canary", "Whose words occur nowhere else.",
    ),
    SamplePerson(
        "canary-unknown", _kvnr("X11986429"), "Jvudhexqarz", "Mböltrixane", date(1908, 10, 27), Sex.MALE,
        "Dwefquolm Kässe", "106448153", _iccsn(93_702_652), "A canary", "The same, not in the records.",
        is_in_records=False, has_appointment=False,
    ),
)  # fmt: skip
"""People of words that nothing else contains: a search for these finds where patient data goes. Not in the tray."""

DEFECTIVE_CARDS: tuple[SampleCard, ...] = (
    SampleCard("unfinished-update", "A half-updated card", "An update of this health card was begun and not finished."),
    SampleCard("locked", "A blocked card", "The health insurer has blocked this health card."),
    SampleCard("no-health-card", "A loyalty card", "A chip card of a kind that kioskd does not read."),
    SampleCard("mute", "A dead chip", "A card that does not answer, as when it is put in the wrong way round."),
    SampleCard("door-card", "A door card", "A contactless card that only stores, of no use for checking in."),
    SampleCard("closed-by-radio", "An ID by radio", "A contactless card that wants the password printed on it."),
)

SAMPLE_CARDS: tuple[SampleCard, ...] = (
    *(SampleCard(person.id, person.title, person.note) for person in SAMPLE_PEOPLE),
    *DEFECTIVE_CARDS,
)
"""Every card of the tray; ``sample_image`` builds each of them."""


_CLOSED_BY_RADIO = Application(
    files=(
        # EF.CardAccess: PACE with ECDH, generic mapping and AES-128, version 2, on brainpoolP256r1 (ICAO 9303-11, 9.2).
        CardFile(0x011C, 0x1C, bytes.fromhex("31143012060A04007F0007020204020202010202010D")),
        CardFile(0x011D, 0x1D, bytes(64), is_closed=True),
    )
)


def sample_image(card_id: str) -> CardImage:
    """The image of a card of ``SAMPLE_CARDS`` or of ``drivers.cards.samples``. Raises KeyError."""
    match card_id:
        case "unfinished-update":
            return egk_image(SAMPLE_PEOPLE[0], EgkVariant(status="1"))
        case "locked":
            return egk_image(SAMPLE_PEOPLE[0], EgkVariant(is_locked=True))
        case "no-health-card":
            return CardImage(bytes.fromhex("3B6500002063CB6800"), (Application(bytes.fromhex("A0000000031010")),))
        case "door-card":
            return CardImage(bytes.fromhex("3B8F8001804F0CA000000306030001000000006A"), (Application(),))
        case "closed-by-radio":
            return CardImage(bytes.fromhex("3B8480018091E101F4"), (_CLOSED_BY_RADIO,))
        case "mute":
            # No ATR is longer than 33 bytes (ISO/IEC 7816-3): the reader gets nothing it can use on power-on.
            return CardImage(bytes(40), (Application(MF),))
    if card_id.startswith("crowd-") and card_id.removeprefix("crowd-").isdecimal():
        return egk_image(crowd_person(int(card_id.removeprefix("crowd-"))))
    for person in (*SAMPLE_PEOPLE, *CANARIES):
        if person.id == card_id:
            return egk_image(person)
    for sample in all_samples():
        if sample.id == card_id:
            return sample.image
    raise KeyError(f"no sample card is called {card_id!r}; there are {', '.join(c.id for c in SAMPLE_CARDS)}")


def egk_image(person: SamplePerson, variant: EgkVariant = SOUND) -> CardImage:
    """The image of a G2.1 eGK with the open files, and EF.GVD closed as on a real card."""
    return egk_image_of(pd_xml(person, variant), vd_xml(person, variant), person.iccsn, variant)


def egk_image_of(pd: bytes, vd: bytes, iccsn: str, variant: EgkVariant = SOUND) -> CardImage:
    """The image of an eGK whose EF.PD and EF.VD hold these documents."""
    pd_gz, vd_gz = _gzip(pd), _gzip(vd)
    pd_length = len(pd_gz) + (2 if variant.pd_length_counts_itself else 0)
    vd_end = 8 + len(vd_gz) - (1 if variant.vd_end_is_inclusive else 0)
    versions = tuple(bytes.fromhex("0040000000") for _ in range(3))
    root = Application(
        MF,
        (
            CardFile(0x2F02, 0x02, b"\x5a\x0a" + bytes.fromhex(iccsn)),
            CardFile(0x2F10, 0x10, records=versions),
            CardFile(0x2F11, 0x11, bytes.fromhex("EF2BC003020000C103040300C2094743") + bytes(29)),
        ),
    )
    # Files of their largest size, padded: what stands behind the data is no part of them.
    hca = Application(
        DF_HCA,
        (
            CardFile(0xD00C, 0x0C, _status_vd(variant)),
            CardFile(0xD001, 0x01, (pd_length.to_bytes(2, "big") + pd_gz).ljust(850, b"\0")),
            CardFile(0xD002, 0x02, _vd_header(8, vd_end) + vd_gz.ljust(1242, b"\0")),
            CardFile(0xD003, 0x03, bytes(600), is_closed=True),
        ),
        is_locked=variant.is_locked,
    )
    return CardImage(EGK_ATR, (root, hca), variant.is_t0)


def _vd_header(start: int, end: int) -> bytes:
    return start.to_bytes(2, "big") + end.to_bytes(2, "big") + b"\xff\xff\xff\xff"


def _status_vd(variant: EgkVariant) -> bytes:
    major, minor, patch = (int(part) for part in variant.schema_version.split("."))
    version = bytes.fromhex(f"{major:03d}{minor:03d}{patch:04d}")
    return variant.status.encode("ascii") + b"20250102030405" + version + bytes(5)


def _gzip(document: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(document) + packer.flush()


def pd_xml(person: SamplePerson, variant: EgkVariant = SOUND) -> bytes:
    """EF.PD's document (UC_PersoenlicheVersichertendatenXML), ISO-8859-15."""
    born = variant.geburtsdatum if variant.geburtsdatum is not None else f"{person.birth_date:%Y%m%d}"
    holder: list[_Node] = [
        ("Geburtsdatum", born),
        ("Vorname", person.given),
        ("Nachname", person.family.removeprefix(person.vorsatzwort).strip()),
        ("Geschlecht", variant.geschlecht or _GESCHLECHT[person.sex]),
    ]
    if person.vorsatzwort:
        holder.append(("Vorsatzwort", person.vorsatzwort))
    address: list[_Node] = [
        ("Postleitzahl", "00000"),
        ("Ort", "Musterstadt"),
        ("Land", [("Wohnsitzlaendercode", "D")]),
        ("Strasse", "Beispielweg"),
        ("Hausnummer", "1"),
    ]
    insured: list[_Node] = [("Versicherten_ID", person.kvnr), ("Person", [*holder, ("StrassenAdresse", address)])]
    return _document("UC_PersoenlicheVersichertendatenXML", [("Versicherter", insured)], variant)


def vd_xml(person: SamplePerson, variant: EgkVariant = SOUND) -> bytes:
    """EF.VD's document (UC_AllgemeineVersicherungsdatenXML), ISO-8859-15."""
    billed: list[_Node] = [("Kostentraegerkennung", "100000000"), ("Name", "Abrechnungsstelle")]
    payer: list[_Node] = [
        ("Kostentraegerkennung", person.insurer_id),
        ("Kostentraegerlaendercode", "D"),
        ("Name", person.insurer_name),
        ("AbrechnenderKostentraeger", billed),
    ]
    cover: list[_Node] = [("Beginn", "20200101"), ("Kostentraeger", payer)]
    extra: list[_Node] = [("ZusatzinfosGKV", [("Versichertenart", "1")])]
    insured: list[_Node] = [("Versicherungsschutz", cover), ("Zusatzinfos", extra)]
    return _document("UC_AllgemeineVersicherungsdatenXML", [("Versicherter", insured)], variant)


_Node = tuple[str, "str | list[_Node]"]
"""An XML element: its name, and its text or its children."""


def _document(root: str, children: list[_Node], variant: EgkVariant) -> bytes:
    prefix = variant.prefix
    xmlns = f"xmlns:{prefix.rstrip(':')}" if prefix else "xmlns"
    namespace = "http://ws.gematik.de/fa/vsdm/vsd/v" + variant.schema_version.rpartition(".")[0]
    opening = f'<{prefix}{root} CDM_VERSION="{variant.schema_version}" {xmlns}="{namespace}">'
    declaration = '<?xml version="1.0" encoding="ISO-8859-15" standalone="yes"?>'
    return f"{declaration}{opening}{_xml(children, prefix)}</{prefix}{root}>".encode("iso-8859-15")


def _xml(nodes: list[_Node], prefix: str) -> str:
    texts = ((name, escape(inner) if isinstance(inner, str) else _xml(inner, prefix)) for name, inner in nodes)
    return "".join(f"<{prefix}{name}>{text}</{prefix}{name}>" for name, text in texts)
