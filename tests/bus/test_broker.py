"""What a real mosquitto makes of the files: who may do what, and where it listens."""

import asyncio
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from kioskd.bus.broker import BrokerPlan, Listener, Login, broker_files, password_entry
from kioskd.bus.client import MqttClient
from kioskd.bus.connection import open_bus
from kioskd.bus.topics import SiteTopics
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.errors import BusError
from tests.bus.display_client import web_client

SALT = bytes(range(12))
PLAN = BrokerPlan(
    "praxis",
    Path("/etc/kioskd/broker"),
    mqtt=Listener(8883, "10.0.0.5", Path("/etc/kioskd/tls.crt"), Path("/etc/kioskd/tls.key")),
    web=Listener(9443, "10.0.0.5"),
    hub=Login("hub", "hub-password", SALT),
    display=Login("display", "display-password", SALT),
)


async def test_a_display_can_write_nothing(broker: PrivateMosquitto, topics: SiteTopics, onlooker: aiomqtt.Client):
    refusals: list[int] = []
    was_told = asyncio.Event()

    def told(_client: object, _data: object, _mid: int, reason_code: aiomqtt.client.ReasonCode, _: object) -> None:
        refusals.append(reason_code.value)
        was_told.set()

    onlooker._client.on_publish = told
    for topic in (topics.display_state("main"), topics.status, topics.request("check-in"), "elsewhere"):
        was_told.clear()
        onlooker._client.publish(topic, b"forged", qos=1, retain=True)
        async with asyncio.timeout(20):
            await was_told.wait()
    assert refusals == [0x87] * 4
    async with open_bus(broker.address) as bus:
        await bus.up.wait()
        await bus.publish(topics.display_state("main"), b"real", retain=True)
    await onlooker.subscribe("#", qos=1)
    async with asyncio.timeout(20):
        assert (await anext(aiter(onlooker.messages))).payload == b"real"


async def test_a_display_reads_pictures_and_status_and_nothing_else(
    broker: PrivateMosquitto, topics: SiteTopics, onlooker: aiomqtt.Client
):
    await onlooker.subscribe("#", qos=1)
    may_see = [topics.display_state("main"), topics.display_state("x-ray"), topics.status]
    async with open_bus(broker.address) as bus:
        await bus.up.wait()
        for topic in (topics.request("check-in"), f"{topics.replies}/kiosk-1", *may_see):
            await bus.publish(topic, b"{}")
    async with asyncio.timeout(20):
        seen = [str((await anext(aiter(onlooker.messages))).topic) for _ in may_see]
    assert seen == may_see


async def test_the_hub_is_unknown_where_displays_connect(broker: PrivateMosquitto):
    client = web_client(broker, user=broker.address.user, password=broker.address.password)
    with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
        async with client:
            pass


async def test_displays_are_unknown_where_daemons_connect(broker: PrivateMosquitto):
    as_display = replace(broker.address, user=broker.display.user, password=broker.display.password)
    client = MqttClient(as_display, "someone", None)
    with pytest.raises(BusError, match="not authorized"):
        await client.connect()
    assert client.is_not_admitted


async def test_nobody_is_admitted_without_a_password(broker: PrivateMosquitto):
    with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
        async with web_client(broker, password=""):
            pass


async def test_both_listeners_are_on_this_machine_only(broker: PrivateMosquitto):
    listening = _listening_addresses()
    ports = (broker.address.port, int(broker.web_url.rsplit(":", 1)[1]))
    assert [listening[port] for port in ports] == [{"127.0.0.1"}] * 2


def _listening_addresses() -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(path).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, port = local.split(":")
            if state == "0A":
                is_v4 = len(address) == 8
                shown = socket.inet_ntoa(bytes.fromhex(address)[::-1]) if is_v4 else address
                found.setdefault(int(port, 16), set()).add(shown)
    return found


def test_a_password_entry_is_what_mosquitto_s_own_tool_makes(tmp_path: Path):
    theirs = tmp_path / "theirs"
    subprocess.run(["mosquitto_passwd", "-c", "-b", theirs, "hub", "hub-password"], check=True, capture_output=True)
    name, kind, _iterations, salt, digest = theirs.read_text().strip().replace(":$", "$").split("$")
    our_name, our_kind, _, our_salt, our_digest = password_entry(PLAN.hub).strip().replace(":$", "$").split("$")
    assert (our_name, our_kind, len(our_salt), len(our_digest)) == (name, kind, len(salt), len(digest))


def test_the_files_name_what_a_site_chose_and_hold_no_password():
    files = broker_files(PLAN)
    assert set(files) == {"mosquitto.conf", "daemon.passwd", "daemon.acl", "display.passwd", "display.acl"}
    config = files["mosquitto.conf"].splitlines()
    for line in (
        "listener 8883 10.0.0.5",
        "certfile /etc/kioskd/tls.crt",
        "keyfile /etc/kioskd/tls.key",
        "set_tcp_nodelay true",
        "persistence false",
        "user mosquitto",
        "password_file /etc/kioskd/broker/display.passwd",
    ):
        assert line in config
    assert config.count("allow_anonymous false") == 2
    everything = "".join(files.values())
    assert "hub-password" not in everything
    assert "display-password" not in everything


@pytest.mark.parametrize("user", ["", "a:b", "a\nuser hub"])
def test_a_user_that_would_break_the_password_file_is_refused(user: str):
    with pytest.raises(ValueError, match="broker user"):
        broker_files(replace(PLAN, display=Login(user, "x", SALT)))


def test_a_path_that_would_add_a_line_to_the_configuration_is_refused():
    with pytest.raises(ValueError, match="one line"):
        broker_files(replace(PLAN, folder=Path("/etc/kioskd\nallow_anonymous true")))
