"""A ticket printer in software, at the end of a real TCP socket: paper, lid, buffer, a mechanical clock, and faults.

It behaves as Epson describes a TM printer: real-time requests are answered on receipt, everything else is worked off
in order from the receive buffer, at the speed of the paper, and held while there is no paper or the cover is open.
It outlives its clients, as a printer does: what one connection sent is printed after that connection is gone, and half
a command waits for the bytes of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition, Thread
from time import monotonic

from drivers.escpos.virtual_commands import REAL_TIME, Command, take_command
from drivers.escpos.virtual_paper import Paper, Sheet
from drivers.escpos.virtual_wire import Wire
from kioskd.clock import MACHINE, DeviceClock

__all__ = ["Sheet", "VirtualTicketPrinter"]

DOTS_PER_MM = 8
CUT_S = 0.25
LONGEST_REAL_TIME = 10
KEPT_COMMANDS = 10_000
_CUTS = {b"\x1dV", b"\x1bi", b"\x1bm"}


class VirtualTicketPrinter:
    """``start`` it and connect to 127.0.0.1:``port``. Every method may be called from any thread."""

    def __init__(
        self,
        port: int = 0,
        paper: bool = True,
        mechanical: bool = True,
        supports_process_id: bool = True,
        supports_fence: bool = True,
        supports_status_back: bool = True,
        width_dots: int = 576,
        speed_mm_s: float = 150.0,
        buffer_bytes: int = 65536,
        model: str = "TM-T20III",
        clock: DeviceClock = MACHINE,
    ) -> None:
        """``port`` 0: chosen by the OS at ``start``. ``mechanical`` False: paper moves in no time.

        ``clock``: what the paper's speed is measured on; what a caller waits for is in the machine's seconds.
        """
        self.port = port
        self._clock = clock
        self.is_silent = False
        """Answers no real-time request, but prints."""
        self._mechanical = mechanical
        self._supports_process_id = supports_process_id
        self._supports_fence = supports_fence
        self._supports_status_back = supports_status_back
        self._speed_mm_s = speed_mm_s
        self._buffer_bytes = buffer_bytes
        self._model = model
        self._changed = Condition()
        self._has_paper = paper
        self._is_near_end = False
        self._is_lid_open = False
        self._is_cutter_jammed = False
        self._is_over = False
        self._is_off = False
        self._is_busy = False
        self._buffer = bytearray()
        self._received = 0
        """Bytes that ever came into the buffer."""
        self._connections: deque[tuple[int, float]] = deque([(0, 0.0)])
        """From which of these bytes on each connection sent, and when it began; the one in work first."""
        self._unread_real_time = b""
        """The end of what was received, in which a real-time command may have begun."""
        self._pushes_status = False
        self._owed_id: bytes | None = None
        """The latest process id that nobody was connected to hear."""
        self._paper = Paper(width_dots)
        self._sheets: list[Sheet] = []
        self._scraps = 0
        self._commands: deque[Command] = deque(maxlen=KEPT_COMMANDS)
        self._real_time: list[bytes] = []
        self._wire: Wire | None = None
        self._worker: Thread | None = None

    # --- life ---

    def start(self) -> None:
        """Listen and print until ``stop``."""
        self._is_over = False
        self._buffer.clear()
        self._wire = Wire(self.port, self._connected, self._receive, self._clock)
        self.port = self._wire.port
        self._worker = Thread(target=self._work, name="virtual-printer-head", daemon=True)
        self._worker.start()
        self._wire.start()

    def stop(self) -> None:
        """Switch off. What is in the buffer is lost."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._wire is not None:
            self._wire.stop()
        if self._worker is not None:
            self._worker.join(5)

    def __enter__(self) -> VirtualTicketPrinter:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- what a person sees and does ---

    @property
    def sheets(self) -> list[Sheet]:
        """The sheets that came out since the start."""
        with self._changed:
            return list(self._sheets)

    @property
    def scraps(self) -> int:
        """Blank pieces that were cut off."""
        with self._changed:
            return self._scraps

    @property
    def has_paper(self) -> bool:
        return self._has_paper

    @property
    def is_lid_open(self) -> bool:
        return self._is_lid_open

    @property
    def is_printing(self) -> bool:
        """Whether there is something to print, or would be if the printer were ready."""
        with self._changed:
            return self._is_busy or bool(self._buffer)

    @property
    def held_bytes(self) -> int:
        """Bytes in the receive buffer."""
        return len(self._buffer)

    @property
    def commands(self) -> list[Command]:
        """What was worked off since the start, the latest 10,000."""
        with self._changed:
            return list(self._commands)

    @property
    def real_time_commands(self) -> list[bytes]:
        """What was obeyed on receipt, other than requests for status."""
        with self._changed:
            return list(self._real_time)

    def wait_for_sheets(self, count: int, seconds: float) -> bool:
        """Whether at least ``count`` sheets are out within ``seconds``."""
        return self.wait_until(lambda: len(self._sheets) >= count, seconds)

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether everything that could be worked off is, within ``seconds``; half a command may be left."""
        return self.wait_until(lambda: not self._is_busy and self._next() is None, seconds)

    def wait_until_free(self, seconds: float) -> bool:
        """Whether no client is connected, within ``seconds``."""
        return self._the_wire().wait_until_free(seconds)

    def wait_until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Whether a condition over this printer came true within ``seconds``."""
        with self._changed:
            return self._changed.wait_for(is_so, seconds)

    def sheet_png(self, number: int) -> bytes:
        """A picture of sheet ``number``, from 1. Raises IndexError."""
        if number < 1:
            raise IndexError(number)
        return self.sheets[number - 1].png()

    def tear_off(self) -> None:
        """Tear off what hangs out; printed paper that was not cut becomes a sheet."""
        with self._changed:
            if self._paper.has_print:
                self._finish_sheet(is_cut=False)

    def set_paper(self, has_paper: bool) -> None:
        """Take the roll out, or put one in."""
        with self._condition_changes():
            self._has_paper = has_paper

    def set_near_end(self, is_near_end: bool) -> None:
        """The sensor that sees the roll get thin."""
        with self._condition_changes():
            self._is_near_end = is_near_end

    def set_lid(self, is_open: bool) -> None:
        """Open or close the cover."""
        with self._condition_changes():
            self._is_lid_open = is_open

    def set_speed(self, mm_s: float | None) -> None:
        """How fast paper moves from the next command on; None: in no time."""
        with self._changed:
            self._mechanical = mm_s is not None
            self._speed_mm_s = mm_s or self._speed_mm_s

    # --- faults ---

    def set_cutter_jammed(self, is_jammed: bool) -> None:
        with self._condition_changes():
            self._is_cutter_jammed = is_jammed

    def set_half_open(self, is_half_open: bool) -> None:
        """Take connections and bytes, and do nothing with them, as behind a dead network board."""
        self._the_wire().is_deaf = is_half_open

    def set_receive_rate(self, bytes_per_s: float | None) -> None:
        """A slow network board; None for no limit."""
        self._the_wire().bytes_per_s = bytes_per_s

    def drop_after(self, count: int) -> None:
        """Reset the connection when ``count`` more bytes were taken; those are printed, the rest is lost."""
        self._the_wire().drop_after(count)

    def hang_up(self) -> None:
        """Close the connection, keep the buffer."""
        self._the_wire().hang_up()

    def power_cycle(self) -> None:
        """Off and on: connection, buffer and modes are gone, what is on paper is not."""
        with self._changed:
            self._is_off = True
            self._changed.notify_all()
        self._the_wire().hang_up(within_s=5)
        with self._changed:
            self._is_off = False
            self._buffer.clear()
            self._owed_id = None
            self._pushes_status = False
            self._paper.obey(Command(b"\x1b@"))
            self._changed.notify_all()

    # --- status, as Epson lays it out ---

    @property
    def _is_offline(self) -> bool:
        return not self._has_paper or self._is_lid_open or self._is_cutter_jammed

    @contextmanager
    def _condition_changes(self) -> Iterator[None]:
        with self._changed:
            before = self._status_block()
            yield
            if self._pushes_status and self._status_block() != before:
                self._answer(self._status_block())
            self._changed.notify_all()

    def _status_answer(self, number: int) -> int:
        """The byte that answers DLE EOT ``number``."""
        paper = (0 if self._has_paper else 0x6C) | (0x0C if self._is_near_end else 0)
        bits = {
            1: 0x08 if self._is_offline else 0,
            2: (0x04 if self._is_lid_open else 0)
            | (0 if self._has_paper else 0x20)
            | (0x40 if self._is_cutter_jammed else 0),
            3: 0x08 if self._is_cutter_jammed else 0,
            4: paper,
        }
        return 0x12 | bits[number]

    def _status_block(self) -> bytes:
        """The 4 bytes of automatic status back."""
        printer = 0x10 | (0x08 if self._is_offline else 0) | (0x20 if self._is_lid_open else 0)
        paper = (0 if self._has_paper else 0x0F) | (0x03 if self._is_near_end else 0)
        return bytes((printer, 0x08 if self._is_cutter_jammed else 0, paper, 0))

    # --- what comes in ---

    def _the_wire(self) -> Wire:
        if self._wire is None:
            raise RuntimeError("the virtual printer was not started")
        return self._wire

    def _answer(self, data: bytes) -> bool:
        return self._wire is not None and self._wire.answer(data)

    def _connected(self) -> None:
        with self._changed:
            self._unread_real_time = b""
            self._connections.append((self._received, monotonic()))
            if self._owed_id is not None and self._answer(b'7"' + self._owed_id + b"\0"):
                self._owed_id = None

    def _receive(self, data: bytes) -> None:
        """On the wire's thread: obey real-time commands, then wait for room in the buffer."""
        with self._changed:
            self._obey_real_time(data)
            for at in range(0, len(data), 512):
                self._changed.wait_for(lambda: len(self._buffer) < self._buffer_bytes or self._is_over or self._is_off)
                if self._is_off:
                    return
                self._buffer += data[at : at + 512]
                self._received += len(data[at : at + 512])
                self._changed.notify_all()

    def _obey_real_time(self, data: bytes) -> None:
        unread = self._unread_real_time + data
        end = 0
        for found in REAL_TIME.finditer(unread):
            end = found.end()
            command = found.group()
            if command[1] != 0x04:
                self._real_time.append(command)
            elif not self.is_silent:
                self._answer(bytes((self._status_answer(command[2]),)))
        self._unread_real_time = unread[end:][-(LONGEST_REAL_TIME - 1) :]

    # --- what is worked off ---

    def _next(self) -> tuple[Command, int] | None:
        return None if self._is_offline else take_command(bytes(self._buffer))

    def _work(self) -> None:
        """On the head's thread: one command after the other, in the time that paper takes."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_over or self._next() is not None)
                taken = self._next()
                if self._is_over or taken is None:
                    return
                command, length = taken
                del self._buffer[:length]
                self._is_busy = True
                self._commands.append(command)
                seconds = self._obey(command)
                if self._mechanical and seconds > 0:
                    self._changed.wait_for(lambda: self._is_over, self._clock.real_s(seconds))
                self._complete(command)
                self._is_busy = False
                self._changed.notify_all()

    def _obey(self, command: Command) -> float:
        """Start a command, and how many seconds its motion takes."""
        if command.code in _CUTS:
            return CUT_S
        if command.code == b"\x1b@":
            self._pushes_status = False
        return self._paper.obey(command) / DOTS_PER_MM / self._speed_mm_s

    def _complete(self, command: Command) -> None:
        """Finish a command: the cut sheet falls, answers go out."""
        match command:
            case Command(code) if code in _CUTS:
                self._finish_sheet(is_cut=True)
            case Command(b"\x1da", n) if self._supports_status_back:
                self._pushes_status = n != b"\0"
                if self._pushes_status:
                    self._answer(self._status_block())
            case Command(b"\x1dr", n) if self._supports_fence:
                self._answer(b"\x03" if n in b"\x011" and self._is_near_end else b"\0")
            case Command(b"\x1d(H", data) if self._supports_process_id and data[2:4] == b"00":
                self._owed_id = None if self._answer(b'7"' + data[4:8] + b"\0") else data[4:8]
            case Command(b"\x1dI", n):
                texts = {b"B": "EPSON", b"C": self._model}
                if n in texts:
                    self._answer(b"_" + texts[n].encode() + b"\0")
            case _:
                pass

    def _finish_sheet(self, is_cut: bool) -> None:
        sheet = self._paper.cut(is_cut)
        if sheet is None:
            self._scraps += 1
        else:
            self._sheets.append(replace(sheet, connected_at=self._connected_at()))
        self._changed.notify_all()

    def _connected_at(self) -> float:
        """When the connection began that brought what was worked off last."""
        worked_off = self._received - len(self._buffer)
        while len(self._connections) > 1 and self._connections[1][0] < worked_off:
            self._connections.popleft()
        return self._connections[0][1]
