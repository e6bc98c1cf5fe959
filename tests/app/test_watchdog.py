"""A real ``kioskd run`` under the eyes of a watchdog: what systemd would hear."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlcipher3 import dbapi2

KEY = "0f" * 32
WITHIN_S = 40.0
SILENCE_S = 3.0
"""Three times the time between two pings."""


@dataclass
class Watched:
    """A daemon with the role records alone, and the socket on which it tells systemd how it is."""

    process: subprocess.Popen[bytes]
    heard: socket.socket
    database: Path
    log: Path

    def until(self, is_wanted: Callable[[str], bool]) -> str:
        ends_at = time.monotonic() + WITHIN_S
        while (left := ends_at - time.monotonic()) > 0:
            self.heard.settimeout(left)
            said = self.heard.recv(4096).decode()
            if is_wanted(said):
                return said
        raise AssertionError("never heard")

    def pings_within(self, within_s: float) -> int:
        """How many pings come in this time."""
        ends_at, pings = time.monotonic() + within_s, 0
        while (left := ends_at - time.monotonic()) > 0:
            self.heard.settimeout(left)
            try:
                pings += self.heard.recv(4096) == b"WATCHDOG=1"
            except TimeoutError:
                break
        return pings

    def drain(self) -> None:
        self.heard.setblocking(False)
        try:
            while True:
                self.heard.recv(4096)
        except BlockingIOError:
            return


def site_file(folder: Path) -> Path:
    for name, text in (("store.key", KEY), ("records.token", "token")):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    path = folder / "site.toml"
    path.write_text(
        f"""[site]
id = "markt"
name = "Praxis"
timezone = "Europe/Berlin"
roles = ["records"]
[store]
folder = "{folder / "data"}"
key_file = "{folder / "store.key"}"
[records]
fhir_listen = "127.0.0.1:0"
desk_listen = "127.0.0.1:0"
token_file = "{folder / "records.token"}"
[metrics]
listen = "127.0.0.1:0"
"""
    )
    return path


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with heard_from(tmp_path) as found:
        yield found


@contextmanager
def heard_from(folder: Path) -> Iterator[Watched]:
    command = [sys.executable, "-m", "kioskd", "run", "--config", str(site_file(folder))]
    address = folder / "notify.sock"
    environment = {**os.environ, "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "2000000"}
    environment.pop("WATCHDOG_PID", None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard, (folder / "log").open("wb") as log:
        heard.bind(str(address))
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
            try:
                heard.settimeout(WITHIN_S)
                assert heard.recv(4096) == b"READY=1", "the first word, and a datagram of its own"
                yield Watched(process, heard, folder / "data" / "records.db", folder / "log")
            finally:
                process.kill()


def test_a_healthy_daemon_pings_again_and_again_and_says_that_all_is_well(watched: Watched):
    watched.until(lambda said: said == "STATUS=all is well")
    for _ in range(3):
        watched.until(lambda said: said == "WATCHDOG=1")
    watched.process.send_signal(signal.SIGTERM)
    watched.until(lambda said: said == "STOPPING=1")
    assert watched.process.wait(WITHIN_S) == 0


def test_its_metrics_are_on_a_port_of_their_own(watched: Watched):
    watched.until(lambda said: said == "STATUS=all is well")
    found = re.search(r"metrics on (http://127\.0\.0\.1:\d+)", watched.log.read_text())
    assert found
    text = httpx.get(f"{found.group(1)}/metrics", trust_env=False).text
    assert 'kioskd_part_well{kind="store",part="records database"} 1.0' in text
    assert 'kioskd_commit_seconds_count{database="records"}' in text


def test_a_daemon_that_hangs_pings_no_more_until_it_goes_on(watched: Watched):
    watched.until(lambda said: said == "WATCHDOG=1")
    watched.process.send_signal(signal.SIGSTOP)
    os.waitpid(watched.process.pid, os.WUNTRACED)
    watched.drain()
    assert watched.pings_within(SILENCE_S) == 0
    watched.process.send_signal(signal.SIGCONT)
    watched.until(lambda said: said == "WATCHDOG=1")


def test_a_writer_that_another_process_blocks_stops_the_pings_and_gives_them_back(watched: Watched):
    watched.until(lambda said: said == "WATCHDOG=1")
    holder = dbapi2.connect(str(watched.database), isolation_level=None)
    holder.execute(f"PRAGMA key = \"x'{KEY}'\"")
    holder.execute("BEGIN IMMEDIATE")
    said = watched.until(lambda said: said.startswith("STATUS=records database refuses"))
    assert "locked" in said
    assert watched.pings_within(SILENCE_S) == 0
    holder.execute("ROLLBACK")
    holder.close()
    watched.until(lambda said: said == "WATCHDOG=1")
    assert watched.process.poll() is None
