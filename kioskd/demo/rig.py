"""A whole front desk on one machine: mosquitto, pcscd, simulated hardware, and the site file that uses them.

The demo, ``demo --once``, the benchmarks and the acceptance tests all stand on this. Everything listens on loopback or
in a namespace of its own, lies in one folder, and ends with the process that started it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import socket
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kioskd.demo.mosquitto import PrivateMosquitto, free_ports
from kioskd.demo.pcscd import PrivatePcscd
from kioskd.demo.simulators import TICKETS, WRISTBANDS, Ports
from kioskd.errors import DeviceUnavailable, StartRefused

SITE_ID = "demo"
FIRST_PORT = 8400
PAGES = ("lab", "kiosk", "console", "display", "records", "fhir")
ANSWER_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class RigOptions:
    """``timezone``: the site's; the demo uses one in which the patients' appointments are now."""

    is_mechanical: bool = True
    languages: tuple[str, ...] = ("de", "en")
    timezone: str = "Europe/Berlin"
    has_fixed_ports: bool = False


class Rig:
    """Start it, write the site file, run the daemon on it, stop it. ``folder`` is private to its user."""

    def __init__(self, folder: Path, options: RigOptions = RigOptions()) -> None:
        self.folder = folder
        self.options = options
        self.broker = PrivateMosquitto(_made(folder / "mosquitto"), SITE_ID)
        self.pcscd = PrivatePcscd()
        self.ports: dict[str, int] = {}
        self.token = secrets.token_urlsafe(32)
        self._simulators: subprocess.Popen[bytes] | None = None
        self._printers = Ports(0, 0)
        self._control = folder / "simulators.sock"

    @property
    def site_file(self) -> Path:
        return self.folder / "site.toml"

    async def start(self) -> None:
        """Broker, pcscd and hardware up and answering, secrets and site file written. Raises StartRefused."""
        await self.broker.start()
        self.pcscd.start()
        await self._start_simulators()
        chosen = _ports(len(PAGES), self.options.has_fixed_ports)
        self.ports = dict(zip(PAGES, chosen, strict=True))
        self._write_files()

    async def stop(self) -> None:
        """End everything that was started. MAY be called twice."""
        if self._simulators is not None and self._simulators.stdin is not None:
            self._simulators.stdin.close()
            try:
                self._simulators.wait(5)
            except subprocess.TimeoutExpired:
                self._simulators.kill()
                self._simulators.wait()
            if self._simulators.stdout is not None:
                self._simulators.stdout.close()
            self._simulators = None
        self.pcscd.stop()
        await self.broker.stop()

    async def hardware(self, do: str, **arguments: Any) -> Any:
        """Have something done to the simulated hardware. Raises DeviceUnavailable."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                reader, writer = await asyncio.open_unix_connection(self._control, limit=2**24)
                try:
                    writer.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
                    answer = json.loads(await reader.readline())
                finally:
                    writer.close()
                    await writer.wait_closed()
        except (OSError, ValueError, TimeoutError) as error:
            raise DeviceUnavailable("simulators", f"do not answer: {type(error).__name__}") from error
        if "error" in answer:
            raise DeviceUnavailable("simulators", answer["error"])
        return answer["result"]

    async def picture(self, printer: str, number: int) -> bytes:
        """What came out of a printer, as PNG."""
        return base64.b64decode(await self.hardware("picture", printer=printer, number=number))

    async def _start_simulators(self) -> None:
        command = [sys.executable, "-m", "kioskd", "simulate", "--control", str(self._control)]
        command += ["--namespace", str(self.pcscd.namespace_pid), "--vpcd-port", str(self.pcscd.port)]
        command += [] if self.options.is_mechanical else ["--no-mechanics"]
        self._printers = await asyncio.to_thread(self._spawn_simulators, command)

    def _spawn_simulators(self, command: list[str]) -> Ports:
        """Start the process; it says where its printers listen, or ends."""
        self._simulators = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self._simulators.stdout.readline() if self._simulators.stdout else b""
        if not line:
            raise StartRefused("the simulated hardware did not start; its error is above")
        return Ports(**json.loads(line))

    def _write_files(self) -> None:
        for name, text in {
            "store.key": secrets.token_hex(32),
            "records.token": self.token,
            "mqtt.password": self.broker.address.password,
            "display.password": self.broker.display.password,
            "site.toml": self.site_text(),
        }.items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text + "\n", encoding="utf-8")

    def _day_starts(self) -> str:
        """Four in the morning, or noon for who plays before four: the next two hours' appointments must be today's."""
        hour = datetime.now(ZoneInfo(self.options.timezone)).hour
        return "12:00:00" if hour in {1, 2, 3} else "04:00:00"

    def site_text(self) -> str:
        """The site file of the demo."""
        at = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        folder, broker = self.folder, self.broker
        languages = json.dumps(list(self.options.languages))
        return f"""\
[site]
id = "{SITE_ID}"
name = "Praxis am Markt"
timezone = "{self.options.timezone}"
day_starts = {self._day_starts()}
languages = {languages}

[store]
folder = "{folder / "data"}"
key_file = "{folder / "store.key"}"

[station]
name = "entrance"
listen = "{at["kiosk"]}"

[hub]
console_listen = "{at["console"]}"
display_listen = "{at["display"]}"
desk_name = "Anmeldung"
records_url = "http://{at["fhir"]}/fhir"
records_token_file = "{folder / "records.token"}"
gs1_company_prefix = "4012345"

[[area]]
id = "general"
name = "Wartezimmer"
series = "A"
rooms = ["Zimmer 1", "Zimmer 2", "Zimmer 3"]

[records]
fhir_listen = "{at["fhir"]}"
desk_listen = "{at["records"]}"
token_file = "{folder / "records.token"}"

[mqtt]
host = "{broker.address.host}"
port = {broker.address.port}
user = "{broker.address.user}"
password_file = "{folder / "mqtt.password"}"
websocket_url = "{broker.web_url}"
display_user = "{broker.display.user}"
display_password_file = "{folder / "display.password"}"

[staff]
trusted_sign_in_origins = ["http://{at["lab"]}"]

[[device]]
name = "entrance-reader"
driver = "pcsc"
socket = "{self.pcscd.socket_path}"

[[device]]
name = "entrance-{TICKETS}"
driver = "escpos"
port = "tcp://127.0.0.1:{self._printers.tickets}"
paper_width_mm = 80
code_page = "cp858"

[[device]]
name = "entrance-{WRISTBANDS}"
driver = "zpl"
port = "tcp://127.0.0.1:{self._printers.wristbands}"
dpi = 300
"""


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _ports(count: int, is_fixed: bool) -> list[int]:
    """Ports for the pages: the ones that a person can remember where they are free, else any."""
    wished = [FIRST_PORT + number for number in range(count)]
    return wished if is_fixed and all(_is_free(port) for port in wished) else free_ports(count)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
