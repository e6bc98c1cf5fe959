"""FHIR R4 over HTTP (3.1.0): what ``capability`` says, and a plain OperationOutcome for everything else.

Nothing of a request is logged but the kind of a failure: addresses of searches hold insurance numbers.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kioskd.errors import StoreError
from kioskd.records.backend import Records, Written
from kioskd.records.capability import capability_statement
from kioskd.records.dates import instant_text
from kioskd.records.fhirjson import parse as parse_json
from kioskd.records.fhirjson import write
from kioskd.records.outcome import InteractionRefused, Issue, operation_outcome
from kioskd.records.primitives import is_id
from kioskd.records.rows import Found, Stored
from kioskd.records.search import Search, unknown
from kioskd.records.search import parse as parse_search
from kioskd.records.structures import STORED

BODY_BYTES = 4 * 1024 * 1024
"""Longest body that is taken."""
FORM_BYTES = 64 * 1024
JSON_TYPE = "application/fhir+json"
_JSON_TYPES = {JSON_TYPE, "application/json", "application/json+fhir"}
_FORM_TYPE = "application/x-www-form-urlencoded"

_log = logging.getLogger(__name__)


def fhir_app(records: Records, token: str, client: str = "hub", base: str = "/fhir") -> ASGIApp:
    """The FHIR server below the path ``base``. Who brings ``token`` is ``client:<client>`` in the audit trail."""
    if not token:
        raise ValueError("an empty token would let everybody in")
    return _FhirApp(records, token.encode(), f"client:{client}", base)


class _FhirApp:
    """Four kinds of address: [base], [base]/metadata, [base]/Type (and its _search), [base]/Type/id."""

    def __init__(self, records: Records, token: bytes, actor: str, base: str) -> None:
        self._records = records
        self._token = token
        self._actor = actor
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._route(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except InteractionRefused as refusal:
            return _json(refusal.status, operation_outcome(*refusal.issues), _refusal_headers(refusal))
        except (StoreError, OperationalError, InterfaceError) as error:
            _log.error("the records database refused an interaction: %s", type(error).__name__)
            return _json(
                503,
                operation_outcome(Issue("transient", "the database does not answer; try again")),
                {"retry-after": "5"},
            )
        except Exception as error:  # noqa: BLE001 - the border of a request; its text may hold patient data
            _log.error("a FHIR interaction failed: %s", type(error).__name__)
            return _json(500, operation_outcome(Issue("exception", "the server failed; it was logged")))

    async def _route(self, request: Request) -> Response:
        path = request.url.path
        if path != self._base and not path.startswith(f"{self._base}/"):
            raise InteractionRefused(404, Issue("not-found", f"the FHIR server is at {self._base}"))
        parts = [part for part in path.removeprefix(self._base).split("/") if part]
        if parts == ["metadata"]:
            _allow(request, "GET")
            return _json(200, capability_statement(self._url(request)))
        self._authenticate(request.headers)
        _acceptable(request)
        handler = self._handler(request, parts)
        return await handler

    def _handler(self, request: Request, parts: list[str]) -> Awaitable[Response]:
        if not parts:
            _allow(request, "POST")
            return self._transaction(request)
        if parts[0] not in STORED:
            raise InteractionRefused(404, Issue("not-supported", f"the types here are {', '.join(STORED)}"))
        if len(parts) == 1:
            _allow(request, "GET")
            return self._search(request, parts[0], request.url.query)
        if parts[1:] == ["_search"]:
            _allow(request, "POST")
            return self._search_by_form(request, parts[0])
        if len(parts) > 2 or not is_id(parts[1]):
            raise InteractionRefused(404, Issue("not-supported", "there is no such interaction here; see metadata"))
        _allow(request, "GET", "PUT")
        return (self._update if request.method == "PUT" else self._read)(request, *parts)

    def _authenticate(self, headers: Headers) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            raise InteractionRefused(401, Issue("login", "a valid bearer token is needed"))

    def _url(self, request: Request) -> str:
        return f"{request.url.scheme}://{request.url.netloc}{self._base}"

    # --- interactions ----------------------------------------------------------------------------------------------

    async def _read(self, request: Request, kind: str, resource_id: str) -> Response:
        return _resource(200, await self._records.read(kind, resource_id))

    async def _update(self, request: Request, kind: str, resource_id: str) -> Response:
        if "if-none-match" in request.headers or request.url.query:
            raise InteractionRefused(400, Issue("not-supported", "of the conditions only If-Match is supported"))
        resource = await _body(request)
        written = await self._records.put(
            kind, resource_id, resource, self._actor, request.headers.get("if-match", "").strip()
        )
        location = {"location": f"{self._url(request)}/{kind}/{resource_id}"} if written.is_created else {}
        return _resource(201 if written.is_created else 200, written.stored, location)

    async def _transaction(self, request: Request) -> Response:
        written = await self._records.transaction(await _body(request), self._actor)
        entries = [_transaction_entry(one, self._url(request)) for one in written]
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "transaction-response"}
        return _json(200, bundle | ({"entry": entries} if entries else {}))

    async def _search_by_form(self, request: Request, kind: str) -> Response:
        """Search whose parameters stay out of the address (3.1.1.1)."""
        if _media_type(request.headers.get("content-type", "")) != _FORM_TYPE:
            raise InteractionRefused(415, Issue("not-supported", f"expected a body of type {_FORM_TYPE}"))
        body = await _bounded(request, FORM_BYTES)
        both = [request.url.query, body.decode("ascii", "replace")]
        return await self._search(request, kind, "&".join(part for part in both if part))

    async def _search(self, request: Request, kind: str, query: str) -> Response:
        try:
            parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=1000)
        except ValueError:
            raise InteractionRefused(400, Issue("too-costly", "a search has too many parameters")) from None
        is_strict = "handling=strict" in request.headers.get("prefer", "").replace(" ", "").lower()
        search = parse_search(kind, parameters, self._records.zone, is_strict)
        found = await self._records.search(search)
        return Response(_search_set(search, found, self._url(request)), 200, media_type=JSON_TYPE)


def _refusal_headers(refusal: InteractionRefused) -> dict[str, str]:
    if refusal.status == 401:
        return {"www-authenticate": 'Bearer realm="kioskd records"'}
    if isinstance(refusal, _MethodRefused):
        return {"allow": ", ".join(refusal.methods)}
    return {}


class _MethodRefused(InteractionRefused):
    """405 with the methods that are there."""

    def __init__(self, methods: tuple[str, ...]) -> None:
        super().__init__(405, Issue("not-supported", f"supported here: {', '.join(methods)}; see metadata"))
        self.methods = methods


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
        raise _MethodRefused(methods)


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _acceptable(request: Request) -> None:
    """FHIR R4 3.1.0.1.11: ``_format`` goes before the header Accept."""
    wanted = request.query_params.get("_format") or request.headers.get("accept", "*/*")
    kinds = {_media_type(part.replace(" ", "+")) for part in wanted.split(",")}
    if not kinds & {*_JSON_TYPES, "json", "*/*", "application/*", ""}:
        raise InteractionRefused(406, Issue("not-supported", f"answers are {JSON_TYPE}"))


async def _body(request: Request) -> Any:
    if _media_type(request.headers.get("content-type", "")) not in _JSON_TYPES:
        raise InteractionRefused(415, Issue("not-supported", f"expected a body of type {JSON_TYPE}"))
    body = await _bounded(request, BODY_BYTES)
    try:
        return parse_json(body)
    except ValueError as error:
        raise InteractionRefused(400, Issue("structure", f"the body can't be read: {error}")) from None


async def _bounded(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise InteractionRefused(413, Issue("too-long", f"a body has {most} bytes at most"))
    return bytes(body)


def _json(status: int, value: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(write(value), status, headers, media_type=JSON_TYPE)


def _resource(status: int, stored: Stored, headers: dict[str, str] | None = None) -> Response:
    about = {"etag": stored.etag, "last-modified": format_datetime(stored.updated_at, usegmt=True)}
    return Response(stored.json, status, about | (headers or {}), media_type=JSON_TYPE)


def _transaction_entry(written: Written, base: str) -> dict[str, Any]:
    stored = written.stored
    return {
        "response": {
            "status": "201 Created" if written.is_created else "200 OK",
            "location": f"{base}/{stored.type}/{stored.id}",
            "etag": stored.etag,
            "lastModified": instant_text(stored.updated_at),
        }
    }


def _search_set(search: Search, found: Found, base: str) -> str:
    """A Bundle of type searchset as JSON text; the resources go in as they are stored."""
    entries = [_found_entry(stored, "match", base) for stored in found.matches]
    entries += [_found_entry(stored, "include", base) for stored in found.included]
    if search.ignored:
        warning = operation_outcome(*(unknown(search.type, name, "warning") for name in search.ignored))
        entries.append(f'{{"resource":{write(warning)},"search":{{"mode":"outcome"}}}}')
    head = {"resourceType": "Bundle", "type": "searchset", "total": found.total, "link": _links(search, found, base)}
    return write(head)[:-1] + (f',"entry":[{",".join(entries)}]}}' if entries else "}")


def _found_entry(stored: Stored, mode: str, base: str) -> str:
    url = write(f"{base}/{stored.type}/{stored.id}")
    return f'{{"fullUrl":{url},"resource":{stored.json},"search":{{"mode":"{mode}"}}}}'


def _links(search: Search, found: Found, base: str) -> list[dict[str, str]]:
    def url(parameters: list[tuple[str, str]]) -> str:
        return f"{base}/{search.type}" + (f"?{urlencode(parameters)}" if parameters else "")

    links = [{"relation": "self", "url": url(list(search.kept))}]
    if found.has_more:
        same = [(name, value) for name, value in search.kept if name != "_after"]
        links.append({"relation": "next", "url": url([*same, ("_after", found.matches[-1].id)])})
    return links
