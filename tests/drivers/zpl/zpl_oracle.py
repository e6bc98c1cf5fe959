"""What tools that are not ours make of a format: zplkit's parser and renderer, zxing-cpp's reader."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import zxingcpp
from PIL import Image, ImageChops
from zplkit import Options, render
from zplkit.parse import parse

from drivers.zpl.virtual_picture import draw_label

NAMES = [
    tuple(line.split("|"))
    for line in (Path(__file__).parent / "names.txt").read_text(encoding="utf-8").splitlines()
    if line and line[0] not in "#["
]
"""200 invented names in many scripts, family and given."""

HOSTILE = [
    "SMITH^FS^FO40,700^BY3^BCR,100,N^FDEVIL999^FS^PQ50^FX",
    "X~JA",
    "^XZ^XA",
    "^CC+",
    "~CT!^CD;",
    "~cc%",
    "^FDEVIL^FS",
    "^FH#",
    "_7EJA",
    "\\7EJA",
    "a\\&b\\\\c",
    "_1_d065__",
    "\x02\x03\x0f\x1b",
    "\x10\x04\x01\x10\x14\x01\x00\x01",
    "\x00\x1a\x7f\x80\x9b",
    "a\r\nb\tc",
    "\u202eevil\u202c",
    "\u2066\u2067x\u2069\u200f\u061c",
    "e\u0301\u0327",
    "Z" + "\u0301\u0320" * 30,
    "~DGR:X.GRF,8,1,FF",
    '! U1 setvar "device.pnp_option" "x"\r\n',
    "😀👨‍👩‍👧🏽",
    "\ufeff\ufffe\U0010ffff",
    "\ud800",
    "a\udc80b",
    "^",
    "~",
    ">8>;",
    "N" * 300,
    "Ł" * 300,
    "i" * 300,
    " " * 300,
    "W-" * 150,
]

_NOT_DRAWN_BY_ZPLKIT = (b"^JZ", b"^MC", b"^PQ")
_HEAD, _TAIL = "^XA^CI^PA^JZ^MC^LH^LR^PM^PW^LL", "^PQ^XZ"
_TEXT, _GRAPHIC = "^FO^A0^FH^FD^FS", "^FO^GF^FS"
_LINES = f"(({re.escape(_TEXT)})|({re.escape(_GRAPHIC)})){{2,8}}"
_BX, _BC = re.escape("^FO^BX^FH^FD^FS"), re.escape("^FO^BY^BC^FH^FD^FS")
_BAND = re.compile(f"{re.escape(_HEAD)}{_BX}{_LINES}({_BX}){{1,2}}{re.escape(_TAIL)}")
_LABEL = re.compile(f"{re.escape(_HEAD)}{_LINES}({_BX}|{_BC}){re.escape(_TAIL)}")


def elements(zpl: bytes) -> list[bytes]:
    """Commands with their parameters, as zplkit's parser finds them."""
    return [bytes(element) for element in parse(zpl).elements]


def names(zpl: bytes) -> list[bytes]:
    return [element[:3] for element in elements(zpl)]


def is_band(zpl: bytes) -> bool:
    """Whether zplkit's parser finds the commands of a band and no other: head, code, lines, codes, tail."""
    return bool(_BAND.fullmatch(b"".join(names(zpl)).decode()))


def is_label(zpl: bytes) -> bool:
    """The same for a label: head, lines, one code, tail."""
    return bool(_LABEL.fullmatch(b"".join(names(zpl)).decode()))


def their_picture(zpl: bytes, dpi: int) -> Image.Image:
    """The paper as zplkit draws it, 255 is burnt."""
    drawn = b"".join(element for element in elements(zpl) if not element.startswith(_NOT_DRAWN_BY_ZPLKIT))
    raster = render(drawn, Options(profile="specification", dpi=dpi)).labels[0].rasterize()
    return ImageChops.invert(Image.frombytes("L", (raster.width, raster.height), raster.pixels))


def can_draw(zpl: bytes) -> bool:
    """Whether zplkit's font has every character: it knows ASCII, and refuses the rest."""
    return rb"\C" not in zpl and rb"\D" not in zpl


def codes(picture: Image.Image) -> list[tuple[str, bytes]]:
    """Every barcode that zxing-cpp reads, with its symbology identifier (ISO/IEC 15424)."""
    found = zxingcpp.read_barcodes(ImageChops.invert(picture))
    return [(code.symbology_identifier, code.bytes) for code in found]


def texts(zpl: bytes) -> list[str]:
    """What stands in the printer's own font, decoded as the printer does."""
    lines = re.findall(rb"\^A0[NR],\d+,\d+\^FH\\\^FD([^^]*)\^FS", zpl)
    return [re.sub(rb"\\([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), line).decode() for line in lines]


def ink_of_fields(zpl: bytes) -> list[tuple[int, int, int, int]]:
    """The box of each field's dots, every field drawn for itself on the whole paper."""
    head, *fields = zpl.decode().removesuffix("^PQ1^XZ").split("^FO")
    boxes = [_ink(head, field) for field in fields]
    assert all(boxes), "a field without a dot"
    return [box for box in boxes if box]


@lru_cache(maxsize=1000)
def _ink(head: str, field: str) -> tuple[int, int, int, int] | None:
    return draw_label(f"{head}^FO{field}^XZ".encode()).getbbox()


def overlaps(boxes: list[tuple[int, int, int, int]]) -> list[tuple[int, int]]:
    """The pairs of boxes that share a dot."""
    pairs = ((a, b) for b in range(len(boxes)) for a in range(b))
    return [
        (a, b)
        for a, b in pairs
        if max(boxes[a][0], boxes[b][0]) < min(boxes[a][2], boxes[b][2])
        and max(boxes[a][1], boxes[b][1]) < min(boxes[a][3], boxes[b][3])
    ]
