"""The chip-card readers of a station: a card goes in, is read, and must be out before the next one counts."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from kioskd.core.identity import Reason
from kioskd.errors import CardUnreadable, DeviceUnavailable
from kioskd.ports import CardReader
from kioskd.station.devices.supervisor import NEEDS_ATTENTION, READY, ManagedDevice
from kioskd.station.kiosk import Kiosk

POLL_S = 1.0
ANSWERS_WITHIN_S = POLL_S + 3
READ_WITHIN_S = 15.0
"""A driver gives up by itself before; this is for one that does not."""
LEFT_IN_AFTER_S = 20.0

CARD_LEFT_IN = "card-left-in"
CARD_HELD_ELSEWHERE = "card-held-elsewhere"
"""What is wrong with a reader that works, in the desk's words for devices."""

log = logging.getLogger(__name__)


class CardReaders:
    """All readers of one station, one card at a time: who stands there has one page.

    After ``left_in_after_s`` seconds in which nobody needs it any more, a card that is in is told to the desk.
    """

    def __init__(self, kiosk: Kiosk, left_in_after_s: float = LEFT_IN_AFTER_S) -> None:
        self._kiosk = kiosk
        self._left_in_after_s = left_in_after_s
        self._turn = asyncio.Lock()
        self._ready: set[str] = set()
        self._tried: set[str] = set()
        """Readers whose card was tried and has not been seen to leave, also over a failure of theirs."""

    async def work(self, device: ManagedDevice) -> None:
        """The life of an open reader. Ends by DeviceUnavailable only; the supervisor opens it again."""
        reader = device.device
        if not isinstance(reader, CardReader):
            raise DeviceUnavailable(device.name, "is not a card reader; its driver names the wrong kind")
        self._ready.add(device.name)
        await self._kiosk.reader_ready(True)
        try:
            while True:
                await device.tell()
                if device.name in self._tried:
                    await self._in_turn(device, reader, is_new=False)
                elif await device.call(lambda: reader.wait_for_card(POLL_S), ANSWERS_WITHIN_S):
                    await self._in_turn(device, reader, is_new=True)
        finally:
            self._ready.discard(device.name)
            await self._kiosk.reader_ready(bool(self._ready))

    async def _in_turn(self, device: ManagedDevice, reader: CardReader, is_new: bool) -> None:
        """One card from here to its removal. While another reader's is in, nothing: it is asked for again."""
        if self._turn.locked():
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S), self._turn:
                    return
            return
        async with self._turn:
            try:
                if is_new:
                    self._tried.add(device.name)
                    await self._read(device, reader)
                elif not await device.call(lambda: reader.wait_for_removal(0), ANSWERS_WITHIN_S):
                    self._kiosk.card_found_in()
                await self._until_out(device, reader)
                self._tried.discard(device.name)
            except DeviceUnavailable:
                await self._kiosk.card_lost()
                raise

    async def _read(self, device: ManagedDevice, reader: CardReader) -> None:
        await self._kiosk.card_seen()
        try:
            card = await device.call(reader.read_card, READ_WITHIN_S)
        except CardUnreadable as error:
            log.info("%s: a card was not read: %s: %s", device.name, error.reason, error.what)
            if error.reason == Reason.READER_FAILED:
                await device.change(NEEDS_ATTENTION, CARD_HELD_ELSEWHERE)
            known = error.reason in set(Reason)
            await self._kiosk.card_unreadable(Reason(error.reason) if known else Reason.CARD_UNREADABLE)
        else:
            device.served()
            await device.change(READY, "")
            await self._kiosk.card_read(card)

    async def _until_out(self, device: ManagedDevice, reader: CardReader) -> None:
        clock = asyncio.get_running_loop().time
        needed_at = clock()
        while not await device.call(lambda: reader.wait_for_removal(POLL_S), ANSWERS_WITHIN_S):
            await device.tell()
            if self._kiosk.is_card_needed:
                needed_at = clock()
            elif clock() - needed_at >= self._left_in_after_s and device.state == READY:
                await device.change(NEEDS_ATTENTION, CARD_LEFT_IN)
        if device.what == CARD_LEFT_IN:
            await device.change(READY, "")
        await self._kiosk.card_removed()
