"""Tells a hub on another machine that this station is there and how its own parts are: as one more of its devices.

Said again every few seconds, so that a station which fell silent is known by its silence.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kioskd.health import Health, Kind, State
from kioskd.ports import PULSE_KIND, PULSE_NAME, DeviceReport
from kioskd.station.devices.supervisor import NEEDS_ATTENTION, READY, UNAVAILABLE

EVERY_S = 10.0
_TOLD_OTHERWISE = {Kind.DEVICE, Kind.HUB, Kind.BROKER}


class Pulse:
    """To be called with every look of the health loop. ``clock_s`` is monotonic."""

    def __init__(self, station: str, note: Callable[[DeviceReport], None], clock_s: Callable[[], float]) -> None:
        self._station = station
        self._note = note
        self._clock_s = clock_s
        self._said: tuple[str, str] | None = None
        self._since: datetime | None = None
        self._said_at_s = 0.0

    def __call__(self, health: Health) -> None:
        unwell = [part for part in health.parts if part.why and part.kind not in _TOLD_OTHERWISE]
        worst = next((part for part in unwell if part.state is State.FAILED), unwell[0] if unwell else None)
        state = READY if worst is None else UNAVAILABLE if worst.state is State.FAILED else NEEDS_ATTENTION
        said = (state, f"station-{worst.why}" if worst else "")
        now_s = self._clock_s()
        if said == self._said and now_s - self._said_at_s < EVERY_S:
            return
        if said != self._said or self._since is None:
            self._since = health.at
        self._said, self._said_at_s = said, now_s
        self._note(DeviceReport(self._station, PULSE_NAME, PULSE_KIND, *said, self._since))
