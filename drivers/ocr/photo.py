"""A photo of a card before anything is read on it: can it be read at all, and where in it is the card?

Runs in the reading process only: this is where OpenCV is loaded.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kioskd.core.printed_card import PhotoTrouble

Pixels = np.ndarray[Any, Any]
"""Rows x columns x 3, blue green red, 8 bits each."""

MOST_PIXELS = 40_000_000
CARD_WIDTH, CARD_HEIGHT = 1168, 736
"""What a card is brought to (85.60 x 53.98 mm, ISO/IEC 7810): the shorter side is what the finder of text works at, so
that it scales nothing again."""
_LEAST_WIDTH_PX = 400
"""Under 5 pixels a millimetre the small print of a card has letters of 8 pixels."""
_DARK = 36
"""Grey value of the paper (95th percentile of the card) below which noise is as strong as ink."""
_BURNT = 252
_MOST_BURNT, _MOST_SHINY = 0.65, 0.025
_LEAST_EDGE = 0.055
"""Steepest edges of the card, from pixel to pixel, as a share of its whole contrast. Print in focus has 0.3, blurred
by a standard deviation of 1.5 pixels 0.2, of 4 pixels 0.05 to 0.08, which is hard to read for people too."""


class NoPhoto(ValueError):
    """These bytes are no picture; the text says why and quotes nothing of them."""


@dataclass(frozen=True, slots=True)
class Flat:
    """The card laid flat."""

    pixels: Pixels
    to_photo: Pixels
    """3 x 3: where in the photo a pixel of the flat card was (homogeneous coordinates)."""
    is_found: bool
    """Whether the card's edges were seen; if not, it is the whole photo."""


def opened(picture: bytes) -> Pixels:
    """A JPEG, PNG or WebP, turned the way its camera says it was held. Raises NoPhoto."""
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise NoPhoto(f"the photo has more than {MOST_PIXELS // 10**6} megapixels")
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError:
        raise NoPhoto("neither a JPEG, a PNG nor a WebP picture") from None
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise NoPhoto(f"a damaged picture ({type(error).__name__})") from None
    if min(upright.size) < 32:
        raise NoPhoto("a picture of less than 32 pixels")
    return np.ascontiguousarray(np.asarray(upright)[:, :, ::-1])


def laid_flat(photo: Pixels) -> Flat:
    """The card cut out and its perspective taken out; the whole photo where no card's edges are seen."""
    tall, wide = photo.shape[:2]
    corners = _card_corners(photo)
    is_found = corners is not None
    if corners is None:
        corners = np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], np.float32)
        scale = CARD_HEIGHT / min(wide, tall)
        size = (min(round(wide * scale), 4 * CARD_WIDTH), min(round(tall * scale), 4 * CARD_WIDTH))
    else:
        size = (CARD_WIDTH, CARD_HEIGHT)
    target = np.array([[0, 0], [size[0], 0], [size[0], size[1]], [0, size[1]]], np.float32)
    to_flat = cv2.getPerspectiveTransform(corners, target)
    flat = cv2.warpPerspective(photo, to_flat, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return Flat(flat, np.linalg.inv(to_flat), is_found)


def trouble(photo: Pixels, flat: Flat) -> PhotoTrouble | None:
    """Why this photo is not worth reading, or None."""
    grey = cv2.cvtColor(flat.pixels, cv2.COLOR_BGR2GRAY)
    paper, ink = float(np.percentile(grey, 95)), float(np.percentile(grey, 1))
    if paper < _DARK:
        return PhotoTrouble.TOO_DARK
    if _card_width_px(photo, flat) < _LEAST_WIDTH_PX:
        return PhotoTrouble.TOO_SMALL
    burnt = (grey >= _BURNT).astype(np.uint8)
    if burnt.mean() > _MOST_BURNT and paper - ink < 60:
        return PhotoTrouble.TOO_BRIGHT
    if float(np.median(grey)) < 240 and _largest_blob(burnt) > _MOST_SHINY * grey.size:
        return PhotoTrouble.TOO_SHINY
    return PhotoTrouble.BLURRED if _edge(grey, paper - ink) < _LEAST_EDGE else None


def evened(pixels: Pixels) -> Pixels:
    """The whole range of grey used, noise of a dark photo smoothed."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    low, high = float(np.percentile(grey, 0.5)), float(np.percentile(grey, 99))
    if low < 40 and high > 190:
        return pixels
    gain = 235 / max(high - low, 12.0)
    stretched = np.clip((pixels.astype(np.float32) - low) * gain + 10, 0, 255).astype(np.uint8)
    smooth: Pixels = cv2.bilateralFilter(stretched, 5, 40, 3) if gain > 2 else stretched
    return smooth


def _edge(grey: Pixels, contrast: float) -> float:
    steps = np.abs(cv2.Sobel(cv2.GaussianBlur(grey, (3, 3), 0), cv2.CV_32F, 1, 0, ksize=3)) / 8
    margin = steps.shape[1] // 30  # the card's own edges are as sharp as the table behind it makes them
    inner = steps[margin:-margin, margin:-margin]
    return float(np.percentile(inner, 99.5)) / max(contrast, 10.0)


def _largest_blob(mask: Pixels) -> int:
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    return int(stats[1:, cv2.CC_STAT_AREA].max()) if count > 1 else 0


def _card_width_px(photo: Pixels, flat: Flat) -> float:
    if not flat.is_found:
        return float(max(photo.shape[:2]))
    tall, wide = flat.pixels.shape[:2]
    ends = cv2.perspectiveTransform(np.array([[[0, tall / 2], [wide, tall / 2]]], np.float32), flat.to_photo)[0]
    return float(np.linalg.norm(ends[1] - ends[0]))


def _card_corners(photo: Pixels) -> Pixels | None:
    """Corners of the card, top left first as it lies, its longer side on top; None: no such shape is seen."""
    shrink = 640 / max(photo.shape[:2])
    small = cv2.resize(photo, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    best: Pixels | None = None
    for channel in (cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.cvtColor(small, cv2.COLOR_BGR2HSV)[:, :, 1]):
        smooth = cv2.GaussianBlur(channel, (5, 5), 0)
        _, split = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        lightness = cv2.Canny(smooth, 20, 60)
        for mask in (split, 255 - split, cv2.dilate(lightness, np.ones((3, 3), np.uint8))):
            found = _card_shape(mask)
            if found is not None and (best is None or cv2.contourArea(found) > cv2.contourArea(best)):
                best = found
    return None if best is None else _in_order(best / np.float32(shrink))


def _card_shape(mask: Pixels) -> Pixels | None:
    """The largest shape with four corners and the proportions of a card, seen at up to 40 degrees."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    area = mask.shape[0] * mask.shape[1]
    for outline in sorted(outlines, key=cv2.contourArea, reverse=True)[:3]:
        hull = cv2.convexHull(outline)
        size = cv2.contourArea(hull)
        if not 0.12 * area < size < 0.97 * area:
            continue
        shape = cv2.approxPolyDP(hull, 0.02 * cv2.arcLength(hull, True), True)
        if len(shape) != 4 or cv2.contourArea(shape) < 0.94 * size:
            continue
        corners = shape[:, 0, :].astype(np.float32)
        if _is_card_like(corners) and not _touches_edge(corners, mask.shape):
            return corners
    return None


def _is_card_like(corners: Pixels) -> bool:
    sides = [float(np.linalg.norm(corners[i] - corners[(i + 1) % 4])) for i in range(4)]
    a, b = (sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2
    ratio = max(a, b) / max(min(a, b), 1.0)
    # 1.586 straight on. A card whose upper third is dark must not be taken for its lower two.
    return 1.3 < ratio < 1.8


def _touches_edge(corners: Pixels, shape: tuple[int, ...]) -> bool:
    """A card cut off by the frame: its true corners are outside."""
    limits = np.array([shape[1] - 1, shape[0] - 1])
    return bool(((corners < 2) | (corners > limits - 2)).any(axis=1).sum() >= 2)


def _in_order(corners: Pixels) -> Pixels:
    middle = corners.mean(axis=0)
    around = sorted(corners, key=lambda p: math.atan2(p[1] - middle[1], p[0] - middle[0]))
    first = min(range(4), key=lambda i: float(around[i].sum()))
    ring = np.array([around[(first + i) % 4] for i in range(4)], np.float32)
    if np.linalg.norm(ring[1] - ring[0]) < np.linalg.norm(ring[2] - ring[1]):
        ring = np.roll(ring, 1, axis=0)
    return ring
