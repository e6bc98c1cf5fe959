"""Text as black dots: one line, or as many as a width needs."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from drivers.raster.bidi import Direction, base_direction, visible, visual_runs
from drivers.raster.bitmap import Bitmap
from drivers.raster.fonts import Weight, font_runs, is_bold
from drivers.raster.lines import broken

__all__ = ["DoesNotFit", "text_bitmap", "text_bitmaps"]

_LINE_EM = 1.362
"""Noto Sans: ascender 1.069 em, descender 0.293 em."""

_BLACK_FROM = 110
"""Coverage of a dot, of 255, from which it is black: a little under the half, thin strokes must not break up."""

_STROKE = 1 / 80
"""What is added around a stroke to make it bold, of a line's height: more would fill Chinese characters in."""

_SHRINKS = (1.0, 0.9, 0.8)
"""How much smaller than asked a text may be set, so that it need not be broken at a worse place."""


class DoesNotFit(ValueError):
    """There is no legible size at which a text fits; the text of the error does not quote it."""


@dataclass(frozen=True, slots=True)
class _Run:
    font: ImageFont.FreeTypeFont
    text: str
    direction: Direction
    stroke_px: float
    """Added around every stroke: bold, where a font has none of its own."""

    def advance_px(self) -> float:
        return self.font.getlength(self.text, direction=self.direction)

    def ink(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the dots, from the start of the baseline."""
        return self.font.getbbox(self.text, anchor="ls", direction=self.direction, stroke_width=self.stroke_px)


def text_bitmap(
    text: str,
    height_px: int,
    max_width_px: int,
    weight: Weight = "regular",
    min_height_px: int = 20,
    base: Direction | None = None,
) -> Bitmap:
    """One line of ``text``, ``height_px`` high from ascender to descender, as wide as its ink.

    A line wider than ``max_width_px`` is drawn smaller, down to a line height of ``min_height_px``; the bitmap
    stays ``height_px`` high, with the line in its middle. Nothing is ever cut off. Pass text NFC-normalised; ``base``
    is the direction of the sentence, by default that of its first letter.
    Raises ValueError, without the text in it: nothing to draw, a control character in it, no font for a
    character (names the Debian package); DoesNotFit where no legible size does.
    """
    _must_be_drawable(text)
    base = base or base_direction(text)
    line_px = height_px
    while line_px >= min(min_height_px, height_px):
        drawn = _draw(_runs(text, line_px, weight, base), line_px, height_px)
        if drawn is not None and drawn.width <= max_width_px:
            return Bitmap(drawn.width, height_px, drawn.tobytes())
        too_wide = drawn.width / max_width_px if drawn is not None else 1.0
        line_px = min(line_px - 1, int(line_px / too_wide) + 1)
    raise DoesNotFit(f"a line of {len(text)} characters does not fit {max_width_px} px at a legible size")


def text_bitmaps(
    text: str,
    height_px: int,
    max_width_px: int,
    weight: Weight = "regular",
    most_lines: int = 1,
    base: Direction | None = None,
) -> list[Bitmap]:
    """``text`` on at most ``most_lines`` lines of ``height_px`` each, a little smaller where that spares a bad break.

    Raises ValueError as ``text_bitmap`` does, and when it does not fit.
    """
    _must_be_drawable(text)
    base = base or base_direction(text)
    for shrink in _SHRINKS:
        line_px = round(height_px * shrink)
        lines = broken(text, lambda piece: _width(piece, line_px, weight), max_width_px, most_lines)  # noqa: B023
        if lines is not None:
            least = line_px * 3 // 4
            return [text_bitmap(line, height_px, max_width_px, weight, least, _base_of(line, base)) for line in lines]
    raise DoesNotFit(f"a text of {len(text)} characters does not fit {most_lines} lines of {max_width_px} px")


def _base_of(line: str, base: Direction) -> Direction:
    """A line without any letter of the other direction is set as what it is: a Latin name on an Arabic ticket."""
    return base if any(unicodedata.bidirectional(c) in {"R", "AL"} for c in line) else base_direction(line)


def _must_be_drawable(text: str) -> None:
    if not features.check("raqm"):
        raise ValueError("this Pillow has no raqm: Arabic would be drawn unshaped; install Debian's libfribidi0")
    if not visible(text).strip():
        raise ValueError("there is no text to draw")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("a line to draw holds a control character")


def _runs(text: str, line_px: int, weight: Weight, base: Direction) -> list[_Run]:
    """The pieces of a line from left to right, each of one direction and one font."""
    runs = []
    for run in visual_runs(text, base):
        pieces = font_runs(run.text, weight)
        for file, piece in pieces if run.direction == "ltr" else reversed(pieces):
            stroke_px = 0.0 if weight == "regular" or is_bold(file) else line_px * _STROKE
            runs.append(_Run(_font(file, line_px), piece, run.direction, stroke_px))
    return runs


def _width(text: str, line_px: int, weight: Weight) -> float:
    """About how wide a piece of a line is, in dots."""
    text = visible(text)
    return sum(run.advance_px() for run in _runs(text, line_px, weight, base_direction(text))) if text else 0.0


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
        pen.text(
            (round(x), baseline),  # between two columns of dots every stroke would look bold
            run.text,
            fill=255,
            font=run.font,
            anchor="ls",
            direction=run.direction,
            stroke_width=run.stroke_px,
        )
        x += advance
    dots = canvas.point([255 if value >= _BLACK_FROM else 0 for value in range(256)])
    ink = dots.getbbox()
    if ink is None:
        raise ValueError("the text has no visible characters")
    return dots.crop((ink[0], 0, ink[2], height_px)).convert("1", dither=Image.Dither.NONE)
