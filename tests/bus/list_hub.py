"""A hub that is a list of what it was asked. ``hold`` keeps its answers back; ``failure`` is raised instead of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from kioskd.core.identity import Card, Identified, Reason, Refused
from kioskd.core.patient import Identifier
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


class ListHub:
    """A ``ports.Hub``."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answered = 0
        self.numbers: dict[UUID, int] = {}
        self.failure: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._was_asked = asyncio.Condition()

    def hold(self) -> None:
        self.may_answer.clear()

    async def until_asked(self, times: int, within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s), self._was_asked:
            await self._was_asked.wait_for(lambda: len(self.asked) >= times)

    async def _take(self, what: Any) -> None:
        if self.failure is not None:
            raise self.failure
        async with self._was_asked:
            self.asked.append(what)
            self._was_asked.notify_all()
        await self.may_answer.wait()
        self.answered += 1

    async def identify(self, card: Card, at: datetime) -> Identified | Refused:
        await self._take((card, at))
        return Refused(Reason.NO_PATIENT)

    async def identify_letter(self, letter: str, birth_date: date, at: datetime) -> Identified | Refused:
        await self._take((letter, birth_date, at))
        return Refused(Reason.LETTER_UNKNOWN)

    async def identify_number(
        self, identifier: Identifier, birth_date: date, is_shared_by_family: bool, at: datetime
    ) -> Identified | Refused:
        await self._take((identifier, birth_date, is_shared_by_family, at))
        return Refused(Reason.NO_PATIENT)

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        number = self.numbers.setdefault(request.check_in_id, len(self.numbers) + 1)
        await self._take(request)
        return CheckInReply(
            request.check_in_id, f"A{number}", "general", "Wartezimmer", request.arrived_at, False, number
        )

    async def ask_for_help(self, request: HelpRequest) -> HelpReply:
        await self._take(request)
        return HelpReply(request.check_in_id, "D1", request.arrived_at)

    async def station_started(self, station: str, devices: Sequence[str]) -> None:
        await self._take((station, tuple(devices)))

    async def report_device(self, report: DeviceReport) -> None:
        await self._take(report)

    async def orders(self, station: str) -> Sequence[PrintOrder]:
        await self._take(("orders", station))
        return ()

    async def report_attempt(self, report: AttemptReport) -> None:
        await self._take(report)

    async def report_print(self, report: PrintReport) -> None:
        await self._take(report)
