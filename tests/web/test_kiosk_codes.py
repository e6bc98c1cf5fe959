"""What the page says of codes, and the birth date by touch, by keyboard and as a plain form."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import expect

from kioskd.core.birth_date import TypedDate
from kioskd.core.payload import CodeKind
from kioskd.news import News
from kioskd.ports import CameraPicture, Guidance
from kioskd.web.kiosk import kiosk_app
from kioskd.web.pages import Pages
from kioskd.web.server import serve
from tests.web.browser import WITHIN_MS
from tests.web.conftest import OpenPage
from tests.web.kiosk_session import CODE_VIEWS, SESSION, VIEWS, ScriptedKiosk
from tests.web.test_kiosk_browser import Rig, _step

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = Pages(ZoneInfo("Europe/Berlin"))
ALL = VIEWS | CODE_VIEWS


def picture(number: int, guidance: Guidance) -> CameraPicture:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 110)).save(file, "JPEG")
    return CameraPicture(file.getvalue(), guidance, number)


@pytest_asyncio.fixture(loop_scope="session")
async def rig() -> AsyncIterator[Rig]:
    news = News()
    kiosk = ScriptedKiosk(news, VIEWS["welcome"])
    async with serve(kiosk_app(kiosk, news, PAGES), "127.0.0.1", 0) as address:
        yield Rig(kiosk, news, address.url)
        news.end()


@pytest_asyncio.fixture(loop_scope="session")
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"origin": rig.url}
    async with httpx.AsyncClient(base_url=rig.url, headers=headers, timeout=10, trust_env=False) as made:
        yield made


async def words(rig: Rig, client: httpx.AsyncClient, name: str, language: str = "en", **changes: object) -> str:
    rig.kiosk.show(replace(ALL[name], language=language, **changes))
    return re.sub(r"<[^>]*>|\s+", " ", (await client.get("/")).text)


@pytest.mark.parametrize(
    ("name", "asks"),
    [
        ("welcome", "Please insert your health insurance card"),
        ("welcome-both", "Please put in your card or show your code"),
        ("welcome-code", "Please show your code"),
        ("welcome-no-reader", "The card reader is not working just now"),
        ("welcome-no-scanner", "The scanner is not working just now"),
    ],
)
async def test_the_page_asks_for_what_can_be_shown(rig: Rig, client: httpx.AsyncClient, name: str, asks: str):
    assert asks in await words(rig, client, name)
    assert 'action="/help"' in (await client.get("/")).text


@pytest.mark.parametrize("kind", [*CodeKind, "code-unknown", "code-again", "card-removed-early"])
@pytest.mark.parametrize("language", ["de", "en"])
async def test_whatever_was_shown_is_told_kindly(rig: Rig, client: httpx.AsyncClient, kind: str, language: str):
    text = await words(rig, client, "welcome-both", language, notice=str(kind))
    assert not re.search("invalid|refused|error|ungültig|abgelehnt|Fehler|prescription-", text, re.IGNORECASE)
    assert re.search("lease|itte|You do not need it|Sie brauchen ihn", text)
    if kind is CodeKind.PRESCRIPTION and language == "en":
        assert "This is a prescription code. Please keep it for the pharmacy." in text


async def test_a_card_that_is_wanted_is_kept_ready_and_no_other(rig: Rig, client: httpx.AsyncClient):
    assert "Please keep your card ready for the desk." in await words(rig, client, "done-card-wanted")
    assert "Please take your card and keep it ready for the desk." in await words(rig, client, "done-card-wanted-in")
    assert "card" not in (await words(rig, client, "done")).replace("card-", "")


async def test_who_is_asked_for_a_birth_date_sees_nobody(rig: Rig, client: httpx.AsyncClient):
    rig.kiosk.show(replace(VIEWS["birth-date"], given="Johanna", family="Weißenfels"))
    assert not re.search("Johanna|Weißenfels", (await client.get("/")).text)


@pytest.mark.parametrize("form", [{"day": "1"}, {"session": "x", "day": "1", "month": "1", "year": "1958"}])
async def test_a_form_without_its_session_is_refused(rig: Rig, client: httpx.AsyncClient, form: dict[str, str]):
    rig.kiosk.show(VIEWS["birth-date"])
    assert (await client.post("/birth-date", data=form)).status_code == 400
    assert rig.kiosk.dates == []


async def test_what_is_too_long_is_cut_and_hostile_text_is_text(rig: Rig, client: httpx.AsyncClient):
    rig.kiosk.show(VIEWS["birth-date"])
    form = {"session": str(SESSION), "day": '"><i>' * 100, "month": "3", "year": "1" * 10_000}
    answer = await client.post("/birth-date", data=form, follow_redirects=True)
    assert rig.kiosk.dates == [TypedDate('"><i', "3", "1111")]
    assert 'value="&#34;&gt;&lt;i"' in answer.text
    assert "?" not in str(answer.url)


async def test_a_camera_is_shown_on_the_welcome_page_only(rig: Rig, client: httpx.AsyncClient):
    rig.kiosk.sees = None
    assert (await client.get("/camera")).status_code == 204
    assert (await client.get("/camera.jpg")).status_code == 404
    rig.kiosk.sees = picture(3, Guidance.CLOSER)
    assert (await client.get("/camera.jpg")).headers["cache-control"] == "no-store"
    for guidance in Guidance:
        rig.kiosk.sees = picture(3, guidance)
        assert (await client.get("/camera")).status_code == 200


# --- in Chromium -----------------------------------------------------------------------------------------------------


async def test_a_birth_date_by_touch(rig: Rig, open_page: OpenPage):
    rig.kiosk.show(VIEWS["birth-date"])
    page = (await open_page(rig.url, has_touch=True)).page
    await _step(page, "birth-date")
    keys = page.get_by_role("group", name="Ziffern")
    for key in ("1", "4", "3", "Nächstes Feld", "1", "9", "5", "9", "Löschen", "8"):
        await keys.get_by_role("button", name=key, exact=True).tap()
    await page.get_by_role("button", name="Weiter").tap()
    await _step(page, "confirm")
    assert rig.kiosk.dates == [TypedDate("14", "3", "1958")]
    assert rig.kiosk.inputs.count("birth-date") == 1
    assert rig.kiosk.inputs.count("more-time") == 1  # who types is not idle, and that is not told with every digit


async def test_a_birth_date_by_keyboard(rig: Rig, open_page: OpenPage):
    rig.kiosk.show(VIEWS["birth-date"])
    page = (await open_page(rig.url)).page
    await _step(page, "birth-date")
    await page.get_by_label("Tag").focus()
    await page.keyboard.type("14031958")
    await page.keyboard.press("Enter")
    await _step(page, "confirm")
    assert rig.kiosk.dates == [TypedDate("14", "03", "1958")]


async def test_a_wrong_birth_date_is_mended_field_by_field(rig: Rig, open_page: OpenPage):
    rig.kiosk.show(VIEWS["birth-date-again"])
    page = (await open_page(rig.url, has_touch=True)).page
    await _step(page, "birth-date")
    await expect(page.get_by_role("status").filter(has_text="konnten wir Sie nicht finden")).to_be_visible()
    await page.get_by_label("Jahr").tap()
    for key in "1958":
        await page.get_by_role("group", name="Ziffern").get_by_role("button", name=key, exact=True).tap()
    await page.get_by_role("button", name="Weiter").tap()
    await _step(page, "confirm")
    assert rig.kiosk.dates == [TypedDate("14", "3", "1958")]


async def test_news_of_the_kiosk_does_not_disturb_who_types(rig: Rig, open_page: OpenPage):
    rig.kiosk.show(VIEWS["birth-date"])
    page = (await open_page(rig.url, has_touch=True)).page
    await _step(page, "birth-date")
    for key in "031":
        await page.get_by_role("group", name="Ziffern").get_by_role("button", name=key, exact=True).tap()
    rig.kiosk.change(is_hub_there=False)
    await expect(page.locator("#call-someone")).to_have_count(0)
    await page.get_by_role("group", name="Ziffern").get_by_role("button", name="2", exact=True).tap()
    values = [await page.get_by_label(name).input_value() for name in ("Tag", "Monat", "Jahr")]
    assert values == ["03", "12", ""]


async def test_without_scripts_a_birth_date_is_a_plain_form(rig: Rig, open_page: OpenPage):
    rig.kiosk.show(VIEWS["birth-date"])
    page = (await open_page(rig.url, java_script_enabled=False)).page
    for name, value in (("Tag", "14"), ("Monat", "3"), ("Jahr", "1958")):
        await page.get_by_label(name).fill(value)
    await page.get_by_role("button", name="Weiter").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sind Sie das?")


async def test_the_camera_is_a_mirror_with_words_that_help(rig: Rig, open_page: OpenPage):
    rig.kiosk.sees = picture(1, Guidance.FLATTER)
    rig.kiosk.show(VIEWS["welcome-camera"])
    visit = await open_page(rig.url)
    page = visit.page
    await expect(page.get_by_text("Bitte flacher halten")).to_be_visible()
    await expect(page.locator("#camera img")).to_be_visible()
    assert await visit.findings() == []
    rig.kiosk.sees = picture(2, Guidance.GOOD)
    await expect(page.get_by_text("So ist es gut")).to_be_visible()
    rig.kiosk.show(VIEWS["birth-date"])
    await _step(page, "birth-date")
    async with asyncio.timeout(WITHIN_MS / 1000):
        await expect(page.locator("#camera")).to_have_count(0)
