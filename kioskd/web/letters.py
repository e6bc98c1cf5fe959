"""The console's pages of appointment letters, written against ``hub.letter_view.Letters``.

GET ``/letters`` lists the appointments of a day (``day``: ISO date; else the next one). POST ``/letters`` answers with
one letter to print: there is nothing to go back to, its code is kept nowhere. No address holds a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kioskd.errors import ForwardError, RuleViolation
from kioskd.hub.letter_view import Letters
from kioskd.web.pages import Pages
from kioskd.web.sign_in import SignedIn, SignIn

LONGEST_ID = 64


def letter_routes(letters: Letters, sign_in: SignIn, pages: Pages, language: str) -> list[Route]:
    """The routes of these pages, for the console's app."""
    page = _LetterPages(letters, pages, language)
    return [
        Route("/letters", sign_in.guarded(page.show), methods=["GET"]),
        Route("/letters", sign_in.guarded_form(page.issue), methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _LetterPages:
    """The handlers behind the routes."""

    _letters: Letters
    _pages: Pages
    _language: str

    async def show(self, request: Request, person: SignedIn) -> Response:
        return await self._list(person, _day(request.query_params.get("day")) or self._letters.next_day())

    async def issue(self, request: Request, person: SignedIn, form: FormData) -> Response:
        day, appointment = _day(form.get("day")), str(form.get("appointment", ""))
        if day is None or not 0 < len(appointment) <= LONGEST_ID:
            raise HTTPException(400)
        try:
            letter = await self._letters.issue(day, appointment, person.member.name)
        except RuleViolation:
            return await self._list(person, day, "gone", 409)
        except ForwardError:
            return await self._list(person, day, "away", 503)
        picture = qr_path(letter.code)
        return self._response("console/letter.html", person, 200, letter=letter, picture=picture, day=day)

    async def _list(self, person: SignedIn, day: date, trouble: str = "", status: int = 200) -> Response:
        try:
            rows = await self._letters.of_day(day, person.member.name)
        except ForwardError:
            rows, trouble, status = (), "away", 503
        return self._response("console/letters.html", person, status, rows=rows, day=day, trouble=trouble)

    def _response(self, template: str, person: SignedIn, status: int, **context: Any) -> Response:
        view = {"site_name": self._letters.site_name}
        return self._pages.response(template, self._language, status, person=person, view=view, **context)


def qr_path(text: str) -> tuple[int, str]:
    """A QR code (ISO/IEC 18004, correction M) as an SVG path of unit squares, and how many units wide it is.

    The quiet zone of four units is part of it.
    """
    import zxingcpp

    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    picture: Any = code.to_image()
    rows: Any = memoryview(picture).tolist()
    dark = [f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, value in enumerate(row) if value < 128]
    return len(rows), "".join(dark)


def _day(text: object) -> date | None:
    """A day of an address or a form, or None when it is empty. Raises HTTPException for anything else."""
    if not text:
        return None
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        raise HTTPException(400) from None
    if not 2000 <= day.year <= 2999:
        raise HTTPException(400)
    return day
