"""The lab page of the demo: the front desk as a drawing to play with, around the daemon's own pages.

What a hand does to the simulated hardware is a POST of a plain form that answers 303 to ``/``, or the live part of the
page to htmx. ``/live`` draws that part again when an event was heard, and every second while a printer is at work:
paper moves without telling anybody. The page is in English: it is for people who try the program out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from kioskd.core.events import CardRemoved, Event
from kioskd.errors import KioskdError
from kioskd.news import News, Subscription
from kioskd.ports import FrontDesk, FrontDeskSimulator
from kioskd.web import live
from kioskd.web.lab_timeline import Timeline
from kioskd.web.pages import SOURCE_LANGUAGE, Pages
from kioskd.web.security import LOOPBACK_HOSTS
from kioskd.web.server import application

PRINTING_LOOK_S = 1.0
LARGEST_PICTURE = 8 * 1024 * 1024
REMOVED_WITHIN_S = 3.0
"""How long a hand waits for the daemon to see an empty reader before it puts the next card in."""

Act = Callable[[FormData], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class LabAccount:
    """An account of the demo. The page gives its password away: everything here is invented and on this machine."""

    name: str
    password: str = field(repr=False)
    page: str
    """``console`` or ``records``: where it signs in."""


@dataclass(frozen=True, slots=True)
class LabSettings:
    """Where the daemon's pages are (``http://host:port``), and who may sign in there."""

    kiosk_url: str
    console_url: str
    display_url: str
    records_url: str
    accounts: tuple[LabAccount, ...] = ()
    is_split: bool = False
    """Station, hub and records are processes of their own, whose events nobody here hears."""


class LabPage:
    """Serve ``app`` and keep ``watching`` entered meanwhile, or the page stands still."""

    def __init__(self, desk: FrontDeskSimulator, news: News, pages: Pages, settings: LabSettings) -> None:
        self._desk = desk
        self._news = news
        self._pages = pages
        self._settings = settings
        self._cards = {card.id: card for card in desk.cards()}
        self._seen = FrontDesk("", (), False)
        self._trouble = ""
        """Why the last thing that a hand did failed."""
        self._read = ""
        """What the scanner made of the last picture."""
        self._blindness = ""
        """Why the hardware can't be seen; the last look is shown meanwhile."""
        self._torn: dict[str, int] = {}
        """Sheets of each printer that were torn off."""
        self._timeline = Timeline()
        self._changes = News()
        self._hands = asyncio.Lock()

    @property
    def app(self) -> ASGIApp:
        """GET ``/`` is the page, ``/live`` its stream, ``/sheets/<printer>/<number>.png`` a piece of paper."""
        routes = [
            Route("/", self._show, methods=["GET"]),
            Route("/live", self._live, methods=["GET"]),
            Route("/sheets/{printer}/{number:int}.png", self._sheet, methods=["GET"]),
            Route("/card", self._on(self._card), methods=["POST"]),
            Route("/scan", self._on(self._scan), methods=["POST"]),
            Route("/show", self._on(self._show_image, files=1), methods=["POST"]),
            Route("/paper", self._on(self._paper), methods=["POST"]),
            Route("/lid", self._on(self._lid), methods=["POST"]),
            Route("/tear-off", self._on(self._tear_off), methods=["POST"]),
            Route("/broker", self._on(self._broker), methods=["POST"]),
            self._pages.static(),
        ]
        there = self._settings
        return application(
            routes,
            error_page=self._problem,
            hosts=LOOPBACK_HOSTS,
            frames=[origin(there.kiosk_url), origin(there.display_url)],
            forms_to=[origin(there.console_url), origin(there.records_url)],
        )

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Listen to the daemon and look at the hardware; leaving ends the live streams."""
        with self._news.subscribe() as heard:
            await self._look()
            watch = asyncio.create_task(self._watch(heard), name="lab page")
            try:
                yield
            finally:
                self._changes.end()
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch

    async def _watch(self, heard: Subscription) -> None:
        try:
            while True:
                before = self._seen, self._blindness
                is_printing = any(printer.is_printing for printer in self._seen.printers)
                must_look = is_printing or self._settings.is_split
                event = await (heard.next_within(PRINTING_LOOK_S) if must_look else anext(heard))
                has_heard = event is not None
                while event is not None:
                    self._timeline.note(event)
                    event = await heard.next_within(0)
                await self._look()
                if has_heard or is_printing or before != (self._seen, self._blindness):
                    self._tell()
        except StopAsyncIteration:
            self._changes.end()

    async def _look(self) -> None:
        """See how the hardware is."""
        try:
            self._seen = await self._desk.desk()
            self._blindness = ""
        except KioskdError as error:
            self._blindness = str(error)

    def _tell(self) -> None:
        self._changes.publish(Event(datetime.now(UTC)))

    # --- the page ----------------------------------------------------------------------------------------------

    async def _show(self, request: Request) -> Response:
        await self._look()
        return self._page()

    async def _live(self, request: Request) -> StreamingResponse:
        async def fragment() -> str:
            await self._look()
            return self._fragment()

        return live.events(self._changes, lambda _: True, fragment)

    async def _sheet(self, request: Request) -> Response:
        printer, number = str(request.path_params["printer"]), int(request.path_params["number"])
        await self._look()
        if not 1 <= number <= self._sheets_of(printer):
            raise HTTPException(404)
        return Response(await self._desk.sheet_png(printer, number), media_type="image/png")

    def _page(self, status: int = 200) -> Response:
        settings = {
            "there": self._settings,
            "account": {account.name: account for account in self._settings.accounts},
        }
        return self._pages.response("lab/page.html", SOURCE_LANGUAGE, status, **settings, **self._context())

    def _fragment(self) -> str:
        return self._pages.render("lab/_bench.html", SOURCE_LANGUAGE, **self._context())

    def _context(self) -> dict[str, Any]:
        hanging = {p.name: p.sheets - self._torn.get(p.name, 0) for p in self._seen.printers}
        step = self._timeline.next_step
        return {
            "desk": self._seen,
            "cards": self._cards,
            "timeline": self._timeline,
            "is_split": self._settings.is_split,
            "hanging": hanging,
            "next_step": 3 if step == 4 and any(hanging.values()) else step,
            "read": self._read,
            "trouble": self._trouble or self._blindness,
        }

    def _problem(self, request: Request, status: int, reference: str) -> Response:
        context = {"problem": status, "reference": reference}
        return self._pages.response("lab/problem.html", SOURCE_LANGUAGE, status, **context)

    # --- hands -------------------------------------------------------------------------------------------------

    def _on(self, act: Act, files: int = 0) -> Callable[[Request], Awaitable[Response]]:
        """A handler that does ``act``; what the hardware refuses is said on the page."""

        async def handler(request: Request) -> Response:
            async with request.form(max_files=files, max_fields=4) as form, self._hands:
                self._trouble = self._read = ""
                await self._look()
                try:
                    await act(form)
                except KioskdError as error:
                    self._trouble = str(error)
            await self._look()
            self._tell()
            status = 503 if self._trouble or self._blindness else 200
            if request.headers.get("hx-request") == "true":
                return HTMLResponse(self._fragment(), status)
            return RedirectResponse("/", 303) if status == 200 else self._page(status)

        return handler

    async def _card(self, form: FormData) -> None:
        """Put ``card`` in, in place of the one that is in; an empty ``card`` takes that out."""
        card = str(form.get("card", ""))
        if card and card not in self._cards:
            raise HTTPException(400)
        if card == self._seen.card_in_reader:
            return
        if self._seen.card_in_reader:
            await self._take_out(is_next_waiting=bool(card))
        if card:
            await self._desk.insert_card(card)

    async def _take_out(self, is_next_waiting: bool) -> None:
        with self._news.subscribe() as heard:
            await self._desk.remove_card()
            if is_next_waiting:
                # Two cards in one blink would be one card to the reader.
                await _until_removed(heard)

    async def _scan(self, form: FormData) -> None:
        text = str(form.get("text", ""))
        if not text:
            raise HTTPException(400)
        await self._desk.scan(text)

    async def _show_image(self, form: FormData) -> None:
        upload = form.get("picture")
        if not isinstance(upload, UploadFile):
            raise HTTPException(400)
        picture = await upload.read(LARGEST_PICTURE + 1)
        if not picture or len(picture) > LARGEST_PICTURE:
            raise HTTPException(413 if picture else 400)
        count = await self._desk.show_image(picture)
        self._read = "1 code was read." if count == 1 else f"{count or 'No'} codes were read."

    async def _paper(self, form: FormData) -> None:
        await self._desk.set_paper(self._printer(form), _yes(form, "has_paper"))

    async def _lid(self, form: FormData) -> None:
        await self._desk.set_lid(self._printer(form), _yes(form, "is_open"))

    async def _tear_off(self, form: FormData) -> None:
        printer = self._printer(form)
        await self._desk.tear_off(printer)
        await self._look()
        self._torn[printer] = self._sheets_of(printer)

    async def _broker(self, form: FormData) -> None:
        await self._desk.set_broker(_yes(form, "is_up"))

    def _printer(self, form: FormData) -> str:
        name = str(form.get("printer", ""))
        if name not in {printer.name for printer in self._seen.printers}:
            raise HTTPException(400)
        return name

    def _sheets_of(self, printer: str) -> int:
        return next((p.sheets for p in self._seen.printers if p.name == printer), 0)


async def _until_removed(heard: Subscription) -> None:
    """Return when the daemon saw the card go, or did not in time: a reader that is away can't mistake anything."""
    try:
        async with asyncio.timeout(REMOVED_WITHIN_S):
            async for event in heard:
                if isinstance(event, CardRemoved):
                    return
    except TimeoutError:
        return


def origin(url: str) -> str:
    """Scheme, host and port of an address, as a Content-Security-Policy names it. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or set(parts.netloc) & set(" ;,'\"@"):
        raise ValueError(f"page address {url!r}: must be like http://127.0.0.1:8401")
    return f"{parts.scheme}://{parts.netloc}"


def _yes(form: FormData, name: str) -> bool:
    """A field that is ``yes`` or ``no``: a state, not a change, so that sending it twice does no harm."""
    value = form.get(name)
    if value not in {"yes", "no"}:
        raise HTTPException(400)
    return value == "yes"
