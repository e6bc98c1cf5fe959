"""A visit to a page in a real Chromium, with everything that went wrong on it."""

from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect

CHROMIUM = Path("/usr/bin/chromium")
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PORTRAIT = {"width": 1080, "height": 1920}
LANDSCAPE = {"width": 1920, "height": 1080}
DESK = {"width": 1440, "height": 900}
WITHIN_MS = 30_000
"""Longest wait for anything; a machine that runs several browsers at once is slow."""

expect.set_options(timeout=WITHIN_MS)


class Visit:
    """One page in a context of its own. ``troubles``: console errors, broken policies, script errors, failed loads."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.troubles: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.troubles.append(f"script error: {error}"))
        page.on("response", self._answered)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.troubles.append(f"console {message.type}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.status} for {response.request.method} {response.url}")

    def assert_quiet(self) -> None:
        """No broken policy, no console error, no failed load so far."""
        assert self.troubles == [], self.troubles

    async def assert_accessible(self) -> None:
        """axe-core finds nothing: WCAG 2.2 A and AA, and its best practices."""
        found = await self.findings()
        assert found == [], "\n".join(found)

    async def findings(self) -> list[str]:
        # What fades in is judged when it is there.
        await self.page.evaluate(
            "Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations !== Infinity)"
            ".map(a => a.finished.catch(() => {})))"
        )
        await self.page.evaluate(AXE)
        answer: dict[str, Any] = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{rule['id']}: {rule['help']}: {node['html'][:160]} {node['failureSummary']}"
            for rule in answer["violations"]
            for node in rule["nodes"]
        ]


async def visit(browser: Browser, url: str, **options: Any) -> Visit:
    """Open ``url``; ``options`` as for Playwright's ``new_context`` (viewport, color_scheme ...)."""
    context = await browser.new_context(**{"viewport": PORTRAIT, "locale": "de-DE", **options})
    context.set_default_timeout(WITHIN_MS)
    made = Visit(context, await context.new_page())
    await made.page.goto(url)
    return made
