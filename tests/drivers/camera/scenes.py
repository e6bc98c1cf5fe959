"""What a camera sees: a card on a grey desk, held in every way. 1280 x 720 unless said otherwise."""

from __future__ import annotations

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 1280, 720
CARD = (1012, 638)


def code(data: bytes, kind: zxingcpp.BarcodeFormat = zxingcpp.BarcodeFormat.QRCode, scale: int = 8) -> Picture:
    return np.array(zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(data, kind), scale=scale), np.uint8)


def card(data: bytes = b"") -> Picture:
    """A light card with lines of print, and a QR code if there are data."""
    picture = np.full((CARD[1], CARD[0]), 215, np.uint8)
    for line in range(6):
        where = (40, 110 + 95 * line)
        cv2.putText(picture, f"MEMBER {line} 80756 1970", where, cv2.FONT_HERSHEY_SIMPLEX, 1.1, 40, 3)
    if data:
        square = np.minimum(code(data), 215)
        picture[60 : 60 + square.shape[0], 960 - square.shape[1] : 960] = square
    return picture


_GRAIN = np.random.default_rng(0).normal(90, 3, (HEIGHT + 64, WIDTH + 64)).astype(np.uint8)


def desk(seed: int = 0) -> Picture:
    down, right = seed * 11 % 64, seed * 7 % 64
    return _GRAIN[down : down + HEIGHT, right : right + WIDTH].copy()


def held(
    what: Picture,
    width_px: float = 760,
    centre: tuple[float, float] = (640, 360),
    angle_deg: float = 0,
    lean: float = 0,
    seed: int = 0,
) -> Picture:
    """``what`` in front of the desk; ``lean``: share by which its upper edge is shorter than the lower one."""
    scale = width_px / what.shape[1]
    half = np.array([what.shape[1], what.shape[0]]) * scale / 2
    corners = np.array([[-1 + lean, -1], [1 - lean, -1], [1, 1], [-1, 1]]) * half
    turn = np.deg2rad(angle_deg)
    turned = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + centre
    height, width = what.shape[:2]
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, turned.astype(np.float32))
    view = desk(seed=seed)
    size = (WIDTH, HEIGHT)
    laid = cv2.warpPerspective(what, matrix, size, flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full_like(what, 255), matrix, size)
    return np.where(mask > 127, laid, view).astype(np.uint8)


def with_glare(view: Picture, centre: tuple[int, int] = (640, 360), radius: int = 90) -> Picture:
    shine = np.zeros(view.shape, np.float32)
    cv2.circle(shine, centre, radius, 255, -1)
    return np.clip(view + cv2.GaussianBlur(shine, (0, 0), 12), 0, 255).astype(np.uint8)


def file_of(picture: Picture, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, picture)[1].tobytes()
