"""Pictures on the wire, through a real mosquitto to a client with the displays' rights."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import aiomqtt
import pytest

from kioskd.bus.connection import open_bus
from kioskd.bus.displays import KIND, DisplayDestination
from kioskd.bus.topics import DisplayState, SiteTopics
from kioskd.core.display import Call, Snapshot
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.errors import Rejected, RuleViolation, StoreError, Unreachable
from kioskd.ports import OutboxMessage
from tests.bus.display_client import web_client

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
WITHIN_S = 10.0


class Waitingroom:
    """One area whose picture a test changes."""

    def __init__(self) -> None:
        self.now = Snapshot("main", "Wartebereich 1", 1, 1, NOON, (), 4)
        self.reads = 0
        self.is_broken = False
        self._was_read = asyncio.Event()

    def call(self, label: str) -> None:
        calls = (Call(label, "Zimmer 3", NOON, 1), *self.now.calls)
        self.now = replace(self.now, version=self.now.version + 1, calls=calls[:5])

    async def next_read(self) -> None:
        self._was_read.clear()
        await self._was_read.wait()

    async def snapshot(self, area: str) -> Snapshot:
        self.reads += 1
        self._was_read.set()
        if self.is_broken:
            raise StoreError("the database is locked")
        if area not in {"main", "x-ray"}:
            raise RuleViolation("unknown-area", f"this site has no area {area}")
        return replace(self.now, area=area)


@pytest.fixture
def room() -> Waitingroom:
    return Waitingroom()


@asynccontextmanager
async def destination(
    broker: PrivateMosquitto, room: Waitingroom, **options: float
) -> AsyncIterator[DisplayDestination]:
    async with open_bus(broker.address) as bus:
        async with asyncio.timeout(WITHIN_S):
            await bus.up.wait()
        yield DisplayDestination(bus, "praxis", room.snapshot, **options)


def changed(area: object = "main", kind: str = KIND) -> OutboxMessage:
    return OutboxMessage(1, "displays", f"display/{area}", kind, {"area": area}, 0, NOON)


async def _next(client: aiomqtt.Client, within_s: float = WITHIN_S) -> tuple[DisplayState, aiomqtt.Message]:
    async with asyncio.timeout(within_s):
        message = await anext(aiter(client.messages))
    return DisplayState.model_validate_json(message.payload), message


async def test_a_display_that_boots_is_right_after_one_message(
    broker: PrivateMosquitto, room: Waitingroom, topics: SiteTopics
):
    room.call("A12")
    async with destination(broker, room) as displays:
        await displays.deliver(changed())
        async with web_client(broker) as booted:
            await booted.subscribe(topics.display_state("main"), qos=1)
            picture, message = await _next(booted)
    assert message.retain
    assert (picture.version, [c.label for c in picture.calls], picture.waiting_count) == (2, ["A12"], 4)


async def test_an_old_message_publishes_the_picture_of_now(
    broker: PrivateMosquitto, room: Waitingroom, topics: SiteTopics, onlooker: aiomqtt.Client
):
    await onlooker.subscribe(topics.display_state("main"), qos=1)
    published: list[tuple[str, int]] = []
    old = changed()
    room.call("A12")
    room.call("A13")
    async with open_bus(broker.address) as bus:
        await bus.up.wait()
        displays = DisplayDestination(
            bus, "praxis", room.snapshot, on_published=lambda area, version: published.append((area, version))
        )
        await displays.deliver(old)
        await displays.deliver(old)
    for _ in range(2):
        assert (await _next(onlooker))[0].version == 3
    assert published == [("main", 3), ("main", 3)]


async def test_an_older_picture_never_overtakes_a_newer_one(
    broker: PrivateMosquitto, room: Waitingroom, topics: SiteTopics, onlooker: aiomqtt.Client
):
    await onlooker.subscribe(topics.display_state("main"), qos=1)
    first_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow_the_first_time(area: str) -> Snapshot:
        snapshot = await room.snapshot(area)
        if room.reads == 1:
            first_read.set()
            await may_go_on.wait()
        return snapshot

    async with open_bus(broker.address) as bus, asyncio.TaskGroup() as tasks:
        await bus.up.wait()
        displays = DisplayDestination(bus, "praxis", slow_the_first_time)
        tasks.create_task(displays.deliver(changed()))
        await first_read.wait()
        room.call("A12")
        tasks.create_task(displays.deliver(changed()))
        may_go_on.set()
    assert [(await _next(onlooker))[0].version for _ in range(2)] == [1, 2]


async def test_a_picture_says_how_long_it_is_good_and_the_broker_forgets_it_then(
    broker: PrivateMosquitto, room: Waitingroom, topics: SiteTopics
):
    async with destination(broker, room, valid_for_s=2) as displays:
        await displays.deliver(changed())
        async with web_client(broker, client_id="display-early") as early:
            await early.subscribe(topics.display_state("main"), qos=1)
            _, message = await _next(early)
        assert message.properties is not None
        assert message.properties.MessageExpiryInterval in {1, 2}
        await asyncio.sleep(3.1)  # the broker counts whole seconds
        async with web_client(broker, client_id="display-late") as late:
            await late.subscribe(topics.display_state("main"), qos=1)
            with pytest.raises(TimeoutError):
                await _next(late, within_s=0.5)


async def test_a_broker_that_is_away_makes_the_message_wait(broker: PrivateMosquitto, room: Waitingroom):
    async with destination(broker, room) as displays:
        broker.kill()
        with pytest.raises(Unreachable):
            await displays.deliver(changed())


async def test_a_site_that_the_access_list_does_not_know_makes_the_message_wait(
    broker: PrivateMosquitto, room: Waitingroom
):
    async with open_bus(broker.address) as bus:
        await bus.up.wait()
        with pytest.raises(Unreachable, match="Not authorized"):
            await DisplayDestination(bus, "another-site", room.snapshot).deliver(changed())


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (changed(kind="check-in"), "unknown-message"),
        (changed(area=None), "unknown-message"),
        (changed(area="cellar"), "unknown-area"),
        (changed(area="main/#"), "unknown-area"),
    ],
)
async def test_a_message_that_can_never_be_published_is_parked(
    broker: PrivateMosquitto, room: Waitingroom, message: OutboxMessage, code: str
):
    async with destination(broker, room) as displays:
        with pytest.raises(Rejected) as refusal:
            await displays.deliver(message)
    assert refusal.value.code == code


async def test_every_connect_and_every_beat_publishes_every_area(
    broker: PrivateMosquitto, room: Waitingroom, topics: SiteTopics
):
    async with (
        destination(broker, room, beat_every_s=0.2) as displays,
        asyncio.TaskGroup() as tasks,
    ):
        beating = tasks.create_task(displays.run(["main", "x-ray"]))
        async with web_client(broker) as display:
            await display.subscribe(topics.every_display_state, qos=1)
            seen = [await _next(display) for _ in range(6)]
        assert {picture.area for picture, _ in seen} == {"main", "x-ray"}
        assert sum(not message.retain for _, message in seen) >= 4
        broker.kill()
        room.call("A12")
        await broker.start()
        async with web_client(broker) as display:
            await display.subscribe(topics.display_state("main"), qos=1)
            assert [c.label for c in (await _next(display))[0].calls] == ["A12"]
        beating.cancel()


async def test_a_picture_that_can_not_be_read_is_not_renewed_and_logged_once(
    broker: PrivateMosquitto,
    room: Waitingroom,
    topics: SiteTopics,
    onlooker: aiomqtt.Client,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO, logger="kioskd.bus.displays")
    await onlooker.subscribe(topics.display_state("main"), qos=1)
    async with destination(broker, room, beat_every_s=0.05) as displays, asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(displays.run(["main"]))
        await _next(onlooker)
        room.is_broken = True
        async with asyncio.timeout(WITHIN_S):
            for _ in range(3):
                await room.next_read()
        room.is_broken = False
        room.call("A12")
        async with asyncio.timeout(WITHIN_S):
            while (await _next(onlooker))[0].version != 2:
                pass
        beating.cancel()
    texts = [r.getMessage() for r in caplog.records]
    assert [t.split(":")[0] for t in texts] == ["display main", "display main"]
    assert "can't be renewed" in texts[0]
    assert "renewed again" in texts[1]
