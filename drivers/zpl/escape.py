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
    """``text`` as Code 128 field data for mode N, in the code sets that make the shortest symbol.

    Mode A would leave them to the firmware, and with them how wide the symbol becomes. Raises ValueError for what is
    not printable ASCII.
    """
    return _code_128(text)[0]


def code_128_modules(text: str) -> int:
    """How wide the symbol of ``bc(text)`` is, without its quiet zones: 11 modules a character, 13 the stop."""
    return 11 * (_code_128(text)[1] + 2) + 13


def _code_128(text: str) -> tuple[str, int]:
    """Field data, and how many characters lie between the start and the check character (ISO/IEC 15417).

    From the end: the cheapest way on in code set B, one character each, and in C, two digits each.
    """
    if not re.fullmatch(r"[ -~]+", text):
        raise ValueError("a Code 128 of ours holds printable ASCII only")
    in_b: list[tuple[int, str]] = [(0, "")]
    in_c: list[tuple[int, str]] = [(0, "")]
    for at in range(len(text) - 1, -1, -1):
        one = fh(_BC_ESCAPES.get(text[at], text[at]))
        single = in_b[0][0] + 1, one + in_b[0][1]
        to_b = single[0] + 1, ">6" + single[1]
        if not re.fullmatch(r"[0-9]{2}", text[at : at + 2]):
            in_b.insert(0, single)
            in_c.insert(0, to_b)
            continue
        pair = in_c[1][0] + 1, text[at : at + 2] + in_c[1][1]
        in_b.insert(0, min(single, (pair[0] + 1, ">5" + pair[1])))
        in_c.insert(0, min(pair, to_b))
    count, data = min((in_b[0][0], ">:" + in_b[0][1]), (in_c[0][0], ">;" + in_c[0][1]))
    return data, count


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
