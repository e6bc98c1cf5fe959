"""The network board of the virtual printer: one TCP connection at a time, and what can go wrong with it."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Literal

from kioskd.clock import MACHINE, DeviceClock

__all__ = ["End", "Wire"]

End = Literal["reset", "close", "silence"]
"""How a connection ends: by RST, by FIN, or by a dead network board that takes bytes and does nothing with them."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Wire:
    """Listens on a loopback address and hands what comes in to ``on_bytes``, on its own thread.

    ``on_bytes`` may block: then the client sees a full receive buffer. ``on_connect`` is called for every client.
    """

    def __init__(
        self,
        address: tuple[str, int],
        on_connect: Callable[[], None],
        on_bytes: Callable[[bytes], None],
        clock: DeviceClock = MACHINE,
    ) -> None:
        self._clock = clock
        self._on_connect = on_connect
        self._on_bytes = on_bytes
        self._lock = Lock()
        self._client: socket.socket | None = None
        self._drop_in: int | None = None
        self._drop_as: End = "reset"
        self._over = Event()
        self._is_free = Event()
        self._is_free.set()
        self.bytes_per_s: float | None = None
        self.is_deaf = False
        """Takes bytes off the line and does nothing with them."""
        self.idle_s: float | None = None
        """Closes a connection over which nothing came for so long."""
        self.turns_away = False
        """Closes the connection of a second client at once; else that waits until the first is gone."""
        self._listener = socket.create_server(address, backlog=1)
        self.port: int = self._listener.getsockname()[1]
        self._thread = Thread(target=self._serve, name="virtual-printer-wire", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self.hang_up()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        self._thread.join(5)

    @property
    def is_connected(self) -> bool:
        with self._lock:
            return self._client is not None

    def answer(self, data: bytes) -> bool:
        """Send to the client, and whether there was one that could take it. Never waits."""
        with self._lock:
            if self._client is None or self.is_deaf:
                return False
            try:
                return self._client.send(data, socket.MSG_DONTWAIT) == len(data)
            except OSError:
                return False

    def hang_up(self, within_s: float = 0.0) -> None:
        """End the present connection, and wait until nothing more comes from it."""
        with self._lock:
            if self._client is not None:
                with suppress(OSError):
                    self._client.shutdown(socket.SHUT_RDWR)  # wakes recv
        self._is_free.wait(within_s)

    def wait_until_free(self, seconds: float) -> bool:
        """Whether the connection was over within ``seconds``."""
        return self._is_free.wait(seconds)

    def drop_after(self, count: int, end: End) -> None:
        """End the connection when ``count`` more bytes were taken; the rest is lost."""
        with self._lock:
            self._drop_in, self._drop_as = count, end

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._client = client
                self._is_free.clear()
            try:
                self._on_connect()
                self._listen(client)
            finally:
                with self._lock:
                    self._client = None
                client.close()
                self._is_free.set()

    def _listen(self, client: socket.socket) -> None:
        while not self._over.is_set():
            if self._left(client) == 0 or not self._is_heard(client):
                return
            left = self._left(client)  # it may have been set while we waited
            if left == 0:
                return
            rate = self.bytes_per_s
            most = 4096 if rate is None else max(1, int(rate / 20))
            try:
                data = client.recv(most if left is None else min(most, left))
            except OSError:
                return
            if not data:
                return
            with self._lock:
                if self._drop_in is not None:
                    self._drop_in = max(self._drop_in - len(data), 0)
            step = len(data) if rate is None else max(1, int(rate / 20))
            for part in (data[i : i + step] for i in range(0, len(data), step)):
                if not self.is_deaf:
                    self._on_bytes(part)
                if rate is not None:
                    self._over.wait(self._clock.real_s(len(part) / rate))

    def _left(self, client: socket.socket) -> int | None:
        """How many bytes may still be taken, None for any number; at 0 the connection is to be closed."""
        with self._lock:
            left = self._drop_in
            if left != 0:
                return left
            self._drop_in = None
            if self._drop_as == "silence":
                self.is_deaf = True
                return None
            if self._drop_as == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                return 0
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while client.recv(4096):  # or the kernel would send RST for what nobody read
                pass
        return 0

    def _is_heard(self, client: socket.socket) -> bool:
        """Wait for bytes, and turn others away meanwhile; False when the line was idle for too long."""
        while True:
            poll = select.poll()
            poll.register(client, select.POLLIN)
            if self.turns_away:
                poll.register(self._listener, select.POLLIN)
            ready = [number for number, _ in poll.poll(self._idle_ms())]
            if client.fileno() in ready:
                return True
            if not ready:
                return self.idle_s is None
            with suppress(OSError):
                self._listener.accept()[0].close()

    def _idle_ms(self) -> float | None:
        idle_s = self.idle_s
        return None if idle_s is None else self._clock.real_s(idle_s) * 1000
