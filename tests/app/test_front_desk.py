"""The front desk as people meet it: ``kioskd run`` as a process, real broker, real pcscd, hardware that counts."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from kioskd.demo.person import PageProblem, Person
from kioskd.demo.simulators import TICKETS, WRISTBANDS
from tests.app.daemon import Daemon, Kiosk, daemon_on_rig

pytestmark = pytest.mark.timeout(120)


@pytest_asyncio.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with daemon_on_rig(tmp_path) as running:
        yield running


async def sheets(daemon: Daemon, printer: str) -> int:
    desk = await daemon.rig.hardware("desk")
    return int(next(p["sheets"] for p in desk["printers"] if p["name"] == printer))


async def encounters(daemon: Daemon) -> list[str]:
    async with daemon.fhir() as fhir:
        answer = await fhir.get("Encounter")
        return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


async def until(question, within_s: float = 15.0):  # type: ignore[no-untyped-def]
    """Ask the world outside again and again until it says yes."""
    async with asyncio.timeout(within_s):
        while not (answer := await question()):  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.05)
        return answer


async def signed_in(daemon: Daemon, page: str, name: str, role: str) -> Person:
    """A member of staff at their page, with the password that they chose at the first sign-in."""
    one_time = await daemon.add_account(name, role)
    person = Person(daemon.url(page))
    await person.sign_in(name, one_time)
    chosen = "a quiet Monday morning"
    await person.send("/password", "/password", old=one_time, new=chosen, again=chosen)
    return person


async def test_demo_once_does_the_whole_path(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kioskd", "demo", "--once"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=90, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for step in (
        "card seen",
        "identified",
        "committed",
        "ticket proven",
        "band proven",
        "display right",
        "record stored",
    ):
        assert step in done.stdout
    assert "Huber" not in done.stdout + done.stderr


async def test_two_taps_are_one_check_in_and_a_second_visit_is_told_its_number(daemon: Daemon) -> None:
    async with Kiosk(daemon.url("kiosk")) as patient:
        await daemon.rig.hardware("insert", card="anna-huber")
        page = await patient.until("Is this you?")
        session = re.search(r'name="session" value="([^"]+)"', page)
        assert session
        headers = {"origin": patient.url, "sec-fetch-site": "same-origin"}
        async with httpx.AsyncClient(base_url=patient.url, trust_env=False, timeout=15) as finger:
            taps = [finger.post("/confirm", data={"session": session.group(1)}, headers=headers) for _ in range(2)]
            answers = await asyncio.gather(*taps)
        assert [a.status_code for a in answers] == [303, 303]
        assert "A1" in await patient.until("You are checked in")
        await patient.until("Please take your ticket")
        assert await sheets(daemon, TICKETS) == 1
        await daemon.rig.hardware("wait-for-sheets", printer=WRISTBANDS, count=1, seconds=10.0)

        await daemon.rig.hardware("remove")
        await patient.send("/close")
        await patient.until("put in your card")
        await daemon.rig.hardware("insert", card="anna-huber")
        await patient.until("Is this you?")
        await patient.send("/confirm")
        page = await patient.until("You were already checked in")
        assert "A1" in page
    assert len(await until(lambda: encounters(daemon))) == 1
    assert await sheets(daemon, TICKETS) == 1, "a second ticket for one place in the queue"
    assert await sheets(daemon, WRISTBANDS) == 1


async def test_who_is_not_known_gets_a_help_ticket_that_the_desk_sees_with_its_reason(daemon: Daemon) -> None:
    async with (
        Kiosk(daemon.url("kiosk")) as patient,
        await signed_in(daemon, "console", "rezeption", "receptionist") as receptionist,
    ):
        await daemon.rig.hardware("insert", card="unknown")
        page = await patient.until("You are not checked in yet")
        assert "D1" in page
        assert re.search(r"We noted that you came at \d\d:\d\d", page)
        await daemon.rig.hardware("wait-for-sheets", printer=TICKETS, count=1, seconds=10.0)
        console = await receptionist.look("/")
        assert "D1" in console
        assert not await encounters(daemon)


async def test_without_paper_the_number_is_on_screen_and_nothing_prints_when_the_patient_has_gone(
    daemon: Daemon,
) -> None:
    await daemon.rig.hardware("paper", printer=TICKETS, has_paper=False)
    async with Kiosk(daemon.url("kiosk")) as patient:
        await daemon.rig.hardware("insert", card="anna-huber")
        await patient.until("Is this you?")
        await patient.send("/confirm")
        page = await patient.until("not-now")
        assert "A1" in page
        assert "Please take your ticket" not in page
        await daemon.rig.hardware("remove")
        await patient.send("/close")
        await patient.until("put in your card")
        await daemon.rig.hardware("paper", printer=TICKETS, has_paper=True)
        # The next patient's ticket proves that the printer works again, and is the only sheet of paper.
        await daemon.rig.hardware("insert", card="samuel-okafor")
        await patient.until("Is this you?")
        await patient.send("/confirm")
        await patient.until("Please take your ticket")
    assert await sheets(daemon, TICKETS) == 1


async def test_without_the_broker_check_in_goes_on(daemon: Daemon) -> None:
    await daemon.rig.broker.stop()
    async with Kiosk(daemon.url("kiosk")) as patient:
        await daemon.rig.hardware("insert", card="anna-huber")
        await patient.until("Is this you?")
        await patient.send("/confirm")
        await patient.until("Please take your ticket")
    assert await until(lambda: encounters(daemon))


async def test_a_card_pulled_out_early_is_a_hint_and_pcscd_may_restart(daemon: Daemon) -> None:
    async with Kiosk(daemon.url("kiosk")) as patient:
        await daemon.rig.hardware("insert", card="anna-huber", remove_after_apdus=5)
        await patient.until("came out too early")
        await daemon.rig.hardware("remove")
        await asyncio.to_thread(daemon.rig.pcscd.restart)
        await until(lambda: is_inserted(daemon))
        await patient.until("Is this you?", within_s=30)


async def is_inserted(daemon: Daemon) -> bool:
    await daemon.rig.hardware("insert", card="anna-huber")
    return True


async def test_killed_after_a_check_in_it_comes_back_with_the_number_and_prints_nothing_twice(daemon: Daemon) -> None:
    async with Kiosk(daemon.url("kiosk")) as patient:
        await daemon.rig.hardware("insert", card="anna-huber")
        await patient.until("Is this you?")
        await patient.send("/confirm")
        await daemon.stop(signal.SIGKILL)
        await daemon.start()
        # The card is still in: the new daemon reads it by itself, for the patient who still stands there.
        await patient.until("Is this you?")
        await patient.send("/confirm")
        page = await patient.until("already checked in")
        assert "A1" in page
    assert len(await until(lambda: encounters(daemon))) == 1
    assert await sheets(daemon, WRISTBANDS) <= 1


async def test_the_secretary_sees_the_check_in_and_nobody_else_may_look(daemon: Daemon) -> None:
    async with Kiosk(daemon.url("kiosk")) as patient:
        await daemon.rig.hardware("insert", card="joerg-moeller")
        await patient.until("Is this you?")
        await patient.send("/confirm")
        await patient.until("You are checked in")
    assert await until(lambda: encounters(daemon))
    async with await signed_in(daemon, "records", "sekretariat", "secretary") as secretary:
        assert "Möller-Großmann" in await secretary.look("/")
    async with Person(daemon.url("records")) as stranger:
        assert "Möller" not in await stranger.look("/")
    async with httpx.AsyncClient(base_url=daemon.url("fhir"), trust_env=False) as nobody:
        assert (await nobody.get("/fhir/Patient/demo-joerg-moeller")).status_code == 401
    password = await daemon.add_account("empfang", "receptionist")
    async with Person(daemon.url("records")) as receptionist:
        with pytest.raises(PageProblem):
            await receptionist.sign_in("empfang", password)
    assert "Möller" not in daemon.log
    assert "X110" not in daemon.log
    audit = [sys.executable, "-m", "kioskd", "audit", "verify", "--config", str(daemon.rig.site_file)]
    done = await asyncio.to_thread(subprocess.run, audit, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("whole") == 3


async def test_sigterm_stops_it_while_a_stream_is_open(daemon: Daemon) -> None:
    async with (
        httpx.AsyncClient(base_url=daemon.url("kiosk"), trust_env=False, timeout=20) as client,
        client.stream("GET", "/live") as stream,
    ):
        lines = stream.aiter_lines()
        await anext(lines)
        assert await daemon.stop(signal.SIGTERM) == 0, daemon.log


async def test_a_second_daemon_on_the_same_databases_is_refused_by_name(daemon: Daemon) -> None:
    command = [sys.executable, "-m", "kioskd", "run", "--config", str(daemon.rig.site_file)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=30, env=dict(os.environ), check=False
    )
    assert done.returncode == 1
    assert daemon.process is not None
    assert f"process {daemon.process.pid}" in done.stderr
