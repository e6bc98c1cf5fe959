"""One connection to a printer, from connect to close, and everything that was heard on it."""

from __future__ import annotations

from collections.abc import Callable

from drivers.escpos.status import Block, Frame, FrameParser, ProcessId, Queued, RealTime, StatusBack
from drivers.line import LineAddress, WriteFailed, open_line
from kioskd.clock import MACHINE, DeviceClock
from kioskd.errors import DeviceUnavailable

__all__ = ["Connection"]


class Connection:
    """A line and the frames read from it. Never connects again by itself: a new connection is a new object."""

    def __init__(self, device: str, address: LineAddress, clock: DeviceClock = MACHINE) -> None:
        """Raises DeviceUnavailable."""
        self._device = device
        self._address = address
        self._clock = clock
        self._line = open_line(device, address, clock)
        self._parser = FrameParser()
        self._answers: list[int] = []
        self._is_out_of_step = False
        self.status_back: bytes | None = None
        """The last block of automatic status back."""
        self.finished_ids: set[bytes] = set()
        """Process ids that the printer reported as printed."""
        self.queued_answers = 0
        """Answers to queued requests so far."""
        self.texts: list[str] = []
        """Answers to GS I, such as maker and model."""

    def close(self) -> None:
        self._line.close()

    def write(self, data: bytes, until: float) -> None:
        """Hand over all of ``data`` until a moment of the clock. Raises line.WriteFailed."""
        self._line.write(data, until)

    def seconds_for(self, count: int) -> float:
        """How long ``count`` bytes take on the line at least; 10 bits a byte on a serial one."""
        return 10 * count / self._address.baud if self._address.kind == "serial" else 0.0

    def hear_pending(self) -> None:
        """Take what has already arrived. Raises DeviceUnavailable when the printer closed the connection."""
        while self._hear(0.0):
            pass

    def hear_until(self, is_done: Callable[[], bool], deadline: float) -> bool:
        """Listen until ``is_done`` or ``deadline``; whether it is done. Raises DeviceUnavailable."""
        while not is_done():
            wait_s = deadline - self._clock.monotonic()
            if wait_s <= 0 or not self._hear(wait_s):
                return is_done()
        return True

    def hear_out(self, is_done: Callable[[], bool], quiet_s: float) -> None:
        """Listen until ``is_done`` or until nothing came for ``quiet_s``. Raises DeviceUnavailable."""
        while not is_done() and self._hear(quiet_s):
            pass

    def ask(self, number: int, deadline: float) -> int | None:
        """The answer to DLE EOT ``number``, or None until ``deadline``. Raises DeviceUnavailable.

        One question at a time (Epson). Answers do not say to what: after one that did not come, whatever comes
        late is thrown away before the next question.
        """
        if self._is_out_of_step:
            self.hear_until(lambda: False, min(deadline, self._clock.monotonic() + 0.2))
        self.hear_pending()
        self._answers.clear()
        try:
            self.write(bytes((0x10, 0x04, number)), deadline)
        except WriteFailed as broken:
            if not broken.is_timeout:
                what = f"the connection to {self._line.where} is lost: {broken}"
                raise DeviceUnavailable(self._device, what) from broken
            return None
        self._is_out_of_step = not self.hear_until(lambda: bool(self._answers), deadline)
        return self._answers[0] if self._answers else None

    def _hear(self, wait_s: float) -> bool:
        """Read once, waiting at most ``wait_s``; False when nothing came."""
        data = self._line.read(wait_s)
        if not data:
            return False
        for frame in self._parser.feed(data):
            self._take(frame)
        return True

    def _take(self, frame: Frame) -> None:
        match frame:
            case RealTime(byte):
                self._answers.append(byte)
            case StatusBack(data):
                self.status_back = data
            case ProcessId(id=finished):
                self.finished_ids.add(finished)
            case Queued():
                self.queued_answers += 1
            case Block(header=0x5F, data=data):
                self.texts.append(data.decode("ascii", "replace"))
            case _:
                pass  # flow control and noise say nothing about a sheet
