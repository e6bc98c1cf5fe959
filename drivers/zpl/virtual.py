"""A wristband printer in software at the end of a real TCP port: for the demo, the lab page and the tests.

It keeps what decides whether a band is lost or doubled: a receive buffer that holds formats back while media is out,
a parser whose half-received format survives the connection, a motor with a speed, ``^JZ``, and an odometer that
outlives the power. Threads and blocking sockets, as the drivers themselves.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic
from typing import Literal, Self

from drivers.zpl.virtual_input import Control, Format, GetVariable, Interpreter
from drivers.zpl.virtual_mechanics import Mechanics
from kioskd.clock import MACHINE, DeviceClock

__all__ = ["VirtualWristbandPrinter"]

SPEED_MM_S = 102.0
"""4 inches a second, the fastest of the ZD510-HC."""
RECEIVE_BUFFER_BYTES = 1_000_000
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class VirtualWristbandPrinter:
    """A Zebra with a wristband cartridge, listening on 127.0.0.1.

    ``mechanical`` False prints a band the moment it is whole. ``is_silent_in_fault``: ``~HS`` and ``~HQES`` are not
    answered while media is out or the head is open, which Zebra documents for many models. ``has_odometer`` False:
    firmware without that variable. ``clock``: what the motor's speed is measured on; what a caller waits for is in the
    machine's seconds. Everything may be called from any thread.
    """

    def __init__(
        self,
        port: int = 0,
        mechanical: bool = True,
        dpi: Literal[203, 300, 600] = 300,
        *,
        speed_mm_s: float = SPEED_MM_S,
        is_silent_in_fault: bool = False,
        has_odometer: bool = True,
        odometer: int = 1000,
        model: str = "ZD510-300dpi",
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
        clock: DeviceClock = MACHINE,
    ) -> None:
        self.port = port
        self.is_silent_in_fault = is_silent_in_fault
        self._dpi = dpi
        self._model = model
        self._has_odometer = has_odometer
        self._receive_buffer_bytes = receive_buffer_bytes
        self._mechanics = Mechanics(dpi, speed_mm_s if mechanical else None, odometer, clock)
        self._interpreter = Interpreter()
        self._lock = Lock()  # of the interpreter and the list of clients
        self._clients: list[_Client] = []
        self._listener: socket.socket | None = None
        self._accepting: Thread | None = None
        self._drop_after: tuple[int, bool] | None = None

    # --- power -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Switch on. With port 0 the system chooses one, which stays."""
        self._mechanics.start()
        self._listen()

    def stop(self) -> None:
        """Switch off for good and end every thread; MAY be called again."""
        self._hang_up()
        self._mechanics.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def power_cycle(self) -> None:
        """Off and on: connections, formats and settings are gone; the odometer and the port are not."""
        self._hang_up()
        with self._lock:
            self._interpreter.forget()
        self._mechanics.lose_power()
        self._listen()

    # --- what a person does, and sees --------------------------------------------------------------------------

    def set_paper(self, has_paper: bool) -> None:
        self._mechanics.set(has_paper=has_paper)

    def set_lid(self, is_open: bool) -> None:
        self._mechanics.set(is_lid_open=is_open)

    def set_paused(self, is_paused: bool) -> None:
        self._mechanics.set(is_paused=is_paused)

    def set_speed(self, mm_s: float | None) -> None:
        """How fast bands move from the next one on; None: in no time."""
        self._mechanics.set_speed(mm_s)

    def tear_off(self) -> int:
        """Take the bands that hang out of the printer; how many they were."""
        with self._mechanics.changed:
            taken, self._mechanics.hanging = self._mechanics.hanging, 0
            return taken

    @property
    def sheets(self) -> tuple[bytes, ...]:
        """The format of each band that came out since the start."""
        with self._mechanics.changed:
            return tuple(self._mechanics.printed)

    @property
    def connected_at(self) -> tuple[float, ...]:
        """For each of ``sheets``: ``time.monotonic()`` at which the connection began that sent its end."""
        with self._mechanics.changed:
            return tuple(self._mechanics.connected_at)

    def sheet_png(self, number: int) -> bytes:
        """A picture of band ``number`` (1 is the first). Raises IndexError."""
        from drivers.zpl.virtual_picture import band_png

        if number < 1:
            raise IndexError("bands are numbered from 1")
        return band_png(self.sheets[number - 1], self._dpi)

    def wait_for_sheets(self, count: int, seconds: float) -> bool:
        """Whether ``count`` bands or more are out, waiting at most ``seconds``."""
        with self._mechanics.changed:
            return self._mechanics.changed.wait_for(lambda: len(self._mechanics.printed) >= count, seconds)

    def wait_until_printing(self, seconds: float) -> bool:
        """Whether the motor runs, waiting at most ``seconds``."""
        with self._mechanics.changed:
            return self._mechanics.changed.wait_for(lambda: self._mechanics.is_printing, seconds)

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether every format that came in is printed, waiting at most ``seconds``; half a one may be left."""
        with self._mechanics.changed:
            return self._mechanics.changed.wait_for(lambda: self._mechanics.is_idle, seconds)

    @property
    def odometer(self) -> int:
        return self._mechanics.odometer

    @property
    def has_paper(self) -> bool:
        return self._mechanics.has_paper

    @property
    def is_lid_open(self) -> bool:
        return self._mechanics.is_lid_open

    @property
    def is_printing(self) -> bool:
        return self._mechanics.is_printing

    @property
    def spoiled(self) -> int:
        """Bands that a fault cut short."""
        return self._mechanics.spoiled

    # --- faults ------------------------------------------------------------------------------------------------

    def drop_after(self, count: int, with_reset: bool = True) -> None:
        """Break the connections once ``count`` more bytes came in; what comes behind them is lost. Once only."""
        with self._lock:
            self._drop_after = (count, with_reset)

    def go_mute(self) -> None:
        """The present connections stay open and are neither read nor answered any more, as behind a dead switch."""
        with self._lock:
            for client in self._clients:
                client.is_mute = True

    def print_foreign_label(self) -> None:
        """Another host prints a label."""
        self._mechanics.print_foreign()

    # --- the wire ----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._accepting = Thread(target=self._accept, args=(listener,), daemon=True, name="virtual wristband printer")
        self._accepting.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client = _Client(self, connection)
                with self._lock:
                    self._clients.append(client)
                client.start()

    def _hang_up(self) -> None:
        if self._listener is not None and self._accepting is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._accepting.join()
            self._listener = None
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.end(with_reset=True)
            client.join()

    def _receive(self, data: bytes, connected_at: float) -> tuple[bytes, bool | None]:
        """Take ``data`` in; the answer, and whether to reset (True) or close (False) the connection behind it."""
        with self._lock:
            drops: bool | None = None
            if self._drop_after is not None:
                count, with_reset = self._drop_after
                self._drop_after = (count - len(data), with_reset)
                if len(data) >= count:
                    data, drops, self._drop_after = data[:count], with_reset, None
            answers = [self._obey(command, connected_at) for command in self._interpreter.feed(data)]
            return b"".join(answers), drops

    def _obey(self, command: Control | GetVariable | Format, connected_at: float) -> bytes:
        match command:
            case Format():
                self._mechanics.take(command, connected_at)
            case GetVariable(name):
                return b'"' + self._variable(name).encode() + b'"'
            case Control("JA"):
                self._mechanics.cancel_all()
            case Control("PP" | "PS"):
                self._mechanics.set(is_paused=command.name == "PP")
            case Control("HI"):
                per_mm = {203: 8, 300: 12, 600: 24}[self._dpi]
                return f"\x02{self._model},V84.20.23Z,{per_mm},8192KB\x03\r\n".encode()
            case Control("HS" | "HQES") if not (self.is_silent_in_fault and self._mechanics.has_fault):
                return self._host_status() if command.name == "HS" else self._extended_status()
        return b""

    def _variable(self, name: str) -> str:
        """An SGD value; ``?`` for a name that this firmware does not know."""
        known = {
            "head.resolution.in_dpi": str(self._dpi),
            "head.latch": "open" if self.is_lid_open else "ok",
            "device.unique_id": "VIRTUAL0001",
            "device.pause": "1" if self._mechanics.is_paused else "0",
        }
        if self._has_odometer:
            known["odometer.total_label_count"] = str(self.odometer)
        return known.get(name, "?")

    def _host_status(self) -> bytes:
        motor = self._mechanics
        with motor.changed:
            first = (
                f"030,{not motor.has_paper:d},{motor.is_paused:d},3295,{motor.formats_waiting:03},{self.is_full:d},0,"
                f"{self._interpreter.is_format_partial:d},000,0,0,0"
            )
            second = f"001,0,{motor.is_lid_open:d},0,0,2,4,0,{motor.labels_remaining:08},1,000"
        return b"".join(f"\x02{text}\x03\r\n".encode() for text in (first, second, "1234,0"))

    def _extended_status(self) -> bytes:
        errors = (not self.has_paper) + 4 * self.is_lid_open
        lines = ("", "PRINTER STATUS", f"ERRORS: {errors > 0:d} 00000000 {errors:08X}", "WARNINGS: 0 00000000 00000000")
        return b"\x02" + "\r\n".join(lines).encode() + b"\r\n\x03\r\n"

    @property
    def is_full(self) -> bool:
        """Whether the receive buffer takes no more, so that a sender is held up."""
        return self._mechanics.bytes_waiting >= self._receive_buffer_bytes

    def _wait_for_room(self, client: _Client) -> None:
        """Return when the receive buffer has room, or when the connection is over anyway."""
        with self._mechanics.changed:
            self._mechanics.changed.wait_for(lambda: client.is_over or not self.is_full)

    def _wake(self) -> None:
        with self._mechanics.changed:
            self._mechanics.changed.notify_all()

    def _forget(self, client: _Client) -> None:
        with self._lock:
            self._clients = [other for other in self._clients if other is not client]


class _Client(Thread):
    """One host's connection: reads, answers, and outlives nothing."""

    def __init__(self, printer: VirtualWristbandPrinter, connection: socket.socket) -> None:
        super().__init__(name="virtual wristband printer: connection", daemon=True)
        self.is_mute = False
        self.is_over = False
        self._printer = printer
        self._connection = connection
        self._connected_at = monotonic()

    def run(self) -> None:
        with suppress(OSError):  # the host went away, or the printer was switched off
            while data := self._recv():
                if self.is_mute:
                    continue
                answer, drops = self._printer._receive(data, self._connected_at)
                if drops is not None:
                    self.end(with_reset=drops)
                    break
                if answer:
                    self._connection.sendall(answer)
        self._connection.close()
        self._printer._forget(self)

    def _recv(self) -> bytes:
        self._printer._wait_for_room(self)
        return self._connection.recv(4096)

    def end(self, with_reset: bool) -> None:
        """Break off, waking the thread that reads."""
        self.is_over = True
        self._printer._wake()
        with suppress(OSError):
            if with_reset:
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self._connection.shutdown(socket.SHUT_RD)
            else:
                self._connection.shutdown(socket.SHUT_RDWR)
