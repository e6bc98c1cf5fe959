"""The secretaries' desk over HTTP and in a browser."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from kioskd.config import StoreConfig
from kioskd.news import News
from kioskd.records import tables
from kioskd.records.backend import Records
from kioskd.records.tables import SCHEMA
from kioskd.staff import Role, Staff
from kioskd.staff.tables import SCHEMA as STAFF_SCHEMA
from kioskd.store import Store, open_store
from kioskd.web.pages import Pages
from kioskd.web.records import records_app
from kioskd.web.server import serve
from kioskd.web.sign_in import StaffedSettings
from tests.fakes import Clock
from tests.records.samples import appointment, check_in, encounter, patient, practitioner
from tests.web.browser import DESK, Visit
from tests.web.conftest import OpenPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 11, 23, 8, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
NAMES = [("Núñez", ["Ana", "María"]), ("Öztürk", ["Ferdi"]), ("Meier", ["Anna"]), ("Čapek", ["Jan"])]


@dataclass
class Desk:
    """A running desk and what stands behind it."""

    url: str
    records: Records
    store: Store
    staff: Staff
    news: News
    clock: Clock

    async def arrive(self, number: int, start: str = "") -> None:
        """A person whose appointment is seeded checks in."""
        bundle = check_in(number)
        if start:
            bundle["entry"][0]["resource"] = encounter(number, start)
        await self.records.transaction(bundle, "client:hub")

    @asynccontextmanager
    async def enter(self, name: str = "petra", *roles: Role) -> AsyncIterator[httpx.AsyncClient]:
        """A browser without scripts in which ``name`` has signed in."""
        password = await self.staff.add_account(name, roles or [Role.SECRETARY], "system", is_permanent=True)
        own = {"origin": self.url}
        async with httpx.AsyncClient(base_url=self.url, headers=own, follow_redirects=True, timeout=30) as http:
            answer = await http.post("/sign-in", data={"name": name, "password": password})
            assert answer.status_code == (200 if not roles or set(roles) & {Role.SECRETARY, Role.ADMIN} else 403)
            yield http

    async def views(self) -> list[tuple[str, str, str]]:
        """Actor, action and subject of every view in the audit trail."""
        table = tables.audit
        query = table.select().where(table.c.action.like("desk.%")).order_by(table.c.sequence)
        rows = await self.store.read(lambda c: c.execute(query).all())
        return [(row.actor, row.action, row.subject) for row in rows]


def seed() -> list[dict[str, object]]:
    people = [
        patient(n, name=[{"use": "official", "family": family, "given": given}], birthDate=f"19{50 + n}-02-0{n}")
        for n, (family, given) in enumerate(NAMES, 1)
    ]
    return [practitioner(), *people, *(appointment(n, f"2026-11-23T09:{10 + n}:00+01:00") for n in range(1, 5))]


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    key_file = tmp_path / "store.key"
    key_file.touch(mode=0o600)
    key_file.write_text("0f" * 32)
    config = StoreConfig(folder=tmp_path / "data", key_file=key_file)
    news, clock = News(), Clock(NOW)
    async with open_store(SCHEMA, config) as store, open_store(STAFF_SCHEMA, config) as staff_store:
        records, staff = Records(store, news, BERLIN, now=clock), Staff(staff_store, clock)
        await records.seed(seed())
        app = records_app(records, staff, news, Pages(BERLIN), StaffedSettings(language="en"), "Praxis am Markt")
        async with serve(app, "127.0.0.1", 0) as address:
            yield Desk(address.url, records, store, staff, news, clock)
            news.end()


def rows_of(html: str) -> list[str]:
    """The names in the list, in order."""
    return [name.strip() for name in re.findall(r'class="name"[^>]*><a[^>]*>([^<]+)</a>', html)]


def form_token(html: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', html)
    assert found
    return found[1]


async def test_the_list_shows_the_day_in_order_of_arrival_and_the_view_is_audited(desk: Desk):
    await desk.arrive(2, "2026-11-23T08:50:00+01:00")
    await desk.arrive(1, "2026-11-23T08:40:00+01:00")
    async with desk.enter() as http:
        html = (await http.get("/")).text
    assert rows_of(html) == ["Núñez, Ana María", "Öztürk, Ferdi"]
    for text in ("8:40", "A1", "1 Feb 1951", "100001", "X000000001", "Dr. Lena Hart", "entrance", "Health card"):
        assert text in html
    assert "Checked in" in html
    assert ("staff:petra", "desk.list", "day/2026-11-23") in await desk.views()


async def test_a_day_is_the_clinics_own(desk: Desk):
    """It runs from 4 o'clock to 4 o'clock local time."""
    await desk.arrive(1, "2026-11-23T03:59:59+01:00")
    await desk.arrive(2, "2026-11-23T04:00:00+01:00")
    await desk.arrive(3, "2026-11-24T03:59:59+01:00")
    async with desk.enter() as http:
        assert rows_of((await http.get("/?day=2026-11-22")).text) == ["Núñez, Ana María"]
        assert rows_of((await http.get("/?day=2026-11-23")).text) == ["Öztürk, Ferdi", "Meier, Anna"]
        assert "No check-ins on this day" in (await http.get("/?day=2026-11-24")).text
        assert rows_of((await http.get("/?day=tomorrow")).text) == ["Öztürk, Ferdi", "Meier, Anna"]


async def test_columns_sort_in_both_directions(desk: Desk):
    for number in (1, 2, 3, 4):
        await desk.arrive(number)
    async with desk.enter() as http:
        up = rows_of((await http.get("/?sort=name")).text)
        down = rows_of((await http.get("/?sort=born&order=down")).text)
    assert up == ["Čapek, Jan", "Meier, Anna", "Núñez, Ana María", "Öztürk, Ferdi"]
    assert down == ["Čapek, Jan", "Meier, Anna", "Öztürk, Ferdi", "Núñez, Ana María"]


async def test_without_scripts_the_filter_is_posted_and_stands_in_no_address(desk: Desk):
    for number in (1, 2, 3):
        await desk.arrive(number)
    async with desk.enter() as http:
        token = form_token((await http.get("/")).text)
        found = await http.post("/", data={"form_token": token, "day": "2026-11-23", "words": "nunez x0000"})
        assert rows_of(found.text) == ["Núñez, Ana María"]
        assert not found.url.query
        assert "nunez" not in "".join(re.findall(r'(?:href|action|connect)="([^"]*)"', found.text))
        nobody = await http.post("/", data={"form_token": token, "words": "huber"})
        assert rows_of(nobody.text) == []
        assert "No check-in of this day matches" in nobody.text


async def test_the_list_can_be_saved_as_csv_and_that_is_audited(desk: Desk):
    await desk.records.put(
        "Patient", "p1", patient(1, name=[{"family": '=HYPERLINK("x")', "given": ["Ana"]}]), "system"
    )
    await desk.arrive(1)
    async with desk.enter() as http:
        token = form_token((await http.get("/")).text)
        answer = await http.post("/export", data={"form_token": token, "day": "2026-11-23"})
        assert (await http.post("/export", data={"day": "2026-11-23"})).status_code == 403
    assert answer.headers["content-disposition"] == 'attachment; filename="check-ins-2026-11-23.csv"'
    heading, row = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert heading[:3] == ["Arrived at", "Ticket", "Family name"]
    assert row[:5] == ["2026-11-23T09:02:11+01:00", "A1", '\'=HYPERLINK("x")', "Ana", "1980-02-03"]
    assert row[-3:-1] == ["arrived", "checked-in"]
    assert ("staff:petra", "desk.export", "day/2026-11-23") in await desk.views()


async def test_a_check_in_is_told_in_plain_words_with_what_is_stored(desk: Desk):
    await desk.arrive(1)
    desk.clock.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    await desk.records.put("Patient", "p1", patient(1, telecom=[{"system": "phone", "value": "030 1"}]), "staff:petra")
    visit = encounter(1)
    async with desk.enter() as http:
        answer = await http.get(f"/check-in/{visit['id']}")
        assert (await http.get("/check-in/nobody")).status_code == 404
        assert (await http.get("/check-in/%00")).status_code == 404
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))
    for line in ("was Booked, is Checked in", "entered: Arrived", "changed:", "front desk", "petra"):
        assert line in text
    assert "&#34;resourceType&#34;: &#34;Encounter&#34;" in answer.text
    title = re.search(r"<title>([^<]*)</title>", answer.text)
    assert title
    assert title[1] == "Check-in A1 – Praxis am Markt"
    assert ("staff:petra", "desk.check-in", f"Encounter/{visit['id']}") in await desk.views()


async def test_what_the_record_does_not_say_is_shown_as_missing(desk: Desk):
    bare = {"resourceType": "Encounter", "id": "bare", "status": "arrived", "class": {"code": "AMB"}}
    await desk.records.put("Encounter", "bare", bare | {"period": {"start": "2026-11-23T09:00:00Z"}}, "client:hub")
    async with desk.enter() as http:
        html = (await http.get("/")).text
        detail = (await http.get("/check-in/bare")).text
    assert rows_of(html) == ["Patient not in the record"]
    assert "not in the record" in detail


async def test_only_secretaries_and_admins_come_in(desk: Desk):
    await desk.arrive(1)
    async with httpx.AsyncClient(base_url=desk.url) as stranger:
        for path in ("/", "/live", f"/check-in/{encounter(1)['id']}"):
            answer = await stranger.get(path)
            assert answer.status_code in {303, 401}
            assert "Núñez" not in answer.text
    async with desk.enter("rita", Role.RECEPTIONIST, Role.CLINICIAN) as http:
        assert "Núñez" not in (await http.get("/")).text
    async with desk.enter("adam", Role.ADMIN) as http:
        assert "Núñez" in (await http.get("/")).text
    assert {actor for actor, _, _ in await desk.views()} == {"staff:adam"}


# --- in a browser ------------------------------------------------------------------------------------------------


async def enter_page(desk: Desk, open_page: OpenPage, **options: object) -> Visit:
    password = await desk.staff.add_account("petra", [Role.SECRETARY], "system", is_permanent=True)
    visit = await open_page(f"{desk.url}/sign-in", viewport=DESK, locale="en-GB", **options)
    await visit.page.fill("#name", "petra")
    await visit.page.fill("#password", password)
    await visit.page.click("main button")
    await visit.page.wait_for_url(f"{desk.url}/")
    return visit


async def test_a_new_check_in_appears_by_itself_and_the_filter_holds(desk: Desk, open_page: OpenPage):
    visit = await enter_page(desk, open_page)
    page = visit.page
    await expect(page.get_by_text("No check-ins on this day")).to_be_visible()
    await desk.arrive(1)
    await expect(page.get_by_role("link", name="Núñez, Ana María")).to_be_visible()
    await expect(page.locator("tr[data-new]")).to_have_count(1)
    await page.fill("#words", "OZTURK")
    await expect(page.get_by_text("No check-in of this day matches")).to_be_visible()
    await desk.arrive(2)
    await expect(page.get_by_role("link", name="Öztürk, Ferdi")).to_be_visible()
    await expect(page.get_by_role("link", name="Núñez, Ana María")).to_be_hidden()
    await expect(page.get_by_text("1 shown")).to_be_visible()
    await page.get_by_role("link", name="Patient", exact=True).click()
    await expect(page.locator("th.name[aria-sort=ascending]")).to_be_visible()
    await expect(page.locator("#words")).to_have_value("OZTURK")
    assert page.url == f"{desk.url}/"
    actions = {action for _, action, _ in await desk.views()}
    assert actions == {"desk.list", "desk.live"}


async def test_a_change_of_the_appointment_is_shown_by_itself(desk: Desk, open_page: OpenPage):
    await desk.arrive(1)
    visit = await enter_page(desk, open_page)
    await expect(visit.page.locator("td.status")).to_contain_text("Checked in")
    done = appointment(1, "2026-11-23T09:11:00+01:00", status="fulfilled")
    await desk.records.put("Appointment", "a1", done, "client:ehr")
    await expect(visit.page.locator("td.status")).to_contain_text("Fulfilled")


async def test_nothing_of_a_patient_stays_when_the_session_is_over(desk: Desk, open_page: OpenPage):
    visit = await enter_page(desk, open_page)
    page = visit.page
    await desk.arrive(1)  # shown by the stream, so the stream is there
    await page.fill("#words", "nunez")
    await expect(page.get_by_role("link", name="Núñez, Ana María")).to_be_visible()
    await sign_out(desk, visit)
    await desk.arrive(2)
    await expect(page.get_by_text("You were signed out")).to_be_visible()
    assert "Núñez" not in await page.content()
    await expect(page.locator("#words")).to_have_value("")
    await visit.assert_accessible()


async def test_nothing_of_a_patient_stays_when_the_session_was_over_before_the_stream_began(
    desk: Desk, open_page: OpenPage
):
    await desk.arrive(1)
    visit = await enter_page(desk, open_page)
    page = visit.page

    async def too_late(route: Route) -> None:
        await sign_out(desk, visit)
        await route.continue_()

    await page.route("**/live?*", too_late)
    await page.reload()
    await expect(page.get_by_text("You were signed out")).to_be_visible()
    assert "Núñez" not in await page.content()
    assert all("401" in trouble for trouble in visit.troubles), visit.troubles
    visit.troubles.clear()


async def test_nothing_of_a_patient_stays_when_the_session_ended_while_the_stream_was_away(
    desk: Desk, open_page: OpenPage
):
    visit = await enter_page(desk, open_page)
    await desk.arrive(1)
    await expect(visit.page.locator("tbody tr")).to_have_count(1)
    await sign_out(desk, visit)
    desk.news.end()  # streams end with the news; what connects again finds no session
    await visit.page.wait_for_url("**/sign-in")
    assert "Núñez" not in await visit.page.content()
    assert all("401" in trouble for trouble in visit.troubles), visit.troubles
    visit.troubles.clear()


async def sign_out(desk: Desk, visit: Visit) -> None:
    """End the session of a page behind its back."""
    (cookie,) = await visit.context.cookies()
    await desk.staff.sign_out(cookie["value"])


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"forced_colors": "active"}], ids=str)
async def test_every_page_is_accessible(desk: Desk, open_page: OpenPage, options: dict[str, object]):
    visit = await enter_page(desk, open_page, **options)
    await visit.assert_accessible()
    for number in (1, 2, 3, 4):
        await desk.arrive(number)
    await expect(visit.page.locator("tbody tr")).to_have_count(4)
    await visit.assert_accessible()
    await visit.page.fill("#words", "nobody of that name")
    await visit.assert_accessible()
    await visit.page.fill("#words", "")
    await visit.page.get_by_role("link", name="Meier, Anna").click()
    await visit.page.locator("summary").first.click()
    await visit.assert_accessible()


async def test_the_list_never_makes_the_page_scroll_sideways(desk: Desk, open_page: OpenPage):
    for number in (1, 2, 3, 4):
        await desk.arrive(number)
    visit = await enter_page(desk, open_page)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    for width in (1440, 1024, 640):
        await visit.page.set_viewport_size({"width": width, "height": 900})
        assert not await visit.page.evaluate(wide), width
    await visit.page.evaluate("document.documentElement.dataset.text = 'largest'")
    assert not await visit.page.evaluate(wide)


async def test_the_stream_ends_when_the_daemon_stops(desk: Desk):
    async with desk.enter() as http, http.stream("GET", "/live") as stream:
        chunks = stream.aiter_bytes()
        assert b"No check-ins" in await anext(chunks)
        desk.news.end()
        async with asyncio.timeout(5):
            assert [chunk async for chunk in chunks] == []
