"""When to look closely: something came into the picture and is held still. Cheap and pure.

Successive small copies are compared. What moves arms the trigger; what is then still, or goes on moving for so long
that waiting for stillness is no use (not every hand is steady), is looked at; ``ARMED_S`` after the last movement the
picture is as uninteresting as an empty one, whatever lies in it.
"""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np

from drivers.camera.quad import Corners, Picture

CHANGED_BY = 18
"""Grey levels by which a pixel of the small copy must differ: noise and lamps stay below."""
MOVING_ABOVE = 0.07
"""Share of the pixels. A card that goes by changes a tenth; in a trembling hand (1 mm between two looks), half that."""
ASTIR_ABOVE = 0.002
STILL_AFTER_S = 0.15
UNSTEADY_AFTER_S = 1.0
ARMED_S = 8.0
FOREIGN_BY = 12.0
"""Mean grey levels by which a card must differ from what was there before it came."""


class Scene(Enum):
    """What the last pictures show."""

    IDLE = "idle"
    MOVING = "moving"
    STILL = "still"


class Trigger:
    """Fed with small grey copies in order; ``at_s`` is when each was taken."""

    def __init__(self) -> None:
        self._before: Picture | None = None
        self._background: Picture | None = None
        self._armed_until_s = float("-inf")
        self._moving_since_s: float | None = None
        self._last_moved_s = float("-inf")

    def see(self, small: Picture, at_s: float) -> Scene:
        changed = self._changed_share(small)
        self._before = small
        if changed > ASTIR_ABOVE:
            self._armed_until_s = at_s + ARMED_S
        if changed > MOVING_ABOVE:
            self._last_moved_s = at_s
            if self._moving_since_s is None:
                self._moving_since_s = at_s
        if at_s > self._armed_until_s:
            self._background = small
            self._moving_since_s = None
            return Scene.IDLE
        if at_s - self._last_moved_s >= STILL_AFTER_S:
            self._moving_since_s = None
            return Scene.STILL
        is_unsteady = self._moving_since_s is not None and at_s - self._moving_since_s >= UNSTEADY_AFTER_S
        return Scene.STILL if is_unsteady else Scene.MOVING

    def is_foreign(self, small: Picture, corners: Corners) -> bool:
        """Whether what is within ``corners`` was not there when nothing stirred: a window, a poster."""
        if self._background is None or self._background.shape != small.shape:
            return True
        mask = np.zeros_like(small)
        cv2.fillConvexPoly(mask, corners.astype(np.int32), 255)
        return float(cv2.mean(cv2.absdiff(small, self._background), mask)[0]) > FOREIGN_BY

    def _changed_share(self, small: Picture) -> float:
        if self._before is None or self._before.shape != small.shape:
            return 1.0  # whatever is there at the start came just now
        differs = cv2.threshold(cv2.absdiff(small, self._before), CHANGED_BY, 255, cv2.THRESH_BINARY)[1]
        return cv2.countNonZero(differs) / small.size
