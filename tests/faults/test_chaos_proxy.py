"""The chaos proxy itself, over real sockets: what passes is counted to the byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.faults.chaos_proxy import CLEAR, ChaosProxy, Fault, Kind, Way, chaos_proxy, slow

WITHIN_S = 10.0
REQUEST = bytes(range(256)) * 4
ANSWER = bytes(reversed(range(256))) * 3


@dataclass
class Server:
    """Reads until the end or ``len(REQUEST)`` bytes, then answers; keeps what it got and how the connection ended."""

    got: list[bytes] = field(default_factory=list)
    ends: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    expected: int = len(REQUEST)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = b""
        try:
            while len(got) < self.expected and (data := await reader.read(65536)):
                got += data
            if len(got) >= self.expected:
                writer.write(ANSWER)
                await writer.drain()
                while data := await reader.read(65536):
                    got += data
            end = "closed"
        except ConnectionError:
            end = "reset"
        writer.close()
        self.got.append(got)
        self.ends.put_nowait(end)

    async def end(self) -> str:
        async with asyncio.timeout(WITHIN_S):
            return await self.ends.get()


@asynccontextmanager
async def between(fault: Fault) -> AsyncIterator[tuple[Server, ChaosProxy]]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with chaos_proxy((host, port), lambda number: fault) as proxy:
        yield server, proxy
    listening.close()


async def talk(proxy: ChaosProxy, request: bytes = REQUEST, within_s: float = WITHIN_S) -> tuple[bytes, str]:
    """Send, hear until the end; what was heard and how it ended (``closed``, ``reset`` or ``silent``)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    heard = b""
    try:
        async with asyncio.timeout(within_s):
            writer.write(request)
            await writer.drain()
            while len(heard) < len(ANSWER) and (data := await reader.read(65536)):
                heard += data
            return heard, "closed"
    except ConnectionError:
        return heard, "reset"
    except TimeoutError:
        return heard, "silent"
    finally:
        writer.close()


async def test_on_a_clear_day_everything_passes() -> None:
    async with between(CLEAR) as (server, proxy):
        assert await talk(proxy) == (ANSWER, "closed")
        assert await server.end() == "closed"
    assert server.got == [REQUEST]
    assert proxy.passed == [{Way.TO_SERVER: len(REQUEST), Way.TO_CLIENT: len(ANSWER)}]


@pytest.mark.parametrize("after", [0, 1, 17, 255, len(REQUEST) - 1, len(REQUEST)])
async def test_a_reset_on_the_way_to_the_server_comes_at_its_byte(after: int) -> None:
    async with between(Fault(Kind.RESET, Way.TO_SERVER, after)) as (server, proxy):
        heard, end = await talk(proxy)
        assert (end, await server.end()) == ("reset", "reset")
    assert server.got == [REQUEST[:after]]
    assert heard == b"" or after == len(REQUEST)


@pytest.mark.parametrize("after", [0, 1, 100, len(ANSWER) - 1])
async def test_a_reset_on_the_way_back_comes_at_its_byte(after: int) -> None:
    async with between(Fault(Kind.RESET, Way.TO_CLIENT, after)) as (server, proxy):
        heard, end = await talk(proxy)
        assert end == "reset"
        await server.end()
    assert heard == ANSWER[:after]
    assert after == 0 or server.got == [REQUEST]


@pytest.mark.parametrize("after", [0, 1, 300])
async def test_a_truncated_request_ends_in_order(after: int) -> None:
    async with between(Fault(Kind.TRUNCATE, Way.TO_SERVER, after)) as (server, proxy):
        assert await talk(proxy) == (b"", "closed")
        assert await server.end() == "closed"
    assert server.got == [REQUEST[:after]]


async def test_a_truncated_answer_is_half_an_answer() -> None:
    async with between(Fault(Kind.TRUNCATE, Way.TO_CLIENT, 300)) as (_, proxy):
        assert await talk(proxy) == (ANSWER[:300], "closed")


async def test_a_half_open_connection_stays_and_nothing_flows_any_more() -> None:
    async with between(Fault(Kind.HALF_OPEN, Way.TO_SERVER, 1000)) as (server, proxy):
        assert await talk(proxy, within_s=0.3) == (b"", "silent")
        assert server.ends.empty()
    assert proxy.passed[0] == {Way.TO_SERVER: 1000, Way.TO_CLIENT: 0}


async def test_bytes_that_are_dropped_are_missing_and_the_rest_passes() -> None:
    async with between(Fault(Kind.DROP, Way.TO_CLIENT, after=10, count=5)) as (_, proxy):
        assert await talk(proxy, within_s=0.5) == (ANSWER[:10] + ANSWER[15:], "silent")


async def test_after_the_commit_the_answer_is_withheld_and_the_connection_stays() -> None:
    async with between(Fault(Kind.DROP, Way.TO_CLIENT)) as (server, proxy):
        assert await talk(proxy, within_s=0.3) == (b"", "silent")
        assert await server.end() == "closed"
    assert server.got == [REQUEST]


async def test_what_is_duplicated_passes_twice() -> None:
    async with between(Fault(Kind.DUPLICATE, Way.TO_SERVER, after=4, count=3)) as (server, proxy):
        server.expected += 3
        assert await talk(proxy) == (ANSWER, "closed")
        await server.end()
    assert server.got == [REQUEST[:7] + REQUEST[4:]]


async def test_a_drip_comes_byte_by_byte_and_whole() -> None:
    async with between(Fault(Kind.DRIP, Way.TO_CLIENT, after=len(ANSWER) - 20, every_s=0.01)) as (_, proxy):
        began = asyncio.get_running_loop().time()
        assert await talk(proxy) == (ANSWER, "closed")
        assert asyncio.get_running_loop().time() - began >= 0.15


async def test_latency_delays_and_changes_nothing() -> None:
    async with between(slow(0.1)) as (_, proxy):
        began = asyncio.get_running_loop().time()
        assert await talk(proxy) == (ANSWER, "closed")
        assert asyncio.get_running_loop().time() - began >= 0.2


async def test_who_is_refused_reaches_nobody_and_the_next_may_be_let_in() -> None:
    async with between(Fault(Kind.REFUSE)) as (server, proxy):
        assert (await talk(proxy))[1] == "reset"
        assert not server.got
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await talk(proxy)
        proxy.choose = lambda number: CLEAR
        await proxy.listen()
        assert await talk(proxy) == (ANSWER, "closed")


async def test_switching_off_resets_what_is_open() -> None:
    async with between(CLEAR) as (server, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(REQUEST[:10])
        async with asyncio.timeout(WITHIN_S):
            while not proxy.passed or proxy.passed[0][Way.TO_SERVER] < 10:  # noqa: ASYNC110 - a count, not an event
                await asyncio.sleep(0.01)
        await proxy.refuse()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert await server.end() == "reset"
        writer.close()
