"""Where a code begins and ends in the bytes of a scanner, pure.

==============  ======================================================================================================
``gap``         silence ends a code: nothing that it holds can be taken for its end
``stx-etx``     STX before it, ETX behind it; what comes outside of them is noise
``suffix``      it ends with ``suffix``. A driving licence holds CR and LF, so neither should be the suffix where
                licences are read
``auto``        what begins with STX after silence as ``stx-etx``, else as ``gap``: no code of a patient's changes that
==============  ======================================================================================================

Scanners send CR or CR LF behind each code unless they are told not to. With ``gap`` and ``auto`` that is taken off: the
``suffix`` where one is set; otherwise one line end (or TAB) behind a code that holds no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from drivers.scanner.wire import LATE_S, MOST_BYTES, Aim, Broken, Read, Reply, with_aim

__all__ = ["Framer", "Framing", "PlainWire", "without_line_end"]

Framing = Literal["auto", "gap", "stx-etx", "suffix"]

_STX, _ETX = b"\x02", b"\x03"
_BETWEEN = b"\r\n\t\0"
"""What may stand between the ETX of one code and the STX of the next."""
_TOO_LONG = f"a code of more than {MOST_BYTES} bytes: is the scanner's prefix or suffix set otherwise?"


class Framer:
    """Cuts frames out of a stream. At most ``MOST_BYTES`` and what one call brings are kept."""

    def __init__(self, framing: Framing, gap_s: float, suffix: bytes = b"") -> None:
        self._framing = framing
        self._gap_s = gap_s
        self._suffix = suffix
        self._held = bytearray()
        self._is_inside = False
        self._is_marked = framing == "stx-etx"
        self._spoiled = ""

    @property
    def patience_s(self) -> float:
        return LATE_S if self._is_marked or self._framing == "suffix" else self._gap_s

    @property
    def is_in_code(self) -> bool:
        """Whether a part of a code has come in."""
        return bool(self._held) or self._is_inside or bool(self._spoiled)

    @property
    def is_pending(self) -> bool:
        """Whether silence would mean something: the end of a code, or of a time in which they are marked."""
        return self.is_in_code or (self._is_marked and self._framing == "auto")

    def spoil(self, what: str) -> None:
        """The frame that is coming in has lost something; so it is told instead of the frame."""
        self._spoiled = self._spoiled or what

    def feed(self, data: bytes) -> list[bytes | Broken]:
        if self._framing == "auto" and not self.is_pending:
            self._is_marked = data[:1] == _STX
        self._held += data
        done: list[bytes | Broken] = []
        if self._is_marked:
            while self._take_marked(done):
                pass
        elif self._framing == "suffix":
            while (at := self._held.find(self._suffix)) >= 0:
                self._end(done, at, len(self._suffix))
        self._bound()
        return done

    def gap(self) -> list[bytes | Broken]:
        """What silence says of what came in before it."""
        done: list[bytes | Broken] = []
        if self._is_marked or self._framing == "suffix":
            if self._is_inside or self._held.strip(_BETWEEN) or self._spoiled:
                missing = "ETX" if self._is_marked else "suffix"
                done.append(Broken(self._spoiled or f"a code ended before its {missing}"))
        elif self._spoiled:
            done.append(Broken(self._spoiled))
        elif frame := without_line_end(bytes(self._held), self._suffix):
            is_rest = self._framing == "auto" and frame.endswith(_ETX)
            done.append(Broken("a code came without its STX") if is_rest else frame)
        self._held.clear()
        self._is_inside, self._spoiled = False, ""
        self._is_marked = self._framing == "stx-etx"
        return done

    def _take_marked(self, done: list[bytes | Broken]) -> bool:
        """Take the next mark; False when there is none yet."""
        if self._is_inside:
            at = self._held.find(_ETX)
            if at < 0:
                return False
            self._is_inside = False
            self._end(done, at, 1)
            return True
        at = self._held.find(_STX)
        noise = self._held[: at if at >= 0 else len(self._held)]
        if noise.strip(_BETWEEN):
            self.spoil("a code came without STX, or went on behind its ETX")
        del self._held[: len(noise)]
        if at < 0:
            return False
        if self._spoiled:
            done.append(Broken(self._spoiled))
            self._spoiled = ""
        del self._held[:1]
        self._is_inside = True
        return True

    def _end(self, done: list[bytes | Broken], at: int, mark: int) -> None:
        if at > MOST_BYTES:
            self.spoil(_TOO_LONG)
        if self._spoiled:
            done.append(Broken(self._spoiled))
            self._spoiled = ""
        elif at:
            done.append(bytes(self._held[:at]))
        del self._held[: at + mark]

    def _bound(self) -> None:
        """Give up a frame that is too long; what may be the begin of its end is kept."""
        kept = len(self._suffix) - 1 if self._framing == "suffix" else 0
        if len(self._held) > MOST_BYTES + kept:
            self.spoil(_TOO_LONG)
        if self._spoiled:
            del self._held[: max(len(self._held) - kept, 0)]


def without_line_end(frame: bytes, suffix: bytes = b"") -> bytes:
    """A frame without what scanners send behind each code: ``suffix``, or one line end or TAB where it has no other."""
    if suffix:
        return frame.removesuffix(suffix)
    for end in (b"\r\n", b"\r", b"\n", b"\t"):
        bare = frame.removesuffix(end)
        if bare != frame and not set(end) & set(bare):
            return bare
    return frame


class PlainWire:
    """A scanner that only talks: codes in frames. Implements ``wire.Wire``."""

    hint = ""

    def __init__(self, framer: Framer, aim: Aim) -> None:
        self._framer = framer
        self._aim = aim

    @property
    def patience_s(self) -> float:
        return self._framer.patience_s

    @property
    def is_pending(self) -> bool:
        return self._framer.is_pending

    @property
    def is_in_code(self) -> bool:
        return self._framer.is_in_code

    def set_up(self) -> Sequence[bytes]:
        return ()

    def switch(self, is_enabled: bool) -> Sequence[bytes]:
        return ()

    def trigger(self) -> bytes:
        return b""

    def feed(self, data: bytes) -> list[Read]:
        return self._codes(self._framer.feed(data))

    def gap(self) -> list[Read]:
        return self._codes(self._framer.gap())

    def answer(self) -> bytes:
        return b""

    def reply(self) -> Reply | None:
        return None

    def _codes(self, frames: list[bytes | Broken]) -> list[Read]:
        return [frame if isinstance(frame, Broken) else with_aim(frame, self._aim) for frame in frames]
