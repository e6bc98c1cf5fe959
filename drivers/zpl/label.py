r"""A wristband as one ZPL II format. Pure but for the fonts that ``drivers.raster`` reads.

What it says, in this order (NPSA Safer Practice Notice 24, DSCN 04/2009; NPSG.01.01.01 asks for two identifiers)::

    ┌──────┐  SMITH John                   ┌──────┐ ┌──────┐
    │ code │  Born 18-Jan-1980             │ code │ │ code │     text runs along the band, label top first
    └──────┘  No. 00123456                 └──────┘ └──────┘

The code stands on both sides of the text, so one is in sight however the arm lies. With a GSRN it is a GS1
DataMatrix: (8018) GSRN, (8019) band number, (7250) birth date. Without one the site has no GS1 prefix: every AI that
names a patient needs 8018, and 91 to 99 mean something else in each hospital (91 is the local identifiers of NHS
DCB1077), so a GS1 code would be read as what it is not. Then it is a plain DataMatrix of ``record number/band number``.

Every format sets what an earlier host may have left behind (``^LH ^LR ^PM``, and ``^MCY`` so that no other patient's
bitmap stays below), and ``^JZY``: a band cut short by a fault is printed again by the printer, never by us.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import chain

from PIL import Image

from drivers.raster import text_bitmap
from drivers.zpl.datamatrix import most_modules
from drivers.zpl.escape import BX_ESCAPE, FH_INDICATOR, FNC1, bx, commands, fh
from drivers.zpl.graphic import gfa
from drivers.zpl.gs1 import band_elements
from drivers.zpl.metrics import fitting_height, is_resident
from kioskd.ports import WristbandSheet

__all__ = ["Band", "ContentRefused", "band_zpl"]

MODULE_DOTS = {203: 3, 300: 5, 600: 9}
"""X-dimension of 0.375, 0.423 and 0.381 mm; a GSRN in a DataMatrix takes 0.254 to 0.495, target 0.380 (GS1 SST 11)."""
LEAST_TEXT_MM = 2.5
ONE_LINE_NAME_MM = 5.0
"""A name that would be smaller on one line is set on two, family over given."""
CODE_GAP_MM = 3.0
THIRD_CODE_FROM_MM = 70.0
"""Text keeps this length before a third code is printed."""

# Not strftime, which follows the process's locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HEAD = ["^XA", "^CI", "^PA", "^JZ", "^MC", "^LH", "^LR", "^PM", "^PW", "^LL"]
_TAIL = ["^PQ", "^XZ"]
_TEXT = ["^FO", "^A", "^FH", "^FD", "^FS"]
_GRAPHIC = ["^FO", "^GF", "^FS"]
_CODE = ["^FO", "^BX", "^FH", "^FD", "^FS"]
_JOINERS = {"\u200c", "\u200d"}


class ContentRefused(ValueError):
    """The sheet can't become a band; the text says why and holds no patient data."""


@dataclass(frozen=True, slots=True)
class Band:
    """A printer's band in mm. ``begin_mm`` and ``end_mm``: where printing may begin and end along its length."""

    dpi: int
    width_mm: float
    length_mm: float
    begin_mm: float
    end_mm: float
    margin_mm: float
    across_mm: float = 0.0
    along_mm: float = 0.0

    def dots(self, mm: float) -> int:
        return round(mm * self.dpi / 25.4)


@dataclass(frozen=True, slots=True)
class _Field:
    zpl: str
    names: list[str]


def band_zpl(sheet: WristbandSheet, band: Band) -> bytes:
    """The bytes of one band: printable ASCII only, one ``^XA..^XZ``, ``^PQ1``. Raises ContentRefused."""
    try:
        code_data, modules = _code(sheet)
        fields = _fields(sheet, band, code_data, modules * MODULE_DOTS[band.dpi])
    except ValueError as error:
        raise ContentRefused(_without_data(error)) from None
    payload = (_head(band) + "".join(field.zpl for field in fields) + "^PQ1^XZ").encode("ascii")
    if commands(payload) != [*_HEAD, *chain.from_iterable(field.names for field in fields), *_TAIL]:
        raise ContentRefused("the text of the band would act as printer commands")
    return payload


def _without_data(error: ValueError) -> str:
    # A UnicodeError quotes the text that it choked on.
    return "the text of the band is no valid Unicode" if isinstance(error, UnicodeError) else str(error)


def _head(band: Band) -> str:
    width, length = band.dots(band.width_mm), band.dots(band.length_mm)
    return f"^XA^CI28^PA1,1,1,1^JZY^MCY^LH0,0^LRN^PMN^PW{width}^LL{length}"


def _code(sheet: WristbandSheet) -> tuple[str, int]:
    """Field data of the DataMatrix, and the modules along its side at most."""
    if sheet.gsrn:
        elements = [ai + value for ai, value in band_elements(sheet.gsrn, sheet.band_number, sheet.birth_date)]
        return FNC1 + FNC1.join(elements), most_modules("".join(f"\x1d{element}" for element in elements))
    number = sheet.record_number
    if not number or not number.isprintable():
        raise ContentRefused("without a GSRN the barcode needs a record number of printable characters")
    if sheet.band_number < 1:
        raise ContentRefused("a band number is 1 or more")
    data = f"{number}/{sheet.band_number}"
    return bx(data), most_modules(data)


def _fields(sheet: WristbandSheet, band: Band, code_data: str, code_dots: int) -> list[_Field]:
    """Codes and lines in reading order, laid out along the band."""
    begin, end = (band.dots(mm + band.along_mm) for mm in (band.begin_mm, band.end_mm))
    gap = band.dots(CODE_GAP_MM)
    text_begin = begin + code_dots + gap
    ends = [end - code_dots, end - 2 * code_dots - gap]
    has_third = ends[1] - gap - text_begin >= band.dots(THIRD_CODE_FROM_MM)
    places = sorted([begin, *ends] if has_third else [begin, ends[0]])
    across = band.dots(band.across_mm)
    code_x = (band.dots(band.width_mm) - code_dots) // 2 + across
    if code_dots > band.dots(band.width_mm - 2 * band.margin_mm):
        raise ContentRefused("the barcode is wider than the band: the record number is too long")
    codes = [_code_field(code_x, y, band, code_data) for y in places]
    lines = _lines(sheet, band, text_begin, places[1] - gap - text_begin)
    return [codes[0], *lines, *codes[1:]]


def _code_field(x: int, y: int, band: Band, data: str) -> _Field:
    module = MODULE_DOTS[band.dpi]
    return _Field(f"^FO{x},{y}^BXR,{module},200,,,,{BX_ESCAPE}^FH{FH_INDICATOR}^FD{data}^FS", _CODE)


def _lines(sheet: WristbandSheet, band: Band, y: int, length: int) -> list[_Field]:
    """The text, stacked across the band from its right edge: rotated text has its top there (``^A0R``)."""
    usable = band.dots(band.width_mm - 2 * band.margin_mm)
    names = _names(sheet, band, usable, length)
    born = f"Born {sheet.birth_date.day:02}-{_MONTHS[sheet.birth_date.month - 1]}-{sheet.birth_date.year:04}"
    number = _visible(sheet.record_number)
    texts = [*names, born, *([f"No. {number}"] if number else [])]
    shares = [0.36, 0.26, 0.26][: len(texts)] if len(names) == 1 else [0.21] * len(texts)
    gap = int(usable * (0.06 if len(names) == 1 else 0.05))
    top = band.dots(band.width_mm - band.margin_mm + band.across_mm)
    fields = []
    for text, share in zip(texts, shares, strict=True):
        height = int(usable * share)
        top -= gap  # accents of capitals reach over the character cell
        fields.append(_line_field(text, (top, y), height, gap, length, band))
        top -= height
    return fields


def _names(sheet: WristbandSheet, band: Band, usable: int, length: int) -> list[str]:
    """``SMITH John`` as one line, or as two when one would be small. Upper case is Unicode's, not a language's."""
    parts = [part for part in (_visible(sheet.family).upper(), _visible(sheet.given)) if part]
    if not parts:
        raise ContentRefused("a band needs two identifiers of the person: there is no name")
    whole = " ".join(parts)
    height, least = int(usable * 0.36), band.dots(ONE_LINE_NAME_MM)
    if is_resident(whole):
        return parts if fitting_height(whole, height, least, length) is None else [whole]
    try:
        text_bitmap(whole, height, length, "bold", least)
    except ValueError:
        return parts
    return [whole]


def _line_field(text: str, at: tuple[int, int], height: int, gap: int, length: int, band: Band) -> _Field:
    """One line in the printer's font, smaller when it is long, or as a picture. Never cut off.

    ``at``: the line's top edge across the band and its begin along it. A picture also takes the gap above the line.
    """
    top, y = at
    least = min(height, band.dots(LEAST_TEXT_MM))
    if is_resident(text):
        fitting = fitting_height(text, height, least, length)
        if fitting is None:
            raise ContentRefused(f"a line of {len(text)} characters does not fit the band at {LEAST_TEXT_MM} mm")
        zpl = f"^FO{top - fitting},{y}^A0R,{fitting},{fitting}^FH{FH_INDICATOR}^FD{fh(text)}^FS"
        return _Field(zpl, _TEXT)
    drawn = text_bitmap(text, height + gap, length, "bold", least)
    picture = Image.frombytes("1", (drawn.width_px, drawn.height_px), drawn.rows).transpose(Image.Transpose.ROTATE_270)
    return _Field(f"^FO{top - height},{y}{gfa(picture.tobytes(), (picture.width + 7) // 8)}^FS", _GRAPHIC)


def _visible(text: str) -> str:
    """NFC, runs of white space as one blank, without control and format characters (bidi overrides among them)."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(c for c in spaced if c in _JOINERS or unicodedata.category(c) not in {"Cc", "Cf"})
