"""What the lines of bands and labels say, before anybody knows how much room there is. Pure.

Names as the NHS sets them (NPSA Safer Practice Notice 24, DSCN 04/2009): ``SMITH John``; dates ``18-Jan-1980``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime

from kioskd.core.patient import PartialDate

__all__ = ["day", "has_pile_of_marks", "moment", "name_settings", "partial_day", "upper", "visible"]

# Not strftime, which follows the process's locale. English in every language: a band from another house reads the same.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_JOINERS = {"\u200c", "\u200d"}
_NO_CAPITALS_IN_NAMES = frozenset("ß") | frozenset(map(chr, range(0x10D0, 0x1100)))
"""Capitals would change the spelling (STRASSER is not Straßer) or need letters that few fonts have (Georgian)."""

_GREEK_TONOS = re.compile("([\u0391-\u03a9]\u0308?)\u0301")
_MOST_MARKS = 10


def visible(text: str) -> str:
    """NFC, runs of white space as one blank, without control and format characters (bidi overrides among them)."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(c for c in spaced if c in _JOINERS or unicodedata.category(c) not in {"Cc", "Cf"}).strip()


def upper(text: str) -> str:
    """Upper case of a name; Unicode's, not a language's: nobody says which language a name is in.

    Greek capitals have no tonos, as in every Greek passport; the dialytika stay.
    """
    capitals = "".join(c if c in _NO_CAPITALS_IN_NAMES else c.upper() for c in text)
    return unicodedata.normalize("NFC", _GREEK_TONOS.sub(r"\1", unicodedata.normalize("NFD", capitals)))


def has_pile_of_marks(text: str) -> bool:
    """Whether more marks follow one another than any script puts on a letter; drawing them would take for ever."""
    run = 0
    for character in text:
        run = run + 1 if unicodedata.category(character).startswith("M") else 0
        if run > _MOST_MARKS:
            return True
    return False


def day(of: date) -> str:
    """``18-Jan-1980``."""
    return f"{of.day:02}-{_MONTHS[of.month - 1]}-{of.year:04}"


def partial_day(of: date | PartialDate) -> str:
    """``18-Jan-1980``, ``Jan-1980`` or ``1980``: what is known of a date."""
    if isinstance(of, date):
        return day(of)
    whole = of.whole
    if whole is not None:
        return day(whole)
    return f"{of.year:04}" if of.month is None else f"{_MONTHS[of.month - 1]}-{of.year:04}"


def moment(of: datetime) -> str:
    """``18-Jan-1980 14:05``."""
    return f"{day(of)} {of.hour:02}:{of.minute:02}"


def name_settings(parts: list[str]) -> Iterator[list[str]]:
    """A name, family before given, on one line, on two, and on more by its spaces and hyphens; never cut in a word."""
    yield [" ".join(parts)]
    if len(parts) == 2:
        yield parts
    for broken in range(len(parts)):
        for halves in _halves(parts[broken]):
            yield [*parts[:broken], *halves, *parts[broken + 1 :]]
    if len(parts) == 2:
        for first in _halves(parts[0]):
            for second in _halves(parts[1]):
                yield [*first, *second]


def _halves(text: str) -> Iterator[list[str]]:
    """The two lines of ``text`` that are most alike in length."""
    places = [at + (text[at] == "-") for at in range(1, len(text) - 1) if text[at] in " -"]
    if places:
        middle = min(places, key=lambda at: abs(at - len(text) / 2))
        yield [text[:middle].strip(), text[middle:].strip()]
