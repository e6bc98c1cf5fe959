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

from kioskd.app import Running
from kioskd.bus.topics import SiteTopics
from kioskd.bus.watch import DisplayWatch, watch_display
from kioskd.core import events
from kioskd.core.events import Event
from kioskd.core.printing import SheetKind
from kioskd.demo.person import Person
from kioskd.demo.rig import SITE_ID, Rig
from kioskd.demo.simulators import TICKETS, WRISTBANDS
from kioskd.errors import KioskdError
from kioskd.forward.fhir import NAMESPACE
from kioskd.news import Subscription
from kioskd.staff import Role

E = TypeVar("E", bound=Event)

WITHIN_S = 20.0
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
    daemon: Running
    diary: Diary
    patient: Person
    receptionist: Person
    secretary: Person
    display: DisplayWatch
    fhir: httpx.AsyncClient
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
        await self._paper_is_out()
        at, _ = await self.diary.when(events.RecordStored, lambda e: e.check_in_id == check_in_id)
        times.note("record stored", at)
        await self._call(times, checked_in.label)
        await self._record_is_there(check_in_id, checked_in.label)
        await self.rig.hardware("remove")
        await self.diary.when(events.CardRemoved)
        return times, check_in_id, checked_in.label

    async def _paper_is_out(self) -> None:
        """The simulated printers, which count by themselves, have one more sheet each."""
        for printer in (TICKETS, WRISTBANDS):
            self.sheets[printer] = self.sheets.get(printer, 0) + 1
            count = self.sheets[printer]
            if not await self.rig.hardware("wait-for-sheets", printer=printer, count=count, seconds=5.0):
                raise PathBroken(f"the {printer} printer has not {count} sheets, and the daemon said it has")

    async def _call(self, times: Times, label: str) -> None:
        await self.receptionist.send("/call-next", contains=ROOM, area=AREA, room=ROOM)
        at, _ = await self.diary.when(events.TicketCalled, lambda e: e.label == label)
        times.note("called", at)
        shown_at = await self.display.until(lambda s: any(c.label == label and c.room == ROOM for c in s.calls), 5.0)
        times.note("display right", shown_at)

    async def finish(self, label: str) -> None:
        """The receptionist ends the visit of a called ticket, so that the display has room for the next."""
        page = await self.receptionist.look("/")
        found = re.search(rf'href="/\?ticket=([0-9a-f-]{{36}})[^"]*"[^>]*>(?:(?!</a>).)*\b{label}\b', page, re.DOTALL)
        if found is None:
            raise PathBroken(f"the console does not list {label}")
        await self.receptionist.send(f"/tickets/{found.group(1)}/finish", page=f"/?ticket={found.group(1)}")
        await self.diary.when(events.TicketFinished, lambda e: e.label == label)

    async def _record_is_there(self, check_in_id: UUID, label: str) -> None:
        answer = await self.fhir.get(f"Encounter/{uuid5(NAMESPACE, f'{check_in_id}/encounter')}")
        if answer.status_code != 200:
            raise PathBroken(f"the records backend has no Encounter of the check-in (HTTP {answer.status_code})")
        if label not in await self.secretary.look("/"):
            raise PathBroken(f"the secretary's desk does not list {label}")


@asynccontextmanager
async def front_desk_people(rig: Rig, daemon: Running) -> AsyncIterator[FrontDeskPeople]:
    """Everybody at their page, signed in, and the display watched."""
    url = {name: address.url for name, address in daemon.addresses.items()}
    topic = SiteTopics(SITE_ID).display_state(AREA)
    broker = rig.broker
    async with AsyncExitStack() as parts:
        diary = Diary(parts.enter_context(daemon.news.subscribe()))
        writing = asyncio.create_task(diary.write())
        parts.callback(writing.cancel)
        patient, receptionist, secretary = [
            await parts.enter_async_context(Person(url[page])) for page in ("kiosk", "console", "records")
        ]
        for person, name, role in (
            (receptionist, "receptionist", Role.RECEPTIONIST),
            (secretary, "secretary", Role.SECRETARY),
        ):
            known = {account.name for account in await daemon.staff.accounts()}
            password = (
                await daemon.staff.reset_password(f"path-{name}", "system", is_permanent=True)
                if f"path-{name}" in known
                else await daemon.staff.add_account(f"path-{name}", [role], "system", is_permanent=True)
            )
            await person.sign_in(f"path-{name}", password)
        display = await parts.enter_async_context(
            watch_display(broker.web_url, broker.display.user, broker.display.password, topic)
        )
        fhir = await parts.enter_async_context(
            httpx.AsyncClient(
                base_url=f"{url['fhir']}/fhir", headers={"authorization": f"Bearer {rig.token}"}, trust_env=False
            )
        )
        yield FrontDeskPeople(rig, daemon, diary, patient, receptionist, secretary, display, fhir)
