"""The clock that device deadlines are measured on: the machine's monotonic one, or one that hurries.

A driver, its simulator and the print queue that share one hurried clock live through minutes of paper, silence and
time-outs in seconds; sockets and threads are the real ones. Nothing about people or records is measured on it: their
clock gives UTC.
"""

from __future__ import annotations

from time import monotonic

__all__ = ["MACHINE", "DeviceClock"]


class DeviceClock:
    """Seconds that pass ``rate`` times as fast as the machine's. Any thread may use it."""

    def __init__(self, rate: float = 1.0) -> None:
        self._rate = rate

    def monotonic(self) -> float:
        """This clock's seconds; they only grow."""
        return monotonic() * self._rate

    def real_s(self, seconds: float) -> float:
        """How many of the machine's seconds a wait of ``seconds`` takes: for whatever really waits."""
        return seconds / self._rate


MACHINE = DeviceClock()
"""The clock of every real site."""
