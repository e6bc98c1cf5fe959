"""The FHIR R4 client over HTTP: read, search and transaction, with deadlines, and every error as one of ours.

Texts of errors never hold a URL: the addresses of searches hold identifiers. For the same reason httpx and httpcore,
which log every request, are kept quiet.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from kioskd.errors import ForwardError, Rejected, Unreachable
from kioskd.forward.answers import Gone, failure, retry_after_s, transaction_failure
from kioskd.forward.fhir import Versioned
from kioskd.forward.resources import Resource, is_id

FHIR_JSON = "application/fhir+json"
LONGEST_BODY_BYTES = 16 * 1024 * 1024
MOST_PAGES = 50
PAGE_SIZE = 100
Query = Sequence[tuple[str, str]]

# INFO lines of httpx hold whole URLs, DEBUG lines of httpcore hold headers with our token.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_HTTPX_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
_STRICT = {"prefer": "handling=strict"}
_WRONG_ADDRESS = (httpx.InvalidURL, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Longest waits in seconds: for a connection, for the next bytes of an answer, and for a whole answer."""

    connect_s: float = 3.0
    read_s: float = 10.0
    whole_s: float = 20.0


@dataclass(frozen=True, slots=True)
class _Answer:
    headers: httpx.Headers
    url: httpx.URL
    body: Any


def as_forward_error(error: Exception, what: str) -> ForwardError:
    """An error of httpx as ours. Only its class is told: its text holds the URL."""
    if isinstance(error, _WRONG_ADDRESS):
        return Rejected("invalid-url", f"{what}: the address of the server is not a usable http or https URL")
    return Unreachable(f"{what}: {type(error).__name__}")


class FhirClient:
    """One FHIR R4 server. Use it as an asynchronous context manager, or call ``close``.

    Methods raise Unreachable when the same may work later, ``answers.Conflict`` (a kind of it) for 409 and 412,
    and Rejected when it never will.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        timeouts: Timeouts = Timeouts(),
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._timeouts = timeouts
        self._http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {token}", "accept": FHIR_JSON},
            timeout=httpx.Timeout(timeouts.read_s, connect=timeouts.connect_s),
            # Shorter than the 5 s after which servers commonly close, so that we do not write into a closing one.
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=8, keepalive_expiry=3.0),
            # A proxy of the environment would see patient data; a redirect would be given our token.
            trust_env=False,
            follow_redirects=False,
            verify=verify,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def read(self, kind: str, resource_id: str) -> Versioned | None:
        """A resource with its ETag, or None when there is none (any more: 404, 410)."""
        what = f"read {kind}"
        if not is_id(resource_id):
            raise Rejected("invalid-id", f"{what}: the id is not a FHIR id")
        try:
            answer = await self._send("GET", f"{self._base}/{kind}/{resource_id}", what)
        except Gone:
            return None
        if not isinstance(answer.body, dict) or answer.body.get("resourceType") != kind:
            raise Unreachable(f"{what}: the answer is not a FHIR resource of this type")
        return Versioned(answer.body, answer.headers.get("etag") or _etag_of(answer.body))

    async def transaction(self, bundle: Resource) -> None:
        """Post a transaction Bundle and return when every entry of it is done."""
        answer = await self._send(
            "POST",
            self._base,
            "transaction",
            content=json.dumps(bundle, ensure_ascii=False).encode(),
            headers={"content-type": FHIR_JSON, "prefer": "return=minimal"},
        )
        if refusal := transaction_failure(answer.body, len(bundle["entry"])):
            raise refusal

    async def search(self, kind: str, query: Query, *, in_body: bool = False) -> list[Resource]:
        """All resources that a search finds and includes, each once, from all pages.

        ``in_body`` keeps the parameters out of the address (POST _search, R4 3.1.1.1). Unknown parameters are refused
        by servers that can (Prefer: handling=strict); a caller checks what it got all the same.
        """
        what = f"search {kind}"
        answer = await self._first_page(kind, query, what, in_body)
        found: dict[tuple[Any, Any], Resource] = {}
        for _ in range(MOST_PAGES):
            for resource in _resources_of(answer.body, what):
                found[str(resource.get("resourceType")), str(resource.get("id"))] = resource
            following = self._next(answer, what)
            if following is None:
                return list(found.values())
            answer = await self._send("GET", following, what, headers=_STRICT)
        raise Rejected("too-many-results", f"{what}: more than {MOST_PAGES} pages")

    async def _first_page(self, kind: str, query: Query, what: str, in_body: bool) -> _Answer:
        parameters = urlencode([*query, ("_count", str(PAGE_SIZE))])
        if not in_body:
            return await self._send("GET", f"{self._base}/{kind}?{parameters}", what, headers=_STRICT)
        return await self._send(
            "POST",
            f"{self._base}/{kind}/_search",
            what,
            content=parameters.encode(),
            headers=_STRICT | {"content-type": "application/x-www-form-urlencoded"},
        )

    def _next(self, answer: _Answer, what: str) -> httpx.URL | None:
        """The address of the next page. Another server is not followed: it would be given our token."""
        links = answer.body.get("link")
        for link in links if isinstance(links, list) else []:
            if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
                try:
                    url = answer.url.join(link["url"])
                except httpx.InvalidURL as error:
                    raise as_forward_error(error, what) from None
                base = httpx.URL(self._base)
                if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
                    raise Rejected("foreign-page", f"{what}: the next page is on another server than records_url")
                return url
        return None

    async def _send(
        self,
        method: str,
        url: str | httpx.URL,
        what: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> _Answer:
        try:
            async with (
                asyncio.timeout(self._timeouts.whole_s),
                self._http.stream(method, url, content=content, headers=headers) as response,
            ):
                raw = await _bounded(response, what)
        except TimeoutError:
            raise Unreachable(f"{what}: no whole answer within {self._timeouts.whole_s:g} s") from None
        except _HTTPX_ERRORS as error:
            raise as_forward_error(error, what) from None
        body = _parsed(raw)
        wait_s = retry_after_s(response.headers.get("retry-after"), datetime.now(UTC))
        if refusal := failure(response.status_code, what, body, wait_s):
            raise refusal
        return _Answer(response.headers, response.url, body)


async def _bounded(response: httpx.Response, what: str) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LONGEST_BODY_BYTES:
            raise Rejected("too-long", f"{what}: the answer is longer than {LONGEST_BODY_BYTES} bytes")
    return bytes(body)


def _parsed(raw: bytes) -> Any:
    """The JSON of a body, or None: the page of a proxy in between is not an answer of the server."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _etag_of(resource: Resource) -> str:
    """The ETag that a server without the header would have given (R4 3.1.0.1.6)."""
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return f'W/"{version}"' if isinstance(version, str) else ""


def _resources_of(body: Any, what: str) -> list[Resource]:
    entries = body.get("entry", []) if isinstance(body, dict) and body.get("resourceType") == "Bundle" else None
    if not isinstance(entries, list):
        raise Unreachable(f"{what}: the answer is not a FHIR Bundle")
    resources = [entry.get("resource") for entry in entries if isinstance(entry, dict)]
    return [r for r in resources if isinstance(r, dict) and r.get("resourceType") != "OperationOutcome"]
