"""The secretaries' desk: the check-ins of a day, kept fresh by a live stream; one with everything stored of it.

What a person types into the filter goes into no address: with a script it stays in the page, without one it is posted.
Every view is in the audit trail before it is shown; one that the stream renews is written as ``desk.live``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from babel.dates import format_date
from starlette.datastructures import FormData, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from kioskd.core.events import Event
from kioskd.news import News
from kioskd.records.backend import Records, ResourceStored
from kioskd.records.checkins import CheckIn
from kioskd.staff import Role, Staff
from kioskd.web import live
from kioskd.web.pages import Pages
from kioskd.web.records_table import SORTS, arranged, csv_text
from kioskd.web.server import application
from kioskd.web.sign_in import SignedIn, SignIn, StaffedSettings

ROLES = frozenset({Role.SECRETARY, Role.ADMIN})
_FILTER_LENGTH = 100
_SHOWN_TYPES = frozenset({"Encounter", "Appointment", "Patient"})


def records_app(
    records: Records, staff: Staff, news: News, pages: Pages, settings: StaffedSettings, site_name: str = ""
) -> ASGIApp:
    """The desk of one site for ``ROLES``.

    GET ``/`` is the list (``day``, ``sort``, ``order``), ``/live`` its stream, ``/check-in/<Encounter id>`` one of it;
    POST ``/`` is the list with a filter, POST ``/export`` the list as a CSV file.
    """
    title = pages.language(settings.language).texts.gettext("Records")
    title = f"{title} – {site_name}" if site_name else title
    door = SignIn(staff, pages, settings, audience="records", title=title, roles=ROLES)
    desk = _Desk(records, news, pages, settings.language, site_name)
    routes = [
        *door.routes,
        pages.static(),
        Route("/", door.guarded(desk.show), methods=["GET"]),
        Route("/", door.guarded_form(desk.filter), methods=["POST"]),
        Route("/live", door.guarded_live(desk.live), methods=["GET"]),
        Route("/export", door.guarded_form(desk.export), methods=["POST"]),
        Route("/check-in/{encounter_id}", door.guarded(desk.check_in), methods=["GET"]),
    ]

    def problem(request: Request, status: int, reference: str) -> Response:
        return pages.response(
            "sign-in/problem.html", settings.language, status, title=title, problem=status, reference=reference
        )

    return application(routes, error_page=problem, hosts=settings.hosts, trusted=door.trusted)


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the list a person wants to see. ``words`` is what they typed into the filter."""

    day: date
    sort: str = "time"
    is_descending: bool = False
    words: str = ""

    @property
    def order(self) -> str:
        return "down" if self.is_descending else "up"

    @property
    def day_before(self) -> date:
        return self.day - timedelta(days=1)

    @property
    def day_after(self) -> date:
        return self.day + timedelta(days=1)


def choice_of(asked: QueryParams | FormData, today: date) -> Choice:
    """What was asked for; whatever is not understood is as if it was not there."""
    try:
        day = date.fromisoformat(str(asked.get("day", "")))
    except ValueError:
        day = today
    if not date(1900, 1, 1) <= day <= date(2999, 12, 31):
        day = today
    sort = str(asked.get("sort", ""))
    words = str(asked.get("words", "")).strip()[:_FILTER_LENGTH]
    return Choice(day, sort if sort in SORTS else "time", asked.get("order") == "down", words)


class _Desk:
    """The handlers behind the routes of ``records_app``."""

    def __init__(self, records: Records, news: News, pages: Pages, language: str, site_name: str) -> None:
        self._records = records
        self._news = news
        self._pages = pages
        self._language = language
        self._site_name = site_name

    async def show(self, request: Request, person: SignedIn) -> Response:
        return await self._list(choice_of(request.query_params, self._records.today()), person)

    async def filter(self, request: Request, person: SignedIn, form: FormData) -> Response:
        """The list with a filter, for a browser without scripts, and when it is sorted while a filter is set."""
        return await self._list(choice_of(form, self._records.today()), person)

    async def live(self, request: Request, person: SignedIn) -> StreamingResponse:
        choice = choice_of(request.query_params, self._records.today())

        async def table() -> str:
            context = await self._table(choice, person, "desk.live")
            return self._pages.render("records/_table.html", self._language, **context)

        return live.events(self._news, _is_shown, table)

    async def export(self, request: Request, person: SignedIn, form: FormData) -> Response:
        choice = choice_of(form, self._records.today())
        rows = await self._records.checkins_of_day(choice.day, person.member.name, "desk.export")
        # Spreadsheets take the semicolon where a comma stands in numbers.
        separator = ";" if self._language == "de" else ","
        kept = arranged(rows, choice.sort, choice.is_descending, choice.words, self._text)
        text = csv_text(kept, self._headings(), self._records.zone, separator)
        return Response(
            text.encode("utf-8-sig"),
            media_type="text/csv; charset=utf-8; header=present",
            headers={"content-disposition": f'attachment; filename="check-ins-{choice.day.isoformat()}.csv"'},
        )

    async def check_in(self, request: Request, person: SignedIn) -> Response:
        detail = await self._records.check_in(request.path_params["encounter_id"], person.member.name)
        if detail is None:
            raise HTTPException(404)
        day = detail.check_in.arrived_at and detail.check_in.arrived_at.astimezone(self._records.zone).date()
        return self._response("records/check-in.html", person, detail=detail, row=detail.check_in, day=day)

    async def _list(self, choice: Choice, person: SignedIn) -> Response:
        context = await self._table(choice, person, "desk.list")
        return self._response("records/page.html", person, today=self._records.today(), **context)

    async def _table(self, choice: Choice, person: SignedIn, action: str) -> dict[str, Any]:
        rows = await self._records.checkins_of_day(choice.day, person.member.name, action)
        kept = arranged(rows, choice.sort, choice.is_descending, choice.words, self._text)
        return {"choice": choice, "rows": kept, "total": len(rows), "born": self._born}

    def _response(self, template: str, person: SignedIn, **context: Any) -> Response:
        context |= {"person": person, "site_name": self._site_name, "born": self._born}
        return self._pages.response(template, self._language, **context)

    def _born(self, birth_date: str) -> str:
        """A FHIR date as people write it here; a year or a month stays as it is."""
        try:
            return format_date(date.fromisoformat(birth_date), "medium", self._pages.language(self._language).locale)
        except ValueError:
            return birth_date

    def _text(self, row: CheckIn) -> str:
        """The texts of a row that a filter looks through: the same ones as the page's script."""
        return " ".join(
            (
                row.label,
                row.family,
                row.given,
                self._born(row.birth_date),
                row.record_number,
                row.insurance_number,
                row.practitioner,
                row.station,
            )
        )

    def _headings(self) -> tuple[str, ...]:
        _ = self._pages.language(self._language).texts.gettext
        return (
            _("Arrived at"),
            _("Ticket"),
            _("Family name"),
            _("Given names"),
            _("Born"),
            _("Record no."),
            _("Insurance no."),
            _("Appointment at"),
            _("With"),
            _("Station"),
            _("Identified by"),
            _("Visit"),
            _("Appointment"),
            _("Check-in id"),
        )


def _is_shown(event: Event) -> bool:
    return isinstance(event, ResourceStored) and event.type in _SHOWN_TYPES
