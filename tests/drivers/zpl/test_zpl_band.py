"""A band as bytes: golden vectors, hostile names, and what tools that are not ours read from it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageChops

from drivers.zpl.band import MODULE_DOTS, Band, band_zpl
from drivers.zpl.escape import commands
from drivers.zpl.stock import BAND_STOCKS
from drivers.zpl.typeset import ContentRefused
from drivers.zpl.virtual_picture import draw_label
from kioskd.core.patient import PartialDate, Sex
from kioskd.ports import Newborn, SheetWords, UnknownPerson, WristbandSheet
from tests.drivers.zpl.zpl_oracle import (
    HOSTILE,
    can_draw,
    codes,
    ink_of_fields,
    is_band,
    names,
    overlaps,
    texts,
    their_picture,
)

BANDS = {dpi: Band(dpi, 25, 279, 100, 220, 1.5) for dpi in (203, 300, 600)}
BAND = BANDS[300]
STOCKS = {name: Band(300, *size.band_mm, *size.printable_mm, 1.5) for name, size in BAND_STOCKS.items()}
GSRN = "505050560001234569"
SHEET = WristbandSheet("Smith", "John", date(1980, 1, 18), "00123456", 3, GSRN)
GS1_DATA = b"8018505050560001234569\x1d80193\x1d725019800118"
GS1_WITHOUT_BIRTH = b"8018505050560001234569\x1d80193"
ARRIVED = datetime(2026, 11, 24, 3, 12)
UNKNOWN = replace(SHEET, family="", given="", birth_date=None, unknown=UnknownPerson(Sex.MALE, ARRIVED))
BABY = Newborn("Smith", "Jane", "00987654", ARRIVED)
NEWBORN = replace(SHEET, family="", given="", birth_date=None, newborn=BABY)
TWIN = replace(NEWBORN, newborn=replace(BABY, birth_order=1, births=2))
SIMILAR = replace(SHEET, is_name_similar=True)
LAYOUTS = {
    "known": SHEET,
    "year": replace(SHEET, birth_date=PartialDate(1980)),
    "unknown": UNKNOWN,
    "newborn": NEWBORN,
    "twin": TWIN,
    "similar": SIMILAR,
}
_CODE = r"^BXR,5,200,,,,_^FH\^FD_18018505050560001234569_180193_1725019800118^FS"


def test_a_band_is_these_bytes() -> None:
    assert band_zpl(SHEET, BAND).decode() == (
        "^XA^CI28^PA1,1,1,1^JZY^MCY^LH0,0^LRN^PMN^PW295^LL3295"
        f"^FO93,1181{_CODE}"
        r"^FO172,1326^A0R,85,85^FH\^FDSMITH John^FS"
        r"^FO96,1326^A0R,60,60^FH\^FDBorn 18-Jan-1980^FS"
        r"^FO20,1326^A0R,60,60^FH\^FDNo. 00 123 456^FS"
        f"^FO93,2343{_CODE}^FO93,2488{_CODE}"
        "^PQ1^XZ"
    )


def test_accents_go_as_hex_bytes_and_the_month_in_english() -> None:
    zpl = band_zpl(replace(SHEET, family="Nuñez-O'Brien", given="José", birth_date=date(1987, 3, 5)), BAND)
    assert rb"^FDNU\C3\91EZ-O'BRIEN Jos\C3\A9^FS" in zpl
    assert b"^FDBorn 05-Mar-1987^FS" in zpl


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_every_code_of_a_band_is_read_as_gs1_with_all_three_elements(dpi: int) -> None:
    assert codes(draw_label(band_zpl(SHEET, BANDS[dpi]))) == [("]d2", GS1_DATA)] * 3


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_a_renderer_that_is_not_ours_draws_the_same_codes_dot_for_dot_and_text_in_the_same_place(dpi: int) -> None:
    zpl = band_zpl(SHEET, BANDS[dpi])
    theirs, ours = their_picture(zpl, dpi), draw_label(zpl)
    assert theirs.size == ours.size
    assert codes(theirs) == [("]d2", GS1_DATA)] * 3
    assert theirs.getbbox()[1::2] == ours.getbbox()[1::2]  # type: ignore[index]
    begin, end = (BANDS[dpi].dots(mm) for mm in (115, 185))
    text = [picture.crop((0, begin, picture.width, end)).getbbox() for picture in (theirs, ours)]
    assert text[0] is not None
    assert text[1] is not None
    assert all(abs(a - b) <= BANDS[dpi].dots(0.6) for a, b in zip(*text, strict=True))


@pytest.mark.parametrize("given", ["John", "Wolfgang Maximilian", "Ilijana-Lili", "A" * 40, "W" * 20, "i" * 80])
def test_text_keeps_clear_of_the_codes_in_the_printers_own_font(given: str) -> None:
    zpl = band_zpl(replace(SHEET, given=given), BAND)
    picture = their_picture(zpl, 300)
    last_text, first_code_after = 2343 - BAND.dots(2), 2343
    assert picture.crop((0, last_text, picture.width, first_code_after)).getbbox() is None
    assert picture.getbbox()[0] >= 0  # type: ignore[index]
    assert picture.getbbox()[3] <= BAND.dots(220)  # type: ignore[index]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_leaves_the_commands_of_the_band_as_they_are_or_is_refused(name: str) -> None:
    sheets = [replace(sheet, **{part: name}) for sheet in (SHEET, SIMILAR) for part in ("family", "given")]
    sheets += [replace(sheet, record_number=name) for sheet in LAYOUTS.values()]
    sheets += [replace(TWIN, newborn=replace(BABY, **{part: name})) for part in ("mother_family", "mother_given")]
    sheets += [replace(NEWBORN, newborn=replace(BABY, mother_record_number=name))]
    for sheet in sheets:
        with suppress(ContentRefused):
            zpl = band_zpl(sheet, BAND)
            assert is_band(zpl)
            assert len(commands(zpl)) == len(names(zpl))
            assert zpl.isascii()
            assert zpl.decode().isprintable()


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.isascii() and name.strip() and len(name) < 60])
def test_a_hostile_name_of_ascii_is_printed_all_the_same(name: str) -> None:
    visible = " ".join(name.split()).translate(dict.fromkeys((*range(32), 127)))
    zpl = band_zpl(replace(SHEET, given=name), BAND)
    assert "SMITH" + visible.replace(" ", "") in "".join(texts(zpl)).replace(" ", "")
    assert set(codes(draw_label(zpl))) == {("]d2", GS1_DATA)}


@pytest.mark.parametrize("smuggled", [b"^PQ50", b"~JA", b"^FS^FO1,1^FDx", b"^XZ^XA", b"\x03"])
def test_the_check_for_a_changed_command_list_does_find_one(smuggled: bytes) -> None:
    assert is_band(band_zpl(SHEET, BAND))
    assert not is_band(band_zpl(SHEET, BAND).replace(b"John", smuggled))


_ANY = st.characters(exclude_categories=())
_LATIN = st.text(st.characters(max_codepoint=0xFF), max_size=30)
_SPECIAL = st.lists(st.sampled_from([*"^~\\_,", "^XZ", "~JX", "\x02", "\x03", "_1", "\\5E"]), max_size=8).map("".join)


@given(_LATIN | _SPECIAL, _LATIN | _SPECIAL)
def test_no_latin_text_changes_the_commands_of_a_band(given: str, number: str) -> None:
    zpl = band_zpl(replace(SHEET, given=given, record_number=f"0{number[:20]}"), BAND)
    assert is_band(zpl)
    assert zpl.isascii()


@settings(deadline=None, max_examples=60)
@given(st.text(_ANY, min_size=1, max_size=20), st.text(_ANY, max_size=12))
def test_any_name_becomes_one_whole_band_or_is_refused(family: str, number: str) -> None:
    sheet = WristbandSheet(family, "", date(1999, 12, 31), number, 1, GSRN)
    with suppress(ContentRefused):
        assert is_band(band_zpl(sheet, BAND))


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
        assert codes(draw_label(zpl)) == expected
        assert codes(their_picture(zpl, 300)) == expected


def test_without_a_gsrn_the_code_is_a_plain_one_and_not_dressed_up_as_gs1() -> None:
    zpl = band_zpl(replace(SHEET, gsrn=""), BAND)
    assert rb"^FH\^FD00123456/3^FS" in zpl
    assert codes(their_picture(zpl, 300)) == [("]d1", b"00123456/3")] * 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"family": "", "given": " \u200b"}, "two identifiers"),
        ({"birth_date": PartialDate(1980), "record_number": ""}, "two identifiers"),
        ({"birth_date": None, "record_number": " "}, "two identifiers"),
        ({"unknown": UnknownPerson(Sex.MALE, ARRIVED)}, "neither name nor birth date"),
        ({"newborn": BABY}, "neither name nor birth date"),
        ({"gsrn": GSRN[:-1] + "0"}, "check digit"),
        ({"gsrn": "123"}, "18 digits"),
        ({"band_number": 0}, "band number"),
        ({"gsrn": "", "band_number": 0}, "band number"),
        ({"gsrn": "", "record_number": ""}, "record number"),
        ({"gsrn": "", "record_number": "a\x1db"}, "record number"),
        ({"gsrn": "", "record_number": "Ñ1"}, "ASCII"),
        ({"gsrn": "", "record_number": "A" * 300}, "too long"),
        ({"family": "W" * 90}, "not fit"),
        ({"family": "Ł" * 200}, "not fit"),
        ({"family": "👨\u200d👩"}, "no installed font"),
        ({"given": "\ud800"}, "."),
        ({"record_number": "A\ud800"}, "."),
    ],
)
def test_what_can_not_be_printed_right_is_refused_with_the_reason(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ContentRefused, match=why):
        band_zpl(replace(SHEET, **changes), BAND)  # type: ignore[arg-type]


def test_a_person_without_a_record_number_gets_a_band_with_that_line_left_out() -> None:
    zpl = band_zpl(replace(SHEET, record_number=""), BAND)
    assert zpl.count(b"^A0R") == 2


def test_a_long_name_is_set_on_more_lines_and_never_cut() -> None:
    long = replace(SHEET, family="Müller-Lüdenscheidt von und zu Hohenzollern", given="Maximilian Alexander Friedrich")
    whole = "MÜLLER-LÜDENSCHEIDT VON UND ZU HOHENZOLLERN Maximilian Alexander Friedrich"
    assert texts(band_zpl(replace(SHEET, given="Maximilian Alexander"), BAND))[0] == "SMITH Maximilian Alexander"
    for band in (*BANDS.values(), *STOCKS.values()):
        *name, born, number = texts(band_zpl(long, band))
        assert len(name) > 1
        assert " ".join(name) == whole
        assert (born, number) == ("Born 18-Jan-1980", "No. 00 123 456")


@pytest.mark.parametrize("family", ["Łucja", "Șerban", "محمد", "Παπαδόπουλος"])
def test_a_name_outside_the_printers_font_is_sent_as_a_picture_that_both_renderers_agree_on(family: str) -> None:
    zpl = band_zpl(replace(SHEET, family=family), BAND)
    assert zpl.count(b"^GFA") == 1
    line = (165, 1320, 295, 2340)
    theirs, ours = their_picture(zpl, 300).crop(line), draw_label(zpl).crop(line)
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


@pytest.mark.parametrize(
    ("sheet", "lines"),
    [
        (SHEET, ["SMITH John", "Born 18-Jan-1980", "No. 00 123 456"]),
        (replace(SHEET, number_groups=(4, 4)), ["SMITH John", "Born 18-Jan-1980", "No. 0012 3456"]),
        (replace(SHEET, birth_date=PartialDate(1980)), ["SMITH John", "Born 1980", "No. 00 123 456"]),
        (replace(SHEET, birth_date=PartialDate(1980, 3)), ["SMITH John", "Born Mar-1980", "No. 00 123 456"]),
        (UNKNOWN, ["Unknown male", "Arrived 24-Nov-2026 03:12", "No. 00 123 456"]),
        (
            replace(UNKNOWN, unknown=UnknownPerson(Sex.FEMALE, ARRIVED)),
            ["Unknown female", "Arrived 24-Nov-2026 03:12", "No. 00 123 456"],
        ),
        (
            replace(UNKNOWN, unknown=UnknownPerson(Sex.UNKNOWN, ARRIVED), words=SheetWords(unknown="Unbekannt")),
            ["Unbekannt", "Arrived 24-Nov-2026 03:12", "No. 00 123 456"],
        ),
        (NEWBORN, ["Baby of SMITH Jane", "Born 24-Nov-2026 03:12", "No. 00 123 456", "Mother 00 987 654"]),
        (TWIN, ["Baby 1/2 of SMITH Jane", "Born 24-Nov-2026 03:12", "No. 00 123 456", "Mother 00 987 654"]),
        (SIMILAR, ["SMITH John", "Born 18-Jan-1980", "No. 00 123 456"]),
    ],
)
def test_every_layout_says_these_lines(sheet: WristbandSheet, lines: list[str]) -> None:
    assert texts(band_zpl(sheet, BAND)) == lines


@pytest.mark.parametrize("dpi", [203, 300, 600])
@pytest.mark.parametrize("stock", STOCKS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_keeps_its_fields_apart_and_on_the_band(layout: str, stock: str, dpi: int) -> None:
    band = replace(STOCKS[stock], dpi=dpi)
    zpl = band_zpl(LAYOUTS[layout], band)
    boxes = ink_of_fields(zpl)
    assert overlaps(boxes) == []
    assert min(left for left, *_ in boxes) >= band.dots(band.margin_mm) - 1
    assert max(right for _, _, right, _ in boxes) <= band.dots(band.width_mm - band.margin_mm) + 1
    assert min(top for _, top, *_ in boxes) >= band.dots(band.begin_mm)
    assert max(bottom for *_, bottom in boxes) <= band.dots(band.end_mm) + 1
    data = GS1_WITHOUT_BIRTH if layout in {"year", "unknown"} else GS1_DATA
    data = data.replace(b"19800118", b"20261124") if layout in {"newborn", "twin"} else data
    read = codes(draw_label(zpl))
    assert len(read) >= 2
    assert set(read) == {("]d2", data)}
    if dpi == 300:
        assert set(codes(their_picture(zpl, dpi))) == {("]d2", data)}


def test_a_similar_name_is_warned_of_by_a_black_bar_above_the_name() -> None:
    plain, warned = (ink_of_fields(band_zpl(sheet, BAND)) for sheet in (SHEET, SIMILAR))
    assert len(warned) == len(plain) + 1
    bar, name = warned[1:3]
    assert bar[0] >= name[2], "turned text has its top on the right"
    picture = draw_label(band_zpl(SIMILAR, BAND)).crop(bar)
    black = picture.histogram()[255] / (picture.width * picture.height)
    assert black > 0.75
    assert bar[3] - bar[1] > 0.9 * (2343 - 1326 - BAND.dots(3.0))


@pytest.mark.parametrize("born", [PartialDate(1980), PartialDate(1980, 3), PartialDate(1980, 3, 5)])
def test_only_a_whole_birth_date_stands_in_the_code(born: PartialDate) -> None:
    read = codes(draw_label(band_zpl(replace(SHEET, birth_date=born), BAND)))
    whole = b"\x1d725019800305" if born.whole else b""
    assert set(read) == {("]d2", GS1_WITHOUT_BIRTH + whole)}


@pytest.mark.parametrize(("order", "births"), [(0, 1), (3, 2), (1, 0)])
def test_a_child_that_is_none_of_the_births_is_refused(order: int, births: int) -> None:
    with pytest.raises(ContentRefused, match="of"):
        band_zpl(replace(TWIN, newborn=replace(BABY, birth_order=order, births=births)), BAND)


def test_a_newborn_whose_mother_has_no_name_is_refused() -> None:
    with pytest.raises(ContentRefused, match="mother"):
        band_zpl(replace(NEWBORN, newborn=replace(BABY, mother_family=" ", mother_given="")), BAND)


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_a_module_of_the_code_is_as_big_as_gs1_wants_it(dpi: int) -> None:
    """GS1 General Specifications, symbol specification table 11: 0.254 to 0.495 mm."""
    assert 0.254 <= MODULE_DOTS[dpi] * 25.4 / dpi <= 0.495


def test_no_band_is_smaller_than_its_text_can_be_read() -> None:
    low = replace(STOCKS["infant"], width_mm=19)
    assert len(texts(band_zpl(SHEET, low))) == 3
    with pytest.raises(ContentRefused, match="not fit"):
        band_zpl(replace(TWIN, is_name_similar=True), replace(low, width_mm=15))


def test_what_both_renderers_can_draw_stands_at_the_same_place_in_every_layout() -> None:
    for sheet in LAYOUTS.values():
        zpl = band_zpl(sheet, STOCKS["child"])
        assert can_draw(zpl)
        theirs, ours = their_picture(zpl, 300).getbbox(), draw_label(zpl).getbbox()
        assert theirs is not None
        assert ours is not None
        assert all(abs(a - b) <= 8 for a, b in zip(theirs, ours, strict=True))
