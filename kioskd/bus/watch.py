"""What a waiting-room display sees: a read-only client of the broker's WebSocket listener.

For ``demo --once`` and the benchmarks, which stand where the display stands and do not take the daemon's word for it.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from kioskd.bus.topics import DisplayState
from kioskd.errors import BusError


class DisplayWatch:
    """The present picture of one area, as it came in. ``seen_at`` is ``time.monotonic()`` of its arrival."""

    def __init__(self) -> None:
        self.state: DisplayState | None = None
        self.seen_at = 0.0
        self._changed = asyncio.Condition()

    async def take(self, payload: bytes, seen_at: float) -> None:
        async with self._changed:
            self.state, self.seen_at = DisplayState.model_validate_json(payload), seen_at
            self._changed.notify_all()

    async def until(self, is_right: Callable[[DisplayState], bool], within_s: float) -> float:
        """When the display showed what was waited for. Raises BusError when it did not in time."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: self.state is not None and is_right(self.state))
                return self.seen_at
        except TimeoutError:
            raise BusError(f"the display did not show it within {within_s:g} s") from None


@asynccontextmanager
async def watch_display(url: str, user: str, password: str, topic: str) -> AsyncIterator[DisplayWatch]:
    """Connect as a display and follow the picture on ``topic`` while the block runs. Raises BusError."""
    loop, watch, ready = asyncio.get_running_loop(), DisplayWatch(), asyncio.Event()
    taking: set[asyncio.Task[None]] = set()

    def on_connect(
        client: Client, _: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if not code.is_failure:
            client.subscribe(topic, qos=1)

    def on_subscribe(*_: Any) -> None:
        loop.call_soon_threadsafe(ready.set)

    def on_message(_: Client, __: Any, message: MQTTMessage) -> None:
        seen_at = time.monotonic()
        loop.call_soon_threadsafe(hand_over, bytes(message.payload), seen_at)

    def hand_over(payload: bytes, seen_at: float) -> None:
        task = loop.create_task(watch.take(payload, seen_at))
        taking.add(task)
        task.add_done_callback(taking.discard)

    def without_delay(_: Client, __: Any, opened: Any) -> None:
        # The WebSocket wrapper has no setsockopt of its own; a display's acknowledgement must not wait.
        raw = getattr(opened, "_socket", opened)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    where = urlsplit(url)
    client = Client(
        CallbackAPIVersion.VERSION2, f"display-{secrets.token_hex(6)}", protocol=MQTTv5, transport="websockets"
    )
    client.username_pw_set(user, password)
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.on_socket_open = without_delay
    try:
        client.connect_async(where.hostname or "", where.port or 80, keepalive=10)
        client.loop_start()
        async with asyncio.timeout(5):
            await ready.wait()
        yield watch
    except TimeoutError:
        raise BusError(f"the broker at {url} did not admit a display within 5 s") from None
    finally:
        client.disconnect()
        client.loop_stop()
