"""Station, hub and records as three processes with a broker between them: the path, and each of them away."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from kioskd import config
from kioskd.demo.desks import desks_of_processes
from kioskd.demo.person import Person
from kioskd.demo.rig import ROLES, Rig, RigOptions
from kioskd.demo.simulators import TICKETS
from kioskd.staff import Role
from tests.app.daemon import Kiosk, Processes, processes_on_rig

pytestmark = pytest.mark.timeout(150)

INSERT = "Please put in your card or show your code"
TO_THE_DESK = "Please go to the desk"
AT_MOST_S = 15.0
"""A patient waits for 2 s; this machine may be busy."""


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Processes]:
    async with processes_on_rig(tmp_path) as running:
        yield running


async def encounters(site: Processes) -> list[str]:
    headers = {"authorization": f"Bearer {site.rig.token}"}
    async with httpx.AsyncClient(base_url=site.url("fhir"), headers=headers, trust_env=False, timeout=10) as fhir:
        answer = await fhir.get("/fhir/Encounter")
        return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


async def until(question, within_s: float = 30.0):  # type: ignore[no-untyped-def]
    """Ask the world outside again and again until it says yes."""
    async with asyncio.timeout(within_s):
        while not (answer := await question()):  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.05)
        return answer


async def sheets(site: Processes, printer: str) -> int:
    desk = await site.rig.hardware("desk")
    return int(next(p["sheets"] for p in desk["printers"] if p["name"] == printer))


def test_demo_split_once_does_the_whole_path(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kioskd", "demo", "--split", "--once"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("number shown", "ticket out", "band out", "ticket proven", "record stored", "display right"):
        assert step in done.stdout
    for role in ROLES:
        assert f"{role:8} is process" in done.stdout
    assert "Huber" not in done.stdout + done.stderr


async def test_each_process_opens_only_what_is_its_own(site: Processes) -> None:
    databases = {role: {f.name for f in (site.rig.folder / f"data-{role}").glob("*.db")} for role in ROLES}
    assert databases == {
        "station": {"station.db"},
        "hub": {"hub.db", "staff.db"},
        "records": {"records.db", "staff.db"},
    }
    assert config.load(site.rig.site_file_of("records")).mqtt is None
    assert "kioskd.bus" not in site.log("records")
    assert set((await site.stop_all()).values()) == {0}


async def test_without_the_hub_the_kiosk_sends_to_the_desk_and_is_itself_again_when_it_is_back(site: Processes) -> None:
    async with Kiosk(site.url("kiosk")) as patient:
        await patient.until(INSERT)
        site.kill("hub")
        page = await patient.until(TO_THE_DESK)
        assert INSERT not in page
        assert "Call someone" not in page
        assert 'action="/language"' in page
        await site.rig.hardware("insert", card="anna-huber")
        page = await patient.until("Please take your card with you.")
        assert TO_THE_DESK in page
        await site.rig.hardware("remove")
        await site.start("hub")
        await patient.until(INSERT)
        await site.rig.hardware("insert", card="anna-huber")
        await patient.until("Is this you?")
        await patient.send("/confirm")
        await patient.until("Please take your ticket")
    async with Person(site.url("console")) as receptionist:
        await receptionist.sign_in(
            "empfang", await desks_of_processes(site).password("empfang", Role.RECEPTIONIST, "console")
        )
        await until(lambda: console_shows(receptionist, "A1"))
        await until(lambda: console_shows(receptionist, "entrance-reader"))
        pages = re.findall(r'href="(/printers/[^"]+)"', await receptionist.look("/printers"))
        printer = next(address for address in pages if "ticket" in address)
        await receptionist.send(f"{printer}/test", printer)
        await until(lambda: is_out(site, TICKETS, 2))
    assert len(await until(lambda: encounters(site))) == 1
    assert await sheets(site, TICKETS) == 2, "the ticket, and the self-test that was ordered over the broker"


async def is_out(site: Processes, printer: str, count: int) -> bool:
    return await sheets(site, printer) >= count


async def console_shows(receptionist: Person, text: str) -> bool:
    return text in await receptionist.look("/")


async def test_a_check_in_in_hand_when_the_hub_hangs_is_delivered_once_when_it_is_back(site: Processes) -> None:
    async with Kiosk(site.url("kiosk")) as patient:
        await site.rig.hardware("insert", card="anna-huber")
        await patient.until("Is this you?")
        site.signal("hub", signal.SIGSTOP)
        began = time.monotonic()
        page = await patient.send("/confirm")
        took_s = time.monotonic() - began
        site.signal("hub", signal.SIGCONT)
        assert TO_THE_DESK in page
        assert "nothing is lost" in page
        assert "desk sees" not in page
        assert took_s < AT_MOST_S
        assert await until(lambda: encounters(site))
        await site.rig.hardware("remove")
        await patient.send("/close")
        await patient.until(INSERT)
        await site.rig.hardware("insert", card="anna-huber")
        await patient.until("Is this you?")
        await patient.send("/confirm")
        assert "A1" in await patient.until("You were already checked in")
    assert len(await encounters(site)) == 1
    assert await sheets(site, TICKETS) <= 1


async def test_every_process_starts_without_the_others_and_the_broker(tmp_path: Path) -> None:
    rig = Rig(tmp_path, RigOptions(is_mechanical=False, is_split=True, languages=("en", "de")))
    site = Processes(rig)
    try:
        await rig.start()
        await rig.broker.stop()
        await site.start("station")
        async with Kiosk(site.url("kiosk")) as patient:
            assert TO_THE_DESK in await patient.look()
            await site.start("hub")
            assert TO_THE_DESK in await patient.look()
            await rig.broker.start()
            await patient.until(INSERT, within_s=30)
            await site.start("records")
        assert set((await site.stop_all()).values()) == {0}
    finally:
        site.kill_all()
        await rig.stop()
