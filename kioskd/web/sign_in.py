"""Sign-in for the audiences of the staff: one cookie per audience, a guard for every route, a token in every form.

Used by the console and the records desk: make a ``SignIn``, add its ``routes``, and wrap every other handler in
``guarded`` (pages), ``guarded_form`` (commands) or ``guarded_live`` (streams). What is not wrapped is open to all.

A form carries the session's own token (OWASP "synchronizer token"; here an HMAC of the session's token, so that nothing
more is stored), beside the origin check of ``security.Guard`` and ``SameSite=Strict``. Cookies ignore ports, so each
audience has a name of its own.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from kioskd.errors import AccessDenied, RuleViolation
from kioskd.staff import Role, Staff, StaffMember
from kioskd.staff.accounts import SignInDelayed
from kioskd.web import live
from kioskd.web.pages import Pages
from kioskd.web.security import LOOPBACK_HOSTS

PATH = "/sign-in"
_MAX_FIELDS = 12


@dataclass(frozen=True, slots=True)
class StaffedSettings:
    """How an audience of the staff is served.

    ``hosts``: names that the app answers to. ``is_tls``: browsers reach it by HTTPS only, so cookies are kept to that.
    ``trusted_origins``: other origins, such as the demo's start page, whose form may post a name and password.
    """

    hosts: frozenset[str] = LOOPBACK_HOSTS
    is_tls: bool = False
    trusted_origins: tuple[str, ...] = ()
    language: str = "en"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who sends this request. ``form_token`` stands in every form as ``form_token``."""

    member: StaffMember
    token: str
    form_token: str


Page = Callable[[Request, SignedIn], Awaitable[Response]]
Command = Callable[[Request, SignedIn, FormData], Awaitable[Response]]
Stream = Callable[[Request, SignedIn], Awaitable[StreamingResponse]]


class SignIn:
    """The doors of one audience: ``audience`` names its cookie, ``title`` stands on its sign-in page."""

    def __init__(
        self,
        staff: Staff,
        pages: Pages,
        settings: StaffedSettings,
        *,
        audience: str,
        title: str,
        roles: frozenset[Role],
    ) -> None:
        self._staff = staff
        self._pages = pages
        self._settings = settings
        self._title = title
        self._roles = roles
        self._cookie = ("__Host-" if settings.is_tls else "") + f"kioskd_{audience}"

    @property
    def routes(self) -> list[BaseRoute]:
        return [
            Route(PATH, self._show_sign_in, methods=["GET"]),
            Route(PATH, self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/password", self._show_password, methods=["GET"]),
            Route("/password", self._change_password, methods=["POST"]),
        ]

    @property
    def trusted(self) -> Mapping[str, tuple[str, ...]]:
        """For ``server.application``: who else may post to which path."""
        return {PATH: self._settings.trusted_origins}

    def guarded(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """A handler for signed-in people with one of the audience's roles."""

        async def handler(request: Request) -> Response:
            person = await self._admitted(request)
            return await page(request, person) if isinstance(person, SignedIn) else person

        return handler

    def guarded_form(self, command: Command) -> Callable[[Request], Awaitable[Response]]:
        """A handler for a form of ours: as ``guarded``, and the form must hold the session's token."""

        async def page(request: Request, person: SignedIn) -> Response:
            async with request.form(max_files=0, max_fields=_MAX_FIELDS) as form:
                if not _is_same(str(form.get("form_token", "")), person.form_token):
                    return self._refused_page("form", person)
                return await command(request, person, form)

        return self.guarded(page)

    def guarded_live(self, stream: Stream) -> Callable[[Request], Awaitable[Response]]:
        """A live stream that ends with the session: its last message is the page to sign in again.

        Being shown something is not an action: a stream does not keep its session alive.
        """

        async def handler(request: Request) -> Response:
            person = await self._admitted(request, is_activity=False)
            if not isinstance(person, SignedIn):
                # The page that asked may show patients still: what it swaps in is the page to sign in again.
                return HTMLResponse(self._over(), 401)
            response = await stream(request, person)
            response.body_iterator = self._until_over(response.body_iterator, person.token)
            return response

        return handler

    async def person(self, request: Request, *, is_activity: bool = True) -> SignedIn | None:
        """Who sends a request, or None."""
        token = request.cookies.get(self._cookie, "")
        member = await self._staff.who(token, is_activity=is_activity) if token else None
        return SignedIn(member, token, form_token(token)) if member is not None else None

    async def _until_over(self, stream: AsyncIterable[Any], token: str) -> AsyncIterator[Any]:
        async with aclosing(stream) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if await self._staff.who(token, is_activity=False) is None:
                    yield live.message(self._over())
                    return
                yield chunk

    def _over(self) -> str:
        return self._pages.render("sign-in/_over.html", self._settings.language)

    async def _admitted(self, request: Request, *, is_activity: bool = True) -> SignedIn | Response:
        """Who sends a request, or the answer to somebody who must not come in here."""
        person = await self.person(request, is_activity=is_activity)
        if person is None:
            return _go(request, PATH, 401)
        if not person.member.roles & self._roles:
            return self._refused_page("role", person)
        if person.member.must_change_password:
            return _go(request, "/password", 403)
        return person

    def _refused_page(self, why: str, person: SignedIn) -> Response:
        return self._response("sign-in/refused.html", 403, why=why, person=person)

    async def _show_sign_in(self, request: Request) -> Response:
        if await self.person(request, is_activity=False) is not None:
            return RedirectResponse("/", 303)
        return self._response("sign-in/page.html", 200, name="", problem="", retry_after_s=0)

    async def _sign_in(self, request: Request) -> Response:
        async with request.form(max_files=0, max_fields=_MAX_FIELDS) as form:
            name, password = str(form.get("name", "")), str(form.get("password", ""))
        try:
            token = await self._staff.sign_in(name, password, _address(request))
        except SignInDelayed as error:
            return self._sign_in_page(name, "delayed", error.retry_after_s)
        except AccessDenied as error:
            return self._sign_in_page(name, "expired" if "expired" in str(error) else "wrong")
        member = await self._staff.who(token)
        if member is None or not member.roles & self._roles:
            await self._staff.sign_out(token)
            return self._sign_in_page(name, "role")
        # The browser's old session ends: a token is never carried over from before a sign-in.
        await self._staff.sign_out(request.cookies.get(self._cookie, ""))
        return self._entered(token, "/password" if member.must_change_password else "/")

    def _sign_in_page(self, name: str, problem: str, retry_after_s: int = 0) -> Response:
        status = 429 if retry_after_s else 403
        context = {"name": name[:64], "problem": problem, "retry_after_s": retry_after_s}
        response = self._response("sign-in/page.html", status, **context)
        if retry_after_s:
            response.headers["retry-after"] = str(retry_after_s)
        return response

    async def _sign_out(self, request: Request) -> Response:
        person, form = await self._person_and_form(request)
        if person is None:
            return _go(request, PATH, 401)
        if not _is_same(form.get("form_token", ""), person.form_token):
            return self._refused_page("form", person)
        await self._staff.sign_out(person.token)
        response = RedirectResponse(PATH, 303)
        response.delete_cookie(self._cookie, path="/", secure=self._settings.is_tls, httponly=True, samesite="strict")
        return response

    async def _show_password(self, request: Request) -> Response:
        person = await self.person(request)
        return _go(request, PATH, 401) if person is None else self._password_page(person, "", 200)

    async def _change_password(self, request: Request) -> Response:
        person, form = await self._person_and_form(request)
        if person is None:
            return _go(request, PATH, 401)
        if not _is_same(form.get("form_token", ""), person.form_token):
            return self._refused_page("form", person)
        old, new = form.get("old", ""), form.get("new", "")
        if new != form.get("again", ""):
            return self._password_page(person, "not-the-same", 422)
        try:
            token = await self._staff.change_password(person.member.name, old, new, _address(request))
        except RuleViolation as error:
            return self._password_page(person, error.rule, 422)
        except SignInDelayed as error:
            return self._password_page(person, "delayed", 429, error.retry_after_s)
        except AccessDenied:
            return self._password_page(person, "wrong", 403)
        return self._entered(token, "/")

    async def _person_and_form(self, request: Request) -> tuple[SignedIn | None, dict[str, str]]:
        """For the doors themselves: also a person without a role or with a one-time password may use these."""
        person = await self.person(request)
        async with request.form(max_files=0, max_fields=_MAX_FIELDS) as form:
            return person, {key: str(value) for key, value in form.items()}

    def _password_page(self, person: SignedIn, problem: str, status: int, retry_after_s: int = 0) -> Response:
        context = {"person": person, "problem": problem, "retry_after_s": retry_after_s}
        return self._response("sign-in/password.html", status, **context)

    def _entered(self, token: str, path: str) -> Response:
        response = RedirectResponse(path, 303)
        response.set_cookie(
            self._cookie, token, path="/", secure=self._settings.is_tls, httponly=True, samesite="strict"
        )
        return response

    def _response(self, template: str, status: int, **context: Any) -> Response:
        return self._pages.response(template, self._settings.language, status, title=self._title, **context)


def form_token(token: str) -> str:
    """What stands in a session's forms: it proves the session and does not give its token away."""
    return hmac.new(token.encode(), b"kioskd form", hashlib.sha256).hexdigest()


def is_htmx(request: Request) -> bool:
    """Whether htmx asks for a fragment."""
    return request.headers.get("hx-request") == "true"


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"


def _go(request: Request, path: str, status: int) -> Response:
    """Send a browser to another page; htmx is told to load it whole."""
    if is_htmx(request):
        return PlainTextResponse("", status, {"hx-redirect": path})
    return RedirectResponse(path, 303)
