"""The virtual printer's controller: what comes in is understood, obeyed and answered. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event, Lock

from drivers.zpl import virtual_answers as answers
from drivers.zpl.virtual_answers import SILENT_IN, State
from drivers.zpl.virtual_input import Control, Format, GetVariable, Interpreter
from drivers.zpl.virtual_mechanics import Mechanics
from drivers.zpl.virtual_wire import Break, Client

__all__ = ["Controller", "Firmware"]

VERSION, OLD_VERSION = "V84.20.23Z", "V53.17.11Z"
DEFAULT_LABEL_DOTS = 3295


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the printer is and knows; see ``VirtualWristbandPrinter``."""

    model: str
    dpi: int
    has_sgd: bool
    has_odometer: bool
    is_silent_in_fault: bool
    is_mute_in_fault: bool
    receive_buffer_bytes: int
    single_idle_s: float


class Controller:
    """Between the wire and the mechanics. Implements ``virtual_wire.Inside``."""

    def __init__(self, firmware: Firmware, mechanics: Mechanics) -> None:
        self.single_port = 0
        self._firmware = firmware
        self._mechanics = mechanics
        self._interpreter = Interpreter()
        self._lock = Lock()  # of the interpreter, the switch and the breaks to come
        self._is_off = False
        self._break_in: tuple[int, Break] | None = None
        self._break_out: tuple[int, Break] | None = None
        self._has_broken = Event()

    def switch_off(self) -> None:
        """Everything received and not printed is lost, and so is what comes in from now on."""
        with self._lock:
            self._is_off = True
            self._interpreter.forget()

    def switch_on(self) -> None:
        with self._lock:
            self._is_off = False

    def break_after(self, count: int, how: Break) -> None:
        """End a connection once ``count`` more bytes came in."""
        with self._lock:
            self._break_in = (count, how)
            self._has_broken.clear()

    def break_answers_after(self, count: int, how: Break) -> None:
        """End a connection once ``count`` more bytes of answers went out."""
        with self._lock:
            self._break_out = (count, how)
            self._has_broken.clear()

    def wait_until_broken(self, seconds: float) -> bool:
        """Whether the break asked for last has come, and what came before it was taken in."""
        return self._has_broken.wait(seconds)

    # --- the wire ----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, connected_at: float) -> tuple[bytes, Break | None]:
        with self._lock:
            data, ending, self._break_in = _cut(data, self._break_in)
            commands = [] if self._is_off else self._interpreter.feed(data)
            answer = b"".join(self._obey(command, connected_at) for command in commands)
            self._note(ending)
            return answer, ending

    def cut_answer(self, data: bytes) -> tuple[bytes, Break | None]:
        with self._lock:
            data, ending, self._break_out = _cut(data, self._break_out)
            self._note(ending)
            return data, ending

    def _note(self, ending: Break | None) -> None:
        if ending is not None:
            self._has_broken.set()

    def wait_for_room(self, client: Client) -> None:
        with self._mechanics.changed:
            self._mechanics.changed.wait_for(lambda: client.is_over or not self._is_full)

    def wake(self) -> None:
        with self._mechanics.changed:
            self._mechanics.changed.notify_all()

    # --- commands ----------------------------------------------------------------------------------------------

    def _obey(self, command: Control | GetVariable | Format, connected_at: float) -> bytes:
        if isinstance(command, Format):
            self._mechanics.take(command, connected_at)
            return b""
        if isinstance(command, GetVariable):
            return self._variable(command.name)
        match command.name:
            case "JA":
                self._mechanics.cancel_all()
            case "PP" | "PS":
                self._mechanics.set_paused(command.name == "PP")
            case "HI" if not self._is_mute:
                return answers.identity(self._state())
            case "HS" if not self._is_silent:
                return answers.host_status(self._state())
            case "HQES" if not self._is_silent:
                return answers.extended_status(self._state())
        return b""

    def _variable(self, name: str) -> bytes:
        """An SGD answer; ``?`` for a name that this firmware does not know."""
        if not self._firmware.has_sgd or self._is_mute:
            return b""
        return f'"{answers.variables(self._state()).get(name, "?")}"'.encode()

    @property
    def _is_mute(self) -> bool:
        return self._firmware.is_mute_in_fault and bool(self._mechanics.faults & SILENT_IN)

    @property
    def _is_silent(self) -> bool:
        is_one_of_those = self._firmware.is_silent_in_fault or self._firmware.is_mute_in_fault
        return is_one_of_those and bool(self._mechanics.faults & SILENT_IN)

    @property
    def _is_full(self) -> bool:
        """Whether the receive buffer takes no more, so that a sender is held up."""
        return self._mechanics.bytes_waiting >= self._firmware.receive_buffer_bytes

    def _state(self) -> State:
        motor, firmware = self._mechanics, self._firmware
        with motor.changed:
            return State(
                model=firmware.model,
                firmware=VERSION if firmware.has_sgd else OLD_VERSION,
                dpi=firmware.dpi,
                faults=motor.faults,
                warnings=motor.warnings,
                is_paused=motor.is_paused,
                is_buffer_full=self._is_full,
                is_format_partial=self._interpreter.is_format_partial,
                formats_waiting=motor.formats_waiting,
                labels_remaining=motor.labels_remaining,
                label_dots=DEFAULT_LABEL_DOTS,
                odometer=motor.odometer if firmware.has_odometer else None,
                single_port=self.single_port,
                single_idle_s=firmware.single_idle_s,
            )


def _cut(data: bytes, to_come: tuple[int, Break] | None) -> tuple[bytes, Break | None, tuple[int, Break] | None]:
    """What of ``data`` passes before a break that is to come, the break if it is reached, and what is left of it."""
    if to_come is None:
        return data, None, None
    count, how = to_come
    if len(data) < count:
        return data, None, (count - len(data), how)
    return data[:count], how, None
