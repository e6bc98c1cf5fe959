"""A line over TCP."""

from __future__ import annotations

import errno
import select
import socket

from drivers.line import WriteFailed
from kioskd.clock import MACHINE, DeviceClock
from kioskd.errors import DeviceUnavailable

__all__ = ["TcpLine"]

CONNECT_WITHIN_S = 3.0
READ_BYTES = 4096
WRITE_BYTES = 65536
"""At once, where the kernel takes it: what a process that is killed had handed over is still sent, whole."""
DEAD_AFTER_S = 10
"""How long the peer may leave bytes or keep-alives unacknowledged before the kernel ends the connection."""


class TcpLine:
    """One connection. Implements ``line.Line``."""

    def __init__(self, device: str, host: str, port: int, clock: DeviceClock = MACHINE) -> None:
        """Raises DeviceUnavailable."""
        self._device = device
        self._clock = clock
        self.where = f"{host}:{port}"
        self._has_heard = False
        try:
            self._socket = socket.create_connection((host, port), timeout=clock.real_s(CONNECT_WITHIN_S))
        except OSError as error:
            raise DeviceUnavailable(device, f"no connection to {self.where} {_why(error)}") from error
        options = {"TCP_NODELAY": 1, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3}
        for option, value in options.items():
            self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_S * 1000)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def close(self) -> None:
        self._socket.close()

    def write(self, data: bytes, until: float) -> None:
        sent = 0
        while sent < len(data):
            left_s = self._clock.real_s(until - self._clock.monotonic())
            self._socket.settimeout(max(left_s, 0.001))
            try:
                sent += self._socket.send(data[sent : sent + WRITE_BYTES])
            except OSError as error:
                what = f"{error.strerror or error}{self._perhaps_busy}"
                raise WriteFailed(sent, isinstance(error, TimeoutError), what) from error

    def read(self, within_s: float) -> bytes:
        try:
            if not self._is_readable(within_s):
                return b""
            data = self._socket.recv(READ_BYTES)
        except OSError as error:
            what = f"the connection to {self.where} is lost: {error.strerror or error}{self._perhaps_busy}"
            raise DeviceUnavailable(self._device, what) from error
        if not data:
            what = f"the printer at {self.where} closed the connection{self._perhaps_busy}"
            raise DeviceUnavailable(self._device, what)
        self._has_heard = True
        return data

    @property
    def _perhaps_busy(self) -> str:
        """A printer that takes one connection may end a second one at once."""
        return "" if self._has_heard else "; another computer may be using it"

    def wait(self, seconds: float) -> None:
        self._is_readable(seconds)

    def has_ended(self) -> bool:
        try:
            return self._is_readable(0) and not self._socket.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _is_readable(self, within_s: float) -> bool:
        poll = select.poll()  # select() can't take a socket numbered over 1023
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(max(self._clock.real_s(within_s), 0.0) * 1000))


def _why(error: OSError) -> str:
    """Why there is no connection, and what to look at. A printer that takes one connection refuses the second."""
    if error.errno == errno.ECONNREFUSED:
        return "(refused): it is on, but another computer may be using it, or the port number is wrong"
    return f"({error.strerror or error}): is it on, is the cable in?"
