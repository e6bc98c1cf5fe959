from __future__ import annotations

import numpy as np

from drivers.codes import Symbology
from drivers.codes.picture import Grey
from drivers.codes.steady import FrameHistory, sharpness_of
from drivers.codes.synthetic import sample, still_samples


def held_still(condition: str, count: int = 4) -> list[Grey]:
    return [shot.frame for shot in still_samples(Symbology.QR, condition, 1, count=count)]


def remembered(frames: list[Grey]) -> FrameHistory:
    history = FrameHistory()
    for frame in frames:
        history.add(frame)
    return history


def test_frames_of_a_card_held_still_belong_together() -> None:
    assert len(remembered(held_still("noise"))) == 4


def test_frames_combined_are_nearer_to_the_scene_than_each_of_them() -> None:
    frames = held_still("noise")
    # The last frame's place without its noise: the same card, the same shake.
    combined = remembered(frames).combined()
    assert combined is not None
    flat = np.s_[700:, :40]
    assert combined[flat].std() < 0.75 * frames[-1][flat].std()


def test_a_shaken_card_is_combined_without_a_blur() -> None:
    frames = held_still("clean", 6)
    combined = remembered(frames).combined()
    assert combined is not None
    assert sharpness_of(combined) > 0.7 * sharpness_of(frames[-1])


def test_a_combined_picture_can_be_larger_than_the_frames() -> None:
    combined = remembered(held_still("clean")).combined(2.0)
    assert combined is not None
    assert combined.shape == (1440, 2560)


def test_another_card_starts_anew() -> None:
    history = remembered(held_still("clean"))
    history.add(sample(Symbology.PDF417, "clean", 7).frame)
    assert len(history) == 1
    assert history.combined() is None


def test_a_frame_of_another_size_starts_anew() -> None:
    history = remembered(held_still("clean"))
    history.add(np.zeros((480, 640), np.uint8))
    assert len(history) == 1


def test_the_sharpest_frame_is_the_one_without_motion() -> None:
    sharp, moved = sample(Symbology.QR, "clean", 1).frame, sample(Symbology.QR, "motion blur", 1).frame
    assert sharpness_of(sharp) > 1.5 * sharpness_of(moved)
    history = remembered([sharp])
    assert history.sharpest() is sharp


def test_nothing_is_left_after_forgetting() -> None:
    history = remembered(held_still("clean"))
    history.forget()
    assert (len(history), history.sharpest(), history.combined()) == (0, None, None)
