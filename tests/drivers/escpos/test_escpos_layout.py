"""Tickets as bytes: what a printer obeys in them is what the layout put there, and nothing else."""

import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from drivers.escpos import EscposConfig, EscposDriver
from drivers.escpos.layout import CannotPrint, picture_command, plain, ticket_bytes, without_real_time_commands
from drivers.escpos.virtual_commands import REAL_TIME, Command, take_command
from drivers.line import LineAddress
from drivers.raster import Bitmap
from kioskd.ports import Align, LineKind, TicketLine, TicketSheet
from tests.sheets import simple_ticket

CONFIG = EscposConfig(port="tcp://127.0.0.1:9100")
NARROW = EscposConfig(port="tcp://127.0.0.1:9100", paper_width_mm=58)
TICKET = simple_ticket(
    "A12", "Riverside Clinic", "Your number", ("Waiting area 2", "09:40"), "Please keep this ticket."
)
CODES = (
    {b"", b"\n"}
    | {b"\x1b" + c for c in (b"@", b"R", b"t", b"E", b"J", b"a")}
    | {b"\x1d" + c for c in (b"a", b"!", b"b", b"B", b"V", b"v0")}
)
"""Every command that a layout makes."""


def commands(data: bytes) -> list[Command]:
    found = []
    while data:
        taken = take_command(data)
        assert taken is not None, f"half a command at the end: {data[:8].hex(' ')}"
        found.append(taken[0])
        data = data[taken[1] :]
    return found


def texts(data: bytes) -> list[str]:
    return [c.data.decode() for c in commands(data) if not c.code]


def one_line(text: str, **style: object) -> TicketSheet:
    return TicketSheet((TicketLine(LineKind.NUMBER, "A1"), TicketLine(text=text, **style)))  # type: ignore[arg-type]


def png(width: int, height: int) -> bytes:
    drawn, file = Image.new("RGBA", (width, height), (0, 0, 0, 0)), BytesIO()
    ImageDraw.Draw(drawn).ellipse((0, 0, width - 1, height - 1), fill=(0, 60, 90, 255))
    drawn.save(file, "PNG")
    return file.getvalue()


# --- what is sent --------------------------------------------------------------------------------------------------


def test_a_plain_ticket_byte_for_byte():
    assert ticket_bytes(TICKET, CONFIG) == b"".join(
        [
            b"\x1b@\x1da\x0f\x1bR\x00\x1bt\x00",
            b"\x1bE\x01\x1ba\x01Riverside Clinic\n",
            b"\x1bE\x00Your number\n",
            b"\x1db\x01\x1d!\x77\x1bE\x01A12\n",
            b"\x1d!\x11\x1bE\x00Waiting area 2\n",
            b"09:40\n",
            b"\x1d!\x00Please keep this ticket.\n",
            b"\x1bJ\x18\x1dVB\x00",
        ]
    )


def test_a_full_cut_feeds_to_the_cutter_too():
    assert ticket_bytes(TICKET, CONFIG.model_copy(update={"cut": "full"})).endswith(b"\x1dVA\x00")


def test_a_printer_without_a_cutter_feeds_the_last_line_past_its_edge():
    stream = commands(ticket_bytes(TICKET, CONFIG.model_copy(update={"cut": "none"})))
    assert b"\x1dV" not in {command.code for command in stream}
    assert sum(c.data[0] for c in stream if c.code == b"\x1bJ") >= 15 * 8


def test_a_gap_is_in_millimetres_of_this_printers_dots():
    sheet = TicketSheet((TicketLine(LineKind.GAP, size=30), TicketLine(LineKind.NUMBER, "A1")))
    fed = [c.data[0] for c in commands(ticket_bytes(sheet, CONFIG)) if c.code == b"\x1bJ"]
    assert fed == [240, 24]
    coarse = EscposConfig(port="tcp://127.0.0.1:9100", profile="epson-tm-t88vi")
    stream = commands(ticket_bytes(sheet, coarse))
    assert [c.data[0] for c in stream if c.code == b"\x1bJ"] == [213, 21]
    assert Command(b"\x1dP", bytes((180, 180))) in stream


def test_a_copy_is_marked_above_its_number():
    marked = TicketSheet((TicketLine(LineKind.MARK, "KOPIE", size=2, is_bold=True), *TICKET.lines))
    data = ticket_bytes(marked, CONFIG)
    assert texts(data).index(" KOPIE ") < texts(data).index("A12")
    assert data.index(b"\x1dB\x01") < data.index(b" KOPIE ") < data.index(b"\x1dB\x00") < data.index(b"A12")


@pytest.mark.parametrize("label", ["A1", "A12", "A123", "A12345678"])
def test_the_number_is_as_big_as_the_paper_lets_it(label):
    stream = commands(ticket_bytes(simple_ticket(label), NARROW))
    at = next(i for i, command in enumerate(stream) if command.data == label.encode())
    size = next(command.data[0] for command in reversed(stream[:at]) if command.code == b"\x1d!")
    width = (size >> 4) + 1
    assert width * 12 * len(label) <= 384
    assert width == 8 or (width + 1) * 12 * len(label) > 384


# --- which letters go as text, which as dots -----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Clinică Ștefan", "Γιώργος", "عيادة", "Praxis – Süd", "Nguyễn", "二楼候诊区"])
def test_text_outside_the_code_page_is_drawn(text):
    stream = commands(ticket_bytes(simple_ticket("A12", text, ""), CONFIG))
    assert [c.code for c in stream].count(b"\x1dv0") == 1
    assert [c.data for c in stream if not c.code] == [b"A12", b"Wartezimmer", b"09:40", b"Danke."]


def test_text_inside_the_verified_code_page_goes_as_text():
    config = CONFIG.model_copy(update={"code_page": "cp858"})
    stream = commands(ticket_bytes(simple_ticket("A12", "Praxis Müller, 5 €", "Βήτα"), config))
    assert Command(b"\x1bt", b"\x13") in stream
    assert Command(b"", "Praxis Müller, 5 €".encode("cp858")) in stream
    assert [c.code for c in stream].count(b"\x1dv0") == 1


def test_letters_and_their_marks_are_composed_before_they_are_looked_up():
    config = CONFIG.model_copy(update={"code_page": "cp858"})
    composed, apart = (ticket_bytes(simple_ticket(title=title), config) for title in ("Jos\u00e9", "Jose\u0301"))
    assert composed == apart


@pytest.mark.parametrize(("align", "edge"), [(Align.START, "right"), (Align.CENTER, "middle"), (Align.END, "left")])
def test_a_line_that_begins_at_the_start_is_at_the_right_edge_of_an_arabic_ticket(align, edge):
    sheet = replace(one_line("رقمك", align=align), is_right_to_left=True)
    left, width, line = ink(ticket_bytes(sheet, CONFIG))
    right = line - left - width
    where = "middle" if abs(left - right) <= 1 else "left" if left == 0 else "right" if right == 0 else "nowhere"
    assert where == edge


def test_text_and_picture_of_one_alignment_stand_at_one_edge():
    stream = commands(ticket_bytes(one_line("Desk", align=Align.END), CONFIG))
    assert Command(b"\x1ba", b"\x02") in stream
    left, width, line = ink(ticket_bytes(one_line("Büro", align=Align.END), CONFIG))
    assert left + width == line


def ink(data: bytes) -> tuple[int, int, int]:
    """Left edge and width of the ink of the one picture in it, and the paper's width."""
    (raster,) = (c.data for c in commands(data) if c.code == b"\x1dv0")
    row_bytes = int.from_bytes(raster[1:3], "little")
    rows = [int.from_bytes(raster[at : at + row_bytes], "big") for at in range(5, len(raster), row_bytes)]
    dots = 0
    for row in rows:
        dots |= row
    columns = f"{dots:0{row_bytes * 8}b}"
    return columns.index("1"), columns.rindex("1") + 1 - columns.index("1"), CONFIG.width_dots


# --- nothing is cut off --------------------------------------------------------------------------------------------

SENTENCE = "Please keep this ticket with you until your number is called and shown above a door. "


def test_a_line_longer_than_the_paper_goes_on_in_the_next_and_loses_nothing():
    lines = texts(ticket_bytes(one_line(SENTENCE * 2), CONFIG))[1:]
    assert " ".join(lines) == (SENTENCE * 2).strip()
    assert max(map(len, lines)) <= 48


def test_a_big_line_that_would_take_too_many_is_set_smaller():
    stream = commands(ticket_bytes(one_line(SENTENCE, size=2), NARROW))
    assert " ".join(c.data.decode() for c in stream if not c.code).endswith(SENTENCE.strip())
    assert [c.data for c in stream if c.code == b"\x1d!"] == [b"\x77", b"\x00"]


@pytest.mark.parametrize("sentence", [SENTENCE * 8, "x" * 300, "ä" * 300, "字" * 600, "Größe " * 100])
def test_what_fits_at_no_size_is_refused_and_not_repeated(sentence):
    with pytest.raises(CannotPrint, match="does not fit") as refused:
        ticket_bytes(one_line(sentence), NARROW)
    assert sentence.split()[0] not in str(refused.value)


@pytest.mark.parametrize("config", [CONFIG, NARROW], ids=["80 mm", "58 mm"])
@pytest.mark.parametrize("label", ["A" * 13, "A" * 300])
def test_a_number_that_nobody_can_call_is_refused(label, config):
    with pytest.raises(CannotPrint, match="a number of"):
        ticket_bytes(simple_ticket(label), config)


def test_a_ticket_without_a_number_is_refused():
    with pytest.raises(CannotPrint, match="no number"):
        ticket_bytes(TicketSheet((TicketLine(text="Desk"),)), CONFIG)


def test_a_script_without_a_font_is_refused_and_not_repeated():
    with pytest.raises(CannotPrint, match="install Debian's fonts-noto") as refused:
        ticket_bytes(simple_ticket(title="\ue000\U000e0100 \U00016fe4 secret"), CONFIG)
    assert "secret" not in str(refused.value)


# --- pictures ------------------------------------------------------------------------------------------------------


def test_a_logo_is_scaled_to_the_paper_and_centred():
    logo = TicketLine(LineKind.PICTURE, picture=png(1200, 300))
    left, width, line = ink(ticket_bytes(TicketSheet((logo, *TICKET.lines)), CONFIG))
    assert width == 432
    assert abs(2 * left + width - line) <= 1


def test_a_file_that_is_no_picture_is_refused():
    with pytest.raises(CannotPrint, match="not a PNG"):
        ticket_bytes(TicketSheet((TicketLine(LineKind.PICTURE, picture=b"<svg/>"), *TICKET.lines)), CONFIG)


def test_dots_that_would_be_obeyed_as_a_command_get_one_dot_more():
    dots = b"\xff\x10\x04\x01\x10\x14\x01\x00\x05\x10\x10\x04\x02\x10\x05\x02\x10\x00"
    safe = without_real_time_commands(dots)
    assert REAL_TIME.search(safe) is None
    assert len(safe) == len(dots)
    assert all(b & a == a for a, b in zip(dots, safe, strict=True)), "a black dot was lost"
    assert sum((a ^ b).bit_count() for a, b in zip(dots, safe, strict=True)) == 4


LIVE = re.compile(rb"\x10[\x04\x05\x14]")
DOTS = st.one_of(
    st.binary(max_size=4), st.sampled_from([b"\x10", b"\x10\x04\x01", b"\x10\x05\x02", b"\x10\x14\x01\x00\x05"])
)


@given(st.integers(1, 128), st.one_of(st.integers(1, 64), st.sampled_from([1040, 1296, 5136, 4096])), st.lists(DOTS))
def test_no_picture_of_any_size_holds_a_command_that_is_obeyed_at_once(row_bytes, height, parts):
    """The size too: 1040 rows are sent as 10 04, 4096 rows end in 10 and the first dots follow."""
    rows = b"".join(parts).ljust(row_bytes * height, b"\x04")[: row_bytes * height]
    data = picture_command(Bitmap(row_bytes * 8, height, rows))
    assert LIVE.search(data) is None
    (command,) = commands(data)
    assert command.code == b"\x1dv0"
    sent = command.data[5:]
    assert all(b & a == a for a, b in zip(rows, sent, strict=False)), "a black dot was lost"
    assert not any(sent[len(rows) :]), "rows that are not white were added"


# --- hostile texts -------------------------------------------------------------------------------------------------

# What a hostile text says, and what is left of it to print.
HOSTILE = {
    "\x1dV\x00": " V",
    "\x10\x14\x01\x00\x05": "",
    "\x10\x04\x01": "",
    "\x1b@\x1dV\x41\x00": "@ VA",
    "\x9b\x85\x00\x1bp\x00\x19\xfa": " p\xfa",
    "\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08": "",
    "\x1dv0\x00\xff\xff\xff\xff": " v0\xff\xff\xff\xff",
    "\u202e\u2066\u200f\ufeff": "",
    "\u2068\u2068\u2069": "",
    "\u2069": "",
    "\ud800": "",
    "^XA~JA^FD": "^XA~JA^FD",
}


@pytest.mark.parametrize(("hostile", "harmless"), HOSTILE.items())
@pytest.mark.parametrize("place", ["site", "title", "label", "footer", "lines"])
def test_hostile_bytes_change_no_command(hostile, harmless, place):
    attacked, honest = ({place: f"A{inside}1"} for inside in (hostile, harmless))
    if place == "lines":
        attacked, honest = ({place: (values[place],)} for values in (attacked, honest))
    data = ticket_bytes(simple_ticket(**attacked), CONFIG)
    assert data == ticket_bytes(simple_ticket(**honest), CONFIG)
    assert REAL_TIME.search(data) is None


NASTY = st.sampled_from(
    ["\x10\x04\x01", "\x1b@", "\x1dV\0", "^XA", "~JA", "\u202e", "\u2068", "\u2069", "\ud83d", "😀", "e\u0301"]
)
ANY_TEXT = st.lists(st.one_of(NASTY, st.text(max_size=4), st.text("aä ع字\u00a0-.,", max_size=30))).map("".join)


@given(ANY_TEXT, ANY_TEXT, st.sampled_from([CONFIG, NARROW]), st.booleans())
def test_no_text_at_all_adds_a_command(title, footer, config, is_right_to_left):
    sheet = replace(simple_ticket(title=f"x{title}", footer=f"x{footer}"), is_right_to_left=is_right_to_left)
    try:
        data = ticket_bytes(sheet, config)
    except CannotPrint:
        return
    stream = commands(data)
    assert {c.code for c in stream} <= CODES
    assert [c.code for c in stream].count(b"\x1dV") == 1
    assert LIVE.search(data) is None
    assert max(len(c.data) for c in stream if not c.code) * 12 <= config.width_dots


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=300))
def test_every_printable_text_is_on_the_ticket_whole_or_the_ticket_is_refused(text):
    try:
        lines = texts(ticket_bytes(one_line(text), NARROW))[1:]
    except CannotPrint:
        assert max(map(len, text.split())) > 32 or len(text) > 100
        return
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_invisible_characters_are_taken_out_and_words_kept():
    assert plain("  Praxis Dr.\r\n\tMu\u0308ller\u202e\u200b\x00 ") == "Praxis Dr. Müller"
    assert plain("Dr.\u00a0Müller") == "Dr.\u00a0Müller"
    assert plain("\u2068A12\u2069 x") == "\u2068A12\u2069 x"
    assert plain("\u2068A12 x") == plain("\u2069A12\u2068 x") == "A12 x"


# --- the driver's own ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "port", ["serial:ttyS0", "usb:04b8:0e15", "lpt:/dev/lp0", "tcp://printer", "tcp://:9100", "10.0.0.7:9100"]
)
def test_a_port_that_is_no_line_is_refused_with_what_is_expected(port):
    with pytest.raises(ValueError, match="expected"):
        EscposConfig(port=port)


def test_the_driver_declares_itself():
    assert EscposDriver.kind == "ticket-printer"
    assert EscposDriver.config is EscposConfig
    assert EscposConfig(port="tcp://10.0.0.7:9100").address == LineAddress("tcp", "10.0.0.7", 9100)


def test_declaring_the_driver_imports_no_hardware_library():
    code = (
        "import sys, drivers.escpos; sys.exit(any(m.split('.')[0] in {'escpos', 'PIL', 'yaml'} for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_python_escpos_leaves_neither_a_folder_nor_a_log_handler_behind():
    code = (
        "import drivers.escpos.layout, logging, escpos.capabilities as c;"
        "print(len(logging.getLogger().handlers), len(c.CAPABILITIES['profiles']) > 30, c.get_profile('TM-T88V').media)"
    )
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env={"TMPDIR": folder, "PYTHONPATH": str(Path.cwd())},
            text=True,
            capture_output=True,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith("0 True")
        assert list(Path(folder).iterdir()) == []
