"""The virtual printer, checked by Epson's bytes and by python-escpos's own network class, which we did not write."""

import socket
from contextlib import closing
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drivers.escpos import EscposConfig, library
from drivers.escpos.layout import ticket_bytes
from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.escpos.virtual_commands import take_command
from drivers.escpos.virtual_paper import HEAD_TO_CUTTER
from tests.drivers.ticket_printer_contract import TICKET, WITHIN_S

assert library  # python-escpos is imported through it, and leaves nothing behind
from escpos.printer import Network  # noqa: E402

WIDTH = 576


class Client:
    """A socket to the printer."""

    def __init__(self, virtual: VirtualTicketPrinter) -> None:
        self._socket = socket.create_connection(("127.0.0.1", virtual.port), timeout=WITHIN_S)

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hear(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            assert more, f"the printer hung up after {data.hex(' ')}"
            data += more
        return data

    def ask(self, data: bytes, count: int) -> str:
        self.send(data)
        return self.hear(count).hex(" ")

    def hears_nothing(self) -> bool:
        """Nothing is on the way either: the answer to a request sent now is the first to come."""
        return self.ask(b"\x10\x04\x01", 1) in {"12", "1a"}


@pytest.fixture
def virtual():
    with VirtualTicketPrinter(mechanical=False) as running:
        yield running


@pytest.fixture
def client(virtual):
    with closing(Client(virtual)) as connected:
        yield connected


def statuses(client: Client) -> str:
    return " ".join(client.ask(bytes((0x10, 4, n)), 1) for n in (1, 2, 3, 4))


def test_real_time_status_is_as_epson_lays_it_out(virtual, client):
    assert statuses(client) == "12 12 12 12"
    virtual.set_paper(False)
    assert statuses(client) == "1a 32 12 7e"
    virtual.set_paper(True)
    virtual.set_near_end(True)
    assert statuses(client) == "12 12 12 1e"
    virtual.set_near_end(False)
    virtual.set_lid(True)
    assert statuses(client) == "1a 16 12 12"


def test_automatic_status_is_sent_at_once_and_on_every_change_until_initialised(virtual, client):
    assert client.ask(b"\x1da\xff", 4) == "10 00 00 00"
    virtual.set_near_end(True)
    assert client.hear(4).hex(" ") == "10 00 03 00"
    virtual.set_paper(False)
    assert client.hear(4).hex(" ") == "18 00 0f 00"
    virtual.set_paper(True)
    virtual.set_near_end(False)
    assert client.hear(8).hex(" ") == "10 00 03 00 10 00 00 00"
    client.send(b"\x1b@\x1dr\x01")
    assert client.hear(1) == b"\0"
    virtual.set_lid(True)
    assert client.hears_nothing()


def test_a_queued_request_waits_for_paper(virtual, client):
    virtual.set_paper(False)
    client.send(b"\x1dr\x01")
    assert client.hears_nothing()
    virtual.set_paper(True)
    assert client.hear(1) == b"\0"


def test_maker_and_model_come_as_blocks(client):
    assert client.ask(b"\x1dIB\x1dIC", 18) == (b"_EPSON\0" + b"_TM-T20III\0").hex(" ")


def test_a_process_id_is_answered_when_the_print_before_it_is_complete():
    with VirtualTicketPrinter(speed_mm_s=100) as slow, closing(Client(slow)) as client:
        client.send(b"\x1b@number\n\x1dVB\0\x1d(H\x06\x00000042")
        assert client.hears_nothing()
        assert slow.sheets == []
        assert client.hear(7) == b'7"0042\0'
        assert len(slow.sheets) == 1


def test_only_the_latest_process_id_is_told_to_who_comes_back(virtual):
    first = Client(virtual)
    virtual.set_paper(False)
    first.send(b"a\n\x1d(H\x06\x00000001b\n\x1d(H\x06\x00000002")
    assert virtual.wait_until(lambda: virtual.held_bytes == 26, WITHIN_S)
    first.close()
    assert virtual.wait_until_free(WITHIN_S)
    virtual.set_paper(True)
    assert virtual.wait_until_idle(WITHIN_S)
    with closing(Client(virtual)) as second:
        assert second.hear(7) == b'7"0002\0'
        assert second.hears_nothing()


def test_a_second_client_waits_until_the_first_is_gone(virtual):
    first, second = Client(virtual), Client(virtual)
    second.send(b"\x10\x04\x01")
    assert statuses(first) == "12 12 12 12"
    first.close()
    assert second.hear(1) == b"\x12"
    second.close()


def test_what_a_client_left_behind_is_printed_and_half_a_command_eats_what_follows(virtual):
    with closing(Client(virtual)) as first:
        first.send(b"one\n\x1dVB\0\x1dv0\0\x01\x00\x04\x00\xff")
    assert virtual.wait_for_sheets(1, WITHIN_S)
    with closing(Client(virtual)) as second:
        second.send(b"two\n\x1dVB\0")
        assert virtual.wait_for_sheets(2, WITHIN_S)
    assert [sheet.text for sheet in virtual.sheets] == ["one", ""]


def test_a_blank_piece_is_no_sheet(virtual, client):
    client.send(b"\x1b@\n\n\x1dVB\0\x1dr\x01")
    client.hear(1)
    assert (virtual.sheets, virtual.scraps) == ([], 1)


def test_paper_that_hangs_out_can_be_torn_off(virtual, client):
    client.send(b"half\n\x1dr\x01")
    client.hear(1)
    virtual.tear_off()
    virtual.tear_off()
    assert [(sheet.text, sheet.is_cut) for sheet in virtual.sheets] == [("half", False)]


def test_it_can_be_switched_off_and_on_again_at_the_same_port(virtual):
    port = virtual.port
    virtual.stop()
    virtual.start()
    assert virtual.port == port
    with closing(Client(virtual)) as client:
        assert client.hears_nothing()


def test_a_full_buffer_holds_the_sender_and_loses_nothing():
    with VirtualTicketPrinter(mechanical=False, paper=False, buffer_bytes=2048) as virtual:
        with closing(Client(virtual)) as client:
            client.send(b"line\n" * 2000 + b"\x1dVB\0")
            assert virtual.wait_until(lambda: virtual.held_bytes >= 2048, WITHIN_S)
            assert virtual.held_bytes < 2048 + 512
            virtual.set_paper(True)
            assert virtual.wait_for_sheets(1, WITHIN_S)
        assert virtual.sheets[0].text.count("line") == 2000


def test_a_slow_network_board_takes_its_time_and_prints_it_all(virtual, client):
    virtual.set_receive_rate(2000)
    client.send(b"x" * 500 + b"\n\x1dVB\0")
    assert not virtual.wait_for_sheets(1, 0.1)
    assert virtual.wait_for_sheets(1, WITHIN_S)


def python_escpos(virtual: VirtualTicketPrinter) -> Network:
    return Network("127.0.0.1", port=virtual.port, timeout=5, profile="TM-T88V")


def test_python_escpos_reads_the_status(virtual):
    with closing(python_escpos(virtual)) as other:
        assert other.is_online()
        assert other.paper_status() == 2
        virtual.set_near_end(True)
        assert other.paper_status() == 1
        virtual.set_paper(False)
        assert other.paper_status() == 0
        assert not other.is_online()


def test_python_escpos_prints_a_ticket(virtual):
    with closing(python_escpos(virtual)) as other:
        other.set(align="center", custom_size=True, width=8, height=8, bold=True)
        other.textln("B34")
        other.set(align="left", normal_textsize=True)
        other.textln("naïve café")
        other.image(Image.new("1", (64, 32), 0))
        other.cut()
        assert virtual.wait_for_sheets(1, WITHIN_S)
    [sheet] = virtual.sheets
    assert sheet.text.splitlines()[:2] == ["B34", "naïve café"]
    assert ink(sheet.png()) > 3000


def ink(png: bytes) -> int:
    """Dark dots of a picture."""
    picture = Image.open(BytesIO(png)).convert("L")
    return sum(picture.histogram()[:110])


def test_the_picture_of_a_ticket_shows_its_number_big(virtual, client):
    client.send(ticket_bytes(TICKET, EscposConfig(port="tcp://127.0.0.1:1")) + b"\x1dr\x01")
    client.hear(5)
    png = virtual.sheet_png(1)
    assert ink(png) > 5000
    picture = Image.open(BytesIO(png))
    assert picture.width > WIDTH
    [sheet] = virtual.sheets
    dots = Image.frombytes("1", (sheet.width_px, sheet.height_px), sheet.picture.rows)
    left, top, right, _ = dots.getbbox()
    assert top >= HEAD_TO_CUTTER
    assert abs(left - (WIDTH - right)) < 24, "the lines are centred"
    rows = [dots.crop((0, y, WIDTH, y + 1)).getbbox() for y in range(sheet.height_px)]
    tall = max(len(run) for run in "".join("#" if row else " " for row in rows).split())
    assert tall > 100, "the number is the tallest line"
    with pytest.raises(IndexError):
        virtual.sheet_png(2)
    with pytest.raises(IndexError):
        virtual.sheet_png(0)


@given(st.binary(max_size=200))
def test_the_command_reader_always_gets_on_or_asks_for_more(data):
    while data:
        taken = take_command(data)
        if taken is None:
            return
        command, length = taken
        assert 0 < length <= len(data)
        assert command.code + command.data == data[:length] or command.code[:1] == b"\x10"
        data = data[length:]


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300).filter(lambda data: b"\x1dv" not in data))  # a raster may ask for 4 GB
def test_no_bytes_break_the_printer(data):
    with VirtualTicketPrinter(mechanical=False) as virtual:
        with closing(Client(virtual)) as client:
            client.send(data)
        with closing(Client(virtual)) as client:
            client.send(bytes(200_000) + b"\x1b@still here\n\x1dVB\0")
            assert virtual.wait_until(lambda: any("still here" in s.text for s in virtual.sheets), WITHIN_S)
