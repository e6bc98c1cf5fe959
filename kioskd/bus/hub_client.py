"""The hub as a station sees it over the broker: ``ports.Hub`` as sealed requests, and whether the hub is there.

The hub is there when this station's own connection is up and the hub has lately said "online" (see ``topics``): one
that died is noticed at once, one that hangs within 1.5 keepalives. While it is away every call raises Unreachable at
once; else a call takes ``within_s`` at the longest. A call that ends without an answer may have been carried out: ask
again by the same id.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime

from pydantic import ValidationError

from kioskd.bus.connection import Bus, Message, new_token
from kioskd.bus.hub_bodies import CheckInQuestion, HelpQuestion, IdentifyQuestion, LetterQuestion, NumberQuestion
from kioskd.bus.hub_messages import (
    ASK_FOR_HELP,
    CHECK_IN,
    IDENTIFY,
    IDENTIFY_LETTER,
    IDENTIFY_NUMBER,
    LONGEST_WAIT_S,
    ORDERS,
    REPORT_ATTEMPT,
    REPORT_DEVICE,
    REPORT_PRINT,
    STATION_STARTED,
    A,
    Method,
    NotUnderstood,
    Q,
    Question,
    WireError,
    read,
    utc_now,
)
from kioskd.bus.hub_reports import AttemptQuestion, DeviceQuestion, OrdersQuestion, PrintQuestion, StationQuestion
from kioskd.bus.sealed import Direction, NotSealed, Sealer
from kioskd.bus.topics import STATUS_VALID_FOR_S, SiteTopics, Status
from kioskd.core.identity import Card, Identified, Refused
from kioskd.core.patient import Identifier
from kioskd.errors import BusError, Rejected, RuleViolation, Unreachable
from kioskd.ports import (
    AttemptReport,
    CheckInReply,
    CheckInRequest,
    DeviceReport,
    HelpReply,
    HelpRequest,
    PrintOrder,
    PrintReport,
)

log = logging.getLogger(__name__)

WITHIN_S = 2.0
"""No step of a patient waits longer for the hub."""
GREET_AGAIN_S = 1.0
"""How long after a greeting that the hub did not take it is tried again."""


class HubLink:
    """See the module. ``run`` must run beside its use; ``key`` is the site key, 32 bytes. Raises ValueError."""

    def __init__(
        self,
        bus: Bus,
        topics: SiteTopics,
        key: bytes,
        station: str,
        *,
        within_s: float = WITHIN_S,
        greet_again_s: float = GREET_AGAIN_S,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if within_s > LONGEST_WAIT_S:
            raise ValueError(f"a station waits {LONGEST_WAIT_S:g} s at most for the hub, not {within_s:g}")
        self._bus = bus
        self._topics = topics
        self._sealer = Sealer(key, topics.site)
        self._station = station
        self._within_s = within_s
        self._greet_again_s = greet_again_s
        self._clock = clock
        self._is_online = False
        self._has_wrong_clock = False
        self._grows_old: asyncio.TimerHandle | None = None
        self._listeners: list[Callable[[bool], None]] = []
        self._order_listeners: list[Callable[[], None]] = []
        self._greetings: list[Callable[[], Awaitable[None]]] = []
        self._greeting: set[asyncio.Task[None]] = set()
        self._period: asyncio.TaskGroup | None = None
        self._left = asyncio.Event()
        self._left.set()
        self.there = asyncio.Event()
        """Set while the hub is there. For waiting; ``is_there`` for asking."""
        self.refused: Counter[str] = Counter()
        """Answers that were not taken, by reason."""

    # --- is the hub there --------------------------------------------------------------------------------------

    @property
    def is_there(self) -> bool:
        """Whether a call has a chance: the broker is connected and says that the hub is online."""
        return self.there.is_set()

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener`` with the new state whenever the hub comes or goes. It must not block."""
        self._listeners.append(listener)

    def on_orders(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when this station may have print orders: the hub says so, or has just come.

        It must not block; what they are is asked with ``orders``.
        """
        self._order_listeners.append(listener)

    def on_hub_back(self, greeting: Callable[[], Awaitable[None]]) -> None:
        """Run ``greeting`` whenever the hub comes, the first time too, and now if it is there.

        One that raises Unreachable is run again after ``greet_again_s`` while the hub is there; it is cancelled when
        the hub goes.
        """
        self._greetings.append(greeting)
        if self._period is not None:
            self._begin(self._period, greeting)

    async def run(self) -> None:
        """Follow the hub's status and run the greetings, until cancelled."""
        self._bus.on_change(self._bus_changed)
        try:
            await self._bus.subscribe(self._topics.status, self._status_changed)
            await self._bus.subscribe(self._topics.orders(self._station), lambda _: self._may_have_orders())
        except BusError as failure:
            # It is subscribed again on the next connect; until then the hub counts as away.
            log.warning("the hub's status can't be followed: %s", failure)
        try:
            while True:
                await self.there.wait()
                await self._while_there()
        finally:
            if self._grows_old is not None:
                self._grows_old.cancel()

    async def _while_there(self) -> None:
        """Run the greetings, and what is left of them no longer than the hub is there."""
        async with asyncio.TaskGroup() as self._period:
            for greeting in self._greetings:
                self._begin(self._period, greeting)
            try:
                await self._left.wait()
            finally:
                self._period = None
            for task in tuple(self._greeting):
                task.cancel()

    def _begin(self, period: asyncio.TaskGroup, greeting: Callable[[], Awaitable[None]]) -> None:
        task = period.create_task(self._greet(greeting))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)

    def _status_changed(self, message: Message) -> None:
        try:
            self._is_online = Status.model_validate_json(message.payload).state == "online"
        except ValidationError:
            self._is_online = False
        if self._grows_old is not None:
            self._grows_old.cancel()
        good_for_s = STATUS_VALID_FOR_S if message.good_for_s is None else message.good_for_s
        loop = asyncio.get_running_loop()
        self._grows_old = loop.call_later(good_for_s, self._grew_old) if self._is_online else None
        self._settle()

    def _grew_old(self) -> None:
        self._is_online = False
        self._settle()

    def _bus_changed(self, is_up: bool) -> None:
        if not is_up:
            self._is_online = False  # whatever it was: the broker says it again after the next connect
        self._settle()

    def _settle(self) -> None:
        is_there = self._bus.is_up and self._is_online
        if is_there == self.is_there:
            return
        if is_there:
            self._left.clear()
            self.there.set()
        else:
            self.there.clear()
            self._left.set()
        log.info("the hub is %s", "there" if is_there else f"away: {self.why_away}")
        for listener in self._listeners:
            listener(is_there)
        if is_there:
            self._may_have_orders()

    def _may_have_orders(self) -> None:
        for listener in self._order_listeners:
            listener()

    @property
    def why_away(self) -> str:
        """Why ``is_there`` is False, for staff."""
        return "the hub does not answer the broker" if self._bus.is_up else "the broker can't be reached"

    async def _greet(self, greeting: Callable[[], Awaitable[None]]) -> None:
        while self.is_there:
            try:
                await greeting()
            except Unreachable as failure:
                log.info("the hub is there and did not take what it is told first: %s", failure)
                await asyncio.sleep(self._greet_again_s)
            else:
                return

    # --- ports.Hub ---------------------------------------------------------------------------------------------

    async def identify(self, card: Card, at: datetime) -> Identified | Refused:
        question = IdentifyQuestion.model_validate({"card": card, "at": at})
        return (await self._ask(IDENTIFY, question)).core()

    async def identify_letter(self, letter: str, birth_date: date, at: datetime) -> Identified | Refused:
        question = LetterQuestion(letter=letter, birth_date=birth_date, at=at)
        return (await self._ask(IDENTIFY_LETTER, question)).core()

    async def identify_number(
        self, identifier: Identifier, birth_date: date, is_shared_by_family: bool, at: datetime
    ) -> Identified | Refused:
        question = NumberQuestion.model_validate(
            {"identifier": identifier, "birth_date": birth_date, "is_shared_by_family": is_shared_by_family, "at": at}
        )
        return (await self._ask(IDENTIFY_NUMBER, question)).core()

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        return (await self._ask(CHECK_IN, CheckInQuestion.model_validate(request))).core()

    async def ask_for_help(self, request: HelpRequest) -> HelpReply:
        return (await self._ask(ASK_FOR_HELP, HelpQuestion.model_validate(request))).core()

    async def station_started(self, station: str, devices: Sequence[str]) -> None:
        await self._ask(STATION_STARTED, StationQuestion(station=station, devices=tuple(devices)))

    async def report_device(self, report: DeviceReport) -> None:
        await self._ask(REPORT_DEVICE, DeviceQuestion.model_validate(report))

    async def report_print(self, report: PrintReport) -> None:
        await self._ask(REPORT_PRINT, PrintQuestion.model_validate(report))

    async def orders(self, station: str) -> Sequence[PrintOrder]:
        answer = await self._ask(ORDERS, OrdersQuestion(station=station))
        return tuple(order.core() for order in answer.orders)

    async def report_attempt(self, report: AttemptReport) -> None:
        await self._ask(REPORT_ATTEMPT, AttemptQuestion.model_validate(report))

    # --- one request -------------------------------------------------------------------------------------------

    async def _ask(self, method: Method[Q, A], body: Q) -> A:
        """The hub's answer. Raises Unreachable, RuleViolation or Rejected."""
        if not self.is_there:
            raise Unreachable(self.why_away)
        within_ms = max(1, round(self._within_s * 1000))
        question: Question[Q] = Question(station=self._station, within_ms=within_ms, body=body)
        topic, token = self._topics.request(method.name), new_token()
        expires_at_ms = round(self._clock().timestamp() * 1000) + within_ms
        plain = method.question.dump_json(question, by_alias=True)
        message = self._sealer.seal(Direction.REQUEST, topic, token, expires_at_ms, plain)
        try:
            reply = await self._bus.request(topic, message, within_s=self._within_s, token=token)
        except BusError as failure:
            raise Unreachable(str(failure)) from None
        return self._answer(method, self._opened(reply, token, expires_at_ms, method.name))

    def _note_clocks(self, error: WireError | None) -> None:
        has_wrong_clock = error is not None and error.kind == "clocks"
        if error is not None and has_wrong_clock and not self._has_wrong_clock:
            log.warning("the hub refuses what this station asks: %s", error.text)
        self._has_wrong_clock = has_wrong_clock

    def _opened(self, reply: bytes, token: bytes, expires_at_ms: int, name: str) -> bytes:
        try:
            opened = self._sealer.open(Direction.REPLY, self._bus.reply_topic, token, reply)
            if opened.expires_at_ms != expires_at_ms:
                raise NotSealed("expired", "of another request")
        except NotSealed as failure:
            self.refused[failure.reason] += 1
            log.warning("the answer to %s was refused: %s", name, failure)
            raise Unreachable(f"{name}: the hub's answer was refused: {failure}") from None
        return opened.plain

    def _answer(self, method: Method[Q, A], plain: bytes) -> A:
        try:
            answer = read(method.answer, plain, f"the hub's answer to {method.name}", f"station {self._station}")
        except NotUnderstood as failure:
            self.refused["not-understood"] += 1
            raise Unreachable(str(failure)) from None
        self._note_clocks(answer.error)
        if answer.error is not None:
            _raise(answer.error)
        if answer.body is None:
            raise Unreachable(f"{method.name}: the hub's answer is empty")
        body: A = answer.body
        return body


def _raise(error: WireError) -> None:
    """Raise on this side what was raised on the other."""
    match error.kind:
        case "rule":
            raise RuleViolation(error.code, error.text)
        case "rejected":
            raise Rejected(error.code, error.text.removeprefix(f"{error.code}: "))
        case _:
            raise Unreachable(error.text, error.retry_after_s)
