"""What the virtual printer understands of its input: bytes, in any pieces, into commands. Pure.

``~`` commands act at once, also inside a format and inside field data, as on the real printer. A format begins with
``^XA`` and ends with ``^XZ``; a second ``^XA`` before that is part of it, so a format cut off by a broken
connection spoils the next one unless the host sends ``~JX``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Control", "Format", "GetVariable", "Interpreter"]


@dataclass(frozen=True, slots=True)
class Control:
    """A ``~`` command, by its two or four letters: ``HS``, ``HQES``, ``JA``."""

    name: str


@dataclass(frozen=True, slots=True)
class GetVariable:
    """An SGD ``getvar``."""

    name: str


@dataclass(frozen=True, slots=True)
class Format:
    """One whole ``^XA..^XZ`` with all ``~`` commands taken out."""

    zpl: bytes

    def number(self, command: str, default: int) -> int:
        """The first parameter of the last ``command`` (two letters), where it is a number."""
        found = re.findall(rb"\^" + command.encode() + rb"(\d+)", self.zpl, re.IGNORECASE)
        return int(found[-1]) if found else default

    @property
    def is_printable(self) -> bool:
        """Whether it draws anything; a format of settings only feeds no label."""
        return bool(re.search(rb"\^(FD|FV|GF|GB)", self.zpl, re.IGNORECASE))


_GETVAR = re.compile(rb'! U1 getvar "([^"\r\n]*)"\r+\n')
_SGD_LINE = re.compile(rb"! U1 [^\r\n]*\r+\n")
_LONGEST_OUTSIDE = 256
_IN_FORMAT = re.compile(rb"~|\^XZ", re.IGNORECASE)
_OUTSIDE = re.compile(rb"~|\^XA|! U1 ", re.IGNORECASE)


class Interpreter:
    """Keeps what is not whole yet, across connections, as a printer's one parser does."""

    def __init__(self) -> None:
        self._input = b""
        self._format: bytearray | None = None

    @property
    def is_format_partial(self) -> bool:
        return self._format is not None

    def cancel_partial(self) -> None:
        """``~JX``, or the power went."""
        self._format = None

    def forget(self) -> None:
        """The power went: everything received and not understood yet is lost."""
        self._input, self._format = b"", None

    def feed(self, data: bytes) -> list[Control | GetVariable | Format]:
        """The commands that ``data`` completes, in order. ``~JX`` acts here as well as being returned."""
        self._input += data
        found: list[Control | GetVariable | Format] = []
        while (step := self._step()) is not None:
            found += step
        return found

    def _step(self) -> list[Control | GetVariable | Format] | None:
        """One command from the front of the input, an empty list for what means nothing, None to wait for more."""
        match = (_OUTSIDE if self._format is None else _IN_FORMAT).search(self._input)
        if match is None:
            self._keep_tail()
            return None
        word = match.group().upper()
        if word == b"~":
            return self._control(match.start())
        if word == b"^XA":
            self._format = bytearray()
            self._input = self._input[match.start() + 3 :]
            self._format += b"^XA"
            return []
        if word == b"^XZ":
            return self._end_format(match.end())
        return self._sgd(match.start())

    def _keep_tail(self) -> None:
        """Everything but the last two bytes (they may begin ``^XA`` or ``^XZ``) is field data or noise."""
        if self._format is not None:
            self._format += self._input[:-2]
            self._input = self._input[-2:]
        else:
            self._input = self._input[-_LONGEST_OUTSIDE:]

    def _control(self, start: int) -> list[Control | GetVariable | Format] | None:
        end = start + (5 if self._input[start + 1 : start + 3].upper() == b"HQ" else 3)
        if len(self._input) < end:
            return None
        name = self._input[start + 1 : end].decode("latin-1").upper()
        if self._format is not None:
            self._format += self._input[:start]
        self._input = self._input[end:]
        if name == "JX":
            self.cancel_partial()
        return [Control(name)]

    def _end_format(self, end: int) -> list[Control | GetVariable | Format]:
        whole = Format(bytes(self._format or b"") + self._input[:end])
        self._format, self._input = None, self._input[end:]
        return [whole]

    def _sgd(self, start: int) -> list[Control | GetVariable | Format] | None:
        line = _SGD_LINE.match(self._input, start)
        if line is None:
            if len(self._input) - start < _LONGEST_OUTSIDE:
                return None
            self._input = self._input[start + 5 :]
            return []
        self._input = self._input[line.end() :]
        get = _GETVAR.fullmatch(line.group())
        return [GetVariable(get[1].decode("latin-1"))] if get else []
