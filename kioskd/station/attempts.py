"""Attempts that were broken off without a ticket: kept until the desk was told of them, also over a restart.

Not who it was: the desk sees when, at which kiosk and why, and can look up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from kioskd.core.identity import Reason
from kioskd.errors import ForwardError, RuleViolation, StoreError
from kioskd.ports import AttemptReport, Hub
from kioskd.station.checkins import within
from kioskd.station.tables import attempt
from kioskd.store import Store

log = logging.getLogger(__name__)

TELL_WITHIN_S = 8.0
TELL_AGAIN_S = 5.0
"""How long after a report that the hub did not take it is tried again, unless the hub comes back before."""
AT_ONCE = 50


class Attempts:
    """The attempts at one station. Run ``run`` beside it. ``clock`` is the machine's own: others read it."""

    def __init__(
        self, station: str, store: Store, hub: Hub, clock: Callable[[], datetime], tell_again_s: float = TELL_AGAIN_S
    ) -> None:
        self._station = station
        self._store = store
        self._hub = hub
        self._clock = clock
        self._tell_again_s = tell_again_s
        self._has_news = asyncio.Event()
        self._is_desk_away = False

    async def note(self, reason: Reason) -> None:
        """One was broken off now. A database that refuses costs the note, not the kiosk."""
        row = {"id": uuid4(), "reason": reason, "at": self._clock()}
        try:
            await self._store.write(lambda c: c.execute(insert(attempt).values(row)))
        except StoreError as error:
            log.warning("an attempt that was broken off (%s) could not be noted: %s", reason, error)
        else:
            self._has_news.set()

    def hub_returned(self) -> None:
        """The hub came back: tell it what waits."""
        self._has_news.set()

    async def run(self) -> None:
        """Runs for ever: tells what is untold, and again until the hub took it."""
        while True:
            self._has_news.clear()
            try:
                while untold := await self._store.read(self._untold):
                    for report in untold:
                        await within(self._hub.report_attempt(report), TELL_WITHIN_S)
                        await self._store.write(lambda c, r=report: _forget(c, r))  # type: ignore[misc]
            except (ForwardError, RuleViolation, StoreError) as error:
                if not self._is_desk_away:
                    log.warning("the desk could not be told of an attempt that was broken off: %s", error)
                self._is_desk_away = True
                await self._wait(self._tell_again_s)
            else:
                self._is_desk_away = False
                await self._wait(None)

    def _untold(self, connection: Connection) -> Sequence[AttemptReport]:
        rows = connection.execute(select(attempt).order_by(attempt.c.at).limit(AT_ONCE))
        return [AttemptReport(row.id, self._station, Reason(row.reason), row.at) for row in rows]

    async def _wait(self, within_s: float | None) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self._has_news.wait()
        except TimeoutError:
            return


def _forget(connection: Connection, report: AttemptReport) -> None:
    connection.execute(delete(attempt).where(attempt.c.id == report.attempt_id))
