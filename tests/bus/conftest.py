from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from kioskd.bus.topics import SiteTopics
from kioskd.demo.mosquitto import PrivateMosquitto
from tests.bus.display_client import web_client

SITE = "praxis"


@pytest.fixture
def topics() -> SiteTopics:
    return SiteTopics(SITE)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[PrivateMosquitto]:
    async with PrivateMosquitto(tmp_path / "broker", SITE) as broker:
        yield broker


@pytest.fixture
async def onlooker(broker: PrivateMosquitto) -> AsyncIterator[aiomqtt.Client]:
    """A display's MQTT client."""
    async with web_client(broker) as client:
        yield client
