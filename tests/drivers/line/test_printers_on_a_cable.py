"""Both printers' contracts again, over a serial port and over a USB printer port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.zpl import ZplConfig
from drivers.zpl.printer import ZplPrinter
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.core.printing import ProofKind
from kioskd.errors import DeviceUnavailable
from tests.drivers.line.cable import Cable
from tests.drivers.ticket_printer_contract import TICKET, WITHIN_S, TicketPrinterContract
from tests.drivers.wristband_printer_contract import WristbandPrinterContract


class CabledBench:
    """Hands on a virtual ticket printer behind a cable."""

    def __init__(self, virtual: VirtualTicketPrinter, cable: Cable) -> None:
        self.virtual = virtual
        self.cable = cable
        self.set_paper = virtual.set_paper
        self.set_lid = virtual.set_lid
        self.unplug = cable.unplug
        self.wait_for_sheets = virtual.wait_for_sheets

    def hang_up(self) -> None:
        """Pull the cable and put it in again: the open device file is dead, the next one is not."""
        self.cable.unplug()
        self.cable.plug()

    def sheet_texts(self) -> list[str]:
        return [sheet.text for sheet in self.virtual.sheets]


class CabledHands(VirtualWristbandPrinter):
    """A virtual wristband printer that is switched off by pulling its cable."""

    cable: Cable

    def stop(self) -> None:
        self.cable.unplug()
        super().stop()

    def power_cycle(self) -> None:
        self.cable.unplug()
        super().power_cycle()
        self.cable.plug()


class TestTicketsOverASerialPort(TicketPrinterContract):
    proof = ProofKind.COMPLETION
    kind = "serial"

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[CabledBench]:
        with VirtualTicketPrinter(mechanical=False) as virtual:
            cable = Cable(tmp_path / "printer", virtual.port)
            yield CabledBench(virtual, cable)
            cable.unplug()

    @pytest.fixture
    def printer(self, bench: CabledBench) -> EscposPrinter:
        return EscposPrinter("ticket", EscposConfig(port=f"{self.kind}:{bench.cable.path}"))

    def test_half_a_sheet_before_the_cable_is_pulled_does_not_hang_on_the_next(self, opened, bench):
        bench.virtual.drop_after(60)
        with suppress(DeviceUnavailable):  # noticed while it is sent, or not before the proof
            opened.send(opened.render(TICKET), 1)
        assert bench.virtual.wait_until_free(WITHIN_S)
        bench.cable.unplug()
        opened.close()
        bench.cable.plug()
        opened.open()
        assert opened.status().is_ready
        opened.send(opened.render(TICKET), 2)
        assert opened.prove(2, None, WITHIN_S) is self.proof
        assert bench.sheet_texts()[-1].count("A12") == 1


class TestTicketsOverUsb(TestTicketsOverASerialPort):
    kind = "usb"


class TestBandsOverASerialPort(WristbandPrinterContract):
    kind = "serial"

    @pytest.fixture
    def hands(self, tmp_path: Path) -> Iterator[CabledHands]:
        hands = CabledHands(mechanical=False)
        hands.start()
        hands.cable = Cable(tmp_path / "printer", hands.port)
        yield hands
        hands.stop()

    @pytest.fixture
    def printer(self, hands: CabledHands) -> Iterator[ZplPrinter]:
        printer = ZplPrinter("bands", ZplConfig(port=f"{self.kind}:{hands.cable.path}"))
        yield printer
        printer.close()


class TestBandsOverUsb(TestBandsOverASerialPort):
    kind = "usb"
