"""Driving licences and identity cards of North America: the PDF417 code of the AAMVA DL/ID Card Design Standard.

::

    @ LF RS CR "ANSI " issuer(6) version(2) jurisdiction-version(2) entries(2)     the header, 21 bytes
    type(2) offset(4) length(4)                                                    once for each subfile
    "DL" DAQ... LF DCS... LF ... CR                                                a subfile: elements of 3 letters

Version 01 (2000) and before have no jurisdiction version, and some say "AAMVA" for "ANSI ". The subfiles that say who
somebody is are DL, ID and EN (enhanced licence); those that begin with Z are the jurisdiction's own. Layout and element
names are from public sources and memory [K], not checked against the standard; no real card was tried.

Dates are MMDDCCYY in the United States and CCYYMMDD in Canada and in version 01. Which one a date is, its first two
digits tell for certain (a month is 12 at the most, a century 18 at least), so a missing or wrong country does no harm.
The address is not read: nobody needs it here.
"""

from __future__ import annotations

import re
from datetime import date

from drivers.codes.payloads.refusal import NotUsable
from kioskd.core.identity import Card
from kioskd.core.patient import Identifier, PartialDate, Sex

KIND = "aamva-dl"
SYSTEM = "urn:kioskd:aamva:"
"""Followed by the issuer identification number (ISO/IEC 7812), such as 636000."""
MOST_BYTES = 4096
"""More than any PDF417 code holds."""
IS_ONE = re.compile(rb"@[\x00-\x1f]{1,4}(?:ANSI|AAMVA)")
"""What begins like this is a licence, whole or not."""

_HEADER = re.compile(r"@\n[\x1c\x1e]\r(?:ANSI |AAMVA)([0-9]{6})([0-9]{2})")
_ENTRY = re.compile(r"([A-Z][A-Z0-9])([0-9]{4})([0-9]{4})")
_ELEMENT = re.compile(r"([A-Z]{2}[A-Z0-9])(.*)", re.DOTALL)
_HOLDER = ("DL", "ID", "EN")
_READ = frozenset(["DAA", "DAB", "DAC", "DAD", "DAQ", "DBA", "DBB", "DBC", "DCS", "DCT", "DDE", "DDF", "DDG"])
_MOST_SUBFILES = 10
_NO_NAME = {"NONE", "UNAVL", "UNAVAIL", "UNKNOWN"}
_SEXES = {"1": Sex.MALE, "M": Sex.MALE, "2": Sex.FEMALE, "F": Sex.FEMALE}


def card(data: bytes) -> Card:
    """What a licence says of its holder. Raises NotUsable for anything that is not laid out as the standard says."""
    if len(data) > MOST_BYTES:
        raise NotUsable("the licence is longer than such a code can be")
    text = _decoded(data)
    header = _HEADER.match(text)
    if header is None:
        raise NotUsable("the licence's header is not as the standard says")
    issuer, version = header[1], int(header[2])
    elements = _elements(text, _holder_subfile(text, header.end() + (2 if version >= 2 else 0)))
    number = elements.get("DAQ", "")
    if not re.fullmatch(r"[A-Za-z0-9*][A-Za-z0-9* \-/.]{0,24}", number):
        raise NotUsable("the licence has no number, or one with characters that none has")
    family, given = _names(elements)
    born, partial = _birth_date(elements.get("DBB", ""))
    return Card(
        kind=KIND,
        identifier=Identifier(SYSTEM + issuer, number),
        family=family,
        given=given,
        birth_date=born,
        sex=_SEXES.get(elements.get("DBC", ""), Sex.UNKNOWN),
        partial_birth_date=partial,
        valid_until=_last_day(elements.get("DBA", "")),
        is_family_cut=elements.get("DDE") == "T",
        is_given_cut="T" in {elements.get("DDF"), elements.get("DDG")},
    )


def _decoded(data: bytes) -> str:
    """ISO 8859-1 as the standard says, or UTF-8 where a scanner has made that of it."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _holder_subfile(text: str, at: int) -> tuple[int, int]:
    """Begin and end of the elements of the subfile that says who it is. ``at``: where the count of entries is."""
    count = text[at : at + 2]
    if not re.fullmatch(r"[0-9]{2}", count) or not 1 <= int(count) <= _MOST_SUBFILES:
        raise NotUsable("the licence does not say how many parts it has")
    entries = [_ENTRY.fullmatch(text[at + 2 + 10 * n : at + 12 + 10 * n]) for n in range(int(count))]
    found = next((e for e in entries if e is not None and e[1] in _HOLDER), None)
    if None in entries or found is None:
        raise NotUsable("the licence's list of parts is damaged, or names no part about the holder")
    kind, begin, length = found[1], int(found[2]), int(found[3])
    behind_list = at + 2 + 10 * int(count)
    if text[begin : begin + 2] != kind or begin < behind_list:
        # Known misprint: the place counts from somewhere else. The first part stands right behind the list.
        if found is not entries[0] or text[behind_list : behind_list + 2] != kind:
            raise NotUsable("the part about the holder is not where the licence says")
        begin = behind_list
    return begin + 2, _end(text, begin, length)


def _end(text: str, begin: int, length: int) -> int:
    """Where a subfile ends: at its segment terminator.

    Lengths are miscounted on real cards, and a cut name is worse than none: one that does not lead to a terminator is
    not believed.
    """
    if text[begin + length - 1 : begin + length] == "\r":
        return begin + length - 1
    end = text.find("\r", begin)
    if end < 0:
        raise NotUsable("the part about the holder does not end: the code was cut short")
    return end


def _elements(text: str, place: tuple[int, int]) -> dict[str, str]:
    """The elements of a subfile that are read here, each once, without the blanks around them."""
    found: dict[str, str] = {}
    for line in text[slice(*place)].split("\n"):
        element = _ELEMENT.fullmatch(line)
        if element is None:
            if line.strip():
                raise NotUsable("the part about the holder holds something that is no element")
            continue
        name, value = element[1], element[2].strip()
        if name not in _READ:
            continue
        if not value.isprintable():
            raise NotUsable("an element of the licence holds control characters")
        if found.setdefault(name, value) != value:
            raise NotUsable("the licence says the same thing twice and differently")
    return found


def _names(elements: dict[str, str]) -> tuple[str, str]:
    """Family name and all given names. DCS with DAC, DAD (version 04 on) or DCT; before that DAB or the whole DAA."""
    family = _name(elements.get("DCS", "") or elements.get("DAB", ""))
    given = " ".join(filter(None, (_name(elements.get(part, "")) for part in ("DAC", "DAD"))))
    given = given or _name(elements.get("DCT", ""))
    if not family and "DAA" in elements:
        family, _, rest = elements["DAA"].partition(",")
        family, given = _name(family), _name(rest)
    if not family and not given:
        raise NotUsable("the licence has no name")
    return family, given


def _name(value: str) -> str:
    """A name or several, which stand with blanks or commas between them; what says that there is none is none."""
    collapsed = " ".join(value.replace(",", " ").split())
    return "" if collapsed.upper() in _NO_NAME else collapsed


def _parts(value: str) -> tuple[int, int, int] | None:
    """Year, month and day of a date in either order; month and day may be 0."""
    if not re.fullmatch(r"[0-9]{8}", value):
        return None
    if int(value[:2]) <= 12:
        return int(value[4:]), int(value[:2]), int(value[2:4])
    return int(value[:4]), int(value[4:6]), int(value[6:])


def _birth_date(value: str) -> tuple[date | None, PartialDate | None]:
    parts = _parts(value)
    if parts is None or not 1800 <= parts[0] <= 2199:
        raise NotUsable("the licence has no birth date")
    year, month, day = parts
    try:
        if month and day:
            return date(year, month, day), None
        return None, PartialDate(year, month or None)
    except ValueError:
        raise NotUsable("the licence's birth date is no date") from None


def _last_day(value: str) -> date | None:
    """The last day, or None: some cards never end and say so in words, zeros or nines."""
    parts = _parts(value)
    try:
        return date(*parts) if parts is not None and parts[0] >= 1900 else None
    except ValueError:
        return None
