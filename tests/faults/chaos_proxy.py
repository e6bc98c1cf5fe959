"""A TCP proxy that does to one connection what networks and machines do to it on bad days, at an exact byte.

It counts bytes of the stream, not packets: with ``after=17`` exactly 17 bytes have passed when the fault begins,
however they were cut into packets. ``chaos_http`` stands on it where a fault is meant for one request.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

CHUNK_B = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_SIOCOUTQNSD = 0x894B
"""Bytes in the send queue that were not sent yet (Linux)."""


class Way(StrEnum):
    """A direction of the stream."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


class Kind(StrEnum):
    """What happens when ``after`` bytes have passed."""

    RESET = "both ends are reset (SO_LINGER 0)"
    TRUNCATE = "both ends are closed in order (FIN)"
    HALF_OPEN = "the connection stays and nothing flows any more, either way"
    DROP = "bytes are swallowed, and what is behind them passes"
    DRIP = "bytes pass one by one, ``every_s`` apart"
    DUPLICATE = "bytes pass twice"
    REFUSE = "reset as soon as it is made"


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one connection. ``count`` None: all bytes from ``after`` on (DROP, DRIP, DUPLICATE).

    A time-out after the commit is ``Fault(Kind.DROP, Way.TO_CLIENT)``: the request arrives, the answer does not.
    """

    kind: Kind
    way: Way = Way.TO_SERVER
    after: int = 0
    count: int | None = None
    every_s: float = 0.01
    latency_s: float = 0.0
    """Before anything that passes, either way."""


CLEAR = Fault(Kind.DROP, count=0)
"""Nothing befalls it."""


def slow(latency_s: float) -> Fault:
    """Everything passes, each piece this much later."""
    return Fault(Kind.DROP, count=0, latency_s=latency_s)


@dataclass
class ChaosProxy:
    """``choose`` is asked for each connection, with how many came before. Change it and ``server`` at any time."""

    server: tuple[str, int]
    choose: Callable[[int], Fault] = field(default=lambda number: CLEAR)
    port: int = 0
    passed: list[dict[Way, int]] = field(default_factory=list)
    """For each connection, in order, the bytes that were handed on."""
    connections: set[Connection] = field(default_factory=set)
    """Those that are open."""
    _listening: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections, again on the same port."""
        self._listening = await asyncio.start_server(self.take, "127.0.0.1", self.port, limit=CHUNK_B)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """As if the server were off: reset what is open, and let the system refuse whoever comes."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        for connection in tuple(self.connections):
            connection.end(with_reset=True)
        if listening is not None:
            await listening.wait_closed()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault, passed = self.choose(len(self.passed)), dict.fromkeys(Way, 0)
        self.passed.append(passed)
        connection = Connection(fault, passed, [writer])
        self.connections.add(connection)
        try:
            if fault.kind is not Kind.REFUSE:
                there = await asyncio.open_connection(*self.server, limit=CHUNK_B)
                connection.writers.append(there[1])
                await connection.run((reader, there[1], Way.TO_SERVER), (there[0], writer, Way.TO_CLIENT))
        except OSError:
            connection.end(with_reset=True)
        finally:
            self.connections.discard(connection)
            connection.end(with_reset=fault.kind is Kind.REFUSE)


class Connection:
    """One client and its connection to the server."""

    def __init__(self, fault: Fault, passed: dict[Way, int], writers: list[asyncio.StreamWriter]) -> None:
        self._fault = fault
        self._passed = passed
        self._read = dict.fromkeys(Way, 0)
        self._is_over = asyncio.Event()
        self._is_frozen = False
        self.writers = writers

    async def run(self, *pipes: tuple[asyncio.StreamReader, asyncio.StreamWriter, Way]) -> None:
        """Pass bytes both ways until both ends have closed, or the fault ends it."""
        flows = [asyncio.create_task(self._flow(*pipe)) for pipe in pipes]
        over = asyncio.create_task(self._is_over.wait())
        try:
            await asyncio.wait([over, asyncio.gather(*flows, return_exceptions=True)], return_when="FIRST_COMPLETED")
        finally:
            for task in (*flows, over):
                task.cancel()

    def end(self, *, with_reset: bool) -> None:
        for writer in self.writers:
            opened = writer.get_extra_info("socket")
            if not with_reset:
                writer.close()
                continue
            with suppress(OSError):  # it is closed already
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()
        self._is_over.set()

    async def _flow(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way) -> None:
        fault = self._fault
        if fault.way is way and fault.after == 0:
            await self._begin(way)
        while data := await source.read(CHUNK_B):
            await asyncio.sleep(fault.latency_s)
            for piece, at in self._cut(data, way):
                await self._pass(sink, way, piece, at)
        if not self._is_frozen and sink.can_write_eof():
            sink.write_eof()

    def _cut(self, data: bytes, way: Way) -> list[tuple[bytes, int]]:
        """``data`` in pieces that lie before, in and behind the fault, each with its place in the stream."""
        begin, fault = self._read[way], self._fault
        self._read[way] += len(data)
        marks = [fault.after, fault.after + fault.count] if fault.count is not None else [fault.after]
        edges = [0, *sorted({m - begin for m in marks if fault.way is way and 0 < m - begin < len(data)}), len(data)]
        return [(data[a:b], begin + a) for a, b in pairwise(edges)]

    async def _pass(self, sink: asyncio.StreamWriter, way: Way, piece: bytes, at: int) -> None:
        fault = self._fault
        end = None if fault.count is None else fault.after + fault.count
        if self._is_frozen or self._is_over.is_set():
            return
        if fault.way is not way or at < fault.after or (end is not None and at >= end):
            await self._send(sink, way, piece)
        elif fault.kind is Kind.DUPLICATE:
            await self._send(sink, way, piece * 2)
        elif fault.kind is Kind.DRIP:
            for byte in piece:
                await self._send(sink, way, bytes((byte,)))
                await asyncio.sleep(fault.every_s)
        if fault.way is way and at + len(piece) == fault.after:
            await self._begin(way)

    async def _begin(self, way: Way) -> None:
        """``after`` bytes have passed: what ends or freezes the connection does so now."""
        match self._fault.kind:
            case Kind.HALF_OPEN:
                self._is_frozen = True
            case Kind.RESET | Kind.TRUNCATE:
                for writer in self.writers:
                    await _until_sent(writer)
                self.end(with_reset=self._fault.kind is Kind.RESET)

    async def _send(self, sink: asyncio.StreamWriter, way: Way, piece: bytes) -> None:
        sink.write(piece)
        await sink.drain()
        self._passed[way] += len(piece)


async def _until_sent(writer: asyncio.StreamWriter) -> None:
    """Wait until the other end's kernel has everything that we wrote: a reset throws away what was not sent yet."""
    opened = writer.get_extra_info("socket")
    while not writer.transport.is_closing():
        unsent = struct.unpack("i", fcntl.ioctl(opened.fileno(), _SIOCOUTQNSD, b"\0\0\0\0"))[0]
        if not unsent and not writer.transport.get_write_buffer_size():
            return
        await asyncio.sleep(0.001)  # the kernel has no event for this


@asynccontextmanager
async def chaos_proxy(
    server: tuple[str, int] = ("127.0.0.1", 0), choose: Callable[[int], Fault] = lambda number: CLEAR
) -> AsyncIterator[ChaosProxy]:
    """A proxy in front of ``server`` on a port of its own, while the block runs."""
    proxy = ChaosProxy(server, choose)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.refuse()
