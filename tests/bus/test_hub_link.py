"""The hub over a real broker: is it there, what a call costs when it is not, and what nobody may do on the way."""

import asyncio
import base64
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from kioskd.beside import beside
from kioskd.bus.broker import Login, password_entry
from kioskd.bus.client import KEEPALIVE_S
from kioskd.bus.connection import Bus, Request, open_bus
from kioskd.bus.hub_client import WITHIN_S as MAY_WAIT_S
from kioskd.bus.hub_client import HubLink
from kioskd.bus.hub_messages import LONGEST_WAIT_S, Answer, DoneAnswer
from kioskd.bus.hub_server import HubServer, serve_hub
from kioskd.bus.sealed import Direction, Sealer
from kioskd.bus.topics import STATUS_EVERY_S, STATUS_VALID_FOR_S, SiteTopics
from kioskd.core.identity import Reason, Refused
from kioskd.demo.mosquitto import HOST, PrivateMosquitto
from kioskd.errors import Unreachable
from kioskd.ports import DeviceReport, HelpRequest
from tests.bus.list_hub import ListHub
from tests.people import NOW, card, patient, request

SOON_S = 15.0
"""Longest a test waits for what must come, on a busy machine."""
LONG_S = LONGEST_WAIT_S
"""The deadline of a call that must end before it."""
KEY = bytes(range(32))
REPORT = DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW)


@asynccontextmanager
async def link_to(
    broker: PrivateMosquitto, topics: SiteTopics, key: bytes = KEY, within_s: float = SOON_S, keepalive_s: int = 5
) -> AsyncIterator[HubLink]:
    """The link of station "entrance", running."""
    address = replace(broker.station("entrance"), keepalive_s=keepalive_s)
    async with open_bus(address, replies=topics.replies) as bus:
        link = HubLink(bus, topics, key, "entrance", within_s=within_s, greet_again_s=0.05)
        async with beside(link.run()):
            yield link


@asynccontextmanager
async def bus_of_hub(broker: PrivateMosquitto, topics: SiteTopics) -> AsyncIterator[Bus]:
    async with open_bus(broker.address, presence=topics.presence, replies=topics.replies) as bus:
        await _until(bus.up.wait())
        yield bus


@asynccontextmanager
async def hub_at(broker: PrivateMosquitto, topics: SiteTopics, hub: ListHub) -> AsyncIterator[HubServer]:
    async with bus_of_hub(broker, topics) as bus, serve_hub(bus, topics, KEY, hub) as server:
        yield server


async def _until(what: Awaitable[object]) -> None:
    async with asyncio.timeout(SOON_S):
        await what


def _next(link: HubLink, is_there: bool) -> Callable[[], Awaitable[None]]:
    """Something to await for the hub's next coming or going; made before it."""
    came = asyncio.Event()
    link.on_change(lambda there: came.set() if there is is_there else None)
    return lambda: _until(came.wait())


async def _fails_at_once(link: HubLink, because: str) -> None:
    for asking in (
        link.identify(card(), NOW),
        link.check_in(request()),
        link.ask_for_help(HelpRequest(request().check_in_id, "entrance", NOW, Reason.NO_PATIENT, "de")),
        link.station_started("entrance", ["reader"]),
        link.report_device(REPORT),
    ):
        with pytest.raises(Unreachable, match=because):
            await _until(asking)


# --- is the hub there -----------------------------------------------------------------------------------------------


async def test_without_broker_or_hub_a_call_fails_at_once_whatever_its_deadline(tmp_path: Path, topics: SiteTopics):
    broker = PrivateMosquitto(tmp_path / "broker", "praxis")
    async with AsyncExitStack() as parts:
        parts.push_async_callback(broker.stop)
        link = await parts.enter_async_context(link_to(broker, topics, within_s=LONG_S))
        await _fails_at_once(link, "the broker can't be reached")
        await broker.start()
        await _until(link._bus.up.wait())
        await _fails_at_once(link, "the hub does not answer the broker")
        async with hub_at(broker, topics, ListHub()):
            await _until(link.there.wait())
            assert (await link.check_in(request())).label == "A1"
            gone = _next(link, False)
        await gone()
        await _fails_at_once(link, "the hub does not answer the broker")
        await broker.stop()
        await _fails_at_once(link, "the broker can't be reached")


async def test_everybody_hears_of_every_coming_and_going(
    broker: PrivateMosquitto, topics: SiteTopics, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, logger="kioskd.bus.hub_client")
    heard: list[bool] = []
    async with link_to(broker, topics) as link:
        link.on_change(heard.append)
        for _ in range(3):
            gone = _next(link, False)
            async with hub_at(broker, topics, ListHub()):
                await _until(link.there.wait())
            await gone()
    assert heard == [True, False] * 3
    assert caplog.messages == ["the hub is there", "the hub is away: the hub does not answer the broker"] * 3


async def test_what_a_hub_is_told_first_is_told_whenever_it_comes(broker: PrivateMosquitto, topics: SiteTopics):
    async with link_to(broker, topics) as link:
        link.on_hub_back(lambda: link.report_device(REPORT))
        for _ in range(2):
            hub, gone = ListHub(), _next(link, False)
            async with hub_at(broker, topics, hub):
                await hub.until_asked(1)
                assert hub.asked == [REPORT]
            await gone()


async def test_what_a_hub_is_told_first_is_told_at_once_when_it_is_there(broker: PrivateMosquitto, topics: SiteTopics):
    hub = ListHub()
    async with hub_at(broker, topics, hub), link_to(broker, topics) as link:
        await _until(link.there.wait())
        link.on_hub_back(lambda: link.report_device(REPORT))
        await hub.until_asked(1)


async def test_what_a_hub_did_not_take_is_told_again_until_it_does(broker: PrivateMosquitto, topics: SiteTopics):
    """The hub's process is connected before it serves, and its database may refuse."""
    hub, tried = ListHub(), asyncio.Semaphore(0)

    async def greet() -> None:
        tried.release()
        await link.report_device(REPORT)

    async with link_to(broker, topics) as link, bus_of_hub(broker, topics) as bus:
        link.on_hub_back(greet)
        for _ in range(2):
            await _until(tried.acquire())
        hub.failure = Unreachable("the hub's database: disk full")
        async with serve_hub(bus, topics, KEY, hub):
            for _ in range(2):
                await _until(tried.acquire())
            hub.failure = None
            await hub.until_asked(1)


async def test_a_bug_in_what_a_hub_is_told_first_ends_the_link(broker: PrivateMosquitto, topics: SiteTopics):
    async def greet() -> None:
        raise ZeroDivisionError

    async def own_a_link() -> None:
        async with link_to(broker, topics) as link:
            link.on_hub_back(greet)
            await asyncio.Event().wait()

    async with hub_at(broker, topics, ListHub()), asyncio.timeout(SOON_S):
        with pytest.raises(ExceptionGroup) as crash:
            await own_a_link()
    assert crash.value.subgroup(ZeroDivisionError) is not None


async def test_the_last_will_of_a_hub_that_comes_after_its_successor_is_not_the_last_word(
    broker: PrivateMosquitto, topics: SiteTopics
):
    async with bus_of_hub(broker, topics) as bus, link_to(broker, topics) as link:
        await _until(link.there.wait())
        gone = _next(link, False)
        await bus.publish(topics.status, topics.presence.offline, retain=True)
        await gone()
        await _until(link.there.wait())


@asynccontextmanager
async def hub_process(broker: PrivateMosquitto) -> AsyncIterator[int]:
    """The process id of a hub that says every 0.3 s that it is there for another second."""
    arguments = (str(broker.address.port), broker.address.password, KEY.hex())
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bus.hub_process", *arguments)
    try:
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_hub_that_hangs_costs_a_call_its_deadline_until_it_is_noticed(
    broker: PrivateMosquitto, topics: SiteTopics
):
    async with link_to(broker, topics, within_s=0.2) as link, hub_process(broker) as pid:
        await _until(link.there.wait())
        gone, back = _next(link, False), _next(link, True)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s|the hub does not answer the broker"):
            await link.check_in(request())
        await gone()
        await _fails_at_once(link, "the hub does not answer the broker")
        os.kill(pid, signal.SIGCONT)
        await back()


async def test_a_hub_that_is_killed_is_noticed_by_its_last_will(broker: PrivateMosquitto, topics: SiteTopics):
    async with link_to(broker, topics) as link:
        for _ in range(2):
            async with hub_process(broker) as pid:
                await _until(link.there.wait())
                gone = _next(link, False)
                os.kill(pid, signal.SIGKILL)
                await gone()


async def test_a_broker_that_hangs_is_noticed_and_found_again(broker: PrivateMosquitto, topics: SiteTopics):
    async with hub_at(broker, topics, ListHub()), link_to(broker, topics, keepalive_s=1) as link:
        await _until(link.there.wait())
        gone = _next(link, False)
        os.kill(broker.pid, signal.SIGSTOP)
        await gone()
        await _fails_at_once(link, "the broker can't be reached")
        os.kill(broker.pid, signal.SIGCONT)
        await _until(link.there.wait())


def test_a_hub_that_is_away_is_noticed_within_one_and_a_half_keepalives_and_no_step_waits_longer_than_two_seconds():
    assert 3 * STATUS_EVERY_S <= STATUS_VALID_FOR_S <= 1.5 * KEEPALIVE_S
    assert MAY_WAIT_S <= 2.0


async def test_the_keepalive_of_the_address_is_the_one_that_the_broker_is_told():
    """Read from the CONNECT packet (MQTT 5.0, 3.1.2.10)."""
    told: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = await reader.readexactly(12)  # two of the fixed header, here: name, version, flags, keepalive
        if not told.done():
            told.set_result(header)
        writer.close()

    async with await asyncio.start_server(take, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        address = replace(PrivateMosquitto(Path("unused"), "praxis").address, port=port, password="short")
        async with open_bus(address), asyncio.timeout(SOON_S):
            assert (await told)[2:] == b"\x00\x04MQTT\x05\xc2" + KEEPALIVE_S.to_bytes(2, "big")


# --- one call ------------------------------------------------------------------------------------------------------


async def test_calls_of_several_stations_cross_and_reach_who_asked(tmp_path: Path, topics: SiteTopics):
    hub = ListHub()
    async with AsyncExitStack() as parts:
        broker = await parts.enter_async_context(PrivateMosquitto(tmp_path / "broker", "praxis", ("one", "two")))
        await parts.enter_async_context(hub_at(broker, topics, hub))
        links = []
        for name in ("one", "two"):
            bus = await parts.enter_async_context(open_bus(broker.station(name), replies=topics.replies))
            links.append(HubLink(bus, topics, KEY, name, within_s=SOON_S))
            await parts.enter_async_context(beside(links[-1].run()))
            await _until(links[-1].there.wait())
        asked = [request(number) for number in range(40)]
        replies = await asyncio.gather(*(links[n % 2].check_in(one) for n, one in enumerate(asked)))
    assert [reply.check_in_id for reply in replies] == [one.check_in_id for one in asked]
    assert sorted(int(reply.label[1:]) for reply in replies) == list(range(1, 41))


async def test_a_hub_that_is_slow_says_so_in_time(broker: PrivateMosquitto, topics: SiteTopics):
    hub = ListHub()
    async with hub_at(broker, topics, hub), link_to(broker, topics, within_s=0.5) as link:
        await _until(link.there.wait())
        hub.hold()
        with pytest.raises(Unreachable, match=r"did not finish check-in in time|no answer within 0\.5 s"):
            await link.check_in(request())
        hub.may_answer.set()


async def test_a_station_with_another_key_is_told_where_to_look(
    broker: PrivateMosquitto, topics: SiteTopics, caplog: pytest.LogCaptureFixture
):
    hub = ListHub()
    async with hub_at(broker, topics, hub) as server, link_to(broker, topics, key=KEY[::-1]) as link:
        await _until(link.there.wait())
        with pytest.raises(Unreachable, match="the other side refused or failed; its log says why"):
            await link.check_in(request())
    assert (hub.asked, server.refused) == ([], {"changed": 1})
    assert "sealed with another site key" in caplog.text


async def test_a_station_may_not_wait_longer_than_any_hub_answers(topics: SiteTopics):
    with pytest.raises(ValueError, match="waits 30 s at most"):
        HubLink(Bus(PrivateMosquitto(Path("unused"), "praxis").address, None, ""), topics, KEY, "entrance", within_s=31)


async def test_two_hubs_on_one_database_share_the_requests(broker: PrivateMosquitto, topics: SiteTopics):
    hub = ListHub()
    async with (
        bus_of_hub(broker, topics) as first,
        bus_of_hub(broker, topics) as second,
        serve_hub(first, topics, KEY, hub, share="hubs"),
        serve_hub(second, topics, KEY, hub, share="hubs"),
        link_to(broker, topics) as link,
    ):
        await _until(link.there.wait())
        for number in range(20):
            await link.check_in(request(number))
    assert len(hub.asked) == 20


# --- nobody on the way may ------------------------------------------------------------------------------------------

SEALER = Sealer(KEY, "praxis")
DONE = Answer(body=DoneAnswer()).model_dump_json().encode()
FAR_MS = 4_102_444_800_000


def _expiry(request: Request) -> int:
    return SEALER.open(Direction.REQUEST, request.topic, request.token, request.payload).expires_at_ms


def _answer(request: Request, plain: bytes = DONE) -> bytes:
    return SEALER.seal(Direction.REPLY, request.reply_to, request.token, _expiry(request), plain)


FORGERIES: dict[str, Callable[[Request], bytes]] = {
    "the request sent back": lambda r: r.payload,
    "a reply sealed as a request": lambda r: SEALER.seal(Direction.REQUEST, r.reply_to, r.token, _expiry(r), DONE),
    "another key": lambda r: Sealer(KEY[::-1], "praxis").seal(Direction.REPLY, r.reply_to, r.token, _expiry(r), DONE),
    "the answer to another request": lambda r: SEALER.seal(Direction.REPLY, r.reply_to, b"x" * 16, _expiry(r), DONE),
    "the answer to another station": lambda r: SEALER.seal(
        Direction.REPLY, "kioskd/praxis/reply/station-side-door/x", r.token, _expiry(r), DONE
    ),
    "another expiry": lambda r: SEALER.seal(Direction.REPLY, r.reply_to, r.token, FAR_MS, DONE),
    "one bit changed": lambda r: _answer(r)[:-1] + bytes([_answer(r)[-1] ^ 1]),
    "cut": lambda r: _answer(r)[:-1],
    "nothing": lambda r: b"",
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_answer_is_refused_counted_and_logged_without_its_content(
    broker: PrivateMosquitto, topics: SiteTopics, caplog: pytest.LogCaptureFixture, forgery: str
):
    async def answer(request: Request) -> bytes:
        return FORGERIES[forgery](request)

    async with bus_of_hub(broker, topics) as bus, link_to(broker, topics, within_s=SOON_S) as link:
        await bus.respond(topics.requests, answer)
        await _until(link.there.wait())
        with pytest.raises(Unreachable, match="the hub's answer was refused"):
            await link.check_in(request())
        assert link.refused.total() == 1
    assert "the answer to check-in was refused" in caplog.text
    assert "Huber" not in caplog.text


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        (b'{"v": 2, "result": "A1"}', "is of version 2 of the hub link, and station entrance knows version 1"),
        (b'{"v": 1, "body": {"label": "A1"}}', "the hub's answer to check-in is wrong at body.area"),
        (b'{"v": 1}', "the hub's answer is empty"),
        (b'{"v": 1, "error": {"kind": "newer", "text": "come later", "retry_after_s": 3}}', "^come later$"),
    ],
)
async def test_an_answer_that_is_not_understood_is_a_hub_that_can_not_be_reached(
    broker: PrivateMosquitto, topics: SiteTopics, plain: bytes, said: str
):
    async def answer(request: Request) -> bytes:
        return _answer(request, plain)

    async with bus_of_hub(broker, topics) as bus, link_to(broker, topics) as link:
        await bus.respond(topics.requests, answer)
        await _until(link.there.wait())
        with pytest.raises(Unreachable, match=said):
            await link.check_in(request())


class OpenMosquitto(PrivateMosquitto):
    """A broker with one user more, who may see and do everything."""

    witness = Login("witness", "sees-everything", b"0" * 12)

    def _write_files(self) -> None:
        super()._write_files()
        with (self._folder / "daemon.passwd").open("a") as passwords, (self._folder / "daemon.acl").open("a") as rules:
            passwords.write(password_entry(self.witness))
            rules.write(f"\nuser {self.witness.user}\ntopic readwrite #\n")


async def test_the_broker_sees_nothing_of_a_patient(tmp_path: Path, topics: SiteTopics):
    """All that passes while a patient is identified, checked in, refused and sent to the desk."""
    canary = patient(7, "Zwölferkofel", "Kunigunde-Walburga")
    words = ("Zwölferkofel", "Kunigunde", "Walburga", "X000000007", "1980-02-03", "100007", "Dr. Lena Hart")
    asked = replace(request(7), patient=canary)
    async with OpenMosquitto(tmp_path / "broker", "praxis") as broker, hub_at(broker, topics, hub := ListHub()):
        witness = aiomqtt.Client(
            HOST,
            broker.address.port,
            username=broker.witness.user,
            password=broker.witness.password,
            protocol=aiomqtt.ProtocolVersion.V5,
        )
        async with witness, link_to(broker, topics) as link:
            await witness.subscribe("#", qos=1)
            await _until(link.there.wait())
            assert isinstance(await link.identify(card(canary), NOW), Refused)
            reply = await link.check_in(asked)
            await link.ask_for_help(HelpRequest(asked.check_in_id, "entrance", NOW, Reason.NAME_DIFFERS, "de", canary))
            await link.report_device(REPORT)
            seen: list[aiomqtt.Message] = []
            async with asyncio.timeout(SOON_S):
                async for message in witness.messages:
                    seen.append(message)
                    if sum("/reply/" in str(m.topic) for m in seen) == 4:
                        break
    assert (len(hub.asked), reply.label) == (4, "A1")
    assert sum("/request/" in str(m.topic) for m in seen) == 4
    assert all(word in repr(hub.asked) or word == "1980-02-03" for word in words), "it did pass, under its seal"
    for message in seen:
        properties = repr(message.properties.json() if message.properties else {})
        for raw in (_bytes(message.payload), str(message.topic).encode(), properties.encode()):
            assert [word for word in words for form in _forms(word) if form in raw] == []


def _forms(word: str) -> list[bytes]:
    """How a text may stand in bytes that are not encrypted."""
    plain = word.encode()
    escaped = word.encode("unicode_escape")
    return [
        plain,
        word.encode("latin-1"),
        word.encode("utf-16-le"),
        escaped,
        plain.hex().encode(),
        base64.b64encode(plain)[:-3],
    ]


def _bytes(payload: object) -> bytes:
    assert isinstance(payload, bytes)
    return payload
