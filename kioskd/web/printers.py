"""The console's pages about printers, written against ``hub.printer_view.Printers``: how each is, what to do, its jobs.

GET ``/printers`` lists them, ``/printers/{station}/{device}`` is one, each with ``/live`` its stream; a command is a
POST of a plain form that answers 303 to the printer. A page names tickets by number, never a person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from kioskd.core.events import (
    DeviceChanged,
    Event,
    PrintOrdered,
    SheetNotPrinted,
    SheetPrinted,
    SheetSent,
    SheetUnknown,
)
from kioskd.errors import RuleViolation
from kioskd.hub.printer_view import PrinterList, PrinterPage, Printers
from kioskd.news import News
from kioskd.web import live
from kioskd.web.pages import Pages
from kioskd.web.sign_in import SignedIn, SignIn

_SHOWN = DeviceChanged | PrintOrdered | SheetSent | SheetPrinted | SheetNotPrinted | SheetUnknown
_DONE = frozenset({"test", "new-roll"})
_ONE = "/printers/{station}/{device}"

Command = Callable[[str, str, str], Awaitable[None]]


def printer_routes(printers: Printers, sign_in: SignIn, news: News, pages: Pages, language: str) -> list[BaseRoute]:
    """The routes of these pages, for the console's app."""
    page = _PrinterPages(printers, news, pages, language)
    return [
        Route("/printers", sign_in.guarded(page.list), methods=["GET"]),
        Route("/printers/live", sign_in.guarded_live(page.list_live), methods=["GET"]),
        Route(_ONE, sign_in.guarded(page.one), methods=["GET"]),
        Route(f"{_ONE}/live", sign_in.guarded_live(page.one_live), methods=["GET"]),
        Route(f"{_ONE}/test", sign_in.guarded_form(page.on("test", printers.print_test)), methods=["POST"]),
        Route(f"{_ONE}/new-roll", sign_in.guarded_form(page.on("new-roll", printers.put_in_roll)), methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _PrinterPages:
    """The handlers behind the routes."""

    _printers: Printers
    _news: News
    _pages: Pages
    _language: str

    async def list(self, request: Request, person: SignedIn) -> Response:
        view = await self._printers.printers()
        return self._pages.response("console/printers.html", self._language, **_list_context(view, person))

    async def list_live(self, request: Request, person: SignedIn) -> StreamingResponse:
        async def fragment() -> str:
            context = _list_context(await self._printers.printers(), person)
            return self._pages.render("console/_printers.html", self._language, **context)

        return live.events(self._news, _is_shown, fragment, looks_again=True)

    async def one(self, request: Request, person: SignedIn) -> Response:
        did = request.query_params.get("did", "")
        return await self._one(request, person, {"did": did if did in _DONE else ""})

    async def one_live(self, request: Request, person: SignedIn) -> StreamingResponse:
        await self._of(request)

        async def fragment() -> str:
            view = await self._printers.printer(*_address(request))
            if view is None:
                return self._pages.render("console/_printer_gone.html", self._language)
            return self._pages.render("console/_printer.html", self._language, **_context(view, person))

        return live.events(self._news, _is_shown, fragment, looks_again=True)

    def on(self, name: str, command: Command) -> Callable[[Request, SignedIn, FormData], Awaitable[Response]]:
        """A handler that does ``command`` to the printer of the address."""

        async def handler(request: Request, person: SignedIn, form: FormData) -> Response:
            station, device = _address(request)
            await self._of(request)
            try:
                await command(station, device, person.member.name)
            except RuleViolation as error:
                return await self._one(request, person, {"did": "refused", "why": error.rule}, 409)
            return RedirectResponse(f"/printers/{station}/{device}?{urlencode({'did': name})}", 303)

        return handler

    async def _one(self, request: Request, person: SignedIn, notice: dict[str, str], status: int = 200) -> Response:
        view = await self._of(request)
        context = _context(view, person)
        return self._pages.response("console/printer.html", self._language, status, **context, notice=notice)

    async def _of(self, request: Request) -> PrinterPage:
        """The printer of the address. Raises HTTPException 404."""
        view = await self._printers.printer(*_address(request))
        if view is None:
            raise HTTPException(404)
        return view


def _address(request: Request) -> tuple[str, str]:
    return request.path_params["station"], request.path_params["device"]


def _list_context(view: PrinterList, person: SignedIn) -> dict[str, Any]:
    return {"view": view, "person": person}


def _context(view: PrinterPage, person: SignedIn) -> dict[str, Any]:
    p = view.printer
    return {
        "view": view,
        "person": person,
        "p": p,
        "address": f"/printers/{p.station}/{p.device}",
        "percent": _percent_left(view),
    }


def _percent_left(view: PrinterPage) -> int | None:
    """How full the roll is about; None when nobody knows."""
    sheets = view.printer.paper
    if sheets is None or sheets.left is None or sheets.begun_at is None:
        return None
    middle = (sheets.left.least + sheets.left.most) / 2
    return round(100 * middle / max(1, middle + sheets.used))


def _is_shown(event: Event) -> bool:
    return isinstance(event, _SHOWN)
