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

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from kioskd.core.birth_date import TypedDate
from kioskd.core.checkin import IDLE_GRACE, SHOWN_FOR, Step
from kioskd.core.events import DeviceChanged, Event, SessionChanged
from kioskd.news import News
from kioskd.station.view import KioskSession, KioskView
from kioskd.web import live
from kioskd.web.pages import SOURCE_LANGUAGE, Pages
from kioskd.web.security import LOOPBACK_HOSTS
from kioskd.web.server import application

STEPS = 3
_STEP_NUMBER = {
    Step.WELCOME: 1,
    Step.READING: 1,
    Step.BIRTH_DATE: 1,
    Step.LOOKING_UP: 1,
    Step.CONFIRM: 2,
    Step.CHECKING_IN: 2,
    Step.DONE: 3,
}
_CAN_ASK_FOR_HELP = frozenset(
    {Step.WELCOME, Step.READING, Step.BIRTH_DATE, Step.LOOKING_UP, Step.CONFIRM, Step.TAKE_CARD}
)
_GO_TO_DESK = frozenset({Step.WELCOME, Step.TAKE_CARD})
"""Nothing is in hand: without the hub these pages send everybody to the desk."""
_REFRESH_S = {Step.CONFIRM: 30, Step.BIRTH_DATE: 120}
"""Without scripts the page loads itself again, less often where somebody has to read and choose."""

_LONGEST_PART = 4
"""Characters of a day, month or year; what is longer is none."""

Act = Callable[[UUID], Awaitable[None]]


def kiosk_app(kiosk: KioskSession, news: News, pages: Pages, framed_by: Iterable[str] = ()) -> ASGIApp:
    """The kiosk of one station. Answers on this machine only; ``framed_by``: origins that may show it in a frame.

    GET ``/`` is the page and ``/live`` its stream; POST ``/confirm``, ``/deny``, ``/help``, ``/more-time``, ``/close``,
    ``/ticket-came``, ``/ticket-missing`` (field ``session``), ``/birth-date`` (fields ``session``, ``day``, ``month``
    and ``year``) and ``/language`` (field ``language``) answer 303 to ``/``, or the fragment to htmx. GET ``/camera``
    is what a camera sees in words, around ``/camera.jpg``; 204 and 404 while there is nothing to see.
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
        Route("/birth-date", page.give_birth_date, methods=["POST"]),
        Route("/camera", page.camera, methods=["GET"]),
        Route("/camera.jpg", page.camera_picture, methods=["GET"]),
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
                session_id = _session(form)
            await act(session_id)
            return self._answer(request)

        return handler

    async def give_birth_date(self, request: Request) -> Response:
        async with request.form(max_files=0, max_fields=6) as form:
            session_id = _session(form)
            typed = TypedDate(*(str(form.get(name, ""))[:_LONGEST_PART] for name in ("day", "month", "year")))
        await self._kiosk.give_birth_date(session_id, typed)
        return self._answer(request)

    async def camera(self, request: Request) -> Response:
        picture = self._kiosk.look()
        if picture is None:
            return Response(status_code=204)
        return self._pages.response("kiosk/_camera.html", self._kiosk.view().language, picture=picture)

    async def camera_picture(self, request: Request) -> Response:
        picture = self._kiosk.look()
        if picture is None:
            raise HTTPException(404)
        return Response(picture.jpeg, media_type="image/jpeg")

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


def _session(form: FormData) -> UUID:
    """The session that a form was made for. Raises HTTPException."""
    try:
        return UUID(str(form.get("session")))
    except ValueError:
        raise HTTPException(400) from None


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
