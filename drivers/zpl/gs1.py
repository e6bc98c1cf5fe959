"""GS1 element strings of a wristband (GS1 General Specifications; ISO/TS 18530 for their use on a patient). Pure."""

from __future__ import annotations

import re
from datetime import date

__all__ = ["band_elements", "element_string", "gs1_check_digit"]

GSRN_RECIPIENT = "8018"
"""Global Service Relation Number of a recipient, N18 with check digit."""
SRIN = "8019"
"""Service Relation Instance Number, N..10; only together with 8018."""
BIRTH_DATE = "7250"
"""Date of birth YYYYMMDD, N8; only together with 8018."""

_MOST_INSTANCES = 9_999_999_999


def gs1_check_digit(body: str) -> int:
    """The check digit that follows the digits of ``body``: modulo 10, weights 3 and 1 from the right.

    Raises ValueError when ``body`` holds anything but the digits 0 to 9.
    """
    if not re.fullmatch(r"[0-9]+", body):
        raise ValueError("a GS1 check digit is made of digits only")
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return -total % 10


def band_elements(gsrn: str, band_number: int, birth_date: date | None) -> list[tuple[str, str]]:
    """Application identifiers and values of a band, in printing order; no birth date where it is not known whole.

    None of the three has a predefined length, so a symbol needs FNC1 between every two. Raises ValueError, without
    the number in it, for a GSRN or an instance number that GS1 does not allow.
    """
    if not re.fullmatch(r"[0-9]{18}", gsrn):
        raise ValueError("a GSRN (8018) has 18 digits")
    if gs1_check_digit(gsrn[:-1]) != int(gsrn[-1]):
        raise ValueError("the check digit of the GSRN (8018) is wrong")
    if not 1 <= band_number <= _MOST_INSTANCES:
        raise ValueError(f"a band number (8019) is 1 to {_MOST_INSTANCES}")
    elements = [(GSRN_RECIPIENT, gsrn), (SRIN, str(band_number))]
    if birth_date is not None:
        elements.append((BIRTH_DATE, birth_date.isoformat().replace("-", "")))
    return elements


def element_string(gsrn: str, band_number: int, birth_date: date | None) -> str:
    """The same as people write it: ``(8018)505050560001234569(8019)3(7250)19800118``. Raises ValueError."""
    return "".join(f"({ai}){value}" for ai, value in band_elements(gsrn, band_number, birth_date))
