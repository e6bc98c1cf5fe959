"""The set-up of a connection on a line that takes few bytes at a time: a printer in a few lines stands at its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.preparation import HEADER_NULS, Preparation
from drivers.line import WriteFailed
from kioskd.core.printing import ProofKind
from kioskd.errors import DeviceUnavailable

CONFIG = EscposConfig(port="serial:/dev/ttyS0", baud=9600)
LATER = float("inf")


class SlowConnection:
    """Takes ``at_once`` bytes a call, and answers when it has the whole question."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self.taken = b""
        self.finished_ids: set[bytes] = set()
        self.queued_answers = 0

    def write(self, data: bytes, until: float) -> None:
        self.taken += data[: self._at_once]
        if len(data) > self._at_once:
            raise WriteFailed(self._at_once, True, "it took no more bytes in time")
        _, found, rest = self.taken.partition(b"\x1d(H\x06\x0000")
        if found:
            self.finished_ids.add(rest[:4])

    def seconds_for(self, count: int) -> float:
        return 0.0

    def hear_until(self, is_done: Callable[[], bool], deadline: float) -> bool:
        return is_done()

    def hear_out(self, is_done: Callable[[], bool], quiet_s: float) -> None: ...


def test_a_flush_on_a_slow_line_goes_on_with_the_next_look_until_it_is_through() -> None:
    preparation = Preparation("tickets", CONFIG)
    preparation.begin(SlowConnection(1000))  # type: ignore[arg-type]
    preparation.is_done(LATER)
    preparation.end(unproven_bytes=9000, unanswered_fences=0)
    line = SlowConnection(1000)
    preparation.begin(line)  # type: ignore[arg-type]
    looks = 1
    while not preparation.is_done(LATER):
        looks += 1
    assert looks == 9
    assert preparation.proof is ProofKind.COMPLETION
    assert line.taken.startswith(bytes(HEADER_NULS + 9000) + b"\x1b@\x1dVB\x00"), "and what the sheet left is cut off"
    assert line.taken.count(0) < 9000 + 30


def test_a_clean_epoch_is_followed_by_a_short_flush_and_no_cut() -> None:
    preparation = Preparation("tickets", CONFIG)
    for _ in range(2):
        line = SlowConnection(1000)
        preparation.begin(line)  # type: ignore[arg-type]
        assert preparation.is_done(LATER)
        assert line.taken.startswith(bytes(HEADER_NULS) + b"\x1d")
        assert b"\x1dV" not in line.taken
        preparation.end(0, 0)


def test_a_line_that_takes_nothing_is_given_up() -> None:
    preparation = Preparation("tickets", CONFIG)
    with pytest.raises(DeviceUnavailable, match="does not take its set-up"):
        preparation.begin(SlowConnection(0))  # type: ignore[arg-type]
