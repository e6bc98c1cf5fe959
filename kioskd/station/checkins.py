"""Check-ins and help tickets across station and hub: the crash protocol.

1. An intent with the check-in's id is committed in station.db before the hub is asked.
2. The hub commits and answers; it is repeatable by that id.
3. The answer closes the intent and makes the print jobs, keyed (id, kind, copy), in one transaction.

At start, and while the hub was away, every open intent is asked again. Its patient may have gone by then, so its
sheets are made and expire at once: the desk sees them and decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection

from kioskd.core import printing
from kioskd.core.checkin import WITHOUT_CARD
from kioskd.core.printing import Cause, JobKey, PrintJob, PrintState, SheetKind
from kioskd.errors import RuleViolation, Unreachable
from kioskd.ports import CheckInReply, CheckInRequest, HelpReply, HelpRequest, Hub
from kioskd.station import intents, jobs
from kioskd.station.content import Content, band_content, ticket_content
from kioskd.station.job_maker import JobMaker
from kioskd.store import Store

log = logging.getLogger(__name__)
T = TypeVar("T")

ASK_WITHIN_S = 2.0
"""Longest a patient waits for an answer of the hub before they are sent to the desk."""
ASK_AGAIN_WITHIN_S = 8.0
"""The same for what is asked again, for which nobody waits."""


class CheckIns:
    """Asks the hub so that a crash at any moment leaves one check-in, one ticket, and no sheet lost or doubled."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        maker: JobMaker,
        clock: Callable[[], datetime],
        ask_within_s: float = ASK_WITHIN_S,
    ) -> None:
        self._store = store
        self._hub = hub
        self._maker = maker
        self._clock = clock
        self._ask_within_s = ask_within_s

    async def check_in(self, request: CheckInRequest) -> tuple[CheckInReply, Sequence[PrintJob]]:
        """Check in a patient who stands here: the hub's answer and the new print jobs.

        Raises RuleViolation (refused for good) or Unreachable (the intent stays open and is asked again).
        """
        await self._store.write(lambda c: intents.open_intent(c, request, self._clock()))
        return await self._ask_check_in(request, is_patient_here=True)

    async def ask_for_help(self, request: HelpRequest) -> tuple[HelpReply, Sequence[PrintJob]]:
        """A help ticket for a person who stands here. Raises Unreachable (it is asked again)."""
        await self._store.write(lambda c: intents.open_intent(c, request, self._clock()))
        return await self._ask_for_help(request, is_patient_here=True)

    def _within_s(self, is_patient_here: bool) -> float:
        return self._ask_within_s if is_patient_here else ASK_AGAIN_WITHIN_S

    async def copy_ticket(self, reply: CheckInReply | HelpReply, language: str) -> Sequence[PrintJob]:
        """One copy, marked as such, for a patient who stands here and saw no ticket come out.

        Nothing when the first ticket is not UNKNOWN, or was said to be missing before: then the desk decides.
        """
        now = self._clock()
        content = ticket_content(reply, language, is_copy=True)
        first = JobKey(reply.check_in_id, content.kind)
        copy = await self._job(replace(first, copy=2), content, now)

        def commit(connection: Connection) -> Sequence[PrintJob]:
            unknown = jobs.load(connection, first)
            if unknown is None or unknown.state is not PrintState.UNKNOWN or unknown.cause is Cause.MISSED:
                return ()
            missed = printing.missed(unknown)
            jobs.save(connection, missed)
            return [missed, *_add(connection, [copy], True, now)]

        return await self._store.write(commit)

    async def recover(self, is_in_hand: Callable[[UUID], bool] = lambda _: False) -> list[PrintJob]:
        """Ask every open intent again, but not what ``is_in_hand``, being asked right now; the new print jobs.

        One that the hub does not take now holds back none of the others; it stays open and is asked again.
        """
        made: list[PrintJob] = []
        for request in await self._store.read(intents.open_intents):
            if is_in_hand(request.check_in_id):  # asked after the read: it may have begun meanwhile
                continue
            try:
                if isinstance(request, HelpRequest):
                    made += (await self._ask_for_help(request, is_patient_here=False))[1]
                else:
                    made += (await self._ask_check_in(request, is_patient_here=False))[1]
            except RuleViolation as error:
                log.warning("check-in %s was refused by the hub: %s", request.check_in_id, error.rule)
            except Unreachable as error:
                log.info("check-in %s is not answered yet: %s", request.check_in_id, error)
        return made

    async def _ask_check_in(
        self, request: CheckInRequest, is_patient_here: bool
    ) -> tuple[CheckInReply, Sequence[PrintJob]]:
        try:
            reply = await within(self._hub.check_in(request), self._within_s(is_patient_here))
        except RuleViolation:
            await self._store.write(lambda c: intents.close_intent(c, request, self._clock()))
            raise
        now = self._clock()
        first = await self._check_in_jobs(request, reply, now)

        def commit(connection: Connection) -> Sequence[PrintJob]:
            if not intents.close_intent(connection, request, now):
                return ()
            new = self._ticket_again(connection, request, reply, now) if reply.was_checked_in_before else first
            return _add(connection, new, is_patient_here, now)

        return reply, await self._store.write(commit)

    async def _ask_for_help(self, request: HelpRequest, is_patient_here: bool) -> tuple[HelpReply, Sequence[PrintJob]]:
        reply = await within(self._hub.ask_for_help(request), self._within_s(is_patient_here))
        now = self._clock()
        content = ticket_content(reply, request.language)
        job = await self._job(JobKey(reply.check_in_id, content.kind), content, now)

        def commit(connection: Connection) -> Sequence[PrintJob]:
            is_first = intents.close_intent(connection, request, now)
            return _add(connection, [job], is_patient_here, now) if is_first else ()

        return reply, await self._store.write(commit)

    async def _check_in_jobs(self, request: CheckInRequest, reply: CheckInReply, now: datetime) -> list[PrintJob]:
        content = ticket_content(reply, request.language)
        ticket = await self._job(JobKey(reply.check_in_id, SheetKind.TICKET), content, now)
        key = JobKey(reply.check_in_id, SheetKind.WRISTBAND)
        # A band comes out here only where the site has a printer for it here, and for whom a card stands. Any other
        # one is ordered by staff.
        has_card = request.card_kind not in WITHOUT_CARD
        is_printed_here = has_card and self._maker.printers.at_kiosk(key.kind) is not None
        if reply.band_number is None or not is_printed_here:
            return [ticket]
        band = band_content(request.patient, reply.band_number, request.language)
        return [ticket, await self._job(key, band, now)]

    def _ticket_again(
        self, connection: Connection, request: CheckInRequest, reply: CheckInReply, now: datetime
    ) -> list[PrintJob]:
        """A ticket for who checks in a second time, only if none came out or may have come out the first time."""
        copy = jobs.next_copy(connection, reply.check_in_id, SheetKind.TICKET)
        if copy is None:
            return []
        key, content = JobKey(reply.check_in_id, SheetKind.TICKET, copy), ticket_content(reply, request.language)
        return [self._maker.job_here(key, content, self._maker.printers.at_kiosk(key.kind), now)]

    async def _job(self, key: JobKey, content: Content, now: datetime) -> PrintJob:
        return await self._maker.job(key, content, self._maker.printers.at_kiosk(key.kind), now)


def _add(connection: Connection, new: Sequence[PrintJob], is_patient_here: bool, now: datetime) -> list[PrintJob]:
    """Add jobs; those of a patient who has gone are over before they began."""
    if not is_patient_here:
        new = [job if job.is_over else printing.expire(job, Cause.RESTARTED, now) for job in new]
    return [job for job in new if jobs.add(connection, job)]


async def within(answer: Awaitable[T], within_s: float) -> T:
    """An answer of the hub in time. Raises Unreachable."""
    try:
        async with asyncio.timeout(within_s):
            return await answer
    except TimeoutError:
        raise Unreachable(f"no answer within {within_s:g} s") from None
