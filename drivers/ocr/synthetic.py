"""Printed cards that never were: six designs with invented people, for the benchmark, the tests and the lab page.

Everything follows from a number. Layouts are drawn after public descriptions (the European card after Decision S2);
none is a copy of an insurer's card, and no real card was ever photographed for this.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from drivers.ocr import invented
from kioskd.core.printed_card import FieldName as F

CARD_WIDTH, CARD_HEIGHT = 1712, 1080
"""An ID-1 card (ISO/IEC 7810: 85.60 x 53.98 mm), 20 pixels a millimetre."""
_FONTS = Path("/usr/share/fonts/truetype/noto")

Truth = dict[F, str]


@dataclass(frozen=True, slots=True)
class PaperCard:
    """A card and what stands on it. ``back`` is None where nothing is to be read there."""

    design: str
    front: Image.Image = field(repr=False)
    back: Image.Image | None = field(repr=False)
    truth: Truth = field(repr=False)


def _font(size: int, weight: str = "Regular", family: str = "NotoSans") -> ImageFont.FreeTypeFont:
    """A font of Debian's fonts-noto-core."""
    return ImageFont.truetype(str(_FONTS / f"{family}-{weight}.ttf"), size)


class _Sheet:
    """One side of a card while it is drawn. Places and sizes are in pixels of the card."""

    def __init__(self, random: random.Random, tint: tuple[int, int, int]) -> None:
        self.image = Image.new("RGB", (CARD_WIDTH, CARD_HEIGHT), tint)
        self._draw = ImageDraw.Draw(self.image)
        shade = tuple(max(0, part - random.randint(6, 16)) for part in tint)
        for step in range(0, CARD_WIDTH, random.randint(60, 140)):
            self._draw.line(
                [(step, 0), (step + random.randint(-300, 300), CARD_HEIGHT)], fill=shade, width=random.randint(2, 8)
            )

    def band(self, height: int, colour: tuple[int, int, int]) -> None:
        self._draw.rectangle([0, 0, CARD_WIDTH, height], fill=colour)

    def text(
        self,
        x: int,
        y: int,
        text: str,
        size: int = 56,
        weight: str = "Regular",
        ink: tuple[int, int, int] = (25, 25, 35),
    ) -> int:
        """Draws at the top left of the line; the x where it ends."""
        font = _font(size, weight)
        self._draw.text((x, y), text, font=font, fill=ink)
        return round(x + self._draw.textlength(text, font=font))

    def labelled(self, x: int, y: int, label: str, value: str, size: int = 56) -> None:
        """The label small, the value under it."""
        self.text(x, y, label, 36, ink=(70, 70, 90))
        self.text(x, y + 46, value, size, "Bold")


def _us_truth(random: random.Random, payers: list[str]) -> Truth:
    prefix = random.choice([invented.letters(random, 3), invented.letters(random, 1), ""])
    return {
        F.PAYER: random.choice(payers),
        F.NAME: f"{random.choice(invented.US_GIVENS)} {random.choice(invented.US_FAMILIES)}",
        F.MEMBER_ID: prefix + invented.digits(random, random.randint(9, 11)),
        F.GROUP: random.choice(
            [
                invented.digits(random, 7),
                f"{invented.digits(random, 2)}-{invented.digits(random, 6)}",
                invented.letters(random, 2) + invented.digits(random, 5),
            ]
        ),
        F.RX_BIN: random.choice(["004336", "610014", "003858", "610239", "015581", invented.digits(random, 6)]),
        F.RX_PCN: random.choice(["ADV", "MCAIDADV", "A4", "9999", "MEDDPRIME", "PXXPDMI"]),
    }


_MEMBER = ["Member ID", "Subscriber ID", "ID Number", "Identification Number", "Member ID #"]
_GROUP = ["Group", "Group No.", "Group #", "Group Number", "GRP"]
_NAMES = ["Member Name", "Subscriber Name", "Member", "Subscriber", "Name"]


def _us_inline(random: random.Random) -> PaperCard:
    """Labels with a colon and the value behind them, as most insurers of the US have it."""
    truth = _us_truth(random, invented.US_PAYERS)
    truth[F.VALID_FROM] = invented.iso(begun := invented.day(random, 2024, 2026))
    side = _Sheet(random, (238, 243, 250))
    side.text(80, 60, truth[F.PAYER], 92, "Bold", (20, 50, 120))
    side.text(1380, 80, random.choice(["PPO", "HMO", "EPO", "HDHP"]), 64, "Bold")
    rows = [(random.choice(_NAMES), truth[F.NAME]), (random.choice(_MEMBER), truth[F.MEMBER_ID])]
    rows += [(random.choice(_GROUP), truth[F.GROUP]), ("Effective Date", invented.us_date(begun))]
    for row, (label, value) in enumerate(rows):
        end = side.text(80, 270 + 110 * row, f"{label}:", 46)
        side.text(end + 24, 262 + 110 * row, value, 56, "Bold")
    for row, (label, value) in enumerate([("RxBIN", truth[F.RX_BIN]), ("RxPCN", truth[F.RX_PCN])]):
        side.text(80, 740 + 80 * row, f"{label}: {value}", 50)
    for row, copay in enumerate(["Copays", "Office Visit $25", "Specialist $50", "Emergency $250"]):
        side.text(1180, 300 + 76 * row, copay, 42)
    side.text(80, 960, "Customer Service 1-800-555-0142   www.example.org", 38)
    return PaperCard("us-inline", side.image, None, truth)


def _us_stacked(random: random.Random) -> PaperCard:
    """Labels over their values, in two and three columns."""
    truth = _us_truth(random, invented.US_PAYERS)
    side = _Sheet(random, (250, 246, 236))
    side.band(190, (24, 84, 96))
    side.text(80, 50, truth[F.PAYER], 80, "Bold", (255, 255, 255))
    side.labelled(80, 260, random.choice(_NAMES).upper(), truth[F.NAME])
    side.labelled(80, 440, random.choice(_MEMBER), truth[F.MEMBER_ID])
    side.labelled(960, 440, random.choice(_GROUP), truth[F.GROUP])
    side.labelled(80, 640, random.choice(["Rx BIN", "RxBIN", "BIN"]), truth[F.RX_BIN], 50)
    side.labelled(560, 640, random.choice(["Rx PCN", "PCN", "RxPCN"]), truth[F.RX_PCN], 50)
    truth[F.RX_GROUP] = "RX" + invented.digits(random, 4)
    side.labelled(1100, 640, random.choice(["RxGrp", "Rx Group"]), truth[F.RX_GROUP], 50)
    side.text(80, 880, "PCP $20   Specialist $40   Urgent Care $60", 44)
    side.text(80, 970, "This card does not guarantee coverage.", 36)
    return PaperCard("us-stacked", side.image, None, truth)


def _us_medicaid(random: random.Random) -> PaperCard:
    """Few words on the front, the pharmacy's numbers on the back."""
    truth = _us_truth(random, invented.MEDICAID)
    del truth[F.GROUP]
    truth[F.BIRTH_DATE] = invented.iso(born := invented.day(random, 1935, 2020))
    truth[F.PAYER_ID] = invented.digits(random, 5)
    front, back = _Sheet(random, (236, 248, 238)), _Sheet(random, (248, 248, 248))
    front.text(80, 70, truth[F.PAYER], 84, "Bold", (16, 92, 50))
    front.text(80, 200, "Medical Assistance Program", 48)
    front.text(80, 380, truth[F.NAME], 68, "Bold")
    front.text(80, 300, random.choice(["Member Name", "Name"]), 38)
    front.text(80, 520, f"{random.choice(_MEMBER)}: {truth[F.MEMBER_ID]}", 58)
    front.text(80, 640, f"{random.choice(['Date of Birth', 'DOB'])}: {invented.us_date(born)}", 52)
    front.text(80, 900, "Present this card to your provider each time you get care.", 38)
    back.text(80, 90, "Providers: verify eligibility before service.", 42)
    back.text(80, 230, f"RxBIN: {truth[F.RX_BIN]}     RxPCN: {truth[F.RX_PCN]}", 52)
    back.text(80, 400, f"Payer ID: {truth[F.PAYER_ID]}", 52)
    back.text(80, 520, "Submit claims to: PO Box 4410, Springfield 00000", 44)
    back.text(80, 640, "Member Services: 1-800-555-0117   TTY 711", 44)
    return PaperCard("us-medicaid", front.image, back.image, truth)


def _german_egk(random: random.Random) -> PaperCard:
    """The front of a German health card: chip, name, and three numbers with small words under them."""
    family, given = random.choice(invented.FAMILIES), random.choice(invented.GIVENS)
    truth = {
        F.PAYER: random.choice(invented.GERMAN_PAYERS),
        F.NAME: f"{given} {family}",
        F.PAYER_ID: invented.ik(random),
        F.MEMBER_ID: invented.kvnr(random),
    }
    side = _Sheet(random, (226, 238, 246))
    side.text(90, 60, truth[F.PAYER], 80, "Bold", (0, 84, 60))
    side.text(1120, 80, "Gesundheitskarte", 56, "Bold", (200, 60, 30))
    side.image.paste((206, 176, 96), (170, 340, 400, 560))
    side.text(560, 470, invented.digits(random, 6), 46)
    side.text(90, 690, truth[F.NAME], 68, "Bold")
    side.text(90, 780, truth[F.PAYER], 50)
    for x, label, value in [(90, "Versicherung", truth[F.PAYER_ID]), (820, "Versichertennummer", truth[F.MEMBER_ID])]:
        side.text(x, 880, value, 58, "Bold")
        side.text(x, 960, label, 34)
    return PaperCard("german-egk", side.image, None, truth)


_GERMAN = [
    "Name",
    "Vornamen",
    "Geburtsdatum",
    "Persönliche Kennnummer",
    "Kennnummer des Trägers",
    "Kennnummer der Karte",
    "Ablaufdatum",
]
_FRENCH = [
    "Nom",
    "Prénoms",
    "Date de naissance",
    "Numéro d'identification personnel",
    "N° d'identification de l'institution",
]
_FRENCH += ["N° d'identification de la carte", "Date d'expiration"]
_POLISH = ["Nazwisko", "Imiona", "Data urodzenia", "Osobisty numer identyfikacyjny", "Numer identyfikacyjny instytucji"]
_POLISH += ["Numer identyfikacyjny karty", "Data ważności"]
_ISSUERS = {
    "european-de": [
        ("DE", "276", "EUROPÄISCHE KRANKENVERSICHERUNGSKARTE", _GERMAN),
        ("AT", "040", "EUROPÄISCHE KRANKENVERSICHERUNGSKARTE", _GERMAN),
    ],
    "european-other": [
        ("FR", "250", "CARTE EUROPÉENNE D'ASSURANCE MALADIE", _FRENCH),
        ("PL", "616", "EUROPEJSKA KARTA UBEZPIECZENIA ZDROWOTNEGO", _POLISH),
        ("BE", "056", "CARTE EUROPÉENNE D'ASSURANCE MALADIE", _FRENCH),
    ],
}


def _european(random: random.Random, design: str) -> PaperCard:
    """Decision S2: the same numbered fields in every state, their names in its language."""
    state, number, title, words = random.choice(_ISSUERS[design])
    born, ends = invented.day(random, 1930, 2022), invented.day(random, 2026, 2031)
    truth = {
        F.FAMILY: random.choice(invented.FAMILIES),
        F.GIVEN: random.choice(invented.GIVENS),
        F.BIRTH_DATE: invented.iso(born),
        F.MEMBER_ID: invented.kvnr(random) if state == "DE" else invented.digits(random, random.choice([10, 11, 13])),
        F.PAYER_ID: invented.digits(random, random.choice([5, 9])),
        F.PAYER: random.choice(invented.ACRONYMS),
        F.CARD_NUMBER: "80" + number + invented.digits(random, 15),
        F.VALID_UNTIL: invented.iso(ends),
        F.COUNTRY: state,
    }
    side = _Sheet(random, (214, 226, 246))
    side.text(80, 60, title, 52, "Bold", (20, 40, 130))
    side.image.paste((20, 60, 160), (1400, 160, 1640, 330))
    side.text(1478, 206, state, 60, "Bold", (255, 255, 255))
    institution = f"{truth[F.PAYER_ID]} - {truth[F.PAYER]}"
    rows = [
        (80, 200, 3, truth[F.FAMILY]),
        (80, 350, 4, truth[F.GIVEN]),
        (80, 500, 5, invented.european_date(random, born)),
    ]
    rows += [(720, 500, 6, truth[F.MEMBER_ID]), (720, 650, 7, institution)]
    rows += [(80, 830, 8, truth[F.CARD_NUMBER]), (1100, 830, 9, invented.european_date(random, ends))]
    for x, y, place, value in rows:
        side.labelled(x, y, f"{place}. {words[place - 3]}", value, 52)
    return PaperCard(design, side.image, None, truth)


_DESIGNS: dict[str, Callable[[random.Random], PaperCard]] = {
    "us-inline": _us_inline,
    "us-stacked": _us_stacked,
    "us-medicaid": _us_medicaid,
    "german-egk": _german_egk,
    "european-de": lambda random: _european(random, "european-de"),
    "european-other": lambda random: _european(random, "european-other"),
}
DESIGNS = tuple(_DESIGNS)


def paper_card(design: str, number: int) -> PaperCard:
    """The card ``number`` of a design of ``DESIGNS``."""
    return _DESIGNS[design](random.Random(f"{design} {number}"))  # noqa: S311 (nothing secret)
