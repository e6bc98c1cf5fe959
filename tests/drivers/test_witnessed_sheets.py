"""The simulated printers as witnesses: a sheet knows the connection that sent it; paper has the speed it is given."""

from __future__ import annotations

import socket
import time

import pytest

from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.zpl.virtual import VirtualWristbandPrinter

TICKET = b"\x1b@%s\n\x1dVB\x00"
BAND = b"^XA^FO10,10^FD%s^FS^PQ1^XZ"
WITHIN_S = 10.0
Printer = VirtualTicketPrinter | VirtualWristbandPrinter


def send(printer: Printer, *parts: bytes) -> float:
    """Send over a connection of its own; when it was asked for."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", printer.port), timeout=WITHIN_S) as client:
        for part in parts:
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    return began


def connected_at(printer: Printer) -> list[float]:
    if isinstance(printer, VirtualWristbandPrinter):
        return list(printer.connected_at)
    return [sheet.connected_at for sheet in printer.sheets]


def came_out(printer: Printer, count: int) -> None:
    assert printer.wait_for_sheets(count, WITHIN_S)


@pytest.mark.parametrize(("kind", "form"), [(VirtualTicketPrinter, TICKET), (VirtualWristbandPrinter, BAND)])
def test_each_sheet_knows_when_the_connection_began_that_brought_it(
    kind: type[VirtualTicketPrinter] | type[VirtualWristbandPrinter], form: bytes
) -> None:
    with kind(mechanical=False) as printer:
        first = send(printer, form % b"A1", form % b"A2")
        came_out(printer, 2)
        second = send(printer, form % b"A3")
        came_out(printer, 3)
        at = connected_at(printer)
    assert first <= at[0] == at[1] < second <= at[2] <= time.monotonic()


@pytest.mark.parametrize(("kind", "form"), [(VirtualTicketPrinter, TICKET), (VirtualWristbandPrinter, BAND)])
def test_a_sheet_that_a_later_connection_finds_in_the_buffer_is_still_the_earlier_ones(
    kind: type[VirtualTicketPrinter] | type[VirtualWristbandPrinter], form: bytes
) -> None:
    with kind(mechanical=False) as printer:
        printer.set_paper(False)
        first = send(printer, form % b"A1")
        second = send(printer, form % b"A2")
        printer.set_paper(True)
        came_out(printer, 2)
        at = connected_at(printer)
    assert first <= at[0] < second <= at[1]


@pytest.mark.parametrize(("kind", "form"), [(VirtualTicketPrinter, TICKET), (VirtualWristbandPrinter, BAND)])
def test_paper_can_be_made_slow_and_quick_again(
    kind: type[VirtualTicketPrinter] | type[VirtualWristbandPrinter], form: bytes
) -> None:
    with kind(mechanical=False) as printer:
        printer.set_speed(200.0)
        began = send(printer, form % b"A1")
        came_out(printer, 1)
        assert time.monotonic() - began >= 0.1, "a sheet moved in no time"
        printer.set_speed(None)
        send(printer, form % b"A2")
        came_out(printer, 2)
