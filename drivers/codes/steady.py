"""Several frames of one card that is held still, as one better picture."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.codes.picture import Grey
from drivers.codes.regions import regions_of

MOST_FRAMES = 6
"""Noise falls with the root of their number: a sixth more frames bring little, and each costs 3 ms and a megabyte."""
_LEAST_RESPONSE = 0.12
_FINE_PX = 256
_FAR_PX = 40.0


@dataclass(frozen=True, slots=True)
class _Kept:
    frame: Grey
    shift: tuple[float, float]
    """By how many pixels it lies right of and below the first."""
    sharpness: float


class FrameHistory:
    """The last frames for as long as they show the same thing at nearly the same place.

    ``add`` registers a frame against the first to a fraction of a pixel; a frame that shows something else, or the same
    elsewhere, starts anew. Hands shake by fractions of a pixel: averaged at twice the size, the frames hold detail that
    none of them has alone.
    """

    def __init__(self, most: int = MOST_FRAMES) -> None:
        self._kept: deque[_Kept] = deque(maxlen=most)
        self._window: tuple[slice, slice] | None = None

    def __len__(self) -> int:
        """How many frames belong together now."""
        return len(self._kept)

    def add(self, frame: Grey) -> None:
        """One more frame, rows x columns of grey; it is kept and must not be changed."""
        shift = self._shift_of(frame)
        if shift is None:
            self._kept.clear()
            self._window = _window_of(frame)
            shift = (0.0, 0.0)
        self._kept.append(_Kept(frame, shift, sharpness_of(frame)))

    def forget(self) -> None:
        """Start anew: the card was taken away, or was read."""
        self._kept.clear()
        self._window = None

    def sharpest(self) -> Grey | None:
        """The frame with the least blur; None: there is no frame."""
        return max(self._kept, key=lambda kept: kept.sharpness).frame if self._kept else None

    def combined(self, scale: float = 1.0) -> Grey | None:
        """The mean of all frames where the newest lies, ``scale`` times as large; None: there are no two to combine."""
        if len(self._kept) < 2:
            return None
        height, width = self._kept[-1].frame.shape
        size = (round(width * scale), round(height * scale))
        best = max(kept.sharpness for kept in self._kept)
        total = np.zeros((size[1], size[0]), np.float32)
        weights = 0.0
        for kept in self._kept:
            # A frame that is much softer than the best one would only blur it.
            weight = 1.0 if kept.sharpness > 0.5 * best else 0.1
            across, down = (new - old for new, old in zip(self._kept[-1].shift, kept.shift, strict=True))
            centre = (scale - 1) / 2
            move = np.array([[scale, 0, across * scale + centre], [0, scale, down * scale + centre]])
            moved = cv2.warpAffine(kept.frame, move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            cv2.accumulateWeighted(moved, total, weight / (weights + weight))
            weights += weight
        return total.clip(0, 255).astype(np.uint8)

    def _shift_of(self, frame: Grey) -> tuple[float, float] | None:
        """How far the frame is from the first; None: it does not show the same, or there is none to compare with."""
        if not self._kept or self._window is None or frame.shape != self._kept[0].frame.shape:
            return None
        last = self._kept[-1]
        coarse, response = _correlated(_quarter(last.frame), _quarter(frame))
        if response < _LEAST_RESPONSE or np.hypot(*coarse) * 4 > _FAR_PX:
            return None
        rough = (round(coarse[0] * 4), round(coarse[1] * 4))
        fine, response = _correlated(last.frame[self._window], _moved(frame, rough)[self._window])
        if response < _LEAST_RESPONSE:
            return None
        return last.shift[0] + rough[0] + fine[0], last.shift[1] + rough[1] + fine[1]


def sharpness_of(frame: Grey) -> float:
    """How sharp a frame is, for comparing frames of one scene: the mean square of its Laplacian at half the size."""
    half = cv2.resize(frame, (max(1, frame.shape[1] // 2), max(1, frame.shape[0] // 2)), interpolation=cv2.INTER_AREA)
    laplacian = cv2.Laplacian(half, cv2.CV_16S)
    return float(cv2.norm(laplacian, cv2.NORM_L2SQR)) / laplacian.size


def _window_of(frame: Grey) -> tuple[slice, slice]:
    """Where to register: around the busiest part."""
    height, width = frame.shape
    middle = (width // 2, height // 2)
    if regions := regions_of(frame):
        middle = ((regions[0].left + regions[0].right) // 2, (regions[0].top + regions[0].bottom) // 2)
    left, top = (
        max(0, min(at - _FINE_PX // 2, most - _FINE_PX)) for at, most in zip(middle, (width, height), strict=True)
    )
    return slice(top, min(height, top + _FINE_PX)), slice(left, min(width, left + _FINE_PX))


def _quarter(frame: Grey) -> Grey:
    size = (max(2, frame.shape[1] // 4), max(2, frame.shape[0] // 4))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))


def _moved(frame: Grey, back: tuple[int, int]) -> Grey:
    move = np.array([[1.0, 0, -back[0]], [0, 1.0, -back[1]]])
    size = (frame.shape[1], frame.shape[0])
    return np.asarray(cv2.warpAffine(frame, move, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE))


def _correlated(a: Grey, b: Grey) -> tuple[tuple[float, float], float]:
    """By how much ``b`` lies right of and below ``a``, in pixels, and how sure that is, 0 to 1."""
    window: NDArray[Any] = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F)
    (across, down), response = cv2.phaseCorrelate(a.astype(np.float32), b.astype(np.float32), window)
    return (float(across), float(down)), float(response)
