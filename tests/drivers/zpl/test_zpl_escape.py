"""Text into fields, and the command list as the guard; zplkit's parser is the judge that is not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zplkit.parse import parse

from drivers.zpl.escape import bx, commands, fh


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("SMITH John", "SMITH John"),
        ("^XZ", "\\5EXZ"),
        ("~JA", "\\7EJA"),
        ("a\\b", "a\\5Cb"),
        ("a_b", "a\\5Fb"),
        ("ñ", "\\C3\\B1"),
        ("n\u0303", "\\C3\\B1"),
        ("\x02\x1b\x7f\x85", "\\02\\1B\\7F\\C2\\85"),
        ("", ""),
    ],
)
def test_a_field_is_printable_ascii_with_everything_else_in_hex(text: str, field: str) -> None:
    assert fh(text) == field


def test_the_escape_character_of_a_datamatrix_is_doubled_because_hex_is_decoded_first() -> None:
    assert bx("a_1") == "a\\5F\\5F1"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_leaves_anything_but_plain_printable_ascii(text: str) -> None:
    for field in (fh(text), bx(text)):
        assert field.isascii()
        assert field.isprintable() or not field
        assert not set(field) & set("^~_")


def test_a_lone_surrogate_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        fh("\ud800")


def test_the_command_list_leaves_out_parameters_and_data() -> None:
    zpl = b"^XA^CI28^FO10,20^A0R,30,30^FH\\^FDSmith^FS~JA^A@N,10^XZ\r\n"
    assert commands(zpl) == ["^XA", "^CI", "^FO", "^A", "^FH", "^FD", "^FS", "~JA", "^A@", "^XZ"]


@pytest.mark.parametrize("smuggled", ["^XZ", "~JA", "^cc", "\x02", "\x03", "^", "~"])
def test_a_command_in_the_data_shows_in_the_list(smuggled: str) -> None:
    assert len(commands(f"^FDSmith{smuggled}^FS".encode())) == 3


@given(st.lists(st.sampled_from([b"^XA", b"^FO1,2", b"^FDx y", b"^FS", b"^A0R,3", b"~HS", b"^BXR,5", b"^XZ"])))
def test_the_list_agrees_with_a_parser_that_is_not_ours(pieces: list[bytes]) -> None:
    zpl = b"".join(pieces)
    theirs = [bytes(element) for element in parse(zpl).elements] if zpl else []
    short = [e[:2] if e.startswith(b"^A") else e[:3] for e in theirs]
    assert commands(zpl) == [e.decode() for e in short if e]
