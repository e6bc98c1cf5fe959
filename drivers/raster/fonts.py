"""Which installed font holds which characters: the cmap table of the OpenType specification, read once per file."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Literal

Weight = Literal["regular", "bold"]

FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
# The first that holds a character draws it; what is not named here follows by name.
_PREFERRED = (
    "NotoSans",
    "NotoSansArabic",
    "NotoSansHebrew",
    "NotoSansCJK",
    "DroidSansFallbackFull",  # Apache-2.0, 4 MB for all of Chinese and Japanese; Noto's own are 60 MB
    "NanumGothic",
    "DejaVuSans",
    "NotoNaskhArabic",
)
_PACKAGES = {**dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA"), "fonts-droid-fallback"), "HANGUL": "fonts-nanum"}
"""Debian's, by the first word of a character's name; every other script is in fonts-noto-core."""
_SUFFIXES = {".ttf", ".otf", ".ttc"}
# Joiners, variation selectors and direction marks steer shaping and need no glyph of their own.
_NEEDS_NO_GLYPH = frozenset([0x200C, 0x200D, 0x200E, 0x200F, 0x061C, *range(0xFE00, 0xFE10)])


class NoFont(ValueError):
    """No installed font draws a character; the text names its block, not the character's neighbours."""


def font_runs(text: str, weight: Weight) -> list[tuple[Path, str]]:
    """``text`` cut into the fewest runs that one font each can draw, in reading order.

    One font for the whole line wherever one holds it, because letters of two fonts do not sit well side by side.
    Raises NoFont.
    """
    whole = _font_for(frozenset(map(ord, text)), weight)
    if whole is not None:
        return [(whole, text)]
    fonts: list[Path] = []
    for character in text:
        if fonts and _covers(fonts[-1], frozenset({ord(character)})):
            fonts.append(fonts[-1])  # spaces, digits and marks stay with the letters before them
            continue
        font = _font_for(frozenset({ord(character)}), weight)
        if font is None:
            raise NoFont(_missing(character))
        fonts.append(font)
    pairs = zip(fonts, text, strict=True)
    return [(font, "".join(c for _, c in run)) for font, run in groupby(pairs, key=lambda pair: pair[0])]


def is_bold(font: Path) -> bool:
    """Whether a font's own strokes are bold."""
    return font.stem.partition("-")[2].lower() == "bold"


def _missing(character: str) -> str:
    script = unicodedata.name(character, "unnamed").split()[0]
    package = _PACKAGES.get(script, "fonts-noto-core")
    return f"no installed font draws {script} characters; install Debian's {package}"


def _font_for(code_points: frozenset[int], weight: Weight) -> Path | None:
    return next((font for font in _fonts(weight) if _covers(font, code_points)), None)


def _covers(font: Path, code_points: frozenset[int]) -> bool:
    return code_points - _NEEDS_NO_GLYPH <= _code_points(font)


@lru_cache(maxsize=2)
def _fonts(weight: Weight) -> tuple[Path, ...]:
    """Every upright font that is installed, best first; the other weight stands behind as better than nothing."""
    files = [f for folder in FONT_FOLDERS for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES]
    rank = {name: place for place, name in enumerate(_PREFERRED)}

    def order(font: Path) -> tuple[int, bool, str]:
        family, _, style = font.stem.partition("-")
        is_bold = style.lower() == "bold"
        return rank.get(family, len(rank)), is_bold != (weight == "bold"), font.name

    upright = [f for f in files if f.stem.partition("-")[2].lower() in {"", "regular", "bold"}]
    return tuple(sorted(upright, key=order))


@lru_cache(maxsize=512)
def _code_points(font: Path) -> frozenset[int]:
    """The characters a font holds, empty for a file that can't be read as a font."""
    data = font.read_bytes()
    try:
        return frozenset(_cmap(data))
    except (struct.error, IndexError):
        return frozenset()


def _cmap(data: bytes) -> Iterator[int]:
    """Code points of the Unicode subtables, formats 4 and 12 (OpenType 1.9, cmap)."""
    start = struct.unpack_from(">I", data, 12)[0] if data[:4] == b"ttcf" else 0
    (tables,) = struct.unpack_from(">H", data, start + 4)
    for index in range(tables):
        tag, _, cmap, _ = struct.unpack_from(">4sIII", data, start + 12 + 16 * index)
        if tag == b"cmap":
            break
    else:
        return
    (subtables,) = struct.unpack_from(">H", data, cmap + 2)
    for index in range(subtables):
        platform, encoding, offset = struct.unpack_from(">HHI", data, cmap + 4 + 8 * index)
        if platform == 0 or (platform, encoding) in {(3, 1), (3, 10)}:
            yield from _subtable(data, cmap + offset)


def _subtable(data: bytes, at: int) -> Iterator[int]:
    (form,) = struct.unpack_from(">H", data, at)
    if form == 4:
        (twice,) = struct.unpack_from(">H", data, at + 6)
        count = twice // 2
        ends = struct.unpack_from(f">{count}H", data, at + 14)
        starts = struct.unpack_from(f">{count}H", data, at + 16 + twice)
        for first, last in zip(starts, ends, strict=True):
            if first != 0xFFFF:
                yield from range(first, last + 1)
    elif form == 12:
        (groups,) = struct.unpack_from(">I", data, at + 12)
        for index in range(groups):
            first, last, _ = struct.unpack_from(">III", data, at + 16 + 12 * index)
            yield from range(first, last + 1)
