"""A patient whose words occur nowhere else goes through the whole front desk; then everything is searched for them.

Real processes at log level DEBUG, a real broker heard by a client that may read all of it, a recording proxy before the
FHIR server, one Chromium with a profile on disk for kiosk, console, records desk and display. Searched: every file of
the run (logs, standard error, temporary files, the databases' raw bytes, the browser's profile while it runs and when
it has ended), everything published, every address asked for, what systemd is told. At the end each daemon is aborted as
a crash would: no core may be there. The simulators, which are the patient's hands and the paper, are not searched.
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
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import httpx
from playwright.async_api import BrowserContext, Page, Request, async_playwright, expect

from drivers.cards.synthetic import CANARIES
from kioskd.bus.broker import Login, password_entry
from kioskd.demo.clinic import appointment_resource, patient_resource, practitioner_resource, seed
from kioskd.demo.processes import Processes
from kioskd.demo.rig import ALL, Rig, RigOptions
from kioskd.demo.simulators import TICKETS, WRISTBANDS
from tests.faults.canary_words import Search, words
from tests.faults.outcome import Outcome
from tests.web.browser import CHROMIUM, WITHIN_MS

KNOWN, UNKNOWN = CANARIES
RECORD_NUMBER = "9370265184"
PASSWORD = "a quiet Monday morning"
WITHIN_S = 30.0


def everything_secret() -> set[str]:
    return words(KNOWN, RECORD_NUMBER) | words(UNKNOWN)


async def canary(folder: Path, is_split: bool = False) -> Outcome:
    """One run of the front desk in ``folder``, which must be empty and have a short path, with everything searched."""
    outcome = Outcome("private: canary" + (", split" if is_split else ""), runs=1)
    search = Search(everything_secret())
    before = set(Path(tempfile.gettempdir()).iterdir())
    async with _front_desk(folder, is_split) as desk:
        await _day(desk)
        for path, found in search.in_folders(folder).items():
            outcome.problems.append(f"while it runs: {path.relative_to(folder)} holds {sorted(found)}")
        await desk.close_browser()
        outcome.problems += await desk.crash()
        new = [path for path in set(Path(tempfile.gettempdir()).iterdir()) - before if not _is_anothers(path, folder)]
        for path, found in search.in_folders(folder, *new).items():
            outcome.problems.append(f"{path} holds {sorted(found)}")
        for place, data in desk.heard().items():
            if found := search.in_bytes(data):
                outcome.problems.append(f"{place} holds {sorted(found)}")
            if not data:
                outcome.problems.append(f"{place}: nothing was heard, so nothing was searched")
    return outcome


def _is_anothers(path: Path, folder: Path) -> bool:
    return path in folder.parents or path.name.startswith("pytest-")


# --- the front desk ------------------------------------------------------------------------------------------------


class _LoudProcesses(Processes):
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
class _Tap:
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
class _Desk:
    """A running front desk, its witnesses, and the browser in front of it."""

    rig: Rig
    processes: _LoudProcesses
    browser: BrowserContext
    tap: _Tap
    addresses: list[str] = field(default_factory=list)
    published: bytearray = field(default_factory=bytearray)
    commands: bytearray = field(default_factory=bytearray)

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

    def heard(self) -> dict[str, bytes]:
        """What was said without being a file, by where."""
        return {
            "the addresses that the browser asked for": "\n".join(self.addresses).encode(),
            "the requests to the FHIR server": bytes(self.tap.asked),
            "what was published": bytes(self.published),
            "what systemd was told": bytes(self.processes.told),
            "what commands printed": bytes(self.commands),
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
async def _front_desk(folder: Path, is_split: bool) -> AsyncIterator[_Desk]:
    rig = Rig(folder / "rig", RigOptions(is_mechanical=False, is_split=is_split, languages=("en", "de")))
    processes = _LoudProcesses(rig, folder)
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
            tap = _Tap(rig.ports["fhir"])
            desk = _Desk(rig, processes, browser, tap)
            browser.on("request", desk.note)
            async with tap.open() as port, _heard_all(rig, desk.published):
                for file in rig.site_files.values():
                    text = file.read_text()
                    file.write_text(re.sub(r'(records_url = "http://127\.0\.0\.1:)\d+', rf"\g<1>{port}", text))
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


# --- a day at it ---------------------------------------------------------------------------------------------------


async def _day(desk: _Desk) -> None:
    """Card, check-in, ticket, band, call, record, a refused attempt, bad requests, and staff who look at all of it."""
    await _seed(desk)
    console, records, display = await asyncio.gather(
        _signed_in(desk, "console", "rezeption", "receptionist", "hub"),
        _signed_in(desk, "records", "sekretariat", "secretary", "records"),
        _open(desk, "display", "/general"),
    )
    kiosk = await _open(desk, "kiosk", "/")
    await _check_in(desk, kiosk)
    await expect(console.get_by_text(KNOWN.family).first).to_be_visible()
    await console.locator('form[action="/call-next"] button', has_text="Zimmer 1").first.click()
    await expect(display.get_by_text("A1").first).to_be_visible()
    await _look_at_record(records)
    await _refused(desk, kiosk)
    await expect(console.get_by_text("D1").first).to_be_visible()
    await _bad_requests(desk)
    await asyncio.gather(desk.command("outbox", "list", role="hub"), desk.command("audit", "verify", role="hub"))


async def _seed(desk: _Desk) -> None:
    patient = patient_resource(KNOWN, int(RECORD_NUMBER) - 100000)
    starts_at = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=10)
    resources = [practitioner_resource(0), patient, appointment_resource(KNOWN, 0, starts_at)]
    await seed(f"{desk.processes.url('fhir')}/fhir", desk.rig.token, resources)


async def _open(desk: _Desk, page: str, path: str) -> Page:
    tab = await desk.browser.new_page()
    await tab.goto(desk.processes.url(page) + path)
    return tab


async def _signed_in(desk: _Desk, page: str, name: str, staff_role: str, role: str) -> Page:
    said = await desk.command("user", "add", name, "--role", staff_role, role=role)
    found = re.search(r"one-time password of \S+: (\S+)", said)
    assert found, said
    tab = await _open(desk, page, "/sign-in")
    await tab.fill("#name", name)
    await tab.fill("#password", found[1])
    await tab.press("#password", "Enter")
    await tab.fill("#old", found[1])
    await tab.fill("#new", PASSWORD)
    await tab.fill("#again", PASSWORD)
    await tab.press("#again", "Enter")
    await tab.wait_for_url(lambda url: not url.endswith(("/password", "/sign-in")))
    return tab


async def _check_in(desk: _Desk, kiosk: Page) -> None:
    await desk.rig.hardware("insert", card=KNOWN.id)
    await expect(kiosk.get_by_text("Is this you?")).to_be_visible()
    # That she is on this page is what makes a search for her worth anything.
    await expect(kiosk.get_by_text(KNOWN.family).first).to_be_visible()
    await _press(kiosk, "Yes, that’s me")
    await expect(kiosk.get_by_text("A1").first).to_be_visible()
    for printer in (TICKETS, WRISTBANDS):
        assert await desk.rig.hardware("wait-for-sheets", printer=printer, count=1, seconds=WITHIN_S)
    await desk.rig.hardware("remove")
    await _press(kiosk, "I’m done")
    await expect(kiosk.get_by_text("A1")).to_have_count(0)


async def _press(kiosk: Page, name: str) -> None:
    """A finger on a button, once the page takes fingers again: it does not just after it has changed."""
    await expect(kiosk.locator("html:not([data-settling])")).to_have_count(1)
    await kiosk.get_by_role("button", name=name).click()


async def _look_at_record(records: Page) -> None:
    """The list, what a filter leaves of it, and everything that is stored of the visit."""
    await expect(records.get_by_text(KNOWN.family).first).to_be_visible(timeout=WITHIN_S * 1000)
    await records.fill("#words", KNOWN.family)
    await expect(records.get_by_text(KNOWN.kvnr).first).to_be_visible()
    await records.locator('a[href^="/check-in/"]').first.click()
    await expect(records.get_by_text(KNOWN.family).first).to_be_visible()
    await records.go_back()
    await expect(records.get_by_text(KNOWN.family).first).to_be_visible()


async def _refused(desk: _Desk, kiosk: Page) -> None:
    await desk.rig.hardware("insert", card=UNKNOWN.id)
    await expect(kiosk.get_by_text("D1").first).to_be_visible()
    await desk.rig.hardware("remove")
    await _press(kiosk, "I’m done")
    await expect(kiosk.get_by_text("D1")).to_have_count(0)


async def _bad_requests(desk: _Desk) -> None:
    """Who types a name where it does not belong, or sends what nobody can read, is refused and not quoted."""
    name, number = KNOWN.family, KNOWN.kvnr
    garbled = {"content-type": f'multipart/form-data; boundary="{number}"'}
    fhir = {"authorization": f"Bearer {desk.rig.token}", "content-type": "application/fhir+json"}
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        for page in ("kiosk", "console", "records", "display", "fhir"):
            url = desk.processes.url(page)
            ours = {"origin": url, "sec-fetch-site": "same-origin"}
            form, account = {"session": name, "language": name}, {"name": name, "password": number}
            await client.get(f"{url}/{name}", params={"ticket": name, "day": number, "identifier": number})
            await client.post(f"{url}/confirm", data=form, headers=ours)
            await client.post(f"{url}/sign-in", data=account, headers=ours)
            await client.post(f"{url}/sign-in", content=f"--{name}\r\n{number}", headers=ours | garbled)
            await client.request("BREW", f"{url}/{number}", headers={"x-name": number})
            await client.get(f"{url}/", headers={"host": f"{number}.example"})
            await client.post(f"{url}/fhir/Patient", content=f'{{"name": "{name}"', headers=fhir)
            answer = await client.get(f"{url}/fhir/Patient/{number}", headers={"authorization": f"Bearer {number}"})
            assert answer.status_code in {401, 404}, f"{page}: {answer.status_code}"
