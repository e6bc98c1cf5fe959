"""Input devices and raw HID devices: what is said of files that are none, and the kernel's own where it has them."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.scanner import HidPosConfig, HidPosDriver, KeyboardConfig, KeyboardDriver
from drivers.scanner.device_files import EVIOCGLED, EVIOCGRAB, HIDIOCGRDESC, HIDIOCGRDESCSIZE, open_keyboard
from drivers.scanner.keys import EV_KEY
from kioskd.errors import DeviceUnavailable
from tests.drivers.scanner.typist import LEFT_SHIFT, PLAIN, SHIFTED

UINPUT = Path("/dev/uinput")
UI_SET_EVBIT, UI_SET_KEYBIT, UI_DEV_CREATE, UI_DEV_DESTROY, UI_DEV_SETUP = (
    0x40045564,
    0x40045565,
    0x5501,
    0x5502,
    0x405C5503,
)
WITHIN_S = 20.0


def number(direction: int, group: str, code: int, size: int) -> int:
    """An ioctl's number as the kernel makes it (asm-generic/ioctl.h)."""
    return direction << 30 | size << 16 | ord(group) << 8 | code


def test_the_kernels_numbers() -> None:
    assert number(1, "E", 0x90, 4) == EVIOCGRAB
    assert number(2, "E", 0x19, 8) == EVIOCGLED
    assert number(2, "H", 0x01, 4) == HIDIOCGRDESCSIZE
    assert number(2, "H", 0x02, 4100) == HIDIOCGRDESC


@pytest.mark.parametrize(("path", "why"), [("/dev/null", "it is not"), ("/dev/kioskd/none", "plugged in")])
def test_what_is_no_scanner_is_said_to_be_none(path: str, why: str) -> None:
    for scanner in (
        KeyboardDriver().create("scanner", KeyboardConfig(port=path), []),
        HidPosDriver().create("scanner", HidPosConfig(port=path), []),
    ):
        with pytest.raises(DeviceUnavailable, match=why):
            scanner.open()
        scanner.close()


@pytest.mark.parametrize(
    ("number", "why"), [(errno.EACCES, "udev rules"), (errno.EBUSY, "another program"), (errno.EIO, "Input/output")]
)
def test_a_device_that_is_refused_is_told_with_what_to_do(number: int, why: str) -> None:
    def refuse(path: str, flags: int) -> int:
        raise OSError(number, os.strerror(number))

    with pytest.raises(DeviceUnavailable, match=why):
        open_keyboard("scanner", "/dev/input/event7", refuse)


@pytest.fixture
def keyboard() -> Iterator[tuple[int, Path]]:
    """A keyboard that the kernel takes for a real one."""
    if not UINPUT.exists():
        pytest.skip("there is no /dev/uinput: the kernel makes no input device for us")
    made = os.open(UINPUT, os.O_WRONLY)
    fcntl.ioctl(made, UI_SET_EVBIT, EV_KEY)
    for code in range(1, 128):
        fcntl.ioctl(made, UI_SET_KEYBIT, code)
    fcntl.ioctl(made, UI_DEV_SETUP, struct.pack("HHHH80sI", 3, 0x1EAB, 0x0001, 1, b"kioskd test scanner", 0))
    before = set(Path("/dev/input").glob("event*"))
    fcntl.ioctl(made, UI_DEV_CREATE)
    until = time.monotonic() + WITHIN_S
    while not (new := set(Path("/dev/input").glob("event*")) - before) and time.monotonic() < until:
        select.select([], [], [], 0.05)
    yield made, new.pop()
    with suppress(OSError):
        fcntl.ioctl(made, UI_DEV_DESTROY)
    os.close(made)


def test_a_real_input_device_is_grabbed_read_and_given_back(keyboard: tuple[int, Path]) -> None:
    made, path = keyboard

    def send(code: int, value: int) -> None:
        os.write(made, struct.pack("@llHHi", 0, 0, EV_KEY, code, value) + struct.pack("@llHHi", 0, 0, 0, 0, 0))

    scanner = KeyboardDriver().create("scanner", KeyboardConfig(port=str(path)), [])
    second = KeyboardDriver().create("second", KeyboardConfig(port=str(path)), [])
    scanner.open()
    with pytest.raises(DeviceUnavailable, match="another program"):
        second.open()
    for character in "]Q1Abc":
        shifts = character in SHIFTED
        code = PLAIN[SHIFTED.get(character, character)]
        for key, value in ((LEFT_SHIFT, 1), (code, 1), (code, 0), (LEFT_SHIFT, 0)):
            if shifts or key == code:
                send(key, value)
    read = scanner.wait_for_code(WITHIN_S)
    assert read is not None
    assert (read.data, read.symbology) == (b"Abc", "]Q1")
    fcntl.ioctl(made, UI_DEV_DESTROY)
    with pytest.raises(DeviceUnavailable):
        scanner.wait_for_code(WITHIN_S)
    scanner.close()
