"""The front desk that the canary goes through, and the witnesses of everything that is said in it.

Real daemons at log level DEBUG, a broker heard by a client that may read all of it, a proxy before the FHIR server that
notes what is asked, one Chromium with a profile on disk, and a socket between the daemons and systemd.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import httpx
from playwright.async_api import BrowserContext, Request, async_playwright

from drivers.cards.synthetic import CANARIES
from kioskd.bus.broker import Login, password_entry
from kioskd.demo.mosquitto import free_ports
from kioskd.demo.processes import Processes
from kioskd.demo.rig import ALL, Rig, RigOptions
from tests.web.browser import CHROMIUM, WITHIN_MS

KNOWN, UNKNOWN = CANARIES
WITHIN_S = 30.0


class LoudProcesses(Processes):
    """The daemons at log level DEBUG, where a core of any size would be welcome; what they tell systemd is kept."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        super().__init__(rig)
        self.told = bytearray()
        self._folder = folder
        self._ears: list[socket.socket] = []

    def _spawn(self, role: str, notify: Path) -> subprocess.Popen[bytes]:
        command = ["setpriv", "--pdeathsig", "KILL", *_prlimit(), sys.executable, "-m", "kioskd", "run"]
        command += ["--log-level", "debug", "--config", str(self.rig.site_files[role])]
        for name in ("cores", "tmp"):
            (self._folder / name).mkdir(exist_ok=True)
        environment = {**os.environ, "NOTIFY_SOCKET": self._between(notify), "TMPDIR": str(self._folder / "tmp")}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        with self.log_file(role).open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=self._folder / "cores"
            )

    def _between(self, notify: Path) -> str:
        """A socket that notes what is told and passes it on to ``notify``."""
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.bind(address := f"{notify}.heard")
        ear.setblocking(False)

        def hear() -> None:
            self.told += (said := ear.recv(65536)) + b"\n"
            with suppress(OSError):
                ear.sendto(said, str(notify))

        asyncio.get_running_loop().add_reader(ear, hear)
        self._ears.append(ear)
        return address

    def close_ears(self) -> None:
        for ear in self._ears:
            asyncio.get_running_loop().remove_reader(ear)
            ear.close()


def _prlimit() -> list[str]:
    """As generous with cores as we may be."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return ["prlimit", f"--core={'unlimited' if hard == resource.RLIM_INFINITY else hard}"]


@dataclass
class Tap:
    """A proxy before the FHIR server. Notes request lines and headers; refuses the first message of a check-in."""

    port: int
    asked: bytearray = field(default_factory=bytearray)
    is_spoiling: bool = True

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=20) as client:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    self.asked += head
                    await self._answer(client, reader, writer, head)
        writer.close()

    async def _answer(
        self, client: httpx.AsyncClient, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
    ) -> None:
        first, *rest = head.decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        kept = {name: value for name, value in headers.items() if name in {"authorization", "content-type", "prefer"}}
        status, kind, answer = 500, "application/fhir+json", _refusal()
        if self.is_spoiling and b"Encounter" in body:
            self.is_spoiling = False
        else:
            got = await client.request(method, target, content=body, headers={**kept, "accept": headers["accept"]})
            status, kind, answer = got.status_code, got.headers.get("content-type", kind), got.content
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer
        )
        await writer.drain()


def _refusal() -> bytes:
    """A server that quotes the patient in every text of its refusal, as servers do."""
    text = f"{KNOWN.given} {KNOWN.family}, {KNOWN.kvnr}, {KNOWN.birth_date}"
    issue = f'{{"severity":"error","code":"exception","diagnostics":"{text}","details":{{"text":"{text}"}}}}'
    return f'{{"resourceType":"OperationOutcome","issue":[{issue}]}}'.encode()


@dataclass
class CanaryDesk:
    """A running front desk, its witnesses, and the browser in front of it."""

    rig: Rig
    processes: LoudProcesses
    browser: BrowserContext
    tap: Tap
    addresses: list[str] = field(default_factory=list)
    published: bytearray = field(default_factory=bytearray)
    commands: bytearray = field(default_factory=bytearray)
    metrics_ports: dict[str, int] = field(default_factory=dict)
    metrics: bytearray = field(default_factory=bytearray)

    def role(self, role: str) -> str:
        """The process that runs a role."""
        return role if self.rig.options.is_split else ALL

    def note(self, request: Request) -> None:
        self.addresses += [request.url, request.headers.get("referer", "")]

    async def command(self, *arguments: str, role: str) -> str:
        """A command of kioskd beside the daemon; what it printed is searched too."""
        words = [sys.executable, "-m", "kioskd", *arguments, "--config", str(self.rig.site_files[self.role(role)])]
        done = await asyncio.to_thread(subprocess.run, words, capture_output=True, timeout=60, check=False)
        self.commands += done.stdout + done.stderr
        return done.stdout.decode()

    async def read_metrics(self) -> None:
        """What Prometheus would be told."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            for port in self.metrics_ports.values():
                self.metrics += (await client.get(f"http://127.0.0.1:{port}/metrics")).content

    def heard(self) -> dict[str, bytes]:
        """What was said without being a file, by where."""
        return {
            "the addresses that the browser asked for": "\n".join(self.addresses).encode(),
            "the requests to the FHIR server": bytes(self.tap.asked),
            "what was published": bytes(self.published),
            "what systemd was told": bytes(self.processes.told),
            "what commands printed": bytes(self.commands),
            "the metrics": bytes(self.metrics),
        }

    async def close_browser(self) -> None:
        await self.browser.close()

    async def crash(self) -> list[str]:
        """Abort each daemon; what is wrong with how it died."""
        problems = []
        for role in list(self.processes.running):
            process = self.processes.running[role]
            limits = Path(f"/proc/{process.pid}/limits").read_text()
            if not re.search(r"Max core file size +0 +0 ", limits):
                problems.append(f"{role}: its limits allow a core")
            self.processes.signal(role, signal.SIGABRT)
            if await asyncio.to_thread(process.wait, WITHIN_S) != -signal.SIGABRT:
                problems.append(f"{role}: SIGABRT did not end it")
        cores = [path.name for path in (self.rig.folder.parent / "cores").iterdir()]
        return problems + ([f"a crash left {cores}"] if cores else [])


@asynccontextmanager
async def canary_desk(folder: Path, is_split: bool) -> AsyncIterator[CanaryDesk]:
    rig = Rig(folder / "rig", RigOptions(is_mechanical=False, is_split=is_split, languages=("en", "de")))
    processes = LoudProcesses(rig, folder)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=CHROMIUM,
            locale="en-GB",
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            env={**os.environ, "TMPDIR": str(_made(folder / "browser-tmp"))},
        )
        browser.set_default_timeout(WITHIN_MS)
        try:
            await rig.start()
            tap = Tap(rig.ports["fhir"])
            desk = CanaryDesk(rig, processes, browser, tap)
            browser.on("request", desk.note)
            async with tap.open() as port, _heard_all(rig, desk.published):
                desk.metrics_ports = dict(zip(rig.site_files, free_ports(len(rig.site_files)), strict=True))
                for role, file in rig.site_files.items():
                    text = re.sub(r'(records_url = "http://127\.0\.0\.1:)\d+', rf"\g<1>{port}", file.read_text())
                    file.write_text(f'{text}\n[metrics]\nlisten = "127.0.0.1:{desk.metrics_ports[role]}"\n')
                await processes.start_all()
                yield desk
        finally:
            await browser.close()
            processes.kill_all()
            processes.close_ears()
            await rig.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@asynccontextmanager
async def _heard_all(rig: Rig, published: bytearray) -> AsyncIterator[None]:
    """Everything that goes through the broker, heard by a user who may read every topic."""
    login = Login("capture", "capture", os.urandom(12))
    for name, text in (("daemon.passwd", password_entry(login)), ("daemon.acl", "\nuser capture\ntopic read #\n")):
        with (rig.folder / "mosquitto" / name).open("a") as file:
            file.write(text)
    os.kill(rig.broker.pid, signal.SIGHUP)
    client = await _admitted(rig, login)
    await client.subscribe("#", qos=1)

    async def listen() -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
            published.extend(f"{message.topic} {message.properties} ".encode() + payload + b"\n")

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError, aiomqtt.MqttError):
            await listening
        with suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


async def _admitted(rig: Rig, login: Login) -> aiomqtt.Client:
    """A client that the broker knows: mosquitto reads its files again a moment after SIGHUP."""
    address = rig.broker.address
    async with asyncio.timeout(WITHIN_S):
        while True:
            client = aiomqtt.Client(
                address.host, address.port, username=login.user, password=login.password,
                protocol=aiomqtt.ProtocolVersion.V5, identifier="capture",
            )  # fmt: skip
            try:
                return await client.__aenter__()
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)
