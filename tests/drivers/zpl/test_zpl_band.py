"""A band as bytes: golden vectors, hostile names, and what tools that are not ours read from it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import date

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops
from zplkit import Options, render
from zplkit.parse import parse

from drivers.zpl.band import Band, band_zpl
from drivers.zpl.escape import commands
from drivers.zpl.typeset import ContentRefused
from drivers.zpl.virtual_picture import draw_label
from kioskd.ports import WristbandSheet

BANDS = {dpi: Band(dpi, 25, 279, 100, 220, 1.5) for dpi in (203, 300, 600)}
BAND = BANDS[300]
GSRN = "505050560001234569"
SHEET = WristbandSheet("Smith", "John", date(1980, 1, 18), "00123456", 3, GSRN)
GS1_DATA = b"8018505050560001234569\x1d80193\x1d725019800118"
_NOT_DRAWN_BY_ZPLKIT = (b"^JZ", b"^MC", b"^PQ")
_CODE = r"^BXR,5,200,,,,_^FH\^FD_18018505050560001234569_180193_1725019800118^FS"

HOSTILE = [
    "SMITH^FS^FO40,700^BY3^BCR,100,N^FDEVIL999^FS^PQ50^FX",
    "X~JA",
    "^XZ^XA",
    "^CC+",
    "~CT!^CD;",
    "^FH#",
    "_7EJA",
    "\\7EJA",
    "a\\&b\\\\c",
    "_1_d065__",
    "\x02\x03\x0f\x1b",
    "a\r\nb\tc",
    "\u202eevil\u202c",
    "e\u0301\u0327",
    "~DGR:X.GRF,8,1,FF",
    '! U1 setvar "device.pnp_option" "x"\r\n',
    "^",
    "~",
    ">8>;",
]


def _elements(zpl: bytes) -> list[bytes]:
    return [bytes(element) for element in parse(zpl).elements]


def _names(zpl: bytes) -> list[bytes]:
    return [element[:3] for element in _elements(zpl)]


def _is_template(zpl: bytes) -> bool:
    """Whether zplkit's parser finds the commands of a band and no other: head, code, lines, codes, tail."""
    names = b"".join(_names(zpl)).decode()
    text, graphic, code = "^FO^A0^FH^FD^FS", "^FO^GF^FS", "^FO^BX^FH^FD^FS"
    head, tail = "^XA^CI^PA^JZ^MC^LH^LR^PM^PW^LL", "^PQ^XZ"
    lines = f"(({re.escape(text)})|({re.escape(graphic)})){{2,4}}"
    codes = f"({re.escape(code)}){{1,2}}"
    return bool(re.fullmatch(re.escape(head) + re.escape(code) + lines + codes + re.escape(tail), names))


def _their_picture(zpl: bytes, dpi: int) -> Image.Image:
    """The band as zplkit draws it, 255 is burnt."""
    drawn = b"".join(element for element in _elements(zpl) if not element.startswith(_NOT_DRAWN_BY_ZPLKIT))
    raster = render(drawn, Options(profile="specification", dpi=dpi)).labels[0].rasterize()
    return ImageChops.invert(Image.frombytes("L", (raster.width, raster.height), raster.pixels))


def _codes(picture: Image.Image) -> list[tuple[str, bytes]]:
    found = zxingcpp.read_barcodes(ImageChops.invert(picture))
    return [(code.symbology_identifier, code.bytes) for code in found]


def test_a_band_is_these_bytes() -> None:
    assert band_zpl(SHEET, BAND).decode() == (
        "^XA^CI28^PA1,1,1,1^JZY^MCY^LH0,0^LRN^PMN^PW295^LL3295"
        f"^FO92,1181{_CODE}"
        r"^FO170,1326^A0R,93,93^FH\^FDSMITH John^FS"
        r"^FO88,1326^A0R,67,67^FH\^FDBorn 18-Jan-1980^FS"
        r"^FO6,1326^A0R,67,67^FH\^FDNo. 00123456^FS"
        f"^FO92,2343{_CODE}^FO92,2488{_CODE}"
        "^PQ1^XZ"
    )


def test_accents_go_as_hex_bytes_and_the_month_in_english() -> None:
    zpl = band_zpl(replace(SHEET, family="Nuñez-O'Brien", given="José", birth_date=date(1987, 3, 5)), BAND)
    assert rb"^FDNU\C3\91EZ-O'BRIEN Jos\C3\A9^FS" in zpl
    assert b"^FDBorn 05-Mar-1987^FS" in zpl


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_every_code_of_a_band_is_read_as_gs1_with_all_three_elements(dpi: int) -> None:
    assert _codes(draw_label(band_zpl(SHEET, BANDS[dpi]))) == [("]d2", GS1_DATA)] * 3


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_a_renderer_that_is_not_ours_draws_the_same_codes_dot_for_dot_and_text_in_the_same_place(dpi: int) -> None:
    zpl = band_zpl(SHEET, BANDS[dpi])
    theirs, ours = _their_picture(zpl, dpi), draw_label(zpl)
    assert theirs.size == ours.size
    assert _codes(theirs) == [("]d2", GS1_DATA)] * 3
    assert theirs.getbbox()[1::2] == ours.getbbox()[1::2]  # type: ignore[index]
    begin, end = (BANDS[dpi].dots(mm) for mm in (115, 185))
    text = [picture.crop((0, begin, picture.width, end)).getbbox() for picture in (theirs, ours)]
    assert text[0] is not None
    assert text[1] is not None
    assert all(abs(a - b) <= BANDS[dpi].dots(0.6) for a, b in zip(*text, strict=True))


@pytest.mark.parametrize("given", ["John", "Wolfgang Maximilian", "Ilijana-Lili", "A" * 40, "W" * 20, "i" * 80])
def test_text_keeps_clear_of_the_codes_in_the_printers_own_font(given: str) -> None:
    zpl = band_zpl(replace(SHEET, given=given), BAND)
    picture = _their_picture(zpl, 300)
    last_text, first_code_after = 2343 - BAND.dots(2), 2343
    assert picture.crop((0, last_text, picture.width, first_code_after)).getbbox() is None
    assert picture.getbbox()[0] >= 0  # type: ignore[index]
    assert picture.getbbox()[3] <= BAND.dots(220)  # type: ignore[index]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_leaves_the_commands_of_the_band_as_they_are(name: str) -> None:
    for sheet in (replace(SHEET, given=name), replace(SHEET, record_number=name), replace(SHEET, family=name)):
        zpl = band_zpl(sheet, BAND)
        assert _is_template(zpl)
        assert len(commands(zpl)) == len(_names(zpl))


@pytest.mark.parametrize("smuggled", [b"^PQ50", b"~JA", b"^FS^FO1,1^FDx", b"^XZ^XA", b"\x03"])
def test_the_check_for_a_changed_command_list_does_find_one(smuggled: bytes) -> None:
    assert _is_template(band_zpl(SHEET, BAND))
    assert not _is_template(band_zpl(SHEET, BAND).replace(b"John", smuggled))


_LATIN = st.text(st.characters(max_codepoint=0xFF), max_size=30)
_SPECIAL = st.lists(st.sampled_from([*"^~\\_,", "^XZ", "~JX", "\x02", "\x03", "_1", "\\5E"]), max_size=8).map("".join)


@given(_LATIN | _SPECIAL, _LATIN | _SPECIAL)
def test_no_latin_text_changes_the_commands_of_a_band(given: str, number: str) -> None:
    zpl = band_zpl(replace(SHEET, given=given, record_number=f"0{number[:20]}"), BAND)
    assert _is_template(zpl)
    assert zpl.isascii()


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1, max_size=20), st.text(max_size=12))
def test_any_name_becomes_one_whole_band_or_is_refused(family: str, number: str) -> None:
    sheet = WristbandSheet(family, "", date(1999, 12, 31), number, 1, GSRN)
    with suppress(ContentRefused):
        assert _is_template(band_zpl(sheet, BAND))


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(categories=["Lo", "Sm", "Co"]), min_size=3, max_size=9))
def test_a_refusal_never_holds_the_name(name: str) -> None:
    for band in (BAND, replace(BAND, end_mm=125)):
        refusal = ""
        try:
            band_zpl(replace(SHEET, family=name, gsrn=""), band)
        except ContentRefused as refused:
            refusal = str(refused)
        assert name not in refusal


def test_every_character_of_ascii_comes_back_from_a_plain_code() -> None:
    text = "".join(map(chr, range(32, 127)))
    for piece in (text[:32], text[32:64], text[64:], "_", "__", "_1", "_d065", "^~\\", "_1" * 20, "x" * 60):
        zpl = band_zpl(replace(SHEET, gsrn="", record_number=piece), replace(BAND, length_mm=400, end_mm=390))
        expected = [("]d1", f"{piece}/3".encode())] * 3
        assert _codes(draw_label(zpl)) == expected
        assert _codes(_their_picture(zpl, 300)) == expected


def test_without_a_gsrn_the_code_is_a_plain_one_and_not_dressed_up_as_gs1() -> None:
    zpl = band_zpl(replace(SHEET, gsrn=""), BAND)
    assert rb"^FH\^FD00123456/3^FS" in zpl
    assert _codes(_their_picture(zpl, 300)) == [("]d1", b"00123456/3")] * 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"family": "", "given": " \u200b"}, "two identifiers"),
        ({"gsrn": GSRN[:-1] + "0"}, "check digit"),
        ({"gsrn": "123"}, "18 digits"),
        ({"band_number": 0}, "band number"),
        ({"gsrn": "", "band_number": 0}, "band number"),
        ({"gsrn": "", "record_number": ""}, "record number"),
        ({"gsrn": "", "record_number": "a\x1db"}, "record number"),
        ({"gsrn": "", "record_number": "Ñ1"}, "ASCII"),
        ({"gsrn": "", "record_number": "A" * 300}, "too long"),
        ({"family": "W" * 90}, "does not fit"),
        ({"family": "Ł" * 200}, "does not fit"),
        ({"given": "\ud800"}, "."),
    ],
)
def test_what_can_not_be_printed_right_is_refused_with_the_reason(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ContentRefused, match=why):
        band_zpl(replace(SHEET, **changes), BAND)  # type: ignore[arg-type]


def test_a_person_without_a_record_number_gets_a_band_with_that_line_left_out() -> None:
    zpl = band_zpl(replace(SHEET, record_number=""), BAND)
    assert zpl.count(b"^A0R") == 2


def test_a_long_name_is_set_on_two_lines_and_never_cut() -> None:
    family, given = "Müller-Lüdenscheidt von und zu Hohenzollern", "Maximilian Alexander Friedrich"
    zpl = band_zpl(replace(SHEET, family=family, given=given), BAND)
    assert zpl.count(b"^A0R") == 4
    assert b"VON UND ZU HOHENZOLLERN^FS" in zpl
    assert b"^FDMaximilian Alexander Friedrich^FS" in zpl


@pytest.mark.parametrize("family", ["Łucja", "Șerban", "محمد", "Παπαδόπουλος"])
def test_a_name_outside_the_printers_font_is_sent_as_a_picture_that_both_renderers_agree_on(family: str) -> None:
    zpl = band_zpl(replace(SHEET, family=family), BAND)
    assert zpl.count(b"^GFA") == 1
    line = (160, 1320, 295, 2340)
    theirs, ours = _their_picture(zpl, 300).crop(line), draw_label(zpl).crop(line)
    assert ours.getbbox() is not None
    assert ImageChops.difference(theirs, ours).getbbox() is None


def test_two_codes_are_printed_where_a_third_would_leave_too_little_text() -> None:
    short = band_zpl(SHEET, replace(BAND, length_mm=178, begin_mm=40, end_mm=130))
    assert short.count(b"^BX") == 2


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_offsets_move_the_whole_print(dpi: int) -> None:
    band = BANDS[dpi]
    here = draw_label(band_zpl(SHEET, band)).getbbox()
    there = draw_label(band_zpl(SHEET, replace(band, across_mm=1.0, along_mm=-10.0))).getbbox()
    assert here is not None
    assert there is not None
    assert there[0] - here[0] == pytest.approx(band.dots(1.0), abs=1)
    assert there[1] - here[1] == pytest.approx(-band.dots(10.0), abs=1)
