"""The print jobs of a station: every change is committed first, then told.

While the database refuses (a full disk), nothing new is begun, and what was sent is written down again and again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kioskd.core import printing
from kioskd.core.printing import Cause, JobKey, PrintJob, PrintState, ProofKind
from kioskd.errors import StoreError, StoreLost
from kioskd.station import jobs
from kioskd.store import Store

log = logging.getLogger(__name__)

STORE_PAUSE_S = 1.0
"""Wait after the database refused, before it is asked again."""


class PrintBook:
    """``tell(job)`` is called in the loop after each committed change; ``clock`` is as in ``PrintQueue``."""

    def __init__(self, store: Store, clock: Callable[[], datetime], tell: Callable[[PrintJob], None]) -> None:
        self._store = store
        self._clock = clock
        self._tell = tell
        self._ended: set[UUID] = set()
        """Check-ins whose patient has left and whose jobs are not expired yet."""
        self._is_store_sound = True

    def store_refused(self, error: StoreError) -> None:
        """One line in the log for each time that the database stops taking things. Raises StoreLost."""
        if isinstance(error, StoreLost):
            raise error
        if self._is_store_sound:
            log.warning("print jobs can't be stored, trying again: %s", error)
        self._is_store_sound = False

    def store_is_sound(self) -> None:
        """It takes things."""
        self._is_store_sound = True

    async def load(self, key: JobKey) -> PrintJob | None:
        return await self._store.read(lambda c: jobs.load(c, key))

    async def next_queued(self, device: str) -> PrintJob | None:
        return await self._store.read(lambda c: jobs.next_queued(c, device))

    async def oldest_queued_at(self) -> datetime | None:
        return await self._store.read(jobs.oldest_queued_at)

    async def unknown_with_odometer(self, device: str) -> PrintJob | None:
        return await self._store.read(lambda c: jobs.unknown_with_odometer(c, device))

    async def unfinished(self) -> list[PrintJob]:
        return list(await self._store.read(jobs.unfinished))

    async def made_since(self, begin: datetime) -> list[PrintJob]:
        return list(await self._store.read(lambda c: jobs.made_since(c, begin)))

    async def recover(self) -> None:
        """At start: begun jobs are UNKNOWN, queued ones of gone sessions expire."""
        now = self._clock()
        await self._store.write(lambda c: jobs.recover(c, now))

    async def begin(self, job: PrintJob, odometer: int | None) -> PrintJob | None:
        """Commit that the first byte is about to leave; None when it must not."""
        return await self._store.write(lambda c: jobs.begin(c, job, odometer))

    async def reroute(self, seen: PrintJob, device: str, payload: bytes) -> PrintJob | None:
        """Another printer takes a sheet; None when it is not queued any more where it was seen."""
        moved = await self._store.write(lambda c: jobs.reroute(c, seen, device, payload))
        if moved is not None:
            self._tell(moved)
        return moved

    async def save(self, job: PrintJob) -> PrintJob:
        """Write down what happened to a sheet that was begun, however long the database refuses."""
        while True:
            try:
                await self._store.write(lambda c: jobs.save(c, job))
            except StoreError as error:
                self.store_refused(error)
                await asyncio.sleep(STORE_PAUSE_S)
            else:
                self._tell(job)
                return job

    async def block(self, job: PrintJob, cause: Cause) -> None:
        """Its device can't print now; nothing of it was sent."""

        def block(connection: Connection) -> PrintJob | None:
            present = jobs.load(connection, job.key)
            if present is None or present.state is not PrintState.QUEUED or present.device != job.device:
                return None  # it expired, or another printer took it
            if present.cause is cause:
                return None
            waits = printing.blocked(present, cause)
            jobs.save(connection, waits)
            return waits

        changed = await self._store.write(block)
        if changed is not None:
            self._tell(changed)

    async def block_for_away(self, is_open: Callable[[str], bool]) -> None:
        """Say at once that a sheet can't be printed now: its patient must not wait for a printer that is off."""
        for job in await self.unfinished():
            if job.state is PrintState.QUEUED and job.cause is None and not is_open(job.device):
                await self.block(job, Cause.NO_ANSWER)

    async def seen_by_patient(self, key: JobKey) -> None:
        """The patient holds a sheet of which nobody could tell."""

        def settle(connection: Connection) -> PrintJob | None:
            job = jobs.load(connection, key)
            if job is None or job.state is not PrintState.UNKNOWN:
                return None
            seen = printing.proven(job, ProofKind.PATIENT, self._clock())
            jobs.save(connection, seen)
            return seen

        settled = await self._store.write(settle)
        if settled is not None:
            self._tell(settled)

    # --- what must not begin any more ------------------------------------------------------------------------

    def session_ended(self, check_in_id: UUID) -> None:
        """The patient has left; ``expire`` writes it down."""
        self._ended.add(check_in_id)

    @property
    def has_ended_sessions(self) -> bool:
        """Whether ``expire`` has something to write down, whatever the time."""
        return bool(self._ended)

    def is_due_to_expire(self, job: PrintJob) -> bool:
        return printing.is_due_to_expire(job, self._clock(), session_is_over=job.key.check_in_id in self._ended)

    async def expire(self) -> None:
        """Expire jobs of ended sessions and those that waited too long."""
        now, ended = self._clock(), set(self._ended)

        def expire(connection: Connection) -> list[PrintJob]:
            gone = jobs.expire(connection, None, now)
            return gone + [job for one in ended for job in jobs.expire(connection, None, now, one)]

        expired = await self._store.write(expire)
        self._ended -= ended
        for job in expired:
            self._tell(job)
