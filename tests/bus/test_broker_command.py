"""``kioskd broker`` writes files that a real mosquitto takes, with the rules of the site."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kioskd import config
from kioskd.bus.connection import BrokerAddress, open_bus
from kioskd.bus.topics import SiteTopics
from kioskd.commands.broker import write_broker_files
from kioskd.demo.mosquitto import free_ports
from kioskd.errors import ConfigError, PublishRefused

EXAMPLE = Path(__file__).parents[2] / "systemd" / "site.example.toml"


def site_text(folder: Path, port: int, web_port: int) -> str:
    text = EXAMPLE.read_text(encoding="utf-8").replace("/etc/kioskd", str(folder))
    return text.replace("# port = 1883", f"port = {port}").replace(
        '# websocket_url = "ws://127.0.0.1:9001"', f'websocket_url = "ws://127.0.0.1:{web_port}"'
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """The port of a mosquitto that runs on the written files."""
    for name in ("mqtt.password", "display.password"):
        (tmp_path / name).write_text(f"the-{name}\n")
    port, web_port = free_ports(2)
    folder = tmp_path / "broker"
    write_broker_files(config.parse(site_text(tmp_path, port, web_port), "site.toml"), folder)
    if os.geteuid() == 0:
        for path in (tmp_path, folder, *folder.iterdir()):
            shutil.chown(path, "mosquitto")
        for above in list(tmp_path.parents)[:3]:
            above.chmod(above.stat().st_mode | 0o011)
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "apt-get install mosquitto"
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = b""
    while b" running" not in said:
        line = process.stderr.readline()
        assert line, said.decode()
        said += line
    yield port
    process.terminate()
    process.wait(5)
    process.stderr.close()


async def test_the_daemon_is_admitted_and_may_publish_its_own_site_only(broker: int) -> None:
    topics = SiteTopics("markt")
    address = BrokerAddress("127.0.0.1", broker, "kioskd", "the-mqtt.password", "hub")
    async with open_bus(address, presence=topics.presence, replies=topics.replies) as bus:
        await bus.up.wait()
        await bus.publish(topics.display_state("general"), b"{}")
        with pytest.raises(PublishRefused):
            await bus.publish("kioskd/elsewhere/status", b"x")


def test_a_broker_for_the_network_is_not_written_without_its_certificates(tmp_path: Path) -> None:
    text = site_text(tmp_path, 1883, 9001).replace('# host = "127.0.0.1"', 'host = "broker.praxis.lan"')
    with pytest.raises(ConfigError, match="TLS"):
        write_broker_files(config.parse(text, "site.toml"), tmp_path / "broker")
