"""The waiting room's page: it is loaded once and then listens to the broker, not to us.

A display is a browser on a television: nobody stands beside it to reload a page. So it takes its picture from a
retained topic, says by itself when that picture is old, and asks here once a minute for its settings, to load itself
again when they have changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

import ui
from kioskd.web.pages import Assets, Pages
from kioskd.web.security import LOOPBACK_HOSTS
from kioskd.web.server import application

_FOLDER = ui.FOLDER / "display"
_THEMES = frozenset({"light", "dark", "contrast"})


@dataclass(frozen=True, slots=True)
class DisplayArea:
    """A waiting area: its name for people and the topic of its picture."""

    name: str
    state_topic: str


@dataclass(frozen=True, slots=True)
class DisplaySettings:
    """What displays of a site need. User and password go to the page: they must be good for reading pictures only."""

    site_name: str
    language: str
    time_zone: str
    areas: Mapping[str, DisplayArea]
    broker_url: str
    """Where browsers reach the broker, ``ws://host:port`` or ``wss://host:port``."""
    broker_user: str
    broker_password: str = field(repr=False)
    old_after_s: float = 15.0
    """A picture that was not renewed for this long is not shown any more."""


def display_app(
    settings: DisplaySettings, pages: Pages, hosts: Iterable[str] = LOOPBACK_HOSTS, framed_by: Iterable[str] = ()
) -> ASGIApp:
    """The displays of one site. GET ``/<area>`` is the page (``?theme=light|dark|contrast``, else as the system asks).

    ``hosts`` and ``framed_by`` as in ``security.Guard``. Raises ValueError for a broker address that is no WebSocket's.
    """
    page = _DisplayPage(settings, pages, _build())
    routes = [
        Route("/", page.first, methods=["GET"]),
        pages.static(),
        Mount("/display-files", StaticFiles(directory=_FOLDER)),
        Route("/{area}", page.show, methods=["GET"]),
        Route("/{area}/settings.json", page.settings, methods=["GET"]),
    ]
    broker = broker_origin(settings.broker_url)
    return application(routes, error_page=page.problem, hosts=hosts, connect_to=[broker], framed_by=framed_by)


def broker_origin(url: str) -> str:
    """The source that a Content-Security-Policy names for a WebSocket address. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or parts.username or set(parts.netloc) & set(" ;,'\""):
        raise ValueError(f"broker address {url!r}: must be like wss://broker.example:9001")
    return f"{parts.scheme}://{parts.netloc}"


def _build() -> str:
    """A short name of everything the page is made of: a display of another build loads itself again."""
    files = b"".join(p.read_bytes() for p in sorted(_FOLDER.iterdir()) if p.is_file())
    return hashlib.sha256(Assets(ui.FOLDER / "static").build.encode() + files).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _DisplayPage:
    """The handlers behind the routes of ``display_app``."""

    _settings: DisplaySettings
    _pages: Pages
    _build: str

    async def first(self, request: Request) -> Response:
        """A site with one area needs no address to be typed."""
        if len(self._settings.areas) != 1:
            raise HTTPException(404)
        return RedirectResponse(f"/{next(iter(self._settings.areas))}", 303)

    async def show(self, request: Request) -> Response:
        theme = request.query_params.get("theme", "")
        return self._pages.response(
            "display/display.html",
            self._settings.language,
            site_name=self._settings.site_name,
            area_name=self._area(request).name,
            theme=theme if theme in _THEMES else "",
            settings_url=f"/{request.path_params['area']}/settings.json",
            files=f"/display-files/{{}}?v={self._build}",
        )

    async def settings(self, request: Request) -> Response:
        area = self._area(request)
        return JSONResponse(
            {
                "broker_url": self._settings.broker_url,
                "user": self._settings.broker_user,
                "password": self._settings.broker_password,
                "state_topic": area.state_topic,
                "area_name": area.name,
                "site_name": self._settings.site_name,
                "language": self._settings.language,
                "time_zone": self._settings.time_zone,
                "old_after_s": self._settings.old_after_s,
                "build": self._build,
            }
        )

    def problem(self, request: Request, status: int, reference: str) -> Response:
        """The page for an error: for the person who sets the display up, so it names the addresses that there are."""
        return self._pages.response(
            "display/problem.html",
            self._settings.language,
            status,
            code=status,
            reference=reference,
            site_name=self._settings.site_name,
            areas=self._settings.areas,
            files=f"/display-files/{{}}?v={self._build}",
        )

    def _area(self, request: Request) -> DisplayArea:
        area = self._settings.areas.get(request.path_params["area"])
        if area is None:
            raise HTTPException(404)
        return area
