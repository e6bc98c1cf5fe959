"""What is known of the common ticket printers, so that a site file names a model instead of its numbers. Pure data.

A profile says how wide a line is, which letters can be trusted, and what is *known to be missing*. It never says what
proof is possible: clones answer with the names of other makers' models, so the printer is asked on every connection.
Every key of the site file that is set overrides what its profile says. Where nothing certain is known, a profile is
narrow: fewer dots leave a margin, a code page that is not trusted costs a picture, and neither loses a letter.

None of them prints in two colours on plain paper, and nothing here asks for it.

Sources. Epson: ESC/POS reference and the specifications of TM-T88III (180 dpi, 512 dots, about 15 mm from head to
blade, a receive buffer of 4 KB that a switch makes 45 bytes, no ``GS ( H``) and TM-T20III (203 dpi, 576 dots, 420 on
58 mm paper, code pages); UB-E02 (a connection that is idle for 5 minutes is closed). Clones of 58 and 80 mm: 384 and
576 dots, from the printer database of python-escpos. From memory, and therefore kept conservative: the numbers of
TM-T88VI, TM-T88VII and TM-m30 beyond those of their families; everything of Star, Bixolon and Citizen except that
their heads have 203 dpi (Bixolon's SRP-330 and SRP-350: 180); every distance from head to blade but the TM-T88III's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["NARROWEST_DOTS", "PROFILES", "CodePage", "Cut", "PaperWidth", "Profile", "ProfileName"]

CodePage = Literal["ascii", "cp437", "cp850", "cp852", "cp858", "cp866", "cp1252"]
Cut = Literal["partial", "full", "none"]
PaperWidth = Literal[58, 80]
ProfileName = Literal[
    "generic",
    "epson-tm-t20iii",
    "epson-tm-t88vi",
    "epson-tm-t88vii",
    "epson-tm-m30",
    "epson-tm-t88iii",
    "star-escpos",
    "bixolon-srp-330",
    "bixolon-srp-350",
    "citizen-ct-s",
    "xprinter-80",
    "xprinter-58",
]

NARROWEST_DOTS = 360
"""What every printer has."""
_FONT_A_DOTS = 12
_FONT_B_DOTS = 9
_EPSON_PAGES: tuple[CodePage, ...] = ("cp1252", "cp858", "cp852", "cp866", "cp850", "cp437")


@dataclass(frozen=True, slots=True)
class Profile:
    """One family of printers. Widths in dots by the width of the paper in mm, the usual paper first."""

    title: str
    width_dots: Mapping[int, int]
    dpi: int = 203
    code_pages: tuple[CodePage, ...] = ()
    """Pages that print what they should on every printer of the family, the most useful first."""
    has_cutter: bool = True
    head_to_cutter_mm: float = 15.0
    buffer_bytes: int = 4096
    """Smallest receive buffer of the family as it is delivered. More than that waits in the line."""
    process_id: Literal["expected", "unknown", "absent"] = "unknown"
    """Whether ``GS ( H`` is known. "absent": it is not asked for; anything else is asked, whatever stands here."""
    idle_closes_after_s: int | None = None
    """After how long without a byte its network board closes the connection; the daemon asks every few seconds."""

    @property
    def usual_width_mm(self) -> int:
        return next(iter(self.width_dots))

    def columns(self, paper_width_mm: int, is_small: bool = False) -> int:
        """Characters of font A (font B when ``is_small``) on a line. Raises KeyError."""
        return self.width_dots[paper_width_mm] // (_FONT_B_DOTS if is_small else _FONT_A_DOTS)

    def defaults(self) -> dict[str, Any]:
        """What the keys of the site file are for this family when they are not set."""
        return {
            "paper_width_mm": self.usual_width_mm,
            "code_page": self.code_pages[0] if self.code_pages else "ascii",
            "cut": "partial" if self.has_cutter else "none",
        }


@dataclass(frozen=True, slots=True)
class _Epson(Profile):
    """What Epson's TM printers of today have in common."""

    code_pages: tuple[CodePage, ...] = _EPSON_PAGES
    process_id: Literal["expected", "unknown", "absent"] = "expected"
    idle_closes_after_s: int | None = 300


PROFILES: Mapping[ProfileName, Profile] = {
    "generic": Profile("ESC/POS printer", {80: 576, 58: 384}),
    "epson-tm-t20iii": _Epson("Epson TM-T20III", {80: 576, 58: 420}),
    "epson-tm-t88vi": _Epson("Epson TM-T88VI", {80: 512, 58: 360}, dpi=180),
    "epson-tm-t88vii": _Epson("Epson TM-T88VII", {80: 512, 58: 360}, dpi=180),
    "epson-tm-m30": _Epson("Epson TM-m30", {80: 576, 58: 420}),
    "epson-tm-t88iii": _Epson("Epson TM-T88III and older", {80: 512}, dpi=180, process_id="absent"),
    "star-escpos": Profile("Star in ESC/POS mode", {80: 576, 58: 384}),
    "bixolon-srp-330": Profile("Bixolon SRP-330", {80: 512, 58: 360}, dpi=180),
    "bixolon-srp-350": Profile("Bixolon SRP-350", {80: 512, 58: 360}, dpi=180),
    "citizen-ct-s": Profile("Citizen CT-S", {80: 576, 58: 384}),
    "xprinter-80": Profile("Xprinter and like printers, 80 mm", {80: 576}),
    "xprinter-58": Profile("Xprinter and like printers, 58 mm", {58: 384}, has_cutter=False),
}
