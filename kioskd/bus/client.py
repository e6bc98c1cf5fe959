"""One connection to the broker, from dialling to hanging up: aiomqtt with what it leaves out.

aiomqtt 2.5 drops the reason code of a PUBACK, so a publish that the broker's access list refused looks like a good
one; it leaves the socket open when the broker takes the connection and never answers; and cancelling it while it
dials lets the dialling thread open a socket that nobody closes. A client is used for one connection only: a
message that waits in the client's memory when the connection ends must not be sent by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, DisconnectFlags, error_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from kioskd.bus.topics import Presence
from kioskd.errors import BusError, PublishRefused

KEEPALIVE_S = 5
"""The broker hangs up on a client that it heard nothing of for 1.5 times this (MQTT 5.0, 3.1.2.10), mosquitto a few
seconds later. The client asks every half of it, and hangs up on a broker that has not answered in another half."""
CONNECT_WITHIN_S = 3.0
REFUSED = 0x80
"""Reason codes from here on are errors (MQTT 5.0, 2.4)."""

_NOT_ADMITTED = frozenset({0x85, 0x86, 0x87, 0x8A, 0x8C})
"""CONNACK: client id not valid, bad user name or password, not authorised, banned, bad authentication method."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we are there. ``client_id`` names the client; it is made unique on connecting."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    client_id: str
    tls_ca_file: Path | None = None
    """The certificate authority of the broker; None: no TLS, for a broker on this machine."""
    keepalive_s: int = KEEPALIVE_S

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class _TlsContext(ssl.SSLContext):
    """Knows the socket that it made last: paho forgets the one of a handshake that failed, and nobody closes it."""

    opened: ssl.SSLSocket | None = None

    @classmethod
    def trusting(cls, ca_file: Path) -> _TlsContext:
        """A client's context that verifies name and certificate against one authority."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca_file)
        return context

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        self.opened = super().wrap_socket(*args, **options)
        return self.opened


class MqttClient(aiomqtt.Client):
    """An MQTT 5 client for one connection. Every failure is a BusError."""

    def __init__(self, address: BrokerAddress, client_id: str, presence: Presence | None) -> None:
        self._tls = _TlsContext.trusting(address.tls_ca_file) if address.tls_ca_file else None
        will = aiomqtt.Will(presence.topic, presence.offline, qos=1, retain=True) if presence else None
        super().__init__(
            address.host,
            address.port,
            username=address.user,
            password=address.password,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            keepalive=address.keepalive_s,
            timeout=CONNECT_WITHIN_S,
            will=will,
            tls_context=self._tls,
            # Without it a round trip takes 44 ms instead of 0.6: Nagle's algorithm meets delayed ACK.
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )
        self._client.connect_timeout = CONNECT_WITHIN_S
        self._acks: dict[int, asyncio.Future[ReasonCode | None]] = {}
        self._has_dialled = asyncio.Event()
        self.is_not_admitted = False
        """Whether the broker refused who we are; trying again soon does not help."""

    async def connect(self) -> None:
        """Dial and wait for the broker's yes. Raises BusError within twice CONNECT_WITHIN_S; nothing stays open."""
        opening = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(opening)
            # paho asks after one keepalive of silence and hangs up after another. Half of it, once the broker has been
            # told the whole: now a broker that hangs is noticed within 1.5 keepalives.
            self._client._keepalive = (self._client.keepalive + 1) // 2
        except aiomqtt.MqttError as failure:
            self.is_not_admitted = _code(failure) in _NOT_ADMITTED
            self.hang_up()
            raise BusError(_reason(failure)) from None
        except asyncio.CancelledError:
            # The dialling thread can't be stopped, and what it opens must be closed.
            opening.cancel()
            if self._lock.locked():  # it had begun to dial
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CONNECT_WITHIN_S + 1):
                        await self._has_dialled.wait()
            self.hang_up()
            raise

    async def disconnect(self) -> None:
        """Say good-bye, so that the broker does not publish the last will, and hang up. Never raises BusError."""
        with contextlib.suppress(aiomqtt.MqttError):
            await self.__aexit__(None, None, None)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the socket now. Safe on a client that is not connected."""
        if self._tls is not None and self._tls.opened is not None and self._client.socket() is None:
            self._tls.opened.close()
        opened = self._client.socket()
        if isinstance(opened, socket.socket):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        while self._client.socket() is not None:
            self._client.loop_read()
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # seen: asyncio need not report it

    async def send(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool,
        qos: int,
        within_s: float,
        properties: Properties | None = None,
    ) -> int:
        """Publish and wait for the PUBACK; its reason code. Raises PublishRefused or BusError."""
        info = self._client.publish(topic, payload, qos, retain, properties)
        if info.rc != MQTT_ERR_SUCCESS:
            raise BusError(f"publish to {topic}: {error_string(info.rc)}")
        if qos == 0:
            return 0
        ack: asyncio.Future[ReasonCode | None] = asyncio.get_running_loop().create_future()
        self._acks[info.mid] = ack
        try:
            async with asyncio.timeout(within_s):
                reason = await ack
        except TimeoutError:
            raise BusError(f"publish to {topic}: no answer from the broker within {within_s:g} s") from None
        finally:
            self._acks.pop(info.mid, None)
        if reason is None:
            raise BusError(f"publish to {topic}: the connection was lost before the broker's answer")
        if reason.value >= REFUSED:
            raise PublishRefused(topic, reason.value, str(reason))
        return reason.value

    async def listen(self, topic_filter: str) -> None:
        """Subscribe with QoS 1. Raises BusError when the broker refuses or does not answer."""
        try:
            codes = await self.subscribe(topic_filter, qos=1, timeout=CONNECT_WITHIN_S)
        except aiomqtt.MqttError as failure:
            raise BusError(f"subscribe to {topic_filter}: {_reason(failure)}") from None
        for code in codes:
            if isinstance(code, ReasonCode) and code.value >= REFUSED:
                raise BusError(f"subscribe to {topic_filter} refused: {code}")

    async def received(self) -> AsyncIterator[aiomqtt.Message]:
        """Every message, in order, until the connection is lost: that raises BusError."""
        try:
            async for message in self.messages:
                yield message
        except aiomqtt.MqttError as failure:
            raise BusError(_reason(failure.__cause__ or failure)) from None

    # --- what aiomqtt and paho call --------------------------------------------------------------------------

    def _client_connect(self) -> None:
        try:
            super()._client_connect()
        finally:
            self._loop.call_soon_threadsafe(self._has_dialled.set)

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        ack = self._acks.get(mid)
        if ack is not None and not ack.done():
            ack.set_result(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        for ack in self._acks.values():
            if not ack.done():
                ack.set_result(None)
        super()._on_disconnect(client, userdata, flags, reason_code, properties)


def publish_properties(
    *, expires_after_s: int | None = None, reply_to: str = "", token: bytes = b"", failed: bool = False
) -> Properties:
    """The MQTT 5 properties of a PUBLISH (3.3.2.3)."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if expires_after_s is not None:
        properties.MessageExpiryInterval = expires_after_s
    if reply_to:
        properties.ResponseTopic = reply_to
    if token:
        properties.CorrelationData = token
    if failed:
        properties.UserProperty = [("failed", "1")]
    return properties


def _code(failure: BaseException) -> int:
    """The CONNACK or DISCONNECT reason code that an aiomqtt error carries, or 0."""
    rc = getattr(failure, "rc", None)
    return rc.value if isinstance(rc, ReasonCode) else 0


def _reason(failure: BaseException) -> str:
    """What to tell staff about a connection that could not be made or was lost."""
    rc = getattr(failure, "rc", None)
    if isinstance(rc, ReasonCode):
        return str(rc).lower()
    if isinstance(rc, int):
        return error_string(rc).rstrip(".").lower()
    return str(failure) or type(failure).__name__
