"""A line through a device file: a serial port (opened by pyserial), or a USB printer port (usblp).

Both are read and written without blocking, under ``poll``: pyserial's own write does not say how many bytes had left
when its time was over, and that number decides whether a sheet may be sent again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import termios
from contextlib import suppress
from typing import Protocol

from drivers.line import LineAddress, WriteFailed, lost
from kioskd.clock import MACHINE, DeviceClock
from kioskd.errors import DeviceUnavailable

__all__ = ["FileLine", "open_serial", "open_usb"]

CHUNK_BYTES = 1024
"""Small, so that what the kernel has taken is near to what the printer has."""

EMPTY_PACKET_S = 0.01


class Opened(Protocol):
    """An open device file; closing it frees the device."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


def open_serial(device: str, address: LineAddress) -> Opened:
    """A serial port, 8N1, for us alone: pyserial's flock for who asks, TIOCEXCL for who does not.

    Raises DeviceUnavailable.
    """
    import serial  # here: only a site that has a serial printer needs it

    try:
        port: Opened = serial.Serial(
            address.path,
            address.baud,
            timeout=0,
            rtscts=address.flow == "rts-cts",
            xonxoff=address.flow == "xon-xoff",
            exclusive=True,
        )
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise _not_opened(device, address.path, error) from error
    try:
        return _Exclusive(port)
    except OSError as error:
        port.close()
        raise _not_opened(device, address.path, error) from error


class _Exclusive:
    """A terminal that nobody else can open meanwhile, unless they are root."""

    def __init__(self, port: Opened) -> None:
        self._port = port
        fcntl.ioctl(port.fileno(), termios.TIOCEXCL)

    def fileno(self) -> int:
        return self._port.fileno()

    def close(self) -> None:
        with suppress(OSError):  # a port that is gone is nobody's
            fcntl.ioctl(self._port.fileno(), termios.TIOCNXCL)
        self._port.close()


def open_usb(device: str, address: LineAddress) -> Opened:
    """A USB printer port, for us alone: usblp lets one in, flock says so where a port is no usblp.

    Raises DeviceUnavailable.
    """
    try:
        file = os.fdopen(os.open(address.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC), "r+b", buffering=0)
    except OSError as error:
        raise _not_opened(device, address.path, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise _not_opened(device, address.path, error) from error
    return file


def _not_opened(device: str, path: str, error: Exception) -> DeviceUnavailable:
    number = getattr(error, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        advice = "is it on, is the cable in?"
    elif number in (errno.EACCES, errno.EPERM):
        advice = "the user of kioskd may not use it: see the udev rules"
    elif number in (errno.EBUSY, errno.EWOULDBLOCK):
        advice = "another program uses it"
    else:
        advice = str(error)
    return DeviceUnavailable(device, f"{path} can't be opened: {advice}")


class FileLine:
    """An open device file. Implements ``line.Line``."""

    def __init__(
        self,
        device: str,
        path: str,
        opened: Opened,
        clock: DeviceClock = MACHINE,
        has_empty_packets: bool = False,
    ) -> None:
        """``has_empty_packets``: nothing read is a USB packet without bytes, and not the end of the line."""
        self._device = device
        self._has_empty_packets = has_empty_packets
        self._clock = clock
        self.where = path
        self._opened = opened
        self._ahead = b""
        """A byte that ``has_ended`` had to take to know."""
        os.set_blocking(opened.fileno(), False)

    def close(self) -> None:
        self._opened.close()

    def write(self, data: bytes, until: float) -> None:
        sent = 0
        while sent < len(data):
            try:
                if not self._poll(select.POLLOUT, until - self._clock.monotonic()):
                    raise WriteFailed(sent, True, "it took no more bytes in time")
                sent += os.write(self._opened.fileno(), data[sent : sent + CHUNK_BYTES])
            except BlockingIOError:
                if self._clock.monotonic() >= until:
                    raise WriteFailed(sent, True, "it took no more bytes in time") from None
            except OSError as error:
                raise WriteFailed(sent, False, error.strerror or str(error)) from error

    def read(self, within_s: float) -> bytes:
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        until = self._clock.monotonic() + within_s
        try:
            while self._poll(select.POLLIN, until - self._clock.monotonic()):
                data = os.read(self._opened.fileno(), CHUNK_BYTES)
                if data:
                    return data
                if not self._is_empty_packet():
                    raise DeviceUnavailable(self._device, f"{self.where} is gone: was the cable pulled?")
        except BlockingIOError:
            return b""
        except OSError as error:
            raise lost(self._device, self.where, error) from error
        return b""

    def _is_empty_packet(self) -> bool:
        """Whether a read that brought nothing was a packet without bytes; some printers send them all the time."""
        return self._has_empty_packets and not self._poll(0, EMPTY_PACKET_S)  # 0: a line that ended says so in any case

    def wait(self, seconds: float) -> None:
        if not self._ahead:
            self._poll(select.POLLIN, seconds)

    def has_ended(self) -> bool:
        if self._ahead:
            return False
        try:
            # Asked first: a serial port without data reads as nothing, as one that is gone does.
            if not self._poll(select.POLLIN, 0):
                return False
            self._ahead = os.read(self._opened.fileno(), 1)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not self._ahead and not self._is_empty_packet()

    def _poll(self, what: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._opened.fileno(), what)
        return bool(poll.poll(max(self._clock.real_s(seconds), 0.0) * 1000))
