"""The inside of the virtual printer: receive buffer, print head, cutter, and a mechanical clock.

Real-time commands are obeyed on receipt; everything else is worked off in order from the buffer, at the speed of the
paper, and held while the sensors say so. What one connection sent is printed after that connection is gone, and half a
command waits for the bytes of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition, Thread
from time import monotonic

from drivers.escpos.virtual_commands import REAL_TIME, Command, take_command
from drivers.escpos.virtual_paper import HEAD_TO_CUTTER, Paper, Sheet
from drivers.escpos.virtual_quirks import Quirks
from drivers.escpos.virtual_sensors import Sensors
from kioskd.clock import DeviceClock

__all__ = ["Engine"]

CUT_S = 0.25
LONGEST_REAL_TIME = 10
KEPT_COMMANDS = 10_000
_CUTS = {b"\x1dV", b"\x1bi", b"\x1bm"}
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # Epson: DLE DC4 8, clear buffers


class Engine:
    """Everything behind the plug. ``answer(data)`` sends to whoever is connected, and says whether anybody was.

    Every method may be called from any thread; ``changed`` guards all of it.
    """

    def __init__(
        self,
        paper: Paper,
        quirks: Quirks,
        answer: Callable[[bytes], bool],
        buffer_bytes: int,
        dots_per_mm: float,
        clock: DeviceClock,
    ) -> None:
        self.changed = Condition()
        self.sensors = Sensors()
        self.is_silent = False
        self.speed_mm_s: float | None = None
        """None: paper moves in no time."""
        self.is_busy = False
        self.buffer = bytearray()
        self.sheets: list[Sheet] = []
        self.scraps = 0
        self.commands: deque[Command] = deque(maxlen=KEPT_COMMANDS)
        self.real_time: list[bytes] = []
        self._paper = paper
        self._quirks = quirks
        self._answer = answer
        self._buffer_bytes = buffer_bytes
        self._dots_per_mm = dots_per_mm
        self._clock = clock
        self._is_over = False
        self._is_off = False
        self._received = 0
        """Bytes that ever came into the buffer."""
        self._connections: deque[tuple[int, float]] = deque([(0, 0.0)])
        """From which of these bytes on each connection sent, and when it began; the one in work first."""
        self._unread_real_time = b""
        """The end of what was received, in which a real-time command may have begun."""
        self._is_locked: set[int] = set()
        """Functions of DLE DC4 that GS ( D switched off."""
        self._pushes_status = False
        self._owed_id: bytes | None = None
        """The latest process id that nobody was connected to hear."""
        self._worker: Thread | None = None

    # --- life ---

    def start(self) -> None:
        self._is_over = False
        self.buffer.clear()
        self._worker = Thread(target=self._work, name="virtual-printer-head", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        with self.changed:
            self._is_over = True
            self.changed.notify_all()

    def join(self) -> None:
        if self._worker is not None:
            self._worker.join(5)

    def power_cycle(self, unplug: Callable[[], None]) -> None:
        """Buffer and modes are gone, what is on paper is not. ``unplug`` ends the connection meanwhile."""
        with self.changed:
            self._is_off = True
            self.changed.notify_all()
        unplug()
        with self.changed:
            self._is_off = False
            self._clear()
            self._owed_id = None
            self._pushes_status = False
            self._is_locked.clear()
            self.changed.notify_all()

    def _clear(self) -> None:
        self.buffer.clear()
        self._paper.obey(Command(b"\x1b@"))

    # --- what is seen and done from outside ---

    @contextmanager
    def sensing(self) -> Iterator[Sensors]:
        """Change what the sensors say; a change is pushed."""
        with self.changed:
            before = self.sensors.block()
            yield self.sensors
            self._push(before)
            self.changed.notify_all()

    def _push(self, before: bytes) -> None:
        if self._pushes_status and self.sensors.block() != before:
            self._answer(self.sensors.block())

    def next_command(self) -> tuple[Command, int] | None:
        """What could be worked off now."""
        return None if self.sensors.is_offline else take_command(bytes(self.buffer))

    def tear_off(self) -> None:
        with self.changed:
            if self._paper.has_print:
                self._finish_sheet(is_cut=False)

    # --- what comes in ---

    def connected(self) -> None:
        with self.changed:
            self._unread_real_time = b""
            self._connections.append((self._received, monotonic()))
            if self._owed_id is not None and self._answer(b'7"' + self._owed_id + b"\0"):
                self._owed_id = None

    def receive(self, data: bytes) -> None:
        """Obey real-time commands, then wait for room in the buffer."""
        with self.changed:
            self._obey_real_time(data)
            for at in range(0, len(data), 512):
                self.changed.wait_for(lambda: len(self.buffer) < self._buffer_bytes or self._is_over or self._is_off)
                if self._is_off:
                    return
                self.buffer += data[at : at + 512]
                self._received += len(data[at : at + 512])
                self.changed.notify_all()

    def _obey_real_time(self, data: bytes) -> None:
        unread = self._unread_real_time + data
        end = 0
        for found in REAL_TIME.finditer(unread):
            end = found.end()
            command = found.group()
            if command[1] == 0x04:
                if not self.is_silent:
                    self._answer(bytes((self.sensors.answer(command[2]),)))
            elif command[1] != 0x14 or command[2] not in self._is_locked:
                self.real_time.append(command)
                if command == _CLEAR and self._quirks.has_process_id:
                    self._clear()
                    self._answer(b"7%\0")
        self._unread_real_time = unread[end:][-(LONGEST_REAL_TIME - 1) :]

    # --- what is worked off ---

    def _work(self) -> None:
        """On the head's thread: one command after the other, in the time that paper takes."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._is_over or self.next_command() is not None)
                taken = self.next_command()
                if self._is_over or taken is None:
                    return
                command, length = taken
                del self.buffer[:length]
                self.is_busy = True
                self.commands.append(command)
                seconds = self._obey(command)
                if self.speed_mm_s is not None and seconds > 0:
                    self.changed.wait_for(lambda: self._is_over, self._clock.real_s(seconds))
                self._complete(command)
                self.is_busy = False
                self.changed.notify_all()

    def _obey(self, command: Command) -> float:
        """Start a command, and how many seconds its motion takes."""
        if not self._quirks.knows(command):
            if self._quirks.prints_unknown:
                letters = bytes(byte for byte in command.code + command.data if 0x20 <= byte < 0x7F)
                return self._move(self._paper.obey(Command(b"", letters)))
            return 0.0
        if command.code in _CUTS:
            feed = HEAD_TO_CUTTER if command.data[:1] in (b"A", b"B") else 0
            return CUT_S + self._move(feed)
        if command.code == b"\x1b@":
            self._pushes_status = False
            self._is_locked.clear()
        return self._move(self._paper.obey(command))

    def _move(self, dots: int) -> float:
        """Move paper off the roll, and how many seconds that takes."""
        mm = dots / self._dots_per_mm
        before = self.sensors.block()
        self.sensors.paper_mm = max(self.sensors.paper_mm - mm, 0.0)
        self._push(before)
        return mm / self.speed_mm_s if self.speed_mm_s is not None else 0.0

    def _complete(self, command: Command) -> None:
        """Finish a command: the cut sheet falls, answers go out."""
        if not self._quirks.knows(command):
            return
        match command:
            case Command(code) if code in _CUTS:
                self._finish_sheet(is_cut=True)
            case Command(b"\x1da", n):
                self._pushes_status = n != b"\0"
                if self._pushes_status:
                    self._answer(self.sensors.block())
            case Command(b"\x1dr", n):
                self._answer(b"\x03" if n in b"\x011" and self.sensors.is_near_end else b"\0")
            case Command(b"\x1d(H", data) if data[2:4] == b"00":
                self._owed_id = None if self._answer(b'7"' + data[4:8] + b"\0") else data[4:8]
            case Command(b"\x1d(D", data) if data[2:3] == b"\x14":
                for function, is_on in zip(data[3::2], data[4::2], strict=False):
                    (self._is_locked.discard if is_on & 1 else self._is_locked.add)(function)
            case Command(b"\x1dI", n):
                texts = {b"B": self._quirks.maker, b"C": self._quirks.model}
                if n in texts:
                    self._answer(b"_" + texts[n].encode() + b"\0")
            case _:
                pass

    def _finish_sheet(self, is_cut: bool) -> None:
        sheet = self._paper.cut(is_cut)
        if sheet is None:
            self.scraps += 1
        else:
            self.sheets.append(replace(sheet, connected_at=self._connected_at()))
        self.changed.notify_all()

    def _connected_at(self) -> float:
        """When the connection began that brought what was worked off last."""
        worked_off = self._received - len(self.buffer)
        while len(self._connections) > 1 and self._connections[1][0] < worked_off:
            self._connections.popleft()
        return self._connections[0][1]
