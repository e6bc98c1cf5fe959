"""How long the bus takes, on a private mosquitto: ``python -m bench.bus``.

Round trip: a station asks the hub over the broker and has the answer (two publishes, each to its PUBACK). Publish: to
the broker's PUBACK. Picture: a change is read, published, and on a display's WebSocket. Check-in: a round trip through
the hub link, sealed, with a hub that answers at once. Times in ms.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import aiomqtt

from kioskd.beside import beside
from kioskd.bus.connection import Request, open_bus
from kioskd.bus.displays import DisplayDestination
from kioskd.bus.hub_client import HubLink
from kioskd.bus.hub_server import serve_hub
from kioskd.bus.topics import SiteTopics
from kioskd.core.appointment import Appointment, AppointmentStatus
from kioskd.core.display import Call, Snapshot
from kioskd.core.patient import Identifier, Patient
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.ports import CheckInReply, CheckInRequest, Hub

COUNT = 300
TOPICS = SiteTopics("bench")
NOW = datetime.now(UTC)
KEY = os.urandom(32)
PATIENT = Patient("p1", (Identifier("urn:number", "X123456789"),), "Huber", "Anna", date(1980, 2, 3))
VISIT = Appointment("a1", "p1", NOW, NOW, AppointmentStatus.BOOKED, "Dr. Lena Hart", "main")
CHECK_IN = CheckInRequest(uuid4(), "kiosk-1", NOW, PATIENT, VISIT, "egk", "de")
PICTURE = Snapshot("main", "Waiting area", 1, 1, NOW, tuple(Call(f"A{n}", "Room 3", NOW, 1) for n in range(5)), 7)


class PromptHub(Hub):
    """A hub that answers at once."""

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        return CheckInReply(request.check_in_id, "A12", "main", "Waiting area", request.arrived_at, False, 12)


async def _times_ms(act: Callable[[], Awaitable[object]], count: int = COUNT) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await act()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


async def _echo(request: Request) -> bytes:
    return request.payload


async def measure(broker: PrivateMosquitto) -> dict[str, list[float]]:
    host, port = broker.web_url.removeprefix("ws://").split(":")
    display = aiomqtt.Client(
        host,
        int(port),
        transport="websockets",
        websocket_path="/",
        username=broker.display.user,
        password=broker.display.password,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,
    )
    async with (
        open_bus(broker.address, replies=TOPICS.replies) as hub,
        open_bus(broker.station("kiosk-1"), replies=TOPICS.replies) as station,
        display,
    ):
        await hub.up.wait()
        await station.up.wait()

        async def snapshot(_area: str) -> Snapshot:
            return PICTURE

        displays = DisplayDestination(hub, "bench", snapshot)
        await display.subscribe(TOPICS.display_state("main"), qos=1)
        messages = aiter(display.messages)

        async def picture() -> None:
            await displays.publish_all(["main"])
            await anext(messages)

        body = b"x" * 1000
        await hub.respond(TOPICS.request("echo"), _echo)
        times = {
            "round trip": await _times_ms(lambda: station.request(TOPICS.request("echo"), body, within_s=5)),
            "publish": await _times_ms(lambda: hub.publish(TOPICS.display_state("other"), body)),
            "picture": await _times_ms(picture),
        }
    return times | {"check-in": await check_ins(broker)}


async def check_ins(broker: PrivateMosquitto) -> list[float]:
    """On connections of their own: the hub answers every request of the site."""
    async with (
        open_bus(broker.address, presence=TOPICS.presence, replies=TOPICS.replies) as hub,
        serve_hub(hub, TOPICS, KEY, PromptHub()),
        open_bus(broker.station("kiosk-1"), replies=TOPICS.replies) as station,
    ):
        link = HubLink(station, TOPICS, KEY, "kiosk-1")
        async with beside(link.run()):
            await link.there.wait()
            return await _times_ms(lambda: link.check_in(CHECK_IN))


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        async with PrivateMosquitto(Path(folder), "bench", ["kiosk-1"]) as broker:
            print(f"private broker ready after {(time.perf_counter() - began) * 1000:.0f} ms; {COUNT} of each, ms\n")
            results = await measure(broker)
    print(f"{'':12} {'p50':>7} {'p99':>7} {'max':>7}")
    for name, times in results.items():
        print(f"{name:12} {times[COUNT // 2]:7.2f} {times[COUNT * 99 // 100]:7.2f} {times[-1]:7.2f}")
    figures = [
        f"{name}_p50={times[COUNT // 2]:.2f} {name}_p99={times[COUNT * 99 // 100]:.2f}"
        for name, times in (("round_trip_ms", results["round trip"]), ("sealed_check_in_ms", results["check-in"]))
    ]
    print(f"\nfigures: {' '.join(figures)}")


if __name__ == "__main__":
    asyncio.run(main())
