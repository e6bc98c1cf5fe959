from __future__ import annotations

import numpy as np

from drivers.camera.presentation import Presentations
from drivers.camera.quad import find_card, small_copy
from drivers.camera.trigger import ARMED_S, Scene, Trigger
from tests.drivers.camera.scenes import card, desk, held

CARD = card(b"1234")
EVERY_S = 0.1


def scenes_of(views: list[np.ndarray], trigger: Trigger | None = None, from_s: float = 0) -> list[Scene]:
    looking = trigger or Trigger()
    return [looking.see(small_copy(view), from_s + number * EVERY_S) for number, view in enumerate(views)]


def an_empty_desk(seconds: float) -> list[np.ndarray]:
    views = [desk(seed=seed) for seed in range(8)]
    return [views[number % 8] for number in range(round(seconds / EVERY_S))]


def test_an_empty_desk_is_soon_idle_and_stays_so() -> None:
    scenes = scenes_of(an_empty_desk(ARMED_S + 3))
    assert Scene.IDLE not in scenes[:10]
    assert set(scenes[-20:]) == {Scene.IDLE}


def test_a_card_is_moving_while_it_comes_and_still_once_it_is_held() -> None:
    coming = [held(CARD, centre=(200 + 110 * n, 360), seed=n) for n in range(5)]
    held_still = [held(CARD, centre=(640 + n % 2, 360), seed=n) for n in range(8)]
    trigger = Trigger()
    scenes_of(an_empty_desk(ARMED_S + 1), trigger)
    scenes = scenes_of(coming + held_still, trigger, ARMED_S + 1)
    assert set(scenes[:5]) == {Scene.MOVING}
    assert set(scenes[-5:]) == {Scene.STILL}


def test_a_trembling_hand_is_still_enough() -> None:
    random = np.random.default_rng(3)
    views = [held(CARD, 620, (x, y), seed=n) for n, (x, y) in enumerate(random.normal((640, 360), 2, (25, 2)))]
    assert set(scenes_of(views)[4:]) == {Scene.STILL}


def test_a_hand_that_is_never_still_is_looked_at_all_the_same() -> None:
    views = [held(CARD, centre=(640 + 60 * (n % 2), 360), seed=n) for n in range(25)]
    scenes = scenes_of(views)
    assert set(scenes[:10]) == {Scene.MOVING}
    assert set(scenes[12:]) == {Scene.STILL}


def test_a_card_that_lies_there_for_long_is_looked_at_no_more_until_somebody_touches_it() -> None:
    views = [held(CARD, seed=n % 8) for n in range(round((ARMED_S + 2) / EVERY_S))]
    trigger = Trigger()
    assert scenes_of(views, trigger)[-1] is Scene.IDLE
    touched = scenes_of([held(CARD, centre=(660, 370), seed=n) for n in range(6)], trigger, ARMED_S + 2)
    assert touched[-1] is Scene.STILL


def test_a_poster_behind_is_not_taken_for_a_card_but_a_card_before_it_is() -> None:
    wall = [held(card(), width_px=500, centre=(900, 250), seed=n % 8) for n in range(round((ARMED_S + 1) / EVERY_S))]
    trigger = Trigger()
    assert scenes_of(wall, trigger)[-1] is Scene.IDLE
    poster = small_copy(wall[-1])
    corners = find_card(poster)
    assert corners is not None
    assert not trigger.is_foreign(poster, corners)
    before_it = small_copy(held(CARD, centre=(400, 400)))
    corners = find_card(before_it)
    assert corners is not None
    assert trigger.is_foreign(before_it, corners)


A, B = ("]Q1", b"A"), ("]Q1", b"B")


def test_a_code_counts_once_for_each_time_that_it_is_held_up() -> None:
    held_up = Presentations()
    assert held_up.new([A], 0.0) == [A]
    assert all(held_up.new([A], at_s / 10) == [] for at_s in range(1, 100))
    assert all(held_up.new([], 10 + at_s / 10) == [] for at_s in range(20))
    assert held_up.new([A], 12.1) == [A]


def test_a_code_that_is_missed_for_a_moment_was_not_taken_away() -> None:
    held_up = Presentations()
    assert held_up.new([A], 0.0) == [A]
    assert held_up.new([], 0.1) == held_up.new([], 1.0) == []
    assert held_up.new([A], 1.5) == []
    assert held_up.new([], 2.0) == held_up.new([], 3.0) == []
    assert held_up.new([A], 3.2) == []


def test_while_nobody_looks_nothing_is_taken_away() -> None:
    held_up = Presentations()
    assert held_up.new([A], 0.0) == [A]
    assert held_up.new([A], 600.0) == []
    assert held_up.new([], 1200.0) == []
    assert held_up.new([A], 1800.0) == []


def test_two_codes_on_one_sheet_and_one_after_the_other_both_count() -> None:
    held_up = Presentations()
    assert held_up.new([A, B, A], 0.0) == [A, B]
    assert held_up.new([B], 1.0) == []
    held_up.forget()
    assert held_up.new([B], 1.1) == [B]
    assert held_up.new([A], 1.2) == [A]
