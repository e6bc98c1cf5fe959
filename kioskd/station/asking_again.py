"""Asks the hub again what it has not answered: at once when it is back, and every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kioskd.errors import StoreError
from kioskd.station.waiting import woken

log = logging.getLogger(__name__)

ASK_AGAIN_S = 5.0
"""How often open intents are asked again while the hub is away."""


class AskingAgain:
    """``ask`` asks every open intent; it MAY raise StoreError. Run ``run`` beside the kiosk."""

    def __init__(self, ask: Callable[[], Awaitable[None]], is_hub_there: Callable[[], bool]) -> None:
        self._ask = ask
        self._is_hub_there = is_hub_there
        self._now = asyncio.Event()

    def hub_returned(self) -> None:
        """Ask now."""
        self._now.set()

    async def run(self) -> None:
        """Runs for ever."""
        while True:
            self._now.clear()
            try:
                if self._is_hub_there():
                    await self._ask()
            except StoreError as error:
                log.warning("open check-ins can't be read, trying again in %g s: %s", ASK_AGAIN_S, error)
            await woken(self._now, ASK_AGAIN_S)
