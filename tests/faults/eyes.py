"""Witnesses that look on from outside while processes are killed: at the kiosk's page and at a display.

Both follow what a browser follows, the page's live stream and the display's retained topic, and connect again when the
other side comes back. What they saw stays seen.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiomqtt
import httpx

from kioskd.bus.topics import DisplayState, SiteTopics
from kioskd.demo.mosquitto import PrivateMosquitto
from tests.bus.display_client import web_client
from tests.faults.witness import Call

LOOK_AGAIN_S = 0.02
"""How long to wait before connecting to a port again on which nobody listens; there is no signal for that."""
ANSWER_WITHIN_S = 15.0


@dataclass(frozen=True)
class Page:
    """What a person reads on the kiosk. ``sheets``: the words for ticket and band, such as ``take-it``."""

    step: str
    session: str
    name: str = ""
    label: str = ""
    sheets: tuple[str, ...] = ()


DARK = Page("dark", "")
"""Nobody answers: the screen says "one moment, please"."""


def read_page(html: str) -> Page:
    """The page of a whole fragment, as ``ui/kiosk/_session.html`` draws it."""

    def text(pattern: str) -> str:
        found = re.search(pattern, html)
        return found.group(1) if found else ""

    return Page(
        step=text(r'data-step="([^"]*)"'),
        session=text(r'data-session="([^"]*)"'),
        name=" ".join(re.findall(r"<bdi>([^<]*)</bdi>", html)[:2]) if 'class="person"' in html else "",
        label=text(r'<p class="number">([^<]*)</p>'),
        sheets=tuple(re.findall(r'<li class="([a-z-]+)">', html)),
    )


class KioskEye:
    """Reads every page that the kiosk shows, in order. ``saw(page)`` is called for each."""

    def __init__(self, url: str, saw: Callable[[Page], None]) -> None:
        self._url = url
        self._saw = saw
        self._changed = asyncio.Condition()
        self.page = DARK

    async def watch(self) -> None:
        """Runs until it is cancelled."""
        async with httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=ANSWER_WITHIN_S) as client:
            while True:
                with suppress(httpx.TransportError):
                    await self._follow(client)
                await self._see(DARK)
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _follow(self, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/live") as stream:
            lines: list[str] = []
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    lines.append(line.removeprefix("data:"))
                elif not line and lines:
                    await self._see(read_page("\n".join(lines)))
                    lines = []

    async def _see(self, page: Page) -> None:
        async with self._changed:
            if page != self.page:
                self.page = page
                self._saw(page)
                self._changed.notify_all()

    async def until(self, is_it: Callable[[Page], bool], within_s: float) -> Page:
        """The first page from now on (the present one included) that is the one. Raises TimeoutError."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: is_it(self.page))
            return self.page


class DisplayEye:
    """Everything that a display ever showed, and what it shows now."""

    def __init__(self) -> None:
        self.ever: set[Call] = set()
        self.now: tuple[Call, ...] = ()
        self._changed = asyncio.Condition()

    async def see(self, state: DisplayState) -> None:
        async with self._changed:
            self.now = tuple(Call(call.label, call.room) for call in state.calls)
            self.ever.update(self.now)
            self._changed.notify_all()

    async def until(self, is_so: Callable[[tuple[Call, ...]], bool], within_s: float) -> bool:
        """Whether it showed what was waited for in time."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: is_so(self.now))
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def display_eye(broker: PrivateMosquitto, site: str, area: str) -> AsyncIterator[DisplayEye]:
    """Watch the display of an area while the block runs. The broker must stay up."""
    eye = DisplayEye()
    async with web_client(broker, client_id="display-witness") as client:
        await client.subscribe(SiteTopics(site).display_state(area), qos=1)
        watching = asyncio.create_task(_watch(client, eye))
        try:
            yield eye
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


async def _watch(client: aiomqtt.Client, eye: DisplayEye) -> None:
    async for message in client.messages:
        await eye.see(DisplayState.model_validate_json(bytes(message.payload)))
