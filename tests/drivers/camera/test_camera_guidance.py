from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.camera.guidance import Steady, guidance
from kioskd.ports import Guidance
from tests.drivers.camera.scenes import HEIGHT, WIDTH, Picture, card, desk, held, with_glare

CARD = card(b"https://praxis.example/t/8SXV2")


@pytest.mark.parametrize("angle_deg", [0, 17, 45, 90, 135, 180, 270])
@pytest.mark.parametrize("width_px", [450, 560])
def test_a_card_that_is_held_well_is_good_whichever_way_round(angle_deg: float, width_px: float) -> None:
    assert guidance(held(CARD, width_px=width_px, angle_deg=angle_deg)) is Guidance.GOOD


def test_a_card_that_fills_most_of_the_picture_is_good() -> None:
    assert guidance(held(CARD, width_px=1000)) is Guidance.GOOD


@pytest.mark.parametrize("sigma", [3.0, 6.0, 12.0])
def test_a_blurred_card_should_be_held_still(sigma: float) -> None:
    assert guidance(np.asarray(cv2.GaussianBlur(held(CARD), (0, 0), sigma), np.uint8)) is Guidance.STILL


def test_a_card_that_is_moved_across_should_be_held_still() -> None:
    smear = np.full((1, 15), 1 / 15, np.float32)
    assert guidance(np.asarray(cv2.filter2D(held(CARD), -1, smear), np.uint8)) is Guidance.STILL


def darkened(view: Picture, share: float) -> Picture:
    return (view * share).astype(np.uint8)


@pytest.mark.parametrize(
    ("view", "word"),
    [
        (desk(), Guidance.NOTHING),
        (np.zeros((HEIGHT, WIDTH), np.uint8), Guidance.DARK),
        (darkened(held(CARD), 0.12), Guidance.DARK),
        (held(CARD, width_px=300), Guidance.CLOSER),
        (held(CARD, width_px=1150), Guidance.FURTHER),
        (held(CARD, centre=(1060, 360)), Guidance.MIDDLE),
        (held(CARD, lean=0.2), Guidance.FLATTER),
        (held(CARD, width_px=560, lean=0.2, angle_deg=30), Guidance.FLATTER),
        (with_glare(held(CARD)), Guidance.SHINY),
        (with_glare(held(CARD), (420, 260), 70), Guidance.SHINY),
    ],
    ids=[
        "desk",
        "covered",
        "dark",
        "small",
        "large",
        "half out",
        "leaning",
        "leaning, turned",
        "glare",
        "spot",
    ],
)
def test_what_is_wrong_with_a_picture_has_its_word(view: Picture, word: Guidance) -> None:
    assert guidance(view) is word


def test_a_white_page_is_not_called_shiny() -> None:
    page = np.full((638, 1012), 255, np.uint8)
    cv2.putText(page, "APPOINTMENT", (60, 320), cv2.FONT_HERSHEY_SIMPLEX, 4, 0, 10)
    assert guidance(held(page)) is Guidance.GOOD


sizes = st.sampled_from([(480, 640), (720, 1280), (1080, 1920), (1280, 720)])
points = st.tuples(st.integers(-400, 2300), st.integers(-400, 1700))


@given(
    size=sizes, ground=st.integers(0, 255), shade=st.integers(0, 255), corners=st.lists(points, min_size=3, max_size=6)
)
@settings(max_examples=60)
def test_whatever_is_held_up_has_a_word(
    size: tuple[int, int], ground: int, shade: int, corners: list[tuple[int, int]]
) -> None:
    view = np.full(size, ground, np.uint8)
    cv2.fillPoly(view, [np.array(corners, np.int32)], shade)
    assert guidance(view) in Guidance


def shown(words: list[Guidance], every_s: float = 0.1) -> list[Guidance]:
    steady = Steady()
    return [steady.see(word, number * every_s) for number, word in enumerate(words)]


def test_a_word_for_one_picture_alone_is_not_shown() -> None:
    assert set(shown([Guidance.GOOD] * 20 + [Guidance.SHINY] + [Guidance.GOOD] * 20)[10:]) == {Guidance.GOOD}


def test_words_that_alternate_do_not_flicker() -> None:
    said = shown([Guidance.GOOD] * 10 + [Guidance.CLOSER, Guidance.GOOD] * 20)
    assert set(said[10:]) == {Guidance.GOOD}


def test_a_word_that_stays_right_is_shown_and_then_stays_a_while() -> None:
    said = shown([Guidance.CLOSER] * 6 + [Guidance.GOOD] * 30)
    first = said.index(Guidance.CLOSER)
    assert first <= 5
    assert said[-1] is Guidance.GOOD
    assert said.count(Guidance.CLOSER) >= 9
