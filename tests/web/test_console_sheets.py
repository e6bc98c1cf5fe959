"""The console's buttons for wristbands and tickets: every state in words, forms that work without a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.hub import tables
from kioskd.hub.sheet_view import PrinterName
from kioskd.hub.view import QueueRow
from kioskd.staff import Role
from tests.web.band_desk import BandDesk, band_desk
from tests.web.browser import DESK
from tests.web.conftest import OpenPage
from tests.web.console_rig import token_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

BAND, TICKET = SheetKind.WRISTBAND, SheetKind.TICKET
BANDS = PrinterName("entrance", "bands")


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator[BandDesk]:
    async with band_desk(tmp_path, has_station=False) as made:
        await made.device("bands", "wristband-printer", is_staff_side=True, place="Desk left")
        await made.device("tickets", "ticket-printer", place="Entrance")
        yield made


async def signed_in(desk: BandDesk, client: httpx.AsyncClient, name: str = "anna.kurz", password: str = "") -> None:
    answer = await client.post("/sign-in", data={"name": name, "password": password or desk.password})
    assert answer.status_code == 303


async def press(client: httpx.AsyncClient, row: QueueRow, name: str, **fields: object) -> httpx.Response:
    """A command as a browser without a script sends it."""
    data = {"form_token": token_of(client), "ticket": str(row.ticket_id)} | {k: str(v) for k, v in fields.items()}
    return await client.post(f"/tickets/{row.ticket_id}/{name}", data=data, follow_redirects=True)


async def shown(client: httpx.AsyncClient, ticket: UUID, ask: str = "") -> str:
    return (await client.get(f"/?ticket={ticket}" + (f"&ask={ask}" if ask else ""))).text


async def test_every_state_of_a_band_has_words_and_the_buttons_that_fit(desk: BandDesk) -> None:
    row = await desk.check_in()
    async with desk.client() as client:
        await signed_in(desk, client)

        async def has(*wanted: str, but: tuple[str, ...] = ()) -> None:
            text = await shown(client, row.ticket_id)
            assert [words for words in wanted if words not in text] == []
            assert [words for words in but if words in text] == []

        await has("Wristband 1", "not printed yet", "Print band", but=("Band is on", "New band"))
        await desk.desk.sheets.print_band(row.ticket_id, 1, BANDS, "bert")
        await has("waits for the printer’s station", "bert ordered it at", "Printer: Desk left", but=("Print band",))
        await desk.said(row, BAND, PrintState.QUEUED, cause=Cause.PAPER_OUT)
        await has("paper is out", but=("Print band", "Band is on"))
        await desk.said(row, BAND, PrintState.SENT)
        await has("is being printed")
        await desk.said(row, BAND, PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST)
        await has("Did a band come out?", "No: print a new one", but=("Print band", "Band is on"))
        await desk.desk.sheets.band_did_not_come_out(row.ticket_id, 1, BANDS, "bert")
        await has("Wristband 2", "Band 1 is void; it did not come out.", but=("Did a band come out?",))
        await desk.said(row, BAND, PrintState.PRINTED, proof=ProofKind.ODOMETER)
        await has("a void band came out after all", "Band 1 is void. Destroy it.")
        await desk.said(row, BAND, PrintState.PRINTED, 2, proof=ProofKind.ODOMETER)
        await has("printed, not on yet", "the printer counted it", "Band is on", "New band")
        await desk.desk.sheets.put_band_on(row.ticket_id, 2, "berta")
        await has("on the patient", "berta put it on at", "New band", but=("Band is on",))


async def test_what_is_compared_is_shown_before_a_band_is_printed_or_put_on(desk: BandDesk) -> None:
    row = await desk.check_in(1, "Nguyễn", "Thị Minh")
    async with desk.client() as client:
        await signed_in(desk, client)
        asked = await shown(client, row.ticket_id, "print-band")
        question = asked[asked.index('id="asked"') : asked.index('id="band"')]
        assert "Nguyễn, Thị Minh" in question
        assert "3 February 1980" in question
        assert "Printer: Desk left" in question
        assert "noscript" not in asked, "a page that loads itself again would forget what was chosen"
        page = await press(client, row, "print-band", copy=1, printer="entrance/bands")
        assert "The wristband of A1 is ordered." in page.text
        [order] = await desk.site.orders("entrance")
        assert order.patient is not None
        assert order.patient.family == "Nguyễn"
        assert 'id="asked"' not in await shown(client, row.ticket_id, "print-band"), "asked once more for nothing"
    assert await desk.trail() == [("staff:anna.kurz", "print-band")]


async def test_a_refusal_says_why_and_shows_the_present_state(desk: BandDesk) -> None:
    row = await desk.check_in()
    async with desk.client() as client:
        await signed_in(desk, client)
        await desk.desk.sheets.print_band(row.ticket_id, 1, BANDS, "bert")
        refused = await press(client, row, "print-band", copy=1, printer="entrance/bands")
        assert refused.status_code == 409
        assert "This band is ordered already, or at its printer" in refused.text
        assert "bert ordered it at" in refused.text
        gone = await press(client, row, "put-band-on", copy=3)
        assert "A newer band has taken its place" in gone.text
    assert len(await desk.rows(tables.print_order)) == 1


async def test_forms_that_make_no_sense_are_refused(desk: BandDesk) -> None:
    row = await desk.check_in()
    async with desk.client() as client:
        await signed_in(desk, client)
        for name, fields in (
            ("print-band", {"copy": 1, "printer": "bands"}),
            ("print-band", {"copy": "one", "printer": "entrance/bands"}),
            ("print-band", {"printer": "entrance/bands"}),
            ("new-band", {"copy": 1, "printer": "entrance/bands", "reason": "because"}),
            ("came-out", {"copy": 1, "kind": "passport"}),
            ("ticket-again", {"copy": "1" * 9, "printer": "entrance/tickets", "reason": "lost"}),
        ):
            assert (await press(client, row, name, **fields)).status_code == 400, (name, fields)
    assert await desk.trail() == []


async def test_a_clinician_prints_bands_and_a_secretary_does_not_get_in(desk: BandDesk) -> None:
    row = await desk.check_in()
    clinician, secretary = await desk.add("dr.weber", Role.CLINICIAN), await desk.add("s.amt", Role.SECRETARY)
    async with desk.client() as client:
        await signed_in(desk, client, "dr.weber", clinician)
        await press(client, row, "print-band", copy=1, printer="entrance/bands")
    assert await desk.trail() == [("staff:dr.weber", "print-band")]
    async with desk.client() as client:
        assert (await client.post("/sign-in", data={"name": "s.amt", "password": secretary})).status_code == 403
        answer = await client.post(f"/tickets/{row.ticket_id}/print-band", data={"copy": 1})
        assert answer.status_code in {303, 401, 403}
    assert len(await desk.trail()) == 1


async def test_a_ticket_is_printed_again_with_a_reason_and_a_mark_in_the_trail(desk: BandDesk) -> None:
    row = await desk.check_in()
    await desk.said(row, TICKET, PrintState.PRINTED, proof=ProofKind.COMPLETION)
    async with desk.client() as client:
        await signed_in(desk, client)
        assert "Print ticket again" in await shown(client, row.ticket_id)
        asked = await shown(client, row.ticket_id, "ticket-again")
        assert "The new ticket is marked as a copy." in asked
        page = await press(
            client, row, "ticket-again", copy=1, reason="lost", words="ins Klo gefallen", printer="entrance/tickets"
        )
        assert "A copy of the ticket A1 is ordered." in page.text
        assert "waits for the printer’s station" in page.text
    [entry] = [e for e in await desk.rows(tables.audit) if e.action == "ticket-again"]
    assert (entry.actor, entry.detail["reason"]) == ("staff:anna.kurz", "lost: ins Klo gefallen")


async def test_without_a_printer_that_is_known_nothing_is_offered(tmp_path: Path) -> None:
    async with band_desk(tmp_path, has_station=False) as desk, desk.client() as client:
        row = await desk.check_in()
        await signed_in(desk, client)
        text = await shown(client, row.ticket_id)
        assert "No wristband printer has reported itself." in text
        assert "ask=print-band" not in text
        assert "ask=ticket-again" not in text


async def test_staff_choose_among_their_own_printers_and_the_one_that_works_comes_first(desk: BandDesk) -> None:
    await desk.device("kiosk-bands", "wristband-printer", place="Kiosk")
    await desk.device("bands", "wristband-printer", is_staff_side=True, place="Desk left", state="unavailable")
    await desk.device("other", "wristband-printer", is_staff_side=True, place="Desk right")
    row = await desk.check_in()
    async with desk.client() as client:
        await signed_in(desk, client)
        text = await shown(client, row.ticket_id, "print-band")
        choice = text[text.index("<select") : text.index("</select>")]
        assert choice.index("Desk right") < choice.index("Desk left (not reachable)")
        assert "Kiosk" not in choice


async def test_a_ticket_that_staff_deny_is_asked_for_no_more_and_can_be_printed_again(desk: BandDesk) -> None:
    row = await desk.check_in()
    await desk.said(row, TICKET, PrintState.UNKNOWN, cause=Cause.NOT_CONFIRMED)
    async with desk.client() as client:
        await signed_in(desk, client)
        assert "It came out" in await shown(client, row.ticket_id)
        await press(client, row, "ticket-again", copy=1, reason="not-out", printer="entrance/tickets")
        text = await shown(client, row.ticket_id)
        assert "It came out" not in text
        assert "Print again" not in text
        assert "staff saw none come out" in text


async def test_the_questions_are_there_in_german(tmp_path: Path) -> None:
    async with band_desk(tmp_path, "de", has_station=False) as desk, desk.client() as client:
        await desk.device("bands", "wristband-printer", is_staff_side=True)
        row = await desk.check_in()
        await desk.said(row, BAND, PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST)
        await signed_in(desk, client)
        text = await shown(client, row.ticket_id)
        assert "Kam ein Armband heraus?" in text
        refused = await press(client, row, "put-band-on", copy=1)
        assert "Dieses Armband ist nicht herausgekommen" in refused.text


# --- in a browser --------------------------------------------------------------------------------------------------


async def enter(page: Page, desk: BandDesk) -> None:
    await page.fill("#name", "anna.kurz")
    await page.fill("#password", desk.password)
    await page.click("main button")
    await page.wait_for_selector("#queue")


async def test_what_is_being_typed_stays_while_the_page_is_refreshed(desk: BandDesk, open_page: OpenPage) -> None:
    row, other = await desk.check_in(), await desk.check_in(2, "Kowalski", "Jan")
    await desk.said(row, TICKET, PrintState.PRINTED, proof=ProofKind.COMPLETION)
    await desk.device("tickets-2", "ticket-printer", place="Ward")
    page = (await open_page(desk.url, viewport=DESK)).page
    await enter(page, desk)
    await page.click(f"#take-{row.ticket_id}")
    await page.wait_for_selector("#ask-ticket-again")
    await page.keyboard.press("t")
    await page.keyboard.press("Enter")
    await expect(page.locator("#ticket-reason-not-out")).to_be_focused()
    await page.check("#ticket-reason-other")
    await page.select_option("#ticket-again-printer", "entrance/tickets-2")
    await page.fill("#ticket-words", "the dog ate it")
    await desk.said(other, BAND, PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST)  # somebody else's, by the stream
    await expect(page.locator("#side .alerts")).to_contain_text("A2: Wristband")
    await expect(page.locator("#ticket-words")).to_have_value("the dog ate it")
    await expect(page.locator("#ticket-words")).to_be_focused()
    await expect(page.locator("#ticket-reason-other")).to_be_checked()
    await expect(page.locator("#ticket-again-printer")).to_have_value("entrance/tickets-2")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("A copy of the ticket A1 is ordered.")
    [order] = await desk.rows(tables.print_order)
    assert (order.device, order.reason) == ("tickets-2", "other: the dog ate it")


async def test_a_question_goes_when_it_is_taken_back_or_somebody_else_was_faster(
    desk: BandDesk, open_page: OpenPage
) -> None:
    row = await desk.check_in()
    page = (await open_page(desk.url, viewport=DESK)).page
    await enter(page, desk)
    await page.goto(f"{desk.url}/?ticket={row.ticket_id}&ask=print-band")
    await expect(page.locator("#asked")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#asked")).to_have_count(0)
    assert await desk.trail() == []
    await page.focus("#ask-print-band")
    await page.keyboard.press("Enter")
    await expect(page.locator("#print-band-button")).to_be_focused()
    await desk.desk.sheets.print_band(row.ticket_id, 1, BANDS, "bert")
    await expect(page.locator("#band")).to_contain_text("bert ordered it at")
    await expect(page.locator("#asked")).to_have_count(0)


async def test_an_alert_is_answered_with_somebody_else_in_hand(desk: BandDesk, open_page: OpenPage) -> None:
    row, other = await desk.check_in(), await desk.check_in(2, "Kowalski", "Jan")
    await desk.said(other, BAND, PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST)
    page = (await open_page(desk.url, viewport=DESK)).page
    await enter(page, desk)
    await page.goto(f"{desk.url}/?ticket={row.ticket_id}")
    await page.focus("#alert-A2-band-came-out-button")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("Noted: the sheet of A2 came out.")
    await expect(page.locator("#person-name")).to_contain_text("Huber")
    await expect(page.locator(f"#row-{other.ticket_id}")).to_contain_text("printed, not on yet")


@pytest.mark.parametrize("look", [{"color_scheme": "dark"}, {"forced_colors": "active"}], ids=["dark", "forced"])
async def test_every_question_is_accessible(desk: BandDesk, open_page: OpenPage, look: dict[str, str]) -> None:
    await desk.device("bands-2", "wristband-printer", is_staff_side=True)
    due, lost, on = [await desk.check_in(number) for number in (1, 2, 3)]
    await desk.said(lost, BAND, PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST)
    await desk.said(lost, TICKET, PrintState.UNKNOWN, cause=Cause.NOT_CONFIRMED)
    await desk.said(on, BAND, PrintState.PRINTED, proof=ProofKind.ODOMETER)
    visit = await open_page(desk.url, viewport=DESK, **look)
    await enter(visit.page, desk)
    for row, ask in ((lost, "ticket-again"), (on, "new-band"), (due, "print-band")):
        await visit.page.goto(f"{desk.url}/?ticket={row.ticket_id}&ask={ask}")
        await expect(visit.page.locator("#asked")).to_have_count(1 if ask else 0)
        await visit.assert_accessible()
