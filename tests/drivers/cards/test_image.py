"""The simulated card answers as the standard says, so that what reads it is tested against something real."""

from __future__ import annotations

import pytest

from drivers.cards.image import Application, CardFile, CardImage, ImageSession
from drivers.cards.synthetic import SAMPLE_PEOPLE, EgkVariant, egk_image

ANNA = SAMPLE_PEOPLE[0]
SELECT_MF, SELECT_HCA = "00A4040C07D2760001448000", "00A4040C06D27600000102"


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        pytest.param(["00A4040C0101"], "6A82", id="no such application"),
        pytest.param([SELECT_MF, "00A4020C022F02", "00B0000002"], "5A0A9000", id="a file by its identifier"),
        pytest.param(["00A4020C02FFFF"], "6A82", id="no such file"),
        pytest.param(["00A4050C022F02"], "6A86", id="a way of selecting that it does not have"),
        pytest.param(["00B0820002"], "5A0A9000", id="a file by its short identifier"),
        pytest.param(["00B09E0002"], "6A82", id="no such short identifier"),
        pytest.param(["00B0000002"], "6986", id="no file selected"),
        pytest.param(["00B0820BFF", "00B0000A02"], None, id="fewer bytes than asked for"),
        pytest.param(["00B0820002", "00B0000C01"], "6B00", id="past the end"),
        pytest.param([SELECT_HCA, "00B0830002"], "6982", id="a closed file"),
        pytest.param(["00B2018400"], "00400000009000", id="a record"),
        pytest.param(["00B2098400"], "6A83", id="no such record"),
        pytest.param(["00B2018000"], "6A86", id="a record addressed otherwise"),
        pytest.param(["00CA000000"], "6D00", id="an unknown instruction"),
        pytest.param(["80B0820002"], "6E00", id="an unknown class"),
        pytest.param(["00B0"], "6700", id="too short to be a command"),
        pytest.param(["00B08200"], "6700", id="no length given"),
    ],
)
def test_a_command_is_answered_by_the_status_word_of_the_standard(commands: list[str], answer: str | None) -> None:
    session = ImageSession(egk_image(ANNA))
    for command in commands[:-1]:
        session.respond(bytes.fromhex(command))
    given = session.respond(bytes.fromhex(commands[-1])).hex().upper()
    assert given == answer if answer is not None else given.endswith("9000")


def test_the_last_bytes_of_a_file_come_with_6282_when_a_number_was_asked_for() -> None:
    answer = ImageSession(egk_image(ANNA)).respond(bytes.fromhex("00B0820A10"))
    assert len(answer) == 2 + 2
    assert answer[-2:] == b"\x62\x82"


def test_a_t0_card_corrects_the_length_and_hands_out_its_template_behind_61xx() -> None:
    session = ImageSession(egk_image(ANNA, EgkVariant(is_t0=True)))
    assert session.respond(bytes.fromhex("00B0820010")) == b"\x6c\x0c"
    assert session.respond(bytes.fromhex("00A4040007D2760001448000")) == b"\x61\x0b"
    assert session.respond(bytes.fromhex("00C000000B")).endswith(bytes.fromhex("8407D27600014480009000"))
    assert session.respond(bytes.fromhex("00C000000B")) == b"\x69\x85"


def test_another_application_has_other_files() -> None:
    session = ImageSession(egk_image(ANNA))
    session.respond(bytes.fromhex(SELECT_HCA))
    assert session.respond(bytes.fromhex("00B0820001")) == b"\x00\x90\x00"


DF, EF = 0x5F00, 0xEF02
NESTED = CardImage(
    b"\x3b\x00",
    (
        Application(fid=0x3F00, files=(CardFile(0x2F00, 1, b"root"),)),
        Application(fid=DF, files=(CardFile(EF, 2, b"data"),), data_objects=((0x1100, b"object"),)),
        Application(aid=b"\xa0\x01", files=(CardFile(EF, 2, b"shut"),), is_locked=True),
    ),
)
READ = "00B0000004"
ROOT, DATA = b"root\x90\x00", b"data\x90\x00"


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        pytest.param(["00A4080C045F00EF02", READ], DATA, id="a path from the root"),
        pytest.param(["00A4080C063F005F00EF02", READ], DATA, id="a path that names the root"),
        pytest.param(["00A4000C025F00", "00A4080C022F00", READ], ROOT, id="a path from the root, whatever is selected"),
        pytest.param(["00A4000C", "00A4090C045F00EF02", READ], DATA, id="a path from here"),
        pytest.param(["00A4010C025F00", "00A4020C02EF02", READ], DATA, id="a child, then a file of it"),
        pytest.param(["00A4010C025F00", "00A4030C", "00A4020C022F00", READ], ROOT, id="the parent"),
        pytest.param(["00A4080C045F00EF99"], b"\x6a\x82", id="a path to nothing"),
        pytest.param(["00A4080C042F00EF02"], b"\x6a\x82", id="a path through a file"),
        pytest.param(["00A4080C035F00EF"], b"\x6a\x86", id="half an identifier"),
        pytest.param(["00A4010C025F00", "00CA1100020000"], b"object\x90\x00", id="a data object"),
        pytest.param(["00A4010C025F00", "00CA1200020000"], b"\x6a\x83", id="no such data object"),
        pytest.param(["00A4040C02A001"], b"\x62\x83", id="a locked application"),
        pytest.param(["00A4040C02A001", "00B0820004"], b"\x69\x82", id="a file in a locked application"),
        pytest.param(["00A40800045F00EF02"], b"\x6f\x08\x80\x02\x00\x04\x83\x02\xef\x02\x90\x00", id="a template"),
    ],
)
def test_directories_and_paths_are_followed_as_the_standard_says(commands: list[str], answer: bytes) -> None:
    session = NESTED.power_on()
    for command in commands[:-1]:
        assert session.respond(bytes.fromhex(command))[-2:] in (b"\x90\x00", b"\x62\x83")
    assert session.respond(bytes.fromhex(commands[-1])) == answer
