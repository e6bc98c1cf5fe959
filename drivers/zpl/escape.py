"""Text into ZPL II fields, and ZPL II back into its list of commands. Pure.

Field data is hostile by default: ``^`` and ``~`` start commands even inside a field, and control characters stand
for commands too (STX is ``^XA``, ETX is ``^XZ``). So a field is written as printable ASCII only: everything else goes
as ``^FH`` hex bytes, UTF-8 under ``^CI28``. ``commands`` proves it afterwards on the finished bytes.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["BX_ESCAPE", "FH_INDICATOR", "FNC1", "bc", "bx", "code_128_modules", "commands", "fh"]

FH_INDICATOR = "\\"
"""The hex indicator that every ``^FH`` of ours names; the default ``_`` is the escape character of ``^BX``."""
BX_ESCAPE = "_"
"""Parameter g of ``^BX``. Always given: its default differs between firmware versions."""
FNC1 = BX_ESCAPE + "1"
"""Function 1 in ``^BX`` field data: first in a GS1 DataMatrix, and after every element string but the last."""

_BC_ESCAPES = {">": ">0", "^": "><", "~": ">="}
_MUST_BE_HEX = frozenset(f"^~{FH_INDICATOR}{BX_ESCAPE}")
_COMMAND = re.compile(rb"\^A@|\^A|[\^~][^\^~]{0,2}|[\x00-\x09\x0B\x0C\x0E-\x1F\x7F]", re.IGNORECASE)


def fh(text: str) -> str:
    r"""``text`` as printable ASCII for ``^FH\^FD`` under ``^CI28``, NFC-normalised first.

    Raises ValueError for a lone surrogate, which has no UTF-8 form.
    """
    return "".join(_plain_or_hex(character) for character in unicodedata.normalize("NFC", text))


def bx(text: str) -> str:
    """``text`` as DataMatrix field data.

    The printer decodes ``^FH`` before it looks for the escape character, so hex alone would not protect it: it is
    doubled as well.
    """
    return fh(text.replace(BX_ESCAPE, BX_ESCAPE * 2))


def bc(text: str) -> str:
    """``text`` as Code 128 field data for mode N, with the code sets chosen here: digits in pairs, else one by one.

    Mode A would leave them to the firmware, and with them how wide the symbol becomes. Raises ValueError for what is
    not printable ASCII.
    """
    if not re.fullmatch(r"[ -~]+", text):
        raise ValueError("a Code 128 of ours holds printable ASCII only")
    if re.fullmatch(r"[0-9]{2,}", text):
        return f">;{text}" if len(text) % 2 == 0 else f">:{text[0]}>5{text[1:]}"
    return ">:" + fh("".join(_BC_ESCAPES.get(character, character) for character in text))


def code_128_modules(text: str) -> int:
    """How wide the symbol of ``bc(text)`` is, without its quiet zones: 11 modules a character, 13 the stop."""
    characters = len(text)
    if re.fullmatch(r"[0-9]{2,}", text):
        characters = len(text) // 2 + 2 * (len(text) % 2)
    return 11 * (characters + 2) + 13


def commands(zpl: bytes) -> list[str]:
    """The commands of ``zpl`` by name, in order: ``^XA``, ``^FO``, ``^A``, ``~JA`` and so on.

    A control character other than CR and LF counts as a command. Field data and parameters are left out, so two
    labels of one template have equal lists; a name that smuggled a command in would show here.
    """
    return [match.group().decode("latin-1").upper() for match in _COMMAND.finditer(zpl)]


def _plain_or_hex(character: str) -> str:
    if " " <= character <= "~" and character not in _MUST_BE_HEX:
        return character
    return "".join(f"{FH_INDICATOR}{byte:02X}" for byte in character.encode())
