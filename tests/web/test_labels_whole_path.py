"""Labels, and bands for who has no name yet, from the console's forms to paper: in a real browser, to real bytes."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
import zxingcpp
from PIL import Image
from playwright.async_api import expect

from drivers.zpl.virtual_picture import sheet_png
from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.hub.sheet_view import LabelWish, PrinterName
from kioskd.hub.view import QueueRow
from kioskd.ports import HelpRequest
from tests.web.band_desk import DPI, LABELS, PRINTER, STATION, BandDesk, band_desk, now, printer_is_known
from tests.web.browser import DESK
from tests.web.conftest import OpenPage
from tests.web.test_console_sheets import enter, press, shown, signed_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT = f"{STATION}/{PRINTER}"
SPECIMEN = SheetKind.SPECIMEN_LABEL


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator[BandDesk]:
    """It outlives the page, which would complain of a server that is gone."""
    async with band_desk(tmp_path) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def told(tmp_path: Path) -> AsyncIterator[BandDesk]:
    """Printers of which the hub has only been told."""
    async with band_desk(tmp_path, has_station=False) as made:
        await made.device("bands", "wristband-printer", is_staff_side=True, place="Desk left")
        await made.device("labels", "label-printer", is_staff_side=True, place="Laboratory")
        yield made


async def nobody(desk: BandDesk, number: str = "D1") -> QueueRow:
    """Somebody whom nobody has identified."""
    await desk.site.ask_for_help(HelpRequest(uuid4(), "entrance", now(), Reason.ASKED_FOR_HELP, "en"))
    return await desk.row(number)


def codes(sheet: bytes) -> set[str]:
    """What a camera reads on the sheet that came out."""
    picture = Image.open(io.BytesIO(sheet_png(sheet, DPI))).convert("RGBA").convert("L")
    return {code.text for code in zxingcpp.read_barcodes(picture)}


async def test_labels_go_from_the_keyboard_to_paper(desk: BandDesk, open_page: OpenPage) -> None:
    await printer_is_known(desk, LABELS)
    row = await desk.check_in()
    page = (await open_page(desk.url, viewport=DESK)).page
    await enter(page, desk)
    await page.click(f"#take-{row.ticket_id}")
    await page.wait_for_selector("#ask-print-labels")
    await page.keyboard.press("l")
    await page.keyboard.press("Enter")
    await expect(page.locator("#asked")).to_contain_text("Huber, Anna")
    await expect(page.locator("#label-specimen-label")).to_be_focused()
    await page.keyboard.press("Space")
    await page.fill("#label-count", "3")
    await page.fill("#label-text", "Serum")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("Labels for A1 are ordered.")
    await expect(page.locator("#labels")).to_contain_text("3 × Specimen label: printed")
    assert len(desk.labels.sheets) == 3
    assert all(codes(sheet) == {"100001"} for sheet in desk.labels.sheets)
    assert all(b"Serum" in sheet and b"HUBER" in sheet and b"03-Feb-1980" in sheet for sheet in desk.labels.sheets)
    assert desk.printer.sheets == (), "no band"
    assert await desk.trail() == [("staff:anna.kurz", "print-labels")]


async def test_a_newborn_gets_a_band_on_its_mothers_visit(desk: BandDesk) -> None:
    await printer_is_known(desk)
    row = await desk.check_in()
    local = now().astimezone(ZoneInfo("Europe/Berlin"))
    born = {"born-on": f"{local:%Y-%m-%d}", "born-at": f"{local:%H:%M}", "birth-order": 1, "births": 2}
    async with desk.client() as client:
        await signed_in(desk, client)
        page = await press(client, row, "band-for-newborn", printer=AT, **{"record-number": "200001"} | born)
        assert "Child 1 of 2, born" in page.text
        assert 'id="band-1"' in page.text
        assert "not printed yet" in page.text, "the mother's own band stays what it was"
        [sheet] = await desk.printed(1)
    assert codes(sheet) == {"200001/1"}
    assert b"Baby 1/2 of HUBER" in sheet
    assert b"Mother 100 001" in sheet
    assert await desk.trail() == [("staff:anna.kurz", "band-for-newborn")]


async def test_an_unknown_person_and_a_similar_name_are_printed_from_plain_forms(desk: BandDesk) -> None:
    await printer_is_known(desk)
    known, unknown = await desk.check_in(), await nobody(desk)
    async with desk.client() as client:
        await signed_in(desk, client)
        page = await press(client, known, "print-band", copy=1, printer=AT, **{"is-name-similar": "yes"})
        assert "It warns of a similar name." in page.text
        page = await press(client, unknown, "band-for-unknown", printer=AT, sex="male", **{"record-number": "300001"})
        assert "Unknown male, arrived" in page.text
        first, second = await desk.printed(2)
    assert [b"^GFA" in sheet for sheet in (first, second)] == [True, False], "the warning is drawn, white on black"
    assert codes(first) == {"100001/1"}
    assert b"Unknown male" in second
    assert codes(second) == {"300001/1"}


# --- the forms ----------------------------------------------------------------------------------------------------


async def test_what_can_be_printed_for_whom_is_offered(told: BandDesk) -> None:
    known, unknown = await told.check_in(), await nobody(told)
    links = ("ask=print-labels", "ask=band-for-unknown", "ask=band-for-newborn")
    async with told.client() as client:
        await signed_in(told, client)
        text = await shown(client, known.ticket_id)
        assert [link in text for link in links] == [True, False, True]
        text = await shown(client, unknown.ticket_id)
        assert [link in text for link in links] == [False, True, False]
        for ask in ("print-labels", "band-for-newborn", "print-band", "print-band-1"):
            assert 'id="asked"' not in await shown(client, unknown.ticket_id, ask), ask
        labels = await shown(client, known.ticket_id, "print-labels")
        assert "Printer: Laboratory" in labels
        assert "noscript" not in labels, "a page that loads itself again would forget what was typed"


REFUSED: tuple[tuple[str, dict[str, object], str], ...] = (
    ("print-labels", {"kind": "specimen-label", "count": 11, "ordered": 0}, "1 to 10 labels can be ordered"),
    ("print-labels", {"kind": "specimen-label", "count": 1, "ordered": 3}, "Labels were ordered meanwhile"),
    ("print-labels", {"kind": "document-label", "count": 1, "ordered": 0, "title": "x" * 41}, "At most 40"),
    ("band-for-unknown", {"record-number": "300001", "sex": "male"}, "The records know this person"),
    (
        "band-for-newborn",
        {"record-number": "2", "born-on": "24.11.2026", "born-at": "8", "birth-order": 1, "births": 1},
        "The birth must be in the last 28 days",
    ),
    (
        "band-for-newborn",
        {"record-number": "2", "born-on": "2026-11-24", "born-at": "08:40", "birth-order": 3, "births": 2},
        "The order of birth does not fit",
    ),
    ("label-not-out", {"kind": "specimen-label", "copy": 1}, "Another sheet was made meanwhile"),
)
SENSELESS: tuple[tuple[str, dict[str, object]], ...] = (
    ("print-labels", {"kind": "passport", "count": 1, "ordered": 0}),
    ("print-labels", {"kind": "specimen-label", "count": "many", "ordered": 0}),
    ("band-for-unknown", {"record-number": "3", "sex": "?"}),
    ("label-not-out", {"kind": "specimen-label", "copy": "one"}),
)


async def test_a_refusal_says_why_and_forms_that_make_no_sense_are_refused(told: BandDesk) -> None:
    row = await told.check_in()
    async with told.client() as client:
        await signed_in(told, client)
        for name, fields, why in REFUSED:
            printer = "entrance/labels" if name == "print-labels" else "entrance/bands"
            answer = await press(client, row, name, printer=printer, **fields)
            assert (answer.status_code, why in answer.text) == (409, True), why
        for name, fields in SENSELESS:
            answer = await press(client, row, name, printer="entrance/labels", **fields)
            assert answer.status_code == 400, (name, fields)
    assert await told.trail() == []


async def test_a_label_of_which_nobody_can_tell_is_asked_for_and_answered(told: BandDesk) -> None:
    row = await told.check_in()
    await told.desk.sheets.print_labels(
        row.ticket_id, LabelWish(SPECIMEN, 2), 0, PrinterName("entrance", "labels"), "bert"
    )
    await told.said(row, SPECIMEN, PrintState.PRINTED, 1, proof=ProofKind.ODOMETER)
    await told.said(row, SPECIMEN, PrintState.UNKNOWN, 2, cause=Cause.CONNECTION_LOST)
    async with told.client() as client:
        await signed_in(told, client)
        text = await shown(client, row.ticket_id)
        assert "Did a label come out?" in text
        assert f'id="alert-A1-{SPECIMEN}-2-came-out-button"' in text
        page = await press(client, row, "label-not-out", kind=SPECIMEN, copy=2)
        assert "Noted: the label of A1 did not come out." in page.text
        assert "Did a label come out?" not in page.text
        assert "staff saw none come out" in page.text


@pytest.mark.parametrize("look", [{"color_scheme": "dark"}, {"forced_colors": "active"}], ids=["dark", "forced"])
async def test_every_form_is_accessible(told: BandDesk, open_page: OpenPage, look: dict[str, str]) -> None:
    row, unknown = await told.check_in(), await nobody(told)
    await told.desk.sheets.print_labels(
        row.ticket_id, LabelWish(SPECIMEN, 2), 0, PrinterName("entrance", "labels"), "bert"
    )
    await told.said(row, SPECIMEN, PrintState.UNKNOWN, 2, cause=Cause.CONNECTION_LOST)
    visit = await open_page(told.url, viewport=DESK, **look)
    await enter(visit.page, told)
    for who, ask in (
        (row, "print-labels"),
        (row, "band-for-newborn"),
        (row, "print-band"),
        (unknown, "band-for-unknown"),
        (row, ""),
    ):
        await visit.page.goto(f"{told.url}/?ticket={who.ticket_id}" + (f"&ask={ask}" if ask else ""))
        await expect(visit.page.locator("#asked")).to_have_count(1 if ask else 0)
        await visit.assert_accessible()
