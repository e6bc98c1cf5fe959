"""The self-test of a ticket printer: its own words, the letters of its code page, and a ruler as wide as it prints.

The letters go out as the printer's own characters, never as dots: a wrong code page is to be seen here, and not first
on a patient's ticket.
"""

from __future__ import annotations

from drivers.escpos import EscposConfig
from drivers.escpos.layout import TicketWriter
from drivers.raster import Bitmap
from kioskd.ports import Align, SelfTestSheet, TicketLine

__all__ = ["characters_of", "ruler", "self_test_bytes"]

_LETTERS = "ÄÖÜäöüß éèêçñåøæ ŁłŚśŻż ČčŘřŠšŽž ŐőŰű ĞğİıŞş ЖЩЮЯ €£"
_PUNCTUATION = "#$@[\\]^_`{|}~"
"""Where printers of other countries put letters of their own."""
_MARK_DOTS = {10: 32, 5: 20, 1: 10}
"""How long the marks at so many millimetres are."""
_GAP_MM = 3


def self_test_bytes(sheet: SelfTestSheet, config: EscposConfig) -> bytes:
    """The whole sheet from ``ESC @`` to the cut. Raises CannotPrint."""
    writer = TicketWriter(config, "ltr")
    writer.text(TicketLine(text=sheet.title, size=2, is_bold=True, align=Align.CENTER))
    writer.gap(_GAP_MM)
    for line in sheet.lines:
        writer.text(TicketLine(text=line, align=Align.START))
    writer.text(TicketLine(text=f"{config.code_page}, {config.width_dots}", align=Align.START))
    writer.gap(_GAP_MM)
    writer.text(TicketLine(text=sheet.characters, align=Align.START))
    writer.text(TicketLine(text=characters_of(config.code_page), align=Align.START))
    writer.gap(_GAP_MM)
    writer.text(TicketLine(text=sheet.ruler, align=Align.START))
    writer.dots(ruler(config.width_dots, config.known.dpi))
    return writer.cut()


def characters_of(code_page: str) -> str:
    """The characters of a code page that are easily wrong."""
    return f"{_PUNCTUATION} " + " ".join("".join(c for c in _LETTERS if _is_in(c, code_page)).split())


def _is_in(character: str, code_page: str) -> bool:
    try:
        character.encode(code_page)
    except UnicodeEncodeError:
        return False
    return True


def ruler(width_dots: int, dpi: int) -> Bitmap:
    """A mark at each millimetre from the first dot to the last, longer ones at every fifth and tenth."""
    row_bytes = (width_dots + 7) // 8
    marks = []
    for mm in range(int(width_dots * 25.4 / dpi) + 1):
        length = next(dots for every, dots in _MARK_DOTS.items() if mm % every == 0)
        marks.append((min(round(mm * dpi / 25.4), width_dots - 1), length))
    rows = bytearray()
    for y in range(max(_MARK_DOTS.values())):
        row = bytearray(row_bytes)
        for x, length in marks:
            if y < length:
                row[x // 8] |= 0x80 >> x % 8
        rows += row
    return Bitmap(width_dots, max(_MARK_DOTS.values()), bytes(rows))
