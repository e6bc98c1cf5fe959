"""Wristbands and labels on the console's page of sheets."""

from __future__ import annotations

import io
from itertools import chain
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from kioskd.config import parse
from kioskd.roles.preview import Preview
from kioskd.roles.preview_bands import band_samples, label_samples
from tests.web.browser import DESK
from tests.web.conftest import OpenPage
from tests.web.console_rig import console, enter
from tests.web.test_sheets import SITE, translate

BROWSER = pytest.mark.asyncio(loop_scope="session")
PRINTERS = """
[[device]]
name = "bands"
driver = "zpl"
port = "tcp://10.0.0.31:9100"
dpi = 203

[[device]]
name = "infants"
driver = "zpl"
port = "tcp://10.0.0.32:9100"
dpi = 203
stock = "infant"

[[device]]
name = "wrong"
driver = "zpl"
port = "nowhere"

[[device]]
name = "off"
driver = "zpl"
port = "tcp://10.0.0.33:9100"
enabled = false

[[device]]
name = "labels"
driver = "zpl-label"
port = "tcp://10.0.0.34:9100"
dpi = 203
"""
LAYOUTS = ["", "-long-name", "-drawn-name", "-similar-name", "-partial-date", "-unknown", "-newborn"]


def preview(text: str = SITE + PRINTERS) -> Preview:
    site = parse(text, "site.toml")
    return Preview(site.site.name, chain(band_samples(site, translate), label_samples(site, translate)))


def test_every_layout_is_there_for_every_printer_of_bands_and_labels() -> None:
    assert [sample.key for sample in preview().samples()] == [
        *(f"wristband{layout}-{printer}" for printer in ("bands", "infants") for layout in LAYOUTS),
        "specimen-label-labels",
        "document-label-labels",
    ]
    assert not preview(SITE).samples()


def test_every_picture_is_a_sheet_with_its_codes() -> None:
    seen = preview()
    for sample in seen.samples():
        picture = Image.open(io.BytesIO(seen.png(sample.key))).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture)
        codes = zxingcpp.read_barcodes(white.convert("L"))
        assert len(codes) == (1 if "label" in sample.kind else 2 if sample.printer == "infants" else 3), sample.key
        assert picture.width > picture.height


def test_words_are_those_of_the_sites_first_language() -> None:
    site = parse(SITE.replace("[store]", 'languages = ["en", "de"]\n\n[store]', 1) + PRINTERS, "site.toml")
    assert {sample.what.language for sample in band_samples(site, translate)} == {"en"}
    assert translate("de", "Unknown male") == "Unbekannt männlich"


@BROWSER
async def test_bands_are_on_the_page_each_on_a_line_and_axe_finds_nothing(tmp_path: Path, open_page: OpenPage) -> None:
    async with console(tmp_path, "de", preview=preview()) as rig:
        visit = await open_page(rig.url, viewport=DESK)
        await enter(visit, rig)
        await visit.page.goto(f"{rig.url}/sheets")
        await visit.page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 300)")
        assert await visit.page.locator("figure img").count() == 2 * len(LAYOUTS) + 2
        assert await visit.page.get_by_alt_text("Armband: Neugeborenes").count() == 2
        boxes = [await image.bounding_box() for image in await visit.page.locator(".sheets.long img").all()]
        assert len({box["y"] for box in boxes if box}) == 2 * len(LAYOUTS)
        await visit.assert_accessible()
