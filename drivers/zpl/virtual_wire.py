"""The virtual printer's ports and the connections through them: threads and blocking sockets, as in a driver."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from enum import Enum
from threading import Event, Lock, Thread
from time import monotonic
from typing import Protocol

from kioskd.clock import DeviceClock

__all__ = ["Break", "Client", "Door", "Inside"]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Break(Enum):
    """How a connection ends."""

    RESET = "reset"
    CLOSE = "closed in order"
    SILENCE = "stays open; nothing flows any more, either way"


class Inside(Protocol):
    """The printer behind the wire."""

    def wait_for_room(self, client: Client) -> None:
        """Return when the receive buffer has room, or when the connection is over anyway."""

    def receive(self, data: bytes, connected_at: float) -> tuple[bytes, Break | None]:
        """Take ``data`` in; the answer, and how the connection ends behind it, if it does."""

    def cut_answer(self, data: bytes) -> tuple[bytes, Break | None]:
        """What of an answer goes out, and how the connection ends behind it, if it does."""

    def wake(self) -> None:
        """Something about a connection has changed."""


class Client(Thread):
    """One host's connection: reads, answers, and outlives nothing."""

    def __init__(self, inside: Inside, connection: socket.socket, clock: DeviceClock) -> None:
        super().__init__(name="virtual wristband printer: connection", daemon=True)
        self.is_mute = False
        self.is_over = False
        self.drip_b_s: float | None = None
        """Bytes a second in which answers come, or all at once."""
        self.heard_at = clock.monotonic()
        self.has_left = Event()
        self._inside = inside
        self._connection = connection
        self._clock = clock
        self._connected_at = monotonic()

    def run(self) -> None:
        with suppress(OSError):  # the host went away, or the printer was switched off
            while data := self._recv():
                if self.is_mute:
                    continue
                self.heard_at = self._clock.monotonic()
                answer, ending = self._inside.receive(data, self._connected_at)
                if ending is None and answer:
                    answer, ending = self._inside.cut_answer(answer)
                    self._send(answer)
                if ending is not None:
                    self.end(ending)
        self._connection.close()
        self.has_left.set()

    def _recv(self) -> bytes:
        self._inside.wait_for_room(self)
        return b"" if self.is_over else self._connection.recv(4096)

    def _send(self, answer: bytes) -> None:
        while answer and not (self.is_mute or self.is_over):
            rate = self.drip_b_s
            if rate is None:
                self._connection.sendall(answer)
                return
            self.has_left.wait(self._clock.real_s(1 / rate))
            self._connection.sendall(answer[:1])
            answer = answer[1:]

    def end(self, how: Break) -> None:
        """Break off, waking the thread that reads."""
        if how is Break.SILENCE:
            self.is_mute = True
            return
        self.is_over = True
        self._inside.wake()
        with suppress(OSError):
            if how is Break.RESET:
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self._connection.shutdown(socket.SHUT_RD)
            else:
                self._connection.shutdown(socket.SHUT_RDWR)


class Door:
    """One TCP port on 127.0.0.1. With ``idle_s`` it is one host's alone: others are refused until that one left or
    was silent for so long, and then the next one takes its place (Zebra: ``ip.port_single_conn``).
    """

    def __init__(self, inside: Inside, port: int, clock: DeviceClock, idle_s: float | None = None) -> None:
        self.port = port
        self.drip_b_s: float | None = None
        self._inside = inside
        self._clock = clock
        self._idle_s = idle_s
        self._lock = Lock()
        self._clients: list[Client] = []
        self._listener: socket.socket | None = None
        self._is_open = False
        self._accepting: Thread | None = None

    @property
    def clients(self) -> list[Client]:
        """The connections that are still there."""
        with self._lock:
            self._clients = [client for client in self._clients if not client.has_left.is_set()]
            return list(self._clients)

    def open(self) -> None:
        """Listen. With port 0 the system chooses one, which stays."""
        self._is_open = True
        self._listen()
        self._accepting = Thread(target=self._accept, daemon=True, name="virtual wristband printer: port")
        self._accepting.start()

    def close(self) -> None:
        """Reset every connection and stop listening. MAY be called again."""
        self._is_open = False
        with self._lock:
            self._stop_listening()
        for client in self.clients:
            client.end(Break.RESET)
        if self._accepting is not None:
            self._accepting.join()
            self._accepting = None
        for client in self.clients:
            client.end(Break.RESET)
            client.join()

    def _listen(self) -> None:
        with self._lock:
            if self._is_open:
                self._listener = socket.create_server(("127.0.0.1", self.port))
                self.port = self._listener.getsockname()[1]

    def _stop_listening(self) -> None:
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        while self._is_open:
            listener = self._listener
            try:
                if listener is None:
                    return
                connection, _ = listener.accept()
            except OSError:  # it was shut down
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(self._inside, connection, self._clock)
            client.drip_b_s = self.drip_b_s
            earlier = self.clients
            with self._lock:
                self._clients.append(client)
            if self._idle_s is not None:
                for other in earlier:
                    other.end(Break.RESET)
            client.start()
            if self._idle_s is not None:
                self._keep_for(client, self._idle_s)

    def _keep_for(self, client: Client, idle_s: float) -> None:
        """Refuse others until this host has left, or was silent for long."""
        with self._lock:
            self._stop_listening()
        while self._is_open:
            left_s = client.heard_at + idle_s - self._clock.monotonic()
            if left_s <= 0 or client.has_left.wait(self._clock.real_s(left_s)):
                break
        self._listen()
