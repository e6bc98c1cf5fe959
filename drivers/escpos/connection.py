"""One TCP connection to a printer, from connect to close, and everything that was heard on it."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from time import monotonic

from drivers.escpos.status import Block, Frame, FrameParser, ProcessId, Queued, RealTime, StatusBack
from kioskd.errors import DeviceUnavailable

__all__ = ["Connection", "SendBroken"]

CONNECT_WITHIN_S = 3.0
CHUNK_BYTES = 4096
DEAD_AFTER_S = 10
"""How long the peer may leave our bytes or keep-alives unacknowledged before the kernel ends the connection."""


class SendBroken(Exception):
    """A write stopped early. ``sent``: bytes the kernel has taken, and that may have reached the printer."""

    def __init__(self, sent: int, is_timeout: bool, what: str) -> None:
        super().__init__(what)
        self.sent = sent
        self.is_timeout = is_timeout


class Connection:
    """A socket and the frames read from it. Never connects again by itself: a new connection is a new object."""

    def __init__(self, device: str, address: tuple[str, int]) -> None:
        """Raises DeviceUnavailable."""
        self._device = device
        self._where = f"{address[0]}:{address[1]}"
        try:
            self._socket = socket.create_connection(address, timeout=CONNECT_WITHIN_S)
        except OSError as error:
            raise DeviceUnavailable(device, f"no connection to {self._where}: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 3), ("TCP_KEEPCNT", 3)):
            self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_S * 1000)
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
        self._socket.close()

    def write(self, data: bytes, deadline: float) -> None:
        """Hand all of ``data`` to the kernel until ``deadline`` (``time.monotonic``). Raises SendBroken."""
        sent = 0
        while sent < len(data):
            self._socket.settimeout(max(deadline - monotonic(), 0.001))
            try:
                sent += self._socket.send(data[sent : sent + CHUNK_BYTES])
            except OSError as error:
                raise SendBroken(sent, isinstance(error, TimeoutError), str(error)) from error

    def hear_pending(self) -> None:
        """Take what has already arrived. Raises DeviceUnavailable when the printer closed the connection."""
        while self._hear(0.0):
            pass

    def hear_until(self, is_done: Callable[[], bool], deadline: float) -> bool:
        """Listen until ``is_done`` or ``deadline``; whether it is done. Raises DeviceUnavailable."""
        while not is_done():
            wait_s = deadline - monotonic()
            if wait_s <= 0 or not self._hear(wait_s):
                return is_done()
        return True

    def ask(self, number: int, deadline: float) -> int | None:
        """The answer to DLE EOT ``number``, or None until ``deadline``. Raises DeviceUnavailable.

        One question at a time (Epson). Answers do not say to what: after one that did not come, whatever comes
        late is thrown away before the next question.
        """
        if self._is_out_of_step:
            self.hear_until(lambda: False, min(deadline, monotonic() + 0.2))
        self.hear_pending()
        self._answers.clear()
        try:
            self.write(bytes((0x10, 0x04, number)), deadline)
        except SendBroken as broken:
            if not broken.is_timeout:
                raise DeviceUnavailable(self._device, f"the connection to {self._where} is lost: {broken}") from broken
            return None
        self._is_out_of_step = not self.hear_until(lambda: bool(self._answers), deadline)
        return self._answers[0] if self._answers else None

    def _hear(self, wait_s: float) -> bool:
        """Read once, waiting at most ``wait_s``; False when nothing came."""
        try:
            readable, _, _ = select.select([self._socket], [], [], wait_s)
            data = self._socket.recv(4096) if readable else None
        except (OSError, ValueError) as error:
            raise DeviceUnavailable(self._device, f"the connection to {self._where} is lost: {error}") from error
        if data is None:
            return False
        if not data:
            raise DeviceUnavailable(self._device, f"the printer at {self._where} closed the connection")
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
