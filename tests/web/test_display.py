"""The waiting room's screen in a real Chromium, on a real mosquitto."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.async_api import Route, expect

from kioskd.bus.connection import Bus, open_bus
from kioskd.bus.displays import DisplayDestination
from kioskd.bus.topics import SiteTopics, display_state
from kioskd.core.display import Call, Snapshot
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.web.display import DisplayArea, DisplaySettings, broker_origin, display_app
from kioskd.web.pages import Pages
from kioskd.web.server import serve
from tests.web.browser import LANDSCAPE, PORTRAIT, Visit
from tests.web.conftest import OpenPage
from ui import FOLDER

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOPICS = SiteTopics("praxis")
WITHIN_S = 10.0
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass
class Site:
    """A hub's side of one waiting area: what it publishes is what displays must show."""

    broker: PrivateMosquitto
    bus: Bus
    url: str
    displays: DisplayDestination
    picture: Snapshot
    open_page: OpenPage
    visits: list[Visit] = field(default_factory=list)

    async def visit(self, query: str = "", **options: object) -> Visit:
        """A display; it is switched off before the broker is, so that it has nothing to complain about."""
        self.visits.append(await self.open_page(self.url + query, **options))
        return self.visits[-1]

    async def publish(self, *calls: Call, **changes: object) -> None:
        now = datetime.now(UTC)
        version = self.picture.version + 1
        self.picture = replace(self.picture, **{"version": version, "at": now, "calls": calls, **changes})
        await self.displays.publish_all(["main"])

    async def snapshot(self, _area: str) -> Snapshot:
        return self.picture


@asynccontextmanager
async def a_site(
    folder: Path, open_page: OpenPage, *, old_after_s: int = 15, language: str = "de", waiting_count: int = 0
) -> AsyncIterator[Site]:
    broker = PrivateMosquitto(folder / "broker", "praxis")
    picture = Snapshot("main", "Wartebereich 1", 1, 1, datetime.now(UTC), (), waiting_count)
    app = display_app(_settings(broker, old_after_s=old_after_s, language=language), Pages(BERLIN))
    async with broker, open_bus(broker.address) as bus, serve(app, "127.0.0.1", 0) as address:
        await _up(bus)
        site = Site(broker, bus, f"{address.url}/main", None, picture, open_page)  # type: ignore[arg-type]
        site.displays = DisplayDestination(bus, "praxis", site.snapshot, valid_for_s=old_after_s, beat_every_s=0.5)
        try:
            yield site
        finally:
            for visit in site.visits:
                await visit.context.close()


def _settings(broker: PrivateMosquitto, *, old_after_s: float = 15, language: str = "de") -> DisplaySettings:
    return DisplaySettings(
        site_name="Praxis am Markt",
        language=language,
        time_zone="Europe/Berlin",
        areas={
            "main": DisplayArea("Wartebereich 1", TOPICS.display_state("main")),
            "x-ray": DisplayArea("Röntgen", TOPICS.display_state("x-ray")),
        },
        broker_url=broker.web_url,
        broker_user=broker.display.user,
        broker_password=broker.display.password,
        old_after_s=old_after_s,
    )


async def _up(bus: Bus) -> None:
    async with asyncio.timeout(WITHIN_S):
        await bus.up.wait()


def _forgive_lost_connections(visit: Visit) -> None:
    """Chromium itself writes a failed connection to the console; anything else is a fault."""
    visit.troubles = [t for t in visit.troubles if not re.search(r"WebSocket connection to '[^']+' failed", t)]


def called(label: str, room: str = "Zimmer 3", ago_s: float = 0, times: int = 1) -> Call:
    return Call(label, room, datetime.now(UTC) - timedelta(seconds=ago_s), times)


async def test_a_call_is_on_the_screen(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page, waiting_count=7) as site:
        page = (await site.visit(viewport=LANDSCAPE)).page
        await site.publish()
        await expect(page.get_by_text("Im Moment wird niemand aufgerufen.")).to_be_visible()
        await site.publish(called("A12", "Zimmer 3"), called("A11", "Labor", ago_s=300))
        await expect(page.locator(".call .label")).to_have_text(["A12", "A11"])
        await expect(page.locator(".call .room")).to_have_text(["Zimmer 3", "Labor"])
        await expect(page.locator(".waiting")).to_contain_text("Es warten 7")
        await expect(page.get_by_text("Im Moment wird niemand aufgerufen.")).to_be_hidden()


async def test_a_display_that_boots_is_right_after_one_message(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        await site.publish(called("A12", ago_s=120))
        page = (await site.visit()).page
        await expect(page.locator(".call .label")).to_have_text(["A12"])
        await expect(page.locator(".call.is-new")).to_have_count(0)


async def test_a_new_call_is_marked_for_ten_seconds_and_only_that_one(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        before = called("A11", ago_s=300)
        await site.publish(before)
        page = (await site.visit()).page
        await expect(page.locator(".call")).to_have_count(1)
        await page.clock.install()
        await site.publish(called("A12", "Zimmer 3"), before)
        marked = page.locator(".call.is-new .label")
        await expect(marked).to_have_text(["A12"])
        await expect(page.locator(".call.is-new .mark")).to_contain_text("Jetzt aufgerufen")
        await expect(page.locator("[aria-live=polite]")).to_have_text("A12, Zimmer 3")
        await page.clock.run_for(10_000)
        await expect(marked).to_have_text(["A12"])
        await page.clock.run_for(3_000)
        await expect(marked).to_have_count(0)


async def test_a_recall_is_marked_again(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        long_ago = called("A12", ago_s=300)
        await site.publish(long_ago)
        page = (await site.visit()).page
        await expect(page.locator(".call")).to_have_count(1)
        await expect(page.locator(".call.is-new")).to_have_count(0)
        await site.publish(called("A12", times=2))
        await expect(page.locator(".call.is-new .label")).to_have_text(["A12"])


async def test_a_heartbeat_changes_nothing_on_the_screen(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        call = called("A12")
        await site.publish(call)
        page = (await site.visit()).page
        await expect(page.locator(".call.is-new")).to_have_count(1)
        await page.evaluate(
            "window.changes = 0; new MutationObserver(list => window.changes += list.length)"
            ".observe(document.querySelector('#calls'), {childList: true, subtree: true, characterData: true})"
        )
        for _ in range(3):
            await site.publish(call, version=site.picture.version)
        await site.publish(call, waiting_count=9)
        await expect(page.locator("#waiting")).to_have_text("9")
        assert await page.evaluate("window.changes") == 0


async def test_an_older_picture_is_dropped_and_a_new_epoch_is_not(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        await site.publish(called("A12"), version=50, epoch=2)
        page = (await site.visit()).page
        labels = page.locator(".call .label")
        await expect(labels).to_have_text(["A12"])
        await page.evaluate(
            "window.seen = []; new MutationObserver(() => window.seen.push(...[...document.querySelectorAll('.label')]"
            ".map(e => e.textContent))).observe(document.querySelector('#calls'), {childList: true})"
        )
        await site.publish(called("A98"), version=49, epoch=2)
        await site.publish(called("A99"), version=99, epoch=1)
        await site.publish(called("A13"), version=51, epoch=2)
        await expect(labels).to_have_text(["A13"])
        await site.publish(called("A14"), version=1, epoch=3)
        await expect(labels).to_have_text(["A14"])
        assert set(await page.evaluate("window.seen")) == {"A13", "A14"}


async def test_without_a_heartbeat_the_screen_says_so_and_shows_no_call(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page, old_after_s=2) as site, asyncio.TaskGroup() as tasks:
        await site.publish(called("A12"))
        beating = tasks.create_task(site.displays.run(["main"]))
        page = (await site.visit()).page
        notice = page.get_by_text("Diese Anzeige ist nicht verbunden.")
        await expect(page.locator(".call .label")).to_have_text(["A12"])
        await expect(notice).to_be_hidden()
        # The broker is there and silent: the hub has gone.
        beating.cancel()
        await expect(notice).to_be_visible(timeout=30_000)
        await expect(page.get_by_text("fragen Sie an der Anmeldung")).to_be_visible()
        await expect(page.get_by_text("A12")).to_have_count(0)
        # What comes next counts, also with a lower version.
        await site.publish(called("A3"), version=1)
        await expect(page.locator(".call .label")).to_have_text(["A3"])
        await expect(notice).to_be_hidden()


async def test_a_killed_broker_is_noticed_and_found_again(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page, old_after_s=2) as site, asyncio.TaskGroup() as tasks:
        await site.publish(called("A12"))
        beating = tasks.create_task(site.displays.run(["main"]))
        visit = await site.visit()
        labels = visit.page.locator(".call .label")
        notice = visit.page.get_by_text("Diese Anzeige ist nicht verbunden.")
        await expect(labels).to_have_text(["A12"])
        visit.assert_quiet()
        site.broker.kill()
        await expect(notice).to_be_visible(timeout=30_000)
        await expect(labels).to_have_count(0)
        site.picture = replace(site.picture, version=9, calls=(called("A13"),), at=datetime.now(UTC))
        await site.broker.start()
        await expect(labels).to_have_text(["A13"], timeout=30_000)
        await expect(notice).to_be_hidden()
        beating.cancel()
        _forgive_lost_connections(visit)


async def test_a_display_without_a_picture_says_that_it_is_not_connected(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        page = (await site.visit(java_script_enabled=False)).page
        notice = page.get_by_text("Diese Anzeige ist nicht verbunden.")
        await expect(notice).to_be_hidden()
        await expect(notice).to_be_visible(timeout=30_000)


async def test_a_message_that_is_no_picture_changes_nothing(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        await site.publish(called("A12"))
        page = (await site.visit()).page
        await expect(page.locator(".call .label")).to_have_text(["A12"])
        other_shape = json.loads(display_state(site.picture).model_dump_json()) | {"v": 2, "version": 99, "calls": []}
        for payload in (b"", b"not json", b"[]", b"null", b"7", json.dumps(other_shape).encode()):
            await site.bus.publish(TOPICS.display_state("main"), payload)
        await site.publish(called("A13"))
        await expect(page.locator(".call .label")).to_have_text(["A13"])


async def test_markup_in_a_room_s_name_is_text(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        await site.publish(called("A12", "<img src=x onerror=alert(1)> & Labor"))
        page = (await site.visit()).page
        await expect(page.locator(".call .room")).to_have_text("<img src=x onerror=alert(1)> & Labor")


async def test_changed_settings_load_the_page_again(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        await site.publish(called("A12"))
        visit = await site.visit()
        page = visit.page
        await expect(page.locator(".call")).to_have_count(1)

        async def of_another_build(route: Route) -> None:
            answer = await route.fetch()
            await route.fulfill(json=(await answer.json()) | {"build": "another"})

        await page.clock.install()
        await page.route("**/settings.json", of_another_build)
        await page.reload()
        await expect(page.locator(".call")).to_have_count(1)
        await page.unroute("**/settings.json")
        async with page.expect_event("load"):
            await page.clock.run_for(61_000)
        await expect(page.locator(".call")).to_have_count(1)
        # A minute in no time: the connection times out while it is made.
        _forgive_lost_connections(visit)


@pytest.mark.parametrize(("viewport", "language"), [(LANDSCAPE, "de"), (PORTRAIT, "en")])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_board_fits_the_screen_and_axe_finds_nothing(
    tmp_path: Path, open_page: OpenPage, viewport: dict[str, int], language: str, scheme: str
):
    async with a_site(tmp_path, open_page, language=language, waiting_count=12) as site:
        rooms = ["Zimmer 3", "Labor", "Röntgen, 2. Obergeschoss links", "Anmeldung", "Sprechzimmer 12 im Haus B"]
        old = [called(f"B{100 + n}", room, ago_s=300) for n, room in enumerate(rooms[1:])]
        await site.publish(called("A112", rooms[0]), *old)
        visit = await site.visit(viewport=viewport, color_scheme=scheme)
        await expect(visit.page.locator(".call")).to_have_count(5)
        await visit.assert_accessible()
        for box in await visit.page.locator(".call").evaluate_all(
            """rows => rows.map(row => [...row.querySelectorAll(".label, .room, .mark")].every(part => {
                 const [inner, outer] = [part.getBoundingClientRect(), row.getBoundingClientRect()];
                 return inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top
                     && inner.bottom <= outer.bottom;
               }))"""
        ):
            assert box
        cut = "rooms => rooms.filter(r => r.scrollHeight > r.clientHeight * 1.1).map(r => r.textContent)"
        assert await visit.page.locator(".room").evaluate_all(cut) == []
        height, needed = await visit.page.evaluate("[innerHeight, document.documentElement.scrollHeight]")
        assert needed <= height
        places = await visit.page.locator(".label, .room").evaluate_all(
            "all => all.map(e => e.getBoundingClientRect()).map(r => [r.left, r.right, r.top, r.bottom])"
        )
        for (_, right, top, bottom), (left, _, room_top, room_bottom) in zip(places[::2], places[1::2], strict=True):
            assert right <= left or bottom <= room_top or room_bottom <= top


async def test_a_theme_can_be_asked_for_and_nothing_moves_for_who_wants_none(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site:
        await site.publish(called("A12"))
        dark = (await site.visit("?theme=dark", color_scheme="light", reduced_motion="reduce")).page
        await expect(dark.locator(".call.is-new")).to_have_count(1)
        assert await dark.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
        moving = "getComputedStyle(document.querySelector('.call')).animationDuration"
        assert await dark.evaluate(moving) == "0s"
        other = (await site.visit("?theme=%22%3E%3Cscript%3E")).page
        assert await other.evaluate("document.documentElement.dataset.theme") is None


async def test_the_policy_allows_this_server_and_this_broker_and_nothing_inline(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site, httpx.AsyncClient() as client:
        page = await client.get(site.url)
        policy = page.headers["content-security-policy"]
        assert f"connect-src 'self' {site.broker.web_url};" in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)


async def test_settings_are_kept_by_nobody_and_hold_the_display_s_user_only(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site, httpx.AsyncClient() as client:
        answer = await client.get(f"{site.url}/settings.json")
        assert answer.headers["cache-control"] == "no-store"
        settings = answer.json()
        assert settings["state_topic"] == "kioskd/praxis/display/main/state"
        assert (settings["user"], settings["password"]) == ("display", site.broker.display.password)
        assert site.broker.address.password not in answer.text


async def test_an_unknown_area_names_those_that_there_are(tmp_path: Path, open_page: OpenPage):
    async with a_site(tmp_path, open_page) as site, httpx.AsyncClient() as client:
        for path in ("/cellar", "/cellar/settings.json", "/"):
            answer = await client.get(site.url.removesuffix("/main") + path)
            assert answer.status_code == 404
        assert '<a href="/x-ray">Röntgen</a>' in answer.text


async def test_a_site_with_one_area_needs_no_address(tmp_path: Path):
    broker = PrivateMosquitto(tmp_path / "broker", "praxis")
    settings = _settings(broker)
    one = replace(settings, areas={"main": settings.areas["main"]})
    async with serve(display_app(one, Pages(BERLIN)), "127.0.0.1", 0) as address, httpx.AsyncClient() as client:
        answer = await client.get(address.url)
        assert (answer.status_code, answer.headers["location"]) == (303, "/main")


@pytest.mark.parametrize(
    "url", ["http://broker:9001", "ws://", "broker:9001", "ws://a;script-src *", "ws://u:p@b:9001", "ws://a b"]
)
async def test_a_broker_address_that_would_bend_the_policy_is_refused(url: str):
    with pytest.raises(ValueError, match="broker address"):
        broker_origin(url)


async def test_the_password_is_in_no_representation(tmp_path: Path):
    broker = PrivateMosquitto(tmp_path / "broker", "praxis")
    assert broker.display.password not in repr(_settings(broker))


async def test_the_display_s_style_names_no_colour():
    style = (FOLDER / "display" / "display.css").read_text()
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|rgba|hsl|hsla|oklch|light-dark)\(", style)
