"""What an ESC/POS printer sends, as frames, and what the frames say of it. Pure.

Everything comes in one stream: answers to real-time requests, blocks that the printer pushes on a change (ASB),
process ids of finished sheets, answers to queued requests. The frames have no common header; they are told apart by
fixed bits (Epson, "identifying the transmission status"), in the order of ``FrameParser``.
"""

from __future__ import annotations

from dataclasses import dataclass

from kioskd.core.printing import Cause

__all__ = ["Block", "FlowControl", "Frame", "FrameParser", "Noise", "ProcessId", "Queued", "RealTime", "StatusBack"]
__all__ += ["cause_of_answers", "cause_of_block", "is_paper_low"]

LONGEST_BLOCK = 128
"""Bytes after which a block without its NUL is taken for noise; the longest real one is a model name."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """``37 22 d1 d2 d3 d4 00``: everything up to the request with these four bytes is printed (GS ( H, fn 48)."""

    id: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """Any other block up to its NUL, such as ``5F`` text ``00`` (GS I)."""

    header: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StatusBack:
    """The 4 bytes of automatic status back (GS a)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class RealTime:
    """The byte that answers DLE EOT n."""

    byte: int


@dataclass(frozen=True, slots=True)
class Queued:
    """The byte that answers GS r n, ESC u n or ESC v, when the printer has come to it."""

    byte: int


@dataclass(frozen=True, slots=True)
class FlowControl:
    """XON or XOFF."""

    byte: int


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that are none of the above."""

    data: bytes


Frame = ProcessId | Block | StatusBack | RealTime | Queued | FlowControl | Noise

_BLOCK_HEADERS = frozenset({0x37, 0x3D, 0x5F, 0x35, 0x3B})


class FrameParser:
    """Frames out of a stream that may be cut anywhere: the same frames for every way to cut it."""

    def __init__(self) -> None:
        self._bytes = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes."""
        self._bytes += data
        frames: list[Frame] = []
        while (found := self._next()) is not None:
            frame, length = found
            frames.append(frame)
            self._bytes = self._bytes[length:]
        return frames

    def _next(self) -> tuple[Frame, int] | None:
        """The first frame and its length, or None while it is not whole."""
        if not self._bytes:
            return None
        first = self._bytes[0]
        if first in _BLOCK_HEADERS:
            return self._block()
        if first & 0x93 == 0x10:
            return self._status_back()
        if first & 0x93 == 0x12:
            return RealTime(first), 1
        if first in {0x11, 0x13}:
            return FlowControl(first), 1
        if first & 0x90 == 0:
            return Queued(first), 1
        return Noise(self._bytes[:1]), 1

    def _block(self) -> tuple[Frame, int] | None:
        end = self._bytes.find(0, 0, LONGEST_BLOCK)
        if end < 0:
            return (Noise(self._bytes[:1]), 1) if len(self._bytes) >= LONGEST_BLOCK else None
        data = self._bytes[1:end]
        if self._bytes[0] == 0x37 and data[:1] == b"\x22" and len(data) == 5:
            return ProcessId(data[1:]), end + 1
        return Block(self._bytes[0], data), end + 1

    def _status_back(self) -> tuple[Frame, int] | None:
        if any(byte & 0x90 for byte in self._bytes[1:4]):
            return Noise(self._bytes[:1]), 1
        return (StatusBack(self._bytes[:4]), 4) if len(self._bytes) >= 4 else None


def cause_of_answers(printer: int, offline: int, error: int, paper: int) -> Cause | None:
    """Why a printer can't print, from its answers to DLE EOT 1, 2, 3 and 4; None when it can.

    The cover comes first: paper is changed with the cover open, and a person sees the cover.
    """
    checks = (
        (offline & 0x04, Cause.COVER_OPEN),
        (paper & 0x60 or offline & 0x20, Cause.PAPER_OUT),
        (error & 0x08, Cause.CUTTER_ERROR),
        (error & 0x40, Cause.HEAD_HOT),
        (error & 0x24 or offline & 0x40, Cause.FAULT),
        (printer & 0x28, Cause.OFFLINE),  # offline, or waiting for somebody to press the feed button
    )
    return next((cause for is_set, cause in checks if is_set), None)


def cause_of_block(block: bytes) -> Cause | None:
    """The same from the 4 bytes of automatic status back, whose bits lie elsewhere."""
    printer, error, paper, _ = block
    checks = (
        (printer & 0x20, Cause.COVER_OPEN),
        (paper & 0x0C, Cause.PAPER_OUT),
        (error & 0x08, Cause.CUTTER_ERROR),
        (error & 0x40, Cause.HEAD_HOT),
        (error & 0x24, Cause.FAULT),
        (printer & 0x08, Cause.OFFLINE),
    )
    return next((cause for is_set, cause in checks if is_set), None)


def is_paper_low(block: bytes) -> bool:
    """Whether the roll is near its end, from automatic status back."""
    return bool(block[2] & 0x03)
