"""The doors of the staff's pages, over real HTTP."""

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.routing import Mount, Route

from kioskd.news import News
from kioskd.staff import Role
from kioskd.web.console import console_app
from kioskd.web.sign_in import SignIn, StaffedSettings, form_token
from tests.web.browser import DESK
from tests.web.conftest import OpenPage
from tests.web.console_rig import COOKIE, Rig, console, token_of
from tests.web.front_desk import FrontDesk, busy_morning, ticket_id
from tests.web.printer_shop import PrinterShop

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN_TO_ALL = {("GET", "/sign-in"), ("POST", "/sign-in")}
START_PAGE = "http://127.0.0.1:9999"


@pytest_asyncio.fixture(loop_scope="session")
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with console(tmp_path, trusted_origins=(START_PAGE,)) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    async with rig.client() as made:
        yield made


def routes_of_the_console() -> list[tuple[str, str]]:
    """Method and path of every route, static files aside; ids are filled in."""
    unused: Any = None
    settings = StaffedSettings()
    pages: Any = _NoPages()
    guard: Any = console_app(FrontDesk(News()), PrinterShop(News()), unused, News(), pages, settings)
    found = []
    for route in guard._app.routes:
        if isinstance(route, Mount):
            assert route.path == "/static"
            continue
        assert isinstance(route, Route)
        path = route.path.replace("{ticket:uuid}", str(ticket_id("A14")))
        path = path.replace("{station}", "entrance").replace("{device}", "tickets")
        found += [(method, path) for method in sorted(route.methods or ()) if method != "HEAD"]
    return found


class _NoPages:
    """Enough of ``Pages`` to list the routes of an app that is never asked anything."""

    def language(self, code: str) -> Any:
        import gettext

        return type("Language", (), {"texts": gettext.NullTranslations()})

    def static(self) -> Mount:
        return Mount("/static", routes=[])


ROUTES = routes_of_the_console()
DOORS = [route for route in ROUTES if route not in OPEN_TO_ALL]
BEHIND_DOORS = [route for route in DOORS if route[1] not in {"/sign-out", "/password"}]


async def test_every_route_is_known_to_these_tests():
    assert len(DOORS) >= 11
    assert set(ROUTES) >= OPEN_TO_ALL


@pytest.mark.parametrize("is_htmx", [False, True])
async def test_nobody_comes_in_without_signing_in(rig: Rig, client: httpx.AsyncClient, is_htmx: bool):
    rig.desk.rows = {r.ticket_id: r for r in busy_morning()}
    headers = {"hx-request": "true"} if is_htmx else {}
    for method, path in DOORS:
        client.cookies.set(COOKIE, "a-made-up-token")
        answer = await client.request(method, path, headers=headers, data={"form_token": form_token("a-made-up-token")})
        assert answer.status_code in {401, 303}, path
        if answer.status_code == 303:
            assert answer.headers["location"] == "/sign-in", path
        elif is_htmx and not path.endswith("/live"):
            assert answer.headers["hx-redirect"] == "/sign-in", path
        assert "Kowalski" not in answer.text, path
    assert rig.desk.log == []
    assert rig.printers.log == []


async def test_an_account_without_a_fitting_role_comes_in_nowhere(rig: Rig, client: httpx.AsyncClient):
    password = await rig.add("secretary", Role.SECRETARY)
    token = await rig.staff.sign_in("secretary", password, "elsewhere")
    client.cookies.set(COOKIE, token)
    for method, path in BEHIND_DOORS:
        answer = await client.request(method, path, data={"form_token": form_token(token)})
        assert answer.status_code == (401 if path.endswith("/live") else 403), path
    assert rig.desk.log == []
    assert rig.printers.log == []


async def test_a_one_time_password_opens_only_the_page_to_change_it(rig: Rig, client: httpx.AsyncClient):
    first = await rig.staff.add_account("bert", [Role.RECEPTIONIST], "system")
    answer = await rig.sign_in(client, "bert", first)
    assert answer.headers["location"] == "/password"
    for method, path in BEHIND_DOORS:
        answer = await client.request(method, path, data={"form_token": token_of(client)})
        if path.endswith("/live"):
            assert answer.status_code == 401, path
        else:
            assert (answer.status_code, answer.headers["location"]) == (303, "/password"), path
    assert rig.desk.log == []
    assert rig.printers.log == []


async def test_a_form_without_the_sessions_own_token_changes_nothing(rig: Rig, client: httpx.AsyncClient):
    rig.desk.rows = {r.ticket_id: r for r in busy_morning()}
    await rig.sign_in(client)
    for path in (path for method, path in DOORS if method == "POST"):
        for form in ({}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "é"}):
            answer = await client.post(path, data=form)
            assert answer.status_code == 403, path
            assert "Nothing was changed" in answer.text, path
    assert rig.desk.log == []
    assert rig.printers.log == []
    assert (await client.get("/")).status_code == 200, "still signed in"


async def test_the_form_token_of_another_session_is_refused(rig: Rig, client: httpx.AsyncClient):
    async with rig.client() as other:
        await rig.sign_in(other)
        await rig.sign_in(client)
        answer = await client.post("/call-next", data={"form_token": token_of(other)})
    assert answer.status_code == 403


@pytest.mark.parametrize("role", [Role.RECEPTIONIST, Role.CLINICIAN, Role.ADMIN])
async def test_roles_of_the_front_desk_may_sign_in(rig: Rig, client: httpx.AsyncClient, role: Role):
    answer = await rig.sign_in(client, "someone", await rig.add("someone", role))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await client.get("/")).status_code == 200


async def test_a_secretary_is_told_that_this_is_not_their_page_and_gets_no_session(rig: Rig, client: httpx.AsyncClient):
    answer = await rig.sign_in(client, "secretary", await rig.add("secretary", Role.SECRETARY))
    assert answer.status_code == 403
    assert "may not open this page" in answer.text
    assert COOKIE not in client.cookies


async def test_the_cookie_is_kept_from_scripts_and_other_sites(rig: Rig, client: httpx.AsyncClient):
    answer = await rig.sign_in(client)
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("strict", "/", "")
    assert not cookie["max-age"]
    assert not cookie["expires"], "it ends with the browser"


async def test_behind_tls_the_cookie_is_bound_to_it(rig: Rig):
    any_pages: Any = None
    door = SignIn(
        rig.staff, any_pages, StaffedSettings(is_tls=True), audience="records", title="", roles=frozenset(Role)
    )
    header = door._entered("token", "/").headers["set-cookie"]
    assert header.startswith("__Host-kioskd_records=token;")
    assert "Secure" in header
    assert "Path=/" in header
    assert "Domain" not in header


async def test_a_sign_in_makes_a_new_token_and_ends_the_old_session(rig: Rig, client: httpx.AsyncClient):
    await rig.sign_in(client)
    first = client.cookies[COOKIE]
    await rig.sign_in(client)
    assert client.cookies[COOKIE] != first
    assert await rig.staff.who(first) is None


async def test_a_token_from_before_the_sign_in_is_worth_nothing(rig: Rig, client: httpx.AsyncClient):
    planted = "a" * 43
    client.cookies.set(COOKIE, planted, domain="127.0.0.1")
    answer = await rig.sign_in(client)
    assert planted not in answer.headers["set-cookie"]
    assert await rig.staff.who(planted) is None


async def test_a_wrong_password_says_no_more_than_that_and_keeps_the_name(rig: Rig, client: httpx.AsyncClient):
    known = await rig.sign_in(client, "anna.kurz", "wrong password")
    unknown = await rig.sign_in(client, "nobody", "wrong password")
    assert known.status_code == unknown.status_code == 403
    assert known.text.replace("anna.kurz", "nobody") == unknown.text
    assert "Name or password is wrong." in known.text
    assert "wrong password" not in known.text
    assert COOKIE not in client.cookies


async def test_too_many_attempts_are_told_how_long_to_wait(rig: Rig, client: httpx.AsyncClient):
    for _ in range(4):
        await rig.sign_in(client, "anna.kurz", "wrong password")
    answer = await rig.sign_in(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert "Try again in 2 seconds." in answer.text
    rig.pass_by(seconds=2)
    assert (await rig.sign_in(client)).status_code == 303


async def test_signing_out_ends_the_session_and_takes_the_cookie_away(rig: Rig, client: httpx.AsyncClient):
    await rig.sign_in(client)
    token = client.cookies[COOKIE]
    answer = await client.post("/sign-out", data={"form_token": token_of(client)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert COOKIE not in client.cookies
    assert await rig.staff.who(token) is None


async def test_the_first_password_is_changed_and_the_person_goes_on(rig: Rig, client: httpx.AsyncClient):
    first = await rig.staff.add_account("bert", [Role.CLINICIAN], "system")
    await rig.sign_in(client, "bert", first)
    assert "one-time password" in (await client.get("/password")).text
    new = "three calm words"
    form = {"form_token": token_of(client), "old": first, "new": new, "again": new}
    for change, status, words in [
        ({"again": "three clam words"}, 422, "not the same"),
        ({"new": "short", "again": "short"}, 422, "too short"),
        ({"new": first, "again": first}, 422, "is the old one"),
        ({"old": "not the old one"}, 403, "present password is wrong"),
        ({"form_token": "0" * 64}, 403, "Nothing was changed"),
    ]:
        answer = await client.post("/password", data=form | change)
        assert (answer.status_code, words in answer.text) == (status, True), words
    answer = await client.post("/password", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await client.get("/")).status_code == 200


async def test_an_idle_session_leads_back_to_the_sign_in(rig: Rig, client: httpx.AsyncClient):
    await rig.sign_in(client)
    rig.pass_by(minutes=29)
    assert (await client.get("/")).status_code == 200
    rig.pass_by(minutes=30)
    assert (await client.get("/")).headers["location"] == "/sign-in"


async def test_a_trusted_start_page_may_post_a_sign_in_and_nothing_else(rig: Rig):
    async with httpx.AsyncClient(base_url=rig.url, headers={"origin": START_PAGE}) as start_page:
        assert (await rig.sign_in(start_page)).status_code == 303
        answer = await start_page.post("/sign-out", data={"form_token": token_of(start_page)})
        assert answer.status_code == 403
    async with httpx.AsyncClient(base_url=rig.url, headers={"origin": "http://evil.example"}) as stranger:
        assert (await rig.sign_in(stranger)).status_code == 403


async def test_what_is_typed_comes_back_escaped_and_not_in_a_title(rig: Rig, client: httpx.AsyncClient):
    hostile = '"><script>alert(1)</script>{{ 7*7 }}'
    answer = await rig.sign_in(client, hostile, "x")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "{{ 7*7 }}" in answer.text
    assert "alert" not in answer.text.partition("</title>")[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_doors_are_accessible(rig: Rig, open_page: OpenPage, scheme: str):
    first = await rig.staff.add_account("bert", [Role.RECEPTIONIST], "system")
    visit = await open_page(rig.url + "/", viewport=DESK, color_scheme=scheme)
    page = visit.page
    assert page.url.endswith("/sign-in")
    await visit.assert_accessible()
    await page.keyboard.type("bert")  # the first field has the focus
    await page.keyboard.press("Tab")
    await page.keyboard.type(first)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/password")
    await visit.assert_accessible()
    await page.keyboard.type(first)
    for _ in range(2):
        await page.keyboard.press("Tab")
        await page.keyboard.type("three calm words")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#queue")


async def test_a_refused_sign_in_is_accessible_and_announced(rig: Rig, open_page: OpenPage):
    visit = await open_page(rig.url + "/sign-in", viewport=DESK)
    await visit.page.fill("#name", "anna.kurz")
    await visit.page.fill("#password", "wrong password")
    await visit.page.click("main button")
    assert "wrong" in await visit.page.inner_text("[role=alert]")
    await visit.assert_accessible()
    assert len([t for t in visit.troubles if "403" in t]) == len(visit.troubles) > 0
    visit.troubles.clear()
