"""Where a text is broken into lines: between words, and between Chinese, Japanese and Korean characters. Pure.

The widths are measured by whoever draws, in dots or in columns. Of all ways to break into the fewest lines one is taken
that breaks where a clause or a sentence ends, else the one whose widest line is the narrowest: no word is left alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

__all__ = ["broken", "chunks"]

# What must not begin or end a line (the common part of the Chinese and Japanese rules, CLREQ 3.1.3 and JLREQ 3.1.7).
_NEVER_FIRST = frozenset("、。，．：；？！）」』】》〉〕］｝…—・％ー々")
_NEVER_LAST = frozenset("（「『【《〈〔［｛￥＄")
_SENTENCE_ENDS = frozenset("?!。？！؟")
_CLAUSE_ENDS = frozenset(",;:，；：،؛")
_WORD_JOINER = "\u2060"
_BISECTIONS = 16


def chunks(text: str) -> list[str]:
    """The pieces of a text that stay whole, each with the space behind it. Joined they are the text."""
    pieces: list[str] = []
    may_break = True
    for at, character in enumerate(text):
        if may_break:
            pieces.append(character)
        else:
            pieces[-1] += character
        may_break = at + 1 < len(text) and _may_break(text, at + 1)
    return pieces


def _may_break(text: str, at: int) -> bool:
    """Whether a line may end before the character ``at``."""
    before, after = text[at - 1], text[at]
    if after == " " or _is_mark(after) or before == _WORD_JOINER:
        return False
    if before == " " and at > 1 and text[at - 2].isdigit() and after.isalpha():
        return False  # a number stays with the word that it counts
    if before == " " or (before in "-–/" and at > 1 and text[at - 2].isalpha() and after.isalpha()):
        return True
    if after in _NEVER_FIRST or before in _NEVER_LAST:
        return False
    return _stands_alone(before) or _stands_alone(after)


def _stands_alone(character: str) -> bool:
    """Whether lines may break around a character of a script that is written without spaces."""
    return unicodedata.east_asian_width(character) in {"W", "F"}


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Me", "Mc", "Cf"}


def broken(text: str, width_of: Callable[[str], float], limit: float, most_lines: int) -> list[str] | None:
    """The lines of a text, or None when a piece is wider than ``limit`` or they are more than ``most_lines``."""
    pieces = chunks(text)
    if any(width_of(piece.rstrip(" ")) > limit for piece in pieces):
        return None
    lines = _balanced(pieces, width_of, limit)
    if len(lines) > most_lines:
        return None
    for is_end in (_ends_a_clause, _ends_a_sentence) if len(lines) > 1 else ():
        apart = [line for part in _parts(pieces, is_end) for line in _balanced(part, width_of, limit)]
        if len(apart) == len(lines):
            return apart
    return lines


def _parts(pieces: list[str], is_end: Callable[[str, str], bool]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for piece, after in zip(pieces, [*pieces[1:], ""], strict=True):
        found[-1].append(piece)
        if after and is_end(piece.rstrip(" "), after):
            found.append([])
    return found


def _ends_a_sentence(word: str, after: str) -> bool:
    if word[-1:] in _SENTENCE_ENDS:
        return True
    # Not behind "Dr.", "24." or "ca. 30": a full stop also stands behind what is shortened, and behind numbers.
    is_word = word[:-1].isalpha() and (len(word) > 5 or not word[0].isupper())
    return word[-1:] == "." and is_word and not after[0].islower() and not after[0].isdigit()


def _ends_a_clause(word: str, after: str) -> bool:
    return (word[-1:] in _CLAUSE_ENDS and not word[-2:-1].isdigit()) or _ends_a_sentence(word, after)


def _balanced(pieces: list[str], width_of: Callable[[str], float], limit: float) -> list[str]:
    """The fewest lines, and of all ways to break into so many the one whose widest line is the narrowest."""
    whole = [width_of(piece) for piece in pieces]
    bare = [width_of(piece.rstrip(" ")) for piece in pieces]
    ends = _fill(whole, bare, limit)
    too_narrow, wide_enough = max(bare, default=0.0) - 1, limit
    for _ in range(_BISECTIONS if len(ends) > 1 else 0):
        tried = (too_narrow + wide_enough) / 2
        if max(bare) <= tried and len(_fill(whole, bare, tried)) == len(ends):
            wide_enough = tried
        else:
            too_narrow = tried
    ends = _fill(whole, bare, wide_enough)
    return ["".join(pieces[begin:end]).rstrip(" ") for begin, end in zip([0, *ends], ends, strict=False)]


def _fill(whole: Sequence[float], bare: Sequence[float], limit: float) -> list[int]:
    """Where each line ends when each takes as many pieces as fit; ``bare``: widths without the space behind."""
    ends: list[int] = []
    used = 0.0
    for at, (width, without_space) in enumerate(zip(whole, bare, strict=True)):
        if used and used + without_space > limit + 1e-6:
            ends.append(at)
            used = 0.0
        used += width
    return [*ends, len(whole)] if whole else []
