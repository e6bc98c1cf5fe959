"""A line that ends, or a process that is killed, at any byte of a sheet: over TCP, on a hurried clock."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import End, VirtualTicketPrinter
from kioskd.core.printing import ProofKind
from tests.drivers.escpos.broken_lines import DRAWN, HURRIED, LATIN, TAIL, lines_end, reference, the_next_sheet_is_right
from tests.drivers.ticket_printer_contract import WITHIN_S

FEW = 12
"""Offsets of each case in the short run; every byte with --long."""
PARTS = [pytest.param(0, 1, id="some bytes")]
PARTS += [
    pytest.param(part, 8, id=f"part {part}", marks=[pytest.mark.long, pytest.mark.timeout(900)]) for part in range(8)
]


def offsets(payload: bytes, part: int, of: int) -> range:
    whole = len(payload) + TAIL + 1
    return range(0, whole, max(whole // FEW, 1)) if of == 1 else range(part, whole, of)


@pytest.fixture
def virtual() -> Iterator[VirtualTicketPrinter]:
    with VirtualTicketPrinter(mechanical=False) as running:
        yield running


def driver_for(virtual: VirtualTicketPrinter) -> EscposPrinter:
    return EscposPrinter("ticket", EscposConfig(port=f"tcp://127.0.0.1:{virtual.port}"), HURRIED)


@pytest.mark.parametrize(("part", "of"), PARTS)
@pytest.mark.parametrize("end", ["reset", "close", "silence"])
@pytest.mark.parametrize("payload", [LATIN, DRAWN], ids=["letters", "drawn"])
def test_a_line_that_ends_at_any_byte_claims_nothing_and_spoils_no_later_sheet(
    virtual: VirtualTicketPrinter, payload: bytes, end: End, part: int, of: int
) -> None:
    driver = driver_for(virtual)
    lines_end(driver, virtual, payload, offsets(payload, part, of), end)


@pytest.mark.parametrize(("part", "of"), PARTS)
@pytest.mark.parametrize("payload", [LATIN, DRAWN], ids=["letters", "drawn"])
def test_a_process_that_is_killed_at_any_byte_spoils_no_sheet_of_the_next(
    virtual: VirtualTicketPrinter, payload: bytes, part: int, of: int
) -> None:
    dots = reference(payload)
    for offset in offsets(payload, part, of):
        first = len(virtual.sheets)
        with socket.create_connection(("127.0.0.1", virtual.port)) as killed:
            killed.sendall(payload[:offset])
        assert virtual.wait_until_free(WITHIN_S)
        driver = driver_for(virtual)
        the_next_sheet_is_right(driver, virtual, first, dots)
        driver.close()


def test_half_of_a_big_picture_is_fed_until_the_printer_hears_again(virtual: VirtualTicketPrinter) -> None:
    with socket.create_connection(("127.0.0.1", virtual.port)) as killed:
        killed.sendall(b"\x1dv0\x00\x48\x00\x00\x02" + b"\xff" * 100)  # 36,864 dots' bytes, 100 of them sent
    assert virtual.wait_until_free(WITHIN_S)
    driver = driver_for(virtual)
    the_next_sheet_is_right(driver, virtual, 0, b"")
    driver.close()


def test_fences_that_the_process_before_left_open_are_no_proof() -> None:
    """The printer still prints what a killed process sent, when the next one asks and sends its own."""
    sheets = 2
    with VirtualTicketPrinter(speed_mm_s=250, supports_process_id=False) as slow:
        with socket.create_connection(("127.0.0.1", slow.port)) as killed:
            killed.sendall((LATIN + b"\x1dr\x01") * sheets)
        assert slow.wait_until_free(WITHIN_S)
        driver = EscposPrinter("ticket", EscposConfig(port=f"tcp://127.0.0.1:{slow.port}"))
        driver.open()
        while not driver.status().is_ready:
            assert len(slow.sheets) <= sheets
        assert driver.status().proof is ProofKind.FENCE
        driver.send(LATIN, 1)
        assert driver.prove(1, None, WITHIN_S) is ProofKind.FENCE
        assert len(slow.sheets) == sheets + 1
        driver.close()
