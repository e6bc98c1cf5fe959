"""Scanners of barcodes that are held in the hand or built in: serial, USB-CDC, keyboard, HID-POS.

``scanner``       the device: reads its line, answers, lets it read or not
``wire``          what every way of talking has in common: bytes in, codes out, pure
``framing``       where a code begins and ends; AIM identifiers, pure
``ssi``           Zebra's packets, pure
``newland``       Newland's commands among the codes, pure
``keys``          key presses as the bytes that they mean, pure
``hid_reports``   reports of page 8C as the device's own descriptor lays them out, pure
``device_files``  input devices with grab, raw HID devices
``set_up``        how a clinic sets its scanner, and a code to hold before it that shows whether it is right
``virtual``       a scanner in software at the end of a real terminal, for the demo and for tests

USB-CDC (a serial port over USB) is the one to choose: fast, byte for byte, and its commands are known. A scanner that
types takes 2 to 20 s for a large code and can't send every byte. No model was tried here yet.

::

    [[device]]
    name = "entrance-scanner"
    driver = "scanner-serial"
    port = "serial:/dev/kioskd/scanner"
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from drivers.line import Baud, Flow, LineAddress, line_address
from drivers.scanner.framing import Framer, Framing
from drivers.scanner.wire import Aim, Wire
from kioskd.ports import CardKind, DriverConfig

if TYPE_CHECKING:
    from drivers.scanner.scanner import LineScanner

__all__ = [
    "HidPosConfig",
    "HidPosDriver",
    "KeyboardConfig",
    "KeyboardDriver",
    "SerialConfig",
    "SerialDriver",
    "wire_for",
]

KIND = "scanner"
Profile = Literal["plain", "zebra-ssi", "newland"]
_ENDS: dict[str, tuple[Framing, bytes]] = {"gap": ("gap", b""), "enter": ("suffix", b"\r"), "tab": ("suffix", b"\t")}


class SerialConfig(DriverConfig):
    """The keys of a ``scanner-serial`` device."""

    port: str
    """``serial:/dev/kioskd/scanner``, ``serial:/dev/serial/by-id/...``, or ``tcp://host:port`` of a serial server."""
    baud: Baud = 9600
    """As set on the scanner; over USB it does not matter."""
    flow: Flow = "none"
    profile: Profile = "plain"
    """``plain``: it only talks. ``zebra-ssi`` and ``newland``: it is told to read or not, and set as it must be."""
    triggers: bool = False
    """Readings are started from here: for one that is built in, without a button, that does not see what is held
    before it by itself."""
    aim: Aim = "auto"
    framing: Framing = "auto"
    suffix: str = Field("", max_length=8)
    """What it sends behind each code, if that is to be taken off or marks the end; characters up to U+00FF."""
    gap_ms: int = Field(100, ge=20, le=2000)
    """Silence that ends a code."""

    @field_validator("port")
    @classmethod
    def _is_a_line(cls, port: str) -> str:
        if line_address(port).kind == "usb":
            raise ValueError(f"{port!r}: expected serial:/dev/... or tcp://host:port")
        return port

    @field_validator("suffix")
    @classmethod
    def _is_bytes(cls, suffix: str) -> str:
        if any(ord(character) > 0xFF for character in suffix):
            raise ValueError("expected characters up to U+00FF, such as \\r")
        return suffix

    @model_validator(mode="after")
    def _suffix_for_framing(self) -> SerialConfig:
        if self.framing == "suffix" and not self.suffix:
            raise ValueError('framing = "suffix" needs a suffix, such as "\\r"')
        return self

    @property
    def address(self) -> LineAddress:
        """Where the scanner is."""
        return line_address(self.port, self.baud, self.flow)


class KeyboardConfig(DriverConfig):
    """The keys of a ``scanner-keyboard`` device. The scanner must be set to a US keyboard."""

    port: str = Field(pattern="^/")
    """Its input device: ``/dev/kioskd/scanner-keys`` or ``/dev/input/by-id/...-event-kbd``."""
    ends_with: Literal["gap", "enter", "tab"] = "gap"
    """What ends a code. A driving licence holds line ends, which are typed as Enter, so silence does by default."""
    gap_ms: int = Field(200, ge=50, le=2000)
    aim: Aim = "auto"


class HidPosConfig(DriverConfig):
    """The keys of a ``scanner-hidpos`` device."""

    port: str = Field(pattern="^/")
    """Its raw HID device: ``/dev/kioskd/scanner-hid``."""
    aim: Aim = "auto"
    """Of scanners that have no place for the AIM identifier in their reports."""


def wire_for(config: SerialConfig) -> Wire:
    """How a serial scanner talks."""
    if config.profile == "zebra-ssi":
        from drivers.scanner.ssi import SsiWire

        return SsiWire(config.aim, config.triggers)
    from drivers.scanner.framing import PlainWire
    from drivers.scanner.newland import NewlandWire

    framer = Framer(config.framing, config.gap_ms / 1000, config.suffix.encode("latin-1"))
    if config.profile == "newland":
        return NewlandWire(framer, config.aim, config.triggers)
    return PlainWire(framer, config.aim)


class SerialDriver:
    """Scanners on a serial port, also one that USB makes."""

    title: ClassVar[str] = "Barcode scanner on a serial port or USB-CDC"
    kind: ClassVar[str] = KIND
    config: ClassVar[type[DriverConfig]] = SerialConfig

    def create(self, name: str, config: SerialConfig, card_kinds: Sequence[CardKind]) -> LineScanner:
        """The scanner, not yet open."""
        from drivers.line import open_line
        from drivers.scanner.scanner import LineScanner

        return LineScanner(name, lambda: (open_line(name, config.address), wire_for(config)))


class KeyboardDriver:
    """Scanners that type like a keyboard."""

    title: ClassVar[str] = "Barcode scanner that types like a keyboard"
    kind: ClassVar[str] = KIND
    config: ClassVar[type[DriverConfig]] = KeyboardConfig

    def create(self, name: str, config: KeyboardConfig, card_kinds: Sequence[CardKind]) -> LineScanner:
        """The scanner, not yet open."""
        from drivers.scanner.device_files import open_keyboard
        from drivers.scanner.keys import KeyWire
        from drivers.scanner.scanner import LineScanner

        def open_scanner() -> tuple[Any, Wire]:
            line, is_caps_on = open_keyboard(name, config.port)
            framing, suffix = _ENDS[config.ends_with]
            return line, KeyWire(Framer(framing, config.gap_ms / 1000, suffix), config.aim, is_caps_on)

        return LineScanner(name, open_scanner)


class HidPosDriver:
    """Scanners in HID-POS mode."""

    title: ClassVar[str] = "Barcode scanner in HID-POS mode"
    kind: ClassVar[str] = KIND
    config: ClassVar[type[DriverConfig]] = HidPosConfig

    def create(self, name: str, config: HidPosConfig, card_kinds: Sequence[CardKind]) -> LineScanner:
        """The scanner, not yet open."""
        from drivers.scanner.device_files import open_hidraw
        from drivers.scanner.hid_reports import ReportWire
        from drivers.scanner.scanner import LineScanner

        def open_scanner() -> tuple[Any, Wire]:
            line, layout = open_hidraw(name, config.port)
            return line, ReportWire(layout, config.aim)

        return LineScanner(name, open_scanner)
