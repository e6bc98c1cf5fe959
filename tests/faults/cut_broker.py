"""The broker is killed and started again, or hangs, while tickets are called and a room full of displays looks on.

The displays are MQTT 5 clients with the displays' user that do what ``kioskd.bus.topics`` asks of them, and nothing of
kioskd's own code. What may be on a screen is known from outside: every picture that the database ever held, and when.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from kioskd.bus.topics import VALID_FOR_S, DisplayState, SiteTopics
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.demo.rig import SITE_ID
from tests.faults.open_desk import AREA, WITHIN_S, OpenDesk, open_desk, until
from tests.faults.outcome import Outcome

PATIENTS = 3
ROOMS = ("Zimmer 1", "Zimmer 2", "Zimmer 3")
KEEPALIVE_S = 5

Picture = tuple[tuple[str, str, int], ...]
"""Label, room and times called of each line, newest first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that was on a screen, and until which moment of ``time.monotonic`` at the longest."""

    picture: Picture
    order: tuple[int, int]
    read_at: datetime
    seen_at: float
    good_until: float


class _ClosingClient(Client):
    """Closes what it opened for a WebSocket handshake that was not answered: paho leaves that to the collector."""

    def _create_socket_connection(self) -> socket.socket:
        self._opened = super()._create_socket_connection()
        return self._opened

    def _create_socket(self) -> Any:
        self._opened: socket.socket | None = None
        try:
            return super()._create_socket()
        except BaseException:
            if self._opened is not None:
                self._opened.close()
            raise


class Display:
    """One screen. Called on its client's own thread, read on the loop's: every change is one assignment."""

    def __init__(self, broker: PrivateMosquitto) -> None:
        self.shown: list[Shown] = []
        where = urlsplit(broker.web_url)
        self._client = _ClosingClient(
            CallbackAPIVersion.VERSION2, f"display-{secrets.token_hex(6)}", protocol=MQTTv5, transport="websockets"
        )
        self._client.username_pw_set(broker.display.user, broker.display.password)
        self._client.on_connect = self._connected
        self._client.on_message = self._take
        self._client.reconnect_delay_set(1, 2)  # as the page waits
        self._client.connect_async(where.hostname or "", where.port or 80, keepalive=KEEPALIVE_S)

    def start(self) -> None:
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def now(self) -> Shown | None:
        """What is on the screen; None when it says that it is not connected."""
        last = self.shown[-1] if self.shown else None
        return last if last is not None and time.monotonic() < last.good_until else None

    def _connected(self, client: Client, *_: Any) -> None:
        client.subscribe(SiteTopics(SITE_ID).display_state(AREA), qos=1)

    def _take(self, _: Client, __: Any, message: MQTTMessage) -> None:
        state = DisplayState.model_validate_json(message.payload)
        order = (state.epoch, state.version)
        if self.shown and order < self.shown[-1].order:
            return
        picture = tuple((call.label, call.room, call.times_called) for call in state.calls)
        left_s = getattr(message.properties, "MessageExpiryInterval", 0)
        now = time.monotonic()
        self.shown.append(Shown(picture, order, state.at, now, now + min(left_s, VALID_FOR_S)))


@dataclass
class Truth:
    """Every picture that was ever so, with the first and the last moment at which it may have been read."""

    pictures: list[tuple[Picture, datetime, datetime | None]] = field(default_factory=list)

    def becomes(self, picture: Picture, began_at: datetime, is_at: datetime) -> None:
        """Somewhere between two moments the last picture ended and this one began."""
        if self.pictures:
            last, since, _ = self.pictures[-1]
            self.pictures[-1] = (last, since, is_at)
        self.pictures.append((picture, began_at, None))

    def was_so(self, shown: Shown) -> bool:
        return any(
            shown.picture == picture and since <= shown.read_at and (over is None or shown.read_at <= over)
            for picture, since, over in self.pictures
        )


@dataclass
class Room:
    """The waiting room with its displays, the receptionist who calls, and what is true."""

    desk: OpenDesk
    displays: Sequence[Display]
    truth: Truth
    dice: random.Random

    async def change(self) -> None:
        """The receptionist calls the next, calls again, or sends somebody back to wait."""
        began_at = datetime.now(UTC)
        calls = (await self.desk.truth()).calls
        if len(calls) >= PATIENTS or (calls and self.dice.random() < 0.4):
            await self._again_or_back(self.dice.choice(calls).label)
        else:
            room = self.dice.choice(ROOMS)
            await self.desk.receptionist.send("/call-next", contains=room, area=AREA, room=room)
        self.truth.becomes(await self.picture(), began_at, datetime.now(UTC))

    async def _again_or_back(self, label: str) -> None:
        command = self.dice.choice(("recall", "wait-again"))
        ticket = await self.desk.ticket_id(label)
        await self.desk.receptionist.send(f"/tickets/{ticket}/{command}", page=f"/?ticket={ticket}")

    async def picture(self) -> Picture:
        return tuple((c.label, c.room, c.times_called) for c in (await self.desk.truth()).calls)

    async def are_right(self) -> bool:
        """Whether every display shows what the database says, and in its newest version."""
        truth = await self.desk.truth()
        picture = tuple((c.label, c.room, c.times_called) for c in truth.calls)
        shown = [display.now for display in self.displays]
        return all(s is not None and (s.picture, s.order) == (picture, (truth.epoch, truth.version)) for s in shown)

    def judge(self, outcome: Outcome) -> None:
        """Count what a display showed that never was so, out of order, or for longer than a picture is good."""
        for number, display in enumerate(self.displays):
            previous = None
            for shown in display.shown:
                wrong = self._wrong(shown, previous)
                if wrong:
                    outcome.wrong_calls += 1
                    outcome.problems.append(f"display {number}: {wrong}: {shown}")
                previous = shown

    def _wrong(self, shown: Shown, previous: Shown | None) -> str:
        if previous is not None and shown.order < previous.order:
            return "an older picture after a newer one"
        return "" if self.truth.was_so(shown) else "a picture that was not so"


@asynccontextmanager
async def waiting_room(folder: Path, count: int, later: int = 0) -> AsyncIterator[Room]:
    """``count`` displays; ``later`` patients are still to come."""
    async with open_desk(folder, PATIENTS + later) as desk:
        truth = Truth()
        truth.becomes((), datetime.now(UTC) - timedelta(minutes=1), datetime.now(UTC))
        for number in range(PATIENTS):
            await desk.check_in(f"crowd-{number}")
        displays = [Display(desk.rig.broker) for _ in range(count)]
        for display in displays:
            display.start()
        try:
            room = Room(desk, displays, truth, random.Random(20261123))
            await room.change()
            await until(room.are_right)
            yield room
        finally:
            await asyncio.to_thread(lambda: [display.stop() for display in displays])


async def broker_restarts(folder: Path, count: int, displays: int) -> Outcome:
    """Kill the broker ``count`` times while tickets are called before, while and after it is away."""
    outcome = Outcome("broker killed and restarted")
    async with waiting_room(folder, displays) as room:
        broker = room.desk.rig.broker
        for number in range(count):
            calling = asyncio.create_task(room.change())
            await asyncio.sleep(room.dice.uniform(0, 0.05))  # the moment of the kill, not a wait for anything
            broker.kill()
            await calling
            for _ in range(number % 3):
                await room.change()
            await broker.start(within_s=WITHIN_S)
            outcome.runs += 1
            try:
                outcome.recovery_s.append((await until(room.are_right))[1])
            except TimeoutError:
                right = [d.now is not None and d.now.picture for d in room.displays]
                outcome.problems.append(f"restart {number}: not right in time: {right}")
        room.judge(outcome)
    return outcome


async def broker_hangs(folder: Path, count: int, displays: int) -> Outcome:
    """Stop the broker's process (SIGSTOP) ``count`` times for as long as a picture is good, and let it go on.

    The console must say so, people check in meanwhile, and no display may show a call that nobody renews.
    """
    outcome = Outcome("broker hung")
    async with waiting_room(folder, displays, later=count) as room:
        broker, desk = room.desk.rig.broker, room.desk
        for number in range(count):
            os.kill(broker.pid, signal.SIGSTOP)
            try:
                noticed = asyncio.create_task(until(_says_cut_off(desk)))
                await room.change()  # its picture waits in the broker's socket, and is an old one when it goes on
                await desk.check_in(f"crowd-{PATIENTS + number}")
                await noticed
                await until(_is_dark(room))
                await room.change()
            except TimeoutError:
                outcome.problems.append(f"hang {number}: not noticed by the console or by a display")
            finally:
                os.kill(broker.pid, signal.SIGCONT)
            outcome.runs += 1
            try:
                outcome.recovery_s.append((await until(room.are_right))[1])
            except TimeoutError:
                outcome.problems.append(f"hang {number}: the displays were not right in time")
        room.judge(outcome)
    return outcome


def _says_cut_off(desk: OpenDesk) -> Callable[[], Awaitable[bool]]:
    async def says() -> bool:
        return "Displays are cut off" in await desk.receptionist.look("/")

    return says


def _is_dark(room: Room) -> Callable[[], Awaitable[bool]]:
    async def dark() -> bool:
        return all(display.now is None for display in room.displays)

    return dark
