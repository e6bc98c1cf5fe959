"""What the health loop asks each part of a role, and what the answers mean."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Table, func, select, text

from kioskd.errors import StoreError
from kioskd.forward.worker import Progress
from kioskd.health import Ask, Finding, Look, State, Why
from kioskd.station.devices.supervisor import READY, ManagedDevice
from kioskd.store import Store
from kioskd.store.health import StoreState
from kioskd.store.outbox import OutboxState
from kioskd.web.metrics import Waiting

LOW_DISK_BYTES = 512 * 2**20
"""Below this staff are told; a day of check-ins takes a few megabytes."""
WAITS_TOO_LONG_S = 60.0
"""A message that is not delivered for so long is worth a line on the console."""


def _trivial(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))


def ask_store(store: Store, is_on_server: bool) -> Ask:
    """Whether both threads of a store answer; the writer takes the database's write lock for it and writes nothing.

    A refusal of PostgreSQL is trouble: its server is no part of this process. One of SQLite, such as a lock that
    another process does not give back, is ours.
    """

    async def ask() -> Finding:
        refusal = ""
        try:
            await store.read(_trivial)
            await store.write(_trivial)
        except StoreError as error:
            refusal = str(error)
        present = store.health
        match present.state:
            case StoreState.FAILED:
                return Finding(State.FAILED, Why.REFUSES, present.what)
            case StoreState.READ_ONLY:
                return Finding(State.TROUBLE, Why.READ_ONLY, present.what)
            case StoreState.SHORT_OF_SPACE | StoreState.FULL:
                return Finding(State.TROUBLE, Why.SHORT_OF_SPACE, present.what)
        if refusal:
            return Finding(State.TROUBLE if is_on_server else State.FAILED, Why.REFUSES, refusal)
        return Finding()

    return ask


def ask_outbox(store: Store, table: Table, destination: str, progress: Progress, clock: Callable[[], datetime]) -> Ask:
    """Whether a worker moves, and what its destination does not have yet."""
    read = waiting_for(store, table, destination, clock)

    async def ask() -> Finding:
        stands_still_s = progress.overdue_s()
        if stands_still_s > 0:
            return Finding(State.FAILED, Why.STANDS_STILL, f"for {stands_still_s:.0f} s")
        try:
            waiting = await read()
        except StoreError:
            return Finding()  # its store says so itself
        if waiting.parked:
            return Finding(State.TROUBLE, Why.NEEDS_PERSON, str(waiting.parked))
        if waiting.oldest_s > WAITS_TOO_LONG_S:
            return Finding(State.TROUBLE, Why.NOT_DELIVERED, str(waiting.pending))
        return Finding()

    return ask


def waiting_for(
    store: Store, table: Table, destination: str, clock: Callable[[], datetime]
) -> Callable[[], Awaitable[Waiting]]:
    """What a destination does not have yet. What is returned raises StoreError."""

    def waiting(connection: Connection) -> Waiting:
        open_ones = (table.c.destination == destination) & table.c.state.in_([OutboxState.PENDING, OutboxState.PARKED])
        query = select(table.c.state, func.count(), func.min(table.c.created_at)).where(open_ones)
        rows = {row[0]: row for row in connection.execute(query.group_by(table.c.state))}
        pending, parked = rows.get(OutboxState.PENDING), rows.get(OutboxState.PARKED)
        oldest_s = max(0.0, (clock() - pending[2]).total_seconds()) if pending else 0.0
        return Waiting(pending[1] if pending else 0, parked[1] if parked else 0, oldest_s)

    async def read() -> Waiting:
        return await store.read(waiting)

    return read


def look_at_device(device: ManagedDevice) -> Look:
    """A device's own words; whatever is wrong with it, its supervisor goes on."""

    def look() -> Finding:
        return Finding() if device.state == READY else Finding(State.TROUBLE, Why.NOT_READY, device.what)

    return look


def look_at_connection(is_up: Callable[[], bool], why: Callable[[], str] = lambda: "") -> Look:
    """The broker's connection, or the link to the hub."""

    def look() -> Finding:
        return Finding() if is_up() else Finding(State.TROUBLE, Why.AWAY, why())

    return look


def look_at_disk(folder: Path) -> Look:
    """The room on a disk."""

    def look() -> Finding:
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            return Finding(State.TROUBLE, Why.NO_ANSWER, f"{folder}: {error.strerror}")
        if free >= LOW_DISK_BYTES:
            return Finding()
        return Finding(State.TROUBLE, Why.SHORT_OF_SPACE, f"{free // 2**20} MB")

    return look
