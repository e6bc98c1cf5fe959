"""Serves any ``ports.Hub`` to the stations of a site: opens their sealed requests, asks the hub, seals the answers.

What can't be opened, has expired or was there before is refused, counted and logged without its content. A call that
takes longer than its station waits is answered in time and goes on: whether it was committed is asked again by id.
Several hubs may serve one site (``share``): then the broker gives each request to one of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from kioskd.bus.connection import Bus, Request, place_of
from kioskd.bus.hub_bodies import CheckInAnswer, DoneAnswer, HelpAnswer, identify_answer
from kioskd.bus.hub_messages import (
    ASK_FOR_HELP,
    CHECK_IN,
    IDENTIFY,
    IDENTIFY_LETTER,
    IDENTIFY_NUMBER,
    LONGEST_WAIT_S,
    METHODS,
    ORDERS,
    REPORT_ATTEMPT,
    REPORT_DEVICE,
    REPORT_PRINT,
    STATION_STARTED,
    Answer,
    Method,
    NotUnderstood,
    Question,
    WireError,
    read,
    utc_now,
)
from kioskd.bus.hub_reports import order_answer
from kioskd.bus.sealed import Direction, NotSealed, Opened, Sealer
from kioskd.bus.topics import SiteTopics
from kioskd.errors import BusError, KioskdError, Rejected, RuleViolation, Unreachable
from kioskd.ports import Hub

log = logging.getLogger(__name__)

CLOCKS_MAY_DIFFER_S = 300.0
"""How far the clocks of station and hub may be apart before requests are refused."""
CLOCKS_SHOULD_DIFFER_S = 30.0
"""How far they may be apart before that is logged; a hub that was busy or stopped for a while looks the same."""
MOST_AT_ONCE = 256
"""Calls of the hub that run at one time; more are told to come again."""
MOST_REMEMBERED = 100_000
"""Requests that are remembered so that none is taken twice."""
STOP_WITHIN_S = 2.0
"""How long calls that run may take to end when the hub stops."""
OF_THE_WAIT = 0.9
"""The part of a station's wait that a call may take; the rest is for the way back."""

_TOLD = frozenset({"clocks", "version"})
"""Refusals that a station is told under the seal, for its own log: it is one of ours, or may be."""


@asynccontextmanager
async def serve_hub(
    bus: Bus,
    topics: SiteTopics,
    key: bytes,
    hub: Hub,
    *,
    share: str = "",
    clock: Callable[[], datetime] = utc_now,
) -> AsyncIterator[HubServer]:
    """Answer stations while the block runs. ``key`` is the site key, 32 bytes. The broker may be away.

    ``share``: the name of a group of hubs on one database that share the requests (MQTT 5.0, 4.8.2).
    """
    server = HubServer(topics, key, hub, clock)
    try:
        try:
            await bus.respond(f"$share/{share}/{topics.requests}" if share else topics.requests, server.answer)
        except BusError as failure:  # it is asked for again on the next connect
            log.warning("the broker was lost before it took the hub's subscription: %s", failure)
        yield server
    finally:
        await server.stop()


class HubServer:
    """See the module. Made by ``serve_hub``."""

    def __init__(self, topics: SiteTopics, key: bytes, hub: Hub, clock: Callable[[], datetime] = utc_now) -> None:
        self._above = topics.request_above
        self._sealer = Sealer(key, topics.site)
        self._doorkeeper = Doorkeeper()
        self._hub = hub
        self._clock = clock
        self._running: set[asyncio.Task[Answer[Any]]] = set()
        self._is_stopping = False
        self._off: set[str] = set()
        self.refused: Counter[str] = Counter()
        """Requests that were not taken, by reason."""

    async def answer(self, request: Request) -> bytes:
        """The sealed answer to a request. Raises BusError for one that is not of a station of this site."""
        name = request.topic.removeprefix(self._above)
        expires_at_ms = 0
        try:
            opened = self._sealer.open(Direction.REQUEST, request.topic, request.token, request.payload)
            expires_at_ms = opened.expires_at_ms
            self._doorkeeper.admit(request.token, expires_at_ms, self._now_ms())
        except NotSealed as failure:
            self._refuse(failure.reason, name, str(failure))
            if failure.reason not in _TOLD:
                raise BusError(str(failure)) from None
            answer = _failed(failure.reason, str(failure))
        else:
            answer = await self._answer(name, opened)
        plain = answer.model_dump_json(by_alias=True).encode()
        return self._sealer.seal(Direction.REPLY, request.reply_to, request.token, expires_at_ms, plain)

    async def stop(self) -> None:
        """Take no more calls, and let those that run end; the rest is cancelled after STOP_WITHIN_S."""
        self._is_stopping = True
        late = set(self._running)
        try:
            if late:
                _, late = await asyncio.wait(late, timeout=STOP_WITHIN_S)
        finally:
            for call in late:
                call.cancel()
        if late:
            await asyncio.wait(late, timeout=STOP_WITHIN_S)

    def _now_ms(self) -> int:
        return round(self._clock().timestamp() * 1000)

    def _refuse(self, reason: str, name: str, what: str) -> None:
        self.refused[reason] += 1
        count = self.refused[reason]
        if count == 10 ** (len(str(count)) - 1):  # the 1st, 10th, 100th: who sends rubbish must not fill the log
            shown = name if name in METHODS else "an unknown name"
            log.warning("a request (%s) was refused, %d so far: %s", shown, count, what)

    async def _answer(self, name: str, opened: Opened) -> Answer[Any]:
        method = METHODS.get(name)
        if method is None:
            self._refuse("unknown", name, "this hub knows no such request")
            return _failed("not-understood", f"this hub knows no such request; it knows {', '.join(METHODS)}")
        try:
            question = read(method.question, opened.plain, f"the station's question {name}", "the hub")
        except NotUnderstood as failure:
            self._refuse("not-understood", name, str(failure))
            return _failed("not-understood", str(failure))
        self._compare_clocks(question.station, opened.expires_at_ms - question.within_ms)
        if self._is_stopping or len(self._running) >= MOST_AT_ONCE:
            what = "is stopping" if self._is_stopping else f"has {MOST_AT_ONCE} calls to answer"
            return _failed("unreachable", f"the hub {what}: ask again", retry_after_s=1.0)
        return await self._in_time(method, question)

    async def _in_time(self, method: Method[Any, Any], question: Question[Any]) -> Answer[Any]:
        call = asyncio.create_task(self._carry_out(method, question.body))
        self._running.add(call)
        call.add_done_callback(self._running.discard)
        # Not cancelled when it takes too long: what is being committed must still be told to the hub's own pages.
        await asyncio.wait({call}, timeout=min(question.within_ms / 1000, LONGEST_WAIT_S) * OF_THE_WAIT)
        if not call.done() or call.cancelled():
            return _failed("unreachable", f"the hub did not finish {method.name} in time: ask again")
        return call.result()

    def _compare_clocks(self, station: str, sent_at_ms: int) -> None:
        """Warn once of a station whose clock is off: its arrival times stand on tickets and in records."""
        apart_s = abs(self._now_ms() - sent_at_ms) / 1000
        if apart_s > CLOCKS_SHOULD_DIFFER_S and station not in self._off:
            log.warning("the clocks of station %s and hub differ by %.0f s", station, apart_s)
            self._off.add(station)
        elif apart_s <= CLOCKS_SHOULD_DIFFER_S:
            self._off.discard(station)

    async def _carry_out(self, method: Method[Any, Any], body: Any) -> Answer[Any]:
        try:
            return Answer(body=await _CALLS[method.name](self._hub, body))
        except RuleViolation as refusal:
            return _failed("rule", str(refusal), refusal.rule)
        except Unreachable as failure:
            return _failed("unreachable", str(failure), retry_after_s=failure.retry_after_s)
        except Rejected as failure:
            return _failed("rejected", str(failure), failure.code)
        except KioskdError as failure:
            return _failed("unreachable", str(failure))
        except Exception as error:  # noqa: BLE001 - the border of a request
            # Not its text: one from a library may quote what it was given.
            log.error("%s failed: %s", method.name, place_of(error))
            return _failed("failed", f"the hub failed at {method.name}; its log says where")


class Doorkeeper:
    """Admits every request once, and none that is too old. Pure; times are UTC in ms."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, int] = OrderedDict()

    def admit(self, token: bytes, expires_at_ms: int, now_ms: int) -> None:
        """Raises NotSealed: clocks or replayed. The clocks of two machines may differ by CLOCKS_MAY_DIFFER_S."""
        may_differ_ms = round(CLOCKS_MAY_DIFFER_S * 1000)
        early_ms, late_ms = expires_at_ms - now_ms - round(LONGEST_WAIT_S * 1000), now_ms - expires_at_ms
        if max(early_ms, late_ms) > may_differ_ms:
            by_s = max(early_ms, late_ms) / 1000
            raise NotSealed(
                "clocks", f"its time is {by_s:.0f} s off: it is old, or the clocks of station and hub differ"
            )
        while self._seen and (len(self._seen) > MOST_REMEMBERED or self._is_over(now_ms - may_differ_ms)):
            self._seen.popitem(last=False)
        if token in self._seen:
            raise NotSealed("replayed", "it was there before")
        self._seen[token] = expires_at_ms

    def __len__(self) -> int:
        return len(self._seen)

    def _is_over(self, before_ms: int) -> bool:
        return next(iter(self._seen.values())) < before_ms


def _failed(kind: str, text: str, code: str = "", retry_after_s: float | None = None) -> Answer[Any]:
    return Answer(error=WireError(kind=kind, text=text[:500], code=code, retry_after_s=retry_after_s))


async def _identify(hub: Hub, body: Any) -> Any:
    return identify_answer(await hub.identify(body.card.core(), body.at))


async def _identify_letter(hub: Hub, body: Any) -> Any:
    return identify_answer(await hub.identify_letter(body.letter, body.birth_date, body.at))


async def _identify_number(hub: Hub, body: Any) -> Any:
    found = await hub.identify_number(body.identifier.core(), body.birth_date, body.is_shared_by_family, body.at)
    return identify_answer(found)


async def _check_in(hub: Hub, body: Any) -> Any:
    return CheckInAnswer.model_validate(await hub.check_in(body.core()))


async def _ask_for_help(hub: Hub, body: Any) -> Any:
    return HelpAnswer.model_validate(await hub.ask_for_help(body.core()))


async def _station_started(hub: Hub, body: Any) -> Any:
    await hub.station_started(body.station, body.devices)
    return DoneAnswer()


async def _report_device(hub: Hub, body: Any) -> Any:
    await hub.report_device(body.core())
    return DoneAnswer()


async def _report_print(hub: Hub, body: Any) -> Any:
    await hub.report_print(body.core())
    return DoneAnswer()


async def _orders(hub: Hub, body: Any) -> Any:
    return order_answer(await hub.orders(body.station))


async def _report_attempt(hub: Hub, body: Any) -> Any:
    await hub.report_attempt(body.core())
    return DoneAnswer()


_CALLS: dict[str, Callable[[Hub, Any], Awaitable[Any]]] = {
    IDENTIFY.name: _identify,
    IDENTIFY_LETTER.name: _identify_letter,
    IDENTIFY_NUMBER.name: _identify_number,
    CHECK_IN.name: _check_in,
    ASK_FOR_HELP.name: _ask_for_help,
    STATION_STARTED.name: _station_started,
    REPORT_DEVICE.name: _report_device,
    REPORT_PRINT.name: _report_print,
    ORDERS.name: _orders,
    REPORT_ATTEMPT.name: _report_attempt,
}
