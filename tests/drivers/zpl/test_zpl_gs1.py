"""GS1 element strings, and the sizes that a layout reserves."""

from __future__ import annotations

from datetime import date

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from drivers.zpl.datamatrix import most_modules
from drivers.zpl.graphic import gfa, rows_from
from drivers.zpl.gs1 import band_elements, element_string, gs1_check_digit
from drivers.zpl.metrics import fitting_height, is_resident, line_width

BORN = date(1980, 1, 18)
GSRN = "505050560001234569"


@pytest.mark.parametrize(
    ("body", "digit"),
    [("50505056000123456", 9), ("629104150021", 3), ("950110153000", 3), ("0", 0), ("5", 5)],
)
def test_the_check_digit_is_modulo_ten_with_weights_from_the_right(body: str, digit: int) -> None:
    assert gs1_check_digit(body) == digit


@given(st.text("0123456789", min_size=17, max_size=17), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(body: str, place: int, difference: int) -> None:
    wrong = body[:place] + str((int(body[place]) + difference) % 10) + body[place + 1 :]
    assert gs1_check_digit(wrong) != gs1_check_digit(body)


@pytest.mark.parametrize("body", ["", "12a", "١٢", " 1"])
def test_a_check_digit_of_anything_but_digits_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        gs1_check_digit(body)


def test_a_band_names_the_person_the_band_and_the_birth_date() -> None:
    assert band_elements(GSRN, 3, BORN) == [("8018", GSRN), ("8019", "3"), ("7250", "19800118")]
    assert element_string(GSRN, 3, BORN) == f"(8018){GSRN}(8019)3(7250)19800118"
    assert element_string(GSRN, 3, None) == f"(8018){GSRN}(8019)3"


@pytest.mark.parametrize(
    ("gsrn", "number", "why"),
    [
        (GSRN[:-1] + "0", 1, "check digit"),
        (GSRN[:-1], 1, "18 digits"),
        ("٥" * 18, 1, "18 digits"),
        (GSRN, 0, "band number"),
        (GSRN, 10_000_000_000, "band number"),
    ],
)
def test_what_gs1_does_not_allow_is_refused_without_naming_it(gsrn: str, number: int, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refused:
        band_elements(gsrn, number, BORN)
    assert gsrn not in str(refused.value)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=90))
def test_the_room_for_a_datamatrix_is_never_too_small(text: str) -> None:
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.DataMatrix, force_square=True)
    modules = zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=False).shape[0]
    assert modules <= most_modules(text)


def test_data_that_no_band_can_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        most_modules("A" * 205)
    with pytest.raises(ValueError, match="ASCII"):
        most_modules("Ñ")


@given(
    st.integers(1, 80).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.binary(min_size=n, max_size=n), min_size=1)))
)
def test_a_picture_comes_back_from_its_compressed_form(picture: tuple[int, list[bytes]]) -> None:
    row_bytes, rows = picture
    zpl = gfa(b"".join(rows), row_bytes)
    assert not set(zpl[1:]) & set("^~")
    assert rows_from(zpl.split(",", 4)[4], row_bytes) == b"".join(rows)


def test_runs_rows_and_fillers_of_a_picture_are_written_short() -> None:
    rows = bytes([0xFF, 0xFF, 0x00, 0x00]) * 2 + bytes(4) + bytes([0, 0, 0xFF, 0xFF])
    assert gfa(rows, 4) == "^GFA,16,16,4,JF,:,J0!"


@given(st.text(), st.integers(1, 40))
def test_reading_a_picture_never_fails_in_another_way(data: str, row_bytes: int) -> None:
    try:
        rows_from(data, row_bytes)
    except ValueError:
        return


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=255), min_size=1),
    st.integers(30, 200),
    st.integers(100, 2000),
)
def test_a_height_that_fits_does_fit(text: str, height: int, width: int) -> None:
    fitting = fitting_height(text, height, 20, width)
    if fitting is not None:
        assert 20 <= fitting <= height
        assert line_width(text, fitting) <= width + 1


@pytest.mark.parametrize(
    ("text", "resident"), [("Müller ß ÿ", True), ("Łucja", False), ("’", False), ("\u00ad", False)]
)
def test_the_resident_font_holds_latin_1_only(text: str, resident: bool) -> None:
    assert is_resident(text) is resident
