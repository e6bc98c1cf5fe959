"""A line is one program's: how that is held, what is said to who comes second, and what does not end it."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.line import line_address, open_line
from drivers.line.file import FileLine
from kioskd.errors import DeviceUnavailable
from tests.drivers.line.cable import Cable
from tests.drivers.ticket_printer_contract import WITHIN_S

TIOCGEXCL = 0x80045440
"""Whether a terminal is exclusive (ioctl_tty(2)); Python has no name for it."""


@pytest.fixture
def virtual() -> Iterator[VirtualTicketPrinter]:
    with VirtualTicketPrinter(mechanical=False) as running:
        yield running


@pytest.fixture
def cable(virtual: VirtualTicketPrinter, tmp_path: Path) -> Iterator[Cable]:
    plugged = Cable(tmp_path / "printer", virtual.port)
    yield plugged
    plugged.unplug()


def is_exclusive(path: Path) -> bool:
    """Whether the kernel lets nobody but root open a terminal."""
    seen = os.open(path, os.O_RDWR | os.O_NOCTTY) if os.geteuid() == 0 else -1
    if seen < 0:  # nobody else may look, which is the answer
        return True
    try:
        return bool(struct.unpack("i", fcntl.ioctl(seen, TIOCGEXCL, b"\0" * 4))[0])
    finally:
        os.close(seen)


@pytest.mark.parametrize("kind", ["serial", "usb"])
def test_a_second_program_is_told_that_another_uses_the_port(cable: Cable, kind: str) -> None:
    address = line_address(f"{kind}:{cable.path}")
    first = open_line("tickets", address)
    with pytest.raises(DeviceUnavailable, match="another program uses it"):
        open_line("tickets", address)
    first.close()
    open_line("tickets", address).close()


def test_a_serial_port_is_held_against_programs_that_do_not_ask(cable: Cable) -> None:
    line = open_line("tickets", line_address(f"serial:{cable.path}"))
    assert is_exclusive(cable.path)
    line.close()
    seen = os.open(cable.path, os.O_RDWR | os.O_NOCTTY)
    assert struct.unpack("i", fcntl.ioctl(seen, TIOCGEXCL, b"\0" * 4))[0] == 0
    os.close(seen)


def test_a_network_printer_that_refuses_may_be_in_use_elsewhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(DeviceUnavailable, match="another computer may be using it"):
        open_line("tickets", line_address(f"tcp://127.0.0.1:{port}"))


def test_a_network_printer_that_turns_a_second_computer_away_is_said_to_be_in_use(
    virtual: VirtualTicketPrinter,
) -> None:
    virtual.set_turns_away(True)
    driver = EscposPrinter("tickets", EscposConfig(port=f"tcp://127.0.0.1:{virtual.port}"))
    with socket.create_connection(("127.0.0.1", virtual.port), timeout=WITHIN_S) as first:
        first.sendall(b"\x10\x04\x01")
        assert first.recv(1) == b"\x12"
        with pytest.raises(DeviceUnavailable, match="another computer may be using it"):
            driver.open()
    assert virtual.wait_until_free(WITHIN_S)
    driver.open()
    assert driver.status().is_ready
    virtual.hang_up()
    assert virtual.wait_until_free(WITHIN_S)
    with pytest.raises(DeviceUnavailable) as lost:
        driver.status()
    assert "another computer" not in str(lost.value)
    driver.close()


def test_a_usb_packet_without_bytes_is_not_the_end_of_the_line() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line = FileLine("tickets", "/dev/usb/lp0", near, has_empty_packets=True)
    with far:
        far.send(b"")
        assert not line.has_ended()
        far.send(b"")
        assert line.read(0.05) == b""
        far.send(b"")
        far.send(b"\x12")
        assert line.read(WITHIN_S) == b"\x12"
    assert line.has_ended()
    with pytest.raises(DeviceUnavailable, match="was the cable pulled"):
        line.read(WITHIN_S)
    line.close()
