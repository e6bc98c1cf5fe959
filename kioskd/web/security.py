"""What every audience's app refuses, and the headers that every answer carries.

A clinic's browser visits other sites too. So an answer is for our own pages only, a state changes only by a POST that
one of our own pages sent, and a request that names a host we do not know is not for us (DNS rebinding: a foreign name
that points to this machine would be "same origin" to the browser).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""The names by which a page on this very machine is reached."""

_METHODS = frozenset({"GET", "HEAD", "POST"})


def content_security_policy(
    connect_to: Iterable[str] = (), framed_by: Iterable[str] = (), forms_to: Iterable[str] = ()
) -> str:
    """Content-Security-Policy level 3 without any inline or evaluated code.

    ``connect_to``: further sources for scripts' connections, such as ``wss://broker.example:9001``.
    ``framed_by``: origins that may show the page in a frame. ``forms_to``: other origins that its forms are sent to.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "font-src 'self'",
            "media-src 'self'",
            " ".join(("connect-src 'self'", *connect_to)),
            " ".join(("frame-ancestors", *(tuple(framed_by) or ("'none'",)))),
            " ".join(("form-action 'self'", *forms_to)),
            "base-uri 'none'",
        )
    )


class Guard:
    """ASGI middleware around a whole app; it holds nothing back, so streams pass.

    ``hosts``       names (without port) that this app answers to, such as ``LOOPBACK_HOSTS``
    ``trusted``     path -> further origins whose POST to exactly that path is taken, such as
                    ``{"/sign-in": ["https://desk.example"]}``
    ``frames``      origins that pages of this app show in a frame
    ``connect_to``, ``framed_by``, ``forms_to``  see ``content_security_policy``
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        trusted: Mapping[str, Iterable[str]] | None = None,
        connect_to: Iterable[str] = (),
        framed_by: Iterable[str] = (),
        frames: Iterable[str] = (),
        forms_to: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._trusted = {path: frozenset(origins) for path, origins in (trusted or {}).items()}
        policy = content_security_policy(connect_to, framed_by, forms_to)
        self._headers = {
            "content-security-policy": "; ".join((policy, " ".join(("frame-src", *frames)))) if frames else policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                # What a person saw must not come back by the back button or from a disk; static files say otherwise.
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that must not reach the app, or None."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or host_name(host) not in self._hosts:
            return PlainTextResponse("This server does not answer to that host name.", 421)
        if scope["method"] not in _METHODS:
            return PlainTextResponse("This method is not used here.", 405, {"allow": ", ".join(sorted(_METHODS))})
        if scope["method"] == "POST" and not self._is_ours(headers, host, scope["path"]):
            return PlainTextResponse("A change is only accepted from this server's own pages.", 403)
        return None

    def _is_ours(self, headers: Headers, host: str, path: str) -> bool:
        """Whether a POST comes from our own page, or from one that is trusted for this path.

        Browsers send Sec-Fetch-Site on HTTPS and to this machine only; elsewhere the Origin must name our own host and
        port. A request with neither is not from a browser's page and is refused too.
        """
        origin = headers.get("origin", "")
        if origin in self._trusted.get(path, ()):
            return True
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        parts = urlsplit(origin)
        return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def host_name(host: str) -> str:
    """The name in a Host header (RFC 9110, 7.2), lower case, without the port; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
