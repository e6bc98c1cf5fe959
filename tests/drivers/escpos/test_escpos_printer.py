"""The driver against the virtual printer: the contract, and what only an ESC/POS printer can do to it."""

import socket
from contextlib import suppress
from time import monotonic

import pytest

from drivers.escpos import EscposConfig
from drivers.escpos.layout import without_real_time_commands
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import VirtualTicketPrinter
from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from tests.drivers.escpos.broken_lines import HURRIED, NOTHING_MORE, RATE, ready
from tests.drivers.ticket_printer_contract import TICKET, WITHIN_S, TicketPrinterContract, ticket


class VirtualBench:
    """Hands on the virtual printer."""

    def __init__(self, virtual: VirtualTicketPrinter) -> None:
        self.virtual = virtual
        self.set_paper = virtual.set_paper
        self.set_lid = virtual.set_lid
        self.hang_up = virtual.hang_up
        self.unplug = virtual.stop
        self.wait_for_sheets = virtual.wait_for_sheets

    def sheet_texts(self) -> list[str]:
        return [sheet.text for sheet in self.virtual.sheets]


def driver_for(virtual: VirtualTicketPrinter, clock: DeviceClock = MACHINE, **keys: object) -> EscposPrinter:
    config = EscposConfig.model_validate({"port": f"tcp://127.0.0.1:{virtual.port}", **keys})
    return EscposPrinter("ticket", config, clock)


@pytest.fixture
def virtual():
    with VirtualTicketPrinter(mechanical=False) as running:
        yield running


@pytest.fixture
def printer(virtual):
    driver = driver_for(virtual)
    driver.open()
    yield driver
    driver.close()


def send_and_prove(driver: EscposPrinter, payload: bytes) -> ProofKind | None:
    driver.send(payload, 1)
    return driver.prove(1, None, WITHIN_S)


class TestWithProcessIds(TicketPrinterContract):
    proof = ProofKind.COMPLETION

    @pytest.fixture
    def bench(self):
        with VirtualTicketPrinter(mechanical=False) as virtual:
            yield VirtualBench(virtual)

    @pytest.fixture
    def printer(self, bench):
        return driver_for(bench.virtual)


class TestACloneWithoutProcessIds(TestWithProcessIds):
    proof = ProofKind.FENCE

    @pytest.fixture
    def bench(self):
        with VirtualTicketPrinter(mechanical=False, supports_process_id=False) as virtual:
            yield VirtualBench(virtual)


class TestACloneWithoutAutomaticStatus(TestWithProcessIds):
    proof = ProofKind.FENCE

    @pytest.fixture
    def bench(self):
        with VirtualTicketPrinter(mechanical=False, supports_process_id=False, supports_status_back=False) as virtual:
            yield VirtualBench(virtual)


class TestAtTheSpeedOfPaper(TestWithProcessIds):
    @pytest.fixture
    def bench(self):
        with VirtualTicketPrinter(speed_mm_s=600) as virtual:
            yield VirtualBench(virtual)


def test_maker_and_model_are_told(printer):
    assert printer.status().model == "EPSON TM-T20III"


def test_thin_paper_is_told_while_the_printer_is_ready(printer, virtual):
    virtual.set_near_end(True)
    status = printer.status()
    assert status.is_ready
    assert status.is_paper_low


def test_a_jammed_cutter_is_told(printer, virtual):
    virtual.set_cutter_jammed(True)
    assert printer.status().cause is Cause.CUTTER_ERROR


def test_a_printer_that_answers_nothing_has_a_status_in_time(printer, virtual):
    virtual.is_silent = True
    begun = monotonic()
    assert printer.status().cause is Cause.NO_ANSWER
    assert monotonic() - begun < 20
    virtual.is_silent = False
    assert printer.status().is_ready


def test_a_half_open_printer_opens_without_an_answer(virtual):
    virtual.set_half_open(True)
    driver = driver_for(virtual)
    begun = monotonic()
    driver.open()
    assert driver.status().cause is Cause.NO_ANSWER
    assert monotonic() - begun < 20
    driver.close()


def test_a_printer_that_proves_nothing_says_so_and_prints_and_is_known_for_it():
    """Ready and without proof: that it is NONE then is a finding, and no printer in doubt."""
    with VirtualTicketPrinter(mechanical=False, supports_process_id=False, supports_fence=False) as virtual:
        driver = driver_for(virtual, HURRIED)
        looks = []
        for token in (1, 2):
            driver.open()
            looks.append(1)
            while not (status := driver.status()).is_ready:
                assert status.cause in {Cause.BUSY, Cause.NO_ANSWER}  # old work may be before our questions
                looks[-1] += 1
            assert status.proof is ProofKind.NONE
            driver.send(driver.render(ticket(f"A{token}")), token)
            assert driver.prove(token, None, 0.2) is None
            assert virtual.wait_for_sheets(token, WITHIN_S)
            driver.close()
        assert len(virtual.sheets) == 2
        assert looks[1] <= looks[0]


def test_a_status_asked_while_paper_moves_is_answered_at_once():
    with VirtualTicketPrinter(speed_mm_s=80) as virtual:
        driver = driver_for(virtual)
        driver.open()
        driver.send(driver.render(TICKET), 1)
        assert driver.status().is_ready
        assert virtual.sheets == []
        assert driver.prove(1, None, WITHIN_S) is ProofKind.COMPLETION
        driver.close()


def test_paper_that_ends_in_the_middle_of_a_sheet_is_told_and_the_sheet_goes_on():
    with VirtualTicketPrinter(speed_mm_s=100) as virtual:
        driver = driver_for(virtual)
        driver.open()
        driver.send(driver.render(TICKET), 1)
        assert virtual.wait_until(lambda: any(c.data == b"A12" for c in virtual.commands), WITHIN_S)
        virtual.set_paper(False)
        assert driver.prove(1, None, 0.5) is None
        assert driver.status().cause is Cause.PAPER_OUT
        virtual.set_paper(True)
        assert driver.prove(1, None, WITHIN_S) is ProofKind.COMPLETION
        assert [sheet.text.count("A12") for sheet in virtual.sheets] == [1]
        driver.close()


def test_pushed_status_between_sheet_and_answer_is_no_proof(printer, virtual):
    virtual.set_paper(False)
    printer.send(printer.render(TICKET), 1)
    for is_low in (True, False) * 20:
        virtual.set_near_end(is_low)
    assert printer.prove(1, None, 0.2) is None
    virtual.set_paper(True)
    assert printer.prove(1, None, WITHIN_S) is ProofKind.COMPLETION


def test_a_sheet_lost_with_its_connection_and_not_sent_again_comes_out_once(printer, virtual):
    """The double print: no paper, the job is sent, the host gives up, connects again; then somebody brings paper."""
    virtual.set_paper(False)
    printer.send(printer.render(TICKET), 1)
    assert printer.prove(1, None, 0.2) is None
    printer.close()
    printer.open()
    assert printer.status().cause is Cause.PAPER_OUT
    with pytest.raises(DeviceUnavailable):
        printer.prove(1, None, 0.1)
    virtual.set_paper(True)
    assert virtual.wait_for_sheets(1, WITHIN_S)
    assert printer.status().is_ready
    assert virtual.wait_until_idle(WITHIN_S)
    assert [sheet.text.count("A12") for sheet in virtual.sheets] == [1]


def test_an_answer_that_nobody_was_there_to_hear_is_no_proof_of_the_next_sheet(printer, virtual):
    virtual.set_paper(False)
    printer.send(printer.render(ticket("A1")), 1)
    printer.close()
    virtual.set_paper(True)
    assert virtual.wait_for_sheets(1, WITHIN_S)
    assert virtual.wait_until_idle(WITHIN_S)
    printer.open()
    virtual.set_paper(False)
    printer.send(printer.render(ticket("A2")), 2)
    assert printer.prove(2, None, 0.3) is None


def test_fences_of_an_earlier_connection_are_told_from_ours_also_when_they_come_slowly():
    """Two sheets are held for paper, each with its fence; the second takes longer than any grace to print."""
    with VirtualTicketPrinter(speed_mm_s=120, supports_process_id=False) as virtual:
        driver = driver_for(virtual)
        driver.open()
        virtual.set_paper(False)
        for token in (1, 2):
            driver.send(driver.render(ticket(f"A{token}")), token)
        assert driver.prove(2, None, 0.1) is None
        driver.close()
        driver.open()
        virtual.set_paper(True)
        while driver.status().cause is Cause.BUSY:
            assert len(virtual.sheets) < 3
        assert driver.status().proof is ProofKind.FENCE
        driver.send(driver.render(ticket("B3")), 3)
        assert driver.prove(3, None, WITHIN_S) is ProofKind.FENCE
        assert [sheet.text.splitlines()[2] for sheet in virtual.sheets] == ["A1", "A2", "B3"]
        driver.close()


def test_fences_that_a_power_cut_took_away_are_not_waited_for():
    with VirtualTicketPrinter(mechanical=False, supports_process_id=False) as virtual:
        driver = driver_for(virtual)
        driver.open()
        virtual.set_paper(False)
        for token in (1, 2):
            driver.send(driver.render(ticket(f"A{token}")), token)
        virtual.power_cycle()
        virtual.set_paper(True)
        driver.close()
        driver.open()
        status = driver.status()
        assert (status.is_ready, status.proof) == (True, ProofKind.FENCE)
        driver.send(driver.render(ticket("B3")), 3)
        assert driver.prove(3, None, WITHIN_S) is ProofKind.FENCE
        assert [sheet.text.splitlines()[2] for sheet in virtual.sheets] == ["B3"]
        driver.close()


def test_half_a_ticket_of_a_broken_connection_is_cut_off_before_the_next(printer, virtual):
    drawn = ticket("Ω" * 12)
    payload = printer.render(drawn)
    virtual.drop_after(len(payload) // 2)
    with pytest.raises(DeviceUnavailable):
        send_and_prove(printer, payload)
    printer.close()
    printer.open()
    assert printer.status().proof is ProofKind.COMPLETION
    printer.send(printer.render(ticket("B7")), 2)
    assert printer.prove(2, None, WITHIN_S) is ProofKind.COMPLETION
    *broken, last = virtual.sheets
    assert last.text.count("Riverside Clinic") == 1
    assert "B7" in last.text.splitlines()
    assert [sheet.text.splitlines()[0] for sheet in broken] == ["Riverside Clinic"]


def test_a_set_up_cut_at_any_byte_swallows_no_sheet(virtual):
    """Half of ``GS ( H`` takes the next two bytes for a length, and whole tickets for its parameters."""
    for count, after in enumerate(range(0, 100, 3), 1):
        driver = driver_for(virtual, HURRIED)
        virtual.drop_after(after)
        with suppress(DeviceUnavailable):
            driver.open()
        virtual.drop_after(NOTHING_MORE)
        ready(driver)
        driver.send(driver.render(TICKET), 1)
        assert driver.prove(1, None, WITHIN_S * RATE) is ProofKind.COMPLETION
        assert ["A12" in sheet.text for sheet in virtual.sheets] == [True] * count
        driver.close()


@pytest.mark.parametrize("left", [b"\x1d(H", b"\x1dv0\x00\x48\x00\x18\x00", b"\x1dI"], ids=["GS ( H", "GS v 0", "GS I"])
@pytest.mark.parametrize("proof", [ProofKind.COMPLETION, ProofKind.FENCE])
def test_half_a_command_of_a_daemon_that_was_killed_swallows_no_sheet(left, proof):
    with VirtualTicketPrinter(mechanical=False, supports_process_id=proof is ProofKind.COMPLETION) as virtual:
        with socket.create_connection(("127.0.0.1", virtual.port)) as killed:
            killed.sendall(left)
        driver = driver_for(virtual, HURRIED if proof is ProofKind.COMPLETION else DeviceClock(5))
        ready(driver, proof)
        driver.send(driver.render(TICKET), 1)
        assert driver.prove(1, None, WITHIN_S * RATE) is proof
        assert virtual.sheets[-1].text.count("A12") == 1
        driver.close()


def test_a_power_cut_loses_the_sheet_and_proves_nothing(printer, virtual):
    virtual.set_paper(False)
    printer.send(printer.render(TICKET), 1)
    virtual.power_cycle()
    with pytest.raises(DeviceUnavailable):
        printer.prove(1, None, WITHIN_S)
    virtual.set_paper(True)
    printer.close()
    printer.open()
    assert printer.status().is_ready
    assert virtual.wait_until_idle(WITHIN_S)
    assert virtual.sheets == []


def test_a_printer_that_takes_no_bytes_gets_none_or_is_given_up_in_time():
    """A full receive buffer behind a full socket buffer: the write can't end."""
    with VirtualTicketPrinter(mechanical=False, buffer_bytes=1024) as virtual:
        driver = driver_for(virtual, HURRIED)
        driver.open()
        virtual.set_paper(False)
        begun = monotonic()
        with pytest.raises(DeviceUnavailable) as broken:
            driver.send(driver.render(TICKET) * 60_000, 1)
        assert "bytes of a sheet" in str(broken.value)
        with pytest.raises(NotPrinted):
            driver.send(driver.render(TICKET), 2)
        assert monotonic() - begun < 30


def test_sending_never_connects_again_by_itself(printer, virtual):
    virtual.hang_up()
    with pytest.raises((DeviceUnavailable, NotPrinted)):
        send_and_prove(printer, printer.render(TICKET))
    with pytest.raises((DeviceUnavailable, NotPrinted)):
        printer.send(printer.render(TICKET), 100)
    assert len(virtual.sheets) == 0


def test_dots_that_look_like_a_status_request_draw_no_answer(printer, virtual):
    dots = b"\x10\x04\x01\x10\x14\x01\x00\x05" * 30
    header = b"\x1dv0\x00" + (len(dots) // 10).to_bytes(2, "little") + (10).to_bytes(2, "little")
    printer.send(b"\x1b@" + header + without_real_time_commands(dots) + b"\x1dVB\x00", 1)
    assert printer.prove(1, None, WITHIN_S) is ProofKind.COMPLETION
    assert virtual.real_time_commands == []
    assert printer.status().is_ready
    assert virtual.sheets[0].picture.rows.count(b"\x18\x04\x01") > 20


def test_the_simulator_does_obey_them_where_nobody_guards(printer, virtual):
    printer.send(b"\x1b@\x1dv0\x00\x08\x00\x01\x00\x10\x14\x01\x00\x05\x00\x00\x00\x1dVB\x00", 1)
    assert printer.prove(1, None, WITHIN_S) is ProofKind.COMPLETION
    assert virtual.real_time_commands == [b"\x10\x14\x01\x00\x05"]


def test_the_driver_sets_its_socket_up_against_silence(virtual):
    driver = driver_for(virtual)
    driver.open()
    wire = driver._connection._line._socket
    assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
    driver.close()
