"""The console's pages about printers: over HTTP as plain forms, and live in a real Chromium."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from kioskd.core.paper import Left
from kioskd.core.printing import Cause, PrinterNote, PrintState, ProofKind, SheetKind
from kioskd.hub.printer_view import JobRow
from kioskd.hub.view import NoteRow, PaperRow
from tests.web.browser import DESK, LANDSCAPE
from tests.web.conftest import OpenPage
from tests.web.console_rig import Rig, console, enter, token_of
from tests.web.front_desk import NOW, ticket_id
from tests.web.printer_shop import BANDS, JOBS, TICKETS

pytestmark = pytest.mark.asyncio(loop_scope="session")

ONE = "/printers/entrance/tickets"
LOOKS: dict[str, dict[str, Any]] = {
    "light 1440x900": {"viewport": DESK},
    "dark 1920x1080": {"viewport": LANDSCAPE, "color_scheme": "dark"},
    "high contrast 1440x900": {"viewport": DESK, "theme": "contrast"},
    "forced colours 1440x900": {"viewport": DESK, "forced_colors": "active"},
    "zoomed to 400 %": {"viewport": {"width": 360, "height": 480}, "device_scale_factor": 4},
}


@pytest_asyncio.fixture(loop_scope="session")
async def rig(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with console(tmp_path, language=getattr(request, "param", "en")) as made:
        made.printers.jobs = JOBS
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with rig.client() as made:
        await rig.sign_in(made)
        yield made


async def post(client: httpx.AsyncClient, path: str) -> httpx.Response:
    return await client.post(path, data={"form_token": token_of(client)})


def section(text: str, title: str) -> str:
    return text.partition(f'aria-labelledby="{title}"')[2].partition("</section>")[0]


# --- over HTTP ---


async def test_the_list_leads_to_every_printer_and_says_how_it_is(client: httpx.AsyncClient):
    text = (await client.get("/printers")).text
    for words in (
        'href="/printers/entrance/tickets">Ticket printer, beside the door<',
        'href="/printers/entrance/bands">Wristband printer<',
        "The cover is open",
        "The ribbon is nearly out. Have a new one ready.",
        "Left on the roll: 350 to 790 tickets",
    ):
        assert words in text


async def test_a_site_without_printers_says_what_will_appear(rig: Rig, client: httpx.AsyncClient):
    rig.printers.rows.clear()
    assert "The printers of a kiosk appear here when it starts." in (await client.get("/printers")).text


async def test_one_printer_says_which_it_is_and_what_it_confirms(client: httpx.AsyncClient):
    text = (await client.get(ONE)).text
    for words in (
        "It is ready",
        "beside the door",
        "EPSON TM-T20III",
        "tcp://10.0.0.30:9100",
        "patients",
        "This printer confirms each sheet once it is printed.",
        "350 to 790 tickets",
        "214 sheets used since",
    ):
        assert words in text
    assert "Printed in its life" not in text, "it counts nothing"
    bands = (await client.get("/printers/entrance/bands")).text
    assert "14211" in bands
    assert "staff only" in bands
    assert "Nobody knows when this roll was begun." in bands


async def test_its_last_sheets_have_numbers_proofs_and_the_way_to_the_person(client: httpx.AsyncClient):
    jobs = section((await client.get(ONE)).text, "jobs-title")
    rows = jobs.split("<tr>")[2:]
    assert len(rows) == len(JOBS)
    for row, words in zip(
        rows,
        (
            ("–", "the printer confirmed it"),
            ("A18", "waits", "paper is out", f'href="/?ticket={ticket_id("A18")}"'),
            ("A14", "Copy", "not known whether it came out", "the printer did not confirm it"),
            ("D1", "printed", "the patient has it"),
        ),
        strict=True,
    ):
        for word in words:
            assert word in row
    assert "/?ticket=" not in rows[0], "a self-test is nobody's"


async def test_every_cause_has_words_a_picture_and_steps(rig: Rig, client: httpx.AsyncClient):
    for what in Cause:
        rig.printers.add(replace(TICKETS, state="needs-attention", what=what))
        now = section((await client.get(ONE)).text, "now-title")
        assert "<svg" in now
        assert re.search(r"<ol class=\"steps\">\s*<li>[^<]{10,}</li>", now), what
        assert "It is ready" not in now
        assert "-" not in what or what not in now, "words, not codes"


async def test_what_keeps_it_away_is_said(rig: Rig, client: httpx.AsyncClient):
    for state, what, words in (
        ("unavailable", "no connection to 10.0.0.30:9100 (Connection refused)", "Connection refused"),
        ("unavailable", "station-silent", "until its kiosk PC reports again"),
        ("disabled", "site.toml:12: device.1.port: is missing", "is missing"),
    ):
        rig.printers.add(replace(TICKETS, state=state, what=what))
        now = section((await client.get(ONE)).text, "now-title")
        assert words in now
        assert ('class="technical' in now) is (what != "station-silent")


async def test_what_its_word_is_worth_is_said_in_words(rig: Rig, client: httpx.AsyncClient):
    for proof in (None, *ProofKind):
        rig.printers.add(replace(TICKETS, proof=proof))
        trust = section((await client.get(ONE)).text, "trust-title")
        assert re.search(r"<p>(This printer|Not known yet)[^<]{20,}</p>", trust), proof


async def test_what_it_will_need_soon_is_a_warning_with_its_time(rig: Rig, client: httpx.AsyncClient):
    paper = PaperRow(690, NOW - timedelta(days=3), Left(10, 20), is_running_out=True)
    for note in PrinterNote:
        rig.printers.add(replace(TICKETS, notes=(NoteRow(note, NOW - timedelta(minutes=25)),), paper=paper))
        text = (await client.get(ONE)).text
        notes = text.partition('class="notes"')[2].partition("</ul>")[0]
        assert "since 09:15" in notes
        assert note not in notes
        assert ("About 15 tickets are left." in notes) is (note is PrinterNote.PAPER_LOW)
        assert "It is ready" in text, "a warning is no error"


async def test_what_is_left_is_a_range_for_people(rig: Rig, client: httpx.AsyncClient):
    for kind, left, words in (
        ("ticket-printer", None, "not known"),
        ("ticket-printer", Left(0, 0), "none"),
        ("ticket-printer", Left(0, 3), "0 to 5 tickets"),
        ("wristband-printer", Left(33, 41), "30 to 45 wristbands"),
        ("label-printer", Left(120, 120), "About 120 labels are left."),
    ):
        rig.printers.add(replace(TICKETS, kind=kind, paper=PaperRow(5, NOW, left)))
        paper = section((await client.get(ONE)).text, "paper-title")
        assert f"<strong>{words}</strong>" in paper
        assert ("<progress" in paper) is (left is not None)


async def test_every_job_has_words(rig: Rig, client: httpx.AsyncClient):
    ends = [(1, None, None), *((1, proof, None) for proof in ProofKind), *((2, None, cause) for cause in Cause)]
    rig.printers.jobs = tuple(
        JobRow(kind, copy, state, proof, cause, NOW)
        for kind in SheetKind
        for state in PrintState
        for copy, proof, cause in ends
    )
    assert (await client.get(ONE)).text.count("<tr>") == 1 + len(rig.printers.jobs)


async def test_a_test_sheet_is_ordered_and_not_twice(rig: Rig, client: httpx.AsyncClient):
    answer = await post(client, f"{ONE}/test")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ONE}?did=test")
    text = (await client.get(answer.headers["location"])).text
    assert "A test sheet was ordered." in text
    assert "A test sheet was ordered at 09:40 and waits for the kiosk." in text
    refused = await post(client, f"{ONE}/test")
    assert refused.status_code == 409
    assert "A test sheet is ordered already and not printed yet." in refused.text
    assert rig.printers.log == [("test", "entrance", "tickets", "anna.kurz")] * 2


async def test_staff_say_that_they_put_in_a_roll(rig: Rig, client: httpx.AsyncClient):
    answer = await post(client, f"{ONE}/new-roll")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ONE}?did=new-roll")
    assert rig.printers.log == [("new-roll", "entrance", "tickets", "anna.kurz")]
    assert "The sheets of the new roll are counted from now on." in (await client.get(answer.headers["location"])).text


async def test_a_printer_that_there_is_not_is_404(client: httpx.AsyncClient):
    for path in ("/printers/entrance/nothing", "/printers/<b>/tickets", "/printers/entrance/nothing/live"):
        assert (await client.get(path)).status_code == 404


async def test_nothing_is_done_to_a_printer_that_there_is_not(rig: Rig, client: httpx.AsyncClient):
    assert (await post(client, "/printers/entrance/nothing/test")).status_code == 404
    assert rig.printers.log == []


async def test_what_a_printer_or_a_site_file_says_is_text(rig: Rig, client: httpx.AsyncClient):
    hostile = '<img src=x onerror="alert(1)">{{ 7*7 }}%(num)s'
    row = replace(TICKETS, state="unavailable", what=hostile, model=hostile, place=hostile, line=hostile)
    rig.printers.add(replace(row, notes=(NoteRow(hostile, NOW),)))
    for path in (ONE, "/printers"):
        text = (await client.get(path)).text
        assert "<img" not in text
        assert "{{ 7*7 }}%(num)s" in text


@pytest.mark.parametrize("language", ["en", "de"])
async def test_an_address_claims_nothing_and_both_languages_are_whole(tmp_path: Path, language: str):
    async with console(tmp_path, language=language) as rig, rig.client() as client:
        await rig.sign_in(client)
        text = (await client.get(f"{ONE}?did=refused")).text
        assert ("Testblatt drucken" if language == "de" else "Print a test sheet") in text
        assert 'class="said' not in text


# --- live ---


async def test_a_cover_that_is_opened_and_closed_is_seen_without_loading_the_page(rig: Rig, open_page: OpenPage):
    visit = await open_page(rig.url + "/", viewport=DESK)
    await enter(visit, rig)
    async with visit.page.expect_event("response", lambda answer: answer.url.endswith("/live")):
        await visit.page.goto(rig.url + ONE)
    await expect(visit.page.locator("#now-title")).to_have_text("It is ready")
    rig.printers.change(TICKETS, state="needs-attention", what=Cause.COVER_OPEN)
    await expect(visit.page.locator("#now-title")).to_have_text("The cover is open")
    await expect(visit.page.locator(".steps li").last).to_have_text("Close the cover until it clicks.")
    rig.printers.change(TICKETS)
    await expect(visit.page.locator("#now-title")).to_have_text("It is ready")
    rig.printers.rows.pop(("entrance", "tickets"))
    rig.printers.change(BANDS)
    await expect(visit.page.locator("#shown")).to_contain_text("This printer is not there any more.")


async def test_the_list_is_live_and_ends_with_the_session(rig: Rig, open_page: OpenPage):
    visit = await open_page(rig.url + "/", viewport=DESK)
    await enter(visit, rig)
    async with visit.page.expect_event("response", lambda answer: answer.url.endswith("/live")):
        await visit.page.goto(rig.url + "/printers")
    rig.printers.change(TICKETS, state="needs-attention", what=Cause.PAPER_OUT)
    await expect(visit.page.locator("#printer-entrance-tickets")).to_contain_text("The paper is out")
    rig.pass_by(minutes=31)
    rig.printers.change(TICKETS)
    await expect(visit.page).to_have_url(re.compile("/sign-in$"))
    visit.troubles = [t for t in visit.troubles if "401" not in t]


async def test_a_test_sheet_and_a_new_roll_by_keyboard_and_without_scripts(rig: Rig, open_page: OpenPage):
    for options in ({"java_script_enabled": False}, {}):
        visit = await open_page(rig.url + "/", viewport=DESK, **options)
        await enter(visit, rig)
        page = visit.page
        await page.goto(rig.url + "/printers")
        await page.focus("#printer-entrance-tickets a")
        await page.keyboard.press("Enter")
        await page.focus("#new-roll-button")
        await page.keyboard.press("Enter")
        await expect(page.locator(".said")).to_contain_text("Noted.")
        await page.focus("#test-button")
        await page.keyboard.press("Enter")
        await expect(page.locator(".said")).to_contain_text("A test sheet was ordered.")
        rig.printers.test_ordered_at = None


async def test_the_console_leads_to_the_printer_that_needs_a_hand(rig: Rig, open_page: OpenPage):
    low = PaperRow(690, NOW - timedelta(days=3), Left(10, 20), is_running_out=True)
    rig.desk.devices = (replace(TICKETS, notes=(NoteRow("paper-low", NOW),), paper=low), BANDS)
    visit = await open_page(rig.url + "/", viewport=DESK)
    await enter(visit, rig)
    alerts = visit.page.locator(".alerts li")
    await expect(alerts).to_have_count(2)
    words = "The paper is nearly out. Have a new roll ready. About 15 tickets are left."
    await expect(alerts.nth(1)).to_contain_text(words)
    await visit.assert_accessible()
    await visit.page.click(".alerts li:nth-child(2) a")
    await expect(visit.page.locator("h1")).to_have_text("Ticket printer, beside the door")


async def test_a_printer_without_a_sensor_is_told_of_by_what_was_learned(rig: Rig, client: httpx.AsyncClient):
    low = PaperRow(690, NOW - timedelta(days=3), Left(10, 20), is_running_out=True)
    rig.desk.devices = (replace(TICKETS, paper=low),)
    alerts = (await client.get("/")).text.partition('class="alerts"')[2].partition("</section>")[0]
    assert alerts.count("The paper is nearly out.") == 1
    assert "About 15 tickets are left." in alerts


@pytest.mark.parametrize(
    ("rig", "name"),
    [("en", "light 1440x900"), ("de", "dark 1920x1080"), *(("de", n) for n in list(LOOKS)[2:])],
    indirect=["rig"],
)
async def test_the_pages_are_accessible_in_every_look(rig: Rig, open_page: OpenPage, name: str):
    look = dict(LOOKS[name])
    theme = look.pop("theme", "")
    rig.printers.add(replace(TICKETS, state="needs-attention", what=Cause.PAPER_OUT))
    visit = await open_page(rig.url + "/", **look)
    await enter(visit, rig)
    for path in ("/printers", ONE):
        await visit.page.goto(rig.url + path)
        if theme:
            await visit.page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        await visit.assert_accessible()
        width = await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{path}: nothing is cut off at the side"
