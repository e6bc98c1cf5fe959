"""The connection to the broker that comes back by itself, and what the daemon does over it.

The daemon starts without a broker and outlives one: ``open_bus`` returns at once, and what is asked while the broker
is away raises BusError. Nothing is queued here: the outbox is the truth, and ``on_connect`` is where a part
publishes its whole state again. One log line is written per change, not per attempt.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiomqtt

from kioskd.beside import beside
from kioskd.bus.backoff import STEADY_AFTER_S, delay_s
from kioskd.bus.client import BrokerAddress, MqttClient, publish_properties
from kioskd.bus.topics import Presence
from kioskd.errors import BusError

__all__ = ["BrokerAddress", "Bus", "Message", "Request", "new_token", "open_bus"]

log = logging.getLogger(__name__)

NO_MATCHING_SUBSCRIBERS = 0x10
"""PUBACK: the broker took the message and nobody listens (MQTT 5.0, 3.4.2.1)."""
FAREWELL_WITHIN_S = 1.0

_LEVEL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""A user or client id in a reply topic: no wildcard, which must not be published to (MQTT 5.0, 3.3.2.1)."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came in. ``is_retained``: the broker had kept it from before we subscribed.

    ``good_for_s``: how long its sender says that it is good from now on (message expiry interval, MQTT 5.0, 3.3.2.3.3);
    the broker takes off what it kept it for.
    """

    topic: str
    payload: bytes
    is_retained: bool
    good_for_s: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came in. ``token`` is its correlation data, ``reply_to`` where its answer goes."""

    topic: str
    payload: bytes
    token: bytes
    reply_to: str


Answer = Callable[[Request], Awaitable[bytes]]


def new_token() -> bytes:
    """The correlation data of a request: 128 random bits, so that no two requests ever share it."""
    return secrets.token_bytes(16)


@asynccontextmanager
async def open_bus(
    address: BrokerAddress, *, presence: Presence | None = None, replies: str = ""
) -> AsyncIterator[Bus]:
    """A bus that connects, and connects again, while the block runs; leaving it disconnects.

    ``presence`` is published retained: online while connected, offline on leaving or by the broker. ``replies``
    is the topic above the clients' reply topics, for ``request`` and ``respond``. A bug in here ends the
    block, see ``beside``.
    """
    bus = Bus(address, presence, replies)
    async with beside(bus.keep_connected()):
        try:
            yield bus
        finally:
            bus.is_leaving = True


class Bus:
    """See the module. Made by ``open_bus``."""

    def __init__(self, address: BrokerAddress, presence: Presence | None, replies: str) -> None:
        self._address = address
        self._presence = presence
        self._replies = replies
        # A client that guesses another one's id throws it out (MQTT 5.0, 3.1.4-3): make it unguessable.
        self._client_id = f"{address.client_id}-{secrets.token_hex(8)}"
        self._client: MqttClient | None = None
        self._period: asyncio.TaskGroup | None = None
        self._requests: asyncio.TaskGroup | None = None
        self._handlers: dict[str, Callable[[aiomqtt.Message], None]] = {}
        self._greetings: list[Callable[[], Awaitable[None]]] = []
        self._listeners: list[Callable[[bool], None]] = []
        self._awaited: dict[bytes, asyncio.Future[tuple[bytes, bool] | None]] = {}
        self._said = ""
        self.is_leaving = False
        """Set before ``keep_connected`` is cancelled."""
        self.up = asyncio.Event()
        """Set while the broker is there. For waiting; ``is_up`` for asking."""
        # Below the user's name: the broker's access list keeps one station from reading another one's answers.
        self.reply_topic = f"{replies}/{address.user}/{self._client_id}"
        """Where the answers to this client's requests come in."""
        if replies:
            self._handlers[self.reply_topic] = self._take_reply

    # --- state -----------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether the broker is connected."""
        return self._client is not None

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener`` with the new state whenever the connection comes or goes. It must not block."""
        self._listeners.append(listener)

    def on_connect(self, greeting: Callable[[], Awaitable[None]]) -> None:
        """Run ``greeting`` after every connect, and now if connected. It is cancelled when the connection is lost."""
        self._greetings.append(greeting)
        if self._period is not None:
            self._period.create_task(self._greet(greeting))

    # --- publish and subscribe -------------------------------------------------------------------------------

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        qos: int = 1,
        within_s: float = 5.0,
        expires_after_s: int | None = None,
    ) -> None:
        """Publish and, with QoS 1, wait until the broker has it. Raises PublishRefused or BusError."""
        properties = publish_properties(expires_after_s=expires_after_s)
        await self._connected().send(topic, payload, retain=retain, qos=qos, within_s=within_s, properties=properties)

    async def subscribe(self, topic_filter: str, handler: Callable[[Message], None]) -> None:
        """Call ``handler`` with every message that matches, in order, now and after every reconnect.

        ``handler`` must not block; the filters of one bus must not overlap. May be called while the broker is away.
        Raises BusError when it refuses.
        """
        await self._listen(topic_filter, lambda m: handler(_message(m)))

    # --- request and response --------------------------------------------------------------------------------

    async def request(self, topic: str, payload: bytes, *, within_s: float, token: bytes | None = None) -> bytes:
        """Ask whoever responds on ``topic``; the answer. The request must be repeatable.

        ``token``: a fresh one of ``new_token``, for who must know it before; else one is made here.
        Raises BusError when the broker is away, nobody listens, the other side failed, or the time is over; the
        request may have been carried out nevertheless. The broker drops it when nobody fetched it in time.
        """
        client = self._connected()
        token = token or new_token()
        answer: asyncio.Future[tuple[bytes, bool] | None] = asyncio.get_running_loop().create_future()
        self._awaited[token] = answer
        properties = publish_properties(expires_after_s=math.ceil(within_s), reply_to=self.reply_topic, token=token)
        try:
            async with asyncio.timeout(within_s):
                code = await client.send(topic, payload, retain=False, qos=1, within_s=within_s, properties=properties)
                if code == NO_MATCHING_SUBSCRIBERS:
                    raise BusError(f"request to {topic}: nobody listens there")
                reply = await answer
        except TimeoutError:
            raise BusError(f"request to {topic}: no answer within {within_s:g} s") from None
        finally:
            self._awaited.pop(token, None)
        if reply is None:
            raise BusError(f"request to {topic}: the connection was lost before the answer")
        body, failed = reply
        if failed:
            raise BusError(f"request to {topic}: the other side refused or failed; its log says why")
        return body

    async def respond(self, topic_filter: str, handler: Answer) -> None:
        """Answer every request on ``topic_filter`` with ``handler``, several at a time, now and after reconnects.

        ``$share/<group>/<topic>`` shares the requests among several responders. Raises BusError when refused.
        """
        await self._listen(topic_filter, lambda m: self._take_request(handler, m))

    # --- the life of the connection --------------------------------------------------------------------------

    async def keep_connected(self) -> None:
        """Connect, serve, and connect again, until cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        async with asyncio.TaskGroup() as self._requests:
            while True:
                client = MqttClient(self._address, self._client_id, self._presence)
                began = loop.time()
                reason = "the connection ended"
                try:
                    await self._serve(client)
                except* BusError as lost:
                    reason = _first_text(lost)
                if self.is_leaving:
                    # TaskGroup loses a cancellation that comes while it collects the error of one of its tasks.
                    raise asyncio.CancelledError
                failures = 1 if loop.time() - began >= STEADY_AFTER_S else failures + 1
                self._say(logging.WARNING, f"away ({reason}); trying again until it is back")
                jitter = random.random()  # noqa: S311 - spreads load, guards nothing
                await asyncio.sleep(delay_s(failures, jitter, is_refused=client.is_not_admitted))

    async def _serve(self, client: MqttClient) -> None:
        """One connection, from dialling to its loss, which raises BusError."""
        await client.connect()
        try:
            async with asyncio.TaskGroup() as period:
                listened: set[str] = set()
                while missing := self._handlers.keys() - listened:  # a part may subscribe meanwhile
                    for topic_filter in missing:
                        await client.listen(topic_filter)
                    listened |= missing
                self._came(client, period)
                for greeting in (self._announce, *self._greetings):
                    period.create_task(self._greet(greeting))
                await self._receive(client)
        except asyncio.CancelledError:
            await self._leave(client)
            raise
        finally:
            self._went()
            client.hang_up()

    def _came(self, client: MqttClient, period: asyncio.TaskGroup) -> None:
        self._client, self._period = client, period
        self._say(logging.INFO, "connected")
        self.up.set()
        for listener in self._listeners:
            listener(True)

    def _went(self) -> None:
        was_up, self._client, self._period = self.is_up, None, None
        self.up.clear()
        for answer in self._awaited.values():
            if not answer.done():
                answer.set_result(None)
        if was_up:
            for listener in self._listeners:
                listener(False)

    async def _leave(self, client: MqttClient) -> None:
        """Say that we go on purpose: the broker publishes the last will only for a client that vanished."""
        if self._presence is not None:
            topic, offline = self._presence.topic, self._presence.offline
            try:
                await client.send(topic, offline, retain=True, qos=1, within_s=FAREWELL_WITHIN_S)
            except BusError as failure:
                log.warning("broker %s: could not say good-bye: %s", self._address, failure)
        client.timeout = FAREWELL_WITHIN_S
        await client.disconnect()

    async def _announce(self) -> None:
        """Say again and again that we are there: what was said once may be old, and nobody could tell."""
        presence, is_failing = self._presence, False
        while presence is not None:
            try:
                await self.publish(
                    presence.topic,
                    presence.online,
                    retain=True,
                    within_s=presence.every_s,
                    expires_after_s=presence.valid_for_s,
                )
                is_failing = False
            except BusError as failure:
                if not is_failing and self.is_up:
                    log.warning("broker %s: can't say that we are there: %s", self._address, failure)
                is_failing = True
            await asyncio.sleep(presence.every_s)

    async def _greet(self, greeting: Callable[[], Awaitable[None]]) -> None:
        try:
            await greeting()
        except BusError as failure:
            if self.is_up:
                log.warning("broker %s: after connecting: %s", self._address, failure)

    # --- what comes in ---------------------------------------------------------------------------------------

    async def _receive(self, client: MqttClient) -> None:
        try:
            async for message in client.received():
                for topic_filter, handler in tuple(self._handlers.items()):
                    if message.topic.matches(topic_filter):
                        handler(message)
        finally:
            # At once, not when the last task of this connection has ended: nobody may start another one on it.
            self._went()

    def _take_reply(self, message: aiomqtt.Message) -> None:
        answer = self._awaited.get(getattr(message.properties, "CorrelationData", b""))
        if answer is not None and not answer.done():
            answer.set_result((_payload(message), hasattr(message.properties, "UserProperty")))

    def _take_request(self, handler: Answer, message: aiomqtt.Message) -> None:
        reply_to = getattr(message.properties, "ResponseTopic", "")
        token = getattr(message.properties, "CorrelationData", b"")
        # Who may send requests must not be able to make us write anywhere else than to a client's reply topic.
        if not self._is_reply_topic(reply_to) or not token or message.retain or self._requests is None:
            log.warning("broker %s: a request on %s without a reply topic of ours", self._address, message.topic)
            return
        request = Request(str(message.topic), _payload(message), token, reply_to)
        self._requests.create_task(self._answer(handler, request))

    def _is_reply_topic(self, topic: str) -> bool:
        """Whether ``topic`` is ``<replies>/<user>/<client id>``."""
        above, _, levels = topic.partition(f"{self._replies}/")
        user, _, client_id = levels.partition("/")
        return not above and bool(_LEVEL.fullmatch(user)) and bool(_LEVEL.fullmatch(client_id))

    async def _answer(self, handler: Answer, request: Request) -> None:
        try:
            body, failed = await handler(request), False
        except BusError:  # refused, and said so where it was
            body, failed = b"", True
        except Exception as error:  # noqa: BLE001 - the border of a request: its failure is its answer
            # Not the error's text: one from a library may quote what it was given.
            log.error("broker %s: a request on %s failed: %s", self._address, request.topic, place_of(error))
            body, failed = b"", True
        try:
            properties = publish_properties(token=request.token, failed=failed)
            client = self._connected()
            await client.send(request.reply_to, body, retain=False, qos=1, within_s=5.0, properties=properties)
        except BusError as failure:
            log.info("broker %s: an answer on %s was not delivered: %s", self._address, request.topic, failure)

    # --- small things ----------------------------------------------------------------------------------------

    async def _listen(self, topic_filter: str, handler: Callable[[aiomqtt.Message], None]) -> None:
        self._handlers[topic_filter] = handler
        if self._client is not None:
            await self._client.listen(topic_filter)

    def _connected(self) -> MqttClient:
        if self._client is None:
            raise BusError(f"broker {self._address} is away")
        return self._client

    def _say(self, level: int, state: str) -> None:
        if state != self._said:
            self._said = state
            log.log(level, "broker %s: %s", self._address, state)


def _message(message: aiomqtt.Message) -> Message:
    good_for_s: int | None = getattr(message.properties, "MessageExpiryInterval", None)
    return Message(str(message.topic), _payload(message), bool(message.retain), good_for_s)


def _payload(message: aiomqtt.Message) -> bytes:
    return message.payload if isinstance(message.payload, bytes) else b""


def place_of(error: Exception) -> str:
    """Type and place of an error, without its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{where}"


def _first_text(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
