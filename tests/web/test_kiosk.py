"""The kiosk's routes, without a browser: plain requests, as a page without scripts makes them."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from kioskd.core.checkin import Step
from kioskd.core.identity import Reason
from kioskd.news import News
from kioskd.station.view import KioskView
from kioskd.web.kiosk import kiosk_app
from kioskd.web.pages import Pages
from tests.web.kiosk_session import SESSION, VIEWS, ScriptedKiosk

PAGES = Pages(ZoneInfo("Europe/Berlin"))
OURS = {"sec-fetch-site": "same-origin"}
FORM = {"session": str(SESSION)}


@pytest.fixture
def kiosk() -> ScriptedKiosk:
    return ScriptedKiosk(News(), VIEWS["confirm"])


@pytest_asyncio.fixture
async def client(kiosk: ScriptedKiosk) -> AsyncIterator[httpx.AsyncClient]:
    app = kiosk_app(kiosk, News(), PAGES)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8081") as made:
        yield made


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize("language", PAGES.languages)
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
async def test_every_view_is_a_page(client: httpx.AsyncClient, kiosk: ScriptedKiosk, view: KioskView, language: str):
    kiosk.show(replace(view, language=language))
    answer = await client.get("/")
    assert answer.status_code == 200
    assert f'<html lang="{language}" dir=' in answer.text
    assert answer.text.count("<h1") == 1
    assert 'aria-live="polite"' in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_every_step_of_a_session_has_a_view_here():
    assert {view.step for view in VIEWS.values()} == set(Step)


async def test_nothing_of_the_patient_is_in_title_or_addresses(client: httpx.AsyncClient):
    html = (await client.get("/")).text
    assert "Johanna" in html
    outside = re.findall(r"<title>(.*?)</title>|(?:href|src|action)=\"([^\"]*)\"", html)
    assert outside
    assert not any(re.search(r"Johanna|Wei|1958|Osei", "".join(pair)) for pair in outside)


async def test_a_hostile_name_is_only_text(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    kiosk.change(given='"><script src=//evil.example></script>', family="</dd><form action=/close>")
    html = (await client.get("/")).text
    assert "<script src=//evil" not in html
    assert "<form action=/close" not in html
    assert "&lt;script src=//evil.example&gt;" in html


async def test_the_idle_page_shows_nothing_of_the_patient(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    kiosk.show(VIEWS["idle"])
    assert not re.search(r"Johanna|Weißenfels|1958|Osei", (await client.get("/")).text)


async def test_take_your_ticket_is_only_said_of_a_proven_one(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    said = {}
    for name in ("done", "done-printing", "done-no-paper", "done-unknown", "done-again"):
        kiosk.show(replace(VIEWS[name], language="en"))
        said[name] = _text((await client.get("/")).text)
    assert [name for name, text in said.items() if "Please take your ticket" in text] == ["done"]
    assert all("A12" in text for text in said.values())
    assert "the desk knows" in said["done-no-paper"]


async def test_the_help_page_says_what_is_true(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    kiosk.show(replace(VIEWS["help"], language="en"))
    text = _text((await client.get("/")).text)
    assert "D7" in text
    assert "You are not checked in yet." in text
    assert "We noted that you came at 08:12." in text
    kiosk.show(replace(VIEWS["help-no-label"], language="en"))
    text = _text((await client.get("/")).text)
    assert "Your help ticket" not in text
    assert "Please go to the desk" in text


@pytest.mark.parametrize("reason", [None, *Reason])
async def test_whatever_is_wrong_with_a_card_the_patient_reads_the_same(
    client: httpx.AsyncClient, kiosk: ScriptedKiosk, reason: Reason | None
):
    kiosk.show(replace(VIEWS["help"], language="en", reason=reason))
    text = _text((await client.get("/")).text)
    is_card = reason is not None and reason.value in {f"card-{what}" for what in TROUBLE}
    assert ("We could not read this card. You can go on without it." in text) is is_card
    assert not re.search("invalid|refused|expired|run out|locked|blocked|damaged|mute", text, re.IGNORECASE)


TROUBLE = ("unreadable", "expired", "locked", "damaged", "mute", "not-supported", "closed-by-radio")


@pytest.mark.parametrize("name", ["desk", "desk-card-in"])
async def test_without_the_hub_the_page_sends_to_the_desk_and_asks_for_nothing(
    client: httpx.AsyncClient, kiosk: ScriptedKiosk, name: str
):
    kiosk.show(replace(VIEWS[name], language="en"))
    html = (await client.get("/")).text
    text = _text(html)
    assert "Please go to the desk" in text
    assert "insert your health insurance card" not in text
    assert "Call someone" not in text
    assert re.findall(r'action="([^"]*)"', html) == ["/language"]
    assert ("Please take your card with you." in text) == (name == "desk-card-in")


async def test_nobody_says_that_the_desk_knows_what_it_was_not_told(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    for name in ("desk", "desk-card-in", "done-no-paper-no-hub", "done-unknown-no-hub", "help-no-hub", "help-no-label"):
        kiosk.show(replace(VIEWS[name], language="en", is_hub_there=False))
        text = _text((await client.get("/")).text)
        assert not re.search(r"desk (knows|sees|has been told)", text), name


@pytest.mark.parametrize(
    ("path", "name"),
    [("/confirm", "confirm"), ("/deny", "deny"), ("/help", "help"), ("/more-time", "more-time"), ("/close", "close")],
)
async def test_a_form_does_its_one_thing_and_leads_back(
    client: httpx.AsyncClient, kiosk: ScriptedKiosk, path: str, name: str
):
    answer = await client.post(path, data=FORM, headers=OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert kiosk.inputs == [name]


async def test_htmx_gets_the_fragment_in_the_same_answer(client: httpx.AsyncClient):
    answer = await client.post("/confirm", data=FORM, headers={**OURS, "hx-request": "true"})
    assert answer.status_code == 200
    assert "A12" in answer.text
    assert "<html" not in answer.text


async def test_two_taps_at_once_check_in_once(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    kiosk.may_answer.clear()
    async with asyncio.TaskGroup() as tasks:
        taps = [tasks.create_task(client.post("/confirm", data=FORM, headers=OURS)) for _ in range(2)]
        for _ in taps:
            await kiosk.heard.get()
        kiosk.may_answer.set()
    assert [tap.result().status_code for tap in taps] == [303, 303]
    assert kiosk.check_ins == 1


async def test_a_form_of_the_patient_before_changes_nothing(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    kiosk.change(session_id=uuid4())
    before = kiosk.view()
    for path in ("/confirm", "/deny", "/help", "/more-time", "/close"):
        assert (await client.post(path, data=FORM, headers=OURS)).status_code == 303
    assert kiosk.view() == before


@pytest.mark.parametrize("data", [{}, {"session": ""}, {"session": "x"}, {"session": "1" * 10_000}])
async def test_a_form_that_names_no_session_is_refused_with_a_page(
    client: httpx.AsyncClient, kiosk: ScriptedKiosk, data: dict[str, str]
):
    answer = await client.post("/confirm", data=data, headers=OURS)
    assert answer.status_code == 400
    assert "Hier ist etwas schiefgegangen" in answer.text
    assert kiosk.inputs == []


async def test_a_language_of_the_site_can_be_chosen_and_no_other(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    assert (await client.post("/language", data={"language": "en"}, headers=OURS)).status_code == 303
    assert "Is this you?" in (await client.get("/")).text
    assert (await client.post("/language", data={"language": "tr"}, headers=OURS)).status_code == 400
    assert kiosk.inputs == ["language en"]


async def test_a_post_from_another_site_does_nothing(client: httpx.AsyncClient, kiosk: ScriptedKiosk):
    for headers in ({}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert (await client.post("/confirm", data=FORM, headers=headers)).status_code == 403
    assert kiosk.inputs == []


async def test_a_foreign_host_name_sees_nothing(client: httpx.AsyncClient):
    answer = await client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert "Johanna" not in answer.text


@pytest.mark.parametrize("path", ["/confirm", "/deny", "/help", "/more-time", "/close", "/language"])
async def test_nothing_changes_by_a_link(client: httpx.AsyncClient, kiosk: ScriptedKiosk, path: str):
    assert (await client.get(path)).status_code == 405
    assert kiosk.inputs == []


async def test_a_failing_session_still_has_a_page():
    class Failing(ScriptedKiosk):
        def view(self) -> KioskView:
            raise OSError("Johanna")

    app = kiosk_app(Failing(News(), VIEWS["confirm"]), News(), PAGES)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    assert re.search(r"Number for the desk: [0-9a-f]{8}", answer.text)
    assert "Johanna" not in answer.text
