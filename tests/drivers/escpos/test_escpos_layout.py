"""Tickets as bytes: what a printer obeys in them is what the layout put there, and nothing else."""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.escpos import EscposConfig, EscposDriver
from drivers.escpos.layout import CannotPrint, plain, ticket_bytes, without_real_time_commands
from drivers.escpos.virtual_commands import REAL_TIME, Command, take_command
from drivers.line import LineAddress
from kioskd.ports import TicketSheet

CONFIG = EscposConfig(port="tcp://127.0.0.1:9100")
TICKET = TicketSheet("Riverside Clinic", "Your number", "A12", ("Waiting area B", "09:40"), "Please keep this ticket.")


def commands(data: bytes) -> list[Command]:
    found = []
    while data:
        taken = take_command(data)
        assert taken is not None, f"half a command at the end: {data[:8].hex(' ')}"
        found.append(taken[0])
        data = data[taken[1] :]
    return found


def test_a_plain_ticket_byte_for_byte():
    normal = b"\x1d!\x00\x1db\x00\x1bE\x00\x1bM\x00\x1ba\x01\x1dB\x00"
    double = b"\x1d!\x11\x1db\x01\x1bE\x00\x1bM\x00\x1ba\x01\x1dB\x00"
    assert ticket_bytes(TICKET, CONFIG) == b"".join(
        [
            b"\x1b@\x1da\x0f\x1bR\x00\x1bt\x00",
            b"\x1d!\x00\x1db\x00\x1bE\x01\x1bM\x00\x1ba\x01\x1dB\x00Riverside Clinic\n",
            normal + b"\n",
            double + b"Your number\n",
            b"\x1d!\x77\x1db\x01\x1bE\x01\x1bM\x00\x1ba\x01\x1dB\x00A12\n",
            double + b"Waiting area B\n",
            double + b"09:40\n",
            normal + b"\n",
            normal + b"Please keep this ticket.\n",
            normal + b"\n",
            b"\x1dVB\x00",
        ]
    )


def test_a_full_cut_feeds_to_the_cutter_too():
    assert ticket_bytes(TICKET, CONFIG.model_copy(update={"cut": "full"})).endswith(b"\x1dVA\x00")


def test_a_copy_is_marked_above_its_number():
    texts = [c.data for c in commands(ticket_bytes(replace(TICKET, is_copy=True), CONFIG)) if not c.code]
    assert texts.index(b" COPY ") < texts.index(b"A12")
    assert b" COPY " not in ticket_bytes(TICKET, CONFIG)


@pytest.mark.parametrize("label", ["A1", "A12", "A123", "AB1234567"])
def test_the_number_is_as_big_as_the_paper_lets_it(label):
    config = CONFIG.model_copy(update={"paper_width_mm": 58})
    stream = commands(ticket_bytes(replace(TICKET, label=label), config))
    at = next(i for i, command in enumerate(stream) if command.data == label.encode())
    size = next(command.data[0] for command in reversed(stream[:at]) if command.code == b"\x1d!")
    width = (size >> 4) + 1
    assert width * 12 * len(label) <= 384
    assert width == 8 or (width + 1) * 12 * len(label) > 384


@pytest.mark.parametrize("text", ["Clinică Ștefan", "Γιώργος", "عيادة", "Praxis – Süd", "Nguyễn"])
def test_text_outside_the_code_page_is_drawn(text):
    sheet = replace(TICKET, site_name=text, title="")
    stream = commands(ticket_bytes(sheet, CONFIG))
    assert [c.code for c in stream].count(b"\x1dv0") == 1
    assert [c.data for c in stream if not c.code] == [b"A12", b"Waiting area B", b"09:40", b"Please keep this ticket."]


def test_text_inside_the_verified_code_page_goes_as_text():
    config = CONFIG.model_copy(update={"code_page": "cp858"})
    stream = commands(ticket_bytes(replace(TICKET, site_name="Praxis Müller, 5 €", title="Βήτα"), config))
    assert Command(b"\x1bt", b"\x13") in stream
    assert Command(b"", "Praxis Müller, 5 €".encode("cp858")) in stream
    assert [c.code for c in stream].count(b"\x1dv0") == 1


def test_letters_and_their_marks_are_composed_before_they_are_looked_up():
    config = CONFIG.model_copy(update={"code_page": "cp858"})
    assert ticket_bytes(replace(TICKET, title="Jose\u0301"), config) == ticket_bytes(
        replace(TICKET, title="Jos\u00e9"), config
    )


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
}


@pytest.mark.parametrize(("hostile", "harmless"), HOSTILE.items())
@pytest.mark.parametrize("place", ["site_name", "title", "label", "footer", "lines"])
def test_hostile_bytes_change_no_command(hostile, harmless, place):
    attacked, honest = (f"A{inside}1" for inside in (hostile, harmless))
    if place == "lines":
        attacked, honest = (attacked,), (honest,)
    data = ticket_bytes(replace(TICKET, **{place: attacked}), CONFIG)
    assert data == ticket_bytes(replace(TICKET, **{place: honest}), CONFIG)
    assert REAL_TIME.search(data) is None


@given(
    st.text(st.characters(max_codepoint=0x24F), max_size=30), st.text(st.characters(max_codepoint=0xFF), max_size=80)
)
def test_no_text_at_all_adds_a_command(title, footer):
    sheet = replace(TICKET, title=f"x{title}", footer=f"x{footer}")
    try:
        data = ticket_bytes(sheet, CONFIG)
    except CannotPrint:
        return
    stream = [c.code for c in commands(data)]
    assert set(stream) <= {
        b"",
        b"\n",
        b"\x1b@",
        b"\x1da",
        b"\x1bR",
        b"\x1bt",
        b"\x1d!",
        b"\x1db",
        b"\x1bE",
        b"\x1bM",
    } | {
        b"\x1ba",
        b"\x1dB",
        b"\x1dv0",
        b"\x1dV",
    }
    assert stream.count(b"\x1dV") == 1
    assert REAL_TIME.search(data) is None


def test_dots_that_would_be_obeyed_as_a_command_get_one_dot_more():
    dots = b"\xff\x10\x04\x01\x10\x14\x01\x00\x05\x10\x10\x04\x02\x10\x05\x02\x10\x00"
    safe = without_real_time_commands(dots)
    assert REAL_TIME.search(safe) is None
    assert len(safe) == len(dots)
    assert all(b & a == a for a, b in zip(dots, safe, strict=True)), "a black dot was lost"
    assert sum((a ^ b).bit_count() for a, b in zip(dots, safe, strict=True)) == 4


def test_invisible_characters_are_taken_out_and_words_kept():
    assert plain("  Praxis\u00a0Dr.\r\n\tMu\u0308ller\u202e\u200b\x00 ") == "Praxis Dr. Müller"


def test_a_line_longer_than_the_paper_goes_on_in_the_next_and_loses_nothing():
    footer = "Please keep this ticket with you until your number is called and shown above a door. " * 2
    texts = [c.data.decode() for c in commands(ticket_bytes(replace(TICKET, footer=footer), CONFIG)) if not c.code]
    assert " ".join(texts).endswith(footer.strip())
    assert max(map(len, texts)) <= 48


def test_a_script_without_a_font_is_refused_and_not_repeated():
    with pytest.raises(CannotPrint, match="install Debian's fonts-noto") as refused:
        ticket_bytes(replace(TICKET, title="\ue000\U000e0100 \U00016fe4 secret"), CONFIG)
    assert "secret" not in str(refused.value)


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
