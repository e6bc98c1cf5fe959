"""``kioskd doctor``: what this machine has, lacks and should have. Changes nothing, disturbs no running daemon."""

from __future__ import annotations

import ctypes
import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kioskd import config
from kioskd.commands.finding import Finding, Verdict, attention, broken, ok
from kioskd.commands.site_doctor import examine_site
from kioskd.config import Config
from kioskd.errors import KioskdError
from kioskd.store.engine import has_wal_reset_bug

PACKAGES = ("pydantic", "starlette", "uvicorn", "aiomqtt", "SQLAlchemy", "sqlcipher3", "pyscard", "python-escpos")
PATH = "/usr/sbin:/usr/bin:/usr/local/bin:/sbin:/bin"
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
LOW_DISK_MB, NO_DISK_MB = 1024, 64
_STA_UNSYNC = 0x0040
"""adjtimex(2): the kernel's clock is not kept by anybody."""


def examine(file: Path | None) -> int:
    """Print every finding; 1 when something is broken."""
    # PC/SC last: the library fixes its socket when it is loaded, and a reader of the site file may name another one.
    findings = [*_machine(), *(_site(file) if file else _no_site()), _pcsc()]
    for finding in findings:
        print(finding)
    counts = {verdict: sum(f.verdict is verdict for f in findings) for verdict in Verdict}
    print(f"{counts[Verdict.BROKEN]} broken, {counts[Verdict.ATTENTION]} to look at, {counts[Verdict.OK]} OK")
    return 1 if counts[Verdict.BROKEN] else 0


def _machine() -> Iterator[Finding]:
    yield _judged(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}; 3.11 or newer is needed")
    yield _sqlite()
    for package in PACKAGES:
        try:
            yield ok(f"{package} {version(package)}")
        except PackageNotFoundError:
            yield broken(f"{package} is not installed", "install kioskd again: it brings what it needs")
    yield _clock()
    yield _unit()


def _judged(is_good: bool, what: str) -> Finding:
    return ok(what) if is_good else broken(what)


def _sqlite() -> Finding:
    from sqlcipher3 import dbapi2

    what = f"SQLite {dbapi2.sqlite_version} in sqlcipher3"
    if has_wal_reset_bug(dbapi2.sqlite_version_info):
        return broken(f"{what} has the WAL-reset bug and can lose commits: the daemon refuses it", "update sqlcipher3")
    return ok(what)


def _pcsc() -> Finding:
    try:
        importlib.import_module("smartcard.scard")
    except ImportError as error:
        return broken(f"PC/SC can't be used: {error}", "apt install libpcsclite1")
    return ok("PC/SC can be used")


def _clock() -> Finding:
    """Whether something keeps the machine's clock right: tickets, arrivals and sealed messages carry its time."""
    # struct timex: int modes (here 0: only ask), long offset, freq, maxerror, esterror, int status.
    buffer = (ctypes.c_long * 64)()
    if ctypes.CDLL(None, use_errno=True).adjtimex(buffer) < 0:
        return attention("it is not known whether the clock is kept right", "see timedatectl status")
    if ctypes.c_int.from_buffer(buffer, 5 * ctypes.sizeof(ctypes.c_long)).value & _STA_UNSYNC:
        what = "the clock is not synchronised: arrival times drift, and the hub refuses stations that are far off"
        return attention(what, "timedatectl set-ntp true, or run chrony")
    return ok("the clock is synchronised")


def _unit() -> Finding:
    found = next((p for folder in UNIT_FOLDERS if (p := Path(folder, "kioskd.service")).exists()), None)
    if found is None:
        what = "there is no kioskd.service: nobody starts the daemon at boot or again after a crash"
        return attention(what, "install systemd/kioskd.service, then systemctl enable --now kioskd")
    text = found.read_text(encoding="utf-8", errors="replace")
    if re.search(r"^WatchdogSec=\s*[1-9]", text, re.MULTILINE):
        return ok(f"{found} has a watchdog: a daemon that hangs is started again")
    return attention(f"{found} has no watchdog: a daemon that hangs stays so", "set WatchdogSec=30 there")


def _no_site() -> Iterator[Finding]:
    yield attention("no site file was given: only the machine was looked at", "kioskd doctor /etc/kioskd/site.toml")


def _site(file: Path) -> Iterator[Finding]:
    try:
        site = config.load(file)
    except KioskdError as error:
        yield broken(str(error), f"kioskd check {file}")
        return
    yield ok(f"{file} can be read")
    yield from _programs(site)
    yield from _disk(site)
    yield from examine_site(site, file)


def _programs(site: Config) -> Iterator[Finding]:
    """What a station needs on its own machine."""
    has_reader = any(block.enabled and block.driver == "pcsc" for block in site.device)
    wanted = {"pcscd": "chip cards", "chromium": "the touchscreen's page"} if "station" in site.site.roles else {}
    for program, purpose in wanted.items():
        if program == "pcscd" and not has_reader:
            continue
        if path := shutil.which(program, path=PATH):
            yield ok(f"{program}: {path}")
        else:
            yield attention(f"{program} is not installed; it is for {purpose}", f"apt install {program}")


def _disk(site: Config) -> Iterator[Finding]:
    folder = site.store.folder
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free // 2**20
    what = f"{free_mb} MB free on the disk of {site.store.folder}"
    if free_mb < NO_DISK_MB:
        yield broken(f"{what}: check-ins will soon not be stored", "make room now")
    elif free_mb < LOW_DISK_MB:
        yield attention(what, "make room")
    else:
        yield ok(what)
