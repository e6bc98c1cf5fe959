"""The lab page: what hands do, what is shown of it, and what is refused; on a real server, in Chromium."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from kioskd.core.events import CardRemoved, CardSeen, CheckInRefused, PatientCheckedIn, PatientIdentified, SheetPrinted
from kioskd.core.identity import Reason
from kioskd.core.printing import ProofKind, SheetKind
from kioskd.demo.ports import free_ports
from kioskd.news import News
from kioskd.staff import Role
from kioskd.web.kiosk import kiosk_app
from kioskd.web.lab import LARGEST_PICTURE, LabAccount, LabPage, LabSettings, origin
from kioskd.web.pages import Pages
from kioskd.web.server import serve
from tests.web.browser import DESK, LANDSCAPE, Visit
from tests.web.conftest import OpenPage
from tests.web.console_rig import Rig as Console
from tests.web.console_rig import console
from tests.web.kiosk_session import VIEWS, ScriptedKiosk
from tests.web.toy_desk import ToyDesk

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = Pages(ZoneInfo("Europe/Berlin"))
NOW = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)
LOOKS: dict[str, dict[str, Any]] = {
    "light desk": {"viewport": DESK},
    "dark full": {"viewport": LANDSCAPE, "color_scheme": "dark"},
    "small": {"viewport": {"width": 1024, "height": 768}},
    "forced colours": {"viewport": DESK, "forced_colors": "active"},
}


@dataclass
class Lab:
    """A served lab page around a toy desk; the scripted kiosk is in the display's frame too."""

    desk: ToyDesk
    kiosk: ScriptedKiosk
    news: News
    console: Console
    url: str

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers={"origin": self.url}, timeout=10, trust_env=False)


@pytest_asyncio.fixture(loop_scope="session")
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    news, desk = News(), ToyDesk()
    kiosk = ScriptedKiosk(news, VIEWS["welcome"])
    async with AsyncExitStack() as parts:
        desks = await parts.enter_async_context(console(tmp_path, trusted_origins=(url,)))
        frame = await parts.enter_async_context(serve(kiosk_app(kiosk, news, PAGES, [url]), "127.0.0.1", 0))
        accounts = tuple(
            [
                LabAccount(role.value, await desks.add(role.value, role), "console")
                for role in (Role.RECEPTIONIST, Role.CLINICIAN)
            ]
        )
        settings = LabSettings(frame.url, desks.url, frame.url, desks.url, accounts)
        page = LabPage(desk, news, PAGES, settings)
        await parts.enter_async_context(serve(page.app, "127.0.0.1", port))
        await parts.enter_async_context(page.watching())
        yield Lab(desk, kiosk, news, desks, url)
        news.end()


async def _live(page: Page) -> None:
    """Wait until the page hears the daemon: its stream has drawn the bench once."""
    await page.wait_for_function("document.getElementById('stream').hasAttribute('data-live')")


async def _open(lab: Lab, open_page: OpenPage, **options: Any) -> Visit:
    visit = await open_page("about:blank", **{"viewport": DESK, "reduced_motion": "reduce", **options})
    await visit.page.add_init_script(
        "document.addEventListener('htmx:sse:after:connection',"
        " () => document.getElementById('stream')?.setAttribute('data-live', ''))"
    )
    await visit.page.goto(lab.url)
    await _live(visit.page)
    return visit


# --- what hands do ---


async def test_a_card_goes_in_and_comes_out_by_clicking_it(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    card = page.locator("#card-anna-huber")
    await expect(page.locator("#reader-state")).to_contain_text("The reader is empty.")
    await card.click()
    await expect(card).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#reader-state")).to_contain_text("Anna Huber is in the reader.")
    await expect(page.locator("#card-in-slot")).to_be_attached()
    await card.click()
    await expect(card).to_have_attribute("aria-pressed", "false")
    assert lab.desk.done == ["insert anna-huber", "remove"]


async def test_the_reader_gives_its_card_back_too(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    await expect(page.locator("#take-out")).to_be_disabled()
    await page.locator("#card-leyla-demir").click()
    await page.locator("#take-out").click()
    await expect(page.locator("#take-out")).to_be_disabled()
    assert lab.desk.done == ["insert leyla-demir", "remove"]


async def test_another_card_goes_in_when_the_daemon_has_seen_the_first_one_go(lab: Lab):
    async with lab.client() as hand:
        await hand.post("/card", data={"card": "anna-huber"})
        swapping = asyncio.create_task(hand.post("/card", data={"card": "leyla-demir"}))
        await _done(lab, "insert anna-huber")
        await _done(lab, "remove")
        lab.news.publish(CardRemoved(NOW, "entrance"))
        assert (await swapping).status_code == 303
    assert lab.desk.done == ["insert anna-huber", "remove", "insert leyla-demir"]


async def test_a_code_is_typed_into_the_scanner(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    await page.get_by_label("Or type what a code says").fill("KL1:ÄB & <c>")
    await page.keyboard.press("Enter")
    async with asyncio.timeout(30):
        assert await lab.desk.heard.get() == "scan KL1:ÄB & <c>"
    assert "KL1" not in page.url


@pytest.mark.parametrize(
    ("count", "said"), [(0, "No codes were read."), (1, "1 code was read."), (2, "2 codes were read.")]
)
async def test_a_picture_is_shown_to_the_scanner(lab: Lab, open_page: OpenPage, count: int, said: str):
    lab.desk.codes_in_pictures = count
    page = (await _open(lab, open_page)).page
    picture = {"name": "letter.png", "mimeType": "image/png", "buffer": b"\x89PNG" + bytes(2_000_000)}
    await page.get_by_label("Or drop a picture of one here").set_input_files(picture)
    await page.get_by_role("button", name="Show it").click()
    await expect(page.locator("#scanner-state")).to_have_text(said)
    assert lab.desk.done == ["show 2000004 bytes"]


async def test_a_picture_that_is_too_large_is_not_shown(lab: Lab):
    async with lab.client() as hand:
        files = {"picture": ("huge.png", bytes(LARGEST_PICTURE + 1), "image/png")}
        assert (await hand.post("/show", files=files)).status_code == 413
    assert lab.desk.done == []


@pytest.mark.parametrize("printer", ["tickets", "wristbands"])
async def test_paper_and_lid_are_switches(lab: Lab, open_page: OpenPage, printer: str):
    page = (await _open(lab, open_page)).page
    state = page.locator(f"#state-{printer}")
    paper, lid = page.locator(f"#paper-{printer}"), page.locator(f"#lid-{printer}")
    await expect(state).to_have_text("Ready")
    for switch, word, done in (
        (lid, "Lid is open", f"lid {printer} True"),
        (lid, "Ready", f"lid {printer} False"),
        (paper, "Paper is out", f"paper {printer} False"),
        (paper, "Ready", f"paper {printer} True"),
    ):
        await switch.click()
        await expect(state).to_contain_text(word)
        await expect(switch).to_have_attribute("aria-checked", "true" if word == "Ready" else "false")
        assert lab.desk.done[-1] == done
    assert len(lab.desk.done) == 4


@pytest.mark.parametrize("printer", ["tickets", "wristbands"])
async def test_paper_that_comes_out_hangs_there_until_it_is_torn_off(lab: Lab, open_page: OpenPage, printer: str):
    page = (await _open(lab, open_page)).page
    lab.desk.change(printer, sheets=1)
    lab.news.publish(SheetPrinted(NOW, uuid4(), SheetKind.TICKET, ProofKind.COMPLETION))
    picture = page.locator(f"#sheet-{printer}-1 img")
    await expect(picture).to_be_visible()
    await expect(picture).to_have_js_property("naturalWidth", 600 if printer == "tickets" else 1600)
    await page.locator(f"#tear-off-{printer}").click()
    await expect(picture).to_have_count(0)
    assert lab.desk.done == [f"tear off {printer}"]
    lab.desk.change(printer, sheets=3)
    lab.news.publish(SheetPrinted(NOW, uuid4(), SheetKind.TICKET, ProofKind.COMPLETION))
    await expect(page.locator(f"#sheet-{printer}-3")).to_be_visible()
    await expect(page.locator(f"#tear-off-{printer}")).to_contain_text("Tear off 2")


async def test_a_printer_at_work_is_looked_at_although_nobody_tells(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    lab.desk.change("tickets", is_printing=True)
    lab.news.publish(CardSeen(NOW, "entrance"))
    await expect(page.locator("#state-tickets")).to_have_text("Printing")
    lab.desk.change("tickets", is_printing=False, sheets=1)
    await expect(page.locator("#sheet-tickets-1")).to_be_visible()


async def test_the_brokers_plug_is_pulled_and_put_back(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    plug = page.locator("#broker")
    await plug.click()
    await expect(plug).to_have_attribute("aria-checked", "false")
    await expect(page.locator("#broker-state")).to_contain_text("nothing is lost")
    await plug.click()
    await expect(plug).to_have_attribute("aria-checked", "true")
    assert lab.desk.done == ["broker False", "broker True"]


async def test_everything_works_by_keyboard_and_the_focus_stays(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    for press, done in (
        ("#card-anna-huber", "insert anna-huber"),
        ("#card-anna-huber", "remove"),
        ("#paper-tickets", "paper tickets False"),
        ("#broker", "broker False"),
    ):
        await page.locator(press).focus()
        async with page.expect_response(lambda answer: answer.request.method == "POST"):
            await page.keyboard.press("Enter")
        await _done(lab, done)
        await expect(page.locator(press)).to_be_focused()


async def test_the_kiosk_does_not_take_the_focus_from_a_hand_at_the_bench(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    await page.locator("#paper-tickets").focus()
    lab.kiosk.show(VIEWS["confirm"])
    await expect(page.frame_locator("#kiosk").locator('[data-step="confirm"]')).to_be_visible()
    await expect(page.locator("#paper-tickets")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#state-tickets")).to_contain_text("Paper is out")
    await page.locator("#card-anna-huber").focus()
    await page.keyboard.press("Shift+Tab")
    await expect(page.locator("#kiosk")).to_be_focused()


async def test_every_control_is_reached_by_tab_in_reading_order(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    await page.locator("#card-anna-huber").focus()
    order = []
    for _ in range(16):
        order.append(await page.evaluate("document.activeElement.id"))
        await page.keyboard.press("Tab")
    assert order[:14] == [
        "card-anna-huber", "card-leyla-demir", "card-hostile",
        "scan-text", "scan", "show-picture", "show",
        "paper-tickets", "lid-tickets", "tear-off-tickets",
        "paper-wristbands", "lid-wristbands", "tear-off-wristbands",
        "broker",
    ]  # fmt: skip


async def test_without_scripts_forms_do_the_same(lab: Lab, open_page: OpenPage):
    page = (await open_page(lab.url, viewport=DESK, java_script_enabled=False)).page
    await page.locator("#card-anna-huber").click()
    await expect(page.locator("#reader-state")).to_contain_text("Anna Huber is in the reader.")
    await page.locator("#paper-tickets").click()
    await expect(page.locator("#state-tickets")).to_contain_text("Paper is out")
    await page.locator("#broker").click()
    await expect(page.locator("#broker-state")).to_contain_text("nothing is lost")
    assert page.url == lab.url + "/"
    assert lab.desk.done == ["insert anna-huber", "paper tickets False", "broker False"]


# --- what is shown ---


async def test_the_real_kiosk_is_in_its_frame(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    kiosk = page.frame_locator("#kiosk")
    await expect(kiosk.get_by_role("heading", level=1)).to_have_text("Bitte stecken Sie Ihre Gesundheitskarte ein")
    lab.kiosk.show(VIEWS["confirm"])
    await _press(page, kiosk.get_by_role("button", name="Ja, das bin ich"))
    await expect(kiosk.get_by_text("A12", exact=True)).to_be_visible()
    assert lab.kiosk.check_ins == 1
    box, screen = await page.locator("#kiosk").bounding_box(), await page.locator(".portrait").bounding_box()
    assert box
    assert screen
    assert box["width"] / box["height"] == pytest.approx(1080 / 1920, rel=0.01)
    assert box["width"] == pytest.approx(screen["width"], abs=4)


async def test_the_timeline_grows_while_it_is_looked_at(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    check_in = uuid4()
    lab.news.publish(
        CardSeen(NOW, "entrance"), PatientIdentified(NOW + timedelta(milliseconds=31), "entrance", check_in)
    )
    await expect(_stop(page, "identified").locator(".when")).to_have_text("31 ms")
    await expect(_stop(page, "committed")).to_contain_text("the patient decides")
    lab.news.publish(PatientCheckedIn(NOW + timedelta(milliseconds=4031), check_in, "A12", "general"))
    await expect(page.locator("#timeline-title")).to_have_text("What happened to A12")
    await expect(_stop(page, "committed").locator(".when")).to_have_text("4\u202f031 ms")
    await expect(_stop(page, "committed").locator(".what")).to_contain_text("+4\u202f000 ms")


async def test_a_refused_card_says_why(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    lab.news.publish(CardSeen(NOW, "entrance"), CheckInRefused(NOW, "entrance", uuid4(), Reason.NO_PATIENT))
    await expect(_stop(page, "sent to the desk")).to_contain_text("Card is not in the records")


async def test_the_step_that_comes_next_is_marked(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    marked = page.locator("[data-next]")
    check_in = uuid4()
    await expect(marked).to_have_attribute("data-next", "1")
    lab.news.publish(CardSeen(NOW, "entrance"), PatientIdentified(NOW, "entrance", check_in))
    await expect(marked).to_have_attribute("data-next", "2")
    accent = "getComputedStyle(document.querySelector('[data-step=\"%d\"]')).backgroundColor"
    assert await page.evaluate(accent % 2) != await page.evaluate(accent % 1)
    lab.desk.change("tickets", sheets=1)
    lab.news.publish(PatientCheckedIn(NOW, check_in, "A12", "general"))
    await expect(marked).to_have_attribute("data-next", "3")
    await page.locator("#tear-off-tickets").click()
    await expect(marked).to_have_attribute("data-next", "4")


@pytest.mark.parametrize(("button", "name"), [("#open-reception", "receptionist"), ("#open-clinician", "clinician")])
async def test_one_click_signs_in_at_the_desk_in_a_new_tab(lab: Lab, open_page: OpenPage, button: str, name: str):
    visit = await _open(lab, open_page)
    async with visit.context.expect_page() as opened:
        await visit.page.locator(button).click()
    desk = await opened.value
    await expect(desk.locator("#queue")).to_be_visible()
    assert desk.url == lab.console.url + "/"
    await expect(desk.locator(".bar")).to_contain_text(name)
    assert await desk.evaluate("window.opener") is None


@pytest.mark.parametrize("look", LOOKS)
async def test_the_page_is_accessible_and_fits(lab: Lab, open_page: OpenPage, look: str):
    visit = await _open(lab, open_page, **LOOKS[look])
    await _assert_accessible(visit)
    lab.desk.change("tickets", sheets=2, has_paper=False, is_printing=True)
    lab.desk.change("wristbands", sheets=1, is_lid_open=True)
    lab.desk.state = replace(lab.desk.state, card_in_reader="anna-huber", is_broker_up=False)
    lab.news.publish(CardSeen(NOW, "entrance"), CheckInRefused(NOW, "entrance", uuid4(), Reason.NO_APPOINTMENT))
    await expect(_stop(visit.page, "sent to the desk")).to_be_visible()
    await visit.page.locator(".accounts summary").click()
    await _assert_accessible(visit)
    assert await visit.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


async def test_hostile_titles_are_text(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    card = page.locator("#card-hostile")
    await expect(card.locator(".card-title")).to_have_text('<script>alert("1")</script>')
    await expect(card.locator(".card-note")).to_contain_text("onerror=alert(2)")
    await card.click()
    await expect(page.locator("#reader-state strong")).to_have_text('<script>alert("1")</script>')


async def test_a_lost_daemon_is_said(lab: Lab, open_page: OpenPage):
    page = (await _open(lab, open_page)).page
    await expect(page.locator(".lost")).to_be_hidden()
    await page.evaluate("document.dispatchEvent(new CustomEvent('htmx:sse:error'))")
    await expect(page.locator(".lost")).to_be_visible()


# --- what is refused ---


async def test_a_form_of_another_page_is_refused(lab: Lab):
    async with lab.client() as foreign:
        for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "same-site"}):
            for path in ("/card", "/paper", "/lid", "/tear-off", "/broker"):
                answer = await foreign.post(path, data={"card": "anna-huber"}, headers=headers)
                assert answer.status_code == 403
    assert lab.desk.done == []


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/card", {"card": "nobody"}),
        ("/paper", {"printer": "tickets", "has_paper": "perhaps"}),
        ("/paper", {"printer": "safe", "has_paper": "no"}),
        ("/lid", {"printer": "../tickets", "is_open": "yes"}),
        ("/lid", {"printer": "tickets"}),
        ("/tear-off", {}),
        ("/broker", {"is_up": "1"}),
        ("/scan", {"text": ""}),
        ("/show", {"picture": "no file"}),
    ],
)
async def test_what_is_not_on_the_desk_is_refused(lab: Lab, path: str, form: dict[str, str]):
    async with lab.client() as hand:
        answer = await hand.post(path, data=form)
    assert answer.status_code == 400
    assert "no such thing on this desk" in answer.text
    assert lab.desk.done == []


@pytest.mark.parametrize("path", ["/sheets/tickets/1.png", "/sheets/tickets/0.png", "/sheets/safe/1.png", "/nowhere"])
async def test_paper_that_never_came_out_is_not_found(lab: Lab, path: str):
    async with lab.client() as eye:
        assert (await eye.get(path)).status_code == 404


async def test_a_change_is_answered_by_the_page(lab: Lab):
    async with lab.client() as hand:
        answer = await hand.post("/card", data={"card": "anna-huber"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        part = await hand.post("/card", data={"card": ""}, headers={"hx-request": "true"})
        assert part.status_code == 200
        assert "<html" not in part.text
        assert "The reader is empty." in part.text


async def test_hardware_that_refuses_is_quoted_and_nothing_is_pretended(lab: Lab):
    lab.desk.refusal = "do not answer: <TimeoutError>"
    async with lab.client() as hand:
        answer = await hand.post("/card", data={"card": "anna-huber"})
        assert answer.status_code == 503
        assert "simulators: do not answer: &lt;TimeoutError&gt;" in answer.text
        assert "The reader is empty." in answer.text
        lab.desk.refusal = ""
        assert (await hand.post("/card", data={"card": "anna-huber"})).status_code == 303
        assert "do not answer" not in (await hand.get("/")).text


async def test_the_policy_names_exactly_the_frames_and_the_desks(lab: Lab):
    async with lab.client() as eye:
        policy = (await eye.get("/")).headers["content-security-policy"]
    parts = {part.split()[0]: part.split()[1:] for part in policy.split("; ")}
    frame = next(p for p in parts["frame-src"] if p != lab.url)
    assert set(parts["frame-src"]) == {frame}
    assert parts["form-action"] == ["'self'", lab.console.url, lab.console.url]
    assert parts["script-src"] == parts["style-src"] == ["'self'"]
    assert parts["frame-ancestors"] == ["'none'"]


async def test_streams_end_with_the_watch(lab: Lab):
    async with lab.client() as eye, eye.stream("GET", "/live") as stream:
        chunks = stream.aiter_bytes()
        assert b"Put a card in" in await anext(chunks)
        lab.news.end()
        async with asyncio.timeout(5):
            async for _ in chunks:
                pass


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:80", "http://a b", "http://a;b", "http://u@h"])
async def test_an_address_that_is_no_page_is_refused(url: str):
    with pytest.raises(ValueError, match="page address"):
        origin(url)


def _stop(page: Page, name: str) -> Locator:
    return page.locator(f'[data-stop="{name}"]')


async def _press(page: Page, button: Locator) -> None:
    """Click where a person sees it: Playwright's own click looks for it as if the frame were not drawn smaller."""
    await expect(button).to_be_visible()  # only then has the page begun to settle
    await expect(page.frame_locator("#kiosk").locator("html:not([data-settling])")).to_have_count(1)
    box = await button.bounding_box()
    assert box
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


async def _assert_accessible(visit: Visit) -> None:
    """As ``assert_accessible``, which calls into the frames; their own policies keep it out, and Chromium says so."""
    await visit.assert_accessible()
    visit.troubles[:] = [trouble for trouble in visit.troubles if "'postMessage'" not in trouble]


async def _done(lab: Lab, what: str) -> None:
    """Wait for the next thing that a hand does, which is ``what``."""
    async with asyncio.timeout(5):
        assert await lab.desk.heard.get() == what
