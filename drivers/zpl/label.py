r"""A label for a specimen or a document as one ZPL II format, from the same parts as a wristband. Pure but for fonts.

::

    ┌─────────────────────────────────┐
    │  SMITH John             ┌──────┐│
    │  Born 18-Jan-1980       │ code ││    with Code 128 the bars stand below the text instead
    │  No. 00 123 456         └──────┘│
    │  Serum · 24-Nov-2026 08:15      │
    └─────────────────────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivers.zpl.band import MODULE_DOTS
from drivers.zpl.datamatrix import most_modules
from drivers.zpl.escape import BX_ESCAPE, FH_INDICATOR, bc, bx, code_128_modules
from drivers.zpl.typeset import ContentRefused, Field, Frame, Row, format_of, set_text, without_data
from drivers.zpl.words import moment, partial_day, upper, visible
from kioskd.core.patient import PartialDate, in_groups
from kioskd.ports import LabelSheet

__all__ = ["Label", "Symbology", "label_zpl"]

Symbology = Literal["datamatrix", "code128"]

BAR_DOTS = {203: 2, 300: 3, 600: 6}
"""Narrowest bar of a Code 128: 0.25 mm at each."""
BARS_MM = 8.0
"""Height of its bars, or three tenths of a label that is lower than that needs."""
_QUIET_MODULES = 10
"""On both sides of the bars (ISO/IEC 15417)."""
CODE_GAP_MM = 2.0
_GAP = "   "
"""Between what stands on one line for want of height."""

_BX = ("^FO", "^BX", "^FH", "^FD", "^FS")
_BC = ("^FO", "^BY", "^BC", "^FH", "^FD", "^FS")


@dataclass(frozen=True, slots=True)
class Label:
    """A printer's label in mm, read as it comes out: ``width_mm`` across the head, ``length_mm`` along the feed."""

    dpi: int
    width_mm: float
    length_mm: float
    margin_mm: float
    symbology: Symbology = "datamatrix"
    across_mm: float = 0.0
    along_mm: float = 0.0

    def dots(self, mm: float) -> int:
        return round(mm * self.dpi / 25.4)


def label_zpl(sheet: LabelSheet, label: Label) -> bytes:
    """The bytes of one label: printable ASCII only, one ``^XA..^XZ``, ``^PQ1``. Raises ContentRefused."""
    try:
        _check_identifiers(sheet)
        code = sheet.code or sheet.record_number
        if not code or not code.isprintable():
            raise ContentRefused("a label needs a record number or a document's id of printable characters")
        fields = (_beside if label.symbology == "datamatrix" else _below)(sheet, label, code)
    except ValueError as error:
        raise ContentRefused(without_data(error)) from None
    return format_of(label.dots(label.width_mm), label.dots(label.length_mm), fields)


def _check_identifiers(sheet: LabelSheet) -> None:
    born = sheet.birth_date
    is_whole = born.whole is not None if isinstance(born, PartialDate) else born is not None
    has_name = bool(visible(sheet.family) or visible(sheet.given))
    if not has_name or not (visible(sheet.record_number) or is_whole):
        raise ContentRefused("a label needs two identifiers of the person: name and birth date or record number")


def _frame(label: Label) -> tuple[Frame, tuple[int, int]]:
    """Where the text begins, and how much room there is along and down."""
    x, y = label.dots(label.margin_mm + label.across_mm), label.dots(label.margin_mm + label.along_mm)
    size = label.dots(label.width_mm - 2 * label.margin_mm), label.dots(label.length_mm - 2 * label.margin_mm)
    return Frame(x, y, "N", label.dpi), size


def _beside(sheet: LabelSheet, label: Label, code: str) -> list[Field]:
    """Text with a DataMatrix at its right."""
    frame, (width, height) = _frame(label)
    side = most_modules(code) * MODULE_DOTS[label.dpi]
    size = width - side - label.dots(CODE_GAP_MM), height
    if side > height or size[0] <= 0:
        raise ContentRefused("the barcode is bigger than the label: what it says is too long")
    origin = frame.origin(width - side, (height - side) // 2, side)
    symbol = f"^BXN,{MODULE_DOTS[label.dpi]},200,,,,{BX_ESCAPE}^FH{FH_INDICATOR}^FD{bx(code)}^FS"
    return [*_text(sheet, frame, size), Field(origin + symbol, _BX)]


def _below(sheet: LabelSheet, label: Label, code: str) -> list[Field]:
    """Text with a Code 128 below it."""
    frame, (width, height) = _frame(label)
    module = BAR_DOTS[label.dpi]
    long = code_128_modules(code) * module
    if long + 2 * _QUIET_MODULES * module > label.dots(label.width_mm):
        raise ContentRefused("the barcode is wider than the label: what it says is too long")
    high = min(label.dots(BARS_MM), height * 3 // 10)
    gap = label.dots(CODE_GAP_MM / 2)
    quiet = max(_QUIET_MODULES * module - label.dots(label.margin_mm), 0)
    origin = frame.origin(quiet, height - high, high)
    symbol = f"^BY{module}^BCN,{high},N,N,N,N^FH{FH_INDICATOR}^FD{bc(code)}^FS"
    return [*_text(sheet, frame, (width, height - high - gap)), Field(origin + symbol, _BC)]


def _text(sheet: LabelSheet, frame: Frame, size: tuple[int, int]) -> list[Field]:
    words = sheet.words
    name = [part for part in (upper(visible(sheet.family)), visible(sheet.given)) if part]
    number = visible(in_groups(sheet.record_number, sheet.number_groups))
    who = [f"{words.born} {partial_day(sheet.birth_date)}"] if sheet.birth_date else []
    who += [f"{words.number} {number}"] if number else []
    what = [part for part in (visible(sheet.title), moment(sheet.made_at)) if part]
    settings = [[*who, *what], [*who, _GAP.join(what)], [_GAP.join(who), _GAP.join(what)]]
    return set_text(name, [], [[Row(line) for line in lines] for lines in settings], frame, (0, 0), size)
