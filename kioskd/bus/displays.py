"""Keeps every display right: the outbox destination of display changes, the pictures on connect, and the heartbeat.

What is published is always read from the database at that moment, never taken from the message that asked for it:
a message that waited an hour publishes the picture of now, and delivering it twice is delivering it once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from kioskd.bus.connection import Bus
from kioskd.bus.topics import BEAT_EVERY_S, VALID_FOR_S, SiteTopics, display_state
from kioskd.core.display import Snapshot
from kioskd.errors import BusError, KioskdError, Rejected, RuleViolation, Unreachable
from kioskd.ports import OutboxMessage

log = logging.getLogger(__name__)

KIND = "display-changed"
"""The only kind of message this destination takes; its payload is ``{"area": <id>}``."""


class DisplayDestination:
    """A ``ports.Destination`` that publishes the whole picture of an area, retained.

    ``snapshot_of`` reads the present picture of an area; it raises RuleViolation for an area that the site has not.
    ``on_published`` is told area and version once the broker has them. ``valid_for_s`` and ``beat_every_s`` as in
    ``topics``.
    """

    def __init__(
        self,
        bus: Bus,
        site: str,
        snapshot_of: Callable[[str], Awaitable[Snapshot]],
        *,
        on_published: Callable[[str, int], None] = lambda area, version: None,
        within_s: float = 3.0,
        valid_for_s: int = VALID_FOR_S,
        beat_every_s: float = BEAT_EVERY_S,
    ) -> None:
        self._bus = bus
        self._topics = SiteTopics(site)
        self._snapshot_of = snapshot_of
        self._on_published = on_published
        self._within_s = within_s
        self._valid_for_s = valid_for_s
        self._beat_every_s = beat_every_s
        self._turns: dict[str, asyncio.Lock] = {}
        self._failing: set[str] = set()

    async def deliver(self, message: OutboxMessage) -> None:
        """Publish the present picture of the message's area. Raises Unreachable or Rejected."""
        area = message.payload.get("area")
        if message.kind != KIND or not isinstance(area, str):
            raise Rejected("unknown-message", f"displays take {KIND} with an area, not {message.kind}")
        try:
            version = await self._publish(area)
        except BusError as failure:
            # Also a refusal: it is the broker's access list that must change, not the message.
            raise Unreachable(str(failure)) from None
        except (RuleViolation, ValueError) as failure:
            raise Rejected("unknown-area", str(failure)) from None
        self._on_published(area, version)

    async def publish_all(self, areas: Iterable[str]) -> None:
        """Publish the present picture of every area. Raises BusError at the first that the broker did not take."""
        for area in areas:
            await self._publish(area)

    async def run(self, areas: Iterable[str]) -> None:
        """Publish every area on each connect and at every beat, until cancelled.

        A picture that can't be read or published is left to grow old: its displays then say so themselves.
        """
        every = tuple(areas)
        self._bus.on_connect(lambda: self.publish_all(every))
        while True:
            await asyncio.sleep(self._beat_every_s)
            for area in every if self._bus.is_up else ():
                await self._beat(area)

    async def _beat(self, area: str) -> None:
        try:
            await self._publish(area)
        except KioskdError as failure:
            if area not in self._failing:
                log.warning("display %s: its picture can't be renewed and will show as old: %s", area, failure)
            self._failing.add(area)
        else:
            if area in self._failing:
                log.info("display %s: its picture is renewed again", area)
            self._failing.discard(area)

    async def _publish(self, area: str) -> int:
        """Read and publish in one turn per area, so that an older picture never overtakes a newer one; its version.

        Several hub processes on one database can still cross; displays drop the older picture, and the next beat
        replaces the one that the broker keeps.
        """
        topic = self._topics.display_state(area)
        async with self._turns.setdefault(area, asyncio.Lock()):
            snapshot = await self._snapshot_of(area)
            await self._bus.publish(
                topic,
                display_state(snapshot).model_dump_json().encode(),
                retain=True,
                within_s=self._within_s,
                expires_after_s=self._valid_for_s,
            )
        return snapshot.version
