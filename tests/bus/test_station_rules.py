"""What a real mosquitto lets a station do: ask, read its own answers, and see the hub come and call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kioskd.bus.broker import BrokerPlan, Listener, Login, broker_files
from kioskd.bus.client import MqttClient
from kioskd.bus.connection import Bus, Message, Request, open_bus
from kioskd.bus.topics import SiteTopics
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.errors import BusError, PublishRefused

SOON_S = 15.0
SALT = bytes(12)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[PrivateMosquitto]:
    async with PrivateMosquitto(tmp_path / "broker", "praxis", ("entrance", "side-door")) as broker:
        yield broker


@asynccontextmanager
async def station(broker: PrivateMosquitto, topics: SiteTopics, name: str = "entrance") -> AsyncIterator[Bus]:
    async with open_bus(broker.station(name), replies=topics.replies) as bus:
        async with asyncio.timeout(SOON_S):
            await bus.up.wait()
        yield bus


async def test_a_station_can_publish_requests_and_nothing_else(broker: PrivateMosquitto, topics: SiteTopics):
    async with station(broker, topics) as bus:
        await bus.publish(topics.request("check-in"), b"")
        for forbidden in (
            topics.display_state("main"),
            topics.status,
            topics.orders("entrance"),
            bus.reply_topic,
            f"{topics.replies}/station-side-door/station-side-door-0123",
            "kioskd/another-site/request/check-in",
            "kioskd/praxis",
            "elsewhere",
        ):
            with pytest.raises(PublishRefused, match="Not authorized"):
                await bus.publish(forbidden, b"forged", retain=True)


async def test_a_station_reads_the_status_its_own_answers_and_that_it_has_orders_and_nothing_else(
    broker: PrivateMosquitto, topics: SiteTopics
):
    seen: list[str] = []
    last = asyncio.Event()

    def take(message: Message) -> None:
        seen.append(message.topic)
        if message.topic == topics.status:
            last.set()

    async with open_bus(broker.address, replies=topics.replies) as hub, station(broker, topics, "side-door") as spy:
        await spy.subscribe("#", take)
        async with asyncio.timeout(SOON_S):
            await hub.up.wait()
        mine = f"{topics.replies}/station-side-door/somebody"
        for topic in (
            topics.request("check-in"),
            topics.display_state("main"),
            f"{topics.replies}/station-entrance/station-entrance-0123",
            f"{topics.replies}/hub/hub-0123",
            "kioskd/praxis",
            mine,
            topics.orders("entrance"),
            topics.orders("side-door"),
            topics.status,
        ):
            await hub.publish(topic, b"{}")
        async with asyncio.timeout(SOON_S):
            await last.wait()
    assert seen == [mine, topics.orders("side-door"), topics.status]


async def test_answers_to_one_station_are_not_seen_by_another(broker: PrivateMosquitto, topics: SiteTopics):
    seen: list[str] = []

    async def answer(request: Request) -> bytes:
        return request.payload

    async with (
        open_bus(broker.address, replies=topics.replies) as hub,
        station(broker, topics, "entrance") as one,
        station(broker, topics, "side-door") as spy,
    ):
        async with asyncio.timeout(SOON_S):
            await hub.up.wait()
        await hub.respond(topics.requests, answer)
        await spy.subscribe(f"{topics.replies}/#", lambda message: seen.append(message.topic))
        await spy.subscribe(one.reply_topic, lambda message: seen.append(message.topic))
        for bus in (one, spy):
            assert await bus.request(topics.request("echo"), b"abc", within_s=SOON_S) == b"abc"
    assert [topic for topic in seen if topic.startswith(f"{topics.replies}/station-entrance")] == []


async def test_a_station_can_not_come_in_as_hub_or_as_another_station(broker: PrivateMosquitto):
    mine = broker.station("entrance")
    for user in (broker.address.user, broker.station("side-door").user, "display", "nobody"):
        client = MqttClient(replace(mine, user=user), "someone", None)
        with pytest.raises(BusError, match="not authorized"):
            await client.connect()


async def test_a_station_that_takes_the_hub_s_client_id_is_not_the_hub(broker: PrivateMosquitto, topics: SiteTopics):
    """It can throw the hub out if it guesses the id (MQTT 5.0, 3.1.4-3), so the id has 64 random bits."""
    async with open_bus(broker.address, replies=topics.replies) as hub:
        async with asyncio.timeout(SOON_S):
            await hub.up.wait()
        lost = asyncio.Event()
        hub.on_change(lambda is_up: None if is_up else lost.set())
        thief = MqttClient(broker.station("entrance"), "hub", None)
        await thief.connect()
        with pytest.raises(PublishRefused):
            await thief.send(topics.status, b"{}", retain=True, qos=1, within_s=SOON_S)
        await hub.publish(topics.status, b"{}")
        await thief.disconnect()
        assert not lost.is_set()
        assert len(hub.reply_topic.rpartition("-")[2]) == 16


@pytest.mark.parametrize("reply_to", ["kioskd/praxis/reply/+/x", "kioskd/praxis/reply/#", "kioskd/praxis/reply/a/b/c"])
async def test_a_request_with_a_wildcard_for_a_reply_topic_does_not_harm_the_hub(
    broker: PrivateMosquitto, topics: SiteTopics, reply_to: str, caplog: pytest.LogCaptureFixture
):
    async def answer(request: Request) -> bytes:
        return request.payload

    async with (
        open_bus(broker.address, replies=topics.replies) as hub,
        station(broker, topics) as bus,
    ):
        async with asyncio.timeout(SOON_S):
            await hub.up.wait()
        await hub.respond(topics.requests, answer)
        honest, bus.reply_topic = bus.reply_topic, reply_to
        with pytest.raises(BusError, match="no answer"):
            await bus.request(topics.request("check-in"), b"", within_s=0.5)
        bus.reply_topic = honest
        assert await bus.request(topics.request("check-in"), b"abc", within_s=SOON_S) == b"abc"


def _plan(*stations: Login) -> BrokerPlan:
    hub, display = Login("hub", "h", SALT), Login("display", "d", SALT)
    return BrokerPlan("praxis", Path("/b"), Listener(1883), Listener(9001), hub, display, stations)


def test_every_station_has_an_entry_of_its_own_in_the_rules():
    files = broker_files(_plan(Login("station-entrance", "1", SALT), Login("station-side-door", "2", SALT)))
    assert [line.partition(":")[0] for line in files["daemon.passwd"].splitlines()] == [
        "hub",
        "station-entrance",
        "station-side-door",
    ]
    assert files["daemon.acl"].split("\n\n")[1] == (
        "user station-entrance\n"
        "topic write kioskd/praxis/request/#\n"
        "topic read kioskd/praxis/status\n"
        "topic read kioskd/praxis/reply/station-entrance/#\n"
        "topic read kioskd/praxis/station/entrance/orders"
    )


@pytest.mark.parametrize("user", ["station-a/b", "station-+", "station-#", "station-A", "x\ntopic write #"])
def test_a_station_whose_name_would_change_the_rules_is_refused(user: str):
    with pytest.raises(ValueError, match="broker user"):
        broker_files(_plan(Login(user, "1", SALT)))


def test_two_users_of_one_name_are_refused():
    for users in (("station-a", "station-a"), ("hub",)):
        with pytest.raises(ValueError, match="two of the broker's users have one name"):
            broker_files(_plan(*(Login(user, "1", SALT) for user in users)))
