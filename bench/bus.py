"""How long the bus takes, on a private mosquitto: ``python -m bench.bus``.

Round trip: a station asks the hub over the broker and has the answer (two publishes, each to its PUBACK). Publish: to
the broker's PUBACK. Picture: a change is read, published, and on a display's WebSocket. Check-in: a round trip through
the hub link, sealed, with a hub that answers at once. Times in ms. Noticed: how long until a station knows that the hub
was killed or stopped (SIGSTOP), or the broker was stopped; in s, at moments drawn by chance.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from uuid import uuid4

import aiomqtt

from kioskd.beside import beside
from kioskd.bus.client import KEEPALIVE_S
from kioskd.bus.connection import BrokerAddress, Request, open_bus
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
FAULTS = 5
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


async def hub_process(port: str, password: str) -> None:
    """A hub that is there and does nothing, to be stopped and killed."""
    address = BrokerAddress("127.0.0.1", int(port), "hub", password, "hub")
    async with open_bus(address, presence=TOPICS.presence):
        await asyncio.Event().wait()


async def noticed_s(broker: PrivateMosquitto) -> dict[str, list[float]]:
    """How long until a station knows."""
    times: dict[str, list[float]] = {}
    async with open_bus(broker.station("kiosk-1"), replies=TOPICS.replies) as station:
        link, gone = HubLink(station, TOPICS, KEY, "kiosk-1"), asyncio.Event()
        link.on_change(lambda is_there: None if is_there else gone.set())
        async with beside(link.run()):
            for what, number in (("hub killed", SIGKILL), ("hub stopped", SIGSTOP), ("broker stopped", SIGSTOP)):
                for _ in range(FAULTS):
                    arguments = (str(broker.address.port), broker.address.password)
                    hub = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.bus", *arguments)
                    await link.there.wait()
                    await asyncio.sleep(random.uniform(0, 3))
                    gone.clear()
                    began = time.perf_counter()
                    os.kill(broker.pid if what == "broker stopped" else hub.pid, number)
                    await gone.wait()
                    times.setdefault(what, []).append(time.perf_counter() - began)
                    os.kill(broker.pid, SIGCONT)
                    if hub.returncode is None:
                        hub.kill()
                    await hub.wait()
    return {what: sorted(each) for what, each in times.items()}


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        async with PrivateMosquitto(Path(folder), "bench", ["kiosk-1"]) as broker:
            print(f"private broker ready after {(time.perf_counter() - began) * 1000:.0f} ms; {COUNT} of each, ms\n")
            results = await measure(broker)
            noticed = await noticed_s(broker)
    print(f"{'':12} {'p50':>7} {'p99':>7} {'max':>7}")
    for name, times in results.items():
        print(f"{name:12} {times[COUNT // 2]:7.2f} {times[COUNT * 99 // 100]:7.2f} {times[-1]:7.2f}")
    print(f"\n{'noticed, s':16} {'median':>7} {'max':>7}   of {FAULTS}, a keepalive is {KEEPALIVE_S} s")
    for name, times in noticed.items():
        print(f"{name:16} {times[FAULTS // 2]:7.2f} {times[-1]:7.2f}")
    figures = [
        f"{name}_p50={times[COUNT // 2]:.2f} {name}_p99={times[COUNT * 99 // 100]:.2f}"
        for name, times in (("round_trip_ms", results["round trip"]), ("sealed_check_in_ms", results["check-in"]))
    ]
    figures += [f"{name.replace(' ', '_')}_noticed_s_max={times[-1]:.2f}" for name, times in noticed.items()]
    print(f"\nfigures: {' '.join(figures)}")


if __name__ == "__main__":
    asyncio.run(hub_process(*sys.argv[1:]) if sys.argv[1:] else main())
