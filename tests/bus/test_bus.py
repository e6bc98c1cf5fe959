"""The connection, against a real mosquitto that is killed, stopped and started."""

import asyncio
import logging
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import aiomqtt
import pytest

from kioskd.bus.client import CONNECT_WITHIN_S
from kioskd.bus.connection import Bus, Message, Request, open_bus
from kioskd.bus.topics import SiteTopics
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.errors import BusError, PublishRefused

WITHIN_S = 10.0


async def _up(bus: Bus) -> None:
    async with asyncio.timeout(WITHIN_S):
        await bus.up.wait()


def _down(bus: Bus) -> Callable[[], Awaitable[None]]:
    """Something to await for the next loss of the connection; made before it is lost."""
    lost = asyncio.Event()
    bus.on_change(lambda is_up: None if is_up else lost.set())

    async def wait() -> None:
        async with asyncio.timeout(WITHIN_S * 2):
            await lost.wait()

    return wait


async def _reversed(request: Request) -> bytes:
    return request.payload[::-1]


async def test_a_publish_that_the_access_list_refuses_is_an_error(broker: PrivateMosquitto):
    async with open_bus(broker.address) as bus:
        await _up(bus)
        with pytest.raises(PublishRefused, match="another-site/status refused: Not authorized") as refused:
            await bus.publish("kioskd/another-site/status", b"{}")
        assert refused.value.reason_code == 0x87
        await bus.publish("kioskd/praxis/status", b"{}")


async def test_many_publishes_at_once_are_all_acknowledged_and_logged_by_nobody(
    broker: PrivateMosquitto, topics: SiteTopics, caplog: pytest.LogCaptureFixture
):
    async with open_bus(broker.address) as bus:
        await _up(bus)
        caplog.clear()
        await asyncio.gather(*(bus.publish(topics.display_state(f"area-{n}"), b"{}") for n in range(200)))
    assert caplog.records == []


async def test_subscribers_get_messages_in_order_and_know_what_was_kept(broker: PrivateMosquitto, topics: SiteTopics):
    got: list[Message] = []
    enough = asyncio.Event()

    def take(message: Message) -> None:
        got.append(message)
        if len(got) == 4:
            enough.set()

    async with open_bus(broker.address) as bus:
        await _up(bus)
        await bus.publish(topics.request("a"), b"kept", retain=True)
        await bus.subscribe(topics.requests, take)
        for payload in (b"1", b"2", b"3"):
            await bus.publish(topics.request("b"), payload)
        async with asyncio.timeout(WITHIN_S):
            await enough.wait()
    assert got[0] == Message(topics.request("a"), b"kept", is_retained=True)
    assert [(m.payload, m.is_retained) for m in got[1:]] == [(b"1", False), (b"2", False), (b"3", False)]


async def test_three_hundred_requests_get_their_own_answers(broker: PrivateMosquitto, topics: SiteTopics):
    async with (
        open_bus(broker.address, replies=topics.replies) as hub,
        open_bus(replace(broker.address, client_id="kiosk-1"), replies=topics.replies) as station,
    ):
        await _up(hub)
        await _up(station)
        await hub.respond(topics.request("check-in"), _reversed)
        for n in range(300):
            assert await station.request(topics.request("check-in"), b"%04d" % n, within_s=2) == (b"%04d" % n)[::-1]


async def test_answers_that_cross_reach_who_asked(broker: PrivateMosquitto, topics: SiteTopics):
    first_may_answer = asyncio.Event()

    async def answer(request: Request) -> bytes:
        if request.payload == b"first":
            await first_may_answer.wait()
        else:
            first_may_answer.set()
        return request.payload.upper()

    async with open_bus(broker.address, replies=topics.replies) as bus:
        await _up(bus)
        await bus.respond(topics.request("check-in"), answer)
        ask = [bus.request(topics.request("check-in"), p, within_s=2) for p in (b"first", b"second")]
        assert await asyncio.gather(*ask) == [b"FIRST", b"SECOND"]


async def test_a_request_that_nobody_answers_says_so_at_once(broker: PrivateMosquitto, topics: SiteTopics):
    async with open_bus(broker.address, replies=topics.replies) as bus:
        await _up(bus)
        with pytest.raises(BusError, match="nobody listens"):
            await bus.request(topics.request("check-in"), b"", within_s=30)


async def test_a_slow_answer_ends_at_the_deadline(broker: PrivateMosquitto, topics: SiteTopics):
    async with open_bus(broker.address, replies=topics.replies) as bus:
        await _up(bus)
        never = asyncio.Event()

        async def answer(_: Request) -> bytes:
            await never.wait()
            return b""

        await bus.respond(topics.request("check-in"), answer)
        with pytest.raises(BusError, match=r"no answer within 0\.2 s"):
            await bus.request(topics.request("check-in"), b"", within_s=0.2)


async def test_a_handler_that_fails_is_answered_at_once_and_its_text_stays_out_of_the_log(
    broker: PrivateMosquitto, topics: SiteTopics, caplog: pytest.LogCaptureFixture
):
    async def answer(request: Request) -> bytes:
        raise KeyError(request.payload.decode())

    async with open_bus(broker.address, replies=topics.replies) as bus:
        await _up(bus)
        await bus.respond(topics.request("check-in"), answer)
        with pytest.raises(BusError, match="the other side refused or failed"):
            await bus.request(topics.request("check-in"), b"Erika Mustermann", within_s=30)
    assert "KeyError at " in caplog.text
    assert "Mustermann" not in caplog.text


async def test_a_request_can_not_have_its_answer_written_elsewhere(broker: PrivateMosquitto, topics: SiteTopics):
    asked: list[Request] = []

    async def answer(request: Request) -> bytes:
        asked.append(request)
        return b'{"v": 1, "calls": []}'

    # A requester whose reply topic is the picture of a waiting area.
    async with (
        open_bus(broker.address, replies=topics.replies) as hub,
        open_bus(broker.address, replies=topics.display_state("main")) as forger,
    ):
        await _up(hub)
        await _up(forger)
        await hub.respond(topics.request("check-in"), answer)
        with pytest.raises(BusError, match="no answer"):
            await forger.request(topics.request("check-in"), b"forged", within_s=0.3)
    assert asked == []


async def test_without_a_broker_the_daemon_starts_and_every_call_says_so(tmp_path, topics: SiteTopics):
    broker = PrivateMosquitto(tmp_path / "broker", "praxis")
    async with open_bus(broker.address, replies=topics.replies) as bus:
        assert not bus.is_up
        with pytest.raises(BusError, match="is away"):
            await bus.publish(topics.status, b"{}")
        with pytest.raises(BusError, match="is away"):
            await bus.request(topics.request("check-in"), b"", within_s=1)
        await broker.start()
        await _up(bus)
        await bus.publish(topics.status, b"{}")
    await broker.stop()


async def test_after_a_kill_the_bus_comes_back_and_greets_again(
    broker: PrivateMosquitto, topics: SiteTopics, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="kioskd.bus")
    greeted: asyncio.Queue[None] = asyncio.Queue()

    async def greet() -> None:
        await bus.publish(topics.display_state("main"), b"{}", retain=True)
        greeted.put_nowait(None)

    async with open_bus(broker.address, replies=topics.replies) as bus:
        bus.on_connect(greet)
        await bus.respond(topics.request("check-in"), _reversed)
        for _ in range(3):
            async with asyncio.timeout(WITHIN_S):
                await greeted.get()
            assert await bus.request(topics.request("check-in"), b"abc", within_s=2) == b"cba"
            down = _down(bus)
            broker.kill()
            await down()
            with pytest.raises(BusError):
                await bus.publish(topics.status, b"{}")
            await broker.start()
    # Ours only: the MQTT library may add a line of its own when the socket is reset while it writes.
    ours = [r for r in caplog.records if r.name == "kioskd.bus.connection"]
    said = [re.sub(r"\(.*\)", "(why)", r.getMessage().split(": ", 1)[1]) for r in ours]
    changes = ["connected", "away (why); trying again until it is back"]
    assert [text for n, text in enumerate(said) if n == 0 or text != said[n - 1]][:6] == changes * 3


async def test_a_broker_that_stays_away_is_logged_once(tmp_path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="kioskd.bus")
    broker = PrivateMosquitto(tmp_path / "broker", "praxis")
    async with open_bus(broker.address):
        # Three attempts at least: the third begins 1.5 s after the first at the latest.
        await asyncio.sleep(1.6)
    assert len(caplog.records) == 1


async def test_requests_that_wait_end_when_the_connection_does(broker: PrivateMosquitto, topics: SiteTopics):
    has_begun = asyncio.Event()

    async def answer(_: Request) -> bytes:
        has_begun.set()
        await asyncio.Event().wait()
        return b""

    async with open_bus(broker.address, replies=topics.replies) as bus, asyncio.TaskGroup() as tasks:
        await _up(bus)
        await bus.respond(topics.request("check-in"), answer)
        asking = tasks.create_task(_error_of(bus.request(topics.request("check-in"), b"", within_s=30)))
        await has_begun.wait()
        broker.kill()
        async with asyncio.timeout(WITHIN_S):
            assert "connection was lost" in await asking


async def _error_of(request: Awaitable[bytes]) -> str:
    with pytest.raises(BusError) as failure:
        await request
    return str(failure.value)


async def test_a_broker_that_hangs_costs_a_publish_its_deadline_and_no_more(
    broker: PrivateMosquitto, topics: SiteTopics
):
    async with open_bus(broker.address) as bus:
        await _up(bus)
        os.kill(broker.pid, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(BusError, match=r"no answer from the broker within 0\.3 s"):
            await bus.publish(topics.status, b"{}", within_s=0.3)
        assert time.monotonic() - began < 20
        os.kill(broker.pid, signal.SIGCONT)
        await bus.publish(topics.status, b"{}")


@pytest.mark.long
async def test_a_broker_that_hangs_is_noticed_and_found_again(broker: PrivateMosquitto, topics: SiteTopics):
    async with open_bus(broker.address) as bus:
        await _up(bus)
        down = _down(bus)
        os.kill(broker.pid, signal.SIGSTOP)
        await down()
        os.kill(broker.pid, signal.SIGCONT)
        await _up(bus)
        await bus.publish(topics.status, b"{}")


async def test_leaving_while_the_broker_hangs_takes_a_bounded_time(broker: PrivateMosquitto, topics: SiteTopics):
    async with open_bus(broker.address, presence=topics.presence) as bus:
        await _up(bus)
        os.kill(broker.pid, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < 20


async def test_leaving_while_dialling_a_broker_that_hangs_leaves_nothing_open(broker: PrivateMosquitto):
    os.kill(broker.pid, signal.SIGSTOP)
    open_before = len(os.listdir("/proc/self/fd"))
    began = time.monotonic()
    async with open_bus(broker.address):
        await asyncio.sleep(0.1)  # the kernel takes the connection; the broker never answers
    assert time.monotonic() - began < CONNECT_WITHIN_S
    assert len(os.listdir("/proc/self/fd")) == open_before


async def test_wrong_credentials_are_said_in_the_log_and_tried_again_late(
    broker: PrivateMosquitto, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="kioskd.bus")
    async with open_bus(replace(broker.address, password="wrong")) as bus:
        await asyncio.sleep(1.6)
        assert not bus.is_up
    assert [r.getMessage() for r in caplog.records] == [
        f"broker {broker.address}: away (not authorized); trying again until it is back"
    ]


async def test_presence_is_online_while_connected_and_offline_after_leaving(
    broker: PrivateMosquitto, topics: SiteTopics, onlooker: aiomqtt.Client
):
    await onlooker.subscribe(topics.status, qos=1)
    messages = aiter(onlooker.messages)
    async with open_bus(broker.address, presence=topics.presence) as bus, asyncio.timeout(WITHIN_S):
        await _up(bus)
        assert (await anext(messages)).payload == topics.presence.online
    async with asyncio.timeout(WITHIN_S):
        assert await _next_but(topics.presence.online, messages) == topics.presence.offline


async def test_a_hub_that_vanishes_is_said_offline_by_the_broker(
    broker: PrivateMosquitto, topics: SiteTopics, onlooker: aiomqtt.Client
):
    await onlooker.subscribe(topics.status, qos=1)
    messages = aiter(onlooker.messages)
    script = f"""
import asyncio
from kioskd.bus.connection import BrokerAddress, open_bus
from kioskd.bus.topics import SiteTopics
async def main():
    address = BrokerAddress("127.0.0.1", {broker.address.port}, "hub", {broker.address.password!r}, "hub")
    async with open_bus(address, presence=SiteTopics("praxis").presence):
        await asyncio.Event().wait()
asyncio.run(main())
"""
    hub = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    async with asyncio.timeout(WITHIN_S):
        assert (await anext(messages)).payload == topics.presence.online
        hub.kill()
        await hub.wait()
        assert await _next_but(topics.presence.online, messages) == topics.presence.offline


async def _next_but(known: bytes, messages: AsyncIterator[aiomqtt.Message]) -> object:
    """The next payload that is another one: presence is said again and again."""
    async for message in messages:
        if message.payload != known:
            return message.payload
    raise EOFError


async def test_a_bug_in_a_subscriber_ends_the_block_that_owns_the_bus(broker: PrivateMosquitto, topics: SiteTopics):
    def broken(_: Message) -> None:
        raise ZeroDivisionError

    async def own_a_bus() -> None:
        async with open_bus(broker.address) as bus:
            await _up(bus)
            await bus.subscribe(topics.requests, broken)
            await bus.publish(topics.request("a"), b"")
            await asyncio.Event().wait()

    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(ExceptionGroup) as crash:
            await own_a_bus()
    assert crash.value.subgroup(ZeroDivisionError) is not None


async def test_a_password_is_in_no_representation(broker: PrivateMosquitto):
    assert broker.address.password not in repr(broker.address)
    assert broker.display.password not in repr(broker.display)
