"""What a line that ends at one byte of a sheet, or a process that dies there, may do to paper: judged dot by dot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic

from drivers.escpos import EscposConfig
from drivers.escpos.layout import ticket_bytes
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import End, VirtualTicketPrinter
from kioskd.clock import DeviceClock
from kioskd.core.printing import ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from tests.drivers.ticket_printer_contract import WITHIN_S, ticket

RATE = 40
HURRIED = DeviceClock(RATE)
ANYWHERE = EscposConfig(port="tcp://127.0.0.1:1")
LATIN = ticket_bytes(ticket("A12"), ANYWHERE)
DRAWN = ticket_bytes(ticket("Ω"), ANYWHERE)
NEXT = ticket_bytes(ticket("B34"), ANYWHERE)
TAIL = 11
NOTHING_MORE = 1 << 40


def reference(payload: bytes) -> bytes:
    """The dots of a sheet that nothing went wrong with."""
    with VirtualTicketPrinter(mechanical=False) as virtual:
        virtual.write_foreign(payload)
        assert virtual.wait_for_sheets(1, WITHIN_S)
        return virtual.sheets[0].picture.rows


NEXT_DOTS = reference(NEXT)


def ready(driver: EscposPrinter, proof: ProofKind = ProofKind.COMPLETION) -> None:
    """Open it and wait until it can prove what it prints, as the daemon does.

    A busy machine may keep a hurried clock from hearing the answers in time: then it is opened again.
    """
    until = monotonic() + 3 * WITHIN_S
    while monotonic() < until:
        with suppress(DeviceUnavailable):
            driver.open()
            while not (status := driver.status()).is_ready:
                assert monotonic() < until
            if status.proof is proof:
                return
    raise AssertionError("the printer did not become ready")


def the_next_sheet_is_right(driver: EscposPrinter, virtual: VirtualTicketPrinter, first: int, dots: bytes) -> None:
    """Print one, and look at all sheets since ``first``: it is whole and alone, and the one before not doubled."""
    ready(driver)
    driver.send(NEXT, 2)
    assert driver.prove(2, None, WITHIN_S * RATE) is ProofKind.COMPLETION
    *earlier, last = [sheet.picture.rows for sheet in virtual.sheets[first:]]
    assert last == NEXT_DOTS
    assert earlier.count(dots) <= 1
    assert NEXT_DOTS not in earlier


def lines_end(
    driver: EscposPrinter,
    virtual: VirtualTicketPrinter,
    payload: bytes,
    offsets: Iterable[int],
    end: End,
    mend: Callable[[], None] = lambda: None,
) -> None:
    """End the line after each of ``offsets`` bytes of a sheet; what is claimed is on paper, and the next is right.

    ``mend``: what a hand does to the line before it is opened again.
    """
    dots = reference(payload)
    for offset in offsets:
        first = len(virtual.sheets)
        ready(driver)
        virtual.drop_after(offset, end)
        proof = None
        try:
            driver.send(payload, 1)
            proof = driver.prove(1, None, 1.0)
        except NotPrinted:
            assert virtual.wait_until_idle(WITHIN_S)
            assert len(virtual.sheets) == first, offset
        except DeviceUnavailable:
            pass
        if proof is not None:
            assert [sheet.picture.rows for sheet in virtual.sheets[first:]].count(dots) == 1, offset
        virtual.drop_after(NOTHING_MORE)
        virtual.set_half_open(False)
        driver.close()
        mend()
        the_next_sheet_is_right(driver, virtual, first, dots)
        driver.close()
