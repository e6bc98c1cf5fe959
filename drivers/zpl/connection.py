"""One TCP connection to the printer. Every call has a deadline; a broken connection is ``DeviceUnavailable``."""

from __future__ import annotations

import select
import socket
import time

from kioskd.errors import DeviceUnavailable

__all__ = ["Connection", "WriteFailed"]

CONNECT_WITHIN_S = 3.0
GIVE_UP_AFTER_MS = 10_000
"""How long the other end may leave bytes unacknowledged: a cable was pulled (TCP_USER_TIMEOUT)."""
CHUNK_BYTES = 4096


class WriteFailed(Exception):
    """Not all bytes could be handed over; ``sent`` were."""

    def __init__(self, sent: int, what: str) -> None:
        super().__init__(what)
        self.sent = sent


class Connection:
    """Open from the start to ``close``. Raises DeviceUnavailable when the printer can't be reached."""

    def __init__(self, device: str, address: tuple[str, int]) -> None:
        self._device = device
        try:
            self._socket = socket.create_connection(address, CONNECT_WITHIN_S)
        except OSError as error:
            host, port = address
            reason = error.strerror or str(error)
            what = f"no connection to {host}:{port} ({reason}): is it on, is the cable in?"
            raise DeviceUnavailable(device, what) from None
        self._set_options()

    def _set_options(self) -> None:
        ours = self._socket
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3)
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GIVE_UP_AFTER_MS)

    def close(self) -> None:
        self._socket.close()

    def has_ended(self) -> bool:
        """Whether the printer has closed its end, without waiting and without taking a byte from the stream."""
        self._socket.setblocking(False)
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def write(self, data: bytes, within_s: float) -> None:
        """Hand over all of ``data``. Raises WriteFailed with the number of bytes that left this machine."""
        until = time.monotonic() + within_s
        sent = 0
        try:
            while sent < len(data):
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
                sent += self._socket.send(data[sent : sent + CHUNK_BYTES])
        except TimeoutError:
            raise WriteFailed(sent, f"it took no more bytes within {within_s:g} s") from None
        except OSError as error:
            raise WriteFailed(sent, f"the connection broke ({error.strerror or error})") from None

    def read(self, within_s: float) -> bytes:
        """What the printer sent, empty when nothing came within ``within_s``. Raises DeviceUnavailable at the end."""
        self._socket.settimeout(max(within_s, 0.001))
        try:
            data = self._socket.recv(CHUNK_BYTES)
        except TimeoutError:
            return b""
        except OSError as error:
            raise DeviceUnavailable(self._device, f"the connection broke ({error.strerror or error})") from None
        if not data:
            raise DeviceUnavailable(self._device, "the printer closed the connection")
        return data

    def wait(self, seconds: float) -> None:
        """Let ``seconds`` pass, less when the printer says something or goes."""
        poll = select.poll()  # select() can't take a socket numbered over 1023
        poll.register(self._socket, select.POLLIN)
        poll.poll(max(seconds, 0.0) * 1000)
