"""The daemons of a rig as processes: ``kioskd run`` for each site file, started, stopped and killed one by one.

They end with the process that started them, like everything of a rig, and their logs lie in its folder.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from kioskd.demo.rig import Rig
from kioskd.errors import StartRefused

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 45.0
"""Longer than the daemon's own last bound."""


class Processes:
    """One ``kioskd run`` for each of the rig's ``site_files``. Call from the thread whose end shall be theirs."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._ends: dict[str, asyncio.Task[None]] = {}
        """Each hears its process until that has ended."""

    def url(self, page: str) -> str:
        """Where a page is: ``kiosk``, ``console``, ``display``, ``records`` or ``fhir``."""
        return f"http://127.0.0.1:{self.rig.ports[page]}"

    def log_file(self, role: str) -> Path:
        """Everything that all lives of a process wrote."""
        return self.rig.folder / f"{role}.log"

    def log(self, role: str) -> str:
        """The text of ``log_file``; empty before the first start."""
        file = self.log_file(role)
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def pid(self, role: str) -> int:
        """The process id. Raises StartRefused when it was not started."""
        if role not in self.running:
            raise StartRefused(f"the process {role} is not running")
        return self.running[role].pid

    def is_running(self, role: str) -> bool:
        """Whether the process is there; a stopped (SIGSTOP) one is."""
        return role in self.running and self.running[role].poll() is None

    async def start_all(self) -> None:
        """Start every process, all at once as after a power cut, and wait until each is ready."""
        await asyncio.gather(*(self.start(role) for role in self.rig.site_files))

    async def start(self, role: str, within_s: float = READY_WITHIN_S) -> None:
        """Start a process and wait until it says READY=1, as systemd would. Raises StartRefused."""
        path = self.rig.folder / f"{role}.notify"
        ear = _Ear(path)
        process = self.running[role] = self._spawn(role, path)
        self._ends[role] = ended = asyncio.create_task(_heard_to_the_end(process, ear))
        ready = asyncio.create_task(ear.ready.wait())
        try:
            done, _ = await asyncio.wait({ended, ready}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if ready not in done:
            last = "\n".join(self.log(role).splitlines()[-5:])
            self.kill(role)
            raise StartRefused(f"the process {role} did not get ready; its log ends with:\n{last}")

    async def keep(self, role: str, say: Callable[[str], None]) -> None:
        """Start a process again whenever it ends by itself, as systemd would, until cancelled. Raises StartRefused."""
        while True:
            process = self.running[role]
            await self._ends[role]
            say(f"{role} ended with code {process.wait()} and is started again")
            await self.start(role)
            say(f"{role:8} is process {self.pid(role)}")

    def _spawn(self, role: str, notify: Path) -> subprocess.Popen[bytes]:
        # setpriv asks the kernel to kill the daemon when we die; nothing of Python runs between fork and exec.
        command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "kioskd", "run"]
        command += ["--config", str(self.rig.site_files[role])]
        with self.log_file(role).open("ab") as log:
            environment = {**os.environ, "NOTIFY_SOCKET": str(notify)}
            # A group of its own: Ctrl-C is for us, who then end it in order.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, process_group=0
            )

    def signal(self, role: str, number: int) -> None:
        """Send a signal, such as SIGSTOP or SIGCONT, and do not wait for what it does."""
        self.running[role].send_signal(number)

    def kill(self, role: str) -> None:
        """End a process at once (SIGKILL) and wait for that. MAY be called again."""
        process = self.running.pop(role, None)
        if process is not None:
            process.kill()
            process.wait()

    async def stop(self, role: str, within_s: float = STOP_WITHIN_S) -> int:
        """Ask a process to end (SIGTERM) and wait; its exit code, negative for a signal."""
        process = self.running.pop(role)
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            async with asyncio.timeout(within_s):
                await _ended(process)
        except TimeoutError:
            process.kill()
        return process.wait()

    async def stop_all(self) -> dict[str, int]:
        """Stop every process that was started; their exit codes."""
        roles = list(self.running)
        return dict(zip(roles, await asyncio.gather(*(self.stop(role) for role in roles)), strict=True))

    def kill_all(self) -> None:
        """End everything at once, as a power cut would."""
        for process in self.running.values():
            process.kill()
        for role in list(self.running):
            self.kill(role)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    """Return when a process has ended; it is still there to be waited for."""
    if process.poll() is not None:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    handle = os.pidfd_open(process.pid)
    try:
        loop.add_reader(handle, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


async def _heard_to_the_end(process: subprocess.Popen[bytes], ear: _Ear) -> None:
    try:
        await _ended(process)
    finally:
        ear.close()


class _Ear:
    """What a process tells its NOTIFY_SOCKET: heard until ``close``, because a socket that nobody reads gets full."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._hear)

    def _hear(self) -> None:
        if b"READY=1" in self._socket.recv(4096).split(b"\n"):
            self.ready.set()

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
