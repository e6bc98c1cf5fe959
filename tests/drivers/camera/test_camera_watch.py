"""From pictures to codes, without a process: the films are made here, and their clock is the frame's number."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from drivers.camera.quad import CARD_SIZE, Picture
from drivers.camera.trigger import ARMED_S, Scene
from drivers.camera.watch import CARD_WITHIN_S, IDLE_PAUSE_S, Seen, Watcher
from drivers.codes import Reading
from drivers.codes.ladder import Decoder
from kioskd.ports import Guidance
from tests.drivers.camera.scenes import card, desk, held

EVERY_S = 0.1
FIRST, SECOND = b"https://praxis.example/t/FIRST", b"https://praxis.example/t/SECOND"


class Eye:
    """A watcher whose decoder's calls are counted; ``is_blind``: it is never asked."""

    def __init__(self, is_blind: bool = False) -> None:
        self._decoder = Decoder()
        self._is_blind = is_blind
        self.calls: list[float] = []
        self.watcher = Watcher(self._read)
        self.at_s = 0.0

    def _read(self, grey: Picture, within_s: float) -> Sequence[Reading]:
        self.calls.append(within_s)
        return [] if self._is_blind else self._decoder.read(grey, within_s=within_s)

    def see(self, views: Sequence[Picture], is_reading: bool = True, **how: bool) -> list[Seen]:
        seen = []
        for view in views:
            seen.append(self.watcher.see(view, self.at_s, is_reading=is_reading, **how))
            self.at_s += EVERY_S
        return seen


def codes(seen: Sequence[Seen]) -> list[bytes]:
    return [data for one in seen for _, data in one.codes]


def of(data: bytes, seconds: float) -> list[Picture]:
    """It is held up for so long, by a hand."""
    held_up = card(data)
    views = [held(held_up, centre=(640 + shift, 360), seed=shift) for shift in range(3)]
    return [views[number % 3] for number in range(round(seconds / EVERY_S))]


def nothing(seconds: float) -> list[Picture]:
    views = [desk(seed=seed) for seed in range(3)]
    return [views[number % 3] for number in range(round(seconds / EVERY_S))]


@pytest.fixture
def eye() -> Eye:
    """One that has looked at an empty desk for a while."""
    return settled(Eye())


@pytest.fixture
def blind_eye() -> Eye:
    return settled(Eye(is_blind=True))


def settled(eye: Eye) -> Eye:
    eye.see(nothing(ARMED_S + 1), is_reading=False)
    return eye


def test_a_code_is_read_once_while_it_is_held_up_and_again_when_it_comes_again(eye: Eye) -> None:
    assert codes(eye.see(of(FIRST, 3))) == [FIRST]
    assert codes(eye.see(nothing(4))) == []
    assert codes(eye.see(of(FIRST, 2))) == [FIRST]


def test_two_codes_in_sequence_are_both_read_without_a_gap_between_them(eye: Eye) -> None:
    assert codes(eye.see(of(FIRST, 2) + of(SECOND, 2))) == [FIRST, SECOND]


def test_a_code_that_is_waved_about_for_a_second_is_still_the_same(eye: Eye) -> None:
    waved = [held(card(FIRST), centre=(500 + 140 * (n % 2), 360)) for n in range(12)]
    assert codes(eye.see(of(FIRST, 1) + waved + of(FIRST, 1))) == [FIRST]


def test_nothing_is_decoded_while_nothing_stirs_and_the_pause_is_long(eye: Eye) -> None:
    seen = eye.see(nothing(5))
    assert eye.calls == []
    assert {(one.scene, one.pause_s, one.guidance) for one in seen} == {(Scene.IDLE, IDLE_PAUSE_S, Guidance.NOTHING)}


def test_a_card_gets_the_whole_ladder_and_a_passer_by_a_glance(blind_eye: Eye) -> None:
    eye = blind_eye
    eye.see(of(b"", 1))
    assert set(eye.calls) == {CARD_WITHIN_S}
    eye.see(nothing(ARMED_S + 3))
    eye.calls.clear()
    somebody = desk()
    cv2.ellipse(somebody, (640, 500), (220, 330), 0, 0, 360, 30, -1)
    eye.see([somebody] * 10)
    assert eye.calls
    assert CARD_WITHIN_S not in eye.calls


def test_a_card_that_can_not_be_read_is_tried_less_and_less(blind_eye: Eye) -> None:
    eye = blind_eye
    trembling = [held(card(), centre=(640 + 4 * (n % 2), 360), seed=n) for n in range(2)] * 40
    eye.see(trembling)
    assert 25 <= len(eye.calls) <= 45


def test_what_is_held_up_when_nobody_asks_is_not_read_and_is_new_when_somebody_does(eye: Eye) -> None:
    assert codes(eye.see(of(FIRST, 2))) == [FIRST]
    assert codes(eye.see(nothing(1) + of(FIRST, 1), is_reading=False)) == []
    assert codes(eye.see(of(FIRST, 1))) == [FIRST]


def test_a_card_that_lay_there_all_along_is_not_read_for_the_next_person(eye: Eye) -> None:
    assert codes(eye.see(of(FIRST, 2))) == [FIRST]
    eye.see(of(FIRST, 5), is_reading=False)
    assert codes(eye.see(of(FIRST, 3))) == []


def test_the_guidance_follows_the_card(blind_eye: Eye) -> None:
    eye = blind_eye
    assert eye.see(of(b"", 3), is_shown=True)[-1].guidance is Guidance.GOOD
    small = [held(card(), width_px=300, seed=n) for n in range(2)] * 15
    assert eye.see(small, is_shown=True)[-1].guidance is Guidance.CLOSER
    assert eye.see(nothing(ARMED_S + 3), is_shown=True)[-1].guidance is Guidance.NOTHING


@pytest.mark.parametrize(("angle_deg", "lean"), [(0, 0.0), (8, 0.05), (90, 0.0), (-20, 0.03)])
def test_a_photo_is_the_card_seen_from_above(eye: Eye, angle_deg: float, lean: float) -> None:
    view = held(card(FIRST), width_px=640, angle_deg=angle_deg, lean=lean)
    seen = eye.see([view] * 20, is_reading=False, wants_photo=True)
    photo = next(one.photo for one in seen if one.photo)
    flat = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert flat is not None
    assert flat.shape == (CARD_SIZE[1], CARD_SIZE[0])
    alike = [likeness(card(FIRST), np.asarray(turned, np.uint8)) for turned in (flat, cv2.rotate(flat, cv2.ROTATE_180))]
    assert max(alike) > 0.8


def likeness(one: Picture, other: Picture) -> float:
    """Correlation of two pictures, both a little blurred: a pixel's shift is none."""
    soft = [cv2.GaussianBlur(picture, (0, 0), 4).astype(np.float64).ravel() for picture in (one, other)]
    return float(np.corrcoef(soft[0], soft[1])[0, 1])


@pytest.mark.parametrize(
    "view",
    [desk(), held(card(), width_px=250), held(card(), lean=0.2), (held(card()) * 0.1).astype(np.uint8)],
    ids=["nothing", "small", "leaning", "dark"],
)
def test_no_photo_is_taken_of_what_is_not_good(eye: Eye, view: Picture) -> None:
    assert not any(one.photo for one in eye.see([view] * 20, is_reading=False, wants_photo=True))


def test_pictures_in_colour_are_read_too(eye: Eye) -> None:
    coloured = [np.asarray(cv2.cvtColor(view, cv2.COLOR_GRAY2BGR), np.uint8) for view in of(FIRST, 1)]
    assert codes(eye.see(coloured)) == [FIRST]
