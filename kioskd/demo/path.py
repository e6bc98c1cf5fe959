"""One patient from card to record, done by people at the pages and measured where it happens.

The patient confirms on the kiosk's page, the receptionist calls on the console's page, a display is watched at the
broker, the record is read over FHIR and the secretary looks at the desk's page. Nothing is taken from the daemon's
word alone: events give the times, the witnesses outside say whether it is true.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID, uuid5

import httpx

from kioskd.bus.topics import SiteTopics
from kioskd.bus.watch import DisplayWatch, watch_display
from kioskd.core import events
from kioskd.core.events import Event
from kioskd.core.printing import SheetKind
from kioskd.demo.desks import Desks
from kioskd.demo.person import PageProblem, Person
from kioskd.demo.rig import SITE_ID, Rig
from kioskd.demo.simulators import TICKETS, WRISTBANDS
from kioskd.errors import KioskdError
from kioskd.forward.fhir import NAMESPACE
from kioskd.news import Subscription
from kioskd.staff import Role

E = TypeVar("E", bound=Event)

WITHIN_S = 20.0
PAPER_WITHIN_S = 12.0
"""Shorter than the simulators' own bound for an answer."""
LOOK_AGAIN_S = 0.02
AREA = "general"
ROOM = "Zimmer 1"


class PathBroken(KioskdError):
    """A step of the path did not happen."""


@dataclass
class Times:
    """When each step happened, ``time.monotonic()`` seconds."""

    at: dict[str, float] = field(default_factory=dict)

    def note(self, step: str, at: float | None = None) -> None:
        self.at[step] = time.monotonic() if at is None else at

    def ms(self, begin: str, end: str) -> float:
        return (self.at[end] - self.at[begin]) * 1000


class Diary:
    """Every event with the moment at which it was heard; a step waits for the one that it needs."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._heard: list[tuple[float, Event]] = []
        self._changed = asyncio.Condition()

    async def write(self) -> None:
        """Listen until the daemon stops."""
        async for event in self._subscription:
            at = time.monotonic()
            async with self._changed:
                self._heard.append((at, event))
                self._changed.notify_all()

    def forget(self) -> None:
        """Begin a new patient."""
        self._heard.clear()

    async def when(self, kind: type[E], is_it: Callable[[E], bool] = lambda event: True) -> tuple[float, E]:
        """The first event of a kind that fits. Raises PathBroken when there is none within ``WITHIN_S``."""

        def find() -> tuple[float, E] | None:
            return next(((at, e) for at, e in self._heard if isinstance(e, kind) and is_it(e)), None)

        try:
            async with asyncio.timeout(WITHIN_S), self._changed:
                await self._changed.wait_for(lambda: find() is not None)
        except TimeoutError:
            heard = ", ".join(type(e).__name__ for _, e in self._heard)
            raise PathBroken(f"no {kind.__name__} within {WITHIN_S:g} s; there was: {heard or 'nothing'}") from None
        found = find()
        assert found is not None  # noqa: S101 - waited for above
        return found


@dataclass
class FrontDeskPeople:
    """Everybody who takes part, each at a page of their own."""

    rig: Rig
    patient: Person
    receptionist: Person
    secretary: Person
    display: DisplayWatch
    fhir: httpx.AsyncClient
    diary: Diary
    sheets: dict[str, int] = field(default_factory=dict)

    async def check_in(self, card_id: str) -> tuple[Times, UUID, str]:
        """From the card to the stored record. Raises PathBroken, or PageProblem, DeviceUnavailable, BusError."""
        times = Times()
        self.diary.forget()
        await self.rig.hardware("insert", card=card_id)
        times.note("card seen", (await self.diary.when(events.CardSeen))[0])
        at, identified = await self.diary.when(events.PatientIdentified)
        times.note("identified", at)
        form = await self.patient.form("/confirm")
        times.note("confirmed")
        await self.patient.submit("/confirm", form)
        check_in_id = identified.check_in_id
        at, checked_in = await self.diary.when(events.PatientCheckedIn, lambda e: e.check_in_id == check_in_id)
        times.note("committed", at)
        for kind, word in ((SheetKind.TICKET, "ticket"), (SheetKind.WRISTBAND, "band")):
            at, _ = await self.diary.when(events.SheetSent, lambda e, k=kind: e.kind is k)  # type: ignore[misc]
            times.note(f"{word} sent", at)
            at, _ = await self.diary.when(events.SheetPrinted, lambda e, k=kind: e.kind is k)  # type: ignore[misc]
            times.note(f"{word} proven", at)
        await self._paper_is_out(TICKETS)
        await self._paper_is_out(WRISTBANDS)
        at, _ = await self.diary.when(events.RecordStored, lambda e: e.check_in_id == check_in_id)
        times.note("record stored", at)
        await self._call(times, checked_in.label)
        times.note("called", (await self.diary.when(events.TicketCalled, lambda e: e.label == checked_in.label))[0])
        await self._record_is_there(check_in_id, checked_in.label)
        await self.rig.hardware("remove")
        await self.diary.when(events.CardRemoved)
        return times, check_in_id, checked_in.label

    async def check_in_seen_from_outside(self, card_id: str) -> tuple[Times, UUID, str]:
        """The same where the daemon's events are in other processes: pages, paper and the record give the times.

        Raises PathBroken, or PageProblem, DeviceUnavailable, BusError.
        """
        times = Times()
        await self.patient.until('data-step="welcome"', WITHIN_S)
        await self.rig.hardware("insert", card=card_id)
        times.note("card in")
        page = await self.patient.until('data-step="confirm"', WITHIN_S)
        times.note("asked")
        check_in_id = UUID(_found(r'data-session="([0-9a-f-]{36})"', page))
        times.note("confirmed")
        await self.patient.send("/confirm")
        page = await self.patient.until('data-step="done"', WITHIN_S)
        times.note("number shown")
        label = _found(r'<p class="number">([A-Z][0-9]+)</p>', page)
        await self._paper_is_out(TICKETS)
        times.note("ticket out")
        await self._paper_is_out(WRISTBANDS)
        times.note("band out")
        await self.patient.until('class="take-it"', WITHIN_S)
        times.note("ticket proven")
        await self._record_comes(check_in_id)
        times.note("record stored")
        await self._call(times, label)
        await self._record_is_there(check_in_id, label)
        await self.rig.hardware("remove")
        return times, check_in_id, label

    async def _paper_is_out(self, printer: str) -> None:
        """A simulated printer, which counts by itself, has one more sheet."""
        self.sheets[printer] = count = self.sheets.get(printer, 0) + 1
        if not await self.rig.hardware("wait-for-sheets", printer=printer, count=count, seconds=PAPER_WITHIN_S):
            raise PathBroken(f"the {printer} printer has not {count} sheets")

    async def _call(self, times: Times, label: str) -> None:
        times.note("called")
        await self.receptionist.send("/call-next", contains=ROOM, area=AREA, room=ROOM)
        shown_at = await self.display.until(
            lambda s: any(c.label == label and c.room == ROOM for c in s.calls), WITHIN_S
        )
        times.note("display right", shown_at)

    async def finish(self, label: str) -> None:
        """The receptionist ends the visit of a called ticket, so that the display has room for the next."""
        page = await self.receptionist.look("/")
        found = re.search(rf'href="/\?ticket=([0-9a-f-]{{36}})[^"]*"[^>]*>(?:(?!</a>).)*\b{label}\b', page, re.DOTALL)
        if found is None:
            raise PathBroken(f"the console does not list {label}")
        await self.receptionist.send(f"/tickets/{found.group(1)}/finish", page=f"/?ticket={found.group(1)}")
        await self.diary.when(events.TicketFinished, lambda e: e.label == label)

    async def _encounter(self, check_in_id: UUID) -> int:
        """The answer of the records backend to who asks for the check-in's Encounter: an HTTP status."""
        return (await self.fhir.get(f"Encounter/{uuid5(NAMESPACE, f'{check_in_id}/encounter')}")).status_code

    async def _record_comes(self, check_in_id: UUID) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                while await self._encounter(check_in_id) != 200:  # noqa: ASYNC110 - another process has no event for us
                    await asyncio.sleep(LOOK_AGAIN_S)
        except TimeoutError:
            raise PathBroken(f"no Encounter within {WITHIN_S:g} s") from None

    async def _record_is_there(self, check_in_id: UUID, label: str) -> None:
        if (status := await self._encounter(check_in_id)) != 200:
            raise PathBroken(f"the records backend has no Encounter of the check-in (HTTP {status})")
        if label not in await self.secretary.look("/"):
            raise PathBroken(f"the secretary's desk does not list {label}")


def _found(pattern: str, page: str) -> str:
    found = re.search(pattern, page)
    if found is None:
        raise PageProblem(f"the kiosk's page has nothing like {pattern}")
    return found.group(1)


@asynccontextmanager
async def front_desk_people(rig: Rig, desks: Desks) -> AsyncIterator[FrontDeskPeople]:
    """Everybody at their page, signed in, and the display watched."""
    url = desks.urls
    topic = SiteTopics(SITE_ID).display_state(AREA)
    broker = rig.broker
    async with AsyncExitStack() as parts:
        diary = Diary(parts.enter_context(desks.news.subscribe()))
        writing = asyncio.create_task(diary.write())
        parts.callback(writing.cancel)
        patient, receptionist, secretary = [
            await parts.enter_async_context(Person(url[page])) for page in ("kiosk", "console", "records")
        ]
        for person, role, page in (
            (receptionist, Role.RECEPTIONIST, "console"),
            (secretary, Role.SECRETARY, "records"),
        ):
            name = f"path-{role.value}"
            await person.sign_in(name, await desks.password(name, role, page))
        display = await parts.enter_async_context(
            watch_display(broker.web_url, broker.display.user, broker.display.password, topic)
        )
        fhir = await parts.enter_async_context(
            httpx.AsyncClient(
                base_url=f"{url['fhir']}/fhir", headers={"authorization": f"Bearer {rig.token}"}, trust_env=False
            )
        )
        yield FrontDeskPeople(rig, patient, receptionist, secretary, display, fhir, diary)
