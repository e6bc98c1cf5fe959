"""A hub in a process of its own, to be stopped and killed: ``python -m tests.bus.hub_process PORT PASSWORD KEY``."""

import asyncio
import sys
from dataclasses import replace

from kioskd.bus.connection import BrokerAddress, open_bus
from kioskd.bus.hub_server import serve_hub
from kioskd.bus.topics import SiteTopics
from tests.bus.list_hub import ListHub


async def main(port: str, password: str, key: str) -> None:
    topics = SiteTopics("praxis")
    presence = replace(topics.presence, every_s=0.3, valid_for_s=1)
    address = BrokerAddress("127.0.0.1", int(port), "hub", password, "hub")
    async with (
        open_bus(address, presence=presence, replies=topics.replies) as bus,
        serve_hub(bus, topics, bytes.fromhex(key), ListHub()),
    ):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
