"""The reader loop: a card goes in, is read, is waited for until it is out again."""

from __future__ import annotations

from kioskd.core.identity import Reason
from kioskd.errors import CardUnreadable, DeviceUnavailable
from kioskd.ports import CardReader
from kioskd.station.devices.supervisor import ManagedDevice
from kioskd.station.kiosk import Kiosk

POLL_S = 1.0
READ_WITHIN_S = 10.0


async def read_cards(device: ManagedDevice, kiosk: Kiosk) -> None:
    """The life of an open reader. Ends by DeviceUnavailable only; the supervisor opens it again."""
    reader = device.device
    if not isinstance(reader, CardReader):
        raise DeviceUnavailable(device.name, "is not a card reader; its driver names the wrong kind")
    await kiosk.reader_ready(True)
    try:
        while True:
            await device.tell()
            if await device.call(lambda: reader.wait_for_card(POLL_S), POLL_S + 3):
                await _one_card(device, reader, kiosk)
    finally:
        await kiosk.reader_ready(False)


async def _one_card(device: ManagedDevice, reader: CardReader, kiosk: Kiosk) -> None:
    await kiosk.card_seen()
    try:
        card = await device.call(reader.read_card, READ_WITHIN_S)
    except CardUnreadable as error:
        known = error.reason in set(Reason)
        await kiosk.card_unreadable(Reason(error.reason) if known else Reason.CARD_UNREADABLE)
    else:
        device.served()
        await kiosk.card_read(card)
    while not await device.call(lambda: reader.wait_for_removal(POLL_S), POLL_S + 3):
        pass
    await kiosk.card_removed()
