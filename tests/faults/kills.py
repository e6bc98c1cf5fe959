"""kill -9 at random moments of the path, while people stand at the kiosk, and what the witnesses outside then say.

A whole front desk as a clinic has it: broker, pcscd and hardware outlive the kills; patients see what the page shows,
and try again or go. Everything random comes from ``seed``: who comes, and at which step of theirs which process dies,
is repeated exactly; the milliseconds behind that step as exactly as a machine can.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from drivers.cards.synthetic import crowd_person
from kioskd.demo.clinic import clinic_day, seed
from kioskd.demo.person import PageProblem, Person
from kioskd.demo.processes import Processes
from kioskd.demo.rig import ALL, SITE_ID, Rig, RigOptions
from kioskd.demo.simulators import TICKETS, WRISTBANDS
from kioskd.errors import DeviceUnavailable, StartRefused
from tests.faults.chaos_http import http_chaos
from tests.faults.eyes import DARK, DisplayEye, KioskEye, Page, display_eye
from tests.faults.gather import gather, settle, verify_audit
from tests.faults.kill_plan import Plan, plans
from tests.faults.outcome import Outcome
from tests.faults.reception import Receptionist
from tests.faults.witness import NOBODY, Facts, Promise, judge

AREA = "general"
PATIENCE_S = 60.0
"""Longest a page may stay without a word that helps the patient on; far longer than any deadline of ours."""
SHEETS_WITHIN_S = 3.0
"""How long a patient waits for paper before they go."""
READY_WITHIN_S = 120.0
"""For a process to start on a machine that is busy with other tests; how long it took is in the outcome."""
SPARE_PATIENTS = 4
LAST_PAGES = 12
RECORD_WITHIN_S = 1.0
"""How much longer than the patient the record may take, when its process is to die at that moment."""
SLOW_MM_S = {TICKETS: 600.0, WRISTBANDS: 800.0}


async def kills(folder: Path, count: int, seed: int, is_split: bool) -> Outcome:
    """Kill ``count`` times and look at what is left. ``folder`` is private to its user."""
    outcome = Outcome(f"kill -9, {'three processes' if is_split else 'one process'}", runs=count)
    # A zone in which it is about noon: a run must not be longer than what is left of the business day.
    hour = datetime.now(UTC).hour
    async with http_chaos("http://127.0.0.1:1") as proxy:
        options = RigOptions(
            is_mechanical=False,
            is_split=is_split,
            languages=("en", "de"),
            timezone=f"Etc/GMT{hour - 12:+d}",
            records_port=proxy.port,
        )
        rig = Rig(folder, options)
        processes = Processes(rig)
        try:
            await rig.start()
            proxy.server = ("127.0.0.1", rig.ports["fhir"])
            await processes.start_all()
            async with AsyncExitStack() as parts:
                clinic = await _open_clinic(parts, rig, processes, count, outcome)
                proxy.choose_for, proxy.after = clinic.record_asked, clinic.record_answered
                for plan in plans(count, seed, is_split):
                    await clinic.one(plan)
                await clinic.close()
        finally:
            processes.kill_all()
            await rig.stop()
    if outcome.problems:
        outcome.problems.append(f"repeat it with count={count}, seed={seed}, is_split={is_split}")
    return outcome


async def _open_clinic(parts: AsyncExitStack, rig: Rig, processes: Processes, count: int, outcome: Outcome) -> Clinic:
    """Patients in the records, a receptionist signed in, everybody watched."""
    crowd = [crowd_person(number) for number in range(count + SPARE_PATIENTS)]
    await seed(f"{processes.url('fhir')}/fhir", rig.token, clinic_day(datetime.now(UTC), crowd))
    display = await parts.enter_async_context(display_eye(rig.broker, SITE_ID, AREA))
    console = await parts.enter_async_context(Person(processes.url("console")))
    receptionist = Receptionist(console, rig.site_file_of("hub"), display)
    await receptionist.sign_in()
    clinic = Clinic(rig, processes, outcome, display, receptionist)
    watching = asyncio.create_task(clinic.eye.watch())
    parts.callback(watching.cancel)
    return clinic


@dataclass
class Clinic:
    """The front desk, and what was seen of it."""

    rig: Rig
    processes: Processes
    outcome: Outcome
    display: DisplayEye
    receptionist: Receptionist
    facts: Facts = field(default_factory=lambda: Facts(life_began_at=[0.0]))

    def __post_init__(self) -> None:
        self.eye = KioskEye(self.processes.url("kiosk"), self._saw)
        self._at_kiosk = NOBODY
        self._sessions: dict[str, str] = {}
        """Whose session it is, as soon as the page asked somebody about themselves or gave them a number."""
        self._reached = asyncio.Event()
        self._is_posting = False
        self._began = 0.0
        self._plan: Plan | None = None
        self._pages: deque[str] = deque(maxlen=LAST_PAGES)

    # --- what is seen ----------------------------------------------------------------------------------------------

    @property
    def _life(self) -> int:
        return len(self.facts.life_began_at) - 1

    def _saw(self, page: Page) -> None:
        self._pages.append(
            f"{time.monotonic() - self._began:.2f} s {page.step} {page.session[:4]} {page.label}".rstrip()
        )
        if page is DARK:
            return
        if self._at_kiosk:
            self.facts.visits.add((self._at_kiosk, self._life))
        if page.label and page.step in {"done", "help"}:
            patient = self._sessions.get(page.session, self._at_kiosk)
            self.facts.promises.append(Promise(patient, page.session, page.label, page.step == "help", self._life))

    def record_asked(self, method: str, path: str, _: int) -> None:
        """The hub asks the record for something."""
        self._is_posting = (method, path) == ("POST", "/fhir")

    def record_answered(self, method: str, _: str) -> None:
        """The record has answered the hub, which has not heard it yet."""
        if method == "POST" and self._is_posting:
            self._now("record stored")

    # --- one kill --------------------------------------------------------------------------------------------------

    async def one(self, plan: Plan) -> None:
        """A patient takes the path and a process dies on the way; return when it is ready again and they are gone."""
        self._plan, self._reached, self._began = plan, asyncio.Event(), time.monotonic()
        patient = asyncio.create_task(self._patient(plan))
        killer = asyncio.create_task(self._killer(plan, patient))
        try:
            await asyncio.gather(patient, killer)
        except (TimeoutError, DeviceUnavailable, StartRefused, PageProblem) as error:
            self._problem(plan, f"{type(error).__name__}: {error}; the pages were {', '.join(self._pages)}")
        finally:
            for task in (patient, killer):
                task.cancel()
            await asyncio.gather(patient, killer, return_exceptions=True)
        for role in self.rig.site_files:
            if not self.processes.is_running(role):
                await self._restart((role,))

    def _problem(self, plan: Plan, what: str) -> None:
        self.outcome.problems.append(f"{plan}: {what}")

    def _now(self, moment: str) -> None:
        """Somebody did or saw something: the killer may wait for it."""
        if self._plan is not None and self._plan.moment == moment:
            self._reached.set()

    async def _killer(self, plan: Plan, patient: asyncio.Task[None]) -> None:
        reached = asyncio.create_task(self._reached.wait())
        await asyncio.wait({reached, patient}, return_when=asyncio.FIRST_COMPLETED)
        if plan.moment == "record stored":
            await asyncio.wait({reached}, timeout=RECORD_WITHIN_S)
        reached.cancel()
        await asyncio.sleep(plan.delay_s)  # the moment itself: between this and that instruction of the daemon
        killed_at = self._kill(plan.victims)
        if plan.again_after_s is not None:
            starting = asyncio.create_task(self._restart(plan.victims))
            await asyncio.wait({starting}, timeout=plan.again_after_s)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            killed_at = self._kill(plan.victims)
        await self._restart(plan.victims)
        self.outcome.recovery_s.append(time.monotonic() - killed_at)

    def _kill(self, victims: tuple[str, ...]) -> float:
        killed_at = time.monotonic()
        if set(victims) == set(self.rig.site_files):
            self.processes.kill_all()
        else:
            for role in victims:
                self.processes.kill(role)
        return killed_at

    async def _restart(self, victims: tuple[str, ...]) -> None:
        if {"station", ALL} & set(victims):
            self.facts.life_began_at.append(time.monotonic())
        await asyncio.gather(*(self.processes.start(role, READY_WITHIN_S) for role in victims))

    # --- the patient -----------------------------------------------------------------------------------------------

    async def _patient(self, plan: Plan) -> None:
        for printer, mm_s in SLOW_MM_S.items():
            await self.rig.hardware("speed", printer=printer, mm_s=mm_s if plan.is_paper_slow else 0.0)
        await self.eye.until(lambda page: page.step == "welcome", PATIENCE_S)
        self._at_kiosk = NOBODY if plan.person is None else f"demo-{plan.person.id}"
        self.facts.visits.add((self._at_kiosk, self._life))
        async with httpx.AsyncClient(base_url=self.processes.url("kiosk"), trust_env=False, timeout=20) as finger:
            try:
                await self._insert(plan)
                self._now("card in")
                await self._at_the_page(plan, finger)
            finally:
                self._at_kiosk = NOBODY
                await self.rig.hardware("remove")
            await self._press(finger, "/close", self.eye.page)
        self._now("left")
        if plan.moment == "call" or plan.number % 10 == 9:
            await self._while_killed(self.receptionist.call_next(lambda: self._now("call")))

    async def _insert(self, plan: Plan) -> None:
        await self.rig.hardware("insert", card="unknown" if plan.person is None else plan.person.id)

    async def _at_the_page(self, plan: Plan, finger: httpx.AsyncClient) -> None:
        """Do what the page asks for until it has given a number, or sent the patient to the desk."""
        answered: set[str] = set()
        name = "" if plan.person is None else f"{plan.person.given} {plan.person.family}"

        def needs_me(page: Page) -> bool:
            match page.step:
                case "dark":
                    return not plan.stays
                case "take-card":
                    return True
                case "confirm" | "idle":
                    return page.name == name and page.session not in answered
                case "done" | "help":
                    return page.session in answered or page.session not in before
            return False

        before = {self.eye.page.session} if self.eye.page.step != "welcome" else set()
        while True:
            page = await self.eye.until(needs_me, PATIENCE_S)
            if page is DARK:
                return
            if page.step == "take-card":  # without the hub it reads no card: out, and once more when it can
                await self.rig.hardware("remove")
                await self.eye.until(lambda p: p.step in {"welcome", "dark"}, PATIENCE_S)
                await self._insert(plan)
                continue
            self._sessions[page.session] = self._at_kiosk
            if page.step in {"done", "help"}:
                self._now("number shown")
                await self._take_sheets(page)
                return
            answered.add(page.session)
            self._now("is this you")
            pressing = asyncio.create_task(self._press(finger, "/deny" if plan.denies else "/confirm", page))
            self._now("yes")
            await pressing

    async def _take_sheets(self, page: Page) -> None:
        with suppress(TimeoutError):  # printers may be slow to come back; the number is on the page
            await self.eye.until(lambda p: p.session != page.session or "printing" not in p.sheets, SHEETS_WITHIN_S)
        self._now("sheets out")

    async def _press(self, finger: httpx.AsyncClient, button: str, page: Page) -> None:
        """Press a button of a page; whether anybody heard it shows on the next page."""
        headers = {"origin": self.processes.url("kiosk"), "sec-fetch-site": "same-origin"}
        with suppress(httpx.TransportError):
            await finger.post(button, data={"session": page.session}, headers=headers)

    async def _while_killed(self, doing: Coroutine[Any, Any, None]) -> None:
        """Something at the console, which may be the one that dies."""
        with suppress(httpx.TransportError):
            await doing

    # --- the end ---------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let everything settle, stop, and have the facts judged."""
        facts = self.facts
        await settle(self.rig, facts)
        await gather(self.rig, self.processes, facts)
        await self.display.until(lambda calls: set(calls) == facts.is_called, 15)
        facts.displayed, facts.on_display = self.display.ever, set(self.display.now)
        for role, code in (await self.processes.stop_all()).items():
            if code != 0:
                self.outcome.problems.append(f"{role} ended with {code} after SIGTERM")
        facts.audit = await verify_audit(self.rig)
        if len({promise.patient for promise in facts.promises}) < self.outcome.runs // 3:
            self.outcome.problems.append("so few patients were given a number that the run proves nothing")
        for finding in judge(facts):
            self.outcome.lost += finding.kind == "lost"
            self.outcome.doubled += finding.kind == "doubled"
            self.outcome.wrong_calls += finding.kind == "wrong-call"
            self.outcome.problems.append(f"{finding.kind}: {finding.what}")
