"""The ladder of decoding: the cheap step first, each further one only when nothing that may be believed was read."""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.codes.engines import Sighting, zbar_texts, zxing_sightings
from drivers.codes.picture import Grey
from drivers.codes.reading import DecoderOptions, Reading


class Decoder:
    """Reads frames one by one. Not to be shared between threads.

    ``now`` is a monotonic clock in seconds.
    """

    def __init__(self, options: DecoderOptions | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        self._options = options or DecoderOptions()
        self._now = now

    def read(self, frame: Grey, *, within_s: float = 0.25) -> list[Reading]:
        """The codes of a frame that may be believed; empty: none. Overruns ``within_s`` by one rung at the most."""
        sightings = zxing_sightings(frame, self._options.symbologies)
        return self._believed(frame, sightings, "plain")

    def _believed(self, grey: Grey, sightings: list[Sighting], how: str) -> list[Reading]:
        linear = {sighting.kind for sighting in sightings if sighting.kind.is_linear}
        seconded = zbar_texts(grey, linear) if linear else set()
        readings = [Reading(found.symbology, found.data, found.quad, how) for found in sightings]
        return [
            reading
            for reading in readings
            if not reading.kind.is_linear
            or ((reading.kind, reading.data) in seconded and self._options.is_well_formed(reading))
        ]
