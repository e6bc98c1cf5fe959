"""The virtual printer at the wire: is it as unkind as a real one?"""

from __future__ import annotations

import io
import socket

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drivers.zpl.virtual import VirtualWristbandPrinter
from drivers.zpl.virtual_input import Control, Format, GetVariable, Interpreter

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
