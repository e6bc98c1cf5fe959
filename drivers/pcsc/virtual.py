"""A simulated card in pcscd's virtual reader, as a program: real pcscd, real libpcsclite, no hardware.

::

    python -m drivers.pcsc.virtual --port 35963

The virtual reader (vpcd, Debian package vsmartcard-vpcd) listens on that port. A card that connects is in the reader,
one that closes the connection is out. Frames in both directions: u16 big endian length, then that many
bytes; a single byte from the reader is a control code, anything longer a command APDU.

Commands are JSON objects on stdin, one a line, each answered by ``{"ok": true}`` or ``{"ok": false, "error": ...}``::

    {"do": "insert", "card": "anna-huber", "delay_ms": 0, "remove_after_apdus": 7, "silent_after_apdus": 5}
                                                                                      the last three are optional
    {"do": "swap", "card": "samuel-okafor", "after_apdus": 7, "unnoticed": false}     the last two are optional
    {"do": "remove"}

What happens is written as it happens: ``{"event": "inserted", "card": ...}`` and ``{"event": "removed", "card": ...,
"apdus": 14, "apdu_ms": 1.2, "span_ms": 3.4}`` with the number of APDUs of that insertion, the time that the card
spent on them, and the time from the first to the last. When pcscd dies, a card that is in stays in and connects again.

``remove_after_apdus`` pulls the card as the next APDU arrives, unanswered; with ``silent_after_apdus`` it stays in and
never answers again. A swap that is ``unnoticed`` keeps
the connection: from outside it is one card with other contents, as when a real reader misses the change.

The program ends when stdin is closed or its parent dies.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from drivers.cards.image import CardImage
from drivers.cards.synthetic import sample_image

DEFAULT_PORT = 35963
_POWER_OFF, _POWER_ON, _RESET, _GET_ATR = 0, 1, 2, 4
_RECONNECT_EVERY_S = 0.02
_PR_SET_PDEATHSIG = 1


@dataclass
class _Change:
    """What a card does by itself when the APDU after the ``after_apdus``-th one of its insertion arrives."""

    after_apdus: int
    to: tuple[str, CardImage] | None
    """Another card, or None: it is pulled."""
    is_unnoticed: bool = False


@dataclass
class _InsertedCard:
    """One card from insertion to removal, and what it went through."""

    card_id: str
    image: CardImage
    delay_s: float = 0
    change: _Change | None = None
    silent_after: int | None = None
    """After so many APDUs it answers nothing any more."""
    following: _InsertedCard | None = None
    """The card that takes its place as soon as it is out."""
    is_out: threading.Event = field(default_factory=threading.Event)
    apdus: int = 0
    apdu_s: float = 0
    first_at: float = 0
    last_at: float = 0

    def count_apdu(self, began_at: float) -> None:
        self.last_at = time.monotonic()
        self.first_at = self.first_at or began_at
        self.apdu_s += self.last_at - began_at
        self.apdus += 1


class VirtualReaderSlot:
    """The slot of one virtual reader: at most one card is in. ``tell`` gets the events."""

    def __init__(self, port: int, tell: Callable[[dict[str, Any]], None]) -> None:
        self._port = port
        self._tell = tell
        self._lock = threading.Lock()
        self._card: _InsertedCard | None = None
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def insert(
        self,
        card_id: str,
        delay_ms: float = 0,
        remove_after_apdus: int | None = None,
        silent_after_apdus: int | None = None,
    ) -> None:
        """Put a card in. Raises KeyError (no such card) or ValueError (there is one in)."""
        change = None if remove_after_apdus is None else _Change(remove_after_apdus, None)
        card = _InsertedCard(card_id, sample_image(card_id), delay_ms / 1000, change, silent_after_apdus)
        with self._lock:
            if self._card is not None:
                raise ValueError(f"the card {self._card.card_id} is in the reader already")
            self._card = card
        self._join()
        self._thread = threading.Thread(target=self._hold, args=(card,), name="virtual-card", daemon=True)
        self._thread.start()

    def swap(self, card_id: str, after_apdus: int | None = None, unnoticed: bool = False) -> None:
        """Exchange the card that is in, at once or after that many APDUs. Raises KeyError or ValueError."""
        image = sample_image(card_id)
        with self._lock:
            card = self._card
            if card is None:
                raise ValueError("there is no card in the reader to swap")
            if after_apdus is not None:
                card.change = _Change(after_apdus, (card_id, image), unnoticed)
                return
        self.remove()
        self.insert(card_id, card.delay_s * 1000)

    def remove(self) -> None:
        """Take the card out; nothing happens when there is none."""
        with self._lock:
            if self._card is not None:
                self._card.following = None
                self._card.is_out.set()
            if self._socket is not None:
                with suppress(OSError):
                    # Wakes the thread that waits for the next frame; an error: the reader was faster.
                    self._socket.shutdown(socket.SHUT_RDWR)
        self._join()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _hold(self, first: _InsertedCard) -> None:
        """The thread of a card and of those that take its place: connected while one is in and pcscd is there."""
        card: _InsertedCard | None = first
        while card is not None:
            while not card.is_out.is_set():
                self._connect_and_serve(card)
            with self._lock:
                self._card = card.following
            self._tell(_removed(card))
            card = card.following

    def _connect_and_serve(self, card: _InsertedCard) -> None:
        try:
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=1)
        except OSError:
            # pcscd is away; the card stays where it is.
            card.is_out.wait(_RECONNECT_EVERY_S)
            return
        with connection:
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if card.is_out.is_set():
                    return
                self._socket = connection
            self._tell({"event": "inserted", "card": card.card_id})
            try:
                self._serve(connection, card)
            except OSError:
                return
            finally:
                with self._lock:
                    self._socket = None

    def _serve(self, connection: socket.socket, card: _InsertedCard) -> None:
        """Answer the reader until one side closes. Raises OSError when the connection breaks."""
        session = card.image.power_on()
        while (frame := _receive(connection)) is not None:
            if len(frame) == 1:
                if frame[0] == _GET_ATR:
                    _send(connection, card.image.atr)
                elif frame[0] in (_POWER_ON, _RESET, _POWER_OFF):
                    session = card.image.power_on()
                continue
            change = card.change
            if change is not None and card.apdus >= change.after_apdus:
                if not change.is_unnoticed:
                    self._pull(card, change)
                    return
                if change.to is not None:
                    card.card_id, card.image = change.to
                card.change, session = None, card.image.power_on()
            if card.silent_after is not None and card.apdus >= card.silent_after:
                _wait_until_closed(connection)
                return
            began_at = time.monotonic()
            answer = session.respond(frame)
            if card.delay_s and card.is_out.wait(card.delay_s):
                return
            _send(connection, answer)
            card.count_apdu(began_at)

    def _pull(self, card: _InsertedCard, change: _Change) -> None:
        """Out it goes by itself, unless a hand was faster."""
        with self._lock:
            if not card.is_out.is_set():
                card.following = _InsertedCard(*change.to, delay_s=card.delay_s) if change.to else None
                card.is_out.set()


def _removed(card: _InsertedCard) -> dict[str, Any]:
    span_s = card.last_at - card.first_at
    times = {"apdu_ms": round(card.apdu_s * 1000, 2), "span_ms": round(span_s * 1000, 2)}
    return {"event": "removed", "card": card.card_id, "apdus": card.apdus, **times}


def _receive(connection: socket.socket) -> bytes | None:
    """The next frame, or None when the reader has closed the connection."""
    header = _receive_exactly(connection, 2)
    return _receive_exactly(connection, int.from_bytes(header, "big")) if header else None


def _receive_exactly(connection: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        # vpcd sends length and body in two segments; an acknowledgement held back would cost 44 ms each time, and the
        # kernel falls back to holding it back by itself.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        more = connection.recv(count - len(data))
        if not more:
            return None
        data += more
    return data


def _wait_until_closed(connection: socket.socket) -> None:
    """By the reader that gave up or died, or by the hand that takes the card out."""
    while connection.recv(256):
        pass


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(len(data).to_bytes(2, "big") + data)


def _end_with_parent() -> None:
    """Have the kernel tell us when the parent dies, should stdin be held open by somebody else.

    The signal comes when the parent's *thread* that started us ends; only a new parent process means that it died.
    """
    parent = os.getppid()

    def end_if_orphaned(signum: int, frame: object) -> None:
        if os.getppid() != parent:
            # The kernel closes the connection, and nobody is left to be told.
            os._exit(0)

    signal.signal(signal.SIGUSR1, end_if_orphaned)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)


def _obey(slot: VirtualReaderSlot, command: dict[str, Any]) -> None:
    """Carry out one command. Raises KeyError, TypeError or ValueError with what is wrong with it."""
    match command.pop("do", None):
        case "insert":
            slot.insert(command.pop("card"), **command)
        case "swap":
            slot.swap(command.pop("card"), **command)
        case "remove":
            slot.remove()
        case other:
            raise ValueError(f"no command is called {other!r}; there are insert, swap, remove")


def main() -> None:
    """The program; see the module's docstring."""
    parser = argparse.ArgumentParser(description="A simulated chip card in pcscd's virtual reader.")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the virtual reader on 127.0.0.1")
    port = parser.parse_args().port
    _end_with_parent()
    writing = threading.Lock()

    def tell(what: dict[str, Any]) -> None:
        with writing:
            sys.stdout.write(json.dumps(what) + "\n")
            sys.stdout.flush()

    slot = VirtualReaderSlot(port, tell)
    for line in sys.stdin:
        try:
            _obey(slot, json.loads(line))
        except (KeyError, TypeError, ValueError) as error:
            tell({"ok": False, "error": str(error)})
        else:
            tell({"ok": True})
    slot.remove()


if __name__ == "__main__":
    main()
