import asyncio
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from kioskd.bus.connection import open_bus
from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.demo.ports import free_ports
from kioskd.errors import StartRefused


async def test_a_killed_broker_starts_again_on_the_same_ports(broker: PrivateMosquitto):
    address, web_url, pid = broker.address, broker.web_url, broker.pid
    broker.kill()
    assert not broker.is_running
    await broker.start()
    assert (broker.address, broker.web_url) == (address, web_url)
    assert broker.pid != pid


async def test_a_started_broker_admits_the_hub_at_once(tmp_path: Path):
    broker = PrivateMosquitto(tmp_path / "broker", "praxis")
    await broker.start()
    async with open_bus(broker.address) as bus, asyncio.timeout(20):
        await bus.up.wait()
    await broker.stop()
    assert not broker.is_running


async def test_stopping_and_killing_twice_is_no_error(broker: PrivateMosquitto):
    await broker.stop()
    await broker.stop()
    broker.kill()


async def test_a_port_that_is_taken_says_so(tmp_path: Path, broker: PrivateMosquitto):
    second = PrivateMosquitto(tmp_path / "second", "praxis")
    second._plan = broker._plan
    with pytest.raises(StartRefused, match="Address already in use"):
        await second.start()
    assert not second.is_running


async def test_only_the_owner_can_read_the_files(tmp_path: Path, broker: PrivateMosquitto):
    files = list((tmp_path / "broker").iterdir())
    assert len(files) == 5
    assert {p.stat().st_mode & 0o077 for p in (tmp_path / "broker", *files)} == {0}


def test_a_machine_without_mosquitto_is_told_what_to_install(tmp_path: Path):
    script = f"""
import asyncio, shutil
from pathlib import Path
from kioskd.demo import mosquitto
mosquitto.SEARCH_ALSO = ()
asyncio.run(mosquitto.PrivateMosquitto(Path({str(tmp_path)!r}) / "broker", "praxis").start())
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], env={"PATH": str(tmp_path)}, cwd=Path.cwd(), capture_output=True, text=True
    )
    assert "apt install mosquitto" in ended.stderr


def test_the_broker_ends_with_the_process_that_started_it(tmp_path: Path):
    script = f"""
import asyncio, os, sys
from pathlib import Path
from kioskd.demo.mosquitto import PrivateMosquitto
async def main():
    broker = PrivateMosquitto(Path({str(tmp_path)!r}) / "broker", "praxis")
    await broker.start()
    print(broker.pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == -9
    pid = int(ended.stdout)
    try:
        # Readable once the process has ended; it is not our child, so it can't be waited for.
        waiting = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([waiting], [], [], 5)[0] == [waiting]
    os.close(waiting)


def test_free_ports_lie_below_those_of_outgoing_connections():
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(1024 <= port < first_outgoing for port in ports)
