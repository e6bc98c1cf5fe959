"""What the desk is told of a station's devices: the present state of each, as soon as the hub can be reached.

Noting a state never waits. A state that changes again before it was told is told once, as it is then, so what waits
is never more than one report a device. When the hub comes back everything is told again, the list of devices first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from kioskd.errors import ForwardError, RuleViolation
from kioskd.ports import DeviceReport, Hub
from kioskd.station.checkins import within

log = logging.getLogger(__name__)

TELL_WITHIN_S = 8.0
TELL_AGAIN_S = 5.0
"""How long after a report that the hub did not take it is tried again, unless the hub comes back before."""


class DeviceReports:
    """The reports of one station with ``devices``, by name. Run ``run`` beside it."""

    def __init__(self, station: str, devices: Sequence[str], hub: Hub, tell_again_s: float = TELL_AGAIN_S) -> None:
        self._station = station
        self._devices = tuple(devices)
        self._hub = hub
        self._tell_again_s = tell_again_s
        self._present: dict[str, DeviceReport] = {}
        self._untold: dict[str, None] = {}
        self._is_start_told = False
        self._is_desk_away = False
        self._has_news = asyncio.Event()
        self._has_news.set()
        self._is_back = asyncio.Event()

    def note(self, report: DeviceReport) -> None:
        """A device is like this now."""
        self._present[report.device] = report
        self._untold[report.device] = None
        self._has_news.set()

    def hub_returned(self) -> None:
        """The hub came, or came back: tell it everything."""
        self._is_start_told = False
        self._untold = dict.fromkeys(self._present)
        self._has_news.set()
        self._is_back.set()

    async def run(self) -> None:
        """Runs for ever: tells what is untold, and again until the hub took it."""
        while True:
            await self._has_news.wait()
            self._is_back.clear()
            try:
                await self._tell_next()
            except (ForwardError, RuleViolation) as error:
                if not self._is_desk_away:
                    log.warning("the desk could not be told how the devices are: %s", error)
                self._is_desk_away = True
                await self._pause()
            else:
                self._is_desk_away = False

    async def _tell_next(self) -> None:
        """Tell one thing. Raises Unreachable, Rejected or RuleViolation."""
        if not self._is_start_told:
            self._is_start_told = True  # before the call: the hub may come back during it
            try:
                await within(self._hub.station_started(self._station, self._devices), TELL_WITHIN_S)
            except BaseException:
                self._is_start_told = False
                raise
            return
        name = next(iter(self._untold), None)
        if name is None:
            self._has_news.clear()
            return
        report = self._present[name]
        await within(self._hub.report_device(report), TELL_WITHIN_S)
        if self._present[name] is report:
            self._untold.pop(name, None)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._tell_again_s):
                await self._is_back.wait()
        except TimeoutError:
            return
