"""How big a DataMatrix of some data can become (ISO/IEC 16022, ECC 200, square symbols). Pure."""

from __future__ import annotations

import re

__all__ = ["most_modules"]

_CODEWORDS = {
    10: 3,
    12: 5,
    14: 8,
    16: 12,
    18: 18,
    20: 22,
    22: 30,
    24: 36,
    26: 44,
    32: 62,
    36: 86,
    40: 114,
    44: 144,
    48: 174,
    52: 204,
}
"""Data codewords by the modules along one side."""


def most_modules(text: str) -> int:
    """Modules along one side in plain ASCII encodation: two digits a codeword, any other character one.

    FNC1 is one codeword: write it as GS (0x1D). A printer may choose a denser encodation, never a looser one, so the
    symbol is this size or smaller. Raises ValueError for data that need more than 52 modules or are not ASCII.
    """
    if not text.isascii():
        raise ValueError("a barcode of a band holds ASCII only")
    codewords = len(re.findall(r"[0-9]{2}|.", text, re.DOTALL))
    for modules, capacity in _CODEWORDS.items():
        if codewords <= capacity:
            return modules
    raise ValueError("the record number is too long for the barcode of a band")
