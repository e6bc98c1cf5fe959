"""The reception console: the queue, the person in hand, devices and alerts. Written against ``hub.view.Desk``.

GET ``/`` is the page (``ticket``: who is in hand; ``ask``: what is asked before it is done; ``did`` and ``on``: what
was just done, to which ticket), ``/live`` its stream; every command is a POST of a plain form that answers 303 to
``/``. htmx follows the same way and gets the same parts as fragments. An address holds ticket ids only; names and birth
dates are in the body of a page alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from kioskd.core.events import CardRemoved, CardSeen, Event, PatientIdentified, SessionChanged
from kioskd.core.queue import TicketState
from kioskd.errors import RuleViolation
from kioskd.health import Kind, Part, State
from kioskd.hub.letter_view import Letters
from kioskd.hub.printer_view import Printers
from kioskd.hub.view import AreaRow, ConsoleView, Desk, DeviceRow, QueueRow, RecordState
from kioskd.news import News
from kioskd.ports import SheetPreview
from kioskd.staff import Role, Staff
from kioskd.web import console_sheets, live
from kioskd.web.console_sheets import Command
from kioskd.web.letters import letter_routes
from kioskd.web.pages import Pages
from kioskd.web.printers import printer_routes
from kioskd.web.server import application
from kioskd.web.sheets import sheet_routes
from kioskd.web.sign_in import SignedIn, SignIn, StaffedSettings, is_htmx

ROLES = frozenset({Role.RECEPTIONIST, Role.CLINICIAN, Role.ADMIN})
FINISHED_SHOWN = 20
"""How many of today's finished visits are listed."""
_NOT_SHOWN = CardSeen | CardRemoved | SessionChanged | PatientIdentified
"""What happens at a kiosk before there is a ticket."""
_DONE = (
    frozenset({"call", "recall", "finish", "no-show", "wait-again", "card-read", "card-not-read", "nobody"})
    | console_sheets.DONE
)


def console_app(
    desk: Desk,
    printers: Printers,
    staff: Staff,
    news: News,
    pages: Pages,
    settings: StaffedSettings,
    preview: SheetPreview | None = None,
    letters: Letters | None = None,
) -> ASGIApp:
    """The console of one site, for receptionists, clinicians and admins."""
    title = pages.language(settings.language).texts.gettext("Reception")
    sign_in = SignIn(staff, pages, settings, audience="console", title=title, roles=ROLES)
    page = _Console(desk, news, pages, settings.language, title, letters is not None)
    commands: Mapping[str, Command] = {
        "call": lambda ticket, form, who: desk.call(ticket, str(form.get("room", "")), who),
        "recall": lambda ticket, _, who: desk.recall(ticket, who),
        "finish": lambda ticket, _, who: desk.finish(ticket, who),
        "no-show": lambda ticket, _, who: desk.miss(ticket, who),
        "wait-again": lambda ticket, _, who: desk.put_back(ticket, who),
        "card-read": lambda ticket, _, who: desk.card_read(ticket, who),
        "card-not-read": lambda ticket, _, who: desk.card_not_read(ticket, who),
        **console_sheets.commands(desk),
    }
    routes = [
        Route("/", sign_in.guarded(page.show), methods=["GET"]),
        Route("/live", sign_in.guarded_live(page.live), methods=["GET"]),
        Route("/call-next", sign_in.guarded_form(page.call_next), methods=["POST"]),
        *(
            Route(f"/tickets/{{ticket:uuid}}/{name}", sign_in.guarded_form(page.on(name, command)), methods=["POST"])
            for name, command in commands.items()
        ),
        *printer_routes(printers, sign_in, news, pages, settings.language),
        *(sheet_routes(preview, sign_in, pages, settings.language) if preview is not None else ()),
        *(letter_routes(letters, sign_in, pages, settings.language) if letters is not None else ()),
        *sign_in.routes,
        pages.static(),
    ]
    return application(routes, error_page=page.problem, hosts=settings.hosts, trusted=sign_in.trusted)


@dataclass(frozen=True, slots=True)
class _Console:
    """The handlers behind the routes of ``console_app``."""

    _desk: Desk
    _news: News
    _pages: Pages
    _language: str
    _title: str
    _has_letters: bool

    async def show(self, request: Request, person: SignedIn) -> Response:
        if not is_htmx(request):
            await self._desk.opened(person.member.name)
        selected = _uuid(request.query_params.get("ticket"))
        did = request.query_params.get("did", "")
        notice = {"did": did if did in _DONE else "", "on": _uuid(request.query_params.get("on"))}
        return await self._response(request, person, selected, notice, ask=request.query_params.get("ask", ""))

    async def live(self, request: Request, person: SignedIn) -> StreamingResponse:
        selected, ask = _uuid(request.query_params.get("ticket")), request.query_params.get("ask", "")

        async def fragment() -> str:
            view = await self._desk.view()
            return self._pages.render("console/_desk.html", self._language, **_context(view, person, selected, ask))

        return live.events(self._news, _is_shown, fragment, looks_again=True)

    async def call_next(self, request: Request, person: SignedIn, form: FormData) -> Response:
        """Call who waits longest. Who has nobody in hand gets the called person there; others keep theirs."""
        selected = _uuid(form.get("ticket"))
        area, room = str(form.get("area", "")), str(form.get("room", ""))
        try:
            label = await self._desk.call_next(area, room, person.member.name)
        except RuleViolation as error:
            return await self._refused(request, person, selected, error)
        if label is None:
            return _done(selected, "nobody", None)
        rows = (await self._desk.view()).rows
        called = next((r.ticket_id for r in rows if r.label == label and r.state is TicketState.CALLED), None)
        return _done(selected or called, "call", called)

    def on(self, name: str, command: Command) -> Callable[[Request, SignedIn, FormData], Awaitable[Response]]:
        """A handler that does ``command`` to the ticket of the address."""

        async def handler(request: Request, person: SignedIn, form: FormData) -> Response:
            ticket: UUID = request.path_params["ticket"]
            selected = _uuid(form.get("ticket"))
            try:
                await command(ticket, form, person.member.name)
            except RuleViolation as error:
                return await self._refused(request, person, selected, error)
            return _done(selected, name, ticket)

        return handler

    def problem(self, request: Request, status: int, reference: str) -> Response:
        """The page for an error."""
        return self._pages.response(
            "sign-in/problem.html", self._language, status, title=self._title, problem=status, reference=reference
        )

    async def _refused(
        self, request: Request, person: SignedIn, selected: UUID | None, error: RuleViolation
    ) -> Response:
        """The whole console as it is now, with the reason: nothing is lost, and the state that refused can be seen."""
        notice = {"did": "refused", "on": None, "rule": error.rule, "why": str(error)}
        return await self._response(request, person, selected, notice, 409)

    async def _response(
        self,
        request: Request,
        person: SignedIn,
        selected: UUID | None,
        notice: dict[str, Any],
        status: int = 200,
        ask: str = "",
    ) -> Response:
        view = await self._desk.view()
        template = "console/_update.html" if is_htmx(request) else "console/page.html"
        context = _context(view, person, selected, ask) | {"has_letters": self._has_letters}
        about = next((r for r in view.rows if r.ticket_id == notice["on"]), None)
        return self._pages.response(template, self._language, status, **context, notice=notice, about=about)


def _context(view: ConsoleView, person: SignedIn, selected: UUID | None, ask: str) -> dict[str, Any]:
    """What the templates know beside the view."""
    in_hand = next((r for r in view.rows if r.ticket_id == selected), None)
    return {
        "view": view,
        "person": person,
        "in_hand": in_hand,
        "area_of": {area.id: area for area in view.areas},
        "groups": [_group(view, area) for area in sorted(view.areas, key=lambda a: not a.is_help_desk)],
        "ended": _ended(view),
        "ended_count": sum(r.state in {TicketState.FINISHED, TicketState.NO_SHOW} for r in view.rows),
        **console_sheets.context(view, in_hand, ask),
        "parked": [r for r in view.rows if r.record is RecordState.PARKED],
        "troubled": [d for d in view.devices if d.state != "ready"],
        "needing_soon": [d for d in view.devices if needs_soon(d)],
        "parts": [p for p in view.parts if p.kind is not Kind.DEVICE],
        "unwell": [p for p in view.parts if p.why is not None and p.kind is not Kind.DEVICE],
        "part_alerts": [p for p in view.parts if p.why is not None and not _has_own_alert(p)],
        "minutes_since": lambda moment: minutes_between(moment, view.at),
        "age": lambda row: age_on(row, view),
    }


def _has_own_alert(part: Part) -> bool:
    """Whether the console tells of a part in words of its own: devices, the broker, what the records do not have."""
    is_backlog = part.kind is Kind.OUTBOX and part.state is State.TROUBLE
    return part.kind in {Kind.DEVICE, Kind.BROKER} or is_backlog


def _group(view: ConsoleView, area: AreaRow) -> dict[str, Any]:
    """An area with its tickets: ``waiting`` in calling order, ``called`` by room."""
    mine = [r for r in view.rows if r.area == area.id]
    called = [r for r in mine if r.state is TicketState.CALLED]
    return {
        "area": area,
        "waiting": [r for r in mine if r.state is TicketState.WAITING],
        "called": called,
        "called_to": {room: [r for r in called if r.room == room] for room in area.rooms},
    }


def _ended(view: ConsoleView) -> list[QueueRow]:
    """Every no-show, who may still come, and the newest finished visits: a page must not grow all day."""
    finished = [r for r in view.rows if r.state is TicketState.FINISHED][:FINISHED_SHOWN]
    return [r for r in view.rows if r.state is TicketState.NO_SHOW or r in finished]


def needs_soon(row: DeviceRow) -> bool:
    """Whether a printer that works will stop before long: the desk is told while there is time."""
    return row.state == "ready" and row.paper is not None and (bool(row.notes) or row.paper.is_running_out)


def minutes_between(begin: datetime, end: datetime) -> int:
    """Whole minutes from ``begin`` to ``end``; none when a clock was set back."""
    return max(0, int((end - begin).total_seconds() // 60))


def age_on(row: QueueRow, view: ConsoleView) -> int | None:
    """Years of life on the business day."""
    born, day = row.birth_date, view.business_day
    return None if born is None else day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _is_shown(event: Event) -> bool:
    return not isinstance(event, _NOT_SHOWN)


def _done(selected: UUID | None, did: str, on: UUID | None) -> Response:
    given = {"ticket": selected, "did": did, "on": on}
    return RedirectResponse("/?" + urlencode({key: str(value) for key, value in given.items() if value}), 303)


def _uuid(text: object) -> UUID | None:
    """An id of an address or a form. Raises HTTPException for anything else."""
    if not text:
        return None
    try:
        return UUID(str(text))
    except ValueError:
        raise HTTPException(400) from None
