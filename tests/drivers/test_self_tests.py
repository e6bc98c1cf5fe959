"""Self-tests of printers: on every paper they are whole, hold no command of a text, and the ruler is true to scale."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from drivers.escpos import EscposConfig
from drivers.escpos.printer import EscposPrinter
from drivers.escpos.self_test import characters_of, ruler
from drivers.zpl import ZplConfig
from drivers.zpl.escape import commands
from drivers.zpl.printer import ZplLabelPrinter, ZplPrinter
from drivers.zpl.stock import ZplLabelConfig
from drivers.zpl.virtual_picture import sheet_png
from kioskd.ports import SelfTesting, SelfTestSheet

SHEET = SelfTestSheet(
    "Selbsttest",
    (
        "Drucker: tickets",
        "Standort: Anmeldung",
        "Modell: ^XA~JA",
        "Gedruckt: 24.11.2026 09:12",
        "Er zählt jeden Zettel.",
    ),
    "Ein Strich ist ein Millimeter. Fehlt der erste oder der letzte?",
    "Diese Zeichen müssen lesbar sein:",
)
PORT = {"port": "tcp://127.0.0.1:9"}


def tickets(**keys: Any) -> EscposPrinter:
    return EscposPrinter("tickets", EscposConfig(**PORT, **keys))


@pytest.mark.parametrize("stock", ["adult", "child", "infant"])
@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_a_bands_self_test_is_one_format_whose_texts_are_no_commands(stock: Any, dpi: Any) -> None:
    payload = ZplPrinter("bands", ZplConfig(**PORT, stock=stock, dpi=dpi)).render_self_test(SHEET)
    names = commands(payload)
    assert (names[0], names[-1], names.count("^XA"), names.count("^GF"), names.count("^FD")) == ("^XA", "^XZ", 1, 1, 1)
    assert "~JA" not in names


@pytest.mark.parametrize("stock", ["specimen", "document"])
def test_a_labels_self_test_is_one_format(stock: Any) -> None:
    names = commands(ZplLabelPrinter("labels", ZplLabelConfig(**PORT, stock=stock)).render_self_test(SHEET))
    assert (names.count("^XA"), names.count("^GF")) == (1, 1)


def test_the_marks_of_a_band_stand_a_millimetre_apart_from_its_leading_edge() -> None:
    """At 300 dpi at each 11.8th dot."""
    config = ZplConfig(**PORT, dpi=300)
    picture = _ink(sheet_png(ZplPrinter("bands", config).render_self_test(SHEET), 300), 25, 279, 300)
    row = [picture.getpixel((x, 1)) for x in range(picture.width)]
    starts = [x for x, black in enumerate(row) if black and not (x and row[x - 1])]
    expected = [round(mm * 300 / 25.4) for mm in range(20, 260)]
    assert [x for x in starts if expected[0] <= x <= expected[-1]] == expected


def _ink(png: bytes, width_mm: int, length_mm: int, dpi: int) -> Image.Image:
    """The paper alone, as it is read, 1 where it is black."""
    picture = Image.open(BytesIO(png)).convert("RGBA").convert("L")
    along, down = round(length_mm * dpi / 25.4), round(width_mm * dpi / 25.4)
    left, top = (picture.width - along) // 2, (picture.height - down) // 2
    return picture.crop((left, top, left + along, top + down)).point(lambda v: v < 128, "1")


@pytest.mark.parametrize(
    "keys", [{}, {"profile": "epson-tm-t88vii"}, {"paper_width_mm": 58}, {"code_page": "cp858"}, {"code_page": "cp866"}]
)
def test_a_tickets_self_test_has_the_letters_of_its_code_page_as_letters(keys: dict[str, Any]) -> None:
    printer = tickets(**keys)
    page = EscposConfig(**PORT, **keys).code_page
    payload = printer.render_self_test(SHEET)
    for word in characters_of(page).split():
        assert word.encode(page) in payload
    assert payload.startswith(b"\x1b@")
    assert isinstance(printer, SelfTesting)


def test_letters_are_of_the_code_page_only() -> None:
    assert "Ä" not in characters_of("ascii")
    assert "Ж" in characters_of("cp866")
    assert "ğ" not in characters_of("cp858")
    assert "€" in characters_of("cp858")


@pytest.mark.parametrize(("width", "dpi"), [(576, 203), (512, 180), (384, 203)])
def test_the_ruler_has_a_mark_at_every_millimetre_of_the_width(width: int, dpi: int) -> None:
    drawn = ruler(width, dpi)
    top, low = drawn.row(0), drawn.row(drawn.height_px - 1)
    marks = [x for x in range(width) if top[x // 8] & 0x80 >> x % 8]
    assert marks == [min(round(mm * dpi / 25.4), width - 1) for mm in range(int(width * 25.4 / dpi) + 1)]
    tens = [x for x in range(width) if low[x // 8] & 0x80 >> x % 8]
    assert tens == marks[::10]
