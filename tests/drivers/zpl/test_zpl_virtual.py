"""The virtual printer at the wire: is it as unkind as a real one?"""

from __future__ import annotations

import io
import socket
import time
from typing import Literal

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drivers.zpl.virtual import Break, Fault, VirtualWristbandPrinter
from drivers.zpl.virtual_input import Control, Format, GetVariable, Interpreter
from drivers.zpl.virtual_picture import sheet_png

BAND = b"^XA^PW295^LL3295^FO90,1200^BXR,5,200,,,,_^FH\\^FD_18018505050560001234569_180193^FS^PQ1^XZ"


def _ask(printer: VirtualWristbandPrinter, data: bytes, end: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", printer.port), 5) as host:
        host.sendall(data)
        answer = b""
        while not answer.endswith(end):
            piece = host.recv(999)
            assert piece, f"closed after {answer!r}"
            answer += piece
        return answer


def test_the_host_status_is_three_strings_between_stx_and_etx() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        strings = _ask(printer, b"~HS", b"1234,0\x03\r\n").split(b"\r\n")[:3]
        assert [s[:1] + s[-1:] for s in strings] == [b"\x02\x03"] * 3
        assert [s.count(b",") for s in strings] == [11, 10, 1]


def test_an_unknown_variable_is_answered_with_a_question_mark_and_no_terminator() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        assert _ask(printer, b'! U1 getvar "no.such"\r\n', b'"?"') == b'"?"'
        assert _ask(printer, b'! U1 getvar "odometer.total_label_count"\r\n', b'0"') == b'"1000"'


def test_several_labels_of_one_format_are_all_printed() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        _ask(printer, BAND.replace(b"^PQ1", b"^PQ3") + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(3, 5)
        assert printer.odometer == 1003
        assert (printer.tear_off(), printer.tear_off()) == (3, 0)


def test_a_format_of_settings_only_feeds_no_label() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        _ask(printer, b"^XA^JZN^XZ" + BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        assert len(printer.sheets) == 1


def test_without_reprinting_a_band_cut_short_is_lost() -> None:
    with VirtualWristbandPrinter(speed_mm_s=500) as printer:
        _ask(printer, b"^XA^JZN^XZ" + BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_until_printing(5)
        printer.set_lid(True)
        printer.set_lid(False)
        _ask(printer, BAND.replace(b"^FO90", b"^FO91") + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        assert b"^FO91" in printer.sheets[0]
        assert printer.spoiled == 1


def test_cancel_all_finishes_the_label_in_print_and_forgets_the_rest() -> None:
    with VirtualWristbandPrinter(speed_mm_s=1500) as printer:
        _ask(printer, BAND.replace(b"^PQ1", b"^PQ9") + BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_until_printing(5)
        _ask(printer, b"~JA~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        status = _ask(printer, b"~HS", b"1234,0\x03\r\n")
        assert b",3295,000,0,0,0," in status
        assert b",00000000,1," in status
        assert len(printer.sheets) == 1


def test_the_odometer_outlives_the_power_and_what_is_in_the_buffer_does_not() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        _ask(printer, BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        printer.set_paper(False)
        _ask(printer, BAND + b"~HI", b"\x03\r\n")
        port = printer.port
        printer.power_cycle()
        printer.set_paper(True)
        assert b",000,0,0,0,000" in _ask(printer, b"~HS", b"1234,0\x03\r\n")
        assert (printer.port, printer.odometer, len(printer.sheets)) == (port, 1001, 1)


def test_a_half_received_format_outlives_its_connection_and_spoils_the_next_one() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        _ask(printer, b"^XA^FDANOTHER PATIENT^FS~HI", b"\x03\r\n")
        assert b",000,0,0,1,000" in _ask(printer, b"~HS", b"1234,0\x03\r\n")
        _ask(printer, BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        assert b"ANOTHER PATIENT" in printer.sheets[0]
        _ask(printer, b"^XA^FDANOTHER PATIENT^FS~JX" + BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(2, 5)
        assert printer.sheets[1] == BAND


def test_a_full_receive_buffer_holds_the_sender_up() -> None:
    with VirtualWristbandPrinter(mechanical=False, receive_buffer_bytes=len(BAND) * 2) as printer:
        printer.set_paper(False)
        _ask(printer, BAND * 2 + b"~HI", b"\x03\r\n")
        with socket.create_connection(("127.0.0.1", printer.port), 5) as host:
            host.settimeout(0.1)
            host.sendall(b"~HI")
            with pytest.raises(TimeoutError):
                host.recv(1)
            printer.set_paper(True)
            host.settimeout(5)
            assert host.recv(1)


@pytest.mark.parametrize("with_reset", [True, False])
def test_a_connection_is_dropped_after_a_number_of_bytes_and_what_came_before_counts(with_reset: bool) -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        printer.drop_after(len(BAND), with_reset)
        with socket.create_connection(("127.0.0.1", printer.port), 5) as host:
            host.sendall(BAND + b"~HS" + BAND)
            try:
                assert host.recv(1) == b""
            except ConnectionResetError:
                assert with_reset
        assert printer.wait_for_sheets(1, 5)
        _ask(printer, b"~HI", b"\x03\r\n")
        assert len(printer.sheets) == 1


def test_a_picture_of_a_band_lies_on_its_side_and_its_code_is_read() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        _ask(printer, BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        picture = Image.open(io.BytesIO(printer.sheet_png(1))).convert("RGBA")
        assert picture.width > 8 * picture.height
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture)
        (code,) = zxingcpp.read_barcodes(paper.convert("L"))
        assert (code.symbology_identifier, code.bytes) == ("]d2", b"8018505050560001234569\x1d80193")
        assert abs(code.orientation) < 2
        for number in (0, 2):
            with pytest.raises(IndexError):
                printer.sheet_png(number)


def test_a_character_that_the_font_lacks_is_a_box_and_not_a_gap() -> None:
    from drivers.zpl.virtual_picture import draw_label

    empty, boxed = (draw_label(f"^XA^PW200^LL400^FO20,20^A0N,60,60^FD{t}^FS^XZ".encode()) for t in (" ", "ș"))
    assert empty.getbbox() is None
    assert boxed.getbbox() is not None


_PIECES = st.lists(
    st.sampled_from(
        [
            b"^XA",
            b"^XZ",
            b"~HS",
            b"~JX",
            b"~JA",
            b"~HQES",
            b"^FDa^FS",
            b"~",
            b"^",
            b"X",
            b"! U1 ",
            b'getvar "a"',
            b"\r\n",
        ]
    )
    | st.binary(max_size=6)
)


@given(_PIECES, st.lists(st.integers(1, 5)))
def test_input_means_the_same_in_whatever_pieces_it_comes(pieces: list[bytes], sizes: list[int]) -> None:
    data = b"".join(pieces)
    whole = Interpreter()
    expected = whole.feed(data)
    cut, found, rest = Interpreter(), [], data
    for size in sizes:
        found += cut.feed(rest[:size])
        rest = rest[size:]
    assert found + cut.feed(rest) == expected
    assert cut.is_format_partial == whole.is_format_partial


def test_commands_are_told_apart_in_one_stream() -> None:
    found = Interpreter().feed(b'~HQES\r\n^xa^FDa~HSb^xz! U1 getvar "x.y"\r\n! U1 setvar "x" "1"\r\n~JA')
    assert found == [Control("HQES"), Control("HS"), Format(b"^XA^FDab^xz"), GetVariable("x.y"), Control("JA")]


# --- state as the wire says it -----------------------------------------------------------------------------------


def _strings(printer: VirtualWristbandPrinter) -> tuple[list[str], list[str]]:
    """The fields of the first two strings of ``~HS``."""
    first, second, _, _ = _ask(printer, b"~HS", b"1234,0\x03\r\n").decode().split("\r\n")
    return first.strip("\x02\x03").split(","), second.strip("\x02\x03").split(",")


@pytest.mark.parametrize(
    ("fault", "string", "field", "errors"),
    [
        (Fault.MEDIA_OUT, 0, 1, "00000001"),
        (Fault.RIBBON_OUT, 1, 3, "00000002"),
        (Fault.HEAD_OPEN, 1, 2, "00000004"),
        (Fault.CUTTER_JAMMED, None, None, "00000008"),
        (Fault.HEAD_HOT, 0, 11, "00000010"),
        (Fault.MOTOR_HOT, 0, 11, "00000020"),
        (Fault.HEAD_BROKEN, None, None, "00000040"),
    ],
)
def test_each_fault_has_its_place_in_the_answers(
    fault: Fault, string: int | None, field: int | None, errors: str
) -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        well = _strings(printer)
        printer.set_fault(fault)
        ill = _strings(printer)
        changed = [(s, f) for s in (0, 1) for f in range(len(well[s])) if well[s][f] != ill[s][f]]
        assert changed == ([] if string is None else [(string, field)])
        assert f"ERRORS: 1 00000000 {errors}\r\n".encode() in _ask(printer, b"~HQES", b"\x03\r\n")
        status = _ask(printer, b'! U1 getvar "zpl.system_status"\r\n', b'0"')
        assert status == f'"0,1,00000000,{errors},0,00000000,00000000"'.encode()


def test_a_roll_has_an_end_and_speaks_of_it_before() -> None:
    with VirtualWristbandPrinter(mechanical=False, labels=7) as printer:
        assert b"WARNINGS: 0 00000000 00000000" in _ask(printer, b"~HQES", b"\x03\r\n")
        _ask(printer, BAND * 2 + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(2, 5)
        assert b"WARNINGS: 1 00000000 00000008" in _ask(printer, b"~HQES", b"\x03\r\n")
        _ask(printer, BAND.replace(b"^PQ1", b"^PQ9") + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(7, 5)
        assert (printer.has_paper, printer.labels_left, len(printer.sheets)) == (False, 0, 7)
        printer.load(100)
        assert printer.wait_for_sheets(11, 5)
        assert printer.labels_left == 96


def test_a_roll_put_in_by_hand_after_the_last_label_has_no_end() -> None:
    with VirtualWristbandPrinter(mechanical=False, labels=1) as printer:
        _ask(printer, BAND * 3 + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        printer.set_paper(True)
        assert printer.wait_for_sheets(3, 5)
        assert printer.has_paper


def test_the_pause_button_and_its_commands_hold_and_release_what_is_queued() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        _ask(printer, b"~PP" + BAND + b"~HI", b"\x03\r\n")
        assert _strings(printer)[0][2:5] == ["1", "3295", "001"]
        assert printer.sheets == ()
        _ask(printer, b"~PS~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        assert _strings(printer)[0][2] == "0"


def test_a_hot_head_lets_the_label_in_print_out_and_holds_the_next() -> None:
    with VirtualWristbandPrinter(speed_mm_s=900) as printer:
        _ask(printer, BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_until_printing(5)
        printer.set_fault(Fault.HEAD_HOT)
        printer.set_speed(None)
        _ask(printer, BAND + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        assert (len(printer.sheets), printer.spoiled) == (1, 0)
        printer.set_fault(Fault.HEAD_HOT, False)
        assert printer.wait_for_sheets(2, 5)


def test_cancel_all_forgets_what_a_fault_holds_back() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        printer.set_paper(False)
        _ask(printer, BAND * 2 + b"~JA" + BAND.replace(b"^FO90", b"^FO91") + b"~HI", b"\x03\r\n")
        printer.set_paper(True)
        assert printer.wait_for_sheets(1, 5)
        assert printer.wait_until_idle(5)
        assert [b"^FO91" in sheet for sheet in printer.sheets] == [True], "only what came before it is cancelled"


def test_firmware_without_variables_answers_none_and_the_rest_all_the_same() -> None:
    with VirtualWristbandPrinter(mechanical=False, has_sgd=False) as printer:
        answer = _ask(printer, b'! U1 getvar "odometer.total_label_count"\r\n~HI', b"\x03\r\n")
        assert answer == b"\x02ZD510-300dpi,V53.17.11Z,12,8192KB\x03\r\n"


def test_silence_in_a_fault_is_of_the_host_status_or_of_everything() -> None:
    asked = b"~HS~HQES~HI" + b'! U1 getvar "head.latch"\r\n'
    with VirtualWristbandPrinter(mechanical=False, is_silent_in_fault=True) as printer:
        printer.set_lid(True)
        assert _ask(printer, asked, b'"').startswith(b"\x02ZD510")
    with VirtualWristbandPrinter(mechanical=False, is_mute_in_fault=True) as printer:
        printer.set_lid(True)
        with socket.create_connection(("127.0.0.1", printer.port), 5) as host:
            host.sendall(asked)
            host.settimeout(0.1)
            with pytest.raises(TimeoutError):
                host.recv(1)
            printer.set_lid(False)
            host.settimeout(5)
            host.sendall(b"~HI")
            assert host.recv(999).startswith(b"\x02ZD510")


def test_a_printer_without_power_keeps_its_line_and_hears_nothing() -> None:
    with (
        VirtualWristbandPrinter(mechanical=False) as printer,
        socket.create_connection(("127.0.0.1", printer.port), 5) as host,
    ):
        host.sendall(BAND[:40] + b"~HI")
        assert host.recv(1)
        printer.switch_off()
        host.settimeout(0.1)
        host.sendall(BAND + b"~HI")
        assert _read_to_the_end(host)[1] == "silent"
        printer.switch_on()
        host.settimeout(5)
        host.sendall(b"~HS")
        assert b",000,0,0,0,000" in host.recv(999), "nothing is left of the half format"
        assert printer.sheets == ()


def test_the_port_for_one_host_refuses_a_second_one_and_says_where_it_is() -> None:
    with VirtualWristbandPrinter(mechanical=False, has_single_port=True, single_idle_s=180) as printer:
        named = _ask(printer, b'! U1 getvar "ip.port_single_conn"\r\n', f'{printer.single_port}"'.encode())
        assert named == f'"{printer.single_port}"'.encode()
        with socket.create_connection(("127.0.0.1", printer.single_port), 5) as first:
            first.sendall(b"~HI")
            assert first.recv(999)
            with pytest.raises(OSError):
                _ask_at(printer.single_port)
            assert _ask(printer, b"~HI", b"\x03\r\n"), "the other port serves everybody"


@pytest.mark.parametrize(("how", "end"), [(Break.RESET, "reset"), (Break.CLOSE, "closed"), (Break.SILENCE, "silent")])
def test_an_answer_breaks_off_at_a_byte(how: Break, end: str) -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        whole = _ask(printer, b"~HI", b"\x03\r\n")
        printer.break_answers_after(7, how)
        with socket.create_connection(("127.0.0.1", printer.port), 5) as host:
            host.sendall(b"~HI")
            assert printer.wait_until_broken(5)
            heard, ended = _read_to_the_end(host)
        assert ended == end
        assert whole[:7].startswith(heard)
        assert how is Break.RESET or len(heard) == 7, "a reset takes with it what the host has not read"


def _ask_at(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as host:
        host.sendall(b"~HI")
        return host.recv(999)


def _read_to_the_end(host: socket.socket) -> tuple[bytes, str]:
    """What comes, and how it ends."""
    heard = b""
    host.settimeout(0.3)
    try:
        while piece := host.recv(99):
            heard += piece
    except TimeoutError:
        return heard, "silent"
    except ConnectionResetError:
        return heard, "reset"
    return heard, "closed"


def test_answers_drip_at_the_rate_they_are_given() -> None:
    with VirtualWristbandPrinter(mechanical=False) as printer:
        printer.drip(400.0)
        began = time.monotonic()
        assert len(_ask(printer, b"~HI", b"\x03\r\n")) == 37
        assert time.monotonic() - began >= 36 / 400


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_a_picture_has_one_pixel_for_each_dot_and_names_the_resolution(dpi: Literal[203, 300, 600]) -> None:
    width, length = round(dpi), round(dpi * 11)
    band = f"^XA^PW{width}^LL{length}^FO20,{dpi * 4}^BXR,4,200^FDX^FS^XZ".encode()
    with VirtualWristbandPrinter(mechanical=False, dpi=dpi) as printer:
        _ask(printer, band + b"~HI", b"\x03\r\n")
        assert printer.wait_for_sheets(1, 5)
        picture = Image.open(io.BytesIO(printer.sheet_png(1)))
    edge = round(2 * dpi / 25.4)
    assert picture.size == (length + 2 * edge, width + 2 * edge)
    assert picture.info["dpi"] == pytest.approx((dpi, dpi), abs=0.01)
    # Lying on its side: the dots of ``^FO 20, dpi * 4`` are 20 up from the lower edge.
    paper = Image.new("RGBA", picture.size, "white")
    paper.alpha_composite(picture.convert("RGBA"))
    ink = paper.convert("L").point([255 if value < 60 else 0 for value in range(256)]).getbbox()
    assert ink == (edge + 4 * dpi, edge + width - 20 - 40, edge + 4 * dpi + 40, edge + width - 20)


def test_a_label_is_not_laid_on_its_side() -> None:
    label = b"^XA^PW600^LL400^FO40,60^BXN,4,200^FDX^FS^XZ"
    picture = Image.open(io.BytesIO(sheet_png(label, 300)))
    assert picture.size == (600 + 48, 400 + 48)
