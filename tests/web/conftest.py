"""One Chromium for all browser tests of a worker. They run on the session's loop:

pytestmark = pytest.mark.asyncio(loop_scope="session")
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.web.browser import CHROMIUM, Visit, visit

OpenPage = Callable[..., Awaitable[Visit]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium: Browser) -> AsyncIterator[OpenPage]:
    """``await open_page(url, **context_options)``; at the end every visit must have been quiet."""
    visits: list[Visit] = []

    async def open_url(url: str, **options: Any) -> Visit:
        visits.append(await visit(chromium, url, **options))
        return visits[-1]

    yield open_url
    for each in visits:
        await each.context.close()
    for each in visits:
        each.assert_quiet()
