r"""A wristband as one ZPL II format. Pure but for the fonts that ``drivers.raster`` reads.

What it says, in this order (NPSA Safer Practice Notice 24, DSCN 04/2009; NPSG.01.01.01 asks for two identifiers)::

    ┌──────┐  SMITH John                   ┌──────┐ ┌──────┐
    │ code │  Born 18-Jan-1980             │ code │ │ code │     text runs along the band, label top first
    └──────┘  No. 00 123 456               └──────┘ └──────┘

Who has no name yet, and who is a newborn, has lines of their own; a bar above them warns of a similar name. Nothing
is ever cut off: a name is set smaller, then on more lines, and else refused, so that the desk is told.

The code stands on both sides of the text, so one is in sight however the arm lies. With a GSRN it is a GS1
DataMatrix: (8018) GSRN, (8019) band number, (7250) birth date. Without one the site has no GS1 prefix: every AI that
names a patient needs 8018, and 91 to 99 mean something else in each hospital (91 is the local identifiers of NHS
DCB1077), so a GS1 code would be read as what it is not. Then it is a plain DataMatrix of ``record number/band number``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from drivers.zpl.datamatrix import most_modules
from drivers.zpl.escape import BX_ESCAPE, FH_INDICATOR, FNC1, bx
from drivers.zpl.gs1 import band_elements
from drivers.zpl.typeset import ContentRefused, Field, Frame, Row, format_of, set_text, without_data
from drivers.zpl.words import moment, partial_day, upper, visible
from kioskd.core.patient import PartialDate, Sex, in_groups
from kioskd.ports import Newborn, UnknownPerson, WristbandSheet

__all__ = ["MODULE_DOTS", "Band", "band_zpl"]

MODULE_DOTS = {203: 3, 300: 5, 600: 9}
"""X-dimension of 0.375, 0.423 and 0.381 mm; a GSRN in a DataMatrix takes 0.254 to 0.495, target 0.380 (GS1 SST 11)."""
CODE_GAP_MM = 3.0
THIRD_CODE_FROM_MM = 70.0
"""Text keeps this length before a third code is printed."""

_CODE = ("^FO", "^BX", "^FH", "^FD", "^FS")


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


def band_zpl(sheet: WristbandSheet, band: Band) -> bytes:
    """The bytes of one band: printable ASCII only, one ``^XA..^XZ``, ``^PQ1``. Raises ContentRefused."""
    try:
        _check_identifiers(sheet)
        code_data, modules = _code(sheet)
        fields = _fields(sheet, band, code_data, modules * MODULE_DOTS[band.dpi])
    except ValueError as error:
        raise ContentRefused(without_data(error)) from None
    return format_of(band.dots(band.width_mm), band.dots(band.length_mm), fields)


def _code(sheet: WristbandSheet) -> tuple[str, int]:
    """Field data of the DataMatrix, and the modules along its side at most."""
    if sheet.gsrn:
        elements = [ai + value for ai, value in band_elements(sheet.gsrn, sheet.band_number, _born_on(sheet))]
        return FNC1 + FNC1.join(elements), most_modules("".join(f"\x1d{element}" for element in elements))
    number = sheet.record_number
    if not number or not number.isprintable():
        raise ContentRefused("without a GSRN the barcode needs a record number of printable characters")
    if sheet.band_number < 1:
        raise ContentRefused("a band number is 1 or more")
    data = f"{number}/{sheet.band_number}"
    return bx(data), most_modules(data)


def _born_on(sheet: WristbandSheet) -> date | None:
    """The whole birth date, where it is known."""
    born = sheet.newborn.born_at.date() if sheet.newborn else sheet.birth_date
    return born.whole if isinstance(born, PartialDate) else born


def _fields(sheet: WristbandSheet, band: Band, code_data: str, code_dots: int) -> list[Field]:
    """Codes and lines in reading order, laid out along the band."""
    begin, end = (band.dots(mm + band.along_mm) for mm in (band.begin_mm, band.end_mm))
    gap = band.dots(CODE_GAP_MM)
    text_begin = begin + code_dots + gap
    ends = [end - code_dots, end - 2 * code_dots - gap]
    has_third = ends[1] - gap - text_begin >= band.dots(THIRD_CODE_FROM_MM)
    places = sorted([begin, *ends] if has_third else [begin, ends[0]])
    usable = band.dots(band.width_mm - 2 * band.margin_mm)
    if code_dots > usable:
        raise ContentRefused("the barcode is wider than the band: the record number is too long")
    size = places[1] - gap - text_begin, usable
    if size[0] <= 0:
        raise ContentRefused("the barcodes leave no room for text: the record number is too long")
    # Turned text has its top at the band's right edge.
    frame = Frame(band.dots(band.width_mm - band.margin_mm + band.across_mm), 0, "R", band.dpi)
    codes = [_code_field(frame, y, (usable - code_dots) // 2, code_dots, code_data) for y in places]
    lines = set_text(_name(sheet), _bar_rows(sheet), [_other_rows(sheet)], frame, (text_begin, 0), size)
    return [codes[0], *lines, *codes[1:]]


def _code_field(frame: Frame, u: int, v: int, code_dots: int, data: str) -> Field:
    origin = frame.origin(u, v, code_dots)
    return Field(f"{origin}^BXR,{MODULE_DOTS[frame.dpi]},200,,,,{BX_ESCAPE}^FH{FH_INDICATOR}^FD{data}^FS", _CODE)


def _check_identifiers(sheet: WristbandSheet) -> None:
    """Two that tell this person from any other; a part of a birth date is none, a stand-in for a name only one."""
    number = bool(visible(sheet.record_number))
    if sheet.unknown or sheet.newborn:
        if not number or sheet.family or sheet.given or sheet.birth_date:
            raise ContentRefused("who has no name yet needs a record number, and has neither name nor birth date")
        return
    has_name = bool(visible(sheet.family) or visible(sheet.given))
    if not has_name or not (number or _born_on(sheet)):
        raise ContentRefused("a band needs two identifiers of the person: name and birth date or record number")


def _name(sheet: WristbandSheet) -> list[str]:
    """The name as one or two parts, the first of which may stand on a line of its own."""
    if sheet.unknown:
        return [_unknown(sheet.unknown, sheet)]
    if sheet.newborn:
        return _baby(sheet.newborn, sheet)
    return [part for part in (upper(visible(sheet.family)), visible(sheet.given)) if part]


def _unknown(person: UnknownPerson, sheet: WristbandSheet) -> str:
    words = sheet.words
    return {Sex.MALE: words.unknown_male, Sex.FEMALE: words.unknown_female}.get(person.sex, words.unknown)


def _baby(child: Newborn, sheet: WristbandSheet) -> list[str]:
    """``Baby of SMITH`` and ``Jane``, or ``Baby 1/2 of SMITH``: twins are told by their order of birth."""
    if not 1 <= child.birth_order <= child.births:
        raise ContentRefused(f"a child is 1 to {child.births} of {child.births}")
    mother = [part for part in (upper(visible(child.mother_family)), visible(child.mother_given)) if part]
    if not mother:
        raise ContentRefused("a newborn is told by its mother: there is no name of hers")
    words, order = sheet.words, f"{child.birth_order}/{child.births}"
    begin = words.baby_of if child.births == 1 else words.baby_of_several.format(order=order)
    return [f"{begin} {mother[0]}", *mother[1:]]


def _bar_rows(sheet: WristbandSheet) -> list[Row]:
    return [Row(sheet.words.similar_name, is_bar=True)] if sheet.is_name_similar else []


def _other_rows(sheet: WristbandSheet) -> list[Row]:
    """Birth date or arrival, the record number where there is one, and the mother's."""
    words = sheet.words
    lines = []
    if sheet.unknown:
        lines.append(f"{words.arrived} {moment(sheet.unknown.arrived_at)}")
    elif sheet.newborn:
        lines.append(f"{words.born} {moment(sheet.newborn.born_at)}")
    elif sheet.birth_date:
        lines.append(f"{words.born} {partial_day(sheet.birth_date)}")
    if number := visible(in_groups(sheet.record_number, sheet.number_groups)):
        lines.append(f"{words.number} {number}")
    if sheet.newborn and (mothers := visible(sheet.newborn.mother_record_number)):
        lines.append(f"{words.mother} {in_groups(mothers, sheet.number_groups)}")
    return [Row(line) for line in lines]
