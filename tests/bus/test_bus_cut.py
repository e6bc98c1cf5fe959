"""The bus on a bad line: cut at a byte, without an answer, half-open. The broker itself is well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from kioskd.bus.connection import Bus, open_bus
from kioskd.bus.topics import SiteTopics
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.errors import BusError
from tests.faults.chaos_proxy import CLEAR, ChaosProxy, Fault, Kind, Way, chaos_proxy

WITHIN_S = 30.0


@asynccontextmanager
async def bus_under(
    broker: PrivateMosquitto, fault: Fault, keepalive_s: int = 5
) -> AsyncIterator[tuple[Bus, ChaosProxy]]:
    """A bus whose first connection meets ``fault``."""
    server = (broker.address.host, broker.address.port)
    async with chaos_proxy(server, lambda number: fault if number == 0 else CLEAR) as proxy:
        address = replace(broker.address, port=proxy.port, keepalive_s=keepalive_s)
        async with asyncio.timeout(WITHIN_S), open_bus(address) as bus:
            yield bus, proxy


async def bytes_of_connecting(broker: PrivateMosquitto) -> int:
    """How many bytes the broker has sent when a bus is up."""
    async with bus_under(broker, CLEAR) as (bus, proxy):
        await bus.up.wait()
        return proxy.passed[0][Way.TO_CLIENT]


async def cut_once(broker: PrivateMosquitto, topic: str, fault: Fault) -> int:
    """Publish until the broker has it; how many connections that took."""
    async with bus_under(broker, fault) as (bus, proxy):
        while True:
            await bus.up.wait()
            try:
                await bus.publish(topic, b"{}", retain=True)
            except BusError:
                await asyncio.sleep(0)  # the loss of the connection is on its way to ``up``
            else:
                return len(proxy.passed)


async def test_a_line_cut_at_any_byte_of_connecting_and_publishing_is_made_anew(
    broker: PrivateMosquitto, topics: SiteTopics
) -> None:
    topic = topics.display_state("main")
    async with bus_under(broker, CLEAR) as (bus, proxy):
        await bus.up.wait()
        await bus.publish(topic, b"{}", retain=True)
        length = dict(proxy.passed[0])
    faults = [Fault(Kind.RESET, way, after) for way in Way for after in range(0, length[way], 7)]
    connections = await asyncio.gather(*(cut_once(broker, topic, fault) for fault in faults))
    assert min(connections) == 2


async def test_a_publish_whose_answer_is_withheld_is_not_said_to_be_done(
    broker: PrivateMosquitto, topics: SiteTopics
) -> None:
    withheld = Fault(Kind.DROP, Way.TO_CLIENT, after=await bytes_of_connecting(broker))
    async with bus_under(broker, withheld) as (bus, _):
        await bus.up.wait()
        with pytest.raises(BusError, match="no answer from the broker"):
            await bus.publish(topics.display_state("main"), b"{}", within_s=0.5)


async def test_a_half_open_line_is_noticed_and_made_anew(broker: PrivateMosquitto, topics: SiteTopics) -> None:
    silent = Fault(Kind.HALF_OPEN, Way.TO_CLIENT, after=await bytes_of_connecting(broker))
    async with bus_under(broker, silent, keepalive_s=1) as (bus, proxy):
        down = asyncio.Event()
        bus.on_change(lambda is_up: None if is_up else down.set())
        await down.wait()
        await bus.up.wait()
        await bus.publish(topics.display_state("main"), b"{}")
        assert len(proxy.passed) >= 2
