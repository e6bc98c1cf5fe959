"""From pictures to codes: what is new in each picture, and what the person should do. Pure but for the decoder's clock.

Most pictures show nothing and cost a millisecond. A code is looked for while something is held still, with the whole
ladder of ``drivers.codes`` when it looks like a card and briefly when not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from drivers.camera.guidance import Steady, is_covered, judged
from drivers.camera.presentation import Presentations
from drivers.camera.quad import (
    CARD_ASPECTS,
    SMALL_WIDTH,
    Corners,
    Picture,
    aspect,
    find_card,
    rectified,
    small_copy,
)
from drivers.camera.trigger import Scene, Trigger
from drivers.codes import Reading
from kioskd.ports import Guidance

IDLE_PAUSE_S = 0.2
ALERT_PAUSE_S = 0.06
SHOWN_PAUSE_S = 0.1
CARD_WITHIN_S = 0.25
OTHER_WITHIN_S = 0.05
PATIENT_LOOKS = 25
"""So many looks in a row, ``QUICK_S`` apart; then ``SLOW_S``, until something moves."""
QUICK_S = 0.1
SLOW_S = 0.5
BEST_WITHIN_S = 0.4
"""The sharpest picture of so many seconds is the photo."""
PHOTO_JPEG_QUALITY = 95

ReadCodes = Callable[[Picture, float], Sequence[Reading]]
"""(grey picture, seconds) -> the codes in it that may be believed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one picture gave."""

    scene: Scene
    guidance: Guidance
    codes: tuple[tuple[str, bytes], ...] = field(repr=False, default=())
    """Symbology and data of what was not held up before."""
    photo: bytes = field(repr=False, default=b"")
    """A JPEG file of ``CARD_SIZE``, when one was wished for and a good one was there."""
    is_dark: bool = False
    pause_s: float = IDLE_PAUSE_S
    """How long the next picture may wait."""


class Watcher:
    """Fed with the pictures of one camera in order; ``at_s`` is when each was taken, on any steady clock."""

    def __init__(self, read: ReadCodes) -> None:
        self._read = read
        self._trigger = Trigger()
        self._presentations = Presentations()
        self._steady = Steady()
        self._photo = _BestPhoto()
        self._next_look_s = float("-inf")
        self._looks = 0

    def see(
        self, picture: Picture, at_s: float, *, is_reading: bool, is_shown: bool = False, wants_photo: bool = False
    ) -> Seen:
        """``is_reading``: codes are wanted; ``is_shown``: somebody looks at the guidance."""
        grey = grey_copy(picture)
        small = small_copy(grey)
        scene = self._trigger.see(small, at_s)
        codes: list[tuple[str, bytes]] = []
        corners = None
        if scene is not Scene.IDLE and (is_reading or is_shown or wants_photo):
            corners = self._held_up(small)
        if is_reading:
            codes = self._codes(grey, scene, corners is not None, at_s)
        elif scene is Scene.MOVING:
            # Whatever was held up when nobody asked counts as new when somebody does.
            self._presentations.forget()
        word, sharpness = judged(grey, small, corners)
        if wants_photo:
            is_good = scene is Scene.STILL and word is Guidance.GOOD
            self._photo.see(picture, corners if is_good else None, sharpness, at_s)
        photo = self._photo.taken(at_s) if wants_photo else self._photo.forget()
        is_asleep = scene is Scene.IDLE or not (is_reading or is_shown or wants_photo)
        pause_s = IDLE_PAUSE_S if is_asleep else ALERT_PAUSE_S
        return Seen(
            scene,
            self._steady.see(word, at_s),
            tuple(codes),
            photo,
            is_covered(small),
            min(pause_s, SHOWN_PAUSE_S) if is_shown else pause_s,
        )

    def _held_up(self, small: Picture) -> Corners | None:
        corners = find_card(small)
        return corners if corners is not None and self._trigger.is_foreign(small, corners) else None

    def _codes(self, grey: Picture, scene: Scene, is_card: bool, at_s: float) -> list[tuple[str, bytes]]:
        if scene is not Scene.STILL:
            self._looks = 0
            return []
        if at_s < self._next_look_s:
            return []
        is_slow = self._looks >= PATIENT_LOOKS or self._presentations.is_any
        self._next_look_s = at_s + (SLOW_S if is_slow else QUICK_S)
        self._looks += 1
        readings = self._read(grey, CARD_WITHIN_S if is_card else OTHER_WITHIN_S)
        return self._presentations.new([(reading.symbology, reading.data) for reading in readings], at_s)


class _BestPhoto:
    """The sharpest of the good pictures of a card."""

    def __init__(self) -> None:
        self._best: tuple[float, Picture] | None = None
        self._since_s = 0.0

    def see(self, picture: Picture, corners: Corners | None, sharpness: float, at_s: float) -> None:
        if corners is None or not CARD_ASPECTS[0] <= aspect(corners) <= CARD_ASPECTS[1]:
            return
        if self._best is None:
            self._since_s = at_s
        if self._best is None or sharpness > self._best[0]:
            self._best = sharpness, _cut_out(picture, corners)

    def taken(self, at_s: float) -> bytes:
        if self._best is None or at_s - self._since_s < BEST_WITHIN_S:
            return b""
        _, card = self._best
        self._best = None
        return jpeg_of(card, PHOTO_JPEG_QUALITY)

    def forget(self) -> bytes:
        self._best = None
        return b""


def grey_copy(picture: Picture) -> Picture:
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def jpeg_of(picture: Picture, quality: int) -> bytes:
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def _cut_out(picture: Picture, corners: Corners) -> Picture:
    """The card rectified, by corners that were found again at twice the size of the small copy."""
    finer = np.asarray(cv2.resize(grey_copy(picture), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    again = find_card(finer)
    roughly = corners * (picture.shape[1] / SMALL_WIDTH)
    exactly = None if again is None else again * 2.0
    is_same = exactly is not None and float(np.abs(exactly - roughly).max()) < 0.03 * picture.shape[1]
    return rectified(picture, np.asarray(exactly if is_same else roughly, np.float32))
