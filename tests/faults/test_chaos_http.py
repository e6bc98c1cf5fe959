"""The chaos proxy for HTTP, in front of a server that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.faults.chaos_http import HttpChaos, HttpFault, http_chaos

BODY = b'{"resourceType":"Bundle","entry":[]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n" + b"x" * 30


@dataclass
class Counter:
    """A server that has done what it was asked as often as ``done`` says."""

    done: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:"))
        self.done.append(await reader.readexactly(length))
        writer.write(ANSWER)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def proxied(fault: HttpFault | None) -> AsyncIterator[tuple[Counter, HttpChaos, httpx.AsyncClient]]:
    counter = Counter()
    listening = await asyncio.start_server(counter.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with (
        http_chaos(f"http://127.0.0.1:{port}") as proxy,
        httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=httpx.Timeout(10, read=1.0)) as client,
    ):
        proxy.slow_s = 0.05
        proxy.choose_for = lambda *_: fault
        yield counter, proxy, client
    listening.close()


@pytest.mark.parametrize(
    ("fault", "done", "status"),
    [
        (None, 1, 200),
        (HttpFault.SLOW, 1, 200),
        (HttpFault.TWICE, 2, 200),
        (HttpFault.SERVER_ERROR, 0, 500),
        (HttpFault.TOO_MANY, 0, 429),
        (HttpFault.REDIRECT, 0, 307),
    ],
)
async def test_what_is_answered_was_done_as_often_as_the_fault_says(
    fault: HttpFault | None, done: int, status: int
) -> None:
    async with proxied(fault) as (counter, proxy, client):
        assert (await client.post("/fhir", content=BODY)).status_code == status
        assert counter.done == [BODY] * done
        assert proxy.seen == [("POST", "/fhir", fault)]


@pytest.mark.parametrize(
    ("fault", "done", "error"),
    [
        (HttpFault.RESET, 0, httpx.ReadError),
        (HttpFault.HANG, 0, httpx.ReadTimeout),
        (HttpFault.HALF, 1, httpx.RemoteProtocolError),
        (HttpFault.COMMIT_THEN_DROP, 1, httpx.ReadError),
        (HttpFault.COMMIT_THEN_HANG, 1, httpx.ReadTimeout),
    ],
)
async def test_what_is_not_answered_was_done_or_not_as_the_fault_says(
    fault: HttpFault, done: int, error: type[Exception]
) -> None:
    async with proxied(fault) as (counter, _, client):
        with pytest.raises(error):
            await client.post("/fhir", content=BODY)
        assert counter.done == [BODY] * done


async def test_a_server_that_is_off_refuses_and_comes_back_at_the_same_place() -> None:
    async with proxied(None) as (counter, proxy, client):
        await proxy.refuse()
        with pytest.raises(httpx.ConnectError):
            await client.post("/fhir", content=BODY)
        await proxy.listen()
        assert (await client.post("/fhir", content=BODY)).status_code == 200
        assert counter.done == [BODY]
