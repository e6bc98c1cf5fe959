"""A wristband from the desk's button to the wrist, through a printer that loses its connection: in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from kioskd.core.printing import PrintState
from kioskd.hub import tables
from tests.web.band_desk import WITHIN_S, BandDesk, band_desk, printer_is_known
from tests.web.browser import DESK
from tests.web.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator[BandDesk]:
    """It outlives the page, which would complain of a server that is gone."""
    async with band_desk(tmp_path) as made:
        yield made


async def enter(page: Page, desk: BandDesk) -> None:
    await page.fill("#name", "anna.kurz")
    await page.fill("#password", desk.password)
    await page.click("main button")
    await page.wait_for_selector("#queue")


async def test_a_band_of_which_nobody_can_tell_is_asked_for_denied_and_made_anew(
    desk: BandDesk, open_page: OpenPage
) -> None:
    await printer_is_known(desk)
    row = await desk.check_in()
    visit = await open_page(desk.url, viewport=DESK)
    page = visit.page
    await enter(page, desk)
    await page.click(f"#take-{row.ticket_id}")
    await expect(page.locator("#band")).to_contain_text("not printed yet")

    # Keyboard only: the link, the question with name and birth date, the button.
    await page.keyboard.press("b")
    await page.keyboard.press("Enter")
    asked = page.locator("#asked")
    await expect(asked).to_contain_text("Huber, Anna")
    await expect(asked).to_contain_text("1980")
    await expect(page.locator("#print-band-button")).to_be_focused()
    desk.printer.set_speed(10.0)  # so slow that somebody can trip over the cable
    await page.keyboard.press("Enter")
    assert await asyncio.to_thread(desk.printer.wait_until_printing, WITHIN_S)
    await asyncio.to_thread(desk.printer.power_cycle)
    desk.printer.set_speed(None)

    # The page hears of it by itself, and asks.
    band = page.locator("#band")
    await expect(band).to_contain_text("not known whether it came out")
    await expect(band).to_contain_text("Did a band come out?")
    await expect(page.locator("#side .alerts")).to_contain_text("A1")
    assert desk.printer.sheets == ()
    await page.focus("#band-not-out-button")
    await page.keyboard.press("Enter")

    await expect(band).to_contain_text("Wristband 2")
    await expect(band).to_contain_text("printed, not on yet")
    await expect(band).to_contain_text("Band 1 is void")
    [sheet] = desk.printer.sheets
    assert b"100001/2" in sheet, "the new band has the next number"

    for button in ("#ask-put-band-on", "#put-band-on-button"):
        await page.focus(button)
        await page.keyboard.press("Enter")
    await expect(band).to_contain_text("on the patient")
    await expect(band).to_contain_text("anna.kurz put it on at")
    assert await desk.trail() == [
        ("staff:anna.kurz", "print-band"),
        ("staff:anna.kurz", "band-not-out"),
        ("staff:anna.kurz", "band-put-on"),
    ]
    states = [(s.copy, s.state) for s in await desk.rows(tables.sheet)]
    assert states == [(1, PrintState.VOID), (2, PrintState.PRINTED)]
    assert len(desk.printer.sheets) == 1
