"""Drains an outbox to a destination: in order and one at a time per key, several keys at once.

A message leaves the outbox only in a transaction of its own after the destination took it. A crash in between delivers
it again, which ``ports.Destination`` makes harmless. A message that fails waits by itself; others do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Table, func, select

from kioskd.errors import ForwardError, Rejected, StoreError, StoreLost, Unreachable
from kioskd.forward.retry import LONGEST_WAIT, Park, Retry, decide
from kioskd.ports import Destination, OutboxMessage
from kioskd.store import Store, outbox
from kioskd.store.outbox import OutboxState

log = logging.getLogger(__name__)

STOP_WITHIN_S = 10.0
"""How long a stop waits for the messages in flight; what is not done then stays in the outbox."""
DELIVER_WITHIN_S = 60.0
"""Longest time for one attempt, whatever the destination's own time-outs are."""
LOOK_AT_MOST = 256
"""Messages taken from the database in one look."""
LOOK_AT_LEAST_EVERY_S = 30.0
"""A command of the command line may have changed the outbox; no signal of another process reaches us."""
STORE_PAUSE_S = 1.0
"""Wait after the database refused, before it is asked again."""
STORE_WITHIN_S = 35.0
"""Longest that the store itself takes to answer or to give up, and a little."""
LATE_S = 5.0
"""How much later than promised is still in time, on a machine that is busy."""

Settled = Callable[[Connection, OutboxMessage, OutboxState, str], None]
"""Called in the transaction that settles an attempt: new state, and the error's text for staff (empty when DONE)."""
Committed = Callable[[OutboxMessage, OutboxState, str], None]
"""Called with the same after that transaction is on disk, to tell others."""


class _Look(NamedTuple):
    due: list[OutboxMessage]
    wake_at: datetime | None
    """When the next postponed message is due."""


def _look(connection: Connection, table: Table, destination: str, now: datetime) -> _Look:
    # Later messages only: one that is due already is in ``due``, in flight, or held back by an earlier one of its
    # key, and waking up for it would be a busy loop.
    waits = (table.c.destination == destination) & (table.c.state == OutboxState.PENDING) & (table.c.next_try_at > now)
    wake_at: datetime | None = connection.scalar(select(func.min(table.c.next_try_at)).where(waits))
    until = now
    if wake_at is not None and wake_at > now + LONGEST_WAIT:
        until = wake_at  # decided before the clock was set back: not held for the hours between
    return _Look(list(outbox.due(connection, table, destination, until, LOOK_AT_MOST)), wake_at)


@dataclass(frozen=True, slots=True)
class _Route:
    """From where to where, and whom to tell."""

    store: Store
    table: Table
    name: str
    destination: Destination
    clock: Callable[[], datetime]
    settled: Settled
    committed: Committed
    gather_s: float


class Progress:
    """Whether a worker moves, for the health loop. For each thing under way it promises by when that is over."""

    def __init__(self) -> None:
        self._promised_s: dict[str, float] = {}

    def promise(self, what: str, within_s: float) -> None:
        self._promised_s[what] = asyncio.get_running_loop().time() + within_s + LATE_S

    def keep(self, what: str) -> None:
        self._promised_s.pop(what, None)

    def overdue_s(self) -> float:
        """Seconds since the oldest promise that was not kept; 0 while all are."""
        first = min(self._promised_s.values(), default=math.inf)
        return max(0.0, asyncio.get_running_loop().time() - first)


_LOOP = ""
"""What the worker's own loop promises; a delivery promises by its message's key, which is never empty."""


class _Worker:
    """The loop that looks, and the deliveries in flight. All state is touched on the event loop only."""

    def __init__(self, route: _Route, tasks: asyncio.TaskGroup, parallel: int) -> None:
        self._route = route
        self._tasks = tasks
        self._parallel = parallel
        self._wake = route.store.outbox_signal()
        self._stopping = asyncio.Event()
        self._ready: deque[OutboxMessage] = deque()
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        self._unreachable_since: datetime | None = None
        self._is_store_sound = True
        self.progress = Progress()

    async def run(self) -> None:
        """Look, start what is due, sleep until something changes; until ``stop``."""
        while not self._stopping.is_set():
            self._wake.clear()
            self.progress.promise(_LOOP, STORE_WITHIN_S + STORE_PAUSE_S)
            try:
                look = await self._look()
            except StoreLost:
                raise
            except StoreError as error:
                await self._store_failed(error)
                continue
            self._is_store_sound = True
            self._start_ready()
            await self._sleep_until(look.wake_at)
        self.progress.keep(_LOOP)

    async def stop(self, within_s: float) -> None:
        """Start nothing more, give the deliveries in flight ``within_s`` seconds, then cut them off."""
        self._stopping.set()
        self._wake.set()
        if not self._in_flight:
            return
        _, late = await asyncio.wait(self._in_flight.values(), timeout=within_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("%s: %d deliveries cut off by the stop; they are repeated later", self._route.name, len(late))

    async def _look(self) -> _Look:
        # What is in flight now may be settled while the database reads, and then looks undelivered: leave it out.
        # Nothing can start meanwhile, because nothing is ready.
        self._ready.clear()
        busy = set(self._in_flight)
        route, now = self._route, self._route.clock()
        look = await route.store.read(lambda c: _look(c, route.table, route.name, now))
        # A message that failed before goes behind the fresh ones, so that a batch of them can't fill every lane.
        self._ready.extend(sorted((m for m in look.due if m.key not in busy), key=lambda m: (m.attempts, m.id)))
        return look

    def _start_ready(self) -> None:
        while self._ready and len(self._in_flight) < self._parallel and not self._stopping.is_set():
            message = self._ready.popleft()
            self._in_flight[message.key] = self._tasks.create_task(self._deliver(message), name=self._route.name)

    async def _gather(self) -> None:
        """Let a moment pass after a commit: others that follow at once are taken in the same look, and what somebody
        stands waiting for, a ticket, has the processor first.
        """
        try:
            async with asyncio.timeout(self._route.gather_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _sleep_until(self, wake_at: datetime | None) -> None:
        due_in_s = LOOK_AT_LEAST_EVERY_S if wake_at is None else (wake_at - self._route.clock()).total_seconds()
        within_s = min(max(0.0, due_in_s), LOOK_AT_LEAST_EVERY_S)
        self.progress.promise(_LOOP, within_s + self._route.gather_s)
        try:
            async with asyncio.timeout(within_s):
                await self._wake.wait()
            await self._gather()
        except TimeoutError:
            return

    async def _deliver(self, message: OutboxMessage) -> None:
        """One attempt and what follows from it; then the lane is free for the next message."""
        self.progress.promise(message.key, DELIVER_WITHIN_S + STORE_WITHIN_S + STORE_PAUSE_S)
        try:
            error = await _attempt(self._route.destination, message)
            await self._settle(message, error)
        except StoreLost:
            raise  # the database thread is lost: the daemon must start again
        except Exception as failure:  # noqa: BLE001 - supervisor: nothing was settled, so the message is repeated
            await self._store_failed(failure)
        finally:
            del self._in_flight[message.key]
            self.progress.keep(message.key)
            if not self._ready:
                self._wake.set()
        self._start_ready()

    async def _settle(self, message: OutboxMessage, error: ForwardError | None) -> None:
        route, now = self._route, self._route.clock()
        text = "" if error is None else str(error)
        # S311: spreads retries, guards nothing
        decision = None if error is None else decide(message.attempts, error, now, random.random())  # noqa: S311

        def settle(connection: Connection) -> OutboxState:
            match decision:
                case None:
                    state = OutboxState.DONE
                    outbox.mark_done(connection, route.table, message.id, now)
                case Retry(at):
                    state = OutboxState.PENDING
                    outbox.postpone(connection, route.table, message.id, at, text)
                case Park():
                    state = OutboxState.PARKED
                    outbox.park(connection, route.table, message.id, text)
            route.settled(connection, message, state, text)
            return state

        state = await route.store.write(settle)
        self._log_change(message, state, text, now)
        route.committed(message, state, text)

    def _log_change(self, message: OutboxMessage, state: OutboxState, text: str, now: datetime) -> None:
        """One line when the destination goes away or comes back, and one for each message that needs a person."""
        name = self._route.name
        if state is OutboxState.PARKED:
            log.warning("%s: %s message %d is parked and needs a person: %s", name, message.kind, message.id, text)
        if state is OutboxState.PENDING:
            if self._unreachable_since is None:
                self._unreachable_since = now
                log.warning("%s takes nothing now, trying again until it does: %s", name, text)
        elif self._unreachable_since is not None:
            log.info("%s answers again after %.0f s", name, (now - self._unreachable_since).total_seconds())
            self._unreachable_since = None

    async def _store_failed(self, error: Exception) -> None:
        if self._is_store_sound:
            self._is_store_sound = False
            log.error("%s: the outbox can't be read or settled, trying again: %s", self._route.name, _where(error))
        try:
            async with asyncio.timeout(STORE_PAUSE_S):
                await self._stopping.wait()
        except TimeoutError:
            return


async def _attempt(destination: Destination, message: OutboxMessage) -> ForwardError | None:
    """Why the destination did not take the message, or None when it did."""
    try:
        async with asyncio.timeout(DELIVER_WITHIN_S):
            await destination.deliver(message)
    except ForwardError as error:
        return error
    except TimeoutError:
        return Unreachable(f"no answer within {DELIVER_WITHIN_S:g} s")
    except Exception as error:  # noqa: BLE001 - supervisor: one message that trips us must not stop the others
        return Rejected("internal-error", f"kioskd failed on this message: {_where(error)}")
    return None


def _where(error: Exception) -> str:
    """Type and place of an error. Its text stays out: a library's text may quote the data that it failed on."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _tell_nobody(*_: object) -> None:
    return


@asynccontextmanager
async def run_worker(
    store: Store,
    table: Table,
    name: str,
    destination: Destination,
    clock: Callable[[], datetime],
    *,
    settled: Settled = _tell_nobody,
    committed: Committed = _tell_nobody,
    parallel: int = 4,
    gather_s: float = 0.0,
    stop_within_s: float = STOP_WITHIN_S,
) -> AsyncIterator[Progress]:
    """Deliver the messages for ``name`` as long as the body runs. Leaving takes ``stop_within_s`` seconds at most.

    ``clock`` gives aware UTC. ``parallel`` keys are served at once. A wake-up waits ``gather_s`` seconds for more.
    If the database thread is lost, the body is cancelled and an ExceptionGroup with the StoreLost leaves.
    """
    route = _Route(store, table, name, destination, clock, settled, committed, gather_s)
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        worker = _Worker(route, tasks, parallel)
        tasks.create_task(worker.run(), name=f"{name} outbox")
        try:
            yield worker.progress
        except Exception as error:  # noqa: BLE001 - raised again below, as itself and not inside a group
            failure = error
        finally:
            await worker.stop(stop_within_s)
    if failure is not None:
        raise failure
