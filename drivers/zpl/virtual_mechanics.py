"""The virtual printer's mechanics: media, head, motor and counters, and the thread that prints what is queued."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from threading import Condition, Thread

from drivers.zpl.virtual_answers import SPOILING, Fault, Warn
from drivers.zpl.virtual_input import Format
from kioskd.clock import MACHINE, DeviceClock

__all__ = ["Mechanics"]

MEDIA_LOW_AT = 5
"""Labels left at which the near-end sensor speaks."""


@dataclass(slots=True)
class _Batch:
    """A format and how many labels of it are still to print (``^PQ``)."""

    format: Format
    labels_left: int
    connected_at: float


class Mechanics:
    """Everything behind the print head. Read and change it with ``changed`` held; public methods do so themselves.

    ``speed_mm_s`` None prints at once. ``odometer`` outlives the power, and begins at 0 again at ``wraps_at``; formats,
    pause and ``^JZN`` do not. ``labels_left`` None: a roll without an end. ``needs_resume``: after a fault somebody
    must press the pause button before it goes on, as on most models.
    """

    def __init__(
        self,
        dpi: int,
        speed_mm_s: float | None,
        odometer: int,
        clock: DeviceClock = MACHINE,
        *,
        labels_left: int | None = None,
        wraps_at: int = 1 << 32,
        needs_resume: bool = False,
    ) -> None:
        self.changed = Condition()
        self._clock = clock
        self.faults = Fault.NONE
        self.labels_left = labels_left
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
        self._warnings = Warn.NONE
        self._wraps_at = wraps_at
        self._needs_resume = needs_resume
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
    def warnings(self) -> Warn:
        is_low = self.labels_left is not None and self.labels_left <= MEDIA_LOW_AT
        return self._warnings | (Warn.MEDIA_LOW if is_low else Warn.NONE)

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

    def set_fault(self, fault: Fault, is_on: bool) -> None:
        """Something that a person sees at the machine, or ends by hand."""
        with self.changed:
            before = self.faults
            self.faults = before | fault if is_on else before & ~fault
            self._faults += bool(self.faults & SPOILING & ~before)
            if self._needs_resume and self.faults & ~before:
                self.is_paused = True
            self.changed.notify_all()

    def set_warning(self, warning: Warn, is_on: bool) -> None:
        with self.changed:
            self._warnings = self._warnings | warning if is_on else self._warnings & ~warning

    def set_paused(self, is_paused: bool) -> None:
        with self.changed:
            self.is_paused = is_paused
            self.changed.notify_all()

    def load(self, labels: int | None) -> None:
        """Put a roll in; None: one without an end."""
        with self.changed:
            self.labels_left = labels
        self.set_fault(Fault.MEDIA_OUT, labels == 0)

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
            self._count()
            self.changed.notify_all()

    def set_odometer(self, labels: int) -> None:
        """A new board with a count of its own."""
        with self.changed:
            self.odometer = labels

    def _count(self) -> None:
        self.odometer = (self.odometer + 1) % self._wraps_at

    def _run(self) -> None:
        with self.changed:
            while not self._is_over:
                if self._queue and not self.faults and not self.is_paused:
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
        self._feed_one()
        is_spoiled = faults != self._faults
        if is_spoiled:
            self.spoiled += 1
        else:
            self._count()
            self.hanging += 1
            self.printed.append(batch.format.zpl)
            self.connected_at.append(batch.connected_at)
        if not is_spoiled or not self._reprints_spoiled:
            self._end_label(batch)
        self.changed.notify_all()

    def _feed_one(self) -> None:
        """A label leaves the roll; behind the last one the sensor finds no media."""
        if self.labels_left is not None:
            self.labels_left = max(self.labels_left - 1, 0)
            if not self.labels_left:
                self.faults |= Fault.MEDIA_OUT
                self.is_paused |= self._needs_resume

    def _end_label(self, batch: _Batch) -> None:
        batch.labels_left -= 1
        if batch.labels_left <= 0 and self._queue and self._queue[0] is batch:
            self._queue.popleft()

    def _seconds_for(self, format_: Format) -> float:
        if self._speed_mm_s is None:
            return 0.0
        return format_.number("LL", self._dpi) * 25.4 / self._dpi / self._speed_mm_s
