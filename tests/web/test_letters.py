"""The console's pages of appointment letters: a list, and one letter to print, in a real Chromium too."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import pytest_asyncio
import zxingcpp
from PIL import Image
from playwright.async_api import expect

from kioskd.core.letter import write
from kioskd.errors import RuleViolation, Unreachable
from kioskd.hub.letter_view import LetterRow, PrintedLetter
from kioskd.web.letters import qr_path
from tests.web.conftest import OpenPage
from tests.web.console_rig import Rig, console, enter, token_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

CODE = write(bytes(range(16)), datetime(2027, 5, 1, tzinfo=UTC), bytes(32))
ROWS = (
    LetterRow("a1", datetime(2026, 11, 24, 8, 30, tzinfo=UTC), "Huber", "Anna", "Dr. Lena Hart"),
    LetterRow("a2", datetime(2026, 11, 24, 9, 0, tzinfo=UTC), "<b>O’Neil", "Łucja", ""),
)


class LetterBox:
    """Implements ``hub.letter_view.Letters`` from memory."""

    site_name = "Praxis am Markt"

    def __init__(self) -> None:
        self.is_away = False
        self.seen: list[tuple[date, str]] = []
        self.issued: list[tuple[date, str, str]] = []

    def next_day(self) -> date:
        return date(2026, 11, 24)

    async def of_day(self, day: date, staff: str) -> tuple[LetterRow, ...]:
        if self.is_away:
            raise Unreachable("the records do not answer")
        self.seen.append((day, staff))
        return ROWS if day == self.next_day() else ()

    async def issue(self, day: date, appointment_id: str, staff: str) -> PrintedLetter:
        if self.is_away:
            raise Unreachable("the records do not answer")
        row = next((r for r in ROWS if r.appointment_id == appointment_id and day == self.next_day()), None)
        if row is None:
            raise RuleViolation("not-expected", "gone")
        self.issued.append((day, appointment_id, staff))
        return PrintedLetter(row, CODE)


@pytest.fixture
def box() -> LetterBox:
    return LetterBox()


@pytest_asyncio.fixture(loop_scope="session")
async def rig(tmp_path: Path, box: LetterBox, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with console(tmp_path, language=getattr(request, "param", "en"), letters=box) as made:
        yield made


async def test_the_list_is_of_the_next_day_and_of_any_other_that_is_asked_for(rig: Rig, box: LetterBox) -> None:
    async with rig.client() as client:
        assert (await client.get("/letters")).status_code in (303, 401)
        await rig.sign_in(client)
        page = await client.get("/letters")
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert "Tuesday 24 November" in page.text
        assert re.findall(r'class="time">([^<]+)<', page.text) == ["09:30", "10:00"]
        assert "&lt;b&gt;O’Neil, Łucja" in page.text
        assert "Nobody has an appointment on this day." in (await client.get("/letters?day=2026-12-25")).text
        for wrong in ("tomorrow", "2026-13-01", "0001-01-01", "9999-12-31"):
            assert (await client.get(f"/letters?day={wrong}")).status_code == 400
    assert box.seen == [(date(2026, 11, 24), "anna.kurz"), (date(2026, 12, 25), "anna.kurz")]


async def test_a_letter_is_a_page_to_print_whose_address_says_nothing(rig: Rig, box: LetterBox) -> None:
    async with rig.client() as client:
        await rig.sign_in(client)
        form = {"form_token": token_of(client), "day": "2026-11-24", "appointment": "a1"}
        page = await client.post("/letters", data=form)
        assert (page.status_code, page.url.path, page.headers["cache-control"]) == (200, "/letters", "no-store")
        assert "Anna Huber" in page.text
        assert "Tuesday 24 November at 09:30" in page.text
        assert CODE not in page.text, "it is in the picture only"
        assert (await client.post("/letters", data=form | {"form_token": "x"})).status_code == 403
        assert (await client.post("/letters", data=form | {"appointment": ""})).status_code == 400
        assert (await client.post("/letters", data=form | {"day": ""})).status_code == 400
        gone = await client.post("/letters", data=form | {"appointment": "a9"})
        assert gone.status_code == 409
        assert "not expected on that day any more" in gone.text
        box.is_away = True
        for away in (await client.post("/letters", data=form), await client.get("/letters")):
            assert away.status_code == 503
            assert "The records can’t be asked right now." in away.text
    assert box.issued == [(date(2026, 11, 24), "a1", "anna.kurz")]


async def test_the_code_on_the_letter_is_read_as_it_was_written() -> None:
    width, path = qr_path(CODE)
    assert width == 37, "version 3 with its quiet zone: a bigger one would be harder to read"
    picture = Image.new("L", (width, width), 255)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path):
        picture.putpixel((int(x), int(y)), 0)
    [read] = zxingcpp.read_barcodes(picture.resize((width * 4, width * 4), Image.Resampling.NEAREST))
    assert read.bytes == CODE.encode()


async def test_a_console_without_letters_has_no_link_to_them(tmp_path: Path) -> None:
    async with console(tmp_path) as rig, rig.client() as client:
        await rig.sign_in(client)
        assert 'href="/letters"' not in (await client.get("/")).text
        assert (await client.get("/letters")).status_code == 404


@pytest.mark.parametrize(
    ("rig", "theme"), [("en", "light"), ("de", "dark"), ("de", "contrast")], indirect=["rig"], ids=lambda value: value
)
async def test_the_pages_can_be_used_by_everybody(rig: Rig, open_page: OpenPage, theme: str) -> None:
    visit = await open_page(rig.url, viewport={"width": 1440, "height": 900})
    await enter(visit, rig)
    await visit.page.evaluate(f"localStorage.setItem('console.theme', '{theme}')")
    await visit.page.click("a[href='/letters']")
    await expect(visit.page.locator(".letters li")).to_have_count(2)
    await visit.assert_accessible()
    await visit.page.click("#letter-1")
    code = visit.page.locator(".letter .code")
    await expect(code).to_be_visible()
    await visit.assert_accessible()
    await visit.page.emulate_media(media="print")
    await expect(visit.page.locator(".bar")).to_be_hidden()
    await expect(code).to_be_visible()
    visit.assert_quiet()
