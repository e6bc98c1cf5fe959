"""The outline of a card in a picture: found cheaply on a small copy, rectified from the full one. Pure.

A card, a letter or a telephone is taken for what is bright (or dark) against what is behind it and has four straight
sides. That is enough to say how it is held; whether a code can be read does not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Rows x columns of grey values, or rows x columns x 3 (blue, green, red)."""
Corners = NDArray[np.float32]
"""4 x 2: x and y of the corners in clockwise order as seen; the side from the first to the second is a long one."""

SMALL_WIDTH = 320
LEAST_AREA_SHARE = 0.03
LEAST_FILL = 0.88
"""How much of the outline's own area its four corners must enclose; what has round or torn sides is no card."""
LEAST_SOLID = 0.75
"""How much of its hull an outline must fill: a thumb may cover a part of a side."""
LEAST_CONTRAST = 6.0
"""Standard deviation of a picture in which there is something, in grey levels."""
SEEN_ASPECTS = (1.15, 2.6)
"""Long side by short side, from a card that is tilted to a long telephone. What is square is the code on a card."""
CARD_SIZE = (1012, 638)
"""Width and height of a rectified card: 300 dots an inch of ID-1, 85.60 x 53.98 mm (ISO/IEC 7810)."""
CARD_ASPECTS = (1.25, 2.0)
"""Long side by short side of an ID-1 card as seen; 1.586 when it is held flat."""

_TOLERANCES = (0.02, 0.035, 0.05, 0.08)
"""Of the outline's length: how far round corners and fingers may lie off the straight side."""


def small_copy(grey: Picture) -> Picture:
    """The picture at a width of ``SMALL_WIDTH``; each value is the mean of what it covers, so noise is less."""
    height, width = grey.shape[:2]
    size = (SMALL_WIDTH, max(1, round(height * SMALL_WIDTH / width)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def find_card(small: Picture) -> Corners | None:
    """The largest thing with four straight sides in a small grey picture, in its pixels."""
    if float(small.std()) < LEAST_CONTRAST:
        return None
    least = LEAST_AREA_SHARE * small.size
    best, best_area = None, 0.0
    for outline in _outlines(small):
        hull = np.asarray(cv2.convexHull(outline), np.int32)
        area = cv2.contourArea(hull)
        if area <= max(least, best_area) or area > 0.98 * small.size:
            continue
        if cv2.contourArea(outline) < LEAST_SOLID * area:
            continue
        corners = _four_corners(hull, area)
        if corners is not None and SEEN_ASPECTS[0] <= aspect(corners) <= SEEN_ASPECTS[1]:
            best, best_area = corners, area
    return best


def sides(corners: Corners) -> tuple[float, float, float, float]:
    """Lengths of the four sides, from the first corner on; the first and the third lie opposite each other."""
    lengths = [float(np.linalg.norm(corners[(i + 1) % 4] - corners[i])) for i in range(4)]
    return lengths[0], lengths[1], lengths[2], lengths[3]


def aspect(corners: Corners) -> float:
    """The long sides by the short ones."""
    first, second, third, fourth = sides(corners)
    return (first + third) / max(second + fourth, 1e-6)


def area_of(corners: Corners) -> float:
    return float(cv2.contourArea(corners))


def rectified(picture: Picture, corners: Corners) -> Picture:
    """What lies within ``corners``, seen straight from above, ``CARD_SIZE`` wide and high."""
    width, height = CARD_SIZE
    target = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    return np.asarray(cv2.warpPerspective(picture, matrix, CARD_SIZE, flags=cv2.INTER_CUBIC), np.uint8)


def _outlines(small: Picture) -> Iterator[NDArray[np.int32]]:
    smooth = cv2.GaussianBlur(small, (5, 5), 0)
    threshold, bright = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    edges = cv2.dilate(cv2.Canny(smooth, threshold * 0.3, threshold * 0.6), np.ones((3, 3), np.uint8))
    for mask in (bright, cv2.bitwise_not(bright), edges):
        found: Sequence[NDArray[np.int32]] = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]  # type: ignore[assignment]
        yield from found


def _four_corners(hull: NDArray[np.int32], area: float) -> Corners | None:
    length = cv2.arcLength(hull, True)
    for tolerance in _TOLERANCES:
        polygon = cv2.approxPolyDP(hull, tolerance * length, True)
        if len(polygon) < 4:
            return None
        if len(polygon) == 4:
            corners = polygon.reshape(4, 2).astype(np.float32)
            is_card = min(area_of(corners) / area, area / max(area_of(corners), 1e-6)) >= LEAST_FILL
            return _ordered(corners) if is_card and cv2.isContourConvex(corners) else None
    return None


def _ordered(corners: Corners) -> Corners:
    """Clockwise (y points down), a long side first, and of the two long ones the upper one."""
    centre = corners.mean(axis=0)
    turned = sorted(corners.tolist(), key=lambda point: math.atan2(point[1] - centre[1], point[0] - centre[0]))
    around = np.array(turned, np.float32)
    if aspect(around) < 1:
        around = np.roll(around, -1, axis=0)
    is_upside_down = around[0][1] + around[1][1] > around[2][1] + around[3][1]
    return np.ascontiguousarray(np.roll(around, -2, axis=0) if is_upside_down else around)
