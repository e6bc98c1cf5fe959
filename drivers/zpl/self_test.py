r"""The self-test of a printer of bands or labels: a grid that shows where on its paper a dot comes out.

Pure but for fonts.

::

    ┌|''''|''''|''''|''''|''''|''''|┐  marks in mm from the leading edge of a band, or the left one of a label
    │┌──────────────────────────┐  |│
    ││ SELF-TEST                │  |│  the box is where sheets are printed, as the site file has it now
    │└──────────────────────────┘  |│
    └|''''|''''|''''|''''|''''|''''|┘

What can be read of the marks gives ``printable_mm``; how far the box is off gives ``offset_mm``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw

from drivers.raster import Bitmap, DoesNotFit, text_bitmap
from drivers.zpl.band import Band
from drivers.zpl.escape import FH_INDICATOR, fh
from drivers.zpl.graphic import gfa
from drivers.zpl.label import Label
from drivers.zpl.metrics import fitting_height, is_resident
from drivers.zpl.typeset import ContentRefused, Field, Frame, format_of, without_data
from kioskd.ports import SelfTestSheet

__all__ = ["self_test_zpl"]

_MARK_MM = {10: 2.2, 5: 1.6, 1: 0.9}
"""How long the marks at so many millimetres are."""
_NUMBER_MM = 2.0
_RULER_MM = 2.6
_INSET_MM = 0.6
_MOST_MM, _LEAST_MM = 4.5, 2.2
"""Line heights of its words."""
_LETTERS = "ÄÖÜäöüß éèçñåøæ Łłśż čřšž őű ğıŞ"


@dataclass(frozen=True, slots=True)
class _Paper:
    """What is in the printer, in dots and in the direction of reading; ``box`` is left, top, right and bottom."""

    dpi: int
    turn: Literal["N", "R"]
    along: int
    down: int
    box: tuple[int, int, int, int]

    def dots(self, mm: float) -> int:
        return round(mm * self.dpi / 25.4)


def self_test_zpl(sheet: SelfTestSheet, stock: Band | Label) -> bytes:
    """The bytes of one self-test, on what is in the printer. Raises ContentRefused."""
    paper = _band(stock) if isinstance(stock, Band) else _label(stock)
    try:
        fields = _fields(sheet, paper)
    except ValueError as error:
        raise ContentRefused(without_data(error)) from None
    return format_of(stock.dots(stock.width_mm), stock.dots(stock.length_mm), fields)


def _band(band: Band) -> _Paper:
    margin, across = band.margin_mm, band.across_mm  # turned text has its top at the band's right edge
    box = (band.begin_mm + band.along_mm, margin - across, band.end_mm + band.along_mm, band.width_mm - margin - across)
    left, top, right, bottom = map(band.dots, box)
    return _Paper(band.dpi, "R", band.dots(band.length_mm), band.dots(band.width_mm), (left, top, right, bottom))


def _label(label: Label) -> _Paper:
    margin, across, along = label.margin_mm, label.across_mm, label.along_mm
    box = (margin + across, margin + along, label.width_mm - margin + across, label.length_mm - margin + along)
    left, top, right, bottom = map(label.dots, box)
    return _Paper(label.dpi, "N", label.dots(label.width_mm), label.dots(label.length_mm), (left, top, right, bottom))


def _fields(sheet: SelfTestSheet, paper: _Paper) -> list[Field]:
    picture = Image.new("1", (paper.along, paper.down), 0)
    _draw_grid(picture, paper)
    letters = _draw_words(picture, sheet, paper)
    if paper.turn == "R":
        picture = picture.transpose(Image.Transpose.ROTATE_270)
    drawn = gfa(picture.tobytes(), (picture.width + 7) // 8)
    return [Field(f"^FO0,0{drawn}^FS", ("^FO", "^GF", "^FS")), *letters]


def _draw_grid(picture: Image.Image, paper: _Paper) -> None:
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = paper.box
    pen.rectangle((left, max(top, 0), right - 1, min(bottom, paper.down) - 1), outline=1)
    for mm in range(int(paper.along * 25.4 / paper.dpi) + 1):
        x, length = paper.dots(mm), paper.dots(_length_of(mm))
        pen.line((x, 0, x, length), fill=1)
        pen.line((x, paper.down - 1 - length, x, paper.down - 1), fill=1)
        if mm % 10 == 0:
            number = text_bitmap(str(mm), paper.dots(_NUMBER_MM), paper.along, "regular", 1)
            _paste(picture, number, (x + paper.dots(0.4), paper.dots(_MARK_MM[1])))
    for mm in range(int(paper.down * 25.4 / paper.dpi) + 1):
        y = paper.dots(mm)
        pen.line((right - paper.dots(_length_of(mm)), y, right, y), fill=1)


def _length_of(mm: int) -> float:
    return next(length for every, length in _MARK_MM.items() if mm % every == 0)


def _paste(picture: Image.Image, drawn: Bitmap, at: tuple[int, int]) -> None:
    picture.paste(1, at, Image.frombytes("1", (drawn.width_px, drawn.height_px), drawn.rows))


def _draw_words(picture: Image.Image, sheet: SelfTestSheet, paper: _Paper) -> list[Field]:
    """As much as is readable on what is in the printer, and which printer it is in any case; then its own letters."""
    left, top, right, bottom = paper.box
    begin = left + paper.dots(_INSET_MM), max(top, paper.dots(_RULER_MM)) + paper.dots(_INSET_MM)
    end = right - paper.dots(_RULER_MM), min(bottom, paper.down - paper.dots(_RULER_MM)) - paper.dots(_INSET_MM)
    facts = list(sheet.lines)
    pairs = [" · ".join(facts[at : at + 2]) for at in range(0, len(facts), 2)]
    settings = [[*pairs, sheet.ruler, sheet.characters], [*pairs, sheet.ruler], pairs, facts, facts[:2], facts[:1]]
    for lines in ([sheet.title, *setting] for setting in settings):
        slot = min((end[1] - begin[1]) // (len(lines) + 1), paper.dots(_MOST_MM))
        try:
            drawn = [text_bitmap(line, slot, end[0] - begin[0], "bold", paper.dots(_LEAST_MM)) for line in lines]
        except DoesNotFit:
            continue
        for row, bitmap in enumerate(drawn):
            _paste(picture, bitmap, (begin[0], begin[1] + row * slot))
        return [_letters((begin[0], begin[1] + len(lines) * slot), slot, end[0] - begin[0], paper)]
    raise ContentRefused("not even the printer's name fits on what is in the printer")


def _letters(at: tuple[int, int], slot: int, length: int, paper: _Paper) -> Field:
    """Letters in the printer's own font, to be compared with the drawn ones."""
    text = "".join(letter for letter in _LETTERS if is_resident(letter))
    above = slot // 3  # for the accents of its capitals
    cell = fitting_height(text, slot - above, 1, length) or 1
    frame = Frame(paper.down if paper.turn == "R" else 0, 0, paper.turn, paper.dpi)
    zpl = f"{frame.origin(at[0], at[1] + above, cell)}^A0{paper.turn},{cell},{cell}^FH{FH_INDICATOR}^FD{fh(text)}^FS"
    return Field(zpl, ("^FO", "^A", "^FH", "^FD", "^FS"))
