"""Where texts are broken, and in which order mixed lines stand."""

import ctypes.util
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from drivers.raster import Bitmap, broken, picture_bitmap, text_bitmaps, visible
from drivers.raster.bidi import DirectedRun, base_direction, visual_runs
from drivers.raster.fonts import FONT_FOLDERS, NoFont, font_runs
from drivers.raster.lines import chunks

FSI, PDI, WJ = "\u2068", "\u2069", "\u2060"


# --- breaking ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("one two three four", 18, ["one two three four"]),
        ("one two three four", 17, ["one two", "three four"]),  # not "one two three" and a single word
        ("Still waiting for 30 minutes? Tell the desk.", 40, ["Still waiting for 30 minutes?", "Tell the desk."]),
        ("When it is your turn, the number is shown.", 30, ["When it is your turn,", "the number is shown."]),
        ("You see Dr. Hart and Dr. Yildiz in room 2", 30, ["You see Dr. Hart and", "Dr. Yildiz in room 2"]),
        ("After about 12 people it is you", 16, ["After about", "12 people", "it is you"]),
        ("Hals-Nasen-Ohren-Heilkunde", 16, ["Hals-Nasen-", "Ohren-Heilkunde"]),
        ("a\u00a0b\u00a0c d", 5, ["a\u00a0b\u00a0c", "d"]),
        ("轮到您时，屏幕上会显示您的号码。", 11, ["轮到您时，", "屏幕上会显示您的号码。"]),
        ("请在（二楼）候诊区等候", 6, ["请在（二楼）", "候诊区等候"]),
    ],
)
def test_a_text_is_broken_where_it_reads_well(text, columns, lines):
    assert broken(text, len, columns, 5) == lines


@pytest.mark.parametrize(("text", "columns", "most"), [("longer", 5, 9), ("one two", 3, 1), ("字" * 9, 4, 2)])
def test_what_does_not_fit_is_said(text, columns, most):
    assert broken(text, len, columns, most) is None


def test_a_joined_date_is_one_piece():
    assert chunks(f"{WJ.join('2026年11月24日')} 到") == [f"{WJ.join('2026年11月24日')} ", "到"]


@given(
    st.text(st.sampled_from("ab字。，（ -\u0301\u00a01"), max_size=60).map(lambda t: " ".join(t.split(" "))),
    st.integers(1, 20),
)
def test_no_character_is_lost_and_no_line_is_too_long(text, columns):
    assert "".join(chunks(text)) == text
    lines = broken(text, len, columns, 100)
    if lines is None:
        assert max(len(piece.rstrip(" ")) for piece in chunks(text)) > columns or not text
        return
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) <= columns for line in lines)
    assert not any(unicodedata.combining(line[0]) for line in lines[1:] if line)


# --- both directions -----------------------------------------------------------------------------------------------


def order(text: str, base) -> list[str]:
    """The words of a line as they stand on paper from left to right."""
    return [run.text.strip() if run.direction == "ltr" else f"<{run.text.strip()}" for run in visual_runs(text, base)]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("رقمك A12 الآن", ["<الآن", "A12", "<رقمك"]),
        (
            f"وصلت الساعة {FSI}09:40{PDI} بتاريخ {FSI}2026-11-24{PDI}.",
            ["<.", "2026-11-24", "<بتاريخ", "09:40", "<وصلت الساعة"],
        ),
        (f"في {FSI}Wartezimmer 2{PDI}.", ["<.", "Wartezimmer 2", "<في"]),
        ("(غرفة 2)", ["<)", "2", "<(غرفة"]),
    ],
)
def test_numbers_dates_and_latin_names_keep_their_order_in_arabic(text, runs):
    assert order(text, "rtl") == runs


def test_a_name_in_hebrew_stands_as_one_piece_in_a_german_line():
    assert order(f"Raum {FSI}חדר 3{PDI} links", "ltr") == ["Raum", "3", "<חדר", "links"]


def test_without_an_isolate_a_date_behind_arabic_would_be_turned_around():
    """What the isolates are for."""
    assert order("بتاريخ 2026-11-24", "rtl") != ["2026-11-24", "<بتاريخ"]


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("Praxis", "ltr"),
        ("عيادة", "rtl"),
        ("12:30", "ltr"),
        (f"{FSI}عيادة{PDI} Praxis", "ltr"),
        (f"{FSI}عيادة{PDI}", "rtl"),
    ],
)
def test_a_line_without_a_direction_of_its_own_has_that_of_its_letters(text, base):
    assert base_direction(text) == base


MIXED = st.text(st.sampled_from("abc 123.,:()-/אבג عرب٣٤"), min_size=1, max_size=24)


@given(MIXED, st.sampled_from(["ltr", "rtl"]))
def test_the_order_of_any_line_is_that_of_pillows_own_text_engine(text, base):
    """Raqm orders a line of one font by itself; drawn run by run it must come out the same."""
    file = next((f for folder in FONT_FOLDERS for f in folder.rglob("DejaVuSans.ttf")), None)
    if file is None:
        pytest.skip("DejaVu Sans, which has all these scripts in one font, is not installed")
    font = ImageFont.truetype(str(file), 20)
    whole, apart = (Image.new("L", (900, 40)) for _ in range(2))
    ImageDraw.Draw(whole).text((20, 5), text, fill=255, font=font, direction=base)
    x = 20.0
    for run in visual_runs(text, base):
        ImageDraw.Draw(apart).text((x, 5), run.text, fill=255, font=font, direction=run.direction)
        x += font.getlength(run.text, direction=run.direction)
    assert profile(apart) == pytest.approx(profile(whole), abs=40)


def profile(image: Image.Image) -> list[int]:
    """How much ink stands in each stretch of five columns, of 255 a column."""
    return list(image.resize((image.width // 5, 1), Image.Resampling.BOX).tobytes())


@given(st.text(st.sampled_from(f"ab א1 ،.{FSI}{PDI}"), max_size=20))
def test_every_visible_character_is_in_exactly_one_run(text):
    runs = visual_runs(text, "rtl") if text else []
    assert sorted("".join(run.text for run in runs)) == sorted(visible(text))
    assert all(isinstance(run, DirectedRun) for run in runs)


def test_the_library_that_orders_lines_is_there():
    assert ctypes.util.find_library("fribidi") or visual_runs("א", "rtl")


# --- lines as dots -------------------------------------------------------------------------------------------------


def test_a_text_takes_as_many_lines_as_it_needs_and_all_have_one_height():
    drawn = text_bitmaps("Größere Texte brauchen auf schmalem Papier mehr als nur eine Zeile", 34, 384, "regular", 5)
    assert [bitmap.height_px for bitmap in drawn] == [34] * len(drawn)
    assert 2 <= len(drawn) <= 5
    assert all(bitmap.width_px <= 384 for bitmap in drawn)


def test_a_little_too_long_a_line_is_set_a_little_smaller_instead_of_broken():
    (line,) = text_bitmaps("Größe Nummer eins", 68, 500, "bold", 1)
    assert line.width_px <= 500


def test_a_missing_font_is_named_as_the_package_that_brings_it():
    from drivers.raster import fonts

    with pytest.raises(NoFont, match="fonts-noto-core"):
        font_runs("\U00016fe4", "regular")
    assert "fonts-droid-fallback" in fonts._missing("候")


# --- dots ----------------------------------------------------------------------------------------------------------

BITMAPS = st.integers(1, 40).flatmap(
    lambda width: st.lists(st.integers(0, (1 << width) - 1), min_size=1, max_size=6).map(
        lambda rows: Bitmap(
            width,
            len(rows),
            b"".join((row << (-width % 8)).to_bytes((width + 7) // 8, "big") for row in rows),
        )
    )
)


def dots(bitmap: Bitmap) -> list[str]:
    return [f"{int.from_bytes(bitmap.row(y), 'big'):0{8 * bitmap.row_bytes}b}" for y in range(bitmap.height_px)]


@given(BITMAPS, st.integers(0, 30))
def test_moving_and_trimming_keep_every_dot(bitmap, by):
    moved = bitmap.moved_right(by)
    assert [row[by : by + bitmap.width_px] for row in dots(moved)] == [row[: bitmap.width_px] for row in dots(bitmap)]
    assert all("1" not in row[:by] + row[by + bitmap.width_px :] for row in dots(moved))
    above, inked, below = bitmap.without_white_rows()
    white = bytes(bitmap.row_bytes)
    assert white * above + inked.rows + white * below == bitmap.rows


@given(BITMAPS, st.integers(0, 12))
def test_inverting_turns_every_dot_and_adds_black_margins(bitmap, margin):
    turned = bitmap.inverted(margin)
    for row, was in zip(dots(turned), dots(bitmap), strict=True):
        inner = "".join("10"[int(dot)] for dot in was[: bitmap.width_px])
        assert row == ("1" * margin + inner + "1" * margin).ljust(8 * turned.row_bytes, "0")


# --- pictures ------------------------------------------------------------------------------------------------------


def test_a_grey_picture_becomes_as_dark_as_it_was(tmp_path):
    grey = Image.linear_gradient("L").resize((400, 200))
    grey.save(tmp_path / "grey.png")
    drawn = picture_bitmap((tmp_path / "grey.png").read_bytes(), 300, 200)
    assert drawn.width_px <= 300
    assert drawn.height_px <= 200
    black = sum(byte.bit_count() for byte in drawn.rows) / (drawn.width_px * drawn.height_px)
    assert 0.5 < black < 0.7  # from dark to light, with the white margin cut off


def test_a_dark_colour_has_no_holes_and_a_light_one_no_spots(tmp_path):
    drawing = Image.new("RGB", (60, 40), (250, 248, 240))
    drawing.paste((10, 80, 84), (10, 10, 50, 30))
    drawing.save(tmp_path / "logo.png")
    drawn = picture_bitmap((tmp_path / "logo.png").read_bytes(), 300, 200)
    inside = [row[: drawn.width_px] for row in dots(drawn)]
    assert "1" * 40 in inside[drawn.height_px // 2]
    assert sum(row.count("1") for row in inside) == 40 * 20


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ValueError, match="not a PNG"):
        picture_bitmap(data, 300, 200)


def test_a_white_picture_is_refused(tmp_path):
    Image.new("RGBA", (40, 40), (255, 255, 255, 255)).save(tmp_path / "white.png")
    with pytest.raises(ValueError, match="nothing dark"):
        picture_bitmap((tmp_path / "white.png").read_bytes(), 300, 200)
