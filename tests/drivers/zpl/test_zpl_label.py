"""Labels for specimens and documents as bytes, and what tools that are not ours read from them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.zpl.escape import bc, code_128_modules, commands
from drivers.zpl.label import BAR_DOTS, Label, label_zpl
from drivers.zpl.stock import LABEL_STOCKS
from drivers.zpl.typeset import ContentRefused
from drivers.zpl.virtual_picture import draw_label
from kioskd.core.patient import PartialDate
from kioskd.core.printing import SheetKind
from kioskd.ports import LabelSheet
from tests.drivers.zpl.zpl_oracle import (
    HOSTILE,
    NAMES,
    codes,
    ink_of_fields,
    is_label,
    names,
    overlaps,
    texts,
    their_picture,
)

SHEET = LabelSheet(
    SheetKind.SPECIMEN_LABEL,
    "Smith",
    "John",
    date(1980, 1, 18),
    "00123456",
    datetime(2026, 11, 24, 8, 15),
    "Serum",
)
REFERRAL = replace(SHEET, kind=SheetKind.DOCUMENT_LABEL, title="Referral", code="DOC-0004711")
SPECIMEN = Label(300, *LABEL_STOCKS["specimen"], 1.5)
DOCUMENT = Label(300, *LABEL_STOCKS["document"], 1.5)
SYMBOLS = {"datamatrix": "]d1", "code128": "]C0"}
Symbology = Literal["datamatrix", "code128"]


def test_a_label_is_these_bytes() -> None:
    assert label_zpl(SHEET, SPECIMEN).decode() == (
        "^XA^CI28^PA1,1,1,1^JZY^MCY^LH0,0^LRN^PMN^PW591^LL295"
        r"^FO18,34^A0N,65,65^FH\^FDSMITH John^FS"
        r"^FO18,112^A0N,47,47^FH\^FDBorn 18-Jan-1980^FS"
        r"^FO18,171^A0N,47,47^FH\^FDNo. 00 123 456^FS"
        r"^FO18,237^A0N,37,37^FH\^FDSerum   24-Nov-2026 08:15^FS"
        r"^FO513,118^BXN,5,200,,,,_^FH\^FD00123456^FS"
        "^PQ1^XZ"
    )


@pytest.mark.parametrize("dpi", [203, 300, 600])
@pytest.mark.parametrize("symbology", SYMBOLS)
@pytest.mark.parametrize("size", [(50, 25), (62, 29), (100, 50)])
@pytest.mark.parametrize("sheet", [SHEET, REFERRAL, replace(SHEET, birth_date=PartialDate(1980), title="")])
def test_every_label_keeps_its_fields_apart_and_its_code_is_read(
    sheet: LabelSheet, size: tuple[int, int], symbology: Symbology, dpi: int
) -> None:
    label = Label(dpi, *size, 1.5, symbology)
    zpl = label_zpl(sheet, label)
    boxes = ink_of_fields(zpl)
    assert overlaps(boxes) == []
    assert min(min(left, top) for left, top, *_ in boxes) >= label.dots(1.5) - 1
    assert max(right for _, _, right, _ in boxes) <= label.dots(size[0] - 1.5) + 1
    assert max(bottom for *_, bottom in boxes) <= label.dots(size[1] - 1.5) + 1
    expected = [(SYMBOLS[symbology], (sheet.code or "00123456").encode())]
    assert codes(draw_label(zpl)) == expected
    assert codes(their_picture(zpl, dpi)) == expected


def test_a_low_label_joins_lines_and_leaves_none_out() -> None:
    assert texts(label_zpl(SHEET, replace(SPECIMEN, symbology="code128"))) == [
        "SMITH John",
        "Born 18-Jan-1980   No. 00 123 456",
        "Serum   24-Nov-2026 08:15",
    ]
    long = replace(SHEET, family="Müller-Lüdenscheidt von und zu Hohenzollern", given="Maximilian Alexander Friedrich")
    said = " ".join(texts(label_zpl(long, SPECIMEN))).split()
    whole = f"{'Müller-Lüdenscheidt von und zu Hohenzollern'.upper()} Maximilian Alexander Friedrich Born 18-Jan-1980"
    assert said == [*whole.split(), "No.", "00", "123", "456", "Serum", "24-Nov-2026", "08:15"]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("symbology", SYMBOLS)
def test_a_hostile_text_leaves_the_commands_of_the_label_as_they_are_or_is_refused(
    name: str, symbology: Symbology
) -> None:
    for part in ("family", "given", "record_number", "title", "code"):
        with suppress(ContentRefused):
            zpl = label_zpl(replace(SHEET, **{part: name}), replace(DOCUMENT, symbology=symbology))
            assert is_label(zpl)
            assert len(commands(zpl)) == len(names(zpl))
            assert zpl.decode().isprintable()


_ANY = st.characters(exclude_categories=())


@settings(deadline=None, max_examples=60)
@given(st.text(_ANY, max_size=20), st.text(_ANY, max_size=20), st.text(_ANY, max_size=12), st.sampled_from([*SYMBOLS]))
def test_no_text_changes_the_commands_of_a_label(given: str, title: str, number: str, symbology: Symbology) -> None:
    sheet = replace(SHEET, given=given, title=title, record_number=number)
    with suppress(ContentRefused):
        assert is_label(label_zpl(sheet, replace(DOCUMENT, symbology=symbology)))


@pytest.mark.parametrize("symbology", SYMBOLS)
def test_every_character_of_ascii_comes_back_from_the_code(symbology: Symbology) -> None:
    text = "".join(map(chr, range(32, 127)))
    wide = replace(DOCUMENT, symbology=symbology)
    pieces = [text[at : at + 16] for at in range(0, 95, 16)]
    for piece in (*pieces, "_", "_1", "_d065", "^~\\", ">:>;>8>0", "0", "7" * 15, "7" * 16, "007a12"):
        zpl = label_zpl(replace(SHEET, code=piece), wide)
        expected = [(SYMBOLS[symbology], piece.encode())]
        assert codes(draw_label(zpl)) == expected
        assert codes(their_picture(zpl, 300)) == expected


@pytest.mark.parametrize(
    "text", ["A1", "00123456", "1234567", "7", "a^b~c>d", "A12B", "DOC-2026-0004711", "12345A6789", "1a234567"]
)
def test_bars_are_as_wide_as_was_reserved_for_them(text: str) -> None:
    zpl = f"^XA^PW1200^LL200^FO0,0^BY2^BCN,100,N,N,N,N^FH\\^FD{bc(text)}^FS^XZ".encode()
    for picture in (draw_label(zpl), their_picture(zpl, 300)):
        box = picture.getbbox()
        assert box is not None
        assert box[2] - box[0] == 2 * code_128_modules(text)


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_the_narrowest_bar_is_a_quarter_of_a_millimetre(dpi: int) -> None:
    assert BAR_DOTS[dpi] * 25.4 / dpi == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize(
    ("changes", "symbology", "why"),
    [
        ({"family": "", "given": "\u200b"}, "datamatrix", "two identifiers"),
        ({"record_number": "", "birth_date": PartialDate(1980)}, "datamatrix", "two identifiers"),
        ({"record_number": ""}, "datamatrix", "record number or a document's id"),
        ({"code": "A\x1d"}, "datamatrix", "printable"),
        ({"code": "Ñ"}, "datamatrix", "ASCII"),
        ({"code": "Ñ"}, "code128", "ASCII"),
        ({"code": "A" * 40}, "code128", "wider than the label"),
        ({"code": "A" * 150}, "datamatrix", "bigger than the label"),
        ({"code": "A" * 250}, "datamatrix", "too long"),
        ({"family": "W" * 90}, "datamatrix", "not fit"),
        ({"title": "W" * 90}, "datamatrix", "not fit"),
        ({"family": "\ud800"}, "datamatrix", "."),
    ],
)
def test_what_can_not_be_printed_right_is_refused_with_the_reason(
    changes: dict[str, object], symbology: Symbology, why: str
) -> None:
    low = replace(SPECIMEN, length_mm=20, symbology=symbology)
    with pytest.raises(ContentRefused, match=why) as refused:
        label_zpl(replace(SHEET, **changes), low)  # type: ignore[arg-type]
    assert not any(str(value) in str(refused.value) for value in changes.values() if len(str(value)) > 3)


def test_a_document_label_holds_every_fifth_name_of_the_world() -> None:
    for family, first in NAMES[::5]:
        zpl = label_zpl(replace(REFERRAL, family=family, given=first), DOCUMENT)
        assert is_label(zpl)
        assert overlaps(ink_of_fields(zpl)) == []
