"""What a person should do so that their card can be read, derived from one picture. Pure.

``guidance`` is a function of the picture alone; ``Steady`` keeps the word from flickering.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from drivers.camera.quad import Corners, Picture, area_of, find_card, sides, small_copy
from kioskd.ports import Guidance

CLOSER_BELOW = 0.10
"""Share of the picture that a card covers: below it, the lines of a licence's PDF417 are under two pixels at 720p."""
FURTHER_ABOVE = 0.80
FLATTER_ABOVE = 1.22
"""One side by the one opposite it."""
DARK_BELOW = 45.0
"""Mean grey value of the card."""
COVERED_BELOW = 22.0
"""Mean grey value of the whole picture: a covered lens, or a room at night."""
SHINY_LEVEL = 250
SHINY_SHARE = (0.025, 0.6)
"""Share of the card that one white spot covers. More of it is a white page or a telephone, not a reflection."""
BLURRED_BELOW = 1.2
"""Variance of the slope by the variance of the grey values, along or across, with the card ``COMPARED_WIDTH`` wide. A
sharp card has 5 to 10, a focus blur of 2 pixels 1.7, a smear of 11 pixels 0.7. The Laplacian, which is often used, does
not see a smear: along it everything is soft, across it everything stays sharp.
"""
COMPARED_WIDTH = 480
LEAST_PRINT = 20.0
"""Variance of the grey values of a card with something on it."""

CHANGES_AFTER_S = 0.4
STAYS_S = 1.0


@dataclass(frozen=True, slots=True)
class Measures:
    """How a card lies in a picture."""

    area_share: float
    is_cut_off: bool
    tilt: float
    """The longer of two opposite sides by the shorter; 1 when it is held flat."""
    brightness: float
    shiny_share: float
    sharpness: float


def guidance(grey: Picture) -> Guidance:
    """What would make this grey picture better."""
    small = small_copy(grey)
    return judged(grey, small, find_card(small))[0]


def judged(grey: Picture, small: Picture, corners: Corners | None) -> tuple[Guidance, float]:
    """``guidance``, and how sharp the card is, where the small copy and the card in it are known already."""
    if corners is None:
        return (Guidance.DARK if is_covered(small) else Guidance.NOTHING), 0.0
    measures = measure(grey, small, corners)
    return advice_of(measures), measures.sharpness


def is_covered(small: Picture) -> bool:
    """Whether there is no light at all."""
    return float(small.mean()) < COVERED_BELOW


def advice_of(measures: Measures) -> Guidance:
    """The one thing to do first: what is not in the picture can't be made brighter or sharper."""
    if measures.is_cut_off:
        return Guidance.FURTHER if measures.area_share > FURTHER_ABOVE / 2 else Guidance.MIDDLE
    if measures.area_share > FURTHER_ABOVE:
        return Guidance.FURTHER
    if measures.brightness < DARK_BELOW:
        return Guidance.DARK
    if SHINY_SHARE[0] < measures.shiny_share < SHINY_SHARE[1]:
        return Guidance.SHINY
    if measures.tilt > FLATTER_ABOVE:
        return Guidance.FLATTER
    if measures.area_share < CLOSER_BELOW:
        return Guidance.CLOSER
    return Guidance.STILL if measures.sharpness < BLURRED_BELOW else Guidance.GOOD


def measure(grey: Picture, small: Picture, corners: Corners) -> Measures:
    """``corners`` are those of ``small``, which is a copy of ``grey``."""
    height, width = small.shape[:2]
    mask = np.zeros_like(small)
    cv2.fillConvexPoly(mask, corners.astype(np.int32), 255)
    first, second, third, fourth = (max(side, 1e-6) for side in sides(corners))
    is_at_edge = (corners <= 1).any() or (corners[:, 0] >= width - 2).any() or (corners[:, 1] >= height - 2).any()
    return Measures(
        area_share=area_of(corners) / small.size,
        is_cut_off=bool(is_at_edge),
        tilt=max(first / third, third / first, second / fourth, fourth / second),
        brightness=float(cv2.mean(small, mask)[0]),
        shiny_share=_largest_spot(small, mask),
        sharpness=_sharpness(grey, corners * (grey.shape[1] / width)),
    )


def _largest_spot(small: Picture, mask: Picture) -> float:
    """The largest white spot's share of the card. Opened first: the white between letters is no spot."""
    white = cv2.bitwise_and(cv2.threshold(small, SHINY_LEVEL - 1, 255, cv2.THRESH_BINARY)[1], mask)
    spots = cv2.morphologyEx(white, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(spots)
    largest = max((int(stats[i, cv2.CC_STAT_AREA]) for i in range(1, count)), default=0)
    return largest / max(cv2.countNonZero(mask), 1)


def _sharpness(grey: Picture, corners: Corners) -> float:
    """Of the middle of the card, so that its own edge does not count."""
    centre = corners.mean(axis=0)
    inner = centre + (corners - centre) * 0.8
    left, top = np.maximum(inner.min(axis=0), 0).astype(int)
    right, bottom = inner.max(axis=0).astype(int) + 1
    part = grey[top:bottom, left:right]
    if part.size == 0:
        return 0.0
    scale = COMPARED_WIDTH / part.shape[1]
    if scale < 1:
        part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    variance = float(part.var())
    # A card without print has nothing to be sharp: its noise must not pass for it, and it is no reason to complain.
    if variance < LEAST_PRINT:
        return float("inf")
    slopes = (cv2.Sobel(part, cv2.CV_32F, 1, 0), cv2.Sobel(part, cv2.CV_32F, 0, 1))
    return min(float(slope.var()) for slope in slopes) / variance


class Steady:
    """A word that changes only when another has been right for ``CHANGES_AFTER_S`` and it was there for ``STAYS_S``."""

    def __init__(self) -> None:
        self._shown = Guidance.NOTHING
        self._shown_since = float("-inf")
        self._next = Guidance.NOTHING
        self._next_since = 0.0

    def see(self, word: Guidance, at_s: float) -> Guidance:
        """The word to show now. ``at_s``: when its picture was taken."""
        if word is not self._next:
            self._next, self._next_since = word, at_s
        is_lasting = at_s - self._next_since >= CHANGES_AFTER_S
        if word is not self._shown and is_lasting and at_s - self._shown_since >= STAYS_S:
            self._shown, self._shown_since = word, at_s
        return self._shown
