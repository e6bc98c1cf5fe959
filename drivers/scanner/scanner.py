"""A scanner at the end of a line: reads, answers, tells it to read or not. The only part that waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from drivers.line import Line, WriteFailed
from drivers.scanner.wire import Broken, Read, Wire
from kioskd.clock import MACHINE, DeviceClock
from kioskd.errors import CodeUnreadable, DeviceUnavailable
from kioskd.ports import ScannedCode

__all__ = ["LineScanner", "OpenScanner"]

ANSWER_WITHIN_S = 0.5
ATTEMPTS = 2
"""The first command may only wake it."""
WRITE_WITHIN_S = 1.0
FORGET_WITHIN_S = 2.0
"""The longest that what came while it should not read is taken off the line."""
TRIGGER_EVERY_S = 5.0
"""A reading ends by itself after some seconds without a code."""
MOST_WAITING = 16
"""Codes that were read and nobody asked for; the oldest go first."""

OpenScanner = Callable[[], tuple[Line, Wire]]
"""Claims the device. Raises DeviceUnavailable."""


class LineScanner:
    """A ``ports.CodeScanner``."""

    def __init__(self, name: str, open_scanner: OpenScanner, clock: DeviceClock = MACHINE) -> None:
        self._name = name
        self._open_scanner = open_scanner
        self._clock = clock
        self._opened: tuple[Line, Wire] | None = None
        self._waiting: deque[Read] = deque(maxlen=MOST_WAITING)
        self._heard_at = 0.0
        self._is_enabled = True
        self._skips_next = False
        """The code that is just coming began while it should not read."""
        self._trigger_at = 0.0

    def open(self) -> None:
        self.close()
        self._opened = self._open_scanner()
        self._is_enabled, self._skips_next, self._trigger_at = True, False, 0.0
        try:
            _, wire = self._opened
            for command in (*wire.set_up(), *wire.switch(True)):
                self._say(command)
            self._trigger()
        except DeviceUnavailable:
            self.close()
            raise

    def close(self) -> None:
        self._waiting.clear()
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()

    def wait_for_code(self, seconds: float) -> ScannedCode | None:
        until = self._clock.monotonic() + seconds
        while not self._waiting:
            self._trigger()
            self._hear(until - self._clock.monotonic())
            if not self._waiting and self._clock.monotonic() >= until:
                return None
        read = self._waiting.popleft()
        if isinstance(read, Broken):
            raise CodeUnreadable(self._name, read.what)
        return read

    def set_enabled(self, is_enabled: bool) -> None:
        _, wire = self._line_and_wire()
        if is_enabled and not self._is_enabled:
            self._forget_what_came()
        self._is_enabled = is_enabled
        self._trigger_at = 0.0
        for command in wire.switch(is_enabled):
            self._say(command)
        self._trigger()
        if not is_enabled:
            self._waiting.clear()

    def _line_and_wire(self) -> tuple[Line, Wire]:
        if self._opened is None:
            raise DeviceUnavailable(self._name, "the scanner is not open")
        return self._opened

    def _hear(self, within_s: float) -> bool:
        """Take what comes in within ``within_s``, or note that a code is over because nothing does; False then."""
        line, wire = self._line_and_wire()
        now = self._clock.monotonic()
        if wire.is_pending:
            within_s = min(within_s, self._heard_at + wire.patience_s - now)
        # Asked in any case: what waits in the kernel came before the silence.
        data = line.read(max(within_s, 0.0))
        now = self._clock.monotonic()
        if data:
            self._heard_at = now
            self._take(wire.feed(data))
        elif wire.is_pending and now >= self._heard_at + wire.patience_s:
            self._heard_at = now
            self._take(wire.gap())
            self._skips_next = False
        if answer := wire.answer():
            self._write(answer)
        return bool(data)

    def _take(self, reads: list[Read]) -> None:
        if self._skips_next and reads:
            self._skips_next, reads = False, reads[1:]
        if self._is_enabled and reads:
            self._waiting.extend(reads)
            self._trigger_at = 0.0  # a reading ends with its code

    def _say(self, command: bytes) -> None:
        """Send a command that is answered. A scanner that refuses it goes on as it is. Raises DeviceUnavailable."""
        line, wire = self._line_and_wire()
        for _ in range(ATTEMPTS):
            wire.reply()
            self._write(command)
            until = self._clock.monotonic() + ANSWER_WITHIN_S
            while (left_s := until - self._clock.monotonic()) > 0:
                self._hear(left_s)
                if wire.reply() is not None:
                    return
        raise DeviceUnavailable(self._name, f"the scanner on {line.where} does not answer: {wire.hint}")

    def _trigger(self) -> None:
        _, wire = self._line_and_wire()
        command = wire.trigger() if self._is_enabled else b""
        if command and self._clock.monotonic() >= self._trigger_at:
            self._trigger_at = self._clock.monotonic() + TRIGGER_EVERY_S
            self._write(command)

    def _forget_what_came(self) -> None:
        """Take off the line what came while it should not read, and note whether a code is just coming."""
        _, wire = self._line_and_wire()
        until = self._clock.monotonic() + FORGET_WITHIN_S
        while self._hear(0.0) and self._clock.monotonic() < until:
            pass
        self._waiting.clear()
        self._skips_next = wire.is_in_code

    def _write(self, data: bytes) -> None:
        line, _ = self._line_and_wire()
        try:
            line.write(data, self._clock.monotonic() + WRITE_WITHIN_S)
        except WriteFailed as failed:
            raise DeviceUnavailable(self._name, f"the scanner on {line.where} takes no commands: {failed}") from failed
