"""Fields of card files as values: texts, digits and dates. Whatever is wrong raises CardUnreadable, quoting nothing."""

from __future__ import annotations

import re
from datetime import date

from drivers.cards.iso7816 import damaged, unreadable
from kioskd.core.patient import PartialDate


def text(raw: bytes, encoding: str, what: str, errors: str = "strict") -> str:
    """A field of characters without its padding (NUL, FF and spaces), spaces collapsed."""
    try:
        decoded = raw.rstrip(b"\xff\0 ").decode(encoding, errors)
    except UnicodeDecodeError:
        # `from None`: the error of the codec holds the bytes.
        raise unreadable(f"{what} is not in {encoding}") from None
    collapsed = " ".join(decoded.replace("\0", " ").split())
    if not collapsed.isprintable():
        raise unreadable(f"{what} holds control characters")
    return collapsed


def demand_text(raw: bytes, encoding: str, what: str) -> str:
    """As ``text``; an empty one is unreadable."""
    found = text(raw, encoding, what)
    if not found:
        raise unreadable(f"{what} is empty")
    return found


def ascii_text(raw: bytes, what: str) -> str:
    return text(raw, "ascii", what)


def digits(raw: bytes, count: int, what: str) -> str:
    """Exactly so many ASCII digits, without the padding."""
    found = ascii_text(raw, what)
    if not re.fullmatch(rf"[0-9]{{{count}}}", found):
        raise unreadable(f"{what} does not have {count} digits")
    return found


def checked(is_right: bool, what: str) -> None:
    """Raises CardUnreadable (damaged) unless the check digit is right."""
    if not is_right:
        raise damaged(f"{what} does not agree with its check digit")


Born = tuple[date | None, PartialDate | None]
"""A birth date as ``core.identity.Card`` has it: whole, or what is known of it."""


def born(year: int, month: int, day: int, what: str = "the birth date") -> Born:
    """A birth date, of which month or day may be 0: unknown. Year 0: nothing is known."""
    try:
        if year and month and day:
            return date(year, month, day), None
        return None, PartialDate(year, month or None) if year else None
    except ValueError:
        raise unreadable(f"{what} is no date") from None


def whole(year: int, month: int, day: int, what: str) -> date:
    """A date that is known whole."""
    try:
        return date(year, month, day)
    except ValueError:
        raise unreadable(f"{what} is no date") from None


def ymd(compact: str, what: str) -> tuple[int, int, int]:
    """Year, month and day of YYYYMMDD."""
    if not re.fullmatch(r"[0-9]{8}", compact):
        raise unreadable(f"{what} does not have eight digits")
    return int(compact[:4]), int(compact[4:6]), int(compact[6:])


def dmy(written: str, what: str) -> tuple[int, int, int]:
    """Year, month and day of DD MM YYYY, DD.MM.YYYY, DD-MM-YYYY or DDMMYYYY."""
    parts = re.fullmatch(r"([0-9]{2})[ .\-/]?([0-9]{2})[ .\-/]?([0-9]{4})", written)
    if parts is None:
        raise unreadable(f"{what} is not day, month and year")
    return int(parts[3]), int(parts[2]), int(parts[1])
