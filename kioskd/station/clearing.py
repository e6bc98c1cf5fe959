"""What the kiosk's page does by itself as time passes: hints go, waits end, and nobody's page stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from kioskd.core import checkin
from kioskd.core.checkin import ASKING_STEPS
from kioskd.core.identity import Reason
from kioskd.station.screen import Screen
from kioskd.station.waiting import woken


class Clearing:
    """``restart`` begins a new session; ``abandon`` tells staff why one ended without a ticket. Run ``run``."""

    def __init__(
        self,
        screen: Screen,
        language: str,
        clock: Callable[[], datetime],
        restart: Callable[[], Awaitable[None]],
        abandon: Callable[[UUID, Reason], Awaitable[None]],
    ) -> None:
        self._screen = screen
        self._language = language
        self._clock = clock
        self._restart = restart
        self._abandon = abandon

    async def run(self) -> None:
        """Runs for ever."""
        while True:
            self._screen.stirred.clear()
            if await self._is_due():
                continue
            if not await woken(self._screen.stirred, self._screen.next_change_in_s()):
                self._screen.tell()

    async def _is_due(self) -> bool:
        """Do what is due; whether anything was."""
        s, now = self._screen.session, self._clock()
        if _has_come(checkin.gives_up_at(s), now):
            self._screen.give_up(s.id)
        elif _has_come(checkin.notice_clears_at(s), now):
            self._screen.show(checkin.notice_cleared(s))
        elif _has_come(checkin.language_returns_at(s, self._language), now):
            await self._restart()
        elif _has_come(checkin.clears_at(s), now):
            await self._restart()
            if s.step in ASKING_STEPS:
                await self._abandon(s.id, Reason.TIMED_OUT)
        else:
            return False
        return True


def _has_come(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and now >= moment
