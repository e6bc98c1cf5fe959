"""The virtual printer's mechanics: media, head, motor and counters, and the thread that prints what is queued."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from threading import Condition, Thread

from drivers.zpl.virtual_input import Format
from kioskd.clock import MACHINE, DeviceClock

__all__ = ["Mechanics"]


@dataclass(slots=True)
class _Batch:
    """A format and how many labels of it are still to print (``^PQ``)."""

    format: Format
    labels_left: int
    connected_at: float


class Mechanics:
    """Everything behind the print head. Read and change it with ``changed`` held; public methods do so themselves.

    ``speed_mm_s`` None prints at once. ``odometer`` outlives the power; formats, pause and ``^JZN`` do not.
    """

    def __init__(self, dpi: int, speed_mm_s: float | None, odometer: int, clock: DeviceClock = MACHINE) -> None:
        self.changed = Condition()
        self._clock = clock
        self.has_paper = True
        self.is_lid_open = False
        self.is_paused = False
        self.is_printing = False
        self.odometer = odometer
        self.printed: list[bytes] = []
        self.connected_at: list[float] = []
        """For each printed band: when the connection began that sent it, ``time.monotonic()``."""
        self.hanging = 0
        """Bands that came out and were not taken."""
        self.spoiled = 0
        """Bands that a fault cut short."""
        self._dpi = dpi
        self._speed_mm_s = speed_mm_s
        self._queue: deque[_Batch] = deque()
        self._reprints_spoiled = True
        self._power_cycles = 0
        self._faults = 0  # so that a fault cleared before the motor's thread wakes still cuts the band short
        self._is_over = False
        self._thread = Thread(target=self._run, name="virtual wristband printer: motor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self.changed:
            self._is_over = True
            self.changed.notify_all()
        self._thread.join()

    @property
    def has_fault(self) -> bool:
        return self.is_lid_open or not self.has_paper

    @property
    def labels_remaining(self) -> int:
        """Labels of the batch that is printing (``~HS``, string 2)."""
        return self._queue[0].labels_left if self.is_printing and self._queue else 0

    @property
    def formats_waiting(self) -> int:
        return len(self._queue) - self.is_printing

    @property
    def is_idle(self) -> bool:
        return not self._queue

    @property
    def bytes_waiting(self) -> int:
        return sum(len(batch.format.zpl) for batch in self._queue)

    def take(self, format_: Format, connected_at: float = 0.0) -> None:
        """A whole format came in over a connection that began then: obey its settings, queue what it draws."""
        with self.changed:
            for choice in re.findall(rb"\^JZ([YN])", format_.zpl, re.IGNORECASE):
                self._reprints_spoiled = choice.upper() == b"Y"
            if format_.is_printable:
                self._queue.append(_Batch(format_, format_.number("PQ", 1), connected_at))
                self.changed.notify_all()

    def cancel_all(self) -> None:
        """``~JA``: the label in print is finished, the rest is forgotten."""
        with self.changed:
            current = [self._queue[0]] if self.is_printing else []
            for batch in current:
                batch.labels_left = 1
            self._queue = deque(current)
            self.changed.notify_all()

    def set(
        self, *, has_paper: bool | None = None, is_lid_open: bool | None = None, is_paused: bool | None = None
    ) -> None:
        """What a person does to the printer."""
        with self.changed:
            had_fault = self.has_fault
            self.has_paper = self.has_paper if has_paper is None else has_paper
            self.is_lid_open = self.is_lid_open if is_lid_open is None else is_lid_open
            self.is_paused = self.is_paused if is_paused is None else is_paused
            self._faults += self.has_fault and not had_fault
            self.changed.notify_all()

    def set_speed(self, mm_s: float | None) -> None:
        """From the next band on; None: in no time."""
        with self.changed:
            self._speed_mm_s = mm_s

    def lose_power(self) -> None:
        with self.changed:
            if self.is_printing:
                self.spoiled += 1
            self._queue.clear()
            self.is_paused, self.is_printing, self._reprints_spoiled = False, False, True
            self._power_cycles += 1
            self.changed.notify_all()

    def print_foreign(self) -> None:
        """Somebody else's label comes out: on the odometer, not among our sheets."""
        with self.changed:
            self.odometer += 1
            self.changed.notify_all()

    def _run(self) -> None:
        with self.changed:
            while not self._is_over:
                if self._queue and not self.has_fault and not self.is_paused:
                    self._print_one(self._queue[0])
                else:
                    self.changed.wait()

    def _print_one(self, batch: _Batch) -> None:
        power_cycles, faults = self._power_cycles, self._faults
        until = self._clock.monotonic() + self._seconds_for(batch.format)
        self.is_printing = True
        self.changed.notify_all()
        while (left_s := until - self._clock.monotonic()) > 0 and not self._is_over:
            if faults != self._faults or power_cycles != self._power_cycles:
                break
            self.changed.wait(self._clock.real_s(left_s))
        if self._is_over or power_cycles != self._power_cycles:
            return
        self.is_printing = False
        is_spoiled = faults != self._faults
        if is_spoiled:
            self.spoiled += 1
        else:
            self.odometer += 1
            self.hanging += 1
            self.printed.append(batch.format.zpl)
            self.connected_at.append(batch.connected_at)
        if not is_spoiled or not self._reprints_spoiled:
            self._end_label(batch)
        self.changed.notify_all()

    def _end_label(self, batch: _Batch) -> None:
        batch.labels_left -= 1
        if batch.labels_left <= 0:
            self._queue.popleft()

    def _seconds_for(self, format_: Format) -> float:
        if self._speed_mm_s is None:
            return 0.0
        return format_.number("LL", self._dpi) * 25.4 / self._dpi / self._speed_mm_s
