"""A drawn card as a kiosk's camera would see it: 1280 x 720, on a table, in one of seven conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 1280, 720
USUAL_PX = 900
"""How wide the card is in the photo; the smallest condition has 600."""
_Random = np.random.Generator
_Float = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class _View:
    angle_deg: float = 0.0
    width_px: float = USUAL_PX
    lean: float = 0.0
    """How far each corner is off at most, as a share of the card's width."""


def _unspoilt(seen: _Float, random: _Random) -> _Float:
    return seen


def _blurred(seen: _Float, random: _Random) -> _Float:
    return cv2.GaussianBlur(seen, (0, 0), float(random.uniform(1.0, 1.5))).astype(np.float32)


def _dark(seen: _Float, random: _Random) -> _Float:
    """A fifth to a third of the light, with the noise that comes with it."""
    dim = seen * random.uniform(0.2, 0.34)
    noisy: _Float = (dim + random.normal(0, 1, seen.shape) * np.sqrt(dim * 0.15 + 3)).astype(np.float32)
    return noisy


def _glaring(seen: _Float, random: _Random) -> _Float:
    """A lamp mirrored in the card: a spot that takes the contrast away, not all of it."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    at = random.uniform((350, 200), (930, 520))
    reach = random.uniform(60, 110)
    spot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * reach**2))[..., None]
    veil = random.uniform(0.5, 0.75) * spot
    veiled: _Float = (seen * 0.9 * (1 - veil) + 250 * veil).astype(np.float32)
    return veiled


def _noisy(seen: _Float, random: _Random) -> _Float:
    return (seen + random.normal(0, random.uniform(10, 18), seen.shape)).astype(np.float32)


CONDITIONS: dict[str, tuple[Callable[[_Random], _View], Callable[[_Float, _Random], _Float]]] = {
    "clean": (lambda random: _View(float(random.uniform(-2, 2))), _unspoilt),
    "blur": (lambda random: _View(float(random.uniform(-2, 2))), _blurred),
    "dark": (lambda random: _View(float(random.uniform(-2, 2))), _dark),
    "glare": (lambda random: _View(float(random.uniform(-2, 2))), _glaring),
    "tilt": (lambda random: _View(float(random.choice([-1, 1]) * random.uniform(7, 14)), 860), _unspoilt),
    "lean": (lambda random: _View(float(random.uniform(-3, 3)), 860, 0.06), _noisy),
    "small": (lambda random: _View(float(random.uniform(-2, 2)), 600), _unspoilt),
}


def photo(card: Image.Image, condition: str, seed: int) -> bytes:
    """A JPEG of WIDTH x HEIGHT with the card in it. ``condition`` is one of CONDITIONS."""
    random = np.random.default_rng([seed, list(CONDITIONS).index(condition)])
    view, spoil = CONDITIONS[condition]
    seen = spoil(_seen(np.asarray(card.convert("RGB"))[:, :, ::-1], view(random), random), random)
    noisy = seen + random.normal(0, 1.5, seen.shape)
    frame = np.clip(noisy, 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return packed.tobytes()


def _seen(card: np.ndarray[Any, Any], view: _View, random: _Random) -> _Float:
    """The card on a table, drawn at twice the size for smooth edges."""
    tall, wide = card.shape[:2]
    scale = 2 * view.width_px / wide
    turn = np.deg2rad(view.angle_deg)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array([wide, tall]) / 2
    placed = corners @ axes.T + np.array([WIDTH, HEIGHT]) + random.uniform(-30, 30, 2)
    placed += random.uniform(-1, 1, (4, 2)) * view.lean * view.width_px
    source = (corners + np.array([wide, tall]) / 2).astype(np.float32)
    warp = cv2.getPerspectiveTransform(source, placed.astype(np.float32))
    shape = (2 * WIDTH, 2 * HEIGHT)
    body = cv2.warpPerspective(card, warp, shape, flags=cv2.INTER_LINEAR).astype(np.float32)
    mask = cv2.warpPerspective(np.full((tall, wide, 1), 255, np.uint8), warp, shape)[..., None] / np.float32(255)
    table = cv2.resize(random.uniform(40, 120, (5, 8, 3)).astype(np.float32), shape)
    return cv2.resize(body * mask + table * (1 - mask), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(
        np.float32
    )
