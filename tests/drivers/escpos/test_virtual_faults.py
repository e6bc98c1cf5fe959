"""What can go wrong with the simulated ticket printer, as its own bytes tell it and as our driver reads them."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drivers.escpos import EscposConfig
from drivers.escpos.layout import CannotPrint, ticket_bytes, without_real_time_commands
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.virtual import End, Quirks, VirtualTicketPrinter
from drivers.escpos.virtual_commands import REAL_TIME
from drivers.escpos.virtual_paper import SCAN_GROUND_PX
from kioskd.core.printing import Cause, PrinterNote, ProofKind
from kioskd.errors import DeviceUnavailable
from tests.drivers.escpos.broken_lines import ANYWHERE, DRAWN, HURRIED, LATIN, reference
from tests.drivers.ticket_printer_contract import TICKET, WITHIN_S, ticket

DRAWER = b"\x10\x14\x01\x00\x05"
SHORT = b"\x1b@one line\n\x1dVB\x00"


@pytest.fixture
def virtual() -> Iterator[VirtualTicketPrinter]:
    with VirtualTicketPrinter(mechanical=False) as running:
        yield running


def opened(virtual: VirtualTicketPrinter, **keys: object) -> EscposPrinter:
    config = EscposConfig.model_validate({"port": f"tcp://127.0.0.1:{virtual.port}", **keys})
    driver = EscposPrinter("ticket", config)
    driver.open()
    return driver


@pytest.fixture
def driver(virtual: VirtualTicketPrinter) -> Iterator[EscposPrinter]:
    running = opened(virtual)
    yield running
    running.close()


Fault = Callable[[VirtualTicketPrinter, bool], None]


@pytest.mark.parametrize(
    ("fault", "cause", "answers", "block"),
    [
        (lambda v, on: v.set_paper(not on), Cause.PAPER_OUT, "1a 32 12 7e", "18 00 0f 00"),
        (VirtualTicketPrinter.set_lid, Cause.COVER_OPEN, "1a 16 12 12", "38 00 00 00"),
        (VirtualTicketPrinter.set_cutter_jammed, Cause.CUTTER_ERROR, "1a 52 1a 12", "18 08 00 00"),
        (VirtualTicketPrinter.set_head_hot, Cause.HEAD_HOT, "1a 52 52 12", "18 40 00 00"),
        (VirtualTicketPrinter.set_broken, Cause.FAULT, "1a 52 32 12", "18 20 00 00"),
    ],
    ids=["paper", "cover", "cutter", "head", "broken"],
)
def test_each_fault_is_told_in_epsons_bytes_holds_the_sheet_and_has_a_cause_of_its_own(
    virtual: VirtualTicketPrinter, driver: EscposPrinter, fault: Fault, cause: Cause, answers: str, block: str
) -> None:
    with socket.create_connection(("127.0.0.1", virtual.port), timeout=WITHIN_S) as other:
        driver.close()  # one at a time
        other.sendall(b"\x1da\xff")
        assert other.recv(4).hex(" ") == "10 00 00 00"
        fault(virtual, True)
        assert other.recv(4).hex(" ") == block
        for number, byte in enumerate(answers.split(), 1):
            other.sendall(bytes((0x10, 4, number)))
            assert other.recv(1).hex() == byte
        fault(virtual, False)
        assert other.recv(4).hex(" ") == "10 00 00 00"
    driver.open()
    assert driver.status().is_ready
    fault(virtual, True)
    assert driver.status().cause is cause
    driver.send(SHORT, 1)
    assert driver.prove(1, None, 0.1) is None
    assert virtual.sheets == []
    fault(virtual, False)
    assert driver.prove(1, None, WITHIN_S) is ProofKind.COMPLETION


def test_paper_is_used_up_as_it_comes_out(virtual: VirtualTicketPrinter, driver: EscposPrinter) -> None:
    before = virtual.paper_mm
    driver.send(LATIN, 1)
    assert driver.prove(1, None, WITHIN_S)
    used = before - virtual.paper_mm
    sheet_mm = virtual.sheets[0].height_px / 203 * 25.4
    assert used == pytest.approx(sheet_mm + 10, abs=0.2)  # and the feed to the blade before the first sheet
    virtual.set_paper_mm(5000 + sheet_mm / 2)
    assert driver.status().notes == ()
    driver.send(LATIN, 2)
    assert driver.prove(2, None, WITHIN_S)
    status = driver.status()
    assert (status.is_ready, status.is_paper_low, status.notes) == (True, True, (PrinterNote.PAPER_LOW,))
    virtual.set_paper_mm(sheet_mm / 2)
    driver.send(LATIN, 3)
    assert driver.prove(3, None, 0.2) is None
    assert driver.status().cause is Cause.PAPER_OUT
    virtual.set_paper(True)
    assert driver.prove(3, None, WITHIN_S) is ProofKind.COMPLETION
    assert len(virtual.sheets) == 3


@pytest.mark.parametrize("end", ["reset", "close", "silence"])
@pytest.mark.parametrize("count", [0, 1, 7, len(SHORT)])
def test_a_line_ends_after_exactly_so_many_bytes(virtual: VirtualTicketPrinter, end: End, count: int) -> None:
    virtual.drop_after(count, end)
    assert how_it_ends(virtual, SHORT + b"never\n\x1dVB\x00", 0.2 if end == "silence" else WITHIN_S) == end
    assert virtual.wait_until_free(WITHIN_S)
    assert virtual.wait_until_idle(WITHIN_S)
    taken = b"".join(command.code + command.data for command in virtual.commands)
    assert SHORT.startswith(taken)
    assert len(taken) + virtual.held_bytes == count


def how_it_ends(virtual: VirtualTicketPrinter, data: bytes, within_s: float) -> End:
    try:
        with socket.create_connection(("127.0.0.1", virtual.port), timeout=WITHIN_S) as client:
            client.sendall(data)
            if not select.select([client], [], [], within_s)[0]:
                return "silence"
            assert client.recv(1) == b""
    except (ConnectionResetError, BrokenPipeError):
        return "reset"
    return "close"


def test_an_idle_network_board_hangs_up(virtual: VirtualTicketPrinter) -> None:
    virtual.set_idle_end(0.05)
    with socket.create_connection(("127.0.0.1", virtual.port), timeout=WITHIN_S) as client:
        assert client.recv(1) == b""


def test_two_computers_at_one_printer_mix_their_lines(virtual: VirtualTicketPrinter, driver: EscposPrinter) -> None:
    """Why a printer is to be nobody else's: the proof is right, and the paper is not ours alone."""
    virtual.set_paper(False)
    driver.send(LATIN, 1)
    assert virtual.wait_until(lambda: virtual.held_bytes >= len(LATIN), WITHIN_S)
    virtual.write_foreign(b"not ours\n\x1dVB\x00")
    virtual.set_paper(True)
    assert driver.prove(1, None, WITHIN_S) is ProofKind.COMPLETION
    assert virtual.wait_for_sheets(2, WITHIN_S)
    assert [sheet.text.splitlines()[0] for sheet in virtual.sheets] == ["Riverside Clinic", "not ours"]


def with_quirks(quirks: Quirks) -> VirtualTicketPrinter:
    return VirtualTicketPrinter(mechanical=False, quirks=quirks)


def test_a_clone_that_says_it_is_an_epson_is_believed_only_what_it_shows() -> None:
    with with_quirks(Quirks(has_process_id=False, maker="EPSON", model="TM-T88V")) as lying:
        driver = opened(lying, profile="epson-tm-t88vi")
        status = driver.status()
        assert (status.model, status.proof) == ("EPSON TM-T88V", ProofKind.FENCE)
        driver.close()


def test_a_clone_without_a_name_has_none() -> None:
    with with_quirks(Quirks(maker="")) as nameless:
        driver = opened(nameless)
        assert (driver.status().model, driver.status().proof) == ("", ProofKind.COMPLETION)
        driver.close()


def test_a_clone_that_knows_nothing_and_prints_it_all_prints_no_question_and_proves_nothing() -> None:
    quirks = Quirks(has_process_id=False, has_fence=False, maker="", prints_unknown=True)
    with with_quirks(quirks) as clone:
        config = EscposConfig(port=f"tcp://127.0.0.1:{clone.port}")
        driver = EscposPrinter("ticket", config, HURRIED)
        for count in (1, 2):
            driver.open()
            while not driver.status().is_ready:
                assert len(clone.sheets) < count
            assert driver.status().proof is ProofKind.NONE
            driver.send(LATIN, count)
            assert clone.wait_for_sheets(count, WITHIN_S)
            driver.close()
        assert [sheet.picture.rows for sheet in clone.sheets] == [reference(LATIN)] * 2


@pytest.mark.parametrize("payload", [LATIN, DRAWN], ids=["letters", "drawn"])
def test_a_clone_that_prints_what_it_does_not_know_prints_none_of_our_questions(payload: bytes) -> None:
    with with_quirks(Quirks(has_process_id=False, maker="", prints_unknown=True)) as clone:
        driver = opened(clone)
        driver.send(payload, 1)
        assert driver.prove(1, None, WITHIN_S) is ProofKind.FENCE
        assert [sheet.picture.rows for sheet in clone.sheets] == [reference(payload)]
        clone.write_foreign(b"\x1d(H\x06\x00000042\n\x1dVB\x00")
        assert clone.wait_for_sheets(2, WITHIN_S)
        assert clone.sheets[-1].text == "(H000042", "it does so where nobody clears it"
        driver.close()


def test_a_clone_with_other_code_pages_prints_other_letters_unless_they_are_drawn() -> None:
    with with_quirks(Quirks(code_pages={16: "cp437"})) as clone:
        driver = opened(clone)
        driver.send(b"\x1b@\x1bt\x10Pr\xfcfung\n\x1dVB\x00", 1)
        assert driver.prove(1, None, WITHIN_S)
        assert clone.sheets[0].text == "Prⁿfung"
        drawn = driver.render(ticket("Ü7"))
        driver.send(drawn, 2)
        assert driver.prove(2, None, WITHIN_S)
        assert clone.sheets[1].picture.rows == reference(drawn)
        driver.close()


def test_a_printer_without_a_blade_keeps_its_sheets_until_they_are_torn_off() -> None:
    with with_quirks(Quirks(has_cutter=False)) as bladeless:
        driver = opened(bladeless, profile="xprinter-58")
        driver.send(driver.render(TICKET), 1)
        assert driver.prove(1, None, WITHIN_S) is ProofKind.COMPLETION
        assert bladeless.sheets == []
        bladeless.tear_off()
        assert [sheet.is_cut for sheet in bladeless.sheets] == [False]
        driver.close()


def test_a_profile_that_knows_of_no_process_ids_does_not_ask_for_them(virtual: VirtualTicketPrinter) -> None:
    driver = opened(virtual, profile="epson-tm-t88iii")
    assert driver.status().proof is ProofKind.FENCE
    assert not any(command.code == b"\x1d(H" for command in virtual.commands)
    driver.close()


REAL_TIME_BYTES = st.lists(st.sampled_from([0x10, 0x04, 0x05, 0x14, 0x01, 0x02, 0x08, 0x00]), max_size=60).map(bytes)


@given(REAL_TIME_BYTES)
def test_dots_never_read_as_a_real_time_command_and_lose_none(dots: bytes) -> None:
    guarded = without_real_time_commands(dots)
    assert not REAL_TIME.search(guarded + bytes(10))
    assert len(guarded) == len(dots)
    assert all(before & after == before for before, after in zip(dots, guarded, strict=True))


@settings(max_examples=25)
@given(st.text(min_size=1, max_size=12), st.text(max_size=30))
def test_no_text_makes_a_ticket_that_holds_a_real_time_command(label: str, line: str) -> None:
    sheet = replace(ticket("A12"), lines=tuple(replace(each, text=line) for each in ticket(label).lines))
    try:
        payload = ticket_bytes(sheet, ANYWHERE)
    except CannotPrint:
        return
    assert not REAL_TIME.search(payload)


def test_a_lock_on_real_time_commands_counts_once_it_is_worked_off_and_until_the_next_start(
    virtual: VirtualTicketPrinter,
) -> None:
    """GS ( D waits in the buffer like any other command, and ESC @ ends it: no guard for the ticket that brings it."""
    lock = b"\x1d(D\x05\x00\x14\x01\x00\x02\x00"
    virtual.write_foreign(lock + DRAWER)
    assert virtual.wait_until_idle(WITHIN_S)
    assert virtual.real_time_commands == [DRAWER]
    virtual.write_foreign(DRAWER)
    assert virtual.real_time_commands == [DRAWER]
    virtual.write_foreign(b"\x1b@")
    assert virtual.wait_until_idle(WITHIN_S)
    virtual.write_foreign(DRAWER)
    assert virtual.real_time_commands == [DRAWER] * 2


@pytest.mark.parametrize(("dpi", "width_dots", "paper_mm"), [(203, 576, 80), (180, 512, 80), (203, 384, 58)])
def test_a_scan_is_true_to_scale(dpi: int, width_dots: int, paper_mm: int) -> None:
    with VirtualTicketPrinter(mechanical=False, dpi=dpi, width_dots=width_dots) as virtual:
        virtual.write_foreign(SHORT + b"two\n")
        assert virtual.wait_for_sheets(1, WITHIN_S)
        assert virtual.wait_until_idle(WITHIN_S)
        virtual.tear_off()
        cut, torn = virtual.sheets
    scan = Image.open(BytesIO(cut.scan_png()))
    assert scan.info["dpi"] == pytest.approx((dpi, dpi), abs=0.01)
    paper_px = scan.width - 2 * SCAN_GROUND_PX
    assert paper_px / dpi * 25.4 == pytest.approx(paper_mm, abs=0.1)
    assert scan.height == cut.height_px + 2 * SCAN_GROUND_PX
    left = SCAN_GROUND_PX + (paper_px - width_dots) // 2
    shown = scan.crop((left, SCAN_GROUND_PX, left + width_dots, SCAN_GROUND_PX + cut.height_px))
    dots = Image.frombytes("1", (cut.width_px, cut.height_px), cut.picture.rows)
    assert shown.point([255 if grey == 0 else 0 for grey in range(256)]).convert("1").tobytes() == dots.tobytes()
    below = scan.crop((0, SCAN_GROUND_PX + cut.height_px, scan.width, scan.height))
    torn_scan = Image.open(BytesIO(torn.scan_png()))
    torn_below = torn_scan.crop((0, SCAN_GROUND_PX + torn.height_px, scan.width, torn_scan.height))
    assert below.tobytes() != torn_below.tobytes(), "a cut is told from a tear"


def test_a_power_cut_forgets_what_was_locked_and_pushed(virtual: VirtualTicketPrinter, driver: EscposPrinter) -> None:
    virtual.write_foreign(b"\x1d(D\x05\x00\x14\x01\x00\x02\x00")
    assert virtual.wait_until_idle(WITHIN_S)
    virtual.write_foreign(DRAWER)
    assert virtual.real_time_commands == []
    virtual.power_cycle()
    virtual.write_foreign(DRAWER)
    assert virtual.real_time_commands == [DRAWER]
    with pytest.raises(DeviceUnavailable):
        driver.status()
