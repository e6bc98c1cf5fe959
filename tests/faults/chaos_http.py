"""The chaos proxy for HTTP: a fault befalls one request, not a connection. FHIR's own bad answers are here too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from tests.faults.chaos_proxy import CLEAR, ChaosProxy, Connection, Way


class HttpFault(StrEnum):
    """What happens to one request."""

    SERVER_ERROR = "500, nothing done"
    TOO_MANY = "429 with Retry-After, nothing done"
    RESET = "connection reset before an answer, nothing done"
    HANG = "no answer at all, nothing done"
    NOT_FHIR = "200 with a web page, nothing done"
    ENTRY_LATER = "200 whose entries say 503, nothing done"
    SLOW = "done and answered, both late"
    TWICE = "done twice, answered once"
    HALF = "done, then the connection closes in the middle of the answer"
    COMMIT_THEN_DROP = "done, then the connection is reset without an answer"
    COMMIT_THEN_HANG = "done, then no answer"
    ENTRY_REFUSED = "200 whose entries say 400, nothing done"
    FIRST_ONLY = "a server without rollback: the first entry is done, the others say 409; a read is reset"
    REDIRECT = "307 to elsewhere, nothing done"
    MOVED = "308 to elsewhere, nothing done"


_HARMLESS = frozenset({HttpFault.SLOW, HttpFault.TWICE})
_FINAL = frozenset({HttpFault.ENTRY_REFUSED, HttpFault.MOVED})
TEMPORARY = tuple(f for f in HttpFault if f not in _HARMLESS | _FINAL)
"""These end a delivery, and a repeated one gets through."""
HANGS = frozenset({HttpFault.HANG, HttpFault.COMMIT_THEN_HANG})
"""After these only the client's own time-out ends the request."""

_RESETS = frozenset({HttpFault.RESET, HttpFault.COMMIT_THEN_DROP})


class _End(StrEnum):
    CLOSED = "closed in order"
    RESET = "reset"


async def _nothing(_method: str, _path: str) -> None:
    return


@dataclass
class HttpChaos(ChaosProxy):
    """``choose_for`` is asked for each request: its method, its path and how many came before."""

    choose_for: Callable[[str, str, int], HttpFault | None] = field(default=lambda *_: None)
    before: Callable[[str, str], Awaitable[None]] = field(default=_nothing)
    """Called before a request is forwarded: the moment for somebody else to be faster."""
    after: Callable[[str, str], None] = field(default=lambda *_: None)
    """Called with a forwarded request's method and the first line of its answer."""
    seen: list[tuple[str, str, HttpFault | None]] = field(default_factory=list)
    retry_after: str = "0"
    slow_s: float = 1.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(CLEAR, dict.fromkeys(Way, 0), [writer])
        self.connections.add(connection)
        try:
            while (request := await _message(reader)) is not None:
                if (end := await self._answer(request, writer)) is not None:
                    connection.end(with_reset=end is _End.RESET)
                    break
        except OSError:  # the server is off
            connection.end(with_reset=True)
        finally:
            self.connections.discard(connection)
            connection.end(with_reset=False)

    async def _answer(self, request: _Message, writer: asyncio.StreamWriter) -> _End | None:
        """How the connection ends; None when it stays."""
        method, path, _ = request.first.split(" ")
        fault = self.choose_for(method, path, len(self.seen))
        self.seen.append((method, path, fault))
        entries = json.loads(request.body)["entry"] if method == "POST" and path == "/fhir" else []
        match fault:
            case None:
                writer.write(await self._forward(request, method, path))
            case HttpFault.SERVER_ERROR:
                writer.write(_reply(500, {"resourceType": "OperationOutcome", "issue": []}))
            case HttpFault.TOO_MANY:
                writer.write(_reply(429, {}, f"Retry-After: {self.retry_after}\r\n"))
            case HttpFault.REDIRECT | HttpFault.MOVED:
                status = 307 if fault is HttpFault.REDIRECT else 308
                writer.write(_reply(status, {}, f"Location: {self.url}/elsewhere\r\n"))
            case HttpFault.NOT_FHIR:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>")
            case HttpFault.ENTRY_LATER | HttpFault.ENTRY_REFUSED:
                said = "503 Service Unavailable" if fault is HttpFault.ENTRY_LATER else "400 Bad Request"
                writer.write(_reply(200, _response([said] * len(entries))))
            case HttpFault.FIRST_ONLY if entries:
                bundle = json.loads(request.body) | {"entry": entries[:1]}
                await self._forward(request.with_body(json.dumps(bundle).encode()), method, path)
                writer.write(_reply(200, _response(["201 Created", *["409 Conflict"] * (len(entries) - 1)])))
            case HttpFault.SLOW:
                await asyncio.sleep(self.slow_s)
                writer.write(await self._forward(request, method, path))
            case HttpFault.TWICE:
                await self._forward(request, method, path)
                writer.write(await self._forward(request, method, path))
            case HttpFault.HALF:
                whole = await self._forward(request, method, path)
                writer.write(whole[: len(whole) * 2 // 3])
                return _End.CLOSED
            case HttpFault.COMMIT_THEN_DROP | HttpFault.COMMIT_THEN_HANG:
                await self._forward(request, method, path)
        await writer.drain()
        # After HANG and COMMIT_THEN_HANG the connection stays, until the client gives up.
        return _End.RESET if fault in _RESETS else _End.CLOSED if fault is HttpFault.FIRST_ONLY else None

    async def _forward(self, request: _Message, method: str, path: str) -> bytes:
        await self.before(method, path)
        reader, writer = await asyncio.open_connection(*self.server)
        try:
            writer.write(request.raw)
            answer = await _message(reader)
        finally:
            writer.close()
        if answer is None:
            raise ConnectionResetError("the server ended before it answered")
        self.after(method, answer.first)
        return answer.raw


@dataclass
class _Message:
    """An HTTP/1.1 message with a Content-Length."""

    first: str
    headers: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.first.encode() + b"\r\n" + self.headers + b"\r\n" + self.body

    def with_body(self, body: bytes) -> _Message:
        kept = [h for h in self.headers.split(b"\r\n") if h and not h.lower().startswith(b"content-length")]
        return _Message(self.first, b"\r\n".join([*kept, b"Content-Length: %d" % len(body)]) + b"\r\n", body)


async def _message(reader: asyncio.StreamReader) -> _Message | None:
    """The next message; None when the other side has closed or broken off."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, headers = head.removesuffix(b"\r\n").partition(b"\r\n")
        length = next((int(h[15:]) for h in headers.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
        return _Message(first.decode(), headers, await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _reply(status: int, body: object, headers: str = "") -> bytes:
    raw = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/fhir+json\r\n{headers}Content-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


def _response(statuses: list[str]) -> object:
    entries = [{"response": {"status": status}} for status in statuses]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


@asynccontextmanager
async def http_chaos(server_url: str) -> AsyncIterator[HttpChaos]:
    """A proxy in front of the server at ``server_url`` (an origin) on a port of its own, while the block runs."""
    where = urlsplit(server_url)
    proxy = HttpChaos((where.hostname or "", where.port or 80))
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.refuse()
