"""How long the bus takes, on a private mosquitto: ``python -m bench.bus``.

Round trip: a station asks the hub over the broker and has the answer (two publishes, each to its PUBACK). Publish: to
the broker's PUBACK. Picture: a change is read, published, and on a display's WebSocket. Times in ms.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt

from kioskd.bus.connection import Request, open_bus
from kioskd.bus.displays import DisplayDestination
from kioskd.bus.topics import SiteTopics
from kioskd.core.display import Call, Snapshot
from kioskd.demo.mosquitto import PrivateMosquitto

COUNT = 300
TOPICS = SiteTopics("bench")
NOW = datetime.now(UTC)
PICTURE = Snapshot("main", "Waiting area", 1, 1, NOW, tuple(Call(f"A{n}", "Room 3", NOW, 1) for n in range(5)), 7)


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
        open_bus(replace(broker.address, client_id="kiosk-1"), replies=TOPICS.replies) as station,
        display,
    ):
        await hub.up.wait()
        await station.up.wait()
        await hub.respond(TOPICS.request("echo"), _echo)

        async def snapshot(_area: str) -> Snapshot:
            return PICTURE

        displays = DisplayDestination(hub, "bench", snapshot)
        await display.subscribe(TOPICS.display_state("main"), qos=1)
        messages = aiter(display.messages)

        async def picture() -> None:
            await displays.publish_all(["main"])
            await anext(messages)

        body = b"x" * 1000
        return {
            "round trip": await _times_ms(lambda: station.request(TOPICS.request("echo"), body, within_s=5)),
            "publish": await _times_ms(lambda: hub.publish(TOPICS.status, body)),
            "picture": await _times_ms(picture),
        }


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        async with PrivateMosquitto(Path(folder), "bench") as broker:
            print(f"private broker ready after {(time.perf_counter() - began) * 1000:.0f} ms; {COUNT} of each, ms\n")
            results = await measure(broker)
    print(f"{'':12} {'p50':>7} {'p99':>7} {'max':>7}")
    for name, times in results.items():
        print(f"{name:12} {times[COUNT // 2]:7.2f} {times[COUNT * 99 // 100]:7.2f} {times[-1]:7.2f}")
    trips = results["round trip"]
    print(f"\nfigures: round_trip_ms_p50={trips[COUNT // 2]:.2f} round_trip_ms_p99={trips[COUNT * 99 // 100]:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
