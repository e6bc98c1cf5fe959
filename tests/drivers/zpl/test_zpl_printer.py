"""ZplPrinter against the virtual printer over a real socket: the contract, and what only ZPL has."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from drivers.zpl import ZplConfig, ZplDriver
from drivers.zpl.printer import ZplPrinter
from drivers.zpl.virtual import Fault, VirtualWristbandPrinter, Warn
from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import Cause, PrinterNote, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import Driver, WristbandPrinter
from tests.drivers.wristband_printer_contract import SHEET, WristbandPrinterContract
from tests.drivers.zpl.bench import HURRIED, LONG_S, Bench

Virtual = Callable[..., VirtualWristbandPrinter]


@pytest.fixture
def virtual() -> Iterator[Virtual]:
    """Makes virtual printers that are switched on, and stops them."""
    made: list[VirtualWristbandPrinter] = []

    def make(mechanical: bool = False, **options: Any) -> VirtualWristbandPrinter:
        printer = VirtualWristbandPrinter(mechanical=mechanical, **options)
        printer.start()
        made.append(printer)
        return printer

    yield make
    for printer in made:
        printer.stop()


@pytest.fixture
def driven() -> Iterator[Callable[[VirtualWristbandPrinter], ZplPrinter]]:
    """Makes drivers of virtual printers, and closes them."""
    made: list[ZplPrinter] = []

    def make(hands: VirtualWristbandPrinter, clock: DeviceClock = MACHINE, **config: Any) -> ZplPrinter:
        printer = ZplPrinter("bands", ZplConfig(port=f"tcp://127.0.0.1:{hands.port}", **config), clock)
        made.append(printer)
        return printer

    yield make
    for printer in made:
        printer.close()


class TestContract(WristbandPrinterContract):
    """The port's contract at a printer that prints at once and answers ``~HS`` in every state."""

    @pytest.fixture
    def hands(self, virtual: Virtual) -> VirtualWristbandPrinter:
        return virtual()

    @pytest.fixture
    def printer(self, hands: VirtualWristbandPrinter, driven: Callable[..., ZplPrinter]) -> ZplPrinter:
        return driven(hands)


def test_the_driver_and_its_printer_are_what_the_ports_ask_for() -> None:
    driver: Driver = ZplDriver()
    assert (driver.kind, driver.config) == ("wristband-printer", ZplConfig)
    assert isinstance(driver.create("bands", ZplConfig(port="tcp://127.0.0.1"), ()), WristbandPrinter)


def test_the_model_of_the_printer_is_in_its_status(virtual: Virtual, driven: Callable[..., ZplPrinter]) -> None:
    printer = driven(virtual(model="ZD510-300dpi"))
    printer.open()
    assert printer.status().model.startswith("ZD510-300dpi V")


def test_a_printer_of_another_resolution_is_refused_with_what_to_set(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    printer = driven(virtual(dpi=203))
    with pytest.raises(DeviceUnavailable, match="set dpi = 203"):
        printer.open()
    with pytest.raises(DeviceUnavailable, match="not open"):
        printer.status()


def test_silence_in_a_fault_is_no_answer_and_the_band_is_proven_afterwards(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual(is_mute_in_fault=True)
    printer = driven(hands, HURRIED)
    printer.open()
    before = printer.status()
    hands.set_paper(False)
    printer.send(printer.render(SHEET), 1)
    silent = printer.status()
    assert (silent.is_ready, silent.cause) == (False, Cause.NO_ANSWER)
    assert printer.prove(1, before.odometer, 0.1) is None
    hands.set_paper(True)
    assert printer.prove(1, before.odometer, LONG_S) is ProofKind.ODOMETER
    assert len(hands.sheets) == 1


def test_a_printer_that_is_silent_when_it_is_opened_is_open_all_the_same(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual(is_mute_in_fault=True)
    hands.set_lid(True)
    printer = driven(hands)
    printer.open()
    hands.set_lid(False)
    assert printer.status().odometer is None, "it may be the answer to what was asked before"
    status = printer.status()
    assert (status.is_ready, status.proof, status.odometer) == (True, ProofKind.ODOMETER, hands.odometer)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault.MEDIA_OUT, Cause.PAPER_OUT),
        (Fault.RIBBON_OUT, Cause.RIBBON_OUT),
        (Fault.HEAD_OPEN, Cause.COVER_OPEN),
        (Fault.CUTTER_JAMMED, Cause.CUTTER_ERROR),
        (Fault.HEAD_HOT, Cause.HEAD_HOT),
        (Fault.MOTOR_HOT, Cause.HEAD_HOT),
        (Fault.HEAD_BROKEN, Cause.FAULT),
        (Fault.HEAD_OPEN | Fault.MEDIA_OUT, Cause.COVER_OPEN),
    ],
)
@pytest.mark.parametrize("is_silent_in_fault", [False, True])
def test_each_fault_has_its_cause_also_where_only_variables_are_answered(
    virtual: Virtual, driven: Callable[..., ZplPrinter], fault: Fault, cause: Cause, is_silent_in_fault: bool
) -> None:
    hands = virtual(is_silent_in_fault=is_silent_in_fault)
    printer = driven(hands)
    printer.open()
    hands.set_fault(fault)
    faulty = printer.status()
    assert (faulty.is_ready, faulty.cause, faulty.odometer) == (False, cause, hands.odometer)
    hands.set_fault(fault, False)
    assert printer.status().is_ready


def test_what_a_ready_printer_will_need_soon_is_in_its_notes(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual(labels=6)
    printer = driven(hands)
    printer.open()
    assert printer.status().notes == ()
    hands.load(5)
    hands.set_warning(Warn.CLEAN_HEAD | Warn.REPLACE_HEAD | Warn.CALIBRATE)
    status = printer.status()
    assert (status.is_ready, status.is_paper_low) == (True, True)
    assert status.notes == (PrinterNote.PAPER_LOW, PrinterNote.HEAD_DIRTY, PrinterNote.HEAD_WORN)


def test_a_resolution_that_is_only_heard_of_later_is_refused_before_a_band_is_sent(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual(dpi=203, is_mute_in_fault=True)
    hands.set_lid(True)
    printer = driven(hands, HURRIED)
    printer.open()
    assert printer.status().cause is Cause.NO_ANSWER
    hands.set_lid(False)
    with pytest.raises(DeviceUnavailable, match="set dpi = 203"):
        Bench(hands, printer).ready()
    with pytest.raises(NotPrinted):
        printer.send(b"^XA^XZ", 1)


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_bands_of_every_resolution_are_printed(virtual: Virtual, driven: Callable[..., ZplPrinter], dpi: int) -> None:
    hands = virtual(dpi=dpi)
    printer = driven(hands, dpi=dpi)
    printer.open()
    before = printer.status()
    printer.send(printer.render(SHEET), 1)
    assert printer.prove(1, before.odometer, 5) is ProofKind.ODOMETER
    picture = Image.open(io.BytesIO(hands.sheet_png(1)))
    assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.01)
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture.convert("RGBA"))
    codes = zxingcpp.read_barcodes(paper.convert("L"), formats=zxingcpp.BarcodeFormat.DataMatrix)
    assert {b"8018505050560001234569" in code.bytes for code in codes} == {True}


def test_a_band_in_print_keeps_the_printer_busy_until_it_is_proven(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual(mechanical=True, speed_mm_s=900)
    printer = driven(hands)
    printer.open()
    before = printer.status()
    printer.send(printer.render(SHEET), 1)
    assert hands.wait_until_printing(5)
    assert printer.status().cause is Cause.BUSY
    assert printer.prove(1, before.odometer, 5) is ProofKind.ODOMETER
    assert printer.status().is_ready


@pytest.mark.parametrize("fault", ["paper", "lid"])
def test_a_band_cut_short_is_printed_again_by_the_printer_and_counted_once(
    virtual: Virtual, driven: Callable[..., ZplPrinter], fault: str
) -> None:
    hands = virtual(mechanical=True, speed_mm_s=700)
    printer = driven(hands)
    printer.open()
    before = printer.status()
    printer.send(printer.render(SHEET), 1)
    assert hands.wait_until_printing(5)
    hands.set_paper(False) if fault == "paper" else hands.set_lid(True)
    assert printer.prove(1, before.odometer, 0.2) is None
    assert hands.sheets == ()
    hands.set_paper(True) if fault == "paper" else hands.set_lid(False)
    assert printer.prove(1, before.odometer, 5) is ProofKind.ODOMETER
    assert (len(hands.sheets), hands.spoiled) == (1, 1)


def test_a_paused_printer_is_not_ready(virtual: Virtual, driven: Callable[..., ZplPrinter]) -> None:
    hands = virtual()
    printer = driven(hands)
    printer.open()
    hands.set_paused(True)
    assert printer.status().cause is Cause.PAUSED


def test_bytes_that_left_before_the_connection_broke_are_never_called_not_printed(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual()
    printer = driven(hands)
    printer.open()
    before = printer.status()
    payload = printer.render(SHEET)
    hands.drop_after(100)
    # The system takes all bytes before the reset comes back: no error, or one that says that bytes were sent.
    try:
        printer.send(payload, 1)
        with pytest.raises(DeviceUnavailable):
            printer.prove(1, before.odometer, 5)
    except NotPrinted:
        pytest.fail("100 bytes were in the printer")
    except DeviceUnavailable:
        pass


def test_half_a_format_of_a_daemon_that_was_killed_does_not_get_onto_the_next_band(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual()
    with socket.create_connection(("127.0.0.1", hands.port)) as killed:
        killed.sendall(b"^XA^FO10,10^A0N,30,30^FDANOTHER PATIENT^FS~HS")
        assert killed.recv(1)
    printer = driven(hands)
    printer.open()
    before = printer.status()
    payload = printer.render(SHEET)
    printer.send(payload, 1)
    assert printer.prove(1, before.odometer, 5) is ProofKind.ODOMETER
    assert hands.sheets == (payload,)


def test_half_a_format_is_cancelled_also_when_the_printer_was_silent_while_it_was_opened(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual(is_mute_in_fault=True)
    with socket.create_connection(("127.0.0.1", hands.port)) as killed:
        killed.sendall(b"^XA^FDANOTHER PATIENT^FS~HS")
        assert killed.recv(1)
    hands.set_lid(True)
    printer = driven(hands, HURRIED)
    printer.open()
    hands.set_lid(False)
    before = Bench(hands, printer).ready()  # the first answer may be to what was asked before
    payload = printer.render(SHEET)
    printer.send(payload, 1)
    assert printer.prove(1, before.odometer, LONG_S) is ProofKind.ODOMETER
    assert hands.sheets == (payload,)


def test_a_power_cut_with_the_band_in_the_buffer_is_no_proof_afterwards(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual()
    printer = driven(hands)
    printer.open()
    before = printer.status()
    hands.set_paper(False)
    printer.send(printer.render(SHEET), 1)
    assert printer.status().cause is Cause.PAPER_OUT
    hands.power_cycle()
    hands.set_paper(True)
    printer.open()
    assert printer.prove(1, before.odometer, 0.1) is None
    assert hands.sheets == ()


def test_an_odometer_that_went_back_is_no_proof(virtual: Virtual, driven: Callable[..., ZplPrinter]) -> None:
    hands = virtual(odometer=0)
    printer = driven(hands)
    printer.open()
    printer.send(printer.render(SHEET), 1)
    assert hands.wait_for_sheets(1, 5)
    assert printer.prove(1, 4_294_967_295, 0.1) is None


def test_a_foreign_label_while_ours_is_held_back_is_no_proof(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual()
    printer = driven(hands)
    printer.open()
    before = printer.status()
    hands.set_paper(False)
    printer.send(printer.render(SHEET), 1)
    hands.print_foreign_label()
    assert printer.prove(1, before.odometer, 0.2) is None


def test_a_late_answer_to_an_earlier_question_is_not_taken_for_the_present_count() -> None:
    idle = b"\x02030,0,0,3295,000,0,0,0,000,0,0,0\x03\r\n\x02001,0,0,0,0,2,4,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"
    answers = [idle + b'"98"', b"", idle + b'"99"' + idle + b'"100"']  # to open; too late; to both questions

    def answer(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            for text in answers:
                peer.recv(999)
                peer.sendall(text)
            peer.recv(999)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        printer = ZplPrinter("bands", ZplConfig(port=f"tcp://127.0.0.1:{listener.getsockname()[1]}"))
        printer.open()
        assert printer.status().cause is Cause.NO_ANSWER
        assert printer.status().odometer == 100
        printer.close()
        thread.join(5)


@pytest.mark.parametrize("left", [b"! U", b'! U1 getvar "odome', b'! U1 getvar "odometer.total_label_count"\r'])
def test_half_a_question_of_an_earlier_connection_takes_none_of_ours(left: bytes) -> None:
    with VirtualWristbandPrinter(mechanical=False) as virtual:
        with socket.create_connection(("127.0.0.1", virtual.port)) as earlier:
            earlier.sendall(left)
            earlier.shutdown(socket.SHUT_WR)
            assert earlier.recv(1) == b"", "the printer has taken it in"
        printer = ZplPrinter("bands", ZplConfig(port=f"tcp://127.0.0.1:{virtual.port}"))
        printer.open()
        assert printer.status().odometer == 1000
        printer.close()
