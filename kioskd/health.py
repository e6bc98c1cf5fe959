"""How the parts of this process are: asked again and again, told in words, and fed to systemd's watchdog.

A part is OK, in TROUBLE (something outside: no paper, a broker that is away, a disk that fills up; everything that can
go on goes on) or FAILED: this process can't do its work in that part any more, and a new one may. The watchdog is fed
only while no part has FAILED, so that a printer without paper never ends the daemon and a database thread that hangs
does. Parts that answer at once are asked every beat; others under a deadline, each by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

log = logging.getLogger(__name__)

BEAT_S = 1.0
LATE_S = 1.0
"""An event loop that is later than this at its own alarm does not answer anybody in time."""
ASK_EVERY_S = 2.0
ANSWER_WITHIN_S = 10.0
"""Longer than a transaction waits for another process's lock (5 s), so that its own words are heard."""


class State(StrEnum):
    """From good to bad."""

    OK = "ok"
    TROUBLE = "trouble"
    FAILED = "failed"


class Kind(StrEnum):
    """What a part is."""

    LOOP = "event-loop"
    STORE = "store"
    OUTBOX = "outbox"
    DEVICE = "device"
    BROKER = "broker"
    HUB = "hub"
    DISK = "disk"


class Why(StrEnum):
    """Reason codes; pages have their words."""

    LATE = "late"
    NO_ANSWER = "no-answer"
    REFUSES = "refuses"
    STANDS_STILL = "stands-still"
    NOT_DELIVERED = "not-delivered"
    NEEDS_PERSON = "needs-person"
    AWAY = "away"
    SHORT_OF_SPACE = "short-of-space"
    READ_ONLY = "read-only"
    NOT_READY = "not-ready"


_ENGLISH = {
    Why.LATE: "answers late",
    Why.NO_ANSWER: "does not answer",
    Why.REFUSES: "refuses",
    Why.STANDS_STILL: "stands still",
    Why.NOT_DELIVERED: "waits for its other side",
    Why.NEEDS_PERSON: "needs a person",
    Why.AWAY: "is away",
    Why.SHORT_OF_SPACE: "has hardly any room left",
    Why.READ_ONLY: "can't be written",
    Why.NOT_READY: "is not ready",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a part says of itself. ``detail``: figures or a device's own words, for staff; never patient data."""

    state: State = State.OK
    why: Why | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part as it was found. ``since`` is when its state or reason became what it is."""

    name: str
    kind: Kind
    state: State
    why: Why | None
    detail: str
    since: datetime

    @property
    def words(self) -> str:
        """In English, for systemd and the log: ``broker is away (Connection refused)``."""
        said = f"{self.name} {_ENGLISH[self.why]}" if self.why else f"{self.name} is well"
        return f"{said} ({self.detail})" if self.detail else said


@dataclass(frozen=True, slots=True)
class Health:
    """One look at every part."""

    at: datetime
    parts: tuple[Part, ...] = ()
    lag_s: float = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether this process is worth keeping."""
        return all(part.state is not State.FAILED for part in self.parts)

    @property
    def words(self) -> str:
        """One line in English."""
        unwell = [part.words for part in sorted(self.parts, key=lambda p: p.state is not State.FAILED) if part.why]
        return "; ".join(unwell) or "all is well"


Look = Callable[[], Finding]
Ask = Callable[[], Awaitable[Finding]]


@dataclass(slots=True)
class _Watched:
    """A part with what is known of it. An ``ask`` that runs is never started a second time."""

    part: Part
    look: Look | None
    ask: Ask | None
    every_s: float
    within_s: float
    running: asyncio.Task[Finding] | None = None
    begun_at_s: float = 0.0

    def finding(self, tasks: asyncio.TaskGroup, now_s: float) -> Finding:
        if self.look is not None:
            return self.look()
        known = Finding(self.part.state, self.part.why, self.part.detail)
        if self.running is not None and self.running.done():
            known, self.running = self.running.result(), None
        if self.running is not None and now_s - self.begun_at_s > self.within_s:
            return Finding(State.FAILED, Why.NO_ANSWER, f"for {now_s - self.begun_at_s:.0f} s")
        if self.running is None and self.ask is not None and now_s - self.begun_at_s >= self.every_s:
            self.running, self.begun_at_s = tasks.create_task(_asked(self.ask)), now_s
        return known


async def _asked(ask: Ask) -> Finding:
    return await ask()


class Watch:
    """Looks after the parts of a process. ``clock`` gives aware UTC; ``beat_s`` is the time from look to look."""

    def __init__(self, clock: Callable[[], datetime], beat_s: float = BEAT_S) -> None:
        self._clock = clock
        self._beat_s = beat_s
        self._watched: dict[str, _Watched] = {}
        self._listeners: list[Callable[[Health], None]] = []
        self._loop_part = Part("event loop", Kind.LOOP, State.OK, None, "", clock())
        self.health = Health(clock())

    def look_at(self, name: str, kind: Kind, look: Look) -> Callable[[], None]:
        """Watch a part that answers at once. Call what is returned before the part ends."""
        return self._add(name, kind, look, None, 0.0, 0.0)

    def ask(
        self, name: str, kind: Kind, ask: Ask, *, every_s: float = ASK_EVERY_S, within_s: float = ANSWER_WITHIN_S
    ) -> Callable[[], None]:
        """Watch a part that must be waited for: FAILED when it has not answered after ``within_s`` seconds."""
        return self._add(name, kind, None, ask, every_s, within_s)

    def _add(
        self, name: str, kind: Kind, look: Look | None, ask: Ask | None, every_s: float, within_s: float
    ) -> Callable[[], None]:
        part = Part(name, kind, State.OK, None, "", self._clock())
        self._watched[name] = watched = _Watched(part, look, ask, every_s, within_s)

        def forget() -> None:
            self._watched.pop(name, None)
            if watched.running is not None:
                watched.running.cancel()

        return forget

    def on_beat(self, listener: Callable[[Health], None]) -> None:
        """Call ``listener`` with every look. It must not block."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Runs for ever. Its own lateness is the event loop's."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                due_s = loop.time() + self._beat_s
                await asyncio.sleep(self._beat_s)
                now_s = loop.time()
                self._look(tasks, now_s, max(0.0, now_s - due_s))

    def _look(self, tasks: asyncio.TaskGroup, now_s: float, lag_s: float) -> None:
        now = self._clock()
        late = Finding(State.FAILED, Why.LATE, f"{lag_s:.1f} s") if lag_s >= LATE_S else Finding()
        self._loop_part = _settled(self._loop_part, late, now)
        for watched in self._watched.values():
            watched.part = _settled(watched.part, watched.finding(tasks, now_s), now)
        self.health = Health(now, (self._loop_part, *(w.part for w in self._watched.values())), lag_s)
        for listener in self._listeners:
            listener(self.health)


def _settled(before: Part, found: Finding, now: datetime) -> Part:
    """The part as it is now; a change is a line in the log, a new figure is none."""
    is_changed = (found.state, found.why) != (before.state, before.why)
    since = now if is_changed else before.since
    after = replace(before, state=found.state, why=found.why, detail=found.detail, since=since)
    if is_changed and before.kind is not Kind.DEVICE:  # their supervisor tells of devices
        log.log(logging.INFO if found.state is State.OK else logging.WARNING, "health: %s", after.words)
    return after


class Feeder:
    """Tells systemd how the daemon is: ``WATCHDOG=1`` while it is alive, ``STATUS=`` when there is something new."""

    def __init__(self, tell: Callable[[str], object], clock_s: Callable[[], float], every_s: float | None) -> None:
        """``clock_s``: a monotonic clock. ``every_s``: time between two pings; None when systemd waits for none."""
        self._tell = tell
        self._clock_s = clock_s
        self._every_s = every_s
        self._pinged_at_s = -1e9
        self._said = ""

    def __call__(self, health: Health) -> None:
        now_s = self._clock_s()
        # Half a beat early is in time; a whole one late would be half of what systemd allows.
        if self._every_s is not None and health.is_alive and now_s - self._pinged_at_s >= self._every_s * 0.75:
            self._tell("WATCHDOG=1")
            self._pinged_at_s = now_s
        if health.words != self._said:
            self._said = health.words
            self._tell(f"STATUS={health.words}")


def watchdog_every_s(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """How often systemd wants to hear from process ``pid``: half of WATCHDOG_USEC (sd_watchdog_enabled(3)), or None."""
    try:
        period_us = int(environment.get("WATCHDOG_USEC", ""))
        meant_for = int(environment.get("WATCHDOG_PID", pid or os.getpid()))
    except ValueError:
        return None
    return period_us / 2e6 if period_us > 0 and meant_for == (pid or os.getpid()) else None


def beat_for(every_s: float | None) -> float:
    """Time from look to look, so that a ping is never late."""
    return BEAT_S if every_s is None else min(BEAT_S, every_s / 4)
