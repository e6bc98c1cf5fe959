"""Keeps a device open: opens it, lets its work run, and opens it again after it failed.

Waits 0.5 s, doubling to 15 s with jitter, and starts over after 30 s without a failure or when the device did what it
is for, so one that breaks right after "ready" does not spin. One log line per change, not per attempt. A call that does
not return costs its thread, and a lost thread is replaced; after five the daemon ends non-zero and the init system
starts a clean one. Whatever else a driver raises costs its device, never the daemon.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from kioskd.calls import CallThread, CallTimedOut
from kioskd.core.printing import ProofKind
from kioskd.errors import DeviceError, DeviceUnavailable, Unreachable
from kioskd.ports import Device

T = TypeVar("T")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
STEADY_AFTER_S = 30.0
OPEN_WITHIN_S = 15.0
CLOSE_WITHIN_S = 3.0
MOST_LOST_THREADS = 5
TOLD_EVERY_LABELS = 10
"""A printer's odometer is told to the desk again after so many labels."""

READY = "ready"
NEEDS_ATTENTION = "needs-attention"
UNAVAILABLE = "unavailable"
DISABLED = "disabled"

log = logging.getLogger(__name__)

Report = Callable[["ManagedDevice"], Awaitable[None]]
"""Tells the desk how a device is. MAY raise Unreachable: it is told again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a printer says of itself, beside how it is. Fields as in ``ports.DeviceReport``."""

    model: str = ""
    proof: ProofKind | None = None
    odometer: int | None = None
    notes: tuple[str, ...] = ()

    def is_news_after(self, told: Facts) -> bool:
        """Whether the desk should hear of it: of every change, but of the odometer only now and then."""
        if (self.model, self.proof, self.notes) != (told.model, told.proof, told.notes):
            return True
        if self.odometer is None or told.odometer is None:
            return self.odometer != told.odometer
        return abs(self.odometer - told.odometer) >= TOLD_EVERY_LABELS


class TooManyLostThreads(RuntimeError):
    """Calls to one device hang again and again; only a new process helps."""


class ManagedDevice:
    """A device with its thread and its state. ``first_wait_s``: before it is opened again after a failure."""

    def __init__(
        self, name: str, kind: str, device: Device, report: Report, first_wait_s: float = FIRST_WAIT_S
    ) -> None:
        self.name = name
        self.kind = kind
        self.device = device
        self.state = UNAVAILABLE
        self.what = "not opened yet"
        self.facts = Facts()
        self._told_facts = Facts()
        self._report = report
        self._first_wait_s = first_wait_s
        self._thread = CallThread(f"device-{name}")
        self._lost_threads = 0
        self._has_served = False
        self._is_told = True
        self._is_desk_away = False

    async def call(self, function: Callable[[], T], within_s: float) -> T:
        """A blocking call on the device's thread.

        Raises DeviceUnavailable when it does not return in time, and for everything that is no DeviceError.
        """
        try:
            return await self._thread.call(function, within_s)
        except CallTimedOut:
            raise DeviceUnavailable(self.name, f"did not answer within {within_s:g} s") from None
        except DeviceError:
            raise
        except Exception as error:
            what = f"its driver failed with {type(error).__name__}; the log says where"
            if self.what != what:
                log.exception("%s: its driver failed", self.name)
            raise DeviceUnavailable(self.name, what) from error

    def served(self) -> None:
        """It did what it is there for: a card was read, a sheet came out. Its next failure counts as the first."""
        self._has_served = True

    async def run(self, work: Callable[[ManagedDevice], Awaitable[None]]) -> None:
        """Open it and let ``work`` run, for ever. Ends by cancellation, or raises TooManyLostThreads."""
        wait_s = self._first_wait_s
        try:
            while True:
                opened_at, self._has_served = time.monotonic(), False
                try:
                    await self.call(self.device.open, OPEN_WITHIN_S)
                    await self.change(READY, "")
                    await work(self)
                except DeviceError as error:
                    await self.change(UNAVAILABLE, error.what)
                await self._close()
                self._replace_lost_thread()
                if self._has_served or time.monotonic() - opened_at > STEADY_AFTER_S:
                    wait_s = self._first_wait_s
                await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        finally:
            await asyncio.shield(self._close())
            self._thread.close()

    async def change(self, state: str, what: str) -> None:
        """Note a state; log and report it when it is new."""
        if (state, what) != (self.state, self.what):
            self.state, self.what = state, what
            self._is_told = False
            level = logging.INFO if state == READY else logging.WARNING
            log.log(level, "%s is %s%s", self.name, state, f": {what}" if what else "")
        await self.tell()

    async def learn(self, facts: Facts) -> None:
        """Note what it says of itself; report it when it is news."""
        self.facts = facts
        if facts.is_news_after(self._told_facts):
            self._told_facts = facts
            self._is_told = False
        await self.tell()

    async def tell(self) -> None:
        """Report the state if the desk could not be told of it before."""
        if self._is_told:
            return
        try:
            await self._report(self)
        except Unreachable as error:
            if not self._is_desk_away:
                log.warning("the desk could not be told that %s is %s: %s", self.name, self.state, error)
            self._is_desk_away = True
        else:
            self._is_told, self._is_desk_away = True, False

    async def _close(self) -> None:
        if self._thread.is_lost:
            return
        try:
            await self.call(self.device.close, CLOSE_WITHIN_S)
        except DeviceError as error:
            log.warning("%s could not be closed: %s", self.name, error.what)

    def _replace_lost_thread(self) -> None:
        if not self._thread.is_lost:
            return
        self._thread.close()
        self._lost_threads += 1
        if self._lost_threads >= MOST_LOST_THREADS:
            raise TooManyLostThreads(f"{self.name}: {self._lost_threads} calls did not return; restart needed")
        self._thread = CallThread(f"device-{self.name}-{self._lost_threads}")
