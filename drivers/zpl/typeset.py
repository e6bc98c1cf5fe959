r"""Lines of text set into a rectangle of a band or label: measured, made smaller within limits, never cut off. Pure.

Positions are in the direction of reading: ``u`` along the line, ``v`` from the top of the text down, in dots. A
``Frame`` says where that lies on the paper; text along a band is turned (``^A0R``). Each line has a slot of its own
that its ink never leaves::

    ┌─ slot ────────────┐  accents of capitals
    │ ---cell top------ │
    │ SMITH John        │  0.75 of the cell's height
    │ ---baseline------ │
    └───────────────────┘  descenders
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from PIL import Image, ImageChops

from drivers.raster import DoesNotFit, text_bitmap
from drivers.zpl.escape import FH_INDICATOR, commands, fh
from drivers.zpl.graphic import gfa
from drivers.zpl.metrics import fitting_height, is_resident
from drivers.zpl.words import has_pile_of_marks, name_settings

__all__ = [
    "ContentRefused",
    "Field",
    "Frame",
    "Row",
    "SetLine",
    "format_of",
    "set_line",
    "set_text",
    "without_data",
]

SLOT = 1.25
"""Height of a slot in cells of font 0."""
BASELINE = 1.0
"""The baseline below the top of the slot, in cells."""
CAPITALS = 0.75
"""Height of capitals in cells."""
DRAWN_LINE = 1.43
"""Line height of the raster font whose capitals are as high as font 0's, in cells."""
DRAWN_LEAST = 1.3
"""Its smallest line, in the smallest cells."""
DRAWN_BASELINE = 0.785
"""Its baseline, in line heights."""
LEAST_CELL_MM = 2.4
"""Smaller text is not printed: capitals of 1.8 mm."""
GOOD_NAME_MM = 5.0
"""A name that would be smaller on one line is set on more where that makes it bigger."""
NAME_MOST_MM = 8.0
_NAME_SHARES = {1: 1.4, 2: 1.1}
_LEAST_NAME_SHARE = 1.0
_WIDEST_PX = 100_000

_HEAD = ["^XA", "^CI", "^PA", "^JZ", "^MC", "^LH", "^LR", "^PM", "^PW", "^LL"]
_TAIL = ["^PQ", "^XZ"]
_TEXT = ("^FO", "^A", "^FH", "^FD", "^FS")
_GRAPHIC = ("^FO", "^GF", "^FS")


class ContentRefused(ValueError):
    """The sheet can't be printed on this paper; the text says why and holds no patient data."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a format, and the names of the commands that it is made of."""

    zpl: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where reading begins: the paper's dot at ``u`` = ``v`` = 0. ``turn``: N as it comes, R along a band."""

    x: int
    y: int
    turn: Literal["N", "R"]
    dpi: int

    def dots(self, mm: float) -> int:
        return round(mm * self.dpi / 25.4)

    def origin(self, u: int, v: int, height: int) -> str:
        """``^FO`` of a field that is ``height`` dots high in the direction of reading."""
        if self.turn == "N":
            return f"^FO{self.x + u},{self.y + v}"
        return f"^FO{self.x - v - height},{self.y + u}"


@dataclass(frozen=True, slots=True)
class Row:
    """A line to set. ``share`` of the height it gets in proportion to the other rows, ``most_mm`` of cell at most."""

    text: str
    share: float = 1.0
    most_mm: float = 6.0
    good_mm: float = 3.0
    """Cell from which it need not be bigger."""
    is_bar: bool = False
    """White on black, as long as the line may be."""


@dataclass(frozen=True, slots=True)
class SetLine:
    """A line that fits: ``cell`` dots high in font 0, or drawn as ``picture`` with its ink's top at ``top``."""

    text: str
    cell: int
    picture: Image.Image | None = None
    top: int = 0


def format_of(width: int, length: int, fields: Sequence[Field]) -> bytes:
    """One format, ``^XA`` to ``^XZ``, printable ASCII only. Raises ContentRefused if a text acts as a command.

    It sets what an earlier host may have left behind (``^LH ^LR ^PM``, and ``^MCY`` so that no other patient's bitmap
    stays below), and ``^JZY``: a sheet cut short by a fault is printed again by the printer, never by us.
    """
    head = f"^XA^CI28^PA1,1,1,1^JZY^MCY^LH0,0^LRN^PMN^PW{width}^LL{length}"
    payload = (head + "".join(field.zpl for field in fields) + "^PQ1^XZ").encode("ascii")
    if commands(payload) != [*_HEAD, *chain.from_iterable(field.names for field in fields), *_TAIL]:
        raise ContentRefused("the text would act as printer commands")
    return payload


def without_data(error: ValueError) -> str:
    """Why a text can't be printed, without the text."""
    # A UnicodeError quotes the text that it choked on.
    return "the text is no valid Unicode" if isinstance(error, UnicodeError) else str(error)


def _slots(rows: Sequence[Row], height: int, frame: Frame) -> list[tuple[int, int]]:
    """Top and height of each row's slot; what the rows do not need is left free above and below."""
    total = sum(row.share for row in rows)
    heights = [min(int(height * row.share / total), int(frame.dots(row.most_mm) * SLOT)) for row in rows]
    v = (height - sum(heights)) // 2
    placed = []
    for slot in heights:
        placed.append((v, slot))
        v += slot
    return placed


def set_text(
    name: Sequence[str],
    before: Sequence[Row],
    afters: Sequence[Sequence[Row]],
    frame: Frame,
    at: tuple[int, int],
    size: tuple[int, int],
) -> list[Field]:
    """All rows, one below the other, in a rectangle of ``size`` (along, down) at ``at``.

    The first setting of the name, and of the rows after it, that is big enough to read well, else the biggest one.
    ``afters``: those rows in forms that need less and less height. Raises ContentRefused where nothing fits, and
    ValueError for what no installed font draws.
    """
    best: tuple[float, list[_SetRow]] = 0.0, []
    for after in afters:
        for lines in name_settings(list(name)):
            share = _NAME_SHARES.get(len(lines), _LEAST_NAME_SHARE)
            rows = [*before, *(Row(line, share, NAME_MOST_MM, GOOD_NAME_MM) for line in lines), *after]
            score, found = _fitted(rows, frame, size)
            if score > best[0]:
                best = score, found
            if score >= 1:
                break
        if best[0] >= 1:
            break
    if not best[1]:
        longest = sum(map(len, name))
        raise ContentRefused(f"a name of {longest} characters and what follows do not fit at {LEAST_CELL_MM} mm")
    return [_field(row, frame, at, size[0]) for row in best[1]]


@dataclass(frozen=True, slots=True)
class _SetRow:
    row: Row
    top: int
    slot: int
    line: SetLine


def _fitted(rows: Sequence[Row], frame: Frame, size: tuple[int, int]) -> tuple[float, list[_SetRow]]:
    """The rows as they fit, and how big the worst off is in parts of what is good to read; 0 when one does not fit."""
    worst, found = 1.0, []
    for row, (top, slot) in zip(rows, _slots(rows, size[1], frame), strict=True):
        line = set_line(row.text, slot, size[0], frame)
        if line is None:
            return 0.0, []
        worst = min(worst, line.cell / frame.dots(row.good_mm))
        found.append(_SetRow(row, top, slot, line))
    return worst, found


def set_line(text: str, slot: int, length: int, frame: Frame) -> SetLine | None:
    """A line as high as its slot and ``length`` allow, or None when it would be too small to read.

    Raises ValueError, without the text in it, for what no installed font draws.
    """
    cell = int(slot / SLOT)
    least = frame.dots(LEAST_CELL_MM)
    if cell < least:
        return None
    if has_pile_of_marks(text):
        raise ContentRefused("a letter has more accents than any name")
    if is_resident(text):
        fitting = fitting_height(text, cell, least, length)
        return None if fitting is None else SetLine(text, fitting)
    return _drawn(text, cell, least, slot, length)


def _drawn(text: str, cell: int, least: int, slot: int, length: int) -> SetLine | None:
    """A line drawn as high as one of font 0, or a little lower where its ink would leave the slot."""
    least_px = round(least * DRAWN_LEAST)
    for line_px in (round(cell * DRAWN_LINE), slot):
        try:
            drawn = text_bitmap(text, line_px, length, "bold", least_px)
            is_narrowed = drawn.width_px > length * 0.9
            free = text_bitmap(text, line_px, _WIDEST_PX, "bold", least_px) if is_narrowed else drawn
        except DoesNotFit:
            continue
        picture = Image.frombytes("1", (drawn.width_px, drawn.height_px), drawn.rows)
        _, top, _, bottom = picture.getbbox() or (0, 0, 1, 1)
        if bottom - top <= slot:
            above = round(cell * BASELINE) - round(line_px * DRAWN_BASELINE) + top
            place = min(max(above, 0), slot - (bottom - top))
            ink = picture.crop((0, top, picture.width, bottom))
            return SetLine(text, int(line_px / DRAWN_LINE * drawn.width_px / free.width_px), ink, place)
    return None


def _field(row: _SetRow, frame: Frame, at: tuple[int, int], length: int) -> Field:
    u, v, line = at[0], at[1] + row.top, row.line
    if row.row.is_bar:
        return _bar(line.text, frame, (u, v), (length, row.slot))
    if line.picture is not None:
        return _picture_field(line.picture, frame, u, v + line.top)
    baseline = v + round(int(row.slot / SLOT) * BASELINE)
    origin = frame.origin(u, baseline - round(line.cell * CAPITALS), line.cell)
    return Field(f"{origin}^A0{frame.turn},{line.cell},{line.cell}^FH{FH_INDICATOR}^FD{fh(line.text)}^FS", _TEXT)


def _bar(text: str, frame: Frame, at: tuple[int, int], size: tuple[int, int]) -> Field:
    """White letters on a black bar, drawn as a picture: a printer's own reversal depends on what is below it."""
    length, slot = size
    gap = max(slot // 8, 1)
    height = slot - gap
    bitmap = text_bitmap(text, height, length - height, "bold", 1)
    letters = Image.frombytes("1", (bitmap.width_px, bitmap.height_px), bitmap.rows)
    black = Image.new("1", (length, height), 0)
    black.paste(letters, ((length - letters.width) // 2, 0))
    return _picture_field(ImageChops.invert(black), frame, at[0], at[1])


def _picture_field(picture: Image.Image, frame: Frame, u: int, v: int) -> Field:
    origin = frame.origin(u, v, picture.height)
    if frame.turn == "R":
        picture = picture.transpose(Image.Transpose.ROTATE_270)
    return Field(f"{origin}{gfa(picture.tobytes(), (picture.width + 7) // 8)}^FS", _GRAPHIC)
