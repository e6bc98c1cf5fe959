"""The lab page of the whole demo, as a process: a card goes in at the page, and everything behind it is real."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from kioskd.demo.person import Person

pytestmark = pytest.mark.timeout(180)

START_WITHIN_S = 60
WITHIN_S = 20


@dataclass
class Demo:
    """A running ``kioskd demo`` and what it printed before it was ready."""

    process: subprocess.Popen[str]
    said: str

    @property
    def url(self) -> str:
        found = re.search(r"the front desk: (http://127\.0\.0\.1:\d+)", self.said)
        assert found, self.said
        return found.group(1)

    def password(self, name: str) -> str:
        found = re.search(rf"^  {name} +(\S+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found.group(1)


def _start(folder: Path, *options: str) -> Demo:
    command = [sys.executable, "-m", "kioskd", "demo", *options]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            return Demo(process, said)
    raise AssertionError(f"kioskd demo ended with {process.wait()}: {said}")


@pytest_asyncio.fixture
async def demo(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Demo]:
    async with asyncio.timeout(START_WITHIN_S):
        running = await asyncio.to_thread(_start, tmp_path, *getattr(request, "param", ()))
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(running.process.wait, 45)
    running.process.kill()
    running.process.wait()
    assert running.process.stdout is not None
    running.process.stdout.close()


async def _until(see: Callable[[], Awaitable[str]], words: str) -> str:
    """Look at a page again and again until it has some words."""
    page = ""
    with suppress(TimeoutError):
        async with asyncio.timeout(WITHIN_S):
            while words not in page:
                page = await see()  # another process has no event for us
                await asyncio.sleep(0.05)
    assert words in page
    return page


async def test_a_card_or_a_letter_at_the_lab_page_leads_to_paper_a_call_and_a_record(demo: Demo):
    headers = {"origin": demo.url}
    async with httpx.AsyncClient(base_url=demo.url, headers=headers, trust_env=False, timeout=20) as hand:

        async def lab() -> str:
            return (await hand.get("/")).text

        page = await lab()
        kiosk, display = re.findall(r'<iframe src="(http://127\.0\.0\.1:\d+)/"', page)
        console, records = dict.fromkeys(re.findall(r'action="(http://127\.0\.0\.1:\d+)/sign-in"', page))
        for framed in (kiosk, display):
            answer = await hand.get(framed, follow_redirects=True)
            assert f"frame-ancestors {demo.url};" in answer.headers["content-security-policy"]

        assert (await hand.post("/card", data={"card": "anna-huber"})).status_code == 303
        await _until(lab, "the patient decides")
        async with Person(kiosk) as patient:
            await patient.send("/confirm")
        page = await _until(lab, 'id="sheet-wristbands-1"')
        assert 'id="sheet-tickets-1"' in page
        paper = await hand.get("/sheets/tickets/1.png")
        assert paper.content.startswith(b"\x89PNG")
        await _until(lab, "What happened to <")

        # Another origin's form, as the lab page's own button sends it.
        for desk, name in ((console, "receptionist"), (records, "secretary")):
            signed_in = await hand.post(f"{desk}/sign-in", data={"name": name, "password": demo.password(name)})
            assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")

        await hand.post("/broker", data={"is_up": "no"})
        assert "pulled" in await lab()
        await hand.post("/broker", data={"is_up": "yes"})
        assert "pulled" not in await lab()
        await hand.post("/tear-off", data={"printer": "tickets"})
        assert 'id="sheet-tickets-1"' not in await lab()

        await hand.post("/card", data={"card": "leyla-demir"})
        await _until(lab, "No appointment today")
        await _until(lab, 'id="sheet-tickets-2"')
        await hand.post("/card", data={"card": ""})
        await _check_in_by_letter(demo, hand, kiosk, console)


async def _check_in_by_letter(demo: Demo, hand: httpx.AsyncClient, kiosk: str, console: str) -> None:
    """A letter is printed at the desk, its picture held before the scanner: it checks in once and then no more."""
    async with Person(console) as receptionist:
        await receptionist.sign_in("receptionist", demo.password("receptionist"))
        today = datetime.now(ZoneInfo("Europe/Berlin")).date().isoformat()
        letter = await receptionist.send("/letters", f"/letters?day={today}", contains="demo-joerg-moeller")
    files = {"picture": ("letter.png", _picture_of(letter), "image/png")}
    async with Person(kiosk) as patient:
        await patient.send("/close")
        await patient.until('data-step="welcome"')
        assert "1 code was read." in (await hand.post("/show", files=files, follow_redirects=True)).text
        await patient.until('data-step="birth-date"')
        page = await patient.send("/birth-date", day="2", month="11", year="1956")
        assert 'data-step="birth-date"' in page
        assert "Möller" not in page
        assert "Möller" in await patient.send("/birth-date", day="2", month="11", year="1957")
        await patient.send("/confirm")
        await patient.until('data-step="done"')
        await patient.send("/close")
        await hand.post("/show", files=files)
        await patient.until('data-step="birth-date"')
        assert 'data-step="help"' in await patient.send("/birth-date", day="2", month="11", year="1957")


def _picture_of(letter: str) -> bytes:
    """A letter's code as a PNG file, eight dots a unit."""
    width = re.search(r'viewBox="0 0 ([0-9]+) ', letter)
    assert width
    picture = Image.new("L", (int(width[1]), int(width[1])), 255)
    for x, y in re.findall(r"M([0-9]+) ([0-9]+)h1v1h-1z", letter):
        picture.putpixel((int(x), int(y)), 0)
    file = BytesIO()
    picture.resize((picture.width * 8, picture.height * 8), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


async def test_ctrl_c_ends_the_demo_with_the_page_open(demo: Demo):
    async with httpx.AsyncClient(trust_env=False, timeout=20) as eye, eye.stream("GET", f"{demo.url}/live") as stream:
        assert await anext(stream.aiter_bytes())
        demo.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(demo.process.wait, 45) == 0
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient(trust_env=False).get(demo.url)


@pytest.mark.parametrize("demo", [("--split",)], indirect=True)
async def test_split_the_same_page_stands_before_three_processes_that_end_with_it(demo: Demo):
    pids = [int(pid) for pid in re.findall(r"is process (\d+)$", demo.said, re.MULTILINE)]
    assert len(pids) == 3
    headers = {"origin": demo.url}
    async with httpx.AsyncClient(base_url=demo.url, headers=headers, trust_env=False, timeout=20) as hand:

        async def lab() -> str:
            return (await hand.get("/")).text

        page = await lab()
        assert "three processes here" in page
        kiosk, display = re.findall(r'<iframe src="(http://127\.0\.0\.1:\d+)/"', page)
        for framed in (kiosk, display):
            answer = await hand.get(framed, follow_redirects=True)
            assert f"frame-ancestors {demo.url};" in answer.headers["content-security-policy"]
        async with Person(kiosk) as patient:
            await patient.until('data-step="welcome"')
            assert (await hand.post("/card", data={"card": "anna-huber"})).status_code == 303
            await patient.until('data-step="confirm"')
            await patient.send("/confirm")
        await _until(lab, 'id="sheet-wristbands-1"')
        console, records = dict.fromkeys(re.findall(r'action="(http://127\.0\.0\.1:\d+)/sign-in"', page))
        for desk, name in ((console, "receptionist"), (records, "secretary")):
            signed_in = await hand.post(f"{desk}/sign-in", data={"name": name, "password": demo.password(name)})
            assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        os.kill(pids[1], signal.SIGKILL)
        async with Person(kiosk) as patient:
            await patient.send("/close")
            assert (await hand.post("/card", data={"card": ""})).status_code == 303
            await patient.until('data-step="desk"')
            await patient.until('data-step="welcome"', within_s=30)
    assert demo.process.stdout is not None
    assert "hub ended with code -9 and is started again" in await asyncio.to_thread(demo.process.stdout.readline)
    demo.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(demo.process.wait, 45) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
