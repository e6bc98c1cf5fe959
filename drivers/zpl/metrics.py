"""How wide a line is in the printer's resident font 0 (``^A0``), and which characters that font draws. Pure.

Widths were measured on labels rendered with the font's metrics, in 1/32 of the character height; an accented
letter is as wide as the letter under the accent. Printers differ a little, so a line is given ``RESERVE`` more.
"""

from __future__ import annotations

import unicodedata

__all__ = ["fitting_height", "is_resident", "line_width"]

RESERVE = 1.05

_CHARACTERS_OF_WIDTH = {
    8: "ijl",
    9: " !'(),./:;I[]`ft",
    11: "r",
    12: "z",
    14: "?Jcksvxy",
    15: '"#$*0123456789L\\aeoø·',
    16: "EFTZ^_bdghnpquß{|}ðþ",
    17: "CSV",
    18: "ABKOPQXYØÞ",
    19: "DGRÐ",
    20: "&HNU",
    21: "w",
    24: "Mmæ",
    26: "WÆ",
    29: "%+-=@",
}
_WIDTH_32 = {character: width for width, characters in _CHARACTERS_OF_WIDTH.items() for character in characters}
_WIDEST_32 = 32


def is_resident(text: str) -> bool:
    """Whether font 0 has every character: printable ASCII and Latin-1. The others would print as a gap or a box."""
    return all(" " <= c <= "~" or ("\u00a1" <= c <= "\u00ff" and c != "\u00ad") for c in text)


def line_width(text: str, height_px: int) -> int:
    """Dots that ``text`` takes along its line at a character height of ``height_px``, with the reserve."""
    return round(_width_32(text) * height_px * RESERVE / 32)


def fitting_height(text: str, height_px: int, min_height_px: int, max_width_px: int) -> int | None:
    """The greatest height up to ``height_px`` at which ``text`` fits, or None when even the smallest is too wide."""
    widest = int(max_width_px * 32 / (_width_32(text) * RESERVE)) if text else height_px
    return min(height_px, widest) if widest >= min_height_px else None


def _width_32(text: str) -> int:
    return sum(_WIDTH_32.get(unicodedata.normalize("NFD", c)[0], _WIDEST_32) for c in text)
