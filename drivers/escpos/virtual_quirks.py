"""What a virtual printer lacks, and what it does wrong: clones of Epson's printers differ in both. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.escpos.virtual_commands import Command

__all__ = ["Quirks"]

_RARELY_KNOWN = {b"\x1d(D", b"\x1c(A", b"\x1c(C", b"\x1c(E", b"\x1b(A"}


@dataclass(frozen=True, slots=True)
class Quirks:
    """The default is an Epson TM-T20III."""

    has_process_id: bool = True
    """GS ( H."""
    has_fence: bool = True
    """GS r."""
    has_status_back: bool = True
    """GS a."""
    has_cutter: bool = True
    maker: str = "EPSON"
    """What GS I 66 answers, true or not; empty: nothing is answered."""
    model: str = "TM-T20III"
    code_pages: Mapping[int, str] = field(default_factory=dict)
    """Pages that ``ESC t`` selects by other numbers than Epson's, as Python codecs: {16: "cp437"}."""
    prints_unknown: bool = False
    """Prints the letters of commands that it does not know."""

    def knows(self, command: Command) -> bool:
        """Whether the printer does what the command asks."""
        match command:
            case Command(b"\x1d(H", _):
                return self.has_process_id
            case Command(b"\x1dr", _):
                return self.has_fence
            case Command(b"\x1da", _):
                return self.has_status_back
            case Command(b"\x1dI", _):
                return bool(self.maker)
            case Command(b"\x1dV" | b"\x1bi" | b"\x1bm", _):
                return self.has_cutter
            case Command(code, _):
                return not (self.prints_unknown and code in _RARELY_KNOWN)
