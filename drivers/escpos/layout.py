"""A queue ticket as ESC/POS bytes, pure. python-escpos builds the commands; what it sends raw is cleaned before.

Text that the printer's own code page holds is sent as text. Any other line is drawn and sent as dots, because
printers differ in their code pages, and a wrong letter or a ``?`` in a patient's language is a wrong ticket.
The token that a printer answers is not part of it: ``printer`` puts that behind.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from dataclasses import dataclass
from typing import Any

from drivers.escpos import EscposConfig
from drivers.escpos.library import Dummy, Profile
from drivers.raster import Bitmap, text_bitmap
from kioskd.ports import TicketSheet

__all__ = ["CannotPrint", "plain", "ticket_bytes", "without_real_time_commands"]

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


class CannotPrint(ValueError):
    """A sheet that can't be put on this paper; the text holds nothing of the sheet."""


@dataclass(frozen=True, slots=True)
class _Style:
    size: int = 1
    is_bold: bool = False
    is_inverse: bool = False


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
    writer = _Writer(config)
    writer.line(sheet.site_name, _Style(is_bold=True))
    writer.feed(1)
    writer.line(sheet.title, _Style(size=2))
    if sheet.is_copy:
        writer.line(f" {plain(config.copy_mark)} ", _Style(size=2, is_bold=True, is_inverse=True))
    writer.number(sheet.label)
    for text in sheet.lines:
        writer.line(text, _Style(size=2))
    writer.feed(1)
    writer.line(sheet.footer, _Style())
    writer.feed(1)
    return writer.cut()


def plain(text: str) -> str:
    """NFC, one line, and without a character that steers: C0, C1, bidi controls, other invisible format characters."""

    def keep(character: str) -> str:
        category = unicodedata.category(character)
        if character.isspace() or category == "Cc":
            return " " if character.isspace() else ""
        is_joiner = character in "\u200c\u200d"  # Persian and Indic spelling needs them
        return character if is_joiner or category not in {"Cf", "Cs", "Co", "Cn"} else ""

    return " ".join("".join(map(keep, unicodedata.normalize("NFC", text))).split())


class _Writer:
    """Lines down the paper, each centred, over one python-escpos ``Dummy``."""

    def __init__(self, config: EscposConfig) -> None:
        self._config = config
        self._width = config.width_dots
        self._printer: Any = Dummy(profile=_TicketProfile(config.width_dots))
        self._printer._raw(INITIALIZE + STATUS_BACK + _USA)
        # Fixed, or it switches pages by itself and sends Chinese as GB18030; it knows no plain ASCII, 437 holds that
        page = "CP437" if config.code_page == "ascii" else config.code_page.upper()
        self._printer.magic.force_encoding(page)

    def line(self, text: str, style: _Style) -> None:
        """``text`` in as many lines as it needs; nothing for a text without characters."""
        text = plain(text) if not style.is_inverse else text
        if not text:
            return
        columns = self._width // (_FONT_A[0] * style.size)
        if not self._holds(text):
            self._drawn(text, _RASTER_LINE_PX * style.size, "bold" if style.is_bold else "regular")
            return
        self._style(style)
        self._printer.text("".join(f"{part}\n" for part in _balanced(text, columns)))

    def number(self, label: str) -> None:
        """The ticket number, as big as the paper is wide."""
        label = plain(label)
        size = min(_BIGGEST, self._width // (_FONT_A[0] * len(label)))
        if not self._holds(label) or size < 2:
            self._drawn(label, _FONT_A[1] * _BIGGEST, "bold")
            return
        self._style(_Style(size=size, is_bold=True))
        self._printer.text(f"{label}\n")

    def feed(self, lines: int) -> None:
        self._style(_Style())
        self._printer.text("\n" * lines)

    def cut(self) -> bytes:
        self._printer._raw(_CUT[self._config.cut])
        return bytes(self._printer.output)

    def _holds(self, text: str) -> bool:
        try:
            text.encode(self._config.code_page)
        except UnicodeEncodeError:
            return False
        return True

    def _style(self, style: _Style) -> None:
        self._printer.set(
            align="center",
            font="a",
            bold=style.is_bold,
            invert=style.is_inverse,
            smooth=style.size >= 2,
            custom_size=True,
            width=style.size,
            height=style.size,
        )

    def _drawn(self, text: str, height_px: int, weight: Any) -> None:
        """``text`` as dots, on two lines or more where one would be too small to read."""
        for min_height_px in (height_px * 3 // 4, 20):
            try:
                bitmap = text_bitmap(text, height_px, self._width, weight, min_height_px)
            except ValueError as error:
                problem = error
            else:
                self._raster(bitmap)
                return
            words = text.split()
            if len(words) > 1:
                half = _middle(words)
                self._drawn(" ".join(words[:half]), height_px, weight)
                self._drawn(" ".join(words[half:]), height_px, weight)
                return
        raise CannotPrint(str(problem))

    def _raster(self, bitmap: Bitmap) -> None:
        """``GS v 0``, centred by white bytes of our own: clones do not align pictures."""
        left = (self._width - bitmap.width_px) // 16
        row_bytes = left + bitmap.row_bytes
        rows = [
            bytes(left) + bitmap.rows[at : at + bitmap.row_bytes] for at in range(0, len(bitmap.rows), bitmap.row_bytes)
        ]
        size = row_bytes.to_bytes(2, "little") + bitmap.height_px.to_bytes(2, "little")
        self._printer.set(align="left")
        self._printer._raw(b"\x1dv0\x00" + size + without_real_time_commands(b"".join(rows)))


def _balanced(text: str, columns: int) -> list[str]:
    """As few lines as fit, of about the same length: no single word on the last one."""
    lines = textwrap.wrap(text, columns, drop_whitespace=False)
    while len(narrower := textwrap.wrap(text, columns - 1, drop_whitespace=False)) == len(lines) and columns > 2:
        lines, columns = narrower, columns - 1
    return [line.strip() for line in lines] if len(lines) > 1 else lines


def _middle(words: list[str]) -> int:
    """After which word to break, so that the two lines are about equally long."""
    lengths = [len(word) for word in words]
    return min(range(1, len(words)), key=lambda at: abs(sum(lengths[:at]) - sum(lengths[at:])))


def without_real_time_commands(dots: bytes) -> bytes:
    """One more black dot wherever dots would read as DLE EOT, DLE ENQ or DLE DC4.

    A printer obeys these also inside a picture (Epson, DLE EOT): it would answer, drop its buffer or kick the
    drawer. ``GS ( D`` switches only DLE DC4 off, and only on printers that know it.
    """
    return re.sub(rb"\x10(?=[\x04\x05\x14])", b"\x18", dots)
