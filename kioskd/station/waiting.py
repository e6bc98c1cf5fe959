"""Waiting for a wake-up or for time to pass, whichever comes first."""

from __future__ import annotations

import asyncio


async def woken(wake: asyncio.Event, within_s: float | None) -> bool:
    """Whether it was woken in time; ``within_s`` None waits for ever."""
    try:
        async with asyncio.timeout(within_s):
            return await wake.wait()
    except TimeoutError:
        return False
