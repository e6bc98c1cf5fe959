"""A private mosquitto for the demo and the tests: the real broker, set up as at a real site.

It listens on this machine only, on ports of its own, with passwords made for this run, and ends with the process
that started it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kioskd.bus.broker import CONFIG_FILE, SALT_LENGTH, BrokerPlan, Listener, Login, broker_files, station_user
from kioskd.bus.client import BrokerAddress, MqttClient
from kioskd.demo.ports import HOST, free_ports
from kioskd.errors import BusError, StartRefused

SEARCH_ALSO = ("/usr/sbin", "/usr/local/sbin")
"""Debian puts it where only root's PATH looks."""
_STOP_WITHIN_S = 3.0
_RUNNING = b" running"
"""mosquitto's last line of a start: "mosquitto version 2.0.11 running"."""


class PrivateMosquitto:
    """A broker for one site, with its files in ``folder``, as a context or by ``start`` and ``stop``.

    For one event loop, and to be started from the thread whose end shall be the broker's (PR_SET_PDEATHSIG).
    """

    def __init__(self, folder: Path, site: str, stations: Sequence[str] = ("entrance",)) -> None:
        hub, display, *others = (_new_login(u) for u in ("hub", "display", *(station_user(s) for s in stations)))
        ports = free_ports(2)
        self._folder = folder = folder.resolve()
        self._plan = BrokerPlan(
            site,
            folder,
            mqtt=Listener(ports[0], HOST),
            web=Listener(ports[1], HOST),
            hub=hub,
            display=display,
            stations=tuple(others),
            # As root, mosquitto would change to a user that can't read a private folder.
            run_as="root" if os.geteuid() == 0 else "mosquitto",
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._log = b""
        self._is_running = asyncio.Event()
        self._has_ended = asyncio.Event()

    @property
    def address(self) -> BrokerAddress:
        """The broker for the hub."""
        return BrokerAddress(HOST, self._plan.mqtt.port, self._plan.hub.user, self._plan.hub.password, "hub")

    def station(self, name: str) -> BrokerAddress:
        """The broker for a station. Raises KeyError for one that it was not made for."""
        login = {login.user: login for login in self._plan.stations}[station_user(name)]
        return BrokerAddress(HOST, self._plan.mqtt.port, login.user, login.password, login.user)

    @property
    def web_url(self) -> str:
        """The broker for displays (MQTT over WebSocket)."""
        return f"ws://{HOST}:{self._plan.web.port}"

    @property
    def display(self) -> Login:
        """The displays' user."""
        return self._plan.display

    @property
    def is_running(self) -> bool:
        """Whether the process is there; a stopped (SIGSTOP) one is."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id. Raises StartRefused when it does not run."""
        if self._process is None:
            raise StartRefused("the private broker is not running")
        return self._process.pid

    async def __aenter__(self) -> PrivateMosquitto:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, within_s: float = 5.0) -> None:
        """Start, again on the same ports, and return when it admits the hub. Raises StartRefused."""
        if self.is_running:
            return
        self._write_files()
        self._spawn()
        try:
            async with asyncio.timeout(within_s):
                await self._until_admitted()
        except TimeoutError:
            self.kill()
            raise StartRefused(f"mosquitto did not get ready within {within_s:g} s{self._last_words()}") from None
        except (BusError, StartRefused):
            self.kill()
            raise

    async def stop(self) -> None:
        """Ask it to end, and wait; kill it when it does not."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self._has_ended.wait()
        except TimeoutError:
            pass
        self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        self._close_log(process)

    # --- starting --------------------------------------------------------------------------------------------

    def _write_files(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, text in broker_files(self._plan).items():
            path = self._folder / name
            path.touch(mode=0o600)
            path.write_text(text)

    def _spawn(self) -> None:
        program = shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SEARCH_ALSO)))
        if program is None:
            raise StartRefused("mosquitto is not installed: apt install mosquitto")
        self._log = b""
        self._is_running.clear()
        self._has_ended.clear()
        # setpriv asks the kernel to kill the broker when we die; nothing of Python runs between fork and exec.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program, "-c", str(self._folder / CONFIG_FILE)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None  # noqa: S101 - PIPE above
        os.set_blocking(self._process.stderr.fileno(), False)
        asyncio.get_running_loop().add_reader(self._process.stderr.fileno(), self._read_log, self._process)

    async def _until_admitted(self) -> None:
        await self._is_running.wait()
        if self._has_ended.is_set():
            raise StartRefused(f"mosquitto ended while it started{self._last_words()}")
        client = MqttClient(self.address, f"start-{secrets.token_hex(8)}", None)
        await client.connect()
        await client.disconnect()

    def _read_log(self, process: subprocess.Popen[bytes]) -> None:
        """Read what mosquitto says, so that its pipe never fills; keep the end of it."""
        assert process.stderr is not None  # noqa: S101 - PIPE at the start
        said = os.read(process.stderr.fileno(), 65_536)
        self._log = (self._log + said)[-4096:]
        if not said:
            self._close_log(process)
        if not said or _RUNNING in self._log:
            self._is_running.set()

    def _close_log(self, process: subprocess.Popen[bytes]) -> None:
        if process.stderr is not None and not process.stderr.closed:
            asyncio.get_running_loop().remove_reader(process.stderr.fileno())
            process.stderr.close()
        self._has_ended.set()

    def _last_words(self) -> str:
        lines = self._log.decode(errors="replace").strip().splitlines()
        return f": {' / '.join(lines[-3:])}" if lines else ""


def _new_login(user: str) -> Login:
    return Login(user, secrets.token_urlsafe(24), os.urandom(SALT_LENGTH))
