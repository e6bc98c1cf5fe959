"""Tells a station over the broker that staff want something printed there. What it is, the station asks by itself.

A word that is lost costs no order: a station asks whenever the hub comes to it, and an order that nobody took in time
is withdrawn and said to staff.
"""

from __future__ import annotations

import asyncio
import logging

from kioskd.bus.connection import Bus
from kioskd.bus.topics import SiteTopics, Wake
from kioskd.core.events import PrintOrdered
from kioskd.errors import BusError
from kioskd.news import News

log = logging.getLogger(__name__)

TRIES = 3
TRY_AGAIN_S = 1.0
GOOD_FOR_S = 120
"""As long as an order waits for its station (``core.printing.BEGIN_WITHIN``)."""


async def wake_stations(bus: Bus, topics: SiteTopics, news: News) -> None:
    """Runs until the daemon stops: every order that is placed wakes its station."""
    while not news.is_over:
        with news.subscribe() as events:
            async for event in events:
                if isinstance(event, PrintOrdered):
                    await wake(bus, topics, event.station)


async def wake(bus: Bus, topics: SiteTopics, station: str) -> None:
    """Say it once, again a few times when the broker does not take it."""
    payload = Wake().model_dump_json().encode()
    for _ in range(TRIES):
        try:
            return await bus.publish(topics.orders(station), payload, expires_after_s=GOOD_FOR_S)
        except BusError as failure:
            log.info("station %s can't be told of its print orders: %s", station, failure)
        await asyncio.sleep(TRY_AGAIN_S)
    return None
