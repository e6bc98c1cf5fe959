"""A whole front desk on one machine: mosquitto, pcscd, simulated hardware, and the site file that uses them.

The demo, ``demo --once``, the benchmarks and the acceptance tests all stand on this. Everything listens on loopback or
in a namespace of its own, lies in one folder, and ends with the process that started it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kioskd.demo.mosquitto import PrivateMosquitto
from kioskd.demo.pcscd import PrivatePcscd
from kioskd.demo.ports import Lease, lease_ports
from kioskd.demo.simulators import SCANNER, TICKETS, WRISTBANDS, Ports
from kioskd.errors import DeviceUnavailable, StartRefused

SITE_ID = "demo"
FIRST_PORT = 8400
PAGES = ("lab", "kiosk", "console", "display", "records", "fhir")
STATION = "entrance"
ALL = "all"
ROLES = ("station", "hub", "records")
ANSWER_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class RigOptions:
    """``timezone``: the site's. ``is_split``: a process for each role instead of one for all.

    ``records_port``: where the hub looks for the records backend instead of where it is, with a proxy in between.
    """

    is_mechanical: bool = True
    is_split: bool = False
    languages: tuple[str, ...] = ("de", "en")
    timezone: str = "Europe/Berlin"
    has_fixed_ports: bool = False
    records_port: int | None = None


class Rig:
    """Start it, write the site file, run the daemon on it, stop it. ``folder`` is private to its user."""

    def __init__(self, folder: Path, options: RigOptions = RigOptions()) -> None:
        self.folder = folder
        self.options = options
        self.broker = PrivateMosquitto(_made(folder / "mosquitto"), SITE_ID, (STATION,))
        self.pcscd = PrivatePcscd()
        self.ports: dict[str, int] = {}
        self._leases: list[Lease] = []
        self.token = secrets.token_urlsafe(32)
        self._simulators: subprocess.Popen[bytes] | None = None
        self._printers = Ports(0, 0)
        self._control = folder / "simulators.sock"

    @property
    def site_file(self) -> Path:
        """The site file of the process that runs every role."""
        return self.folder / "site.toml"

    @property
    def site_files(self) -> dict[str, Path]:
        """The site file of each process: of ``ALL``, or of each of ``ROLES`` when they are split."""
        if self.options.is_split:
            return {role: self.folder / f"{role}.toml" for role in ROLES}
        return {ALL: self.site_file}

    def site_file_of(self, role: str) -> Path:
        """The site file of the process that runs a role."""
        return self.site_files.get(role, self.site_file)

    async def start(self) -> None:
        """Broker, pcscd and hardware up and answering, secrets and site file written. Raises StartRefused."""
        await self.broker.start()
        self.pcscd.start()
        await self._start_simulators()
        # The ones that a person can remember where they are free, else any.
        wished = [FIRST_PORT + number for number in range(len(PAGES))] if self.options.has_fixed_ports else []
        self._leases = lease_ports(len(PAGES), wished)
        self.ports = {page: lease.port for page, lease in zip(PAGES, self._leases, strict=True)}
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
        for lease in self._leases:
            lease.end()
        self._leases = []

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
            "site.key": secrets.token_hex(32),
            "records.token": self.token,
            "mqtt.password": self.broker.address.password,
            "station.password": self.broker.station(STATION).password,
            "display.password": self.broker.display.password,
            **{file.name: self.site_text(process) for process, file in self.site_files.items()},
        }.items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text + "\n", encoding="utf-8")

    def _day_starts(self) -> str:
        """Four in the morning, or noon for who plays before four: the next two hours' appointments must be today's."""
        hour = datetime.now(ZoneInfo(self.options.timezone)).hour
        return "12:00:00" if hour in {1, 2, 3} else "04:00:00"

    def site_text(self, process: str = ALL) -> str:
        """The site file of a process: of ``ALL``, or of one of ``ROLES`` with a folder of its own for its databases."""
        blocks = {
            "station": (self._station_text, self._devices_text),
            "hub": (self._hub_text, self._staff_text),
            "records": (self._records_text, self._staff_text),
        }
        roles = ROLES if process == ALL else (process,)
        wanted = dict.fromkeys(block for role in roles for block in blocks[role])
        mqtt = "" if process == "records" else self._mqtt_text(process)
        return self._site_text(roles, process) + mqtt + "".join(block() for block in wanted)

    def _at(self, page: str) -> str:
        return f"127.0.0.1:{self.ports[page]}"

    def _site_text(self, roles: tuple[str, ...], process: str) -> str:
        return f"""\
[site]
id = "{SITE_ID}"
name = "Praxis am Markt"
timezone = "{self.options.timezone}"
day_starts = {self._day_starts()}
languages = {json.dumps(list(self.options.languages))}
roles = {json.dumps(list(roles))}
framed_by = ["http://{self._at("lab")}"]
gs1_company_prefix = "4012345"

[store]
folder = "{self.folder / ("data" if process == ALL else f"data-{process}")}"
key_file = "{self.folder / "store.key"}"
"""

    def _station_text(self) -> str:
        return f"""
[station]
name = "{STATION}"
listen = "{self._at("kiosk")}"
"""

    def _hub_text(self) -> str:
        return f"""
[hub]
console_listen = "{self._at("console")}"
display_listen = "{self._at("display")}"
desk_name = "Anmeldung"
records_url = "http://127.0.0.1:{self.options.records_port or self.ports["fhir"]}/fhir"
records_token_file = "{self.folder / "records.token"}"

[[area]]
id = "general"
name = "Wartezimmer"
series = "A"
rooms = ["Zimmer 1", "Zimmer 2", "Zimmer 3"]
wristbands = true
"""

    def _records_text(self) -> str:
        return f"""
[records]
fhir_listen = "{self._at("fhir")}"
desk_listen = "{self._at("records")}"
token_file = "{self.folder / "records.token"}"
"""

    def _mqtt_text(self, process: str) -> str:
        is_station = process == "station"
        address = self.broker.station(STATION) if is_station else self.broker.address
        text = f"""
[mqtt]
host = "{address.host}"
port = {address.port}
user = "{address.user}"
password_file = "{self.folder / ("station.password" if is_station else "mqtt.password")}"
"""
        if self.options.is_split:
            text += f'site_key_file = "{self.folder / "site.key"}"\n'
        if is_station:
            return text
        return f"""{text}websocket_url = "{self.broker.web_url}"
display_user = "{self.broker.display.user}"
display_password_file = "{self.folder / "display.password"}"
"""

    def _staff_text(self) -> str:
        return f"""
[staff]
trusted_sign_in_origins = ["http://{self._at("lab")}"]
"""

    def _devices_text(self) -> str:
        return f"""
[[device]]
name = "entrance-reader"
driver = "pcsc"
socket = "{self.pcscd.socket_path}"

[[device]]
name = "entrance-{SCANNER}"
driver = "scanner-serial"
port = "serial:{self.folder / SCANNER}"

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
