"""The ladder of decoding: the cheap look first, each further one only when nothing that may be believed was read.

1. the busiest parts of the frame, in even light and without noise (``regions``, ``restore``)
2. these with their bars upright, averaged along the bars, or flattened by the code's own corners (PDF417 needs that)
3. the whole frame
4. the parts again, with blur undone by one of a few point spreads, the card flattened by its corners

A code with error correction (QR, DataMatrix, Aztec, PDF417) is believed at once. A one-dimensional code has a check
digit at the most, and noise makes another valid code of it in one of some thousands: it is believed when zxing-cpp and
zbar read the same in one frame, or zxing-cpp in two frames, when no other reading of the same bars contradicts, and the
site's format check passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from drivers.codes.engines import Sighting, zbar_texts, zxing_sightings
from drivers.codes.picture import Grey
from drivers.codes.reading import DecoderOptions, Quad, Reading, Symbology
from drivers.codes.views import View, views_of

WITHIN_S = 0.05
REMEMBERED_S = 1.0
"""How long a one-dimensional code that one frame showed waits for a second frame."""
_Said = tuple[Symbology, bytes]


class Decoder:
    """Reads frames one by one; one thread at a time.

    ``now`` is a monotonic clock in seconds; ``looks`` makes the rungs of the ladder for a frame.
    """

    def __init__(
        self,
        options: DecoderOptions | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        looks: Callable[[Grey], Iterable[View]] = views_of,
    ) -> None:
        self._options = options or DecoderOptions()
        self._now = now
        self._looks = looks
        self._before: dict[_Said, float] = {}
        self._last_frame = b""

    def read(self, frame: Grey, *, within_s: float = WITHIN_S, is_combined: bool = False) -> list[Reading]:
        """The codes of a frame that may be believed; empty: none. ``frame``: rows x columns of grey.

        Overruns ``within_s`` by one look at the most. A frame that equals the last one is no second opinion, nor is one
        that is made of others (``is_combined``).
        """
        deadline = self._now() + within_s
        trial = _Trial(self._options, frozenset() if is_combined else self._recent(frame))
        for view in self._looks(frame):
            if believed := trial.look(view):
                self._before.clear()
                return believed
            if self._now() >= deadline:
                break
        if not is_combined:
            self._before |= dict.fromkeys(trial.seen_by_zxing, self._now())
        return []

    def _recent(self, frame: Grey) -> frozenset[_Said]:
        """What other frames showed lately. A camera that hangs repeats its last frame for ever."""
        mark = frame[::16, ::16].tobytes()
        is_new, self._last_frame = mark != self._last_frame, mark
        self._before = {said: at for said, at in self._before.items() if self._now() - at < REMEMBERED_S}
        return frozenset(self._before) if is_new else frozenset()


class _Trial:
    """What the looks at one frame said so far."""

    def __init__(self, options: DecoderOptions, before: frozenset[_Said]) -> None:
        self._options = options
        self._before = before
        self.seen_by_zxing: dict[_Said, Reading] = {}
        self._seen_by_zbar: set[_Said] = set()

    def look(self, view: View) -> list[Reading]:
        """The readings of this and earlier looks that may be believed now."""
        kinds = self._options.symbologies & view.kinds
        if not kinds:
            return []
        sightings = zxing_sightings(view.picture, kinds, is_rotated=view.is_turned, is_downscaled=view.is_downscaled)
        linear = [sighting for sighting in sightings if sighting.kind.is_linear]
        for sighting in linear:
            self.seen_by_zxing.setdefault(_said(sighting.kind, sighting.data), _reading(sighting, view))
        if linear or view.is_line:
            asked = kinds if view.is_line else {sighting.kind for sighting in linear}
            seconded = zbar_texts(view.picture if view.other is None else view.other, asked)
            self._seen_by_zbar |= {_said(kind, data) for kind, data in seconded}
        matrix = [_reading(sighting, view) for sighting in sightings if not sighting.kind.is_linear]
        return matrix + self._believed_linear()

    def _believed_linear(self) -> list[Reading]:
        agreed = [
            reading
            for said, reading in self.seen_by_zxing.items()
            if (said in self._seen_by_zbar or said in self._before) and self._options.is_well_formed(reading)
        ]
        return [
            reading
            for reading in agreed
            if not any(
                other is not reading and _overlap(reading.quad, other.quad) for other in self.seen_by_zxing.values()
            )
        ]


def _said(kind: Symbology, data: bytes) -> _Said:
    # A UPC-A code is an EAN-13 with a leading zero; the decoders differ in whether they write it.
    return kind, data.rjust(13, b"0") if kind is Symbology.EAN and len(data) == 12 else data


def _reading(sighting: Sighting, view: View) -> Reading:
    return Reading(sighting.symbology, sighting.data, view.place(sighting.quad), view.how)


def _overlap(a: Quad, b: Quad) -> bool:
    """Whether the boxes around two codes have a point in common."""
    return all(
        min(p[axis] for p in a) <= max(p[axis] for p in b) and min(p[axis] for p in b) <= max(p[axis] for p in a)
        for axis in (0, 1)
    )
