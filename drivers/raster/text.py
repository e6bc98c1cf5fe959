"""One line of text as black dots."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, features

from drivers.raster.fonts import Weight, font_runs

__all__ = ["Bitmap", "text_bitmap"]

Direction = Literal["ltr", "rtl"]

_LINE_EM = 1.362
"""Noto Sans: ascender 1.069 em, descender 0.293 em."""

_BLACK_FROM = 110
"""Coverage of a dot, of 255, from which it is black: a little under the half, thin strokes must not break up."""


@dataclass(frozen=True, slots=True)
class Bitmap:
    """Black and white dots. ``rows``: top to bottom, each row padded to a byte, MSB first, 1 is black."""

    width_px: int
    height_px: int
    rows: bytes

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return (self.width_px + 7) // 8


@dataclass(frozen=True, slots=True)
class _Run:
    font: ImageFont.FreeTypeFont
    text: str
    direction: Direction

    def advance_px(self) -> float:
        return self.font.getlength(self.text, direction=self.direction)

    def ink(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the dots, from the start of the baseline."""
        return self.font.getbbox(self.text, anchor="ls", direction=self.direction)


def text_bitmap(
    text: str, height_px: int, max_width_px: int, weight: Weight = "regular", min_height_px: int = 20
) -> Bitmap:
    """One line of ``text``, ``height_px`` high from ascender to descender, as wide as its ink.

    A line wider than ``max_width_px`` is drawn smaller, down to a line height of ``min_height_px``; the bitmap
    stays ``height_px`` high, with the line in its middle. Nothing is ever cut off. Pass text NFC-normalised.
    Raises ValueError, without the text in it: nothing to draw, a control character in it, no font for a
    character (names the Debian package), or no legible size that fits.
    """
    if not features.check("raqm"):
        raise ValueError("this Pillow has no raqm: Arabic would be drawn unshaped; install Pillow's own wheel")
    if not text.strip():
        raise ValueError("there is no text to draw")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("a line to draw holds a control character")
    base = _base_direction(text)
    pieces = font_runs(text, weight)
    line_px = height_px
    while line_px >= min(min_height_px, height_px):
        runs = [_Run(_font(file, line_px), piece, _run_direction(piece, base)) for file, piece in pieces]
        drawn = _draw(runs if base == "ltr" else runs[::-1], line_px, height_px)
        if drawn is not None and drawn.width <= max_width_px:
            return Bitmap(drawn.width, height_px, drawn.tobytes())
        too_wide = drawn.width / max_width_px if drawn is not None else 1.0
        line_px = min(line_px - 1, int(line_px / too_wide) + 1)
    raise ValueError(f"a line of {len(text)} characters does not fit {max_width_px} px at a legible size")


def _base_direction(text: str) -> Direction:
    """The direction of the first letter that has one (Unicode Bidirectional Algorithm, P2 and P3)."""
    kinds = (unicodedata.bidirectional(character) for character in text)
    first = next((kind for kind in kinds if kind in {"L", "R", "AL"}), "L")
    return "ltr" if first == "L" else "rtl"


def _run_direction(piece: str, base: Direction) -> Direction:
    has_letters = any(unicodedata.bidirectional(character) in {"L", "R", "AL", "EN", "AN"} for character in piece)
    return _base_direction(piece) if has_letters else base


@lru_cache(maxsize=64)
def _font(file: Path, line_px: int) -> ImageFont.FreeTypeFont:
    """The font in the em size that Noto Sans has at this line height, so that lines of two scripts match."""
    return ImageFont.truetype(file, max(1, round(line_px / _LINE_EM)), layout_engine=ImageFont.Layout.RAQM)


def _draw(runs: list[_Run], line_px: int, height_px: int) -> Image.Image | None:
    """The runs side by side, cropped to the ink's width; None when the ink is higher than ``height_px``."""
    inks = [run.ink() for run in runs]
    top = floor(min(ink[1] for ink in inks))
    bottom = ceil(max(ink[3] for ink in inks))
    if bottom - top > height_px:
        return None
    advances = [run.advance_px() for run in runs]
    margin_px = height_px  # room for swashes that reach over their advance
    canvas = Image.new("L", (int(sum(advances)) + 2 * margin_px, height_px), 0)
    pen = ImageDraw.Draw(canvas)
    usual = (height_px + round(line_px * (1.069 - 0.293) / _LINE_EM)) // 2  # Noto Sans, its line in the middle
    baseline = min(max(usual, -top), height_px - bottom)
    x = float(margin_px)
    for run, advance in zip(runs, advances, strict=True):
        pen.text((x, baseline), run.text, fill=255, font=run.font, anchor="ls", direction=run.direction)
        x += advance
    dots = canvas.point([255 if value >= _BLACK_FROM else 0 for value in range(256)])
    ink = dots.getbbox()
    if ink is None:
        raise ValueError("the text has no visible characters")
    return dots.crop((ink[0], 0, ink[2], height_px)).convert("1", dither=Image.Dither.NONE)
