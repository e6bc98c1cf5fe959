"""What the text of each field may look like, and how much its form says for it. Pure.

A check digit that is right is as good as proof; a form that fits says nothing against; one that does not fit makes the
reading doubtful. Nothing is thrown away: the person who confirms sees what was read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from types import MappingProxyType

from drivers.cards.egk import is_kvnr
from kioskd.core.printed_card import Design, FieldName


class Form(Enum):
    """What its form says for a value."""

    PROVEN = "proven"
    """Its check digit is right."""
    FITS = "fits"
    DOUBTFUL = "doubtful"
    """It fits, and holds a character that is easily taken for another: an O among digits."""
    ODD = "odd"
    """It should not look like this."""


def sureness(confidence: float, form: Form) -> float:
    """The confidence of a field, from that of its text and what its form says. From 0 to 1."""
    whole = min(max(confidence, 0.0), 1.0)
    if form is Form.PROVEN:
        return 1 - (1 - whole) * 0.2
    return whole if form is Form.FITS else whole * (0.85 if form is Form.DOUBTFUL else 0.5)


_LOOK_ALIKE_DIGITS = str.maketrans(
    {"O": "0", "Q": "0", "D": "0", "I": "1", "L": "1", "|": "1", "Z": "2", "S": "5", "B": "8", "G": "6"}
)
_LOOK_ALIKE_LETTERS = str.maketrans({"0": "O", "1": "I", "2": "Z", "5": "S", "8": "B", "6": "G"})
_UNSURE_BORDER = re.compile(r"[A-Z]0|0[A-Z]|[0-9]O|O[0-9]|[A-Z]1|1[A-Z]|[0-9]I|I[0-9]")
"""O and 0, I and 1 where letters and digits meet: nothing but the font tells them apart."""

_STATES = {
    "AT": "040",
    "BE": "056",
    "BG": "100",
    "CH": "756",
    "CY": "196",
    "CZ": "203",
    "DE": "276",
    "DK": "208",
    "EE": "233",
    "EL": "300",
    "ES": "724",
    "FI": "246",
    "FR": "250",
    "GB": "826",
    "GR": "300",
    "HR": "191",
    "HU": "348",
    "IE": "372",
    "IS": "352",
    "IT": "380",
    "LI": "438",
    "LT": "440",
    "LU": "442",
    "LV": "428",
    "MT": "470",
    "NL": "528",
    "NO": "578",
    "PL": "616",
    "PT": "620",
    "RO": "642",
    "SE": "752",
    "SI": "705",
    "SK": "703",
    "UK": "826",
}
STATE_NUMBERS: Mapping[str, str] = MappingProxyType(_STATES)
"""ISO 3166-1 numbers of the states that issue European cards: what follows the 80 of a card number."""


def compact(text: str) -> str:
    """An identifier as it is stored: upper case, no spaces, nothing of a label's punctuation around it."""
    return "".join(text.split()).upper().strip(":;.,#*_-–—'\"|")


def is_ik(number: str) -> bool:
    """Whether the check digit of a German institution number (IK, nine digits) is right.

    Section 293 SGB V, joint circular on the IK: digits 3 to 8, weights 2 and 1 in turn, cross sums, modulo 10.
    """
    if not re.fullmatch(r"[0-9]{9}", number):
        return False
    products = [int(digit) * weight for digit, weight in zip(number[2:8], (2, 1) * 3, strict=True)]
    return sum(p // 10 + p % 10 for p in products) % 10 == int(number[8])


def read_date(text: str, design: Design) -> date | None:
    """The date in a text; month first on US cards, day first on European ones; four-digit years, or YYYY-MM-DD."""
    found = re.search(r"(?<![0-9])([0-9]{1,4})\s?[./\- ]\s?([0-9]{1,2})\s?[./\- ]\s?([0-9]{1,4})(?![0-9])", text)
    if found is None:
        return None
    a, b, c = found.groups()
    if len(a) == 4 and len(c) <= 2:
        year, month, day = int(a), int(b), int(c)
    elif len(c) == 4 and len(a) <= 2:
        year = int(c)
        month, day = (int(a), int(b)) if design is Design.US_INSURANCE else (int(b), int(a))
    else:
        return None
    try:
        return date(year, month, day) if 1880 <= year <= 2150 else None
    except ValueError:
        return None


def kvnr(text: str) -> tuple[str, Form]:
    """A German KVNR. A letter among its digits is put right only where the check digit then agrees, and is doubtful."""
    plain = compact(text)
    if is_kvnr(plain):
        return plain, Form.PROVEN
    mended = plain[:1].translate(_LOOK_ALIKE_LETTERS) + plain[1:].translate(_LOOK_ALIKE_DIGITS)
    return (mended, Form.DOUBTFUL) if is_kvnr(mended) else (plain, Form.ODD)


def ik(text: str) -> tuple[str, Form]:
    """A German institution number."""
    plain = compact(text)
    if is_ik(plain):
        return plain, Form.PROVEN
    return plain, Form.ODD


def identifier(text: str) -> tuple[str, Form]:
    """A number without any check of its own: member, group, PCN."""
    plain = compact(text)
    if not re.fullmatch(r"[A-Z0-9][A-Z0-9\-/.]{0,29}", plain):
        return plain, Form.ODD
    return plain, Form.DOUBTFUL if _UNSURE_BORDER.search(plain) else Form.FITS


def member_id(text: str) -> tuple[str, Form]:
    """A US member ID: four characters at least, with digits in it."""
    plain, form = identifier(text)
    return plain, form if len(plain) >= 5 and re.search("[0-9]{2}", plain) else Form.ODD


def rx_bin(text: str) -> tuple[str, Form]:
    """Six digits (an ANSI BIN) or, as newer cards have it, eight (ISO/IEC 7812-1:2017)."""
    plain = compact(text)
    if re.fullmatch(r"[0-9]{6}|[0-9]{8}", plain):
        return plain, Form.FITS
    mended = plain.translate(_LOOK_ALIKE_DIGITS)
    return (mended, Form.DOUBTFUL) if re.fullmatch(r"[0-9]{6}", mended) else (plain, Form.ODD)


def card_number(text: str) -> tuple[str, Form]:
    """Field 8 of a European card: 80, the state's ISO 3166-1 number, issuer and serial; 20 digits."""
    plain = compact(text)
    fits = re.fullmatch(r"80[0-9]{18}", plain) is not None and plain[2:5] in STATE_NUMBERS.values()
    return plain, Form.FITS if fits else Form.ODD


def country(text: str) -> tuple[str, Form]:
    """Two letters of a state that issues European cards."""
    plain = compact(text)
    return plain, Form.FITS if plain in STATE_NUMBERS else Form.ODD


def name(text: str) -> tuple[str, Form]:
    """A person's name: letters, and what stands between the parts of a name."""
    plain = " ".join(text.split()).strip(":;,_|*#")
    letters = sum(character.isalpha() for character in plain)
    is_name = letters >= 2 and all(c.isalpha() or c in " -.'’`,/" for c in plain)
    return plain, Form.FITS if is_name else Form.ODD


def organisation(text: str) -> tuple[str, Form]:
    """An insurer's name."""
    plain = " ".join(text.split()).strip(":;,_|*#®™ ")
    return plain, Form.FITS if sum(c.isalpha() for c in plain) >= 3 else Form.ODD


def _dated(text: str, design: Design) -> tuple[str, Form]:
    found = read_date(text, design)
    return (found.isoformat(), Form.FITS) if found else (" ".join(text.split()), Form.ODD)


_READERS: dict[FieldName, Callable[[str], tuple[str, Form]]] = {
    FieldName.PAYER: organisation,
    FieldName.PAYER_ID: identifier,
    FieldName.MEMBER_ID: identifier,
    FieldName.GROUP: identifier,
    FieldName.RX_BIN: rx_bin,
    FieldName.RX_PCN: identifier,
    FieldName.RX_GROUP: identifier,
    FieldName.NAME: name,
    FieldName.FAMILY: name,
    FieldName.GIVEN: name,
    FieldName.CARD_NUMBER: card_number,
    FieldName.COUNTRY: country,
    FieldName.FORM: identifier,
}
_DATES = frozenset({FieldName.BIRTH_DATE, FieldName.VALID_FROM, FieldName.VALID_UNTIL})


def value_of(field: FieldName, text: str, design: Design) -> tuple[str, Form]:
    """The value of a field as it is stored, and what its form says for it."""
    if field in _DATES:
        return _dated(text, design)
    if field is FieldName.MEMBER_ID and design is Design.US_INSURANCE:
        return member_id(text)
    if field is FieldName.MEMBER_ID and design is Design.GERMAN_EGK:
        return kvnr(text)
    if field is FieldName.PAYER_ID and design is Design.GERMAN_EGK:
        return ik(text)
    return _READERS[field](text)
