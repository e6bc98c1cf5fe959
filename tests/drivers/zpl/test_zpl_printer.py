"""ZplPrinter against the virtual printer over a real socket: the contract, and what only ZPL has."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest

from drivers.zpl import ZplConfig, ZplDriver
from drivers.zpl.printer import ZplPrinter
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import Driver, WristbandPrinter
from tests.drivers.wristband_printer_contract import SHEET, WristbandPrinterContract

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

    def make(hands: VirtualWristbandPrinter, **config: Any) -> ZplPrinter:
        printer = ZplDriver().create("bands", ZplConfig(port=f"tcp://127.0.0.1:{hands.port}", **config))
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


def test_the_driver_and_its_printer_are_what_the_ports_ask_for(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    driver: Driver = ZplDriver()
    assert (driver.kind, driver.config) == ("wristband-printer", ZplConfig)
    assert isinstance(driven(virtual()), WristbandPrinter)


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
    hands = virtual(is_silent_in_fault=True)
    printer = driven(hands)
    printer.open()
    before = printer.status()
    hands.set_paper(False)
    printer.send(printer.render(SHEET), 1)
    silent = printer.status()
    assert (silent.is_ready, silent.cause) == (False, Cause.NO_ANSWER)
    assert printer.prove(1, before.odometer, 0.1) is None
    hands.set_paper(True)
    assert printer.prove(1, before.odometer, 5) is ProofKind.ODOMETER
    assert len(hands.sheets) == 1


def test_a_printer_that_is_silent_when_it_is_opened_is_open_all_the_same(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual(is_silent_in_fault=True)
    hands.set_lid(True)
    printer = driven(hands)
    printer.open()
    hands.set_lid(False)
    status = printer.status()
    assert (status.is_ready, status.proof, status.odometer) == (True, ProofKind.ODOMETER, hands.odometer)


def test_a_printer_without_an_odometer_is_ready_and_proves_nothing(
    virtual: Virtual, driven: Callable[..., ZplPrinter]
) -> None:
    hands = virtual(has_odometer=False)
    printer = driven(hands)
    printer.open()
    status = printer.status()
    assert (status.is_ready, status.proof, status.odometer) == (True, ProofKind.NONE, None)
    printer.send(printer.render(SHEET), 1)
    assert printer.prove(1, status.odometer, 0.1) is None
    assert hands.wait_for_sheets(1, 5)


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


def _offsets() -> list[Any]:
    """Every byte offset of a band; a sample of them always, the others in a long run."""
    length = len(ZplPrinter("bands", ZplConfig(port="tcp://127.0.0.1:9100")).render(SHEET))
    sampled = {1, 2, 3, 4, length // 3, length // 2, length - 4, length - 3, length - 2, length - 1, length}
    return [
        offset if offset in sampled else pytest.param(offset, marks=pytest.mark.long) for offset in range(1, length + 1)
    ]


@pytest.mark.parametrize("offset", _offsets())
def test_after_a_break_at_any_byte_the_odometer_tells_and_the_next_band_is_whole(
    virtual: Virtual, driven: Callable[..., ZplPrinter], offset: int
) -> None:
    hands = virtual()
    printer = driven(hands)
    printer.open()
    before = printer.status()
    payload = printer.render(SHEET)
    hands.drop_after(offset)
    try:
        printer.send(payload, 1)
        printer.prove(1, before.odometer, 5)
    except DeviceUnavailable:
        pass
    printer.open()
    came_out = printer.prove(1, before.odometer, 0.05) is ProofKind.ODOMETER
    assert came_out is (offset == len(payload))
    assert len(hands.sheets) == came_out
    again = printer.status()
    assert again.is_ready
    printer.send(payload, 2)
    assert printer.prove(2, again.odometer, 5) is ProofKind.ODOMETER
    assert hands.sheets[-1] == payload


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
        printer = ZplPrinter("bands", ZplConfig(port=f"tcp://127.0.0.1:{virtual.port}"))
        printer.open()
        assert printer.status().odometer == 1000
        printer.close()
