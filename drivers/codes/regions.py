"""Where in a frame a code may be: cheap, so that the decoders see a tenth of the frame and see it turned upright."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.codes.picture import Grey

CELL_PX = 8
MOST_REGIONS = 3
SMALLEST_PX = 32
_ANGLE_PX = 280
_SMALLEST_CELLS = 12
_Points = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the frame that is busy as only codes are, with room around it for a quiet zone. Pixels of the frame."""

    left: int
    top: int
    right: int
    bottom: int
    share: float
    """How much of all that is busy in the frame is here, 0 to 1."""

    def cut(self, frame: Grey) -> Grey:
        """The pixels, without a copy."""
        return frame[self.top : self.bottom, self.left : self.right]

    def joined(self, other: Region) -> Region:
        """Both, and what lies between."""
        return Region(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
            self.share + other.share,
        )


def noise_of(frame: Grey) -> float:
    """Standard deviation of the noise of a frame, in grey values, from the differences of neighbours in its quiet half.

    J. Immerkaer, "Fast Noise Variance Estimation", 1996, on a sixteenth of the pixels and with the median for the mean:
    print and bars are a minority.
    """
    rows = frame[: frame.shape[0] // 16 * 16].reshape(-1, 16, frame.shape[1])[:, :3, :]
    a, b, c = (rows[:, at].astype(np.int16) for at in range(3))
    vertical = a - 2 * b + c
    laplace = vertical[:, :-2] - 2 * vertical[:, 1:-1] + vertical[:, 2:]
    # The kernel's weights have a square sum of 36; the median of |x| is 0.6745 sigma.
    return float(np.median(np.abs(laplace[:, ::2]))) / 0.6745 / 6


def regions_of(frame: Grey, *, cell_px: int = CELL_PX) -> list[Region]:
    """The busiest parts of a frame, busiest first; none in a frame too small for a code and its surroundings."""
    if min(frame.shape) < SMALLEST_PX:
        return []
    busy = _busy_map(frame, cell_px)
    top = float(np.partition(busy.ravel(), -12)[-12:].mean()) if busy.size >= 12 else 0.0
    if top < 2:
        return []
    mask: NDArray[Any] = (busy > 0.4 * top).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    weights = np.bincount(labels.ravel(), weights=busy.ravel(), minlength=count)
    weights[0] = 0
    total = max(float(busy.sum()), 1.0)
    return [
        _region(stats[label], frame, cell_px, float(weights[label]) / total)
        for label in np.argsort(weights)[::-1][:MOST_REGIONS]
        if stats[label, cv2.CC_STAT_AREA] >= _SMALLEST_CELLS and weights[label] > 0
    ]


def _busy_map(frame: Grey, cell_px: int) -> NDArray[Any]:
    """How much neighbours two pixels apart differ, one value a cell, less what they differ everywhere (noise)."""
    # Every second row is enough.
    rows, below = frame[:-2:2], frame[2::2]
    rows = rows[: below.shape[0]]
    across = cv2.absdiff(rows[:, 2:], rows[:, :-2])
    down = cv2.absdiff(below[:, :-2], rows[:, :-2])
    size = (max(1, frame.shape[1] // cell_px), max(1, frame.shape[0] // cell_px))
    busy: NDArray[Any] = cv2.resize(cv2.add(across, down), size, interpolation=cv2.INTER_AREA).astype(np.float32)
    busy = cv2.blur(busy, (3, 3))
    return np.asarray(np.maximum(busy - float(np.median(busy)), 0))


def _region(stats: NDArray[Any], frame: Grey, cell_px: int, share: float) -> Region:
    left, top, width, height = (int(value) * cell_px for value in stats[:4])
    room = 3 * cell_px + max(width, height) // 12
    return Region(
        max(0, left - room),
        max(0, top - room),
        min(frame.shape[1], left + width + room),
        min(frame.shape[0], top + height + room),
        share,
    )


def bar_angle(cut: Grey) -> tuple[float, float]:
    """Which way the bars of a code stand, and how sure that is.

    The angle in degrees by which to turn the picture, counter-clockwise, for bars to stand upright, -90 to 90; the
    coherence of gradients, 0 (none prevails: a matrix code) to 1 (bars only). From the structure tensor.
    """
    # The middle is enough.
    rows, columns = ((max(0, most - _ANGLE_PX) // 2, (most + _ANGLE_PX) // 2 + 1) for most in cut.shape)
    soft = cv2.GaussianBlur(cut[slice(*rows), slice(*columns)], (5, 5), 1.2)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    xx, yy, xy = float((across * across).sum()), float((down * down).sum()), float((across * down).sum())
    if xx + yy <= 0:
        return 0.0, 0.0
    angle = 0.5 * np.degrees(np.arctan2(2 * xy, xx - yy))
    return float(angle), float(np.hypot(xx - yy, 2 * xy) / (xx + yy))


def code_quad(cut: Grey) -> _Points | None:
    """The four corners of the densest code of an evened picture, clockwise from top left; None: there is no such.

    Of the part that is dense with edges: a code's outermost wide bar may lie outside, the directions are right.
    """
    if min(cut.shape) < SMALLEST_PX:
        return None
    edges = cv2.max(cv2.absdiff(cut[:-2, 2:], cut[:-2, :-2]), cv2.absdiff(cut[2:, :-2], cut[:-2, :-2]))
    small = cv2.resize(edges, (edges.shape[1] // 4, edges.shape[0] // 4), interpolation=cv2.INTER_AREA)
    dense = cv2.blur(small, (5, 5))
    mask: NDArray[Any] = (dense > 0.5 * np.percentile(dense, 92)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((11, 11), np.uint8))
    return _largest_quad(mask, 4.0, smallest=0.05)


def card_quad(frame: Grey) -> _Points | None:
    """The four corners of a bright card on something darker, clockwise from top left; None: there is none."""
    small = cv2.resize(frame, (max(1, frame.shape[1] // 8), max(1, frame.shape[0] // 8)), interpolation=cv2.INTER_AREA)
    _, bright = cv2.threshold(small, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    bright = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    return _largest_quad(bright, 8.0, smallest=0.1)


def _largest_quad(mask: NDArray[Any], cell_px: float, *, smallest: float) -> _Points | None:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None
    outline = max(outlines, key=cv2.contourArea)
    area = cv2.contourArea(outline)
    if area < smallest * mask.size or area < 16:
        return None
    hull = cv2.convexHull(outline)
    if len(hull) < 4:
        return None
    corners = np.asarray(cv2.approxPolyN(hull, 4), np.float32).reshape(-1, 2)
    if len(corners) != 4 or cv2.contourArea(corners) > 1.5 * cv2.contourArea(hull):
        return None
    return _clockwise((corners + 0.5) * cell_px)


def _clockwise(corners: _Points) -> _Points:
    """From the corner nearest to the top left."""
    middle = corners.mean(0)
    around = np.argsort(np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0]))
    ordered = corners[around]
    return np.asarray(np.roll(ordered, -int(ordered.sum(1).argmin()), 0), np.float32)
