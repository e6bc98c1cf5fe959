"""What a virtual printer puts on its paper, dot by dot, and a picture of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from random import Random
from zlib import compress, decompress

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from drivers.escpos.virtual_commands import Command
from drivers.raster import Bitmap

__all__ = ["SCAN_GROUND_PX", "Paper", "Sheet"]

CELL = (12, 24)
"""Dots of a character of font A; font B is 9 x 17."""
CELL_B = (9, 17)
LINE_SPACING = 30
HEAD_TO_CUTTER = 80
"""Dots of blank paper between head and cutter: the top margin of every ticket."""

_CODE_PAGES = {0: "cp437", 2: "cp850", 3: "cp860", 4: "cp863", 5: "cp865", 16: "cp1252", 17: "cp866", 18: "cp852"}
_CODE_PAGES |= {19: "cp858"}
_MONO_FONTS = ("DejaVuSansMono", "NotoSansMono", "LiberationMono")
_FONT_FOLDER = Path("/usr/share/fonts")
SCAN_GROUND_PX = 16
"""What a scan shows of the glass around the paper."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A piece of paper that came off the printer. ``text``: the lines that were sent as text."""

    text: str
    is_cut: bool
    """False: torn off without a cut."""
    width_px: int
    height_px: int
    packed: bytes
    """The rows of the picture, deflated: a long day prints thousands of sheets."""
    connected_at: float = 0.0
    """``time.monotonic()`` at which the connection began that its last byte came over."""
    dpi: int = 203

    @property
    def picture(self) -> Bitmap:
        """The dots, with the margin between head and cutter at the top."""
        return Bitmap(self.width_px, self.height_px, decompress(self.packed))

    @property
    def paper_width_mm(self) -> int:
        return 80 if self.width_px * 25.4 / self.dpi > 56 else 58

    def png(self) -> bytes:
        """The paper as one would see it, with its shadow on a transparent ground."""
        return _photograph(self)

    def scan_png(self) -> bytes:
        """The paper true to scale, with its edges, one pixel a dot of the head; the file says how many to the inch."""
        return _scan(self)


@dataclass(frozen=True, slots=True)
class _Style:
    width: int = 1
    height: int = 1
    is_bold: bool = False
    is_inverse: bool = False
    is_small: bool = False
    is_smooth: bool = False
    is_underlined: bool = False

    @property
    def cell(self) -> tuple[int, int]:
        width, height = CELL_B if self.is_small else CELL
        return width * self.width, height * self.height


@dataclass(slots=True)
class Paper:
    """The print head with its modes, and the paper below it. ``obey`` returns the dots that the paper moved."""

    width: int
    dpi: int = 203
    code_pages: Mapping[int, str] = field(default_factory=dict)
    """Pages that this printer has under other numbers than Epson's."""
    _style: _Style = field(default_factory=_Style)
    _align: int = 0
    _spacing: int = LINE_SPACING
    _code_page: str = "cp437"
    _line: list[tuple[str, _Style]] = field(default_factory=list)
    _strips: list[Image.Image] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)

    def obey(self, command: Command) -> int:
        """Print or change a mode. Commands that mean nothing to paper move it by 0 dots."""
        data = command.data
        match command.code:
            case b"":
                return self._text(data.decode(self._code_page, "replace"))
            case b"\n":
                return self._end_line()
            case b"\x1b@":
                self._style, self._align, self._spacing, self._code_page = _Style(), 0, LINE_SPACING, "cp437"
                self._line.clear()
            case b"\x1dv0":
                return self._raster(data)
            case b"\x1bd":
                return (self._end_line() if self._line else 0) + self._feed(self._spacing * data[0])
            case b"\x1bJ":
                return (self._end_line() if self._line else 0) + self._feed(data[0])
            case b"\x1b3":
                self._spacing = data[0]
            case b"\x1b2":
                self._spacing = LINE_SPACING
            case b"\x1ba":
                self._align = data[0] % 48 % 3
            case b"\x1bt":
                self._code_page = self.code_pages.get(data[0], _CODE_PAGES.get(data[0], "cp437"))
            case _:
                self._mode(command.code, data)
        return 0

    def cut(self, is_clean: bool) -> Sheet | None:
        """Take what is printed off the roll; None for a piece of blank paper."""
        if self._line:
            self._end_line()
        height = sum(strip.height for strip in self._strips)
        whole = Image.new("1", (self.width, HEAD_TO_CUTTER + max(height, 1)), 0)
        y = HEAD_TO_CUTTER
        for strip in self._strips:
            whole.paste(strip, (0, y))
            y += strip.height
        text = "\n".join(self._texts)
        self._strips, self._texts = [], []
        if whole.getbbox() is None:
            return None
        return Sheet(text, is_clean, whole.width, whole.height, compress(whole.tobytes(), 1), dpi=self.dpi)

    @property
    def has_print(self) -> bool:
        """Whether printed paper hangs out of the printer, not cut."""
        return bool(self._texts) or any(strip.getbbox() is not None for strip in self._strips)

    def _mode(self, code: bytes, data: bytes) -> None:
        style = self._style
        match code:
            case b"\x1bE" | b"\x1bG":
                self._style = replace(style, is_bold=bool(data[0] & 1))
            case b"\x1bM":
                self._style = replace(style, is_small=data[0] in (1, 49))
            case b"\x1d!":
                self._style = replace(style, width=(data[0] >> 4 & 7) + 1, height=(data[0] & 7) + 1)
            case b"\x1dB":
                self._style = replace(style, is_inverse=bool(data[0] & 1))
            case b"\x1db":
                self._style = replace(style, is_smooth=bool(data[0] & 1))
            case b"\x1b-":
                self._style = replace(style, is_underlined=data[0] % 48 > 0)
            case b"\x1b!":
                n = data[0]
                self._style = _Style(2 if n & 32 else 1, 2 if n & 16 else 1, bool(n & 8), False, bool(n & 1))
            case _:
                pass

    def _text(self, text: str) -> int:
        moved = 0
        for character in text:
            if sum(style.cell[0] for _, style in self._line) + self._style.cell[0] > self.width:
                moved += self._end_line()
            self._line.append((character, self._style))
        return moved

    def _end_line(self) -> int:
        if not self._line:
            return self._feed(self._spacing)
        height = max(style.cell[1] for _, style in self._line)
        width = sum(style.cell[0] for _, style in self._line)
        strip = Image.new("1", (self.width, max(height, self._spacing)), 0)
        x = (0, (self.width - width) // 2, self.width - width)[self._align]
        for character, style in self._line:
            strip.paste(_glyph(character, style), (x, height - style.cell[1]))
            x += style.cell[0]
        self._texts.append("".join(character for character, _ in self._line).rstrip())
        self._line.clear()
        self._strips.append(strip)
        return strip.height

    def _raster(self, data: bytes) -> int:
        row_bytes, rows = int.from_bytes(data[1:3], "little"), int.from_bytes(data[3:5], "little")
        if not row_bytes or not rows:
            return 0
        dots = Image.frombytes("1", (row_bytes * 8, rows), data[5:])
        scale = (2 if data[0] & 1 else 1, 2 if data[0] & 2 else 1)
        dots = dots.resize((dots.width * scale[0], dots.height * scale[1]), Image.Resampling.NEAREST)
        strip = Image.new("1", (self.width, dots.height), 0)  # what is wider than the line is lost, as on paper
        strip.paste(dots, ((0, max(self.width - dots.width, 0) // 2, self.width - dots.width)[self._align], 0))
        self._strips.append(strip)
        return strip.height

    def _feed(self, dots: int) -> int:
        if dots:
            self._strips.append(Image.new("1", (self.width, dots), 0))
        return dots


@lru_cache(maxsize=512)
def _glyph(character: str, style: _Style) -> Image.Image:
    """A character in its cell. Without smoothing (GS b) a printer repeats dots, and big letters have steps."""
    width, height = style.cell
    base = CELL_B if style.is_small else CELL
    drawn = (width, height) if style.is_smooth else base
    fine = Image.new("L", (drawn[1] // 2, drawn[1]), 0)
    font = _mono(drawn[1] * 5 // 6, style.is_bold)
    ImageDraw.Draw(fine).text((fine.width / 2, drawn[1] * 0.76), character, fill=255, font=font, anchor="ms")
    dots = fine.resize(drawn).point([255 if value > 110 else 0 for value in range(256)])
    dots = dots.resize((width, height), Image.Resampling.NEAREST).convert("1", dither=Image.Dither.NONE)
    if style.is_underlined:
        ImageDraw.Draw(dots).rectangle((0, height - 2, width, height), fill=255)
    return ImageChops.invert(dots) if style.is_inverse else dots


@lru_cache(maxsize=64)
def _mono(size: int, is_bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    style = "-Bold.ttf" if is_bold else ".ttf"
    names = [f"{name}{style}" for name in _MONO_FONTS] + [f"{name}-Regular.ttf" for name in _MONO_FONTS]
    for name in names:
        found = next(_FONT_FOLDER.rglob(name), None)
        if found is not None:
            return ImageFont.truetype(found, size)
    return ImageFont.load_default(size)  # Pillow's own, where no monospaced font is installed


def _scan(sheet: Sheet) -> bytes:
    dots = Image.frombytes("1", (sheet.width_px, sheet.height_px), sheet.picture.rows)
    width = round(sheet.paper_width_mm / 25.4 * sheet.dpi)
    canvas = Image.new("L", (width + 2 * SCAN_GROUND_PX, sheet.height_px + 2 * SCAN_GROUND_PX), 150)
    left, top, right, bottom = SCAN_GROUND_PX, SCAN_GROUND_PX, SCAN_GROUND_PX + width, SCAN_GROUND_PX + sheet.height_px
    edge = ImageDraw.Draw(canvas)
    edge.rectangle((left, top, right - 1, bottom - 1), fill=255)
    if sheet.is_cut:  # a partial cut leaves one point in the middle
        edge.rectangle(((left + right) // 2 - 5, bottom, (left + right) // 2 + 5, bottom + 4), fill=255)
    else:
        for x in range(left, right - 9, 10):
            edge.polygon([(x, bottom), (x + 5, bottom + 6), (x + 9, bottom)], fill=255)
    canvas.paste(0, (left + (width - dots.width) // 2, top), dots)
    out = BytesIO()
    canvas.save(out, "PNG", dpi=(sheet.dpi, sheet.dpi))
    return out.getvalue()


def _photograph(sheet: Sheet) -> bytes:
    """Thermal paper: off-white, a little curled light, dark grey ink with the head's slight banding."""
    side, ground = 36, 14
    dots = Image.frombytes("1", (sheet.width_px, sheet.height_px), sheet.picture.rows).convert("L")
    width, height = dots.width + 2 * side, dots.height + 24
    random = Random(len(sheet.packed))  # noqa: S311 - the same sheet always looks the same
    ink = Image.new("L", (width, height), 0)
    ink.paste(dots.filter(ImageFilter.GaussianBlur(0.45)), (side, 0))
    light = Image.linear_gradient("L").rotate(90).resize((width, height)).point([250 - v // 40 for v in range(256)])
    paper = Image.merge(
        "RGB", (light, light.point([v - 1 for v in range(256)]), light.point([v - 6 for v in range(256)]))
    )
    banding = Image.new("L", (1, height))
    banding.putdata([random.randint(222, 240) for _ in range(height)])
    paper.paste((34, 33, 40), mask=ImageChops.multiply(ink, banding.resize((width, height))))

    shape = Image.new("L", (width, height), 255)
    edge = ImageDraw.Draw(shape)
    if sheet.is_cut:  # a partial cut leaves one point in the middle
        edge.rectangle((0, height - 3, width // 2 - 5, height), fill=0)
        edge.rectangle((width // 2 + 5, height - 3, width, height), fill=0)
    else:
        for x in range(0, width, 10):
            depth = random.randint(4, 9)
            edge.polygon([(x, height), (x + 5, height - depth), (x + 10, height)], fill=0)
    canvas = Image.new("RGBA", (width + 2 * ground, height + 2 * ground), (0, 0, 0, 0))
    shadow = Image.new("L", canvas.size, 0)
    shadow.paste(90, (ground, ground + 4), shape)
    canvas.putalpha(shadow.filter(ImageFilter.GaussianBlur(6)))
    canvas.paste(paper.convert("RGBA"), (ground, ground), shape)
    out = BytesIO()
    canvas.save(out, "PNG", optimize=True)
    return out.getvalue()
