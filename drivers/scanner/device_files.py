"""Scanners that are no serial port: an input device of the kernel (evdev), and a raw HID device (hidraw).

Three ioctls of one integer or one buffer each are all that is needed of evdev and hidraw, so no library is between: the
one there is, python-evdev, must be compiled on every machine and opens real devices only, so that what is tested would
not be what runs.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable
from contextlib import suppress

from drivers.line import Line
from drivers.line.file import FileLine
from drivers.scanner.hid_reports import HONEYWELL, ReportLayout, layout_of
from drivers.scanner.keys import LED_CAPSL
from kioskd.clock import MACHINE, DeviceClock
from kioskd.errors import DeviceUnavailable

__all__ = ["open_hidraw", "open_keyboard"]

EVIOCGRAB = 0x40044590
"""linux/input.h: _IOW('E', 0x90, int). Until the file is closed nobody else gets what the device types."""
EVIOCGLED = 0x80084519
"""_IOC(_IOC_READ, 'E', 0x19, 8): which lamps are lit."""
HIDIOCGRDESCSIZE = 0x80044801
"""linux/hidraw.h: _IOR('H', 0x01, int)."""
HIDIOCGRDESC = 0x90044802
"""_IOR('H', 0x02, struct hidraw_report_descriptor): a length and 4096 bytes."""
_MOST_DESCRIPTOR = 4096

Opener = Callable[[str, int], int]
"""``os.open``, or what stands in for it."""


class _File:
    """An open device file. Implements ``line.file.Opened``."""

    def __init__(self, number: int, is_grabbed: bool = False) -> None:
        self._number = number
        self._is_grabbed = is_grabbed

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        number, self._number = self._number, -1
        if number < 0:
            return
        if self._is_grabbed:
            with suppress(OSError):  # a device that is gone is nobody's
                fcntl.ioctl(number, EVIOCGRAB, 0)
        with suppress(OSError):
            os.close(number)


def open_keyboard(device: str, path: str, opener: Opener = os.open, clock: DeviceClock = MACHINE) -> tuple[Line, bool]:
    """A scanner that types, for us alone, and whether its Caps Lock lamp is lit. Raises DeviceUnavailable."""
    number = _open(device, path, opener, os.O_RDONLY)
    lamps = bytearray(8)
    try:
        fcntl.ioctl(number, EVIOCGRAB, 1)
        fcntl.ioctl(number, EVIOCGLED, lamps)
    except OSError as error:
        os.close(number)
        raise _refused(device, path, error, "an input device (/dev/input/by-id/...-event-kbd)") from error
    is_caps_on = bool(lamps[LED_CAPSL // 8] >> LED_CAPSL % 8 & 1)
    return FileLine(device, path, _File(number, is_grabbed=True), clock), is_caps_on


def open_hidraw(
    device: str, path: str, opener: Opener = os.open, clock: DeviceClock = MACHINE
) -> tuple[Line, ReportLayout]:
    """A scanner in HID-POS mode, for us alone, and where its reports have what. Raises DeviceUnavailable."""
    number = _open(device, path, opener, os.O_RDWR)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        descriptor = _descriptor(number)
    except OSError as error:
        os.close(number)
        raise _refused(device, path, error, "a raw HID device (/dev/hidraw...)") from error
    layout = layout_of(descriptor) if descriptor else HONEYWELL
    if layout is None:
        os.close(number)
        what = f"{path} is no barcode scanner in HID-POS mode: set the scanner to HID-POS (USB POS HID), not keyboard"
        raise DeviceUnavailable(device, what)
    return FileLine(device, path, _File(number), clock), layout


def _descriptor(number: int) -> bytes:
    """The report descriptor; empty where the kernel has none to give."""
    size = struct.pack("I", 0)
    length = struct.unpack("I", fcntl.ioctl(number, HIDIOCGRDESCSIZE, size))[0]
    buffer = bytearray(struct.pack("I", min(length, _MOST_DESCRIPTOR)) + bytes(_MOST_DESCRIPTOR))
    fcntl.ioctl(number, HIDIOCGRDESC, buffer)
    return bytes(buffer[4 : 4 + length])


def _open(device: str, path: str, opener: Opener, mode: int) -> int:
    try:
        return opener(path, mode | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(device, path, error, "a device file") from error


def _refused(device: str, path: str, error: OSError, wanted: str) -> DeviceUnavailable:
    if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        advice = "is the scanner plugged in?"
    elif error.errno in (errno.EACCES, errno.EPERM):
        advice = "the user of kioskd may not use it: see the udev rules"
    elif error.errno in (errno.EBUSY, errno.EWOULDBLOCK):
        advice = "another program uses it"
    elif error.errno in (errno.ENOTTY, errno.EINVAL):
        advice = f"it is not {wanted}"
    else:
        advice = error.strerror or str(error)
    return DeviceUnavailable(device, f"{path} can't be opened: {advice}")
