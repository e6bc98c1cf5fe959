"""A card that has to be read for the bill stays in sight at the desk until somebody says that it was."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import expect

from kioskd.hub.view import CardRow
from tests.web.browser import DESK
from tests.web.conftest import OpenPage
from tests.web.console_rig import Rig, console, enter
from tests.web.front_desk import row
from tests.web.test_console import post

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = row("A14", "Krüger", "Sabine", card=CardRow())
NONE = row("A15", "Albers", "Jonas")
WANTED = "Card not yet read for the bill"


@pytest_asyncio.fixture(loop_scope="session")
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with console(tmp_path) as made:
        made.desk.rows = {r.ticket_id: r for r in (OPEN, NONE)}
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with rig.client() as made:
        await rig.sign_in(made)
        yield made


async def test_it_is_said_in_the_queue_and_in_hand_and_of_nobody_else(client: httpx.AsyncClient):
    assert (await client.get("/")).text.count("Card not yet read") == 1
    assert WANTED in (await client.get(f"/?ticket={OPEN.ticket_id}")).text
    page = (await client.get(f"/?ticket={NONE.ticket_id}")).text
    assert WANTED not in page
    assert 'id="card-wanted"' not in page


async def test_it_is_ticked_with_a_name_and_undone(rig: Rig, client: httpx.AsyncClient):
    ticket = str(OPEN.ticket_id)
    answer = await post(client, f"/tickets/{ticket}/card-read", ticket=ticket)
    page = (await client.get(answer.headers["location"])).text
    assert "Noted: you read the card of A14." in page
    assert "Card read for the bill" in page
    assert "Card not yet read" not in page
    assert 'id="undo-button"' in page
    answer = await post(client, f"/tickets/{ticket}/card-not-read", ticket=ticket)
    assert WANTED in (await client.get(answer.headers["location"])).text
    assert [entry[0] for entry in rig.desk.log if entry[0].startswith("card")] == ["card-read", "card-not-read"]


async def test_it_is_ticked_by_key_and_taken_back_in_place(rig: Rig, open_page: OpenPage):
    visit = await open_page(rig.url, viewport=DESK, reduced_motion="reduce")
    page = visit.page
    await enter(visit, rig)
    await page.goto(f"{rig.url}/?ticket={OPEN.ticket_id}")
    await expect(page.locator("#card-wanted")).to_contain_text(WANTED)
    await visit.assert_accessible()
    await page.keyboard.press("i")
    await page.keyboard.press("Enter")
    await expect(page.locator("#card-wanted")).to_contain_text("Card read for the bill")
    await visit.assert_accessible()
    await page.keyboard.press("u")
    await page.keyboard.press("Enter")
    await expect(page.locator("#card-wanted")).to_contain_text(WANTED)
