"""The kiosk's page in a real Chromium, served by the real server."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from kioskd.news import News
from kioskd.web.kiosk import kiosk_app
from kioskd.web.pages import Pages
from kioskd.web.server import serve
from tests.web.browser import LANDSCAPE, PORTRAIT, Visit
from tests.web.conftest import OpenPage
from tests.web.kiosk_session import VIEWS, ScriptedKiosk

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = Pages(ZoneInfo("Europe/Berlin"))
ZOOMED = {"viewport": {"width": 540, "height": 960}, "device_scale_factor": 2}
LOOKS: dict[str, dict[str, Any]] = {
    "light portrait de": {"viewport": PORTRAIT},
    "dark landscape en": {"viewport": LANDSCAPE, "color_scheme": "dark"},
    "contrast portrait en": {"viewport": PORTRAIT, "theme": "contrast"},
    "forced colours landscape de": {"viewport": LANDSCAPE, "forced_colors": "active"},
    "largest text portrait de": {"viewport": PORTRAIT, "text": "largest"},
    "largest text landscape en": {"viewport": LANDSCAPE, "text": "largest"},
    "zoomed to 200 % de": ZOOMED,
}


@dataclass
class Rig:
    """A served kiosk and the hand on its session."""

    kiosk: ScriptedKiosk
    news: News
    url: str


@pytest_asyncio.fixture(loop_scope="session")
async def rig() -> AsyncIterator[Rig]:
    news = News()
    kiosk = ScriptedKiosk(news, VIEWS["welcome"])
    async with serve(kiosk_app(kiosk, news, PAGES), "127.0.0.1", 0) as address:
        yield Rig(kiosk, news, address.url)
        news.end()


async def _step(page: Page, name: str) -> None:
    """Wait until the step is shown and taps count again."""
    await expect(page.locator(f'[data-step="{name}"]')).to_be_visible()
    await expect(page.locator("html:not([data-settling])")).to_have_count(1)


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_is_accessible_and_fits(rig: Rig, open_page: OpenPage, look: str):
    options = dict(LOOKS[look])
    text, theme = options.pop("text", ""), options.pop("theme", "")
    visit = await open_page(rig.url, reduced_motion="reduce", **options)
    page = visit.page
    await page.evaluate(
        "([text, theme]) => { if (text) document.documentElement.dataset.text = text;"
        " if (theme) document.documentElement.dataset.theme = theme }",
        [text, theme],
    )
    for name, view in VIEWS.items():
        rig.kiosk.show(replace(view, language=look.rpartition(" ")[2]))
        await _shown(visit, name)
        findings = await visit.findings()
        assert findings == [], f"{name}: " + "\n".join(findings)
        overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{name} is {overflow} px too wide"
        if not text and options["viewport"] != ZOOMED["viewport"]:
            assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight"), (
                f"{name} needs scrolling"
            )


async def _shown(visit: Visit, name: str) -> None:
    view = VIEWS[name]
    page = "desk" if name.startswith("desk") else view.step.value
    await _step(visit.page, "idle" if view.is_idle else page)


async def test_targets_are_large_and_apart(rig: Rig, open_page: OpenPage):
    page = (await open_page(rig.url)).page
    for name in ("welcome", "confirm", "idle", "done", "help"):
        rig.kiosk.show(VIEWS[name])
        await _step(page, name)
        boxes = [box for b in await page.locator("button:visible").all() if (box := await b.bounding_box())]
        assert boxes
        assert min(min(box["width"], box["height"]) for box in boxes) >= 96
        columns = sorted(boxes, key=lambda box: (box["x"], box["y"]))
        gaps = [b["y"] - a["y"] - a["height"] for a, b in pairwise(columns) if a["x"] == b["x"]]
        assert all(gap >= 16 for gap in gaps)


@pytest.mark.parametrize("viewport", [PORTRAIT, LANDSCAPE], ids=["portrait", "landscape"])
async def test_the_primary_action_and_the_foot_bar_stay_where_they_are(
    rig: Rig, open_page: OpenPage, viewport: dict[str, int]
):
    page = (await open_page(rig.url, viewport=viewport)).page
    places = set()
    for name in ("confirm", "idle", "done", "done-both", "help", "help-no-label", "welcome-no-reader"):
        rig.kiosk.show(VIEWS[name])
        await _step(page, "welcome" if name.startswith("welcome") else name.partition("-")[0])
        for selector in ("#primary", "#choose-language"):
            box = await page.locator(selector).bounding_box()
            assert box
            places.add((selector, round(box["x"]), round(box["y"]), round(box["width"])))
    assert len(places) == 2


async def test_a_whole_check_in_by_touch(rig: Rig, open_page: OpenPage):
    visit = await open_page(rig.url, has_touch=True)
    page = visit.page
    await expect(page.get_by_role("heading", level=1)).to_have_text("Bitte stecken Sie Ihre Gesundheitskarte ein")
    rig.kiosk.show(VIEWS["reading"])
    await _step(page, "reading")
    rig.kiosk.show(VIEWS["confirm"])
    await _step(page, "confirm")
    await page.get_by_role("button", name="Ja, das bin ich").tap()
    await _step(page, "done")
    await expect(page.get_by_text("A12", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Fertig").tap()
    await _step(page, "welcome")
    assert rig.kiosk.inputs == ["confirm", "close"]
    assert await page.title() == "Praxis am Markt"
    assert page.url == rig.url + "/"
    assert await visit.context.cookies() == []
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_a_whole_check_in_by_keyboard_in_reading_order(rig: Rig, open_page: OpenPage):
    page = (await open_page(rig.url)).page
    rig.kiosk.show(VIEWS["confirm"])
    await _step(page, "confirm")
    order = []
    for _ in range(6):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id"))
    assert order == ["secondary", "primary", "choose-language", "choose-text", "choose-contrast", "call-someone"]
    await page.locator("#primary").focus()
    await page.keyboard.press("Enter")
    await _step(page, "done")
    assert await page.evaluate("document.activeElement.tagName") == "H1"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await _step(page, "welcome")
    assert rig.kiosk.inputs == ["confirm", "close"]


async def test_a_second_tap_does_not_hit_what_appears_in_the_same_place(rig: Rig, open_page: OpenPage):
    page = (await open_page(rig.url)).page
    rig.kiosk.show(VIEWS["confirm"])
    await _step(page, "confirm")
    box = await page.locator("#primary").bounding_box()
    assert box
    x, y = box["x"] + 40, box["y"] + 40
    await page.mouse.click(x, y)
    await page.wait_for_selector('[data-step="done"]')
    await page.mouse.click(x, y)
    await _step(page, "done")
    assert rig.kiosk.inputs == ["confirm"]
    await page.mouse.click(x, y)
    await _step(page, "welcome")
    assert rig.kiosk.inputs == ["confirm", "close"]


async def test_a_double_click_checks_in_once(rig: Rig, open_page: OpenPage):
    page = (await open_page(rig.url)).page
    rig.kiosk.show(VIEWS["confirm"])
    await _step(page, "confirm")
    rig.kiosk.may_answer.clear()
    await page.locator("#primary").dblclick()
    await _step(page, "checking-in")
    rig.kiosk.may_answer.set()
    await _step(page, "done")
    assert rig.kiosk.check_ins == 1


async def test_without_scripts_every_form_works(rig: Rig, open_page: OpenPage):
    rig.kiosk.show(VIEWS["confirm"])
    page = (await open_page(rig.url, java_script_enabled=False)).page
    assert not await page.locator("#choose-text").is_visible()
    await page.locator("#choose-language").click()
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Is this you?")
    await page.get_by_role("button", name="Yes, that’s me").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are checked in")
    await page.get_by_role("button", name="I’m done").click()
    await expect(page.locator('[data-step="welcome"]')).to_be_visible()
    rig.kiosk.show(VIEWS["reading"])
    await expect(page.locator('[data-step="reading"]')).to_be_visible(timeout=30_000)
    assert rig.kiosk.inputs == ["language en", "confirm", "close"]


async def test_the_language_changes_in_place_and_the_layer_closes(rig: Rig, open_page: OpenPage):
    page = (await open_page(rig.url)).page
    layer = page.locator("#languages")
    assert not await layer.is_visible()
    await page.locator("#choose-language").click()
    await expect(layer).to_be_visible()
    await layer.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Please insert your health insurance card")
    await expect(layer).not_to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "en"
    assert await page.evaluate("document.activeElement.id") == "choose-language"


async def test_the_language_layer_is_accessible(rig: Rig, open_page: OpenPage):
    visit = await open_page(rig.url)
    await visit.page.locator("#choose-language").click()
    await expect(visit.page.locator("#languages")).to_be_visible()
    await visit.assert_accessible()


async def test_text_size_and_contrast_last_for_one_person(rig: Rig, open_page: OpenPage):
    page = (await open_page(rig.url)).page

    async def looks() -> list[str | None]:
        return list(
            await page.evaluate("[document.documentElement.dataset.text, document.documentElement.dataset.theme]")
        )

    normal = await page.evaluate("getComputedStyle(document.body).fontSize")
    await page.locator("#choose-text").click()
    await page.locator("#choose-text").click()
    await page.locator("#choose-contrast").click()
    assert await looks() == ["largest", "contrast"]
    assert await page.evaluate("getComputedStyle(document.body).fontSize") == f"{2 * float(normal[:-2]):g}px"
    await expect(page.get_by_role("button", name="Hoher Kontrast", pressed=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Schriftgröße sehr groß")).to_be_visible()
    rig.kiosk.show(VIEWS["confirm"])
    await _step(page, "confirm")
    assert await looks() == ["largest", "contrast"]
    await expect(page.get_by_role("button", name="Hoher Kontrast", pressed=True)).to_be_visible()
    await page.get_by_role("button", name="Ja, das bin ich").click()
    await _step(page, "done")
    await page.get_by_role("button", name="Fertig").click()
    await _step(page, "welcome")
    assert await looks() == [None, None]
    await expect(page.get_by_role("button", name="Hoher Kontrast", pressed=False)).to_be_visible()


async def test_the_last_page_counts_down_and_more_time_begins_again(rig: Rig, open_page: OpenPage):
    page = (await open_page(rig.url)).page
    rig.kiosk.show(VIEWS["done"])
    await _step(page, "done")
    clock = page.locator("[data-clock]")
    await expect(clock).to_have_text(re.compile("0:1[0-8]"))
    await page.get_by_role("button", name="Ich brauche mehr Zeit").click()
    await expect(clock).to_have_text(re.compile("0:(20|19)"))
    assert rig.kiosk.inputs == ["more-time"]


async def test_paper_that_comes_later_is_announced_without_moving_the_focus(rig: Rig, open_page: OpenPage):
    page = (await open_page(rig.url)).page
    said = page.locator("#announcement")
    await expect(said).to_have_text("")
    node = await said.element_handle()
    rig.kiosk.show(replace(VIEWS["done-printing"], wristband=VIEWS["done"].wristband))
    await _step(page, "done")
    await page.locator("#primary").focus()
    rig.kiosk.show(VIEWS["done"])
    await expect(said).to_have_text("Bitte nehmen Sie Ihren Nummernzettel.")
    assert node
    assert await node.evaluate("node => node.isConnected && node.id") == "announcement"
    assert await page.evaluate("document.activeElement.id") == "primary"


async def test_a_hostile_name_is_shown_as_it_is(rig: Rig, open_page: OpenPage):
    name = "<img src=x onerror=alert(1)>"
    page = (await open_page(rig.url)).page
    rig.kiosk.show(replace(VIEWS["confirm"], given=name, family="data: x\n\nevent: y"))
    await _step(page, "confirm")
    assert name in await page.locator(".person dd").inner_text()
    assert await page.locator(".person img").count() == 0


async def test_while_the_daemon_is_away_the_page_says_so_calmly_and_comes_back(open_page: OpenPage):
    async with AsyncExitStack() as later:
        kiosk = ScriptedKiosk(News(), VIEWS["confirm"])
        news = News()
        async with serve(kiosk_app(kiosk, news, PAGES), "127.0.0.1", 0) as address:
            visit = await open_page(address.url)
            layer = visit.page.locator(".one-moment")
            await _step(visit.page, "confirm")
            await expect(layer).not_to_be_visible()
            news.end()
        await expect(layer).to_be_visible()
        await expect(layer).to_contain_text("Einen Moment, bitte")
        again = News()
        kiosk = ScriptedKiosk(again, VIEWS["welcome"])
        await later.enter_async_context(serve(kiosk_app(kiosk, again, PAGES), "127.0.0.1", address.port))
        await expect(layer).not_to_be_visible()
        await _step(visit.page, "welcome")
        # The browser itself reports the connections that were refused meanwhile.
        visit.troubles = [t for t in visit.troubles if "ERR_" not in t and "htmx:sse:error" not in t]
        again.end()


async def test_a_page_whose_stream_never_opened_asks_again(rig: Rig, open_page: OpenPage):
    visit = await open_page("about:blank")
    refused = 0

    async def refuse_twice(route: Any) -> None:
        nonlocal refused
        refused += 1
        await (route.abort() if refused <= 2 else route.continue_())

    await visit.page.route("**/live", refuse_twice)
    await visit.page.goto(rig.url)
    await expect(visit.page.locator(".one-moment")).to_be_visible()
    await expect(visit.page.locator(".one-moment")).not_to_be_visible()
    rig.kiosk.show(VIEWS["reading"])
    await _step(visit.page, "reading")
    assert refused == 3
    visit.troubles = [t for t in visit.troubles if "ERR_FAILED" not in t and "htmx:error" not in t]


async def test_the_stream_opens_also_when_its_script_comes_late(rig: Rig, open_page: OpenPage):
    visit = await open_page("about:blank")

    async def later(route: Any) -> None:
        await asyncio.sleep(0.5)
        await route.continue_()

    await visit.page.route("**/hx-sse-*", later)
    await visit.page.goto(rig.url)
    rig.kiosk.show(VIEWS["reading"])
    await _step(visit.page, "reading")


async def test_open_pages_do_not_keep_the_server_from_stopping(open_page: OpenPage):
    news = News()
    kiosk = ScriptedKiosk(news, VIEWS["welcome"])
    async with serve(kiosk_app(kiosk, news, PAGES), "127.0.0.1", 0) as address:
        visit = await open_page(address.url)
        kiosk.show(VIEWS["reading"])
        await _step(visit.page, "reading")
        news.end()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 20
    await visit.context.close()
    visit.troubles = [t for t in visit.troubles if "ERR_" not in t and "htmx:sse:error" not in t]
