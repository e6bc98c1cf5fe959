"""The console's page of sheets: what each printer would print, as pictures. Written against ``ports.SheetPreview``.

GET ``/sheets`` is the page, ``/sheets/KEY.png`` one picture. The people on them are invented.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import groupby

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kioskd.errors import NotPrinted
from kioskd.ports import SheetPreview, SheetSample
from kioskd.staff import Role
from kioskd.web.pages import Pages
from kioskd.web.sign_in import SignedIn, SignIn

__all__ = ["sheet_routes"]

ROLES = frozenset({Role.RECEPTIONIST, Role.ADMIN})

Handler = Callable[[Request, SignedIn], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A sample on the page; ``problem``: why there is no picture of it."""

    sample: SheetSample
    problem: str


@dataclass(frozen=True, slots=True)
class _Sheets:
    _preview: SheetPreview
    _pages: Pages
    _language: str

    async def show(self, request: Request, person: SignedIn) -> Response:
        shown = await run_in_threadpool(lambda: [_Shown(s, self._problem(s)) for s in self._preview.samples()])
        groups = [
            (printer, width, list(same))
            for (printer, width), same in groupby(shown, key=lambda s: (s.sample.printer, s.sample.paper_width_mm))
        ]
        view = {"site_name": self._preview.site_name}
        return self._pages.response("console/sheets.html", self._language, person=person, view=view, groups=groups)

    def _problem(self, sample: SheetSample) -> str:
        try:
            self._preview.png(sample.key)
        except NotPrinted as error:
            return error.what
        return ""

    async def picture(self, request: Request, person: SignedIn) -> Response:
        try:
            png = await run_in_threadpool(self._preview.png, request.path_params["key"])
        except (LookupError, NotPrinted):
            raise HTTPException(404) from None
        return Response(png, media_type="image/png", headers={"cache-control": "private, no-cache"})


def sheet_routes(preview: SheetPreview, sign_in: SignIn, pages: Pages, language: str) -> list[Route]:
    """The page and its pictures, for receptionists and admins."""
    page = _Sheets(preview, pages, language)
    return [
        Route("/sheets", sign_in.guarded(_admitted(page.show)), methods=["GET"]),
        Route("/sheets/{key}.png", sign_in.guarded(_admitted(page.picture)), methods=["GET"]),
    ]


def _admitted(handler: Handler) -> Handler:
    """``handler`` for those who may see the page."""

    async def checked(request: Request, person: SignedIn) -> Response:
        if not person.member.roles & ROLES:
            raise HTTPException(403)
        return await handler(request, person)

    return checked
