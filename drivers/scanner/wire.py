"""What every way of talking to a scanner has in common: bytes in, codes out, pure.

A ``Wire`` keeps what has come in of a code that is not whole yet. It knows no clock: who reads the line says when there
was silence (``gap``) and sends what it wants answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from kioskd.ports import ScannedCode

__all__ = ["LATE_S", "MOST_BYTES", "Aim", "Broken", "Read", "Reply", "Wire", "with_aim"]

MOST_BYTES = 8192
"""Of one code. The largest symbol of all, QR version 40, holds 7,089 digits (ISO/IEC 18004)."""
LATE_S = 1.0
"""Silence after which a code whose end is marked, and did not come, is given up."""

Aim = Literal["auto", "required", "none"]
"""``auto``: an AIM identifier at the start of a code is taken off. ``required``: a code without one did not arrive
whole. ``none``: the scanner sends none, so what looks like one is data."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Something was read and did not arrive whole. ``what`` quotes nothing of it."""

    what: str


Read = ScannedCode | Broken


class Reply(StrEnum):
    """How a scanner answered a command."""

    DONE = "done"
    REFUSED = "refused"


class Wire(Protocol):
    """One scanner's way of talking, from when its line was opened until it is closed."""

    hint: str
    """What staff should look at when the scanner does not answer a command."""

    @property
    def patience_s(self) -> float:
        """Silence after which ``gap`` is to be called."""

    @property
    def is_pending(self) -> bool:
        """Whether silence would mean something."""

    @property
    def is_in_code(self) -> bool:
        """Whether a part of a code has come in, and the rest has not."""

    def set_up(self) -> Sequence[bytes]:
        """The commands to send first, one after the other, each to be answered."""

    def switch(self, is_enabled: bool) -> Sequence[bytes]:
        """The commands that let it read, or not; none where it can't be told."""

    def trigger(self) -> bytes:
        """The command that starts one reading; empty where that is its button's business, or its own."""

    def feed(self, data: bytes) -> list[Read]:
        """Take what came in; the codes that are whole now, in their order. Torn anywhere, the codes are the same."""

    def gap(self) -> list[Read]:
        """Note that nothing has come in for ``patience_s``."""

    def answer(self) -> bytes:
        """What is to be sent back now; empty when nothing is."""

    def reply(self) -> Reply | None:
        """The answer to the last command, once."""


def with_aim(frame: bytes, aim: Aim) -> Read:
    """A frame as a code: its AIM identifier apart from its data (ISO/IEC 15424: ``]``, a letter, a modifier)."""
    has_one = len(frame) >= 3 and frame[:1] == b"]" and frame[1:2].isalpha() and frame[2:3].isalnum()
    if has_one and aim != "none":
        return ScannedCode(frame[3:], frame[:3].decode("ascii"))
    if aim == "required":
        return Broken("a code came without its AIM identifier: set the scanner to send it, or aim otherwise")
    return ScannedCode(frame)
