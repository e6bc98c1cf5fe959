"""Stands between a client and a FHIR server on real sockets and does what networks and servers do on bad days."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit


class Fault(StrEnum):
    """What happens to one request."""

    SERVER_ERROR = "500, nothing done"
    TOO_MANY = "429 with Retry-After, nothing done"
    RESET = "connection closed before an answer, nothing done"
    HANG = "no answer at all, nothing done"
    NOT_FHIR = "200 with a web page, nothing done"
    ENTRY_LATER = "200 whose entries say 503, nothing done"
    HALF = "done, then the connection closes in the middle of the answer"
    COMMIT_THEN_DROP = "done, then the connection closes without an answer"
    COMMIT_THEN_HANG = "done, then no answer"
    ENTRY_REFUSED = "200 whose entries say 400, nothing done"
    FIRST_ONLY = "a server without rollback: the first entry is done, the others say 409; a read is reset"
    REDIRECT = "307 to elsewhere, nothing done"
    MOVED = "308 to elsewhere, nothing done"


TEMPORARY = tuple(f for f in Fault if f not in {Fault.ENTRY_REFUSED, Fault.MOVED})
"""After these a repeated delivery gets through."""


async def _nothing(_method: str, _path: str) -> None:
    return


@dataclass
class FaultProxy:
    """``choose`` is asked for each request: its method, its path and how many came before."""

    backend: str
    choose: Callable[[str, str, int], Fault | None] = field(default=lambda *_: None)
    before: Callable[[str, str], Awaitable[None]] = field(default=_nothing)
    """Called before a request is forwarded: the moment for somebody else to be faster."""
    seen: list[tuple[str, str, Fault | None]] = field(default_factory=list)
    url: str = ""
    retry_after: str = "0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _message(reader)) is not None:
                if not await self._answer(request, writer):
                    break
        finally:
            writer.close()

    async def _answer(self, request: _Message, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        method, path, _ = request.first.split(" ")
        fault = self.choose(method, path, len(self.seen))
        self.seen.append((method, path, fault))
        entries = json.loads(request.body)["entry"] if method == "POST" and path == "/fhir" else []
        match fault:
            case None:
                writer.write(await self._forward(request, method, path))
            case Fault.SERVER_ERROR:
                writer.write(_reply(500, {"resourceType": "OperationOutcome", "issue": []}))
            case Fault.TOO_MANY:
                writer.write(_reply(429, {}, f"Retry-After: {self.retry_after}\r\n"))
            case Fault.REDIRECT | Fault.MOVED:
                status = 307 if fault is Fault.REDIRECT else 308
                writer.write(_reply(status, {}, f"Location: {self.url}/elsewhere\r\n"))
            case Fault.NOT_FHIR:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>")
            case Fault.ENTRY_LATER | Fault.ENTRY_REFUSED:
                said = "503 Service Unavailable" if fault is Fault.ENTRY_LATER else "400 Bad Request"
                writer.write(_reply(200, _response([said] * len(entries))))
            case Fault.FIRST_ONLY if entries:
                bundle = json.loads(request.body) | {"entry": entries[:1]}
                await self._forward(request.with_body(json.dumps(bundle).encode()), method, path)
                writer.write(_reply(200, _response(["201 Created", *["409 Conflict"] * (len(entries) - 1)])))
            case Fault.HALF:
                whole = await self._forward(request, method, path)
                writer.write(whole[: len(whole) * 2 // 3])
                return False
            case Fault.COMMIT_THEN_DROP | Fault.COMMIT_THEN_HANG:
                await self._forward(request, method, path)
        if fault in {Fault.HANG, Fault.COMMIT_THEN_HANG}:
            await writer.drain()
            return True  # the client gives up and closes
        return fault not in {Fault.RESET, Fault.COMMIT_THEN_DROP, Fault.FIRST_ONLY}

    async def _forward(self, request: _Message, method: str, path: str) -> bytes:
        await self.before(method, path)
        where = urlsplit(self.backend)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            writer.write(request.raw)
            answer = await _message(reader)
        finally:
            writer.close()
        assert answer is not None
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
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, _, headers = head.removesuffix(b"\r\n").partition(b"\r\n")
    length = next((int(h[15:]) for h in headers.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    return _Message(first.decode(), headers, await reader.readexactly(length))


def _reply(status: int, body: object, headers: str = "") -> bytes:
    raw = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/fhir+json\r\n{headers}Content-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


def _response(statuses: list[str]) -> object:
    entries = [{"response": {"status": status}} for status in statuses]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


@asynccontextmanager
async def fault_proxy(backend: str) -> AsyncIterator[FaultProxy]:
    """A proxy in front of ``backend`` (an origin) on a port of its own."""
    proxy = FaultProxy(backend)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
