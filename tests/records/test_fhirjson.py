"""JSON that keeps its digits."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.records.fhirjson import DEPTH, parse, write, write_indented

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_again(value: Any):
    assert write(parse(write(value).encode())) == write(value)
    assert parse(write_indented(value).encode()) == parse(write(value).encode())


def test_a_decimal_keeps_its_digits():
    for text in ("1.10", "0.000", "-0.5", "123456789012345678901234567890.1"):
        assert write(parse(text.encode())) == text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"NaN", b"[Infinity]", b'{"a":1,"a":2}', b'"\\ud800"', b'"\\u0000"', b'{"\\u0000":1}',
     b"[" * 100_000, b"[" * (DEPTH + 2) + b"]" * (DEPTH + 2), b"1" * 10_000, b"\xef\xbb\xbf{}"],
    ids=["nothing", "half", "latin", "nan", "infinity", "twice", "surrogate", "nul", "nul key", "bomb", "deep", "huge",
         "bom"],
)  # fmt: skip
def test_what_can_not_be_kept_is_refused(body: bytes):
    with pytest.raises(ValueError):
        parse(body)


def test_both_halves_of_a_pair_are_one_character():
    assert parse(json.dumps("😀").encode()) == "😀"
