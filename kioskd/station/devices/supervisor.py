"""Keeps a device open: opens it, lets its work run, and opens it again after it failed.

Waits 0.5 s, doubling to 15 s with jitter, and starts over only after 30 s without a failure, so a device that breaks
right after "ready" does not spin. One log line per change, not per attempt. A call that does not return costs its
thread, and a lost thread is replaced; after five the daemon ends non-zero and the init system starts a clean one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kioskd.calls import CallThread, CallTimedOut
from kioskd.errors import DeviceError, DeviceUnavailable
from kioskd.ports import Device

T = TypeVar("T")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
STEADY_AFTER_S = 30.0
OPEN_WITHIN_S = 15.0
MOST_LOST_THREADS = 5

READY = "ready"
NEEDS_ATTENTION = "needs-attention"
UNAVAILABLE = "unavailable"
DISABLED = "disabled"

log = logging.getLogger(__name__)

Report = Callable[["ManagedDevice"], Awaitable[None]]


class TooManyLostThreads(RuntimeError):
    """Calls to one device hang again and again; only a new process helps."""


class ManagedDevice:
    """A device with its thread and its state. ``work`` is what is done with it while it is open."""

    def __init__(self, name: str, kind: str, device: Device, report: Report) -> None:
        self.name = name
        self.kind = kind
        self.device = device
        self.state = UNAVAILABLE
        self.what = "not opened yet"
        self._report = report
        self._thread = CallThread(f"device-{name}")
        self._lost_threads = 0

    async def call(self, function: Callable[[], T], within_s: float) -> T:
        """A blocking call on the device's thread. Raises DeviceUnavailable when it does not return in time."""
        try:
            return await self._thread.call(function, within_s)
        except CallTimedOut:
            raise DeviceUnavailable(self.name, f"did not answer within {within_s:g} s") from None

    async def run(self, work: Callable[[ManagedDevice], Awaitable[None]]) -> None:
        """Open and work, for ever. Ends by cancellation, or raises TooManyLostThreads."""
        wait_s = FIRST_WAIT_S
        try:
            while True:
                opened_at = time.monotonic()
                try:
                    await self.call(self.device.open, OPEN_WITHIN_S)
                    await self.change(READY, "")
                    await work(self)
                except DeviceError as error:
                    await self.change(UNAVAILABLE, error.what)
                await self._close()
                if time.monotonic() - opened_at > STEADY_AFTER_S:
                    wait_s = FIRST_WAIT_S
                await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        finally:
            await asyncio.shield(self._close())

    async def change(self, state: str, what: str) -> None:
        """Note a state; log and report it when it is new."""
        if (state, what) == (self.state, self.what):
            return
        self.state, self.what = state, what
        level = logging.INFO if state == READY else logging.WARNING
        log.log(level, "%s is %s%s", self.name, state, f": {what}" if what else "")
        await self._report(self)

    async def _close(self) -> None:
        if not self._thread.is_lost:
            try:
                await self._thread.call(self.device.close, 3.0)
            except CallTimedOut:
                log.warning("%s: closing did not return within 3 s", self.name)
        if self._thread.is_lost:
            self._lost_threads += 1
            if self._lost_threads >= MOST_LOST_THREADS:
                raise TooManyLostThreads(f"{self.name}: {self._lost_threads} calls did not return; restart needed")
            self._thread = CallThread(f"device-{self.name}-{self._lost_threads}")
