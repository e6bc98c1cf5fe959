"""A queue ticket as ESC/POS bytes, pure. python-escpos builds the commands; what it sends raw is cleaned before.

Text that the printer's own code page holds is sent as text, and only changes of style are sent with it: a ticket in
Latin letters has less than 350 bytes. Any other line is drawn and sent as dots, because printers differ in their code
pages, and a wrong letter or a ``?`` in a patient's language is a wrong ticket. A whole line, not the one word: letters
of two fonts in a line look broken. Which page can be trusted is the profile's matter or the site's (``code_page``);
on a printer of which nothing is known that is ASCII, so there "Praxis Müller" is a picture of 1 to 2 kB.

Nothing is cut off: a text is wrapped, then set smaller, then refused (CannotPrint).
The token that a printer answers is not part of it: ``printer`` puts that behind.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from drivers.escpos import EscposConfig
from drivers.escpos.library import Dummy, Profile
from drivers.raster import Bitmap, Direction, broken, picture_bitmap, text_bitmap, text_bitmaps, visible
from kioskd.ports import Align, LineKind, TicketLine, TicketSheet

__all__ = ["CannotPrint", "TicketWriter", "picture_command", "plain", "ticket_bytes", "without_real_time_commands"]

# Epson: ESC t n. What clones agree on.
_CODE_PAGE_NUMBERS = {"CP437": 0, "CP850": 2, "CP1252": 16, "CP866": 17, "CP852": 18, "CP858": 19}

INITIALIZE = b"\x1b@"
STATUS_BACK = b"\x1da\x0f"
"""Epson: GS a 15, send a block on every change of drawer, online, error, paper. ``ESC @`` switches it off."""
_USA = b"\x1bR\x00"  # Epson: ESC R 0; other sets print a pound sign for #
_CUT = {"partial": b"\x1dVB\x00", "full": b"\x1dVA\x00"}  # Epson: GS V 66/65, feed to the cutter first

_FONT_A = (12, 24)
_BIGGEST = 8  # Epson: GS ! magnifies up to 8 times
_RASTER_LINE_PX = 34
"""Height of a drawn line next to font A: ascender to descender of Noto Sans, with the same size of letters."""
_TRIED_LINES = {1: (12,), 2: (1, 3)}
"""Lines that one text may take, by its size; a bigger one none but its own. A drawn one is first set a bit smaller."""
_LONGEST_LABEL = 12
_LOGO_MM = 25
_MARGIN_END_MM = 3
_REAL_TIME = re.compile(rb"\x10(?=[\x04\x05\x14])")


class CannotPrint(ValueError):
    """A sheet that can't be put on this paper; the text holds nothing of the sheet."""


@dataclass(frozen=True, slots=True)
class _Style:
    size: int = 1
    is_bold: bool = False
    is_inverse: bool = False
    align: str = "left"


class _TicketProfile(Profile):  # type: ignore[misc]  # python-escpos has no types
    """Our own profile: python-escpos's list has neither today's Epson models nor right widths for clones."""

    def __init__(self, width_dots: int) -> None:
        super().__init__()
        self.profile_data = {
            "codePages": {str(number): name for name, number in _CODE_PAGE_NUMBERS.items()},
            "fonts": {"0": {"name": "Font A", "columns": width_dots // _FONT_A[0]}},
            "media": {"width": {"pixels": width_dots}},
        }


def ticket_bytes(sheet: TicketSheet, config: EscposConfig) -> bytes:
    """The whole ticket from ``ESC @`` to the cut. Raises CannotPrint."""
    if not plain(sheet.label):
        raise CannotPrint("the ticket has no number")
    writer = TicketWriter(config, "rtl" if sheet.is_right_to_left else "ltr")
    for line in sheet.lines:
        match line.kind:
            case LineKind.NUMBER:
                writer.number(line.text)
            case LineKind.PICTURE:
                writer.picture(line)
            case LineKind.GAP:
                writer.gap(line.size)
            case LineKind.MARK:
                writer.mark(line)
            case LineKind.TEXT:
                writer.text(line)
    return writer.cut()


def plain(text: str) -> str:
    """NFC, one line, and without a character that steers: C0, C1, bidi controls, other invisible format characters.

    Kept are joiners, what forbids a line to end, and isolates (U+2068, U+2069) where each that begins also ends.
    """
    joiners = "\u200c\u200d\u2060"  # Persian and Indic spelling; a date that is not to be broken
    kept = joiners + "\u2068\u2069" if _are_paired(text) else joiners

    def keep(character: str) -> str:
        if character == "\u00a0":
            return character
        if character.isspace():
            return " "
        return character if character in kept or unicodedata.category(character) not in _NOT_PRINTED else ""

    return re.sub(" +", " ", "".join(map(keep, unicodedata.normalize("NFC", text)))).strip(" ")


_NOT_PRINTED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def _are_paired(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "\u2068") - (character == "\u2069")
        if depth not in (0, 1):
            return False
    return depth == 0


class TicketWriter:
    """Lines down the paper over one python-escpos ``Dummy``; only what changes is sent."""

    def __init__(self, config: EscposConfig, direction: Direction) -> None:
        self._config = config
        self._width = config.width_dots
        self._direction = direction
        self._dots_per_mm = config.known.dpi / 25.4
        self._style = _Style()
        self._is_smooth = False
        self._printer: Any = Dummy(profile=_TicketProfile(config.width_dots))
        self._printer._raw(INITIALIZE + STATUS_BACK + _USA)
        if config.profile.startswith("epson"):  # GS P: what others take for dots, Epson counts in halves (1/360 inch)
            self._printer._raw(b"\x1dP" + bytes((config.known.dpi, config.known.dpi)))
        # Fixed, or it switches pages by itself and sends Chinese as GB18030; it knows no plain ASCII, 437 holds that
        page = "CP437" if config.code_page == "ascii" else config.code_page.upper()
        self._printer.magic.force_encoding(page)

    def text(self, line: TicketLine) -> None:
        """A text in as many lines as it needs; nothing for a text without characters."""
        text = plain(line.text)
        if not visible(text).strip(" \u00a0"):
            return
        bare = visible(text)
        if not self._holds(bare):
            self._drawn(text, line)
            return
        for size in range(line.size, 0, -1):
            columns = self._width // (_FONT_A[0] * size)
            parts = broken(plain(line.text), _columns, columns, _TRIED_LINES.get(size, (1,))[-1])
            if parts is not None:
                self._set(_Style(size, line.is_bold, False, self._side(line.align)))
                self._put("".join(f"{visible(part)}\n" for part in parts))
                return
        raise CannotPrint(f"a text of {len(bare)} characters does not fit on the paper")

    def number(self, label: str) -> None:
        """The ticket number, as big as the paper is wide."""
        label = visible(plain(label))
        if len(label) > _LONGEST_LABEL:
            raise CannotPrint(f"a number of {len(label)} characters")
        size = min(_BIGGEST, self._width // (_FONT_A[0] * len(label)))
        if not self._holds(label) or size < 2:
            self._picture(self._line_of_dots(label, _FONT_A[1] * _BIGGEST, "bold"), Align.CENTER)
            return
        self._set(_Style(size, True, False, "center"))
        self._put(f"{label}\n")

    def mark(self, line: TicketLine) -> None:
        """White on black, on one line."""
        text = visible(plain(line.text))
        size = min(line.size, self._width // (_FONT_A[0] * (len(text) + 2)))
        if self._holds(text) and size:
            self._set(_Style(size, True, True, "center"))
            self._put(f" {text} \n")
            return
        drawn = self._line_of_dots(text, _RASTER_LINE_PX * line.size, "bold", self._width * 3 // 4)
        self._picture(drawn.inverted(_FONT_A[0] * line.size), Align.CENTER)

    def picture(self, line: TicketLine) -> None:
        try:
            self._picture(picture_bitmap(line.picture, self._width * 3 // 4, self._dots(_LOGO_MM)), line.align)
        except ValueError as error:
            raise CannotPrint(str(error)) from error

    def dots(self, bitmap: Bitmap) -> None:
        """Dots as they are, from the left edge of what can be printed."""
        self._picture(bitmap, Align.START)

    def gap(self, size_mm: float) -> None:
        self._feed(self._dots(size_mm))

    def cut(self) -> bytes:
        if self._config.cut == "none":  # the last line must come past the edge that it is torn off at
            self._feed(self._dots(self._config.known.head_to_cutter_mm + _MARGIN_END_MM))
        else:
            self._feed(self._dots(_MARGIN_END_MM))
            self._printer._raw(_CUT[self._config.cut])
        written = bytes(self._printer.output)
        if _REAL_TIME.search(written):
            raise CannotPrint("the ticket would hold a command that a printer obeys at once")
        return written

    def _dots(self, size_mm: float) -> int:
        return round(size_mm * self._dots_per_mm)

    def _holds(self, text: str) -> bool:
        try:
            text.replace("\u00a0", " ").encode(self._config.code_page)
        except UnicodeEncodeError:
            return False
        return True

    def _side(self, align: Align) -> str:
        left, right = ("left", "right") if self._direction == "ltr" else ("right", "left")
        return {Align.START: left, Align.CENTER: "center", Align.END: right}[align]

    def _put(self, text: str) -> None:
        self._printer.text(text.replace("\u00a0", " "))

    def _feed(self, dots: int) -> None:
        while dots > 0:  # Epson: ESC J n, n dots on a printer whose vertical unit is a dot
            step = min(dots, 255)
            self._printer._raw(b"\x1bJ" + bytes((step,)))
            dots -= step

    def _set(self, style: _Style) -> None:
        """Send what differs from the style before."""
        old, self._style = self._style, style
        if style.size > 1 and not self._is_smooth:
            self._is_smooth = True
            self._printer.set(smooth=True)
        if style.size != old.size:
            self._printer.set(custom_size=True, width=style.size, height=style.size)
        changed = {"bold": "is_bold", "invert": "is_inverse", "align": "align"}
        self._printer.set(
            **{name: getattr(style, key) for name, key in changed.items() if getattr(style, key) != getattr(old, key)}
        )

    def _drawn(self, text: str, line: TicketLine) -> None:
        """``text`` as dots, in as many lines as it needs."""
        weight: Any = "bold" if line.is_bold else "regular"
        problem: ValueError | None = None
        tries = [(size, most) for size in range(line.size, 0, -1) for most in _TRIED_LINES.get(size, (1,))]
        for size, most in tries:
            height_px = _RASTER_LINE_PX * size
            try:
                drawn = text_bitmaps(text, height_px, self._width, weight, most, self._direction)
            except ValueError as error:
                problem = error
                continue
            for bitmap in drawn:
                self._picture(bitmap, line.align)
            return
        raise CannotPrint(str(problem))

    def _line_of_dots(self, text: str, height_px: int, weight: Any, max_width_px: int | None = None) -> Bitmap:
        try:
            return text_bitmap(text, height_px, max_width_px or self._width, weight)
        except ValueError as error:
            raise CannotPrint(str(error)) from error

    def _picture(self, bitmap: Bitmap, align: Align) -> None:
        """Dots at their place, which white dots of our own make: clones do not align pictures."""
        above, inked, below = bitmap.without_white_rows()
        free = self._width - inked.width_px
        left = {"left": 0, "center": free // 2, "right": free}[self._side(align)]
        self._feed(above)
        self._set(replace(self._style, align="left"))
        self._printer._raw(picture_command(inked.moved_right(left)))
        self._feed(below)


def _columns(piece: str) -> int:
    """How many characters of the printer's own a text has."""
    return len(visible(piece))


def picture_command(bitmap: Bitmap) -> bytes:
    """Epson: ``GS v 0``. Neither the size nor the dots in it read as a command that a printer obeys at once."""
    height, rows = bitmap.height_px, bitmap.rows
    while _REAL_TIME.search(header := _size(bitmap.row_bytes, height) + rows[:1]):
        height, rows = height + 1, rows + bytes(bitmap.row_bytes)
    return b"\x1dv0\x00" + header[:4] + without_real_time_commands(rows)


def _size(row_bytes: int, height: int) -> bytes:
    return row_bytes.to_bytes(2, "little") + height.to_bytes(2, "little")


def without_real_time_commands(dots: bytes) -> bytes:
    """One more black dot wherever dots would read as DLE EOT, DLE ENQ or DLE DC4.

    A printer obeys these also inside a picture (Epson, DLE EOT): it would answer, drop its buffer or kick the
    drawer. ``GS ( D`` switches only DLE DC4 off, and only on printers that know it.
    """
    return _REAL_TIME.sub(b"\x18", dots)
