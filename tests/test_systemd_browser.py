"""The policy of the screens' browser: a real Chromium takes every line of it, opens the page and nothing else.

Chromium reads its policies from one place of the machine, so it gets a mount namespace in which that place is ours. Two
policies close the door that Playwright comes in by: they are left out where it is used and tried without it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Error, async_playwright, expect

from kioskd.config import HubConfig, StationConfig
from tests.test_systemd import BROWSER, FOLDER, settings
from tests.web.browser import CHROMIUM, WITHIN_MS

POLICY: dict[str, Any] = json.loads((FOLDER / "chromium-policy.json").read_text(encoding="utf-8"))
DEBUGGING = {"DeveloperToolsAvailability", "RemoteDebuggingAllowed"}
IN_A_CONTAINER = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
POLICIES_IN_FORCE = """() => {
    const rows = [];
    const walk = (node) => {
        for (const element of node.querySelectorAll('*')) {
            const inside = element.shadowRoot;
            if (element.tagName === 'POLICY-ROW') rows.push(inside.textContent.replace(/\\s+/g, ' ').trim());
            if (inside) walk(inside);
        }
    };
    walk(document);
    return rows.filter((row) => !/^\\S+ Not set\\./.test(row));
}"""
pytestmark = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    pytest.mark.timeout(120),
]


class Server(ThreadingHTTPServer):
    """A page at an origin of its own, and who asked for it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.was_asked = threading.Event()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.was_asked.set()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>page</title><h1>the page</h1>")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def a_server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def page() -> Iterator[Server]:
    with a_server() as server:
        yield server


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    with a_server() as server:
        yield server


def chromium_under(policy: dict[str, Any], folder: Path) -> Path:
    """A program that is Chromium with ``policy`` as the machine's managed policies."""
    managed = folder / "etc" / "policies" / "managed"
    managed.mkdir(parents=True)
    (managed / "kioskd.json").write_text(json.dumps(policy), encoding="utf-8")
    as_root = "" if os.geteuid() == 0 else "--map-root-user"
    program = folder / "chromium"
    program.write_text(
        f"#!/bin/sh\nexec unshare {as_root} --mount sh -c "
        f'\'mount --bind {folder / "etc"} /etc/chromium && exec {CHROMIUM} "$@"\' chromium "$@"\n'
    )
    program.chmod(0o755)
    return program


@pytest.fixture
async def browser(tmp_path: Path, page: Server) -> AsyncIterator[BrowserContext]:
    """Chromium under our policies, but for debugging, with the page where the kiosk's would be."""
    policy = {key: value for key, value in POLICY.items() if key not in DEBUGGING}
    policy["URLAllowlist"] = [page.origin, "chrome://policy"]
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium_under(policy, tmp_path), args=IN_A_CONTAINER
        )
        context.set_default_timeout(WITHIN_MS)
        yield context
        await context.close()


def test_the_pages_that_may_be_opened_are_the_kiosk_and_the_displays() -> None:
    listens = (StationConfig().listen, HubConfig.model_fields["display_listen"].default)
    assert POLICY["URLAllowlist"] == [f"http://{listen}" for listen in listens]


async def test_chromium_knows_every_policy_and_takes_every_value(browser: BrowserContext) -> None:
    tab = await browser.new_page()
    await tab.goto("chrome://policy")
    await tab.wait_for_function(f"({POLICIES_IN_FORCE})().length > 0")
    rows: list[str] = await tab.evaluate(POLICIES_IN_FORCE)
    told = {row.split()[0]: re.search(r"Status (.*?) Error", row) for row in rows}
    assert told.keys() == POLICY.keys() - DEBUGGING
    # One that is deprecated in this Chromium is obeyed, and an older one needs it.
    assert {
        name: said and said[1] for name, said in told.items() if not said or said[1] not in {"OK", "Deprecated"}
    } == {}


async def test_the_page_opens_and_nothing_else_does(browser: BrowserContext, page: Server, elsewhere: Server) -> None:
    tab = await browser.new_page()
    await tab.goto(page.origin)
    assert await tab.inner_text("h1") == "the page"
    for address in (
        elsewhere.origin,
        "chrome://settings",
        "chrome://version",
        "chrome://downloads",
        "chrome-untrusted://print/",
        "file:///etc/passwd",
        f"view-source:{page.origin}",
        "data:text/html,<h1>something else</h1>",
    ):
        tab = await browser.new_page()
        with pytest.raises(Error, match="ERR_BLOCKED_BY_ADMINISTRATOR"):
            await tab.goto(address)
    tab = await browser.new_page()
    await tab.goto(page.origin)
    await tab.evaluate(f"location.href = '{elsewhere.origin}'")
    await expect(tab.get_by_role("heading", name="the page")).to_have_count(0)
    assert not elsewhere.was_asked.is_set()


@contextmanager
def screen(folder: Path, page: Server) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Chromium under the whole policy, as the unit starts it but for the screen, and the file of what it says."""
    (command,), (*_, before) = settings(BROWSER)["ExecStart"], settings(BROWSER)["ExecStartPre"]
    subprocess.run(shlex.split(before.replace("%t/kioskd-browser-%i", str(folder))), check=True, timeout=30)
    options = [word for word in command.split() if word.startswith("--") and word not in {"--", "--kiosk"}]
    options = [word for word in options if not word.startswith(("--ozone-platform", "--user-data-dir"))]
    options += ["--headless", "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", *IN_A_CONTAINER]
    program = chromium_under(POLICY | {"URLAllowlist": [page.origin]}, folder)
    said = folder / "said"
    with said.open("wb") as file:
        environment = {**os.environ, "HOME": str(folder)}
        process = subprocess.Popen([program, *options, page.origin], stderr=file, env=environment)
    try:
        assert page.was_asked.wait(60), said.read_text()
        yield process, said
    finally:
        process.kill()
        process.wait(30)


def test_the_policy_as_it_is_shows_the_page_and_closes_the_debugging_port(tmp_path: Path, page: Server) -> None:
    with screen(tmp_path, page) as (_, said):
        assert "DevTools remote debugging is disallowed by the system admin" in said.read_text()
        assert not (tmp_path / "profile" / "DevToolsActivePort").exists()


def test_a_browser_that_crashes_leaves_no_piece_of_its_memory(tmp_path: Path, page: Server) -> None:
    with screen(tmp_path, page) as (process, said):
        process.send_signal(signal.SIGSEGV)
        process.wait(60)
    assert "Crash Reports not a directory" in said.read_text(), "Chromium keeps its reports elsewhere now"
    assert list(tmp_path.rglob("*.dmp")) == []
