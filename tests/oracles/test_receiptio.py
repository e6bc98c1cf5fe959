"""receiptio, an ESC/POS driver that we did not write, prints on our simulator and believes what it answers."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.escpos.virtual import VirtualTicketPrinter

RECEIPT = "Riverside Clinic\n\n^^^A12\n\nWaiting area B | 09:40\n"
PORT = 9100
"""The only one that receiptio knows: each simulator gets an address of its own."""
WITHIN_S = 60
EXITS = {"success": 0, "online": 100, "coveropen": 101, "paperempty": 102, "error": 103, "disconnect": 105}

Print = Callable[..., str]


@pytest.fixture
def virtual(request: pytest.FixtureRequest) -> Iterator[VirtualTicketPrinter]:
    for last in range(1, 255):
        printer = VirtualTicketPrinter(host=f"127.0.91.{last}", port=PORT, mechanical=False)
        with suppress(OSError):  # another worker's
            printer.start()
            yield printer
            printer.stop()
            return
    raise AssertionError("no loopback address is free")


@pytest.fixture
def receiptio(node_modules: Path, virtual: VirtualTicketPrinter) -> Print:
    """Run it against the simulator: the word that it ends with, which its exit code must be the number of."""

    def run(*options: str, text: str = RECEIPT, host: str = virtual.host) -> str:
        command = ["node", str(node_modules / "receiptio" / "bin" / "cli.js"), "-d", host, "-l", "en", *options]
        ran = subprocess.run(command, input=text, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        word = ran.stderr.strip()
        assert ran.returncode == EXITS[word], ran.stderr
        return word

    return run


@pytest.mark.parametrize("language", [(), ("-p", "escpos")], ids=["that it finds out", "that it is told"])
def test_it_prints_a_receipt_and_knows_that_it_is_out(
    receiptio: Print, virtual: VirtualTicketPrinter, language: tuple[str, ...]
) -> None:
    assert receiptio(*language) == "success"
    [sheet] = virtual.sheets
    assert "Riverside Clinic" in sheet.text
    assert "A12" in sheet.text


def test_it_sees_paper_cover_and_errors_as_we_show_them(receiptio: Print, virtual: VirtualTicketPrinter) -> None:
    assert receiptio("-q") == "online"
    virtual.set_paper(False)
    assert receiptio("-q") == "paperempty"
    assert receiptio("-p", "escpos") == "paperempty"
    virtual.set_paper(True)
    virtual.set_lid(True)
    assert receiptio("-q") == "coveropen"
    virtual.set_lid(False)
    virtual.set_cutter_jammed(True)
    assert receiptio("-q") == "error"
    virtual.set_cutter_jammed(False)
    assert receiptio("-q") == "online"
    assert virtual.sheets == []


def test_paper_that_ends_while_it_prints_is_pushed_to_it(receiptio: Print, virtual: VirtualTicketPrinter) -> None:
    virtual.set_paper_mm(40)
    assert receiptio("-p", "escpos", text="A line\n" * 30) == "paperempty"
    virtual.set_paper(True)
    assert virtual.wait_for_sheets(1, WITHIN_S)
    assert virtual.sheets[0].text.count("A line") == 30


def test_it_gets_through_half_a_command_that_somebody_left(receiptio: Print, virtual: VirtualTicketPrinter) -> None:
    """It sends NULs until the printer speaks again: ours must behave as those that taught it that."""
    with socket.create_connection((virtual.host, PORT)) as killed:
        killed.sendall(b"\x1dv0\x00\x48\x00\x40\x00\xff")
    assert virtual.wait_until_free(WITHIN_S)
    assert receiptio("-p", "escpos") == "success"
    assert "A12" in virtual.sheets[-1].text


def test_where_there_is_no_printer_it_is_disconnected(receiptio: Print) -> None:
    assert receiptio("-q", host="127.0.90.1") == "disconnect"
