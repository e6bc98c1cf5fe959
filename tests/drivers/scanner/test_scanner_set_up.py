"""The code that shows whether a scanner is set right, and what is said of each way in which it is not."""

from __future__ import annotations

import io

import numpy
import pytest
import zxingcpp
from PIL import Image

from drivers.scanner.set_up import CHECK_DATA, check_code_png, check_code_text, judge, steps
from kioskd.ports import ScannedCode

GERMAN = bytes.maketrans(b"yzYZ-/", b"zyZY/-")


def test_the_check_code_as_a_picture_can_be_read() -> None:
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(check_code_png(6))))
    assert found.bytes == CHECK_DATA


def test_the_check_code_in_a_terminal_can_be_read() -> None:
    lines = check_code_text().splitlines()
    rows = []
    for line in lines:
        rows.append([255 if block in "█▀" else 0 for block in line])
        rows.append([255 if block in "█▄" else 0 for block in line])
    (found,) = zxingcpp.read_barcodes(numpy.kron(numpy.array(rows, numpy.uint8), numpy.ones((4, 4), numpy.uint8)))
    assert found.bytes == CHECK_DATA
    assert max(len(line) for line in lines) < 80


def test_a_scanner_that_is_set_right_is_told_nothing() -> None:
    assert not judge(ScannedCode(CHECK_DATA, "]Q1"))


@pytest.mark.parametrize(
    ("data", "symbology", "what"),
    [
        (CHECK_DATA, "", "AIM"),
        (CHECK_DATA.swapcase(), "]q1", "Caps Lock"),
        (CHECK_DATA.translate(GERMAN), "]Q1", "US English"),
        (CHECK_DATA.replace(b"\n", b"\r"), "]Q1", "control characters"),
        (bytes(byte for byte in CHECK_DATA if byte >= 0x20), "]Q1", "control characters"),
        (CHECK_DATA + b"\r", "]Q1", "prefix and suffix"),
        (b"\x02" + CHECK_DATA, "]Q1", "prefix and suffix"),
        (CHECK_DATA.split(b"\n")[0], "]Q1", "only the begin"),
        (b"4006381333931", "]E0", "not the check code"),
        (b"", "]E0", "not the check code"),
    ],
)
def test_what_is_set_otherwise_is_named(data: bytes, symbology: str, what: str) -> None:
    assert any(what in sentence for sentence in judge(ScannedCode(data, symbology)))


@pytest.mark.parametrize(
    ("driver", "profile", "word"),
    [
        ("scanner-serial", "plain", "USB-CDC"),
        ("scanner-serial", "zebra-ssi", "SSI"),
        ("scanner-serial", "newland", "AIM identifiers kioskd switches on itself"),
        ("scanner-keyboard", "plain", "US English"),
        ("scanner-hidpos", "plain", "HID POS"),
    ],
)
def test_every_kind_of_scanner_is_told_how_to_be_set(driver: str, profile: str, word: str) -> None:
    said = steps(driver, profile)
    assert word in " ".join(said)
    assert all(len(sentence) < 120 for sentence in said)
