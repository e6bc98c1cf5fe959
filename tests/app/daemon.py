"""A real ``kioskd run`` on a rig, as a process of its own, for acceptance tests."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from kioskd.demo.clinic import clinic_day, seed
from kioskd.demo.person import Person
from kioskd.demo.processes import Processes
from kioskd.demo.rig import Rig, RigOptions

__all__ = ["Daemon", "Kiosk", "Processes", "daemon_on_rig", "processes_on_rig"]

READY_WITHIN_S = 60.0


class Daemon:
    """One life of ``kioskd run``. Its log is kept in the rig's folder."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.log_file = rig.folder / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, page: str) -> str:
        return f"http://127.0.0.1:{self.rig.ports[page]}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    async def start(self) -> None:
        """Start it and wait until it says READY=1 to its NOTIFY_SOCKET, as systemd would."""
        path = self.rig.folder / "notify.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.setblocking(False)
            self.process = self._spawn(path)
            ended = asyncio.create_task(asyncio.to_thread(self.process.wait))
            ready = asyncio.create_task(asyncio.get_running_loop().sock_recv(notify, 100))
            done, _ = await asyncio.wait({ended, ready}, timeout=READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            assert ready in done, f"kioskd run did not get ready: {self.log}"
            assert ready.result() == b"READY=1"

    def _spawn(self, notify: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "kioskd", "run", "--config", str(self.rig.site_file)]
        with self.log_file.open("ab") as log:
            environment = {**os.environ, "NOTIFY_SOCKET": str(notify)}
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    async def stop(self, with_signal: int = signal.SIGTERM, within_s: float = 20.0) -> int:
        """Send a signal and wait; the exit code."""
        assert self.process is not None
        self.process.send_signal(with_signal)
        return await asyncio.to_thread(self.process.wait, within_s)

    async def seed(self) -> None:
        await seed(f"{self.url('fhir')}/fhir", self.rig.token, clinic_day(datetime.now(UTC)))

    async def add_account(self, name: str, role: str) -> str:
        """An account made on the command line beside the running daemon; its one-time password."""
        command = [sys.executable, "-m", "kioskd", "user", "add", name, "--role", role]
        command += ["--config", str(self.rig.site_file)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        found = re.search(r"one-time password of \S+: (\S+)", done.stdout)
        assert found, done.stdout
        return found.group(1)

    def fhir(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=f"{self.url('fhir')}/fhir",
            headers={"authorization": f"Bearer {self.rig.token}"},
            trust_env=False,
            timeout=10,
        )


class Kiosk(Person):
    """A patient who looks at the kiosk until it shows what they wait for."""

    async def until(self, text: str, within_s: float = 15.0) -> str:
        """The page as soon as it holds ``text``, followed over its live stream as a browser does."""
        async with asyncio.timeout(within_s):
            page = await self.look("/")
            if text in page:
                return page
            async with self._client.stream("GET", "/live", timeout=within_s) as stream:
                seen = ""
                async for line in stream.aiter_lines():
                    seen = seen + line + "\n" if line else ""
                    if text in seen:
                        return await self.look("/")
        raise AssertionError(f"the kiosk never showed {text!r}")


@asynccontextmanager
async def daemon_on_rig(folder: Path, **options: Any) -> AsyncIterator[Daemon]:
    """A rig with a seeded daemon on it; ends whatever is left of both."""
    rig = Rig(folder, RigOptions(is_mechanical=False, languages=("en", "de"), **options))
    daemon = Daemon(rig)
    try:
        await rig.start()
        await daemon.start()
        await daemon.seed()
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
        await rig.stop()


@asynccontextmanager
async def processes_on_rig(folder: Path, *, is_split: bool = True, **options: Any) -> AsyncIterator[Processes]:
    """A rig with its daemons, ready and seeded; ends whatever is left of both."""
    rig = Rig(folder, RigOptions(is_mechanical=False, is_split=is_split, languages=("en", "de"), **options))
    processes = Processes(rig)
    try:
        await rig.start()
        await processes.start_all()
        await seed(f"{processes.url('fhir')}/fhir", rig.token, clinic_day(datetime.now(UTC)))
        yield processes
    finally:
        processes.kill_all()
        await rig.stop()
