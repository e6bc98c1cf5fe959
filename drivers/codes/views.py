"""Ways of looking at a frame, cheapest first: the rungs of the ladder as pictures for the decoders.

A view carries the way back to the frame, so that a code's place is known whatever was done to see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.codes.picture import Grey
from drivers.codes.reading import LINEAR, Quad, Symbology
from drivers.codes.regions import SMALLEST_PX, Region, bar_angle, card_quad, code_quad, noise_of, regions_of
from drivers.codes.restore import evened, evened_line, filtered, quietened, unblurring, unblurring_line

_Matrix = NDArray[Any]
SURELY_LINEAR_COHERENCE = 0.7
LINEAR_COHERENCE = 0.4
"""Bars of a one-dimensional code have 0.5 to 0.9, PDF417 0.2 to 0.65, matrix codes under 0.15."""
STACKED_COHERENCE = 0.12
STACKED = frozenset({Symbology.PDF417})
BARRED = LINEAR | STACKED
_LARGEST_PX = 2000
"""Longest side of what the rungs are made of: they need a few times its memory."""
_NOISY = 1.5
"""Standard deviation of grey values from which noise matters."""
_QUIET_PX = 20
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
    kinds: frozenset[Symbology] = frozenset(Symbology)
    """What can be seen in it at all."""
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

    region: Region
    cut: View
    raw: View
    """The same as the camera saw it: blur can be undone in that only."""
    angle_deg: float
    coherence: float
    noise: float
    is_joined: bool = False


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
    spots = []
    for region in regions_of(frame):
        spot = _spot(frame, region, noise)
        spots.append(spot)
        if spot.coherence >= LINEAR_COHERENCE:
            yield from _lines(spot, (_AS_IT_IS,))
        yield spot.cut if spot.coherence < STACKED_COHERENCE else replace(spot.cut, kinds=BARRED)
    spots += [replace(_spot(frame, both, noise), is_joined=True) for both in _split_codes(spots)]
    for spot in spots:
        yield from _straightened(spot)
    if noise >= _NOISY:
        yield View("calmed frame", evened(quietened(frame, noise)), np.eye(3), is_turned=True)
    else:
        yield View("frame", frame, np.eye(3), is_turned=True, is_downscaled=True)
    for spot in spots:
        yield from _sharpened(spot)
    corners = card_quad(frame)
    if corners is not None:
        yield _flattened("card", frame, corners, 1.25)


def _spot(frame: Grey, region: Region, noise: float) -> _Spot:
    shift = np.array([[1.0, 0, region.left], [0, 1, region.top], [0, 0, 1]])
    raw = View("raw", region.cut(frame), shift)
    cut = View("region", evened(quietened(raw.picture, noise)), shift, is_turned=True)
    return _Spot(region, cut, raw, *bar_angle(cut.picture), noise)


def _split_codes(spots: list[_Spot]) -> Iterator[Region]:
    """Codes that a glare parted: two regions whose bars stand alike, as one."""
    barred = [spot for spot in spots if spot.coherence >= STACKED_COHERENCE]
    for one, other in combinations(barred, 2):
        apart = abs(one.angle_deg - other.angle_deg)
        if min(apart, 180 - apart) < 4:
            yield one.region.joined(other.region)


def _straightened(spot: _Spot) -> Iterator[View]:
    """Bars upright; for PDF417 the whole code flat, since its rows are followed from left to right."""
    if spot.coherence < STACKED_COHERENCE:
        return
    if spot.is_joined and spot.coherence >= LINEAR_COHERENCE:
        yield from _lines(spot, (_AS_IT_IS,))
    if spot.coherence < SURELY_LINEAR_COHERENCE:
        yield from _flat(spot)
    yield _upright(spot, spot.cut)


def _sharpened(spot: _Spot) -> Iterator[View]:
    """Focus and motion undone, with each of a few point spreads."""
    if spot.coherence >= LINEAR_COHERENCE:
        yield from _lines(spot, _LINE_SPREADS)
    if spot.coherence >= SURELY_LINEAR_COHERENCE:
        return
    if spot.coherence >= STACKED_COHERENCE:
        yield from _flat_unblurred(spot)
        return
    source = _doubled(spot.cut)
    for kind, px, angle in _SPREADS:
        picture = filtered(source.picture, unblurring(kind, px * 2, angle))
        yield replace(source, how=f"unblurred {kind}", picture=picture)


_SPREADS = (
    ("focus", 2.0, 0.0),
    ("focus", 3.0, 0.0),
    ("motion", 6.0, 0.0),
    ("motion", 6.0, 90.0),
    ("motion", 6.0, 45.0),
    ("motion", 6.0, 135.0),
)
_Spread = tuple[str, float, float]
_AS_IT_IS: _Spread = ("", 0.0, 0.0)
# Kind, pixels, noise to signal: in the order in which each reads most of what those before it did not.
_LINE_SPREADS: tuple[_Spread, ...] = (
    ("focus", 3.0, 0.02),
    ("focus", 3.5, 0.003),
    ("motion", 3.0, 0.02),
    ("motion", 7.0, 0.02),
    ("focus", 4.0, 0.003),
    ("motion", 4.0, 0.003),
    ("focus", 2.5, 0.02),
    ("motion", 4.0, 0.0005),
)


def _doubled(view: View) -> View:
    """Twice as large: a decoder's grid finds small and soft modules more easily."""
    picture = cv2.resize(view.picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    return replace(view, picture=np.asarray(picture), to_frame=view.to_frame @ half)


def _upright(spot: _Spot, view: View) -> View:
    """A view of the region turned until its bars stand upright."""
    height, width = view.picture.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), spot.angle_deg, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = (round(width * cos + height * sin), round(width * sin + height * cos))
    turn[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    picture = cv2.warpAffine(view.picture, turn, size, flags=cv2.INTER_LINEAR, borderValue=255)
    back = np.linalg.inv(np.vstack([turn, [0, 0, 1]]))
    return View("upright", np.asarray(picture), view.to_frame @ back, kinds=BARRED)


def _flat(spot: _Spot) -> Iterator[View]:
    """The code's own four corners made a rectangle, twice: seen flatter, they are seen more exactly.

    Along the rows of PDF417 nothing may be lost; down, its modules are three times as tall, and noise is taken there.
    """
    corners = code_quad(spot.cut.picture)
    if corners is None:
        return
    flat = _seen_flat(spot, corners)
    yield flat
    if (again := code_quad(flat.picture)) is not None:
        yield _seen_flat(
            spot, cv2.perspectiveTransform(again[None], np.linalg.inv(spot.raw.to_frame) @ flat.to_frame)[0]
        )


def _seen_flat(spot: _Spot, corners: NDArray[Any]) -> View:
    flat = _flattened("flat", spot.raw.picture, corners, 1.5)
    picture: NDArray[Any] = flat.picture
    if spot.noise >= _NOISY:
        picture = cv2.GaussianBlur(cv2.blur(picture, (1, 7)), (0, 0), sigmaX=1.2, sigmaY=0.3)
    back = spot.raw.to_frame @ flat.to_frame
    return replace(flat, picture=evened(np.asarray(picture)), to_frame=back, kinds=STACKED)


def _flat_unblurred(spot: _Spot) -> Iterator[View]:
    corners = code_quad(spot.cut.picture)
    if corners is None:
        return
    flat = _flattened("flat unblurred", spot.raw.picture, corners, 2.0)
    back = spot.raw.to_frame @ flat.to_frame
    for kind, px, angle in (("focus", 2.5, 0.0), ("motion", 6.0, 90.0)):
        sharp = cv2.blur(filtered(flat.picture, unblurring(kind, px * 2, angle)), (1, 7))
        yield replace(flat, picture=evened(np.asarray(sharp)), to_frame=back, kinds=STACKED)


def _flattened(how: str, grey: Grey, corners: NDArray[Any], scale: float) -> View:
    """A quadrilateral seen from straight above, ``scale`` times as large, with room for a quiet zone."""
    sides = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
    width, height = (round(float(max(sides[at], sides[at + 2])) * scale) for at in (0, 1))
    room = _QUIET_PX + max(width, height) // 16
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) + room
    there = cv2.getPerspectiveTransform(corners, target)
    size = (width + 2 * room, height + 2 * room)
    picture = cv2.warpPerspective(grey, there, size, flags=cv2.INTER_LINEAR, borderValue=255)
    return View(how, np.asarray(picture), np.linalg.inv(there), is_turned=True)


def _lines(spot: _Spot, spreads: tuple[_Spread, ...]) -> Iterator[View]:
    """The bars' rows averaged to two lines, upper and lower half, three times as wide; each unblurred by ``spreads``.

    Hundreds of rows say the same: their mean has a tenth of the noise, so that it bears more sharpening than a picture
    does. Each half is another reading: one decoder gets the one, the second the other, in black and white, since zbar
    judges by slopes and they ring.
    """
    rows = _rows_with_bars(_upright(spot, spot.cut).picture)
    if rows is None:
        return
    first, last = rows
    upright = _upright(spot, spot.raw)
    middle = (first + last) // 2
    halves = [upright.picture[a:b].mean(0, dtype=np.float32)[None] for a, b in ((first, middle), (middle, last))]
    back = upright.to_frame @ np.array([[1 / 3, 0, 0], [0, (last - first) / _LINE_ROWS, first], [0, 0, 1]])
    for kind, px, noise_to_signal in spreads:
        sharp = halves
        if kind:
            kernel = unblurring_line(kind, px, noise_to_signal)
            sharp = [cv2.filter2D(half, -1, kernel, borderType=cv2.BORDER_REPLICATE) for half in halves]
        upper, lower = (_line_picture(half) for half in sharp)
        how = "line unblurred" if kind else "line"
        yield View(how, upper, back, kinds=LINEAR, is_line=True, other=_black_and_white(lower))
        yield View(how, lower, back, kinds=LINEAR, is_line=True, other=_black_and_white(upper))


def _line_picture(line: NDArray[Any]) -> Grey:
    size = (line.shape[1] * 3, _LINE_ROWS)
    return np.asarray(cv2.resize(evened_line(line), size, interpolation=cv2.INTER_CUBIC))


def _black_and_white(picture: Grey) -> Grey:
    return np.asarray(np.where(picture > 127, 255, 0), np.uint8)


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
