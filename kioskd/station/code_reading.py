"""The loop of a scanner or camera: every code that it reads is understood and handed to the session."""

from __future__ import annotations

from collections.abc import Callable

from kioskd.core.payload import Payload
from kioskd.errors import CodeUnreadable, DeviceUnavailable
from kioskd.ports import Camera, CodeScanner, ScannedCode
from kioskd.station.codes import Codes
from kioskd.station.devices.supervisor import ManagedDevice

POLL_S = 1.0
UNDERSTOOD_WITHIN_S = 15.0

Understand = Callable[[ScannedCode], Payload]
"""What a code says. MUST NOT raise for anything that a code can hold; blocking, and called on the device's thread."""


async def read_codes(device: ManagedDevice, codes: Codes, understand: Understand) -> None:
    """The life of an open scanner. Ends by DeviceUnavailable only; the supervisor opens it again."""
    scanner = device.device
    if not isinstance(scanner, CodeScanner):
        raise DeviceUnavailable(device.name, "is not a scanner of codes; its driver names the wrong kind")
    codes.scanner_ready(device.name, scanner if isinstance(scanner, Camera) else None)
    try:
        while True:
            await device.tell()
            try:
                code = await device.call(lambda: scanner.wait_for_code(POLL_S), POLL_S + 3)
            except CodeUnreadable:
                await codes.code_incomplete()
                continue
            if code is not None:
                payload = await device.call(lambda c=code: understand(c), UNDERSTOOD_WITHIN_S)  # type: ignore[misc]
                device.served()
                await codes.code_read(payload, len(code.data))
    finally:
        codes.scanner_gone(device.name)
