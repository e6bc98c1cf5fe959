"""200 names of the world, each on a band: whole, within its slot, and the codes as they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from drivers.zpl.band import Band, band_zpl
from drivers.zpl.metrics import is_resident
from drivers.zpl.stock import BAND_STOCKS
from drivers.zpl.typeset import ContentRefused
from drivers.zpl.virtual_picture import draw_label
from drivers.zpl.words import name_settings, upper, visible
from kioskd.ports import WristbandSheet
from tests.drivers.zpl.zpl_oracle import NAMES, can_draw, codes, ink_of_fields, is_band, overlaps, texts, their_picture

ADULT, INFANT = (
    Band(dpi, *BAND_STOCKS[stock].band_mm, *BAND_STOCKS[stock].printable_mm, 1.5)
    for stock, dpi in (("adult", 300), ("infant", 203))
)
SHEET = WristbandSheet("", "", date(1980, 1, 18), "00123456", 3, "505050560001234569")
CODE = ("]d2", b"8018505050560001234569\x1d80193\x1d725019800118")
BLOCKS = [NAMES[at : at + 20] for at in range(0, len(NAMES), 20)]


def bands(family: str, given: str) -> list[tuple[bytes, Band]]:
    """The name on the biggest and on the smallest band; none where this machine has no font for its script."""
    sheet = replace(SHEET, family=family, given=given)
    try:
        return [(band_zpl(sheet, band), band) for band in (ADULT, INFANT)]
    except ContentRefused as refused:
        if "fonts-" in str(refused):
            return []
        raise


def test_there_are_200_names_and_no_two_are_alike() -> None:
    assert len({upper(visible(" ".join(name))) for name in NAMES}) == len(NAMES) == 200


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block[0][0])
def test_every_name_is_set_whole(block: list[tuple[str, str]]) -> None:
    for family, given in block:
        for zpl, _ in bands(family, given):
            assert is_band(zpl)
            *name, born, number = texts(zpl)
            assert (born, number) == ("Born 18-Jan-1980", "No. 00 123 456")
            settings = [
                [line for line in lines if is_resident(line)] for lines in name_settings([upper(family), given])
            ]
            assert name in settings, "what stands in the printer's own font is the name, byte for byte"
            assert zpl.count(b"^GFA") + len(name) >= 1


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block[0][0])
def test_every_name_keeps_to_its_place_and_leaves_the_codes_as_they_are(block: list[tuple[str, str]]) -> None:
    for family, given in block:
        for zpl, band in bands(family, given)[1:]:
            boxes = ink_of_fields(zpl)
            assert overlaps(boxes) == [], "no two fields share a dot"
            first, *lines, last = boxes
            for left, top, right, bottom in lines:
                assert first[3] < top < bottom < last[1], "between the codes"
                assert band.dots(band.margin_mm) - 1 <= left < right <= band.dots(band.width_mm - band.margin_mm) + 1
                assert right - left > band.dots(1.0), "a line that can be seen"
            assert codes(draw_label(zpl)) == [CODE, CODE]
            if can_draw(zpl):
                assert codes(their_picture(zpl, band.dpi)) == [CODE, CODE]
