"""Ways of looking at a frame, cheapest first: the rungs of the ladder as pictures for the decoders.

A view carries the way back to the frame, so that a code's place is known whatever was done to see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.codes.picture import Grey
from drivers.codes.reading import Quad
from drivers.codes.regions import SMALLEST_PX, Region, bar_angle, card_quad, code_quad, noise_of, regions_of
from drivers.codes.restore import evened, filtered, quietened, unblurring

_Matrix = NDArray[Any]
LINEAR_COHERENCE = 0.5
"""Bars of a one-dimensional code have 0.65 and more, PDF417 0.25 to 0.55, matrix codes under 0.15."""
STACKED_COHERENCE = 0.15
_LARGEST_PX = 2000
"""Longest side of what the rungs are made of: they need a few times its memory."""
_QUIET_PX = 24
_LINE_ROWS = 24


@dataclass(frozen=True, slots=True)
class View:
    """A picture made of a frame, or of a part."""

    how: str
    picture: Grey
    to_frame: _Matrix
    """Homography from the pixels of ``picture`` to those of the frame."""
    is_turned: bool = False
    """Codes can stand any way in it; else the bars are upright."""
    is_line: bool = False
    """One line of a one-dimensional code, repeated: cheap, and worth asking every decoder."""
    is_downscaled: bool = False
    other: Grey | None = None
    """What the second decoder shall look at instead: other rows of the same bars."""

    def place(self, quad: Quad) -> Quad:
        """Where a code of this view is in the frame."""
        points = cv2.perspectiveTransform(np.array([quad], np.float64), self.to_frame)[0]
        limited = np.nan_to_num(points, posinf=1e6, neginf=-1e6).clip(-1e6, 1e6)
        a, b, c, d = ((round(float(x)), round(float(y))) for x, y in limited)
        return a, b, c, d


@dataclass(frozen=True, slots=True)
class _Spot:
    """A region as the later rungs need it."""

    cut: View
    angle_deg: float
    coherence: float


def views_of(frame: Grey) -> Iterator[View]:
    """Every rung of the ladder, made as it is asked for."""
    whole = View("frame", frame, np.eye(3), is_turned=True, is_downscaled=True)
    if min(frame.shape) < SMALLEST_PX:
        yield whole
        return
    shrunk = _LARGEST_PX / max(frame.shape)
    if shrunk >= 1:
        yield from _ladder(frame)
        return
    # A photograph: codes in it are large, or small and sharp.
    yield whole
    grow = np.diag([1 / shrunk, 1 / shrunk, 1])
    small = cv2.resize(frame, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA)
    if min(small.shape) >= SMALLEST_PX:
        yield from (replace(view, to_frame=grow @ view.to_frame) for view in _ladder(np.asarray(small)))


def _ladder(frame: Grey) -> Iterator[View]:
    noise = noise_of(frame)
    regions = regions_of(frame)
    spots = []
    for region in regions:
        cut = _cut(frame, region, noise)
        yield cut
        spots.append(_Spot(cut, *bar_angle(cut.picture)))
    for spot in spots:
        yield from _straightened(spot)
    if noise >= 1.5:
        yield View("calmed frame", evened(quietened(frame, noise)), np.eye(3), is_turned=True)
    else:
        yield View("frame", frame, np.eye(3), is_turned=True, is_downscaled=True)
    for spot in spots:
        yield from _sharpened(spot)
    corners = card_quad(frame)
    if corners is not None:
        yield _flattened("card", frame, corners, 1.25)


def _cut(frame: Grey, region: Region, noise: float) -> View:
    shift = np.array([[1.0, 0, region.left], [0, 1, region.top], [0, 0, 1]])
    return View("region", evened(quietened(region.cut(frame), noise)), shift, is_turned=True)


def _straightened(spot: _Spot) -> Iterator[View]:
    """Bars upright; for PDF417 the whole code flat, since its rows are followed from left to right."""
    if spot.coherence < STACKED_COHERENCE:
        return
    if spot.coherence >= LINEAR_COHERENCE:
        yield from _lines(_upright(spot), (0.0,))
        yield replace(_upright(spot), how="upright")
        return
    flat = _flat(spot)
    if flat is not None:
        yield flat
    yield replace(_upright(spot), how="upright")


def _sharpened(spot: _Spot) -> Iterator[View]:
    """Focus and motion undone, with each of a few point spreads."""
    if spot.coherence >= LINEAR_COHERENCE:
        yield from _lines(_upright(spot), (3.0, 5.0, 7.0, 9.0, 4.0, 6.0, 8.0))
        return
    source = (_flat(spot) or _upright(spot)) if spot.coherence >= STACKED_COHERENCE else _doubled(spot.cut)
    scale = 1.5 if spot.coherence >= STACKED_COHERENCE else 2.0
    for kind, px, angle in _SPREADS:
        kernel = unblurring(kind, px * scale, angle)
        yield replace(source, how=f"unblurred {kind}", picture=filtered(source.picture, kernel))


_SPREADS = (
    ("focus", 2.0, 0.0),
    ("focus", 3.2, 0.0),
    ("motion", 6.0, 0.0),
    ("motion", 6.0, 90.0),
    ("motion", 6.0, 45.0),
    ("motion", 6.0, 135.0),
    ("motion", 8.0, 0.0),
    ("motion", 8.0, 90.0),
)


def _doubled(view: View) -> View:
    """Twice as large: a decoder's grid finds small and soft modules more easily."""
    picture = cv2.resize(view.picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    return replace(view, picture=np.asarray(picture), to_frame=view.to_frame @ half)


def _upright(spot: _Spot) -> View:
    """The region turned until its bars stand upright."""
    height, width = spot.cut.picture.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), spot.angle_deg, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = (round(width * cos + height * sin), round(width * sin + height * cos))
    turn[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    picture = cv2.warpAffine(spot.cut.picture, turn, size, flags=cv2.INTER_LINEAR, borderValue=255)
    back = np.linalg.inv(np.vstack([turn, [0, 0, 1]]))
    return View("upright", np.asarray(picture), spot.cut.to_frame @ back)


def _flat(spot: _Spot) -> View | None:
    """The code's own four corners made a rectangle; None: it has no four corners that can be seen."""
    corners = code_quad(spot.cut.picture)
    if corners is None:
        return None
    flat = _flattened("flat", spot.cut.picture, corners, 1.5)
    return replace(flat, to_frame=spot.cut.to_frame @ flat.to_frame)


def _flattened(how: str, grey: Grey, corners: NDArray[Any], scale: float) -> View:
    """A quadrilateral seen from straight above, ``scale`` times as large, with room for a quiet zone."""
    sides = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
    width, height = (round(float(max(sides[at], sides[at + 2])) * scale) for at in (0, 1))
    room = _QUIET_PX
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) + room
    there = cv2.getPerspectiveTransform(corners, target)
    size = (width + 2 * room, height + 2 * room)
    picture = cv2.warpPerspective(grey, there, size, flags=cv2.INTER_LINEAR, borderValue=255)
    return View(how, np.asarray(picture), np.linalg.inv(there), is_turned=True)


def _lines(upright: View, widths: tuple[float, ...]) -> Iterator[View]:
    """The bars' rows averaged to two lines, upper and lower half, three times as wide; each unblurred by ``widths``.

    Hundreds of rows say the same: their mean has a tenth of the noise, so that it bears more sharpening than a picture
    does. Each half is another reading: one decoder gets the upper, the other the lower.
    """
    rows = _rows_with_bars(upright.picture)
    if rows is None:
        return
    first, last = rows
    middle = (first + last) // 2
    halves = [upright.picture[a:b].mean(0, dtype=np.float32)[None] for a, b in ((first, middle), (middle, last))]
    back = upright.to_frame @ np.array([[1 / 3, 0, 0], [0, (last - first) / _LINE_ROWS, first], [0, 0, 1]])
    for width in widths:
        sharp = halves
        if width:
            kernel = unblurring("across", width, 0.0, 0.004)
            sharp = [cv2.filter2D(half, -1, kernel, borderType=cv2.BORDER_REPLICATE) for half in halves]
        upper, lower = (_line_picture(half) for half in sharp)
        how = "line unblurred" if width else "line"
        yield View(how, upper, back, is_line=True, other=lower)
        yield View(how, lower, back, is_line=True, other=upper)


def _line_picture(line: NDArray[Any]) -> Grey:
    low, high = (float(value) for value in np.percentile(line, (4, 96)))
    stretched = ((line - low) * (255 / max(high - low, 1.0))).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(stretched, (line.shape[1] * 3, _LINE_ROWS), interpolation=cv2.INTER_CUBIC))


def _rows_with_bars(picture: Grey) -> tuple[int, int] | None:
    """First and last row of the bars; None: too few."""
    busy = cv2.absdiff(picture[:, 2:], picture[:, :-2]).mean(1, dtype=np.float32)
    busy = cv2.blur(busy[:, None], (1, 5))[:, 0]
    at = int(busy.argmax())
    enough = busy > 0.6 * busy[at]
    first = at - int(np.argmin(enough[at::-1])) if not enough[: at + 1].all() else 0
    last = at + int(np.argmin(enough[at:])) if not enough[at:].all() else len(enough) - 1
    trim = (last - first) // 8
    return (first + trim, last - trim) if last - first >= 12 else None
