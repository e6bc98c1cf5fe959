"""In which order the characters of a line stand on paper: the Unicode Bidirectional Algorithm (UAX #9), by FriBidi.

Pillow's text engine uses the same library, but for one font only; a line of Arabic with a Latin number in it needs two.
``isolated`` values keep their own order: a number or a date in Arabic words is not turned around.
"""

from __future__ import annotations

import unicodedata
from ctypes import CDLL, POINTER, byref, c_int, c_int8, c_uint32
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Literal

__all__ = ["DirectedRun", "Direction", "base_direction", "visible", "visual_runs"]

Direction = Literal["ltr", "rtl"]

ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"
_UNSEEN = {ord(mark): None for mark in f"{ISOLATE}{END_OF_ISOLATE}\u2060"}
# fribidi-bidi-types.h: what a paragraph's direction is called.
_PARAGRAPH = {"ltr": 0x110, "rtl": 0x111}


@dataclass(frozen=True, slots=True)
class DirectedRun:
    """Characters of one direction in reading order. Runs stand from left to right."""

    text: str
    direction: Direction


def base_direction(text: str) -> Direction:
    """The direction of the first letter that has one (UAX #9, P2 and P3), isolates left out of account."""
    depth = 0
    for character in text:
        depth = max(0, depth + (character == ISOLATE) - (character == END_OF_ISOLATE))
        kind = unicodedata.bidirectional(character)
        if depth == 0 and kind in {"L", "R", "AL"}:
            return "ltr" if kind == "L" else "rtl"
    has_right_to_left = any(unicodedata.bidirectional(character) in {"R", "AL"} for character in text)
    has_left_to_right = any(unicodedata.bidirectional(character) == "L" for character in text)
    return "rtl" if has_right_to_left and not has_left_to_right else "ltr"


def visible(text: str) -> str:
    """The text without isolates (U+2068, U+2069) and word joiners (U+2060), which only say how it is set."""
    return text.translate(_UNSEEN)


def visual_runs(text: str, base: Direction) -> list[DirectedRun]:
    """A line, cut where the direction changes, from left to right (UAX #9, L2). Raises ValueError without FriBidi."""
    if base == "ltr" and not any(_is_turning(character) for character in text):
        return [DirectedRun(visible(text), "ltr")]
    levels = zip(_levels(text, base), text, strict=True)
    placed = [(level, c) for level, c in levels if ord(c) not in _UNSEEN]
    runs = [(level, "".join(c for _, c in run)) for level, run in groupby(placed, key=lambda pair: pair[0])]
    highest = max((level for level, _ in runs), default=0)
    for turned in range(highest, 0, -1):
        runs = _turned(runs, turned)
    return [DirectedRun(run, "rtl" if level % 2 else "ltr") for level, run in runs]


def _is_turning(character: str) -> bool:
    return unicodedata.bidirectional(character) in {"R", "AL", "AN"}


def _turned(runs: list[tuple[int, str]], from_level: int) -> list[tuple[int, str]]:
    """The runs, those of each stretch that is on ``from_level`` or above in the other order."""
    result: list[tuple[int, str]] = []
    for is_turned, group in groupby(runs, key=lambda run: run[0] >= from_level):
        stretch = list(group)
        result += stretch[::-1] if is_turned else stretch
    return result


def _levels(text: str, base: Direction) -> list[int]:
    """The embedding level of each character."""
    fribidi = _library()
    length = len(text)
    characters = (c_uint32 * length)(*map(ord, text))
    kinds, brackets, levels = (c_uint32 * length)(), (c_uint32 * length)(), (c_int8 * length)()
    paragraph = c_uint32(_PARAGRAPH[base])
    fribidi.fribidi_get_bidi_types(characters, length, kinds)
    fribidi.fribidi_get_bracket_types(characters, length, kinds, brackets)
    if not fribidi.fribidi_get_par_embedding_levels_ex(kinds, brackets, length, byref(paragraph), levels):
        raise ValueError("FriBidi could not order a line")
    return list(levels)


@lru_cache(maxsize=1)
def _library() -> Any:
    """FriBidi 1.0, as Debian has it."""
    try:
        library = CDLL("libfribidi.so.0")
    except OSError:
        raise ValueError("text from right to left can't be drawn; install Debian's libfribidi0") from None
    words, levels = POINTER(c_uint32), POINTER(c_int8)
    library.fribidi_get_bidi_types.argtypes = [words, c_int, words]
    library.fribidi_get_bidi_types.restype = None
    library.fribidi_get_bracket_types.argtypes = [words, c_int, words, words]
    library.fribidi_get_bracket_types.restype = None
    library.fribidi_get_par_embedding_levels_ex.argtypes = [words, words, c_int, words, levels]
    library.fribidi_get_par_embedding_levels_ex.restype = c_int8
    return library
