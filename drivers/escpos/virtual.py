"""A ticket printer in software, at the end of a real TCP socket: paper, lid, buffer, a mechanical clock, and faults.

It behaves as Epson describes a TM printer, or as a clone does (``Quirks``). It outlives its clients, as a printer does.
This is all that a hand can do to it and an eye can see of it: for the demo, the lab page and tests. What is inside is
``virtual_engine``.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.escpos.virtual_commands import Command
from drivers.escpos.virtual_engine import Engine
from drivers.escpos.virtual_paper import Paper, Sheet
from drivers.escpos.virtual_quirks import Quirks
from drivers.escpos.virtual_sensors import FULL_ROLL_MM, NEAR_END_MM
from drivers.escpos.virtual_wire import End, Wire
from kioskd.clock import MACHINE, DeviceClock

__all__ = ["End", "Quirks", "Sheet", "VirtualTicketPrinter"]


class VirtualTicketPrinter:
    """``start`` it and connect to ``host``:``port``. Every method may be called from any thread."""

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
        quirks: Quirks | None = None,
        clock: DeviceClock = MACHINE,
        dpi: int = 203,
        host: str = "127.0.0.1",
    ) -> None:
        """``port`` 0: chosen by the OS at ``start``; ``host``: another loopback address, for programs that know only
        port 9100. ``mechanical`` False: paper moves in no time. ``quirks``: instead
        of the three that a printer most often lacks.

        ``clock``: what the paper's speed is measured on; what a caller waits for is in the machine's seconds.
        """
        self.host = host
        self.port = port
        self._clock = clock
        quirks = quirks or Quirks(supports_process_id, supports_fence, supports_status_back)
        head = Paper(width_dots, dpi, quirks.code_pages)
        self._engine = Engine(head, quirks, self._answer, buffer_bytes, dpi / 25.4, clock)
        self._engine.speed_mm_s = speed_mm_s if mechanical else None
        self._engine.sensors.is_roll_in = paper
        self._changed = self._engine.changed
        self._wire: Wire | None = None

    # --- life ---

    def start(self) -> None:
        """Listen and print until ``stop``."""
        self._wire = Wire((self.host, self.port), self._engine.connected, self._engine.receive, self._clock)
        self.port = self._wire.port
        self._engine.start()
        self._wire.start()

    def stop(self) -> None:
        """Switch off. What is in the buffer is lost."""
        self._engine.stop()
        if self._wire is not None:
            self._wire.stop()
        self._engine.join()

    def __enter__(self) -> VirtualTicketPrinter:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- what a person sees ---

    @property
    def sheets(self) -> list[Sheet]:
        """The sheets that came out since the start."""
        with self._changed:
            return list(self._engine.sheets)

    @property
    def scraps(self) -> int:
        """Blank pieces that were cut off."""
        with self._changed:
            return self._engine.scraps

    @property
    def has_paper(self) -> bool:
        return self._engine.sensors.has_paper

    @property
    def paper_mm(self) -> float:
        """What is left on the roll."""
        return self._engine.sensors.paper_mm

    @property
    def is_lid_open(self) -> bool:
        return self._engine.sensors.is_lid_open

    @property
    def is_printing(self) -> bool:
        """Whether there is something to print, or would be if the printer were ready."""
        with self._changed:
            return self._engine.is_busy or bool(self._engine.buffer)

    @property
    def held_bytes(self) -> int:
        """Bytes in the receive buffer."""
        return len(self._engine.buffer)

    @property
    def commands(self) -> list[Command]:
        """What was worked off since the start, the latest 10,000."""
        with self._changed:
            return list(self._engine.commands)

    @property
    def real_time_commands(self) -> list[bytes]:
        """What was obeyed on receipt, other than requests for status."""
        with self._changed:
            return list(self._engine.real_time)

    def sheet_png(self, number: int) -> bytes:
        """A picture of sheet ``number``, from 1. Raises IndexError."""
        if number < 1:
            raise IndexError(number)
        return self.sheets[number - 1].png()

    def wait_for_sheets(self, count: int, seconds: float) -> bool:
        """Whether at least ``count`` sheets are out within ``seconds``."""
        return self.wait_until(lambda: len(self._engine.sheets) >= count, seconds)

    def wait_until_idle(self, seconds: float) -> bool:
        """Whether everything that could be worked off is, within ``seconds``; half a command may be left."""
        return self.wait_until(lambda: not self._engine.is_busy and self._engine.next_command() is None, seconds)

    def wait_until_free(self, seconds: float) -> bool:
        """Whether no client is connected, within ``seconds``."""
        return self._the_wire().wait_until_free(seconds)

    def wait_until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Whether a condition over this printer came true within ``seconds``."""
        with self._changed:
            return self._changed.wait_for(is_so, seconds)

    # --- what a person does ---

    def tear_off(self) -> None:
        """Tear off what hangs out; printed paper that was not cut becomes a sheet."""
        self._engine.tear_off()

    def set_paper(self, has_paper: bool) -> None:
        """Take the roll out, or put it in again; a roll that was used up is replaced by a full one."""
        with self._engine.sensing() as sensors:
            sensors.is_roll_in = has_paper
            if has_paper and sensors.paper_mm <= 0:
                sensors.paper_mm = FULL_ROLL_MM

    def set_paper_mm(self, paper_mm: float) -> None:
        """How much paper is left on the roll; it is used up as it comes out."""
        with self._engine.sensing() as sensors:
            sensors.paper_mm = paper_mm

    def set_near_end(self, is_near_end: bool) -> None:
        """A roll that the near-end sensor sees get thin, or a full one."""
        self.set_paper_mm(NEAR_END_MM if is_near_end else FULL_ROLL_MM)

    def set_lid(self, is_open: bool) -> None:
        """Open or close the cover."""
        with self._engine.sensing() as sensors:
            sensors.is_lid_open = is_open

    def set_speed(self, mm_s: float | None) -> None:
        """How fast paper moves from the next command on; None: in no time."""
        with self._changed:
            self._engine.speed_mm_s = mm_s

    # --- faults of the mechanics ---

    def set_cutter_jammed(self, is_jammed: bool) -> None:
        with self._engine.sensing() as sensors:
            sensors.is_cutter_jammed = is_jammed

    def set_head_hot(self, is_hot: bool) -> None:
        """Too much black: printing stands still until the head has cooled down."""
        with self._engine.sensing() as sensors:
            sensors.is_head_hot = is_hot

    def set_broken(self, is_broken: bool) -> None:
        """An error that only a technician ends."""
        with self._engine.sensing() as sensors:
            sensors.is_broken = is_broken

    def power_cycle(self) -> None:
        """Off and on: connection, buffer and modes are gone, what is on paper is not."""
        self._engine.power_cycle(lambda: self._the_wire().hang_up(within_s=5))

    # --- faults of the line ---

    @property
    def is_silent(self) -> bool:
        """Whether it answers no real-time request, though it prints."""
        return self._engine.is_silent

    @is_silent.setter
    def is_silent(self, is_silent: bool) -> None:
        self._engine.is_silent = is_silent

    def set_half_open(self, is_half_open: bool) -> None:
        """Take connections and bytes, and do nothing with them, as behind a dead network board."""
        self._the_wire().is_deaf = is_half_open

    def set_receive_rate(self, bytes_per_s: float | None) -> None:
        """A slow network board; None for no limit."""
        self._the_wire().bytes_per_s = bytes_per_s

    def set_idle_end(self, seconds: float | None) -> None:
        """Close a connection over which nothing came for so long, as network boards do; None: never."""
        self._the_wire().idle_s = seconds

    def set_turns_away(self, turns_away: bool) -> None:
        """Close the connection of a second client at once, instead of letting it wait for the first to go."""
        self._the_wire().turns_away = turns_away

    def drop_after(self, count: int, end: End = "reset") -> None:
        """End the connection when ``count`` more bytes were taken; those are printed, the rest is lost."""
        self._the_wire().drop_after(count, end)

    def hang_up(self) -> None:
        """Close the connection, keep the buffer."""
        self._the_wire().hang_up()

    def write_foreign(self, data: bytes) -> None:
        """Bytes of another computer at the printer's other interface, between whatever comes in here."""
        self._engine.receive(data)

    # --- inside ---

    def _the_wire(self) -> Wire:
        if self._wire is None:
            raise RuntimeError("the virtual printer was not started")
        return self._wire

    def _answer(self, data: bytes) -> bool:
        return self._wire is not None and self._wire.answer(data)
