"""``kioskd broker`` writes files that a real mosquitto takes, with the rules of the site."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kioskd import config
from kioskd.bus.client import MqttClient
from kioskd.bus.connection import BrokerAddress, open_bus
from kioskd.bus.topics import SiteTopics
from kioskd.commands.broker import Network, write_broker_files
from kioskd.demo.ports import free_ports
from kioskd.errors import BusError, ConfigError, PublishRefused

EXAMPLE = Path(__file__).parents[2] / "systemd" / "site.example.toml"


def site_text(folder: Path, port: int, web_port: int) -> str:
    text = EXAMPLE.read_text(encoding="utf-8").replace("/etc/kioskd", str(folder))
    return text.replace("# port = 1883", f"port = {port}").replace(
        '# websocket_url = "ws://127.0.0.1:9001"', f'websocket_url = "ws://127.0.0.1:{web_port}"'
    )


@contextmanager
def mosquitto_on(folder: Path) -> Iterator[None]:
    """A mosquitto that runs on the written files."""
    if os.geteuid() == 0:
        for path in (folder.parent, *folder.parent.rglob("*")):
            shutil.chown(path, "mosquitto")
        for above in list(folder.parents)[1:4]:
            above.chmod(above.stat().st_mode | 0o011)
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "apt-get install mosquitto"
    process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        said = b""
        while b" running" not in said:
            line = process.stderr.readline()
            assert line, said.decode()
            said += line
        yield
    finally:
        process.terminate()
        process.wait(5)
        process.stderr.close()


def passwords_in(folder: Path) -> None:
    for name in ("mqtt.password", "display.password"):
        (folder / name).write_text(f"the-{name}\n")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """The port of a mosquitto that runs on the written files."""
    passwords_in(tmp_path)
    port, web_port = free_ports(2)
    site = config.parse(site_text(tmp_path, port, web_port), "site.toml")
    write_broker_files(site, tmp_path / "broker", ["entrance"])
    with mosquitto_on(tmp_path / "broker"):
        yield port


async def test_the_daemon_is_admitted_and_may_publish_its_own_site_only(broker: int) -> None:
    topics = SiteTopics("markt")
    address = BrokerAddress("127.0.0.1", broker, "kioskd", "the-mqtt.password", "hub")
    async with open_bus(address, presence=topics.presence, replies=topics.replies) as bus:
        await bus.up.wait()
        await bus.publish(topics.display_state("general"), b"{}")
        with pytest.raises(PublishRefused):
            await bus.publish("kioskd/elsewhere/status", b"x")


async def test_a_station_is_admitted_with_the_password_that_was_written_for_it(broker: int, tmp_path: Path) -> None:
    file = tmp_path / "broker" / "station-entrance.password"
    assert file.stat().st_mode & 0o077 == 0
    topics = SiteTopics("markt")
    address = BrokerAddress("127.0.0.1", broker, "station-entrance", file.read_text().strip(), "station-entrance")
    async with open_bus(address, replies=topics.replies) as bus, asyncio.timeout(10):
        await bus.up.wait()
        await bus.publish(topics.request("check-in"), b"x")
        with pytest.raises(PublishRefused):
            await bus.publish(topics.status, b"x")


def test_a_station_keeps_its_password_when_the_files_are_written_again(tmp_path: Path) -> None:
    passwords_in(tmp_path)
    site, folder = config.parse(site_text(tmp_path, 1883, 9001), "site.toml"), tmp_path / "broker"
    write_broker_files(site, folder, ["entrance"])
    first = (folder / "station-entrance.password").read_text()
    write_broker_files(site, folder, ["entrance", "side-door"])
    assert (folder / "station-entrance.password").read_text() == first
    assert (folder / "station-side-door.password").read_text() != first
    assert (folder / "daemon.acl").read_text().count("user ") == 3


def test_a_station_with_an_impossible_name_is_refused(tmp_path: Path) -> None:
    passwords_in(tmp_path)
    with pytest.raises(ConfigError, match="a to z"):
        write_broker_files(config.parse(site_text(tmp_path, 1883, 9001), "site.toml"), tmp_path / "b", ["Main/Hall"])
    assert list((tmp_path / "b").iterdir()) == []


def test_a_broker_for_the_network_is_not_written_without_its_certificates(tmp_path: Path) -> None:
    text = site_text(tmp_path, 1883, 9001).replace('# host = "127.0.0.1"', 'host = "broker.praxis.lan"')
    with pytest.raises(ConfigError, match="TLS"):
        write_broker_files(config.parse(text, "site.toml"), tmp_path / "broker")
    network = Network(tmp_path / "tls.crt", tmp_path / "tls.key")
    with pytest.raises(ConfigError, match="wss://"):
        write_broker_files(config.parse(text, "site.toml"), tmp_path / "broker", network=network)


async def test_with_a_certificate_daemons_connect_by_tls_and_only_so(tmp_path: Path) -> None:
    passwords_in(tmp_path)
    port, web_port = free_ports(2)
    certificate, key = self_signed(tmp_path)
    text = site_text(tmp_path, port, web_port).replace("ws://127.0.0.1", "wss://127.0.0.1")
    network = Network(certificate, key, "127.0.0.1")
    write_broker_files(config.parse(text, "site.toml"), tmp_path / "broker", network=network)
    address = BrokerAddress("127.0.0.1", port, "kioskd", "the-mqtt.password", "hub", tls_ca_file=certificate)
    with mosquitto_on(tmp_path / "broker"):
        async with open_bus(address) as bus, asyncio.timeout(10):
            await bus.up.wait()
            await bus.publish("kioskd/markt/status", b"{}")
        with pytest.raises(BusError):
            await MqttClient(replace(address, tls_ca_file=None), "in-clear", None).connect()


async def test_a_broker_with_a_certificate_of_another_authority_is_not_spoken_to(tmp_path: Path) -> None:
    passwords_in(tmp_path)
    port, web_port = free_ports(2)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    text = site_text(tmp_path, port, web_port).replace("ws://127.0.0.1", "wss://127.0.0.1")
    network = Network(*self_signed(theirs), "127.0.0.1")
    write_broker_files(config.parse(text, "site.toml"), tmp_path / "broker", network=network)
    authority, _ = self_signed(ours)
    address = BrokerAddress("127.0.0.1", port, "kioskd", "the-mqtt.password", "hub", tls_ca_file=authority)
    with mosquitto_on(tmp_path / "broker"), pytest.raises(BusError, match="certificate verify failed"):
        await MqttClient(address, "hub", None).connect()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "tls.crt", folder / "tls.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
