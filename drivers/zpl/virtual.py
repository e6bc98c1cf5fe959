"""A wristband printer in software at the end of a real TCP port: for the demo, the lab page and the tests.

It keeps what decides whether a band is lost or doubled: a receive buffer that holds formats back while media is out,
a parser whose half-received format survives the connection, a motor with a speed, ``^JZ``, and an odometer that
outlives the power. Threads and blocking sockets, as the drivers themselves.

``virtual_controller`` what comes in, obeyed and answered
``virtual_input``      bytes into commands, pure
``virtual_mechanics``  media, head, motor and counters
``virtual_answers``    commands' answers as bytes, pure
``virtual_wire``       ports and connections
``virtual_picture``    what came out, as a PNG true to scale
"""

from __future__ import annotations

from typing import Literal, Self

from drivers.zpl.virtual_answers import Fault, Warn
from drivers.zpl.virtual_controller import Controller, Firmware
from drivers.zpl.virtual_mechanics import Mechanics
from drivers.zpl.virtual_wire import Break, Door
from kioskd.clock import MACHINE, DeviceClock

__all__ = ["Break", "Fault", "VirtualWristbandPrinter", "Warn"]

SPEED_MM_S = 102.0
"""4 inches a second, the fastest of the ZD510-HC."""
RECEIVE_BUFFER_BYTES = 1_000_000
SINGLE_IDLE_S = 180.0


class VirtualWristbandPrinter:
    """A Zebra with a wristband cartridge, listening on 127.0.0.1.

    ``mechanical`` False prints a band the moment it is whole. ``clock``: what the motor's speed is measured on; what a
    caller waits for is in the machine's seconds. Everything may be called from any thread. Ways to be difficult:

    ``is_silent_in_fault``  ``~HS`` and ``~HQES`` are not answered while media or ribbon is out, the head open or too
                            hot: what Zebra documents for many models, while others answer
    ``is_mute_in_fault``    nor is anything else
    ``has_odometer``        False: firmware without that variable, which answers ``?``
    ``has_sgd``             False: firmware that knows no variables, and does not answer
    ``needs_resume``        after a fault somebody must press the pause button
    ``has_single_port``     ``single_port`` besides ``port``: for one host, until it was silent for ``single_idle_s``
    ``odometer_wraps_at``   where the count begins at 0 again
    ``labels``              on the roll; None: without an end
    """

    def __init__(
        self,
        port: int = 0,
        mechanical: bool = True,
        dpi: Literal[203, 300, 600] = 300,
        *,
        speed_mm_s: float = SPEED_MM_S,
        is_silent_in_fault: bool = False,
        is_mute_in_fault: bool = False,
        has_odometer: bool = True,
        has_sgd: bool = True,
        needs_resume: bool = False,
        has_single_port: bool = False,
        single_idle_s: float = SINGLE_IDLE_S,
        odometer: int = 1000,
        odometer_wraps_at: int = 1 << 32,
        labels: int | None = None,
        model: str = "ZD510-300dpi",
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
        clock: DeviceClock = MACHINE,
    ) -> None:
        self._dpi = dpi
        self._mechanics = Mechanics(
            dpi,
            speed_mm_s if mechanical else None,
            odometer,
            clock,
            labels_left=labels,
            wraps_at=odometer_wraps_at,
            needs_resume=needs_resume,
        )
        firmware = Firmware(
            model,
            dpi,
            has_sgd=has_sgd,
            has_odometer=has_odometer,
            is_silent_in_fault=is_silent_in_fault,
            is_mute_in_fault=is_mute_in_fault,
            receive_buffer_bytes=receive_buffer_bytes,
            single_idle_s=single_idle_s,
        )
        self._controller = Controller(firmware, self._mechanics)
        self._door = Door(self._controller, port, clock)
        self._single_door = Door(self._controller, 0, clock, single_idle_s) if has_single_port else None
        self._doors = [self._door, *([self._single_door] if self._single_door else [])]

    # --- power -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Switch on. With port 0 the system chooses one, which stays."""
        self._mechanics.start()
        self._open_doors()

    def stop(self) -> None:
        """Switch off for good and end every thread; MAY be called again."""
        self._close_doors()
        self._mechanics.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def power_cycle(self) -> None:
        """Off and on: connections, formats and settings are gone; the odometer and the port are not."""
        self._close_doors()
        self.switch_off()
        self.switch_on()
        self._open_doors()

    def switch_off(self) -> None:
        """The power only: the lines stay, as a serial port's does, and what comes over them is lost."""
        self._controller.switch_off()
        self._mechanics.lose_power()

    def switch_on(self) -> None:
        self._controller.switch_on()

    # --- what a person does, and sees --------------------------------------------------------------------------

    def set_paper(self, has_paper: bool) -> None:
        if has_paper and self.labels_left == 0:
            self._mechanics.load(None)
        else:
            self._mechanics.set_fault(Fault.MEDIA_OUT, not has_paper)

    def load(self, labels: int | None) -> None:
        """Put a roll of so many labels in; None: one without an end."""
        self._mechanics.load(labels)

    def set_lid(self, is_open: bool) -> None:
        self._mechanics.set_fault(Fault.HEAD_OPEN, is_open)

    def set_paused(self, is_paused: bool) -> None:
        """The pause button."""
        self._mechanics.set_paused(is_paused)

    def set_fault(self, fault: Fault, is_on: bool = True) -> None:
        self._mechanics.set_fault(fault, is_on)

    def set_warning(self, warning: Warn, is_on: bool = True) -> None:
        self._mechanics.set_warning(warning, is_on)

    def set_speed(self, mm_s: float | None) -> None:
        """How fast bands move from the next one on; None: in no time."""
        self._mechanics.set_speed(mm_s)

    def set_odometer(self, labels: int) -> None:
        """A technician puts in a board with a count of its own."""
        self._mechanics.set_odometer(labels)

    def tear_off(self) -> int:
        """Take the bands that hang out of the printer; how many they were."""
        with self._mechanics.changed:
            taken, self._mechanics.hanging = self._mechanics.hanging, 0
            return taken

    @property
    def port(self) -> int:
        """For every host; the real printer's 9100."""
        return self._door.port

    @property
    def single_port(self) -> int:
        """For one host at a time; the real printer's 9300. 0: there is none."""
        return self._single_door.port if self._single_door else 0

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
        from drivers.zpl.virtual_picture import sheet_png

        if number < 1:
            raise IndexError("bands are numbered from 1")
        return sheet_png(self.sheets[number - 1], self._dpi)

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
    def labels_left(self) -> int | None:
        return self._mechanics.labels_left

    @property
    def has_paper(self) -> bool:
        return not self._mechanics.faults & Fault.MEDIA_OUT

    @property
    def is_lid_open(self) -> bool:
        return bool(self._mechanics.faults & Fault.HEAD_OPEN)

    @property
    def is_printing(self) -> bool:
        return self._mechanics.is_printing

    @property
    def spoiled(self) -> int:
        """Bands that a fault cut short."""
        return self._mechanics.spoiled

    # --- faults of the line ------------------------------------------------------------------------------------

    def drop_after(self, count: int, with_reset: bool = True) -> None:
        """Break the connections once ``count`` more bytes came in; what comes behind them is lost. Once only."""
        self.break_after(count, Break.RESET if with_reset else Break.CLOSE)

    def break_after(self, count: int, how: Break) -> None:
        """End a connection once ``count`` more bytes came in; what comes behind them is lost. Once only."""
        self._controller.break_after(count, how)

    def break_answers_after(self, count: int, how: Break) -> None:
        """End a connection once ``count`` more bytes of answers went out. Once only."""
        self._controller.break_answers_after(count, how)

    def wait_until_broken(self, seconds: float) -> bool:
        """Whether that break has come, waiting at most ``seconds``; what came in before it was taken in."""
        return self._controller.wait_until_broken(seconds)

    def go_mute(self) -> None:
        """The present connections stay open and are neither read nor answered any more, as behind a dead switch."""
        for door in self._doors:
            for client in door.clients:
                client.is_mute = True

    def drip(self, bytes_s: float | None) -> None:
        """Answers come byte by byte, so many a second (of ``clock``), on this connection and the next ones."""
        for door in self._doors:
            door.drip_b_s = bytes_s
            for client in door.clients:
                client.drip_b_s = bytes_s

    def print_foreign_label(self) -> None:
        """Another host prints a label."""
        self._mechanics.print_foreign()

    # --- the wire ----------------------------------------------------------------------------------------------

    def _open_doors(self) -> None:
        for door in self._doors:
            door.open()
        self._controller.single_port = self.single_port

    def _close_doors(self) -> None:
        for door in self._doors:
            door.close()
