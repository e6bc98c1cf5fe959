"""The reception console: over HTTP as plain forms, and live in a real Chromium."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from kioskd.core.events import DeviceChanged, PatientCheckedIn, RecordStored
from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.core.queue import TicketState
from kioskd.health import Kind, Part, State, Why
from kioskd.hub.view import AttemptRow, RecordState, SheetRow
from kioskd.web.console import minutes_between
from tests.web.browser import DESK, LANDSCAPE, Visit
from tests.web.conftest import OpenPage
from tests.web.console_rig import Rig, console, enter, token_of
from tests.web.front_desk import NOW, busy_morning, devices, help_row, row, ticket_id, well

pytestmark = pytest.mark.asyncio(loop_scope="session")

A14, A13, A12, D1 = (ticket_id(label) for label in ("A14", "A13", "A12", "D1"))
LOOKS: dict[str, dict[str, Any]] = {
    "light 1440x900": {"viewport": DESK},
    "dark 1920x1080": {"viewport": LANDSCAPE, "color_scheme": "dark"},
    "high contrast 1440x900": {"viewport": DESK, "theme": "contrast"},
    "forced colours 1440x900": {"viewport": DESK, "forced_colors": "active"},
    "zoomed to 200 %": {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2},
    "double text 1920x1080": {"viewport": LANDSCAPE, "text": "double"},
}


@pytest_asyncio.fixture(loop_scope="session")
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with console(tmp_path) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with rig.client() as made:
        await rig.sign_in(made)
        yield made


def fill(rig: Rig, *rows: Any) -> None:
    rig.desk.rows = {r.ticket_id: r for r in rows or busy_morning()}


async def post(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    return await client.post(path, data={"form_token": token_of(client), **fields})


# --- plain forms ---


async def test_an_empty_console_says_what_will_appear(client: httpx.AsyncClient):
    text = (await client.get("/")).text
    for words in (
        "Patients appear here as soon as they are checked in",
        "Who could not be checked in at a kiosk appears here, with the reason",
        "Choose a ticket on the left",
        "What goes wrong with a device, a sheet or the records appears here",
        "No kiosk has reported its devices yet",
    ):
        assert words in text


async def test_each_page_load_is_in_the_audit_trail_before_it_is_shown(rig: Rig, client: httpx.AsyncClient):
    await client.get("/")
    await client.get(f"/?ticket={A14}", headers={"hx-request": "true"})
    assert rig.desk.log == [("opened", "anna.kurz")]


async def test_a_command_answers_303_and_names_who_gave_it(rig: Rig, client: httpx.AsyncClient):
    fill(rig)
    answer = await post(client, "/call-next", area="general", room="Room 2", ticket=str(D1))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/?ticket={D1}&did=call&on={A14}")
    assert rig.desk.log == [("call-next", "general", "Room 2", "anna.kurz")]
    text = (await client.get(answer.headers["location"])).text
    assert "A14 was called to Room 2." in text
    assert "Undo" in text
    assert 'aria-current="true">' in text.partition(f'id="take-{D1}"')[2][:300], "the person in hand stays in hand"


async def test_call_next_with_nobody_in_hand_takes_the_called_person(rig: Rig, client: httpx.AsyncClient):
    fill(rig)
    answer = await post(client, "/call-next", area="general", room="Room 2")
    assert answer.headers["location"].startswith(f"/?ticket={A14}&")


async def test_call_next_in_an_empty_area_says_that_nobody_waits(rig: Rig, client: httpx.AsyncClient):
    answer = await post(client, "/call-next", area="general", room="Room 1")
    assert answer.headers["location"] == "/?did=nobody"
    assert "Nobody waits here." in (await client.get("/?did=nobody")).text


@pytest.mark.parametrize(
    ("ticket", "path", "fields", "state", "words"),
    [
        (A14, "call", {"room": "Room 1"}, TicketState.CALLED, "A14 was called to Room 1."),
        (A13, "recall", {}, TicketState.CALLED, "A13 was called again."),
        (A13, "finish", {}, TicketState.FINISHED, "A13 is finished."),
        (A13, "no-show", {}, TicketState.NO_SHOW, "A13 is marked as a no-show."),
        (A13, "wait-again", {}, TicketState.WAITING, "A13 waits again at the old place."),
        (A12, "wait-again", {}, TicketState.WAITING, "A12 waits again at the old place."),
    ],
)
async def test_commands_on_a_ticket(
    rig: Rig, client: httpx.AsyncClient, ticket: Any, path: str, fields: dict[str, str], state: str, words: str
):
    fill(rig)
    answer = await post(client, f"/tickets/{ticket}/{path}", ticket=str(ticket), **fields)
    assert answer.status_code == 303
    assert rig.desk.rows[ticket].state is state
    assert words in (await client.get(answer.headers["location"])).text


@pytest.mark.parametrize("is_htmx", [False, True])
async def test_a_refused_command_says_why_and_shows_the_present_state(
    rig: Rig, client: httpx.AsyncClient, is_htmx: bool
):
    fill(rig)
    form = {"form_token": token_of(client), "ticket": str(A14)}
    headers = {"hx-request": "true"} if is_htmx else {}
    answer = await client.post(f"/tickets/{A14}/finish", data=form, headers=headers)
    assert answer.status_code == 409
    assert "A14 is waiting; only a called ticket can be finished." in answer.text
    assert "Nothing was changed" in answer.text
    assert "Hohenstein" in answer.text
    assert answer.text.count('id="queue"') == 1
    assert ("<html" in answer.text) is not is_htmx


async def test_a_room_of_another_area_and_an_unknown_ticket_are_refused(rig: Rig, client: httpx.AsyncClient):
    fill(rig)
    unknown = await post(client, f"/tickets/{ticket_id('Z9')}/finish")
    assert (unknown.status_code, "does not exist" in unknown.text) == (409, True)
    other = await post(client, "/call-next", area="blood", room="Room 1")
    assert other.status_code == 409


@pytest.mark.parametrize(
    "query", ["ticket=x", "on=x", "ticket=00000000-0000-0000-0000-00000000000g", "ticket=" + "9" * 5000]
)
async def test_an_address_that_is_none_is_a_clear_error(client: httpx.AsyncClient, query: str):
    answer = await client.get("/?" + query)
    assert answer.status_code == 400
    assert "Something went wrong" in answer.text


async def test_what_an_address_claims_is_not_believed(rig: Rig, client: httpx.AsyncClient):
    fill(rig)
    for query in ("did=refused", "did=<b>", f"did=call&on={ticket_id('Z9')}", f"ticket={ticket_id('Z9')}"):
        answer = await client.get("/?" + query)
        assert answer.status_code == 200
        assert "Not possible" not in answer.text
        assert "Choose a ticket on the left" in answer.text


async def test_a_system_that_is_well_is_one_calm_line(rig: Rig, client: httpx.AsyncClient):
    rig.desk.parts = well()
    text = (await client.get("/")).text
    assert "Databases, deliveries and connections work." in text
    assert "Nothing needs you." in text
    assert "Database of the front desk" not in text


@pytest.mark.parametrize(
    ("part", "name", "words"),
    [
        (
            ("hub database", Kind.STORE, State.FAILED, Why.REFUSES, "is locked"),
            "Database of the front desk",
            "It refuses to store.",
        ),
        (
            ("disk", Kind.DISK, State.TROUBLE, Why.SHORT_OF_SPACE, "12 MB"),
            "Disk",
            "Hardly any room is left on the disk.",
        ),
        (("event loop", Kind.LOOP, State.FAILED, Why.LATE, "3.2 s"), "The program itself", "It answers late."),
        (
            ("delivery to records", Kind.OUTBOX, State.FAILED, Why.STANDS_STILL, "for 9 s"),
            "Delivery to the records",
            "It does not move.",
        ),
    ],
)
async def test_a_part_in_trouble_is_an_alert_with_its_reason_in_words(
    rig: Rig, client: httpx.AsyncClient, part: tuple[Any, ...], name: str, words: str
):
    rig.desk.parts = well(Part(*part, NOW))
    text = (await client.get("/")).text
    for section in ('class="alerts"', 'class="parts"'):
        said = text.partition(section)[2].partition("</section>")[0]
        assert name in said
        assert words in said
    assert "Nothing needs you." not in text
    assert "Databases, deliveries and connections work." not in text


async def test_what_has_words_of_its_own_is_alerted_once(rig: Rig, client: httpx.AsyncClient):
    rig.desk.is_broker_up = False
    rig.desk.records_pending = 3
    rig.desk.records_waiting_since = NOW - timedelta(minutes=25)
    rig.desk.parts = well(
        Part("broker", Kind.BROKER, State.TROUBLE, Why.AWAY, "", NOW),
        Part("delivery to records", Kind.OUTBOX, State.TROUBLE, Why.NOT_DELIVERED, "3", NOW),
        Part("device tickets", Kind.DEVICE, State.TROUBLE, Why.NOT_READY, "paper-out", NOW),
    )
    text = (await client.get("/")).text
    alerts = text.partition('class="alerts"')[2].partition("</section>")[0]
    assert re.search(r'class="count number">2<', alerts)
    assert "3 messages wait for the records system. Nothing is lost. The oldest waits since 09:15." in alerts
    system = text.partition('class="parts"')[2].partition("</section>")[0]
    assert "3 messages wait." in system
    assert "It can’t be reached. It is tried again all the time." in system
    assert "paper" not in system


@pytest.mark.parametrize("why", [w for w in Why if w is not Why.NOT_READY])
async def test_every_reason_of_a_part_has_words(rig: Rig, client: httpx.AsyncClient, why: Why):
    rig.desk.parts = well(Part("disk", Kind.DISK, State.TROUBLE, why, "7", NOW))
    system = (await client.get("/")).text.partition('class="parts"')[2].partition("</section>")[0]
    assert "Disk" in system
    assert f"<p>{why}</p>" not in system
    assert "<p></p>" not in system


async def test_what_was_broken_off_today_is_a_calm_list_with_reasons(rig: Rig, client: httpx.AsyncClient):
    assert "Broken off today" not in (await client.get("/")).text
    rig.desk.attempts = tuple(
        AttemptRow("entrance", NOW - timedelta(minutes=n), reason)
        for n, reason in enumerate(
            [Reason.TIMED_OUT, Reason.CLOSED, Reason.ANOTHER_CARD, *[Reason.CARD_REMOVED_EARLY] * 7]
        )
    )
    text = (await client.get("/")).text
    listed = text.partition('class="attempts"')[2].partition("</section>")[0]
    for words in (
        "Gave no answer at the kiosk",
        "Closed the page before",
        "Another card came before",
        "09:40",
        "entrance",
    ):
        assert words in listed
    assert listed.count("<li") == 8
    assert '<p class="count number">10</p>' in listed
    assert "Earlier ones are not listed." in listed
    assert "Nothing needs you." in text, "it is no alert"


async def test_names_stand_in_the_body_and_nowhere_else(rig: Rig, client: httpx.AsyncClient):
    hostile = '<img src=x onerror="alert(1)">'
    fill(rig, row("A1", "Canary" + hostile, "{{ 7*7 }}%(label)s", practitioner=hostile, record_error=hostile))
    answer = await client.get(f"/?ticket={ticket_id('A1')}")
    assert "<img" not in answer.text
    assert "&lt;img src=x" in answer.text
    assert "{{ 7*7 }}%(label)s" in answer.text
    head, _, body = answer.text.partition("</head>")
    assert "Canary" not in head
    links = re.findall(r'(?:href|action|hx-get|hx-post|connect|src)="([^"]*)"', body)
    assert links
    assert not any("Canary" in link for link in links)
    assert answer.headers["cache-control"] == "no-store"


async def test_every_state_of_a_sheet_and_the_record_has_words(rig: Rig, client: httpx.AsyncClient):
    ends = [(None, None), *((proof, None) for proof in ProofKind), *((None, cause) for cause in Cause)]
    sheets = [SheetRow(kind, state, *end) for kind in SheetKind for state in PrintState for end in ends]
    states = list(RecordState)
    fill(
        rig,
        row("A0", "Name", "N", record=states[0], sheets=tuple(sheets)),
        *(row(f"A{n}", "Name", "N", record=state) for n, state in enumerate(states) if n),
    )
    text = "".join([(await client.get(f"/?ticket={ticket_id(f'A{n}')}")).text for n, _ in enumerate(states)])
    for words in ("not known whether it came out", "paper is out", "the printer counted it", "not yet in the record"):
        assert words in text


async def test_every_reason_for_help_has_words_and_advice(rig: Rig, client: httpx.AsyncClient):
    fill(rig, *(help_row(f"D{n}", reason) for n, reason in enumerate(Reason)))
    advice = set()
    for number, reason in enumerate(Reason):
        text = (await client.get(f"/?ticket={ticket_id(f'D{number}')}")).text
        assert reason not in text.replace(f"/{reason}", ""), "words, not codes"
        advice.add(text.partition('<div class="why">')[2].partition("</div>")[0])
    assert len(advice) == len(Reason)


async def test_times_are_in_the_sites_zone_and_waiting_in_minutes(rig: Rig, client: httpx.AsyncClient):
    fill(rig, row("A1", "Meier", "Anna", minutes=17))
    text = (await client.get(f"/?ticket={ticket_id('A1')}")).text
    assert "09:23" in text  # 08:23 UTC
    assert "17 min ago" in text
    assert "62 years old" in text


async def test_a_long_day_lists_every_no_show_and_the_newest_finished_visits(rig: Rig, client: httpx.AsyncClient):
    ended = [row(f"A{n}", "Family", "Given", minutes=400 - n, state=TicketState.FINISHED) for n in range(50)]
    fill(rig, *ended, row("B1", "Still", "Missing", "blood", 500, state=TicketState.NO_SHOW))
    text = (await client.get("/")).text
    assert text.count('class="ticket finished"') == 20
    assert text.count('class="ticket no-show"') == 1
    assert "Visits that ended earlier are not listed." in text


async def test_a_clock_that_was_set_back_is_no_negative_wait():
    assert minutes_between(NOW, NOW - timedelta(hours=1)) == 0
    assert minutes_between(NOW - timedelta(seconds=119), NOW) == 1


async def test_the_console_is_there_in_german(tmp_path: Path):
    async with console(tmp_path, language="de") as rig, rig.client() as client:
        fill(rig)
        await rig.sign_in(client)
        text = (await client.get(f"/?ticket={D1}")).text
    assert "Heute kein Termin" in text
    assert "Aufrufen" in text
    assert 'lang="de"' in text


async def test_without_scripts_the_whole_work_is_possible(rig: Rig, open_page: OpenPage):
    fill(rig)
    visit = await open_page(rig.url + "/", viewport=DESK, java_script_enabled=False)
    page = visit.page
    await enter(visit, rig)
    await page.click("#next-general-2-button")
    await expect(page.locator(".said")).to_have_text("A14 was called to Room 2.")
    await page.click("#finish-button")
    await expect(page.locator(".said")).to_have_text("A14 is finished.")
    await page.click(f"#take-{A12}")
    await page.click("#wait-again-button")
    await expect(page.locator("#person-name")).to_contain_text("Fischer")
    await page.uncheck("#side-shown")
    await expect(page.locator(".folds")).to_be_hidden()
    await page.click("text=Sign out")
    assert page.url.endswith("/sign-in")


# --- live ---


async def opened(rig: Rig, open_page: OpenPage, **options: Any) -> Visit:
    """A signed-in console whose stream is connected."""
    visit = await open_page(rig.url + "/", **{"viewport": DESK, **options})
    async with visit.page.expect_event("response", lambda answer: "/live" in answer.url):
        await enter(visit, rig)
    return visit


async def test_a_check_in_appears_without_loading_the_page(rig: Rig, open_page: OpenPage):
    visit = await opened(rig, open_page)
    await expect(visit.page.locator(".ticket")).to_have_count(0)
    fill(rig, row("A1", "Meier", "Anna", record=RecordState.PENDING))
    rig.news.publish(PatientCheckedIn(NOW, ticket_id("A1"), "A1", "general"))
    await expect(visit.page.locator(".ticket")).to_have_count(1)
    await expect(visit.page.locator(".ticket.changed")).to_have_count(0)
    assert "not yet in the record" in await visit.page.inner_text(".ticket")
    rig.desk.rows[ticket_id("A1")] = row("A1", "Meier", "Anna")
    rig.news.publish(RecordStored(NOW, ticket_id("A1")))
    await expect(visit.page.locator(".ticket .fact", has_text="stored")).to_have_count(1)


async def test_what_another_desk_does_is_shown_and_marked(rig: Rig, open_page: OpenPage):
    fill(rig)
    visit = await opened(rig, open_page)
    await visit.page.click(f"#take-{A14}")
    await expect(visit.page.locator("#call-1-button")).to_be_visible()
    await rig.desk.call(A14, "Room 2", "somebody else")
    await expect(visit.page.locator(f"#row-{A14}.changed")).to_have_count(1)
    await expect(visit.page.locator("#finish-button")).to_be_visible()


async def test_the_stream_follows_the_person_in_hand(rig: Rig, open_page: OpenPage):
    fill(rig)
    visit = await opened(rig, open_page)
    for ticket, family in ((A14, "Hohenstein"), (A13, "Becker"), (D1, "Öztürk")):
        async with visit.page.expect_event("response", lambda r, t=ticket: r.url.endswith(f"/live?ticket={t}")):
            await visit.page.click(f"#take-{ticket}")
        rig.news.publish(RecordStored(NOW, ticket))
        await expect(visit.page.locator("#person-name")).to_contain_text(family)
        assert visit.page.url.endswith(f"?ticket={ticket}"), "a reload keeps the person"


async def test_focus_and_scroll_stay_where_they_are(rig: Rig, open_page: OpenPage):
    fill(rig, *(row(f"A{n}", f"Family {n}", "Given", minutes=90 - n) for n in range(40)))
    visit = await opened(rig, open_page)
    page = visit.page
    last = f"#take-{ticket_id('A39')}"
    await page.focus(last)
    before = await page.eval_on_selector("#queue", "e => e.scrollTop")
    assert before > 200
    rig.desk.rows[ticket_id("B1")] = row("B1", "New", "Person", "blood")
    rig.news.publish(PatientCheckedIn(NOW, ticket_id("B1"), "B1", "blood"))
    await expect(page.locator(".ticket")).to_have_count(41)
    assert await page.evaluate("document.activeElement.id") == last[1:]
    assert abs(await page.eval_on_selector("#queue", "e => e.scrollTop") - before) < 2


async def test_a_command_swaps_in_place_and_its_undo_takes_it_back(rig: Rig, open_page: OpenPage):
    fill(rig)
    visit = await opened(rig, open_page)
    page = visit.page
    await page.evaluate("window.isSamePage = true")
    await page.click("#next-general-2-button")
    await expect(page.locator(".said")).to_have_text("A14 was called to Room 2.")
    await page.click("#undo-button")
    await expect(page.locator(".said")).to_have_text("A14 waits again at the old place.")
    assert rig.desk.rows[A14].state is TicketState.WAITING
    assert await page.evaluate("window.isSamePage")


async def test_a_refusal_is_told_and_loses_nothing(rig: Rig, open_page: OpenPage):
    fill(rig)
    visit = await opened(rig, open_page)
    page, may_hear = visit.page, asyncio.Event()

    async def later(route: Route) -> None:
        await may_hear.wait()
        await route.continue_()

    await page.route("**/live?*", later)  # the stream that begins anew with each choice
    await page.click(f"#take-{A14}")
    await expect(page.locator("#call-1-button")).to_be_visible()
    rig.desk.rows[A14] = replace(rig.desk.rows[A14], state=TicketState.CALLED, room="Room 2", called_at=NOW)
    await page.click("#call-1-button")  # the page has not heard of it yet
    await expect(page.locator(".said.problem")).to_contain_text("A14 is called; only a waiting ticket can be called.")
    await expect(page.locator("#finish-button")).to_be_visible()
    await visit.assert_accessible()
    assert len([t for t in visit.troubles if "409" in t]) == len(visit.troubles) > 0
    visit.troubles.clear()
    may_hear.set()


async def test_alerts_say_what_needs_a_hand(rig: Rig, open_page: OpenPage):
    fill(rig)
    visit = await opened(rig, open_page)
    rig.desk.devices, rig.desk.is_broker_up, rig.desk.records_pending = devices(), False, 3
    rig.news.publish(DeviceChanged(NOW, "entrance", "tickets", "needs-attention", "Paper is out."))
    alerts = visit.page.locator(".alert")
    for words in ("Displays are cut off", "Paper is out.", "No answer on", "A16: Wristband", "A17:", "3 messages wait"):
        await expect(alerts.filter(has_text=words)).to_have_count(1)
    await visit.page.click("label:has(#side-shown)")
    await expect(visit.page.locator(".strip")).to_be_visible()
    await visit.page.reload()
    await expect(visit.page.locator(".folds")).to_be_hidden()


async def test_everything_is_done_by_keyboard(rig: Rig, open_page: OpenPage):
    fill(rig)
    visit = await opened(rig, open_page)
    press = visit.page.keyboard.press
    await press("?")
    await expect(visit.page.locator("#keys")).to_be_visible()
    await visit.assert_accessible()
    await press("Escape")
    for _ in range(3):  # the desk, Room 1, Room 2
        await press("n")
    await press("Enter")
    await expect(visit.page.locator(".said")).to_have_text("A14 was called to Room 2.")
    await press("f")
    await press("Enter")
    await expect(visit.page.locator(".said")).to_have_text("A14 is finished.")
    await press("j")
    await press("Enter")
    await expect(visit.page.locator("#person-name")).to_contain_text("Öztürk")
    assert rig.desk.rows[A14].state is TicketState.FINISHED


async def test_letters_are_only_letters_when_keys_are_switched_off(rig: Rig, open_page: OpenPage):
    """WCAG 2.2, 2.1.4: whoever speaks to the computer must be able to turn single letters off."""
    fill(rig)
    visit = await opened(rig, open_page)
    await visit.page.keyboard.press("?")
    await visit.page.uncheck("#keys-on")
    await visit.page.keyboard.press("Escape")
    await expect(visit.page.locator("#keys")).to_be_hidden()
    await visit.page.focus("#side-shown")
    await visit.page.keyboard.press("n")
    assert await visit.page.evaluate("document.activeElement.id") == "side-shown"


async def test_an_idle_page_forgets_the_patients_and_shows_the_sign_in(rig: Rig, open_page: OpenPage):
    fill(rig)
    visit = await opened(rig, open_page)
    await expect(visit.page.locator(".ticket")).to_have_count(12)
    rig.pass_by(minutes=31)
    await rig.desk.call(A14, "Room 2", "somebody else")
    await visit.page.wait_for_url("**/sign-in")
    assert "Hohenstein" not in await visit.page.content()
    assert all("401" in trouble for trouble in visit.troubles)
    visit.troubles.clear()


async def test_a_disabled_person_is_out_on_the_next_message(rig: Rig, client: httpx.AsyncClient):
    fill(rig)
    async with asyncio.timeout(10), client.stream("GET", "/live") as stream:
        lines = stream.aiter_lines()
        while "Hohenstein" not in await anext(lines):
            pass
        await rig.staff.disable("anna.kurz", "staff:boss")
        await rig.desk.call(A14, "Room 2", "somebody else")
        rest = [line async for line in lines]
    assert any("You were signed out" in line for line in rest)
    assert not any("Hohenstein" in line for line in rest[-8:])


async def test_colours_are_chosen_and_kept(rig: Rig, open_page: OpenPage):
    visit = await opened(rig, open_page)
    for theme in ("light", "dark", "contrast"):
        await visit.page.click("#colours")
        assert await visit.page.evaluate("document.documentElement.dataset.theme") == theme
    await visit.page.reload()
    await expect(visit.page.locator("html[data-theme=contrast]")).to_have_count(1)
    await expect(visit.page.locator("#colours")).to_contain_text("high contrast")
    assert set(await visit.page.evaluate("Object.keys(localStorage)")) == {"console.theme"}


async def wears(page: Page, look: dict[str, Any]) -> None:
    for key in ("theme", "text"):
        if key in look:
            await page.evaluate("([key, value]) => { document.documentElement.dataset[key] = value }", [key, look[key]])


@pytest.mark.parametrize("name", LOOKS)
async def test_the_console_is_accessible_in_every_look(rig: Rig, open_page: OpenPage, name: str):
    look = LOOKS[name]
    rig.desk.devices, rig.desk.is_broker_up, rig.desk.records_pending = devices(), False, 3
    visit = await opened(rig, open_page, **{k: v for k, v in look.items() if k not in {"theme", "text"}})
    await wears(visit.page, look)
    await visit.assert_accessible()
    fill(rig)
    await visit.page.reload()
    await wears(visit.page, look)
    for ticket in (D1, A13):
        await visit.page.click(f"#take-{ticket}")
        await expect(visit.page.locator(f"#person-{ticket}")).to_be_visible()
        await visit.assert_accessible()
    width = await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, "nothing is cut off at the side"
