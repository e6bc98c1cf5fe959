"""The patient's page: one step of the session at a time, as plain forms, kept fresh by one live stream.

Every form names the session it was made for, so a second tap, a reload and a page of the patient before change nothing.
The page holds no state that matters: it is always the present ``KioskView``, drawn. Patient data is in the body of the
page and nowhere else: not in an address, a title, a cookie or the browser's storage.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from kioskd.core.checkin import IDLE_GRACE, SHOWN_FOR, Step
from kioskd.core.events import DeviceChanged, Event, SessionChanged
from kioskd.news import News
from kioskd.station.view import KioskSession, KioskView
from kioskd.web import live
from kioskd.web.pages import SOURCE_LANGUAGE, Pages
from kioskd.web.security import LOOPBACK_HOSTS
from kioskd.web.server import application

STEPS = 3
_STEP_NUMBER = {Step.WELCOME: 1, Step.READING: 1, Step.CONFIRM: 2, Step.CHECKING_IN: 2, Step.DONE: 3}
_CAN_ASK_FOR_HELP = frozenset({Step.WELCOME, Step.READING, Step.CONFIRM, Step.TAKE_CARD})
_GO_TO_DESK = frozenset({Step.WELCOME, Step.TAKE_CARD})
"""Nothing is in hand: without the hub these pages send everybody to the desk."""
_REFRESH_S = {Step.CONFIRM: 30}
"""Without scripts the page loads itself again, less often where somebody has to read and choose."""

Act = Callable[[UUID], Awaitable[None]]


def kiosk_app(kiosk: KioskSession, news: News, pages: Pages, framed_by: Iterable[str] = ()) -> ASGIApp:
    """The kiosk of one station. Answers on this machine only; ``framed_by``: origins that may show it in a frame.

    GET ``/`` is the page and ``/live`` its stream; POST ``/confirm``, ``/deny``, ``/help``, ``/more-time``, ``/close``,
    ``/ticket-came``, ``/ticket-missing`` (field ``session``) and ``/language`` (field ``language``) answer 303 to
    ``/``, or the fragment to htmx.
    """
    page = _KioskPage(kiosk, news, pages)
    acts = {
        "/confirm": kiosk.confirm,
        "/deny": kiosk.deny,
        "/help": kiosk.ask_for_help,
        "/more-time": kiosk.need_more_time,
        "/ticket-came": kiosk.ticket_came,
        "/ticket-missing": kiosk.ticket_missing,
        "/close": kiosk.close,
    }
    routes = [
        Route("/", page.show, methods=["GET"]),
        Route("/live", page.live, methods=["GET"]),
        *(Route(path, page.on(act), methods=["POST"]) for path, act in acts.items()),
        Route("/language", page.choose_language, methods=["POST"]),
        pages.static(),
    ]
    return application(routes, error_page=page.problem, hosts=LOOPBACK_HOSTS, framed_by=framed_by)


@dataclass(frozen=True, slots=True)
class _KioskPage:
    """The handlers behind the routes of ``kiosk_app``."""

    _kiosk: KioskSession
    _news: News
    _pages: Pages

    async def show(self, request: Request) -> Response:
        view = self._kiosk.view()
        return self._pages.response("kiosk/page.html", view.language, **_context(view))

    async def live(self, request: Request) -> Response:
        return live.events(self._news, self._concerns, self._fragment)

    def on(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        """A handler that does ``act`` to the session that the form names."""

        async def handler(request: Request) -> Response:
            async with request.form(max_files=0, max_fields=4) as form:
                text = form.get("session")
            try:
                session_id = UUID(str(text))
            except ValueError:
                raise HTTPException(400) from None
            await act(session_id)
            return self._answer(request)

        return handler

    async def choose_language(self, request: Request) -> Response:
        async with request.form(max_files=0, max_fields=4) as form:
            language = str(form.get("language"))
        if language not in self._kiosk.view().languages:
            raise HTTPException(400)
        await self._kiosk.choose_language(language)
        return self._answer(request)

    def problem(self, request: Request, status: int, reference: str) -> Response:
        """The page for an error. It needs nothing of the session, which may be what failed."""
        name = "kiosk/_problem.html" if _is_htmx(request) else "kiosk/problem.html"
        return self._pages.response(name, self._language(), status, reference=reference)

    def _answer(self, request: Request) -> Response:
        return HTMLResponse(self._fragment()) if _is_htmx(request) else RedirectResponse("/", 303)

    def _fragment(self) -> str:
        view = self._kiosk.view()
        return self._pages.render("kiosk/_session.html", view.language, **_context(view))

    def _concerns(self, event: Event) -> bool:
        return isinstance(event, SessionChanged | DeviceChanged) and event.station == self._kiosk.station

    def _language(self) -> str:
        try:
            return self._kiosk.view().language
        except Exception:  # noqa: BLE001 -- the error page is shown also when the session itself fails
            return SOURCE_LANGUAGE


def _context(view: KioskView) -> dict[str, Any]:
    """What the templates know beside the view: which page it is and what the frame around it shows."""
    page = "idle" if view.is_idle else view.step.value
    if not view.is_hub_there and view.step in _GO_TO_DESK:
        page = "desk"
    return {
        "view": view,
        "page": page,
        "step_number": None if page in {"idle", "desk"} else _STEP_NUMBER.get(view.step),
        "steps": STEPS,
        "can_ask_for_help": view.step in _CAN_ASK_FOR_HELP and view.is_hub_there,
        "clears_after_s": int((IDLE_GRACE if view.is_idle else SHOWN_FOR).total_seconds()),
        "refresh_s": 10 if view.is_idle else _REFRESH_S.get(view.step, 3),
    }


def _is_htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"
