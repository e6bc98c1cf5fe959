"""The line to a printer or scanner: TCP, a serial port or a USB printer port, all as the same few calls.

A driver writes bytes and reads what comes back; how they travel is chosen by one key of the site file:

=====================================  ===========================================================================
``tcp://10.0.0.7:9100``                a printer's network board
``serial:/dev/kioskd/ticket-printer``  a serial port, also one over USB (ttyUSB, ttyACM); 8N1, ``baud`` and ``flow``
``usb:/dev/usb/lp0``                   a USB printer port (the kernel's usblp: USB printer class, bidirectional)
=====================================  ===========================================================================

A line never opens itself again: what is behind a break would print as garbage, or twice. Open to other drivers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from kioskd.clock import MACHINE, DeviceClock
from kioskd.errors import DeviceUnavailable

__all__ = ["Baud", "Flow", "Line", "LineAddress", "WriteFailed", "line_address", "open_line"]

Baud = Literal[9600, 19200, 38400, 57600, 115200]
Flow = Literal["rts-cts", "xon-xoff", "none"]


class WriteFailed(Exception):
    """A write stopped early. ``sent``: bytes that left this process, and may have reached the printer."""

    def __init__(self, sent: int, is_timeout: bool, what: str) -> None:
        super().__init__(what)
        self.sent = sent
        self.is_timeout = is_timeout


class Line(Protocol):
    """An open line. Every call has a deadline; ``until`` is a moment of the clock that the line was opened with."""

    where: str
    """Host and port, or the device file: for messages to staff."""

    def write(self, data: bytes, until: float) -> None:
        """Hand over all of ``data``. Raises WriteFailed."""

    def read(self, within_s: float) -> bytes:
        """What came in, as soon as anything does; empty when nothing came in time. Raises DeviceUnavailable."""

    def wait(self, seconds: float) -> None:
        """Let time pass, less when something comes in or the line ends."""

    def has_ended(self) -> bool:
        """Whether the other end is gone, without waiting and without taking a byte."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LineAddress:
    """Where a line leads: ``host`` and ``tcp_port`` of "tcp", ``path`` of "serial" and "usb"."""

    kind: Literal["tcp", "serial", "usb"]
    host: str = ""
    tcp_port: int = 0
    path: str = ""
    baud: Baud = 38400
    flow: Flow = "rts-cts"


def line_address(port: str, baud: Baud = 38400, flow: Flow = "rts-cts") -> LineAddress:
    """The address that a ``port`` key means. Raises ValueError with what was expected."""
    kind, _, path = port.partition(":")
    if kind == "tcp":
        parts = urlsplit(port)
        if not parts.hostname or not parts.port:  # .port itself raises ValueError above 65535
            raise ValueError(f"{port!r}: expected tcp://host:port, such as tcp://10.0.0.7:9100")
        return LineAddress("tcp", parts.hostname, parts.port)
    path = path.removeprefix("//")
    if kind not in ("serial", "usb"):
        raise ValueError(f"{port!r}: expected tcp://host:port, serial:/dev/... or usb:/dev/usb/lp0")
    if not path.startswith("/"):
        raise ValueError(f"{port!r}: expected a device file, such as {kind}:/dev/kioskd/ticket-printer")
    return LineAddress("serial" if kind == "serial" else "usb", path=path, baud=baud, flow=flow)


def open_line(device: str, address: LineAddress, clock: DeviceClock = MACHINE) -> Line:
    """An open line for the device of this name. Raises DeviceUnavailable."""
    if address.kind == "tcp":
        from drivers.line.tcp import TcpLine

        return TcpLine(device, address.host, address.tcp_port, clock)
    from drivers.line.file import FileLine, open_serial, open_usb

    opened = open_serial(device, address) if address.kind == "serial" else open_usb(device, address)
    return FileLine(device, address.path, opened, clock, has_empty_packets=address.kind == "usb")


def lost(device: str, where: str, error: OSError) -> DeviceUnavailable:
    """The error for a line that broke."""
    return DeviceUnavailable(device, f"the connection to {where} is lost: {error.strerror or error}")
