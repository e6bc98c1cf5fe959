"""A photo before anything is read on it: whether it can be read, and where in it the card is."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from drivers.ocr.photo import CARD_HEIGHT, CARD_WIDTH, NoPhoto, Pixels, evened, laid_flat, opened, trouble
from drivers.ocr.photographed import CONDITIONS, photo
from drivers.ocr.spaces import with_spaces
from drivers.ocr.synthetic import DESIGNS, paper_card
from kioskd.core.printed_card import PhotoTrouble

CARD = paper_card("us-inline", 5).front


def judged(pixels: Pixels) -> PhotoTrouble | None:
    return trouble(pixels, laid_flat(pixels))


@pytest.mark.parametrize("place", range(len(CONDITIONS)))
def test_every_condition_of_the_benchmark_can_be_read_and_its_card_is_found(place: int) -> None:
    card = paper_card(DESIGNS[place % len(DESIGNS)], 5).front
    seen = opened(photo(card, list(CONDITIONS)[place], place))
    flat = laid_flat(seen)
    assert trouble(seen, flat) is None
    assert flat.is_found
    # Laid flat, the card looks like the one that was drawn.
    drawn = np.asarray(card.convert("L").resize((146, 92)), np.float32)
    shown = cv2.cvtColor(cv2.resize(evened(flat.pixels), (146, 92), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    assert np.corrcoef(drawn.ravel(), shown.astype(np.float32).ravel())[0, 1] > 0.5


def test_a_point_of_the_flat_card_leads_back_to_the_photo() -> None:
    frame = np.full((720, 1280, 3), 40, np.uint8)
    frame[100:600, 200:993] = 230
    flat = laid_flat(frame)
    assert flat.is_found
    corners = cv2.perspectiveTransform(np.array([[[0, 0], [CARD_WIDTH, CARD_HEIGHT]]], np.float32), flat.to_photo)[0]
    assert np.abs(corners - [[200, 100], [993, 600]]).max() < 8


def test_a_photo_out_of_focus_is_blurred() -> None:
    seen = opened(photo(CARD, "clean", 3))
    assert judged(cv2.GaussianBlur(seen, (0, 0), 6)) is PhotoTrouble.BLURRED


def test_a_lamp_mirrored_in_a_card_is_too_shiny() -> None:
    seen = (opened(photo(CARD, "clean", 3)) * np.float32(0.85)).astype(np.uint8)
    cv2.circle(seen, (640, 360), 110, (255, 255, 255), -1)
    assert judged(seen) is PhotoTrouble.TOO_SHINY


def test_a_photo_that_is_burnt_out_is_too_bright() -> None:
    assert judged(np.full((720, 1280, 3), 255, np.uint8)) is PhotoTrouble.TOO_BRIGHT


def test_a_photo_without_light_is_too_dark() -> None:
    assert judged(np.full((720, 1280, 3), 14, np.uint8)) is PhotoTrouble.TOO_DARK


def test_a_damaged_picture_is_no_photo() -> None:
    packed = io.BytesIO()
    Image.new("RGB", (400, 300), "white").save(packed, "PNG")
    with pytest.raises(NoPhoto):
        opened(packed.getvalue()[:200])


def test_a_space_that_the_reader_lost_is_put_back_where_the_paper_shows_it() -> None:
    strip = np.full((64, 400, 3), 240, np.uint8)
    lefts = (20, 60, 100, 180, 220)
    for left in lefts:
        strip[16:50, left : left + 34] = 20
    places = [left + 17.0 for left in lefts]
    assert with_spaces("ANNEB", places, strip) == "ANN EB"
    assert with_spaces("ANN EB", places, strip) == "ANN EB"
    assert with_spaces("123 45", places, strip) == "123 45"
    assert with_spaces("12345", places, strip) == "12345"
    assert with_spaces("ANNE", places, strip) == "ANNE", "the reader's columns do not fit its text: left as it is"
