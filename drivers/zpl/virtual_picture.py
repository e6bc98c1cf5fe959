"""What the virtual printer's bands and labels look like: the part of ZPL II that ours use, drawn dot for dot.

``^PW ^LL ^FO ^FT ^A0`` (N and R) ``^FH ^FD ^BX`` (quality 200) ``^BY ^BC`` (mode N) ``^GFA ^FS``; everything else is
passed over. The text's letters are not the printer's own, but stand where its do and are as wide.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any, cast

import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageOps

from drivers.raster import text_bitmap
from drivers.zpl.graphic import rows_from
from drivers.zpl.metrics import RESERVE, is_resident, line_width

__all__ = ["draw_label", "sheet_png"]

BAND_FROM = 5
"""A sheet that is so many times as long as it is wide is a wristband, and is shown lying on its side."""
_COMMAND = re.compile(rb"\^(A|[A-Z0-9]{2})([^^]*)", re.IGNORECASE)
_CAP_HEIGHT = 0.75
"""Baseline of font 0 below the top of its cell, as part of the character height."""
_DRAWN_LINE, _DRAWN_BASELINE = 1.43, 1.122
"""Line height and baseline of the bold raster font with the same capital height, in parts of the character height."""
_MISSING = "\u25a1"
_PLASTIC, _EDGE, _HOLE, _INK = (255, 255, 255, 255), (148, 163, 184, 255), (203, 213, 225, 255), (15, 15, 20, 255)


@dataclass(slots=True)
class _Pen:
    """Where the next field goes and how it looks, until ``^FS``."""

    x: int = 0
    y: int = 0
    is_baseline: bool = False
    turn: str = "N"
    height: int = 0
    code: list[str] | None = None
    bars: list[str] | None = None
    module: int = 2
    indicator: bytes = b""
    data: bytes = b""
    graphic: list[str] | None = None


def sheet_png(zpl: bytes, dpi: int) -> bytes:
    """The sheet as a PNG that names its resolution: one dot is one pixel. A band lies on its side, text upright."""
    label = draw_label(zpl)
    if label.height >= BAND_FROM * label.width:
        label = label.transpose(Image.Transpose.ROTATE_90)
        picture = _blank_band(label.size, dpi, label.getbbox())
    else:
        picture = _blank_label(label.size, dpi)
    edge = picture.height - label.height
    picture.paste(_INK, (edge // 2, edge // 2), label)
    file = io.BytesIO()
    picture.quantize(32).save(file, "PNG", optimize=True, dpi=(dpi, dpi))
    return file.getvalue()


def draw_label(zpl: bytes) -> Image.Image:
    """The label as the print head burns it: an ``L`` image, 255 is burnt."""
    commands = [(name.decode().upper(), data) for name, data in _COMMAND.findall(zpl)]
    sizes = {name: int(data) for name, data in commands if name in {"PW", "LL"} and data.strip().isdigit()}
    label = Image.new("L", (sizes.get("PW", 300), sizes.get("LL", 3300)), 0)
    pen = _Pen()
    for name, data in commands:
        if name in {"A", "FO", "FT", "FH", "FD", "BX", "BY", "BC", "GF"}:
            _set(pen, name, data)
        if name == "FS":
            _draw_field(label, pen)
            pen = _Pen()
    return label


def _set(pen: _Pen, name: str, data: bytes) -> None:
    parameters = data.decode("latin-1").split(",")
    match name:
        case "FO" | "FT":
            pen.x, pen.y, pen.is_baseline = int(parameters[0]), int(parameters[1]), name == "FT"
        case "A":
            pen.turn, pen.height = parameters[0][1:2].upper() or "N", int(parameters[1])
        case "BX":
            pen.code = parameters
        case "BY":
            pen.module = int(parameters[0])
        case "BC":
            pen.bars = parameters
        case "GF":
            pen.graphic = parameters
        case "FH":
            pen.indicator = data[:1] or b"_"
        case "FD":
            pen.data = _without_hex(data, pen.indicator)


def _without_hex(data: bytes, indicator: bytes) -> bytes:
    if not indicator:
        return data
    return re.sub(re.escape(indicator) + rb"([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), data)


def _draw_field(label: Image.Image, pen: _Pen) -> None:
    if pen.graphic is not None:
        row_bytes, data = int(pen.graphic[3]), ",".join(pen.graphic[4:])
        rows = rows_from(data, row_bytes)
        picture = Image.frombytes("1", (row_bytes * 8, len(rows) // row_bytes), rows).convert("L")
        _burn(label, picture, pen.x, pen.y)
    elif pen.code is not None:
        code = _code(pen.data, int(pen.code[1]), pen.code[6] if len(pen.code) > 6 else "~")
        if code is not None:
            _burn(label, _turned(code, pen.code[0].upper()), pen.x, pen.y - (code.height if pen.is_baseline else 0))
    elif pen.bars is not None:
        _burn(label, _code_128(pen.data.decode("latin-1"), pen.module, int(pen.bars[1])), pen.x, pen.y)
    elif pen.data and pen.height:
        _burn_text(label, pen)


def _burn(label: Image.Image, picture: Image.Image, x: int, y: int) -> None:
    placed = Image.new("L", label.size, 0)
    placed.paste(picture, (x, y))
    label.paste(ImageChops.lighter(label, placed))


def _turned(picture: Image.Image, turn: str) -> Image.Image:
    return picture.transpose(Image.Transpose.ROTATE_270) if turn == "R" else picture


def _burn_text(label: Image.Image, pen: _Pen) -> None:
    text = "".join(c if is_resident(c) else _MISSING for c in pen.data.decode("utf-8", "replace"))
    if not text.strip():
        return
    drawn = text_bitmap(text, round(pen.height * _DRAWN_LINE), 100_000, "bold", 1)
    picture = Image.frombytes("1", (drawn.width_px, drawn.height_px), drawn.rows).convert("L")
    width = round(line_width(text.strip(), pen.height) / RESERVE)
    picture = picture.resize((max(width, 1), picture.height)).point([255 if v > 110 else 0 for v in range(256)])
    above = round(pen.height * (_DRAWN_BASELINE - (0 if pen.is_baseline else _CAP_HEIGHT)))
    below = picture.height - above
    if pen.turn == "R":
        x = pen.x - below if pen.is_baseline else pen.x + pen.height - below
        _burn(label, _turned(picture, "R"), x, pen.y)
    else:
        _burn(label, picture, pen.x, pen.y - above)


def _code(data: bytes, module_dots: int, escape: str) -> Image.Image | None:
    """The DataMatrix, or None where a printer would print nothing: data that can't be a symbol."""
    text, is_gs1 = _without_escapes(data.decode("latin-1"), escape)
    try:
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, gs1=is_gs1, force_square=True)
    except ValueError:
        return None
    image = zxingcpp.write_barcode_to_image(code, scale=module_dots, add_quiet_zones=False)
    height, width = image.shape
    # The writer's image is a buffer; its type stub does not say so.
    return ImageOps.invert(Image.frombytes("L", (width, height), bytes(cast(Any, image))))


def _code_128(data: str, module_dots: int, height: int) -> Image.Image:
    """The bars of mode N field data: ``>:`` and ``>;`` begin, ``>5`` and ``>6`` change, the others are characters."""
    characters = {"0": ">", "<": "^", "=": "~"}
    text = re.sub(">(.)", lambda m: characters.get(m[1], ""), data)
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.Code128)
    image = zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=False)
    rows, width = image.shape
    bars = ImageOps.invert(Image.frombytes("L", (width, rows), bytes(cast(Any, image)))).crop((0, 0, width, 1))
    return bars.resize((width * module_dots, height), Image.Resampling.NEAREST)


def _without_escapes(data: str, escape: str) -> tuple[str, bool]:
    """Data without the escape character's sequences; GS1 data as ``(AI)value``, the form of the symbol writer."""
    pieces = re.split(re.escape(escape) + r"(1|d\d{3}|" + re.escape(escape) + ")", data)
    plain = [piece if at % 2 == 0 else _escaped(piece, escape) for at, piece in enumerate(pieces)]
    if not data.startswith(escape + "1"):
        return "".join(plain), False
    elements = "".join(plain).strip("\x1d").split("\x1d")
    return "".join(f"({e[: _ai_length(e)]}){e[_ai_length(e) :]}" for e in elements), True


def _escaped(sequence: str, escape: str) -> str:
    if sequence == "1":
        return "\x1d"
    return escape if sequence == escape else chr(int(sequence[1:]) & 0xFF)


def _ai_length(element: str) -> int:
    """Digits of the application identifier, from its first two (GS1 General Specifications, 3.2)."""
    return {"2": 3 if element[1:2] in "345" else 2, "3": 4, "4": 3, "7": 4, "8": 4}.get(element[:1], 2)


def _blank_label(size: tuple[int, int], dpi: int) -> Image.Image:
    """A white label with round corners."""
    edge = round(2 * dpi / 25.4)
    picture = Image.new("RGBA", (size[0] + 2 * edge, size[1] + 2 * edge), (0, 0, 0, 0))
    body = (edge, edge, edge + size[0] - 1, edge + size[1] - 1)
    ImageDraw.Draw(picture).rounded_rectangle(body, edge, fill=_PLASTIC, outline=_EDGE, width=max(round(edge / 8), 1))
    return picture


def _blank_band(size: tuple[int, int], dpi: int, ink: tuple[int, int, int, int] | None) -> Image.Image:
    """A white plastic band with its clasp on the left and the row of holes on the right, where nothing is printed."""
    width, height = size
    mm = dpi / 25.4
    edge = round(2 * mm)
    picture = Image.new("RGBA", (width + 2 * edge, height + 2 * edge), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    body = (edge, edge, edge + width - 1, edge + height - 1)
    draw.rounded_rectangle(body, round(6 * mm), fill=_PLASTIC, outline=_EDGE, width=max(round(0.3 * mm), 1))
    middle = edge + height // 2
    begin, end = (ink[0], ink[2]) if ink else (width // 2, width // 2)
    if begin > 22 * mm:
        _hole(draw, edge + round(11 * mm), middle, round(4 * mm))
        x = edge + round(20 * mm)
        draw.line(
            (x, edge + round(2 * mm), x, edge + height - round(2 * mm)), fill=_HOLE, width=max(round(0.4 * mm), 1)
        )
    place = width - round(8 * mm)
    while place > end + 8 * mm and place > width - 52 * mm:
        _hole(draw, edge + place, middle, round(1.6 * mm))
        place -= round(7 * mm)
    return picture


def _hole(draw: ImageDraw.ImageDraw, x: int, y: int, radius: int) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(0, 0, 0, 0), outline=_EDGE, width=3)
