"""A serial line that ends, or a process that is killed, at any byte of a sheet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import End, VirtualTicketPrinter
from tests.drivers.escpos.broken_lines import DRAWN, HURRIED, LATIN, TAIL, lines_end, reference, the_next_sheet_is_right
from tests.drivers.line.cable import Cable
from tests.drivers.ticket_printer_contract import WITHIN_S

FEW = 5
LONG = [pytest.mark.long, pytest.mark.timeout(900)]
NUMBER = [pytest.param(FEW, id="some bytes"), pytest.param(400, id="many bytes", marks=LONG)]


def offsets(payload: bytes, number: int) -> range:
    whole = len(payload) + TAIL + 1
    return range(0, whole, max(whole // number, 1))


@pytest.fixture
def virtual() -> Iterator[VirtualTicketPrinter]:
    with VirtualTicketPrinter(mechanical=False) as running:
        yield running


@pytest.fixture
def cable(virtual: VirtualTicketPrinter, tmp_path: Path) -> Iterator[Cable]:
    plugged = Cable(tmp_path / "printer", virtual.port)
    yield plugged
    plugged.unplug()


def driver_for(cable: Cable) -> EscposPrinter:
    return EscposPrinter("ticket", EscposConfig(port=f"serial:{cable.path}", baud=115200), HURRIED)


@pytest.mark.parametrize("number", NUMBER)
@pytest.mark.parametrize("end", ["close", "silence"])
@pytest.mark.parametrize("payload", [LATIN, DRAWN], ids=["letters", "drawn"])
def test_a_cable_that_is_pulled_at_any_byte_claims_nothing_and_spoils_no_later_sheet(
    virtual: VirtualTicketPrinter, cable: Cable, payload: bytes, end: End, number: int
) -> None:
    def mend() -> None:
        cable.unplug()
        cable.plug()

    lines_end(driver_for(cable), virtual, payload, offsets(payload, number), end, mend)


@pytest.mark.parametrize("number", NUMBER)
@pytest.mark.parametrize("payload", [LATIN, DRAWN], ids=["letters", "drawn"])
def test_a_process_that_is_killed_at_any_byte_spoils_no_sheet_of_the_next(
    virtual: VirtualTicketPrinter, cable: Cable, payload: bytes, number: int
) -> None:
    dots = reference(payload)
    for offset in offsets(payload, number):
        first = len(virtual.sheets)
        killed = os.open(cable.path, os.O_RDWR | os.O_NOCTTY)
        left = payload[:offset]
        while left:
            left = left[os.write(killed, left) :]
        os.close(killed)
        driver = driver_for(cable)
        the_next_sheet_is_right(driver, virtual, first, dots)
        driver.close()
    assert virtual.wait_until_idle(WITHIN_S)
