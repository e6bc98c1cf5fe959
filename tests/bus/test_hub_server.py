"""What the hub makes of requests that come in: whom it answers, what it refuses, and what it says of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from kioskd.bus.connection import Request, new_token
from kioskd.bus.hub_messages import CHECK_IN, Answer, CheckInQuestion, Question, WireError, read
from kioskd.bus.hub_server import CLOCKS_MAY_DIFFER_S, MOST_AT_ONCE, MOST_REMEMBERED, Doorkeeper, HubServer
from kioskd.bus.sealed import Direction, NotSealed, Sealer
from kioskd.bus.topics import SiteTopics
from kioskd.errors import BusError, Rejected, RuleViolation, StoreError, Unreachable
from tests.bus.list_hub import ListHub
from tests.fakes import Clock
from tests.people import NOW, request

TOPICS, KEY = SiteTopics("praxis"), bytes(range(32))
SEALER = Sealer(KEY, "praxis")
REPLY_TO = "kioskd/praxis/reply/station-entrance/station-entrance-0123"
WITHIN_MS = 2000
SECRETS = ("Huber", "Anna", "X000000001", "1980")


class Station:
    """Asks a server as the wire would, and reads the answers."""

    def __init__(self) -> None:
        self.hub, self.clock = ListHub(), Clock(NOW)
        self.server = HubServer(TOPICS, KEY, self.hub, self.clock)

    def message(self, *, name: str = "check-in", within_ms: int = WITHIN_MS, v: int = 1, off_s: float = 0) -> Request:
        question: Any = Question(
            station="entrance", within_ms=within_ms, body=CheckInQuestion.model_validate(request())
        )
        plain = CHECK_IN.question.dump_json(question, by_alias=True).replace(b'"v":1', b'"v":%d' % v)
        token, topic = new_token(), f"{TOPICS.request_above}{name}"
        expires_at_ms = round((NOW + timedelta(seconds=off_s)).timestamp() * 1000) + within_ms
        return Request(topic, SEALER.seal(Direction.REQUEST, topic, token, expires_at_ms, plain), token, REPLY_TO)

    async def ask(self, message: Request) -> Answer[Any]:
        sealed = await self.server.answer(message)
        plain = SEALER.open(Direction.REPLY, message.reply_to, message.token, sealed).plain
        answer: Answer[Any] = read(CHECK_IN.answer, plain, "the answer", "the test")
        return answer

    async def error(self, message: Request) -> WireError:
        answer = await self.ask(message)
        assert answer.body is None
        assert answer.error is not None
        return answer.error


@pytest_asyncio.fixture
async def station() -> AsyncIterator[Station]:
    station = Station()
    yield station
    station.hub.may_answer.set()
    await station.server.stop()


async def test_a_request_is_answered_with_the_expiry_that_it_had(station: Station):
    message = station.message()
    sealed = await station.server.answer(message)
    opened = SEALER.open(Direction.REPLY, REPLY_TO, message.token, sealed)
    assert opened.expires_at_ms == round(NOW.timestamp() * 1000) + WITHIN_MS
    answer = read(CHECK_IN.answer, opened.plain, "the answer", "the test")
    assert answer.body.core() == await station.hub.check_in(station.hub.asked[0])


def _changed(message: Request) -> Request:
    payload = bytearray(message.payload)
    payload[-1] ^= 1
    return Request(message.topic, bytes(payload), message.token, message.reply_to)


def _moved(message: Request) -> Request:
    return Request(TOPICS.request("ask-for-help"), message.payload, message.token, message.reply_to)


def _for_another(message: Request) -> Request:
    return Request(message.topic, message.payload, new_token(), message.reply_to)


@pytest.mark.parametrize("tamper", [_changed, _moved, _for_another])
async def test_a_request_that_was_tampered_with_is_refused_counted_and_logged_without_its_content(
    station: Station, caplog: pytest.LogCaptureFixture, tamper: Any
):
    with pytest.raises(BusError):
        await station.server.answer(tamper(station.message()))
    assert station.server.refused == {"changed": 1}
    assert station.hub.asked == []
    [line] = caplog.messages
    assert "was refused, 1 so far: sealed with another site key, for another request, or changed" in line
    assert not any(secret in caplog.text for secret in SECRETS)


async def test_a_request_that_is_sent_again_is_refused_and_the_hub_is_asked_once(station: Station):
    message = station.message()
    await station.ask(message)
    with pytest.raises(BusError, match="was there before"):
        await station.server.answer(message)
    station.clock.now += timedelta(seconds=CLOCKS_MAY_DIFFER_S)
    with pytest.raises(BusError, match="was there before"):
        await station.server.answer(message)
    assert station.server.refused == {"replayed": 2}
    assert len(station.hub.asked) == 1


@pytest.mark.parametrize("off_s", [-310, 340, 86_400 * 365])
async def test_a_request_of_another_time_is_refused_and_told_why(
    station: Station, caplog: pytest.LogCaptureFixture, off_s: float
):
    error = await station.error(station.message(off_s=off_s))
    assert error.kind == "clocks"
    assert "the clocks of station and hub differ" in error.text
    assert station.hub.asked == []
    assert station.server.refused == {"clocks": 1}
    assert "the clocks of station and hub differ" in caplog.text


@pytest.mark.parametrize("off_s", [-290, 290])
async def test_clocks_that_differ_by_minutes_are_warned_of_once_and_no_reason_to_refuse(
    station: Station, caplog: pytest.LogCaptureFixture, off_s: float
):
    for _ in range(3):
        assert (await station.ask(station.message(off_s=off_s))).error is None
    assert caplog.messages == ["the clocks of station entrance and hub differ by 290 s"]
    await station.ask(station.message())
    await station.ask(station.message(off_s=off_s))
    assert len(caplog.messages) == 2, "it was right in between"


async def test_an_unknown_request_is_answered_with_what_the_hub_knows(station: Station):
    for name in ("fly", "check-in/twice", ""):
        error = await station.error(station.message(name=name))
        assert error.kind == "not-understood"
        assert "it knows identify, identify-letter, " in error.text


async def test_another_version_is_answered_with_both_versions(station: Station):
    error = await station.error(station.message(v=2))
    assert error.kind == "not-understood"
    assert "is of version 2 of the hub link, and the hub knows version 1" in error.text
    newer_seal = station.message()
    newer_seal = Request(newer_seal.topic, b"\x02" + newer_seal.payload[1:], newer_seal.token, REPLY_TO)
    error = await station.error(newer_seal)
    assert (error.kind, error.text) == ("version", "a seal of version 2; this side knows version 1")


@pytest.mark.parametrize(
    ("failure", "kind", "code", "text"),
    [
        (RuleViolation("cancelled", "the appointment is cancelled"), "rule", "cancelled", "the appointment is cancel"),
        (Unreachable("records are away", 7.5), "unreachable", "", "records are away"),
        (Rejected("422", "records refuse it"), "rejected", "422", "422: records refuse it"),
        (StoreError("disk full"), "unreachable", "", "disk full"),
        (KeyError("Anna Huber, X000000001"), "failed", "", "the hub failed at check-in; its log says where"),
    ],
)
async def test_what_the_hub_raises_is_told_and_nothing_that_may_be_a_patient_s(
    station: Station, caplog: pytest.LogCaptureFixture, failure: Exception, kind: str, code: str, text: str
):
    station.hub.failure = failure
    error = await station.error(station.message())
    assert (error.kind, error.code) == (kind, code)
    assert error.text.startswith(text)
    assert error.retry_after_s == getattr(failure, "retry_after_s", None)
    assert not any(secret in caplog.text + error.text for secret in SECRETS)


async def test_a_call_that_takes_too_long_is_answered_in_time_and_goes_on(station: Station):
    station.hub.hold()
    error = await station.error(station.message(within_ms=200))
    assert (error.kind, error.text) == ("unreachable", "the hub did not finish check-in in time: ask again")
    stopping = asyncio.create_task(station.server.stop())
    await asyncio.sleep(0)
    error = await station.error(station.message())
    assert error.text == "the hub is stopping: ask again"
    assert not stopping.done(), "a call that runs may end"
    station.hub.may_answer.set()
    await stopping
    assert station.hub.answered == 1


async def test_more_calls_than_the_hub_can_carry_are_told_to_come_again(station: Station):
    station.hub.hold()
    asking = [asyncio.create_task(station.ask(station.message(within_ms=20_000))) for _ in range(MOST_AT_ONCE)]
    await station.hub.until_asked(MOST_AT_ONCE)
    error = await station.error(station.message())
    assert (error.kind, error.retry_after_s) == ("unreachable", 1.0)
    station.hub.may_answer.set()
    assert all(answer.error is None for answer in await asyncio.gather(*asking))


async def test_who_sends_rubbish_does_not_fill_the_log(station: Station, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    for _ in range(150):
        with pytest.raises(BusError):
            await station.server.answer(Request(TOPICS.request("check-in"), b"\x01rubbish", new_token(), REPLY_TO))
    assert station.server.refused.total() == 150
    assert len(caplog.messages) == 3


def test_the_doorkeeper_forgets_what_would_be_refused_for_its_age():
    doorkeeper, now_ms = Doorkeeper(), 1_000_000_000
    doorkeeper.admit(b"first", now_ms, now_ms)
    later_ms = now_ms + round(CLOCKS_MAY_DIFFER_S * 1000) + 1
    doorkeeper.admit(b"second", later_ms, later_ms)
    assert len(doorkeeper) == 1
    with pytest.raises(NotSealed) as refusal:
        doorkeeper.admit(b"first", now_ms, later_ms)
    assert refusal.value.reason == "clocks"


def test_the_doorkeeper_remembers_no_more_than_it_can_hold():
    doorkeeper = Doorkeeper()
    for number in range(MOST_REMEMBERED + 1000):
        doorkeeper.admit(number.to_bytes(4, "big"), 1_000, 1_000)
    assert len(doorkeeper) <= MOST_REMEMBERED + 1
