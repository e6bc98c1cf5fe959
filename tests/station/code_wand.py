"""A scanner of codes that a hand holds things before, and codes to hold."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drivers.codes.payloads import NumberRule, Rules, understood
from kioskd.core.events import SessionChanged
from kioskd.core.patient import KVID_SYSTEM
from kioskd.core.payload import Payload
from kioskd.errors import DeviceUnavailable
from kioskd.ports import CameraPicture, CardPhoto, Guidance, ScannedCode
from kioskd.station.code_reading import read_codes
from tests.people import NOW
from tests.station.conftest import Front

RULES = Rules(numbers=(NumberRule("member-id", KVID_SYSTEM, "X[0-9]{9}"),))
PICTURE = CameraPicture(b"jpeg", Guidance.FLATTER, 7)


def understand(code: ScannedCode) -> Payload:
    return understood(code.data, code.symbology, RULES, NOW.date())


class Wand:
    """Implements ``ports.CodeScanner``. What is held before it is a code, or what reading it raises."""

    def __init__(self) -> None:
        self._held: queue.Queue[ScannedCode | Exception | None] = queue.Queue()

    def hold(self, what: bytes | Exception, symbology: str = "]Q1") -> None:
        self._held.put(what if isinstance(what, Exception) else ScannedCode(what, symbology))

    def let_go(self) -> None:
        """Its last poll ends at once, so that nobody waits for it."""
        self._held.put(None)

    def open(self) -> None:
        return

    def close(self) -> None:
        return

    def set_enabled(self, is_enabled: bool) -> None:
        return

    def wait_for_code(self, seconds: float) -> ScannedCode | None:
        try:
            held = self._held.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(held, Exception):
            raise held
        return held


class Eye(Wand):
    """Implements ``ports.Camera``."""

    def look(self) -> CameraPicture | None:
        return PICTURE

    def capture_card(self, seconds: float) -> CardPhoto | None:
        raise DeviceUnavailable("eye", "has no card before it")


@asynccontextmanager
async def scanning(front: Front, wand: Wand) -> AsyncIterator[None]:
    """A scanner at work from when the page says so."""
    device = front.device("wand", "scanner", wand)
    life = asyncio.create_task(device.run(lambda managed: read_codes(managed, front.kiosk.codes, understand)))
    try:
        while not front.kiosk.view().can_show_code:
            await front.until(SessionChanged)
        yield
    finally:
        life.cancel()
        wand.let_go()
        await asyncio.wait({life}, timeout=10)
