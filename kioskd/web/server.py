"""uvicorn inside the daemon, and an audience's app put together.

uvicorn by itself takes over the process's signals, exits the process when a port is taken, logs request addresses and,
with one live stream open, never stops. Here the daemon keeps its signals, a taken port refuses the start with a text
that says what to do, nothing of a request is logged, and stopping takes ``STOP_WITHIN_S`` at most: ``News.end`` closes
the live streams first, what is left then is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kioskd.errors import KioskdError, StartRefused
from kioskd.web.security import Guard

STOP_WITHIN_S = 3
"""How long open answers may take to end when the server stops."""
START_WITHIN_S = 10
"""Longest time from a bound socket to a server that answers."""

ErrorPage = Callable[[Request, int, str], Response | Awaitable[Response]]
"""(request, status, reference) -> the page that the audience sees; ``reference`` is empty where nothing was logged."""

_FRAMES = 6
"""How many places of a failure are logged, innermost first; further out it is always the same framework."""

_log = logging.getLogger(__name__)


def application(
    routes: Sequence[BaseRoute],
    *,
    error_page: ErrorPage,
    hosts: Iterable[str],
    trusted: Mapping[str, Iterable[str]] | None = None,
    connect_to: Iterable[str] = (),
    framed_by: Iterable[str] = (),
    frames: Iterable[str] = (),
    forms_to: Iterable[str] = (),
) -> ASGIApp:
    """One audience's app: its routes behind ``security.Guard``, with the audience's own page for every error.

    ``hosts``, ``trusted``, ``connect_to``, ``framed_by``, ``frames`` and ``forms_to`` as in ``security.Guard``.
    """
    app = _App(routes, error_page)
    return Guard(
        app,
        hosts=hosts,
        trusted=trusted,
        connect_to=connect_to,
        framed_by=framed_by,
        frames=frames,
        forms_to=forms_to,
    )


class _App(Starlette):
    """Starlette with the audience's error pages, and without its outermost layer.

    That layer answers a failure and then raises it again, for uvicorn to log with the text of the exception, which may
    hold what a person typed when it is a library's.
    """

    def __init__(self, routes: Sequence[BaseRoute], error_page: ErrorPage) -> None:
        super().__init__(routes=list(routes))
        self._error_page = error_page

    def build_middleware_stack(self) -> ASGIApp:
        inner = ExceptionMiddleware(self.router, handlers={HTTPException: self._refused})

        async def border(scope: Scope, receive: Receive, send: Send) -> None:
            has_begun = False

            async def sent(message: Message) -> None:
                nonlocal has_begun
                has_begun = True
                await send(message)

            try:
                await inner(scope, receive, sent)
            except Exception as error:  # noqa: BLE001 -- the border of a request
                reference = secrets.token_hex(4)
                _log.error("a page failed, reference %s: %s", reference, described(error))
                if not has_begun:
                    response = await self._page(Request(scope), 500, reference)
                    await response(scope, receive, send)

        return border

    async def _refused(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        response = await self._page(request, error.status_code, "")
        response.headers.update(error.headers or {})
        return response

    async def _page(self, request: Request, status: int, reference: str) -> Response:
        made = self._error_page(request, status, reference)
        return made if isinstance(made, Response) else await made


def described(error: BaseException) -> str:
    """An error for the log: its kind and where it came from, and its text only when it is one of ours.

    Our own texts never hold patient data; those of libraries may quote what they were given.
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames[-_FRAMES:]))
    text = f" ({error})" if isinstance(error, KioskdError) else ""
    return f"{type(error).__name__}{text} at {places or 'an unknown place'}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; ``port`` is the real one, also when 0 was asked for."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """``http://host:port`` without a slash at the end."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@asynccontextmanager
async def serve(app: ASGIApp, host: str, port: int) -> AsyncIterator[Address]:
    """Listen from entering to leaving; leaving takes ``STOP_WITHIN_S`` and half a second at most.

    Call ``News.end`` before leaving, so that live streams end by themselves. ``port`` 0: the system chooses.
    Raises StartRefused when nobody can listen there.
    """
    listener = _listen(host, port)
    address = Address(host, listener.getsockname()[1])
    server = _Server(app)
    # Not a TaskGroup: it would wrap whatever is raised while the server runs.
    running = asyncio.create_task(server.serve(sockets=[listener]), name=f"web server on {host}:{address.port}")
    try:
        await server.wait_until_up()
        yield address
    finally:
        server.should_exit = True
        await running


class _Listener(socket.socket):
    """A listening socket that turns callers away while the process has no file descriptor left for them.

    asyncio alone tries again as often as its backlog is long, with a line in the log each, every second (measured: 2048
    lines a second). Here one descriptor is kept for the case: given up, it makes room to accept and close a connection.
    """

    _spare: int | None = None
    _is_short = False

    def keep_spare(self) -> None:
        """Have the spare descriptor before there is need of it. Raises OSError."""
        if self._spare is None:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def accept(self) -> tuple[socket.socket, Any]:
        try:
            self.keep_spare()
            accepted = super().accept()
        except OSError as error:
            if self._spare is None or error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
        else:
            self._is_short = False
            return accepted
        if not self._is_short:
            _log.error("no file descriptor is free: callers on port %d are turned away", self.getsockname()[1])
        self._is_short = True
        self._turn_away()
        raise BlockingIOError(errno.EAGAIN, "turned away")

    def _turn_away(self) -> None:
        self._close_spare()
        with contextlib.suppress(OSError):
            caller, _ = super().accept()
            caller.close()
        with contextlib.suppress(OSError):
            self.keep_spare()

    def _close_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def close(self) -> None:
        self._close_spare()
        super().close()


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket. Ours and not uvicorn's, which ends the whole process when the port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = _Listener(family, kind, protocol)
    except OSError as error:
        raise StartRefused(f"{host}:{port} is no address to listen on: {error.strerror}") from error
    try:
        # After a restart the old connections of a port linger for a minute; that is no reason to wait.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        listener.keep_spare()
    except OSError as error:
        listener.close()
        what = "end the program that listens there or choose another port in the site file"
        raise StartRefused(f"can't listen on {host}:{port}: {error.strerror}; {what}") from error
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """uvicorn that tells when it listens and leaves the process's signals alone."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,  # request lines could hold what nobody should read in a log
                log_config=None,
                log_level="warning",
                lifespan="off",
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=STOP_WITHIN_S,
            )
        )
        self._is_up = asyncio.Event()

    async def wait_until_up(self) -> None:
        async with asyncio.timeout(START_WITHIN_S):
            await self._is_up.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._is_up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
