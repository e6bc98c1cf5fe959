"""ESC/POS bytes cut into commands, as a printer's receive buffer is worked off. Pure.

Lengths are from Epson's ESC/POS reference. Part of the virtual printer: written apart from ``layout`` on purpose, so
that a ticket that is built wrongly is also printed wrongly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["REAL_TIME", "Command", "take_command"]

REAL_TIME = re.compile(
    rb"\x10(?:\x04[\x01-\x04]|\x05[\x01\x02]|\x14\x01[\x00\x01].|\x14\x02..|\x14\x08.{7})", re.DOTALL
)
"""Commands that are obeyed on receipt, wherever in the data they stand."""

# Bytes of parameters by command; a command that is not here and not below has none.
_FIXED = {
    **dict.fromkeys([b"\x1b" + c for c in (b"@", b"2", b"i", b"m", b"v", b"<", b"L", b"S", b"\x0c")], 0),
    **dict.fromkeys([b"\x1b" + c.encode() for c in " !-3ADEGJKMRTUVadert{u="], 1),
    **dict.fromkeys([b"\x1b$", b"\x1b\\", b"\x1bc"], 2),
    b"\x1bp": 3,
    b"\x1bW": 8,
    **dict.fromkeys([b"\x1d" + c.encode() for c in "!BHIabfhrw/|"], 1),
    **dict.fromkeys([b"\x1d" + c.encode() for c in "LPW$\\"], 2),
    b"\x1d^": 3,
    **dict.fromkeys([b"\x1c" + c.encode() for c in "!-CWk"], 1),
    b"\x1cS": 2,
    b"\x1cp": 2,
}


@dataclass(frozen=True, slots=True)
class Command:
    """``code``: the bytes that name the command, empty for text. ``data``: its parameters, or the text."""

    code: bytes
    data: bytes = b""


def take_command(buffer: bytes) -> tuple[Command, int] | None:
    """The first command of ``buffer`` and its length in bytes, or None while it is not whole."""
    if not buffer:
        return None
    first = buffer[0]
    if first >= 0x20:
        end = next((at for at, byte in enumerate(buffer) if byte < 0x20), len(buffer))
        return Command(b"", buffer[:end]), end
    if first == 0:
        nuls = len(buffer) - len(buffer.lstrip(b"\0"))
        return Command(b"\0", buffer[1:nuls]), nuls
    if first == 0x10:
        return _real_time(buffer)
    if first not in (0x1B, 0x1C, 0x1D):
        return Command(buffer[:1]), 1
    if len(buffer) < 2:
        return None
    code_length, length = _lengths(buffer)
    if length is None or len(buffer) < length:
        return None
    return Command(buffer[:code_length], buffer[code_length:length]), length


def _lengths(buffer: bytes) -> tuple[int, int | None]:
    """Bytes of the code and of the whole command; None for the latter while that can't be told."""
    code = buffer[:2]
    match code:
        case b"\x1d(" | b"\x1c(" | b"\x1b(":  # GS ( X pL pH
            return 3, 5 + int.from_bytes(buffer[3:5], "little") if len(buffer) >= 5 else None
        case b"\x1dv":  # GS v 0 m xL xH yL yH
            if len(buffer) < 8:
                return 3, None
            size = int.from_bytes(buffer[4:6], "little") * int.from_bytes(buffer[6:8], "little")
            return 3, 8 + size
        case b"\x1dV":
            if len(buffer) < 3:
                return 2, None
            return 2, 4 if buffer[2] in (65, 66, 97, 98, 103, 104) else 3
        case b"\x1dk":
            return 2, _bar_code_length(buffer)
        case b"\x1b*":
            if len(buffer) < 5:
                return 2, None
            return 2, 5 + int.from_bytes(buffer[3:5], "little") * (3 if buffer[2] in (32, 33) else 1)
        case b"\x1bD":
            end = buffer.find(0, 2)
            return 2, end + 1 if end >= 0 else None
    return 2, 2 + _FIXED.get(code, 0)


def _bar_code_length(buffer: bytes) -> int | None:
    if len(buffer) < 4:
        return None
    if buffer[2] >= 65:
        return 4 + buffer[3]
    end = buffer.find(0, 3)
    return end + 1 if end >= 0 else None


def _real_time(buffer: bytes) -> tuple[Command, int] | None:
    """Already obeyed when it came in; here it only leaves the buffer."""
    if len(buffer) < 3:
        return None if buffer[1:2] in (b"", b"\x04", b"\x05", b"\x14") else (Command(buffer[:1]), 1)
    lengths = {0x04: 3, 0x05: 3, 0x14: 10 if buffer[2] == 8 else 5}
    length = lengths.get(buffer[1], 1)
    if length == 1:
        return Command(buffer[:1]), 1
    return (Command(buffer[:2], buffer[2:length]), length) if len(buffer) >= length else None
