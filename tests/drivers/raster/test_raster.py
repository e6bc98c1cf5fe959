"""Lines of text as dots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.raster import Bitmap, text_bitmap


def is_black(bitmap: Bitmap, x: int, y: int) -> bool:
    return bool(bitmap.rows[y * bitmap.row_bytes + x // 8] >> (7 - x % 8) & 1)


def ink_columns(bitmap: Bitmap) -> list[bool]:
    return [any(is_black(bitmap, x, y) for y in range(bitmap.height_px)) for x in range(bitmap.width_px)]


def black_dots(bitmap: Bitmap) -> int:
    return sum(byte.bit_count() for byte in bitmap.rows)


@pytest.mark.parametrize(
    "text",
    [
        "Ștefan Țepeș",
        "Nguyễn Thị Ánh",
        "Γιώργος",
        "Ольга",
        "عيادة الدكتور أحمد، الطابق 3",
        "שלום",
        "नमस्ते",
        "กรุณารอ",
        "二楼候诊区",
    ],
)
def test_a_line_in_any_script_has_ink_and_the_asked_height(text):
    bitmap = text_bitmap(text, 40, 576)
    assert bitmap.height_px == 40
    assert 40 < bitmap.width_px <= 576
    assert len(bitmap.rows) == bitmap.row_bytes * 40
    assert 0.02 < black_dots(bitmap) / (bitmap.width_px * 40) < 0.5


def test_the_bitmap_is_as_wide_as_its_ink():
    columns = ink_columns(text_bitmap("  Ward 7  ", 40, 576))
    assert columns[0]
    assert columns[-1]


def test_bits_beyond_the_width_are_white():
    bitmap = text_bitmap("Ward 7", 41, 576)
    spare = bitmap.row_bytes * 8 - bitmap.width_px
    assert all(
        bitmap.rows[row * bitmap.row_bytes + bitmap.row_bytes - 1] & ((1 << spare) - 1) == 0
        for row in range(bitmap.height_px)
    )


def test_bold_is_blacker_than_regular():
    assert black_dots(text_bitmap("A12", 60, 576, "bold")) > 1.2 * black_dots(text_bitmap("A12", 60, 576))


def test_a_long_line_is_drawn_smaller_and_whole():
    text = "Gemeinschaftspraxis für Allgemeinmedizin und Naturheilverfahren"
    wide = text_bitmap(text, 40, 4000)
    narrow = text_bitmap(text, 40, 576)
    assert narrow.width_px <= 576 < wide.width_px
    assert narrow.height_px == 40
    # The same number of strokes: nothing was cut off.
    assert sum(ink_columns(narrow)) / narrow.width_px == pytest.approx(sum(ink_columns(wide)) / wide.width_px, abs=0.1)


def test_a_line_that_fits_at_no_legible_size_is_refused_without_repeating_it():
    with pytest.raises(ValueError, match="does not fit") as refused:
        text_bitmap("Smith " * 60, 40, 576)
    assert "Smith" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "   ", "\u200d"])
def test_text_without_ink_is_refused(text):
    with pytest.raises(ValueError):
        text_bitmap(text, 40, 576)


@pytest.mark.parametrize("text", ["a\nb", "a\x1dV\x00", "a\x9bb"])
def test_control_characters_are_refused(text):
    with pytest.raises(ValueError, match="control character"):
        text_bitmap(text, 40, 576)


def test_arabic_is_joined_and_runs_from_right_to_left():
    joined = text_bitmap("بيت", 60, 576)
    apart = [text_bitmap(letter, 60, 576) for letter in "بيت"]
    assert joined.width_px < sum(letter.width_px for letter in apart)
    # The first letter of the line "ا م" stands at the right: a bare stroke, higher than the other one.
    line = text_bitmap("ا م", 60, 576)
    right = [y for y in range(60) if any(is_black(line, x, y) for x in range(line.width_px - 8, line.width_px))]
    left = [y for y in range(60) if any(is_black(line, x, y) for x in range(8))]
    assert min(right) < min(left)


def test_two_scripts_in_one_line_are_both_drawn():
    both = text_bitmap("नमस्ते Ольга", 40, 576)
    assert both.width_px > text_bitmap("नमस्ते", 40, 576).width_px + text_bitmap("Ольга", 40, 576).width_px


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40), st.integers(20, 200))
def test_every_latin_line_is_drawn_inside_its_box_or_refused(text, width):
    try:
        bitmap = text_bitmap(text, 30, width)
    except ValueError:
        return
    assert bitmap.width_px <= width
    assert len(bitmap.rows) == bitmap.row_bytes * 30
    assert black_dots(bitmap) > 0
