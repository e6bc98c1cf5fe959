"""Frames of a camera that never was: a card with a code, in each of the conditions that make reading hard.

For the benchmark, tests, and a simulated camera. Everything follows from a seed; the people on the cards are invented.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from drivers.codes.picture import Grey
from drivers.codes.reading import Symbology
from drivers.codes.restore import focus_kernel, motion_kernel

WIDTH, HEIGHT = 1280, 720
CARD_WIDTH, CARD_HEIGHT = 1050, 662
"""An ID-1 card (ISO/IEC 7810: 85.60 x 53.98 mm) that fills most of the frame's width; in pixels."""
_ALPHABET = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
_FORMATS = {
    Symbology.CODE_128: zxingcpp.BarcodeFormat.Code128,
    Symbology.CODE_39: zxingcpp.BarcodeFormat.Code39,
    Symbology.QR: zxingcpp.BarcodeFormat.QRCode,
    Symbology.DATA_MATRIX: zxingcpp.BarcodeFormat.DataMatrix,
    Symbology.AZTEC: zxingcpp.BarcodeFormat.Aztec,
    Symbology.PDF417: zxingcpp.BarcodeFormat.PDF417,
    Symbology.EAN: zxingcpp.BarcodeFormat.EAN13,
    Symbology.INTERLEAVED_2_OF_5: zxingcpp.BarcodeFormat.ITF,
}
_Random = np.random.Generator
_Float = NDArray[Any]
_Values = NDArray[Any]
_Corners = NDArray[Any]
"""Four points, in the order of ``Quad``."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame and what is in it."""

    frame: Grey
    symbology: Symbology
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _View:
    """How the card lies before the camera."""

    angle_deg: float
    scale: float = 1.0
    lean_px: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * 4
    """How far each corner of the card is off, from perspective."""


def content(symbology: Symbology, random: _Random) -> bytes:
    """What such a code holds in a clinic: a member number, a licence, the number of a letter."""
    if symbology is Symbology.EAN:
        digits = random.integers(0, 10, 12)
        check = -int(digits[0::2].sum() + 3 * digits[1::2].sum()) % 10
        return "".join(map(str, [*digits, check])).encode()
    if symbology is Symbology.INTERLEAVED_2_OF_5:
        return "".join(map(str, random.integers(0, 10, 10))).encode()
    if symbology is Symbology.PDF417:
        return _licence(random)
    sizes = {Symbology.QR: (40, 320), Symbology.DATA_MATRIX: (12, 40), Symbology.AZTEC: (12, 40)}
    return _letters(random, int(random.integers(*sizes.get(symbology, (8, 14)))))


def code_picture(symbology: Symbology, data: bytes) -> Grey:
    """The code alone, one pixel a module (one-dimensional: a row of modules), without quiet zone."""
    more: dict[str, Any] = {"columns": 12} if symbology is Symbology.PDF417 else {}
    said = data[:12] if symbology is Symbology.EAN else data
    code = zxingcpp.create_barcode(said, _FORMATS[symbology], **more)
    picture = np.array(zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=False), dtype=np.uint8)
    return picture[:1] if symbology.is_linear else picture


def sample(symbology: Symbology, condition: str, seed: int) -> Sample:
    """A frame of WIDTH x HEIGHT with one code on a card. ``condition`` is one of CONDITIONS."""
    return still_samples(symbology, condition, seed, count=1)[0]


def still_samples(symbology: Symbology, condition: str, seed: int, *, count: int) -> list[Sample]:
    """One card held as still as a hand can: frames that differ in noise, in motion, and by a pixel in place."""
    random = np.random.default_rng([seed, list(Symbology).index(symbology), list(CONDITIONS).index(condition)])
    data = content(symbology, random)
    view_of, spoil = CONDITIONS[condition]
    card, corners = _card(symbology, code_picture(symbology, data), random)
    view, table = view_of(random), random.uniform(40, 140, (6, 10)).astype(np.float32)
    samples = []
    for shake in np.vstack([[0, 0], random.normal(0, 1.5, (count - 1, 2))]):
        seen, place = _seen(card, corners, view, table, shake)
        # The lens stays out of focus as it is; a hand moves otherwise in every frame.
        lens = np.random.default_rng(seed) if condition == "focus blur" else random
        spoilt = spoil(seen, place, lens)
        samples.append(Sample(_compressed(spoilt + random.normal(0, 1.5, spoilt.shape)), symbology, data))
    return samples


def _compressed(values: _Values) -> Grey:
    """As a camera sends it: JPEG."""
    _, packed = cv2.imencode(".jpg", values.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


def _letters(random: _Random, count: int) -> bytes:
    return "".join(random.choice(_ALPHABET, count)).encode()


def _licence(random: _Random) -> bytes:
    """As much text as a driving licence of AAMVA's standard holds, with its control characters."""
    lines = [f"DAQ{_letters(random, 9).decode()}", f"DCS{_letters(random, 9).decode()}", "DDEN", "DACJANE", "DDFN"]
    lines += ["DADNONE", "DDGN", "DBD06062022", "DBB06061986", "DBA12102030", "DBC2", "DAU068 in", "DAYBRO"]
    lines += [f"DAG{_letters(random, 20).decode()}", "DAIRICHMOND", "DAJVA", "DAK232690000", "DCGUSA", "DDAF"]
    lines += [f"DCF{_letters(random, 22).decode()}", "DDB06062018"]
    return b"@\n\x1e\rANSI 636000100001DL00310200DL" + "\n".join(lines).encode() + b"\r"


def _module_px(symbology: Symbology, shape: tuple[int, ...], random: _Random) -> float:
    if symbology.is_linear:
        return float(random.uniform(2.6, 4.0))
    extent = {
        Symbology.PDF417: (600, 860),
        Symbology.QR: (230, 400),
        Symbology.DATA_MATRIX: (130, 230),
        Symbology.AZTEC: (130, 230),
    }[symbology]
    return float(random.uniform(*extent)) / shape[1]


def _card(symbology: Symbology, modules: Grey, random: _Random) -> tuple[Grey, _Corners]:
    """The card at twice its size: a body with lines of print, the code on a white field; and where the code is."""
    card = np.full((2 * CARD_HEIGHT, 2 * CARD_WIDTH), int(random.integers(190, 250)), np.uint8)
    ink = int(random.integers(0, 60))
    pitch = 2 * _module_px(symbology, modules.shape, random)
    width = round(modules.shape[1] * pitch)
    height = round(2 * random.uniform(60, 110)) if symbology.is_linear else round(modules.shape[0] * pitch)
    code = cv2.resize(modules, (width, height), interpolation=cv2.INTER_NEAREST)
    quiet = round(pitch * (10 if symbology.is_linear else 4))
    left = int(random.integers(quiet, max(quiet + 1, 2 * CARD_WIDTH - width - quiet)))
    top = int(random.integers(quiet, max(quiet + 1, 2 * CARD_HEIGHT - height - quiet)))
    for line in range(60, 2 * CARD_HEIGHT - 40, 110):
        text = _letters(random, int(random.integers(8, 22))).decode()
        cv2.putText(card, text, (80, line + 40), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 70, 3, cv2.LINE_AA)
    cv2.rectangle(card, (left - quiet, top - quiet), (left + width + quiet, top + height + quiet), 250, -1)
    card[top : top + height, left : left + width] = np.where(code > 127, 250, ink)
    right, bottom = left + width, top + height
    return card, np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _seen(card: Grey, code: _Corners, view: _View, table: _Float, shake: _Values) -> tuple[_Float, _Corners]:
    """The card from the camera and where the code is: on a table, turned, leant, the code within the frame.

    Anti-aliased by drawing at twice the size. ``shake`` in pixels of the frame.
    """
    size = np.array([2 * WIDTH, 2 * HEIGHT])
    turn = np.deg2rad(view.angle_deg)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * view.scale * _fit(view.angle_deg)
    half = np.array([CARD_WIDTH, CARD_HEIGHT], float)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    placed = corners @ axes.T + size / 2 + 2 * np.array(view.lean_px)
    warp = cv2.getPerspectiveTransform((corners + half).astype(np.float32), placed.astype(np.float32))
    place = cv2.perspectiveTransform(code[None], warp)[0]
    outside = np.clip(place, 60, size - 60) - place
    shift = np.where(np.abs(outside.min(0)) > outside.max(0), outside.min(0), outside.max(0)) + 2 * shake
    warp = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]]) @ warp
    whole = (2 * WIDTH, 2 * HEIGHT)
    seen = cv2.warpPerspective(card, warp, whole, flags=cv2.INTER_LINEAR, borderValue=0)
    mask = cv2.warpPerspective(np.full_like(card, 255), warp, whole, flags=cv2.INTER_LINEAR, borderValue=0) / 255.0
    both = (seen * mask + cv2.resize(table, whole) * (1 - mask)).astype(np.float32)
    small = cv2.resize(both, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32), ((place + shift) / 2).astype(np.float32)


def _fit(angle_deg: float) -> float:
    """How much smaller a turned card must be seen to stay in the frame; no smaller than 0.75."""
    turn = np.deg2rad(angle_deg)
    across = CARD_WIDTH * abs(np.cos(turn)) + CARD_HEIGHT * abs(np.sin(turn))
    down = CARD_WIDTH * abs(np.sin(turn)) + CARD_HEIGHT * abs(np.cos(turn))
    return float(max(0.75, min(1.0, 0.97 * WIDTH / across, 0.97 * HEIGHT / down)))


def _upright(random: _Random) -> _View:
    return _View(float(random.uniform(-3, 3)))


def _turned(random: _Random) -> _View:
    return _View(float(random.uniform(0, 360)))


def _leaning(random: _Random) -> _View:
    lean = random.uniform(-60, 60, (4, 2))
    return replace(_upright(random), scale=0.9, lean_px=tuple((float(x), float(y)) for x, y in lean))


def _as_is(seen: _Float, code: _Corners, random: _Random) -> _Float:
    return seen


def _moved(seen: _Float, code: _Corners, random: _Random) -> _Float:
    """Motion in a straight line during the exposure."""
    return cv2.filter2D(seen, -1, motion_kernel(float(random.uniform(4, 9)), float(random.uniform(0, 180))))


def _out_of_focus(seen: _Float, code: _Corners, random: _Random) -> _Float:
    return cv2.filter2D(seen, -1, focus_kernel(float(random.uniform(2.0, 3.8))))


def _dark(seen: _Float, code: _Corners, random: _Random) -> _Float:
    """A tenth to a fifth of the light, with the noise of so few photons and of a sensor at high gain."""
    dim = seen * random.uniform(0.10, 0.22)
    return dim + random.normal(0, 1, seen.shape).astype(np.float32) * np.sqrt(dim * 0.6 + 6)


def _noisy(seen: _Float, code: _Corners, random: _Random) -> _Float:
    return seen + random.normal(0, random.uniform(22, 38), seen.shape).astype(np.float32)


def _glaring(seen: _Float, code: _Corners, random: _Random) -> _Float:
    """A lamp mirrored in the card: a round spot that washes contrast out, and may be plain white in its middle."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    weights = random.dirichlet([1.0] * 4)
    centre = (code * weights[:, None]).sum(0)
    reach = random.uniform(40, 110)
    spot = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * reach**2))
    return np.asarray(np.minimum(seen * 0.85 + random.uniform(130, 240) * spot, 255), np.float32)


CONDITIONS: dict[str, tuple[Callable[[_Random], _View], Callable[[_Float, _Corners, _Random], _Float]]] = {
    "clean": (_upright, _as_is),
    "motion blur": (_upright, _moved),
    "focus blur": (_upright, _out_of_focus),
    "any rotation": (_turned, _as_is),
    "perspective": (_leaning, _as_is),
    "low light": (_upright, _dark),
    "noise": (_upright, _noisy),
    "glare": (_upright, _glaring),
}
