"""Making a part of a frame better to read: less noise, even light, less blur. Pure functions of grey pictures."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.codes.picture import Grey

_Float = NDArray[Any]
_LEAST_CONTRAST = 12.0
_KERNEL_REACH = 12


def evened(grey: Grey, *, least_contrast: float = _LEAST_CONTRAST) -> Grey:
    """Every neighbourhood stretched to the whole range of grey: low light, shadow and the veil of a glare go.

    What has less contrast than ``least_contrast`` becomes white: noise is not made into a pattern, and around a code
    nothing disturbs.
    """
    small = (max(1, grey.shape[1] // 4), max(1, grey.shape[0] // 4))
    # Wider than the widest black or white of a code: the middle of a QR code's finder is an eighth of it at the most.
    window = np.ones((max(11, min(small) // 4) | 1,) * 2, np.uint8)
    peak = np.ones((3, 3), np.uint8)
    low = cv2.erode(cv2.resize(cv2.erode(grey, peak), small, interpolation=cv2.INTER_NEAREST), window)
    high = cv2.dilate(cv2.resize(cv2.dilate(grey, peak), small, interpolation=cv2.INTER_NEAREST), window)
    low, high = cv2.blur(low, window.shape), cv2.blur(high, window.shape)
    size = (grey.shape[1], grey.shape[0])
    gain = 255.0 / np.maximum(cv2.subtract(high, low).astype(np.float32), least_contrast)
    gain_of = cv2.resize(gain, size, interpolation=cv2.INTER_LINEAR)
    high_of = cv2.resize(high, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.bitwise_not(cv2.multiply(cv2.subtract(high_of, grey), gain_of, dtype=cv2.CV_8U)))


def quietened(grey: Grey, noise: float) -> Grey:
    """Less noise, as much softer as there is need for. ``noise``: standard deviation in grey values."""
    contrast = float(np.subtract(*np.percentile(grey[::4, ::4], (97, 3))))
    relative = noise / max(contrast, 1.0)
    if relative < 0.02:
        return grey
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.8 if relative < 0.05 else 1.1 if relative < 0.1 else 1.4))


def filtered(grey: Grey, kernel: _Float) -> Grey:
    """A linear filter, the range clipped."""
    return np.asarray(cv2.filter2D(grey, cv2.CV_8U, kernel, borderType=cv2.BORDER_REPLICATE))


@lru_cache(maxsize=64)
def unblurring(kind: str, px: float, angle_deg: float = 0.0, noise_to_signal: float = 0.02) -> _Float:
    """The finite filter that undoes a blur as well as noise allows (Wiener).

    ``kind``: ``focus`` with a radius, ``motion`` with a length and a direction.
    """
    kernel = focus_kernel(px) if kind == "focus" else motion_kernel(px, angle_deg)
    return _inverse(kernel, 64, noise_to_signal, _KERNEL_REACH)


@lru_cache(maxsize=64)
def unblurring_line(kind: str, px: float, noise_to_signal: float) -> _Float:
    """The same for one line across bars, 1 row high: along the bars a blur changes nothing."""
    kernel = focus_kernel(px) if kind == "focus" else motion_kernel(px, 0.0)
    return _inverse(kernel.sum(0, keepdims=True), 128, noise_to_signal, 2 * _KERNEL_REACH)


def _inverse(kernel: _Float, size: int, noise_to_signal: float, reach: int) -> _Float:
    rows, columns = kernel.shape
    spread = np.zeros((1 if rows == 1 else size, size), np.float32)
    spread[:rows, :columns] = kernel
    response = np.fft.fft2(np.roll(spread, (-(rows // 2), -(columns // 2)), (0, 1)))
    inverse = np.fft.fftshift(np.fft.ifft2(np.conj(response) / (np.abs(response) ** 2 + noise_to_signal)).real)
    middle = size // 2
    kept = inverse[:, middle - reach : middle + reach + 1]
    if rows > 1:
        kept = kept[middle - reach : middle + reach + 1]
    return np.asarray(kept / kept.sum(), np.float32)


def evened_line(line: _Float, *, window_px: int = 61) -> Grey:
    """One line of grey values stretched to the whole range, every neighbourhood by itself."""
    window = np.ones((1, window_px), np.uint8)
    low = cv2.blur(cv2.erode(line, window), (window_px, 1))
    high = cv2.blur(cv2.dilate(line, window), (window_px, 1))
    return np.asarray(((line - low) * (255 / np.maximum(high - low, 8.0))).clip(0, 255), np.uint8)


def motion_kernel(length_px: float, angle_deg: float) -> _Float:
    """The point spread of motion in a straight line; sums to 1."""
    size = 2 * int(np.ceil(length_px / 2)) + 3
    drawn = np.zeros((size * 8, size * 8), np.float32)
    step = np.array([np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))]) * length_px * 4
    first, last = (np.round(size * 4 + sign * step).astype(int).tolist() for sign in (-1, 1))
    cv2.line(drawn, first, last, 1.0, 8)
    return _settled(drawn, size)


def focus_kernel(radius_px: float) -> _Float:
    """The point spread of a lens out of focus: a disc; sums to 1."""
    size = 2 * int(np.ceil(radius_px)) + 1
    drawn = np.zeros((size * 8, size * 8), np.float32)
    cv2.circle(drawn, (size * 4, size * 4), round(radius_px * 8), 1.0, -1)
    return _settled(drawn, size)


def _settled(drawn: _Float, size: int) -> _Float:
    kernel = cv2.resize(drawn, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(kernel / kernel.sum(), np.float32)
