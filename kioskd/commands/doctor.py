"""``kioskd doctor``: what this machine has, lacks and should have, one line each."""

from __future__ import annotations

import importlib
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from kioskd import config
from kioskd.config import Config
from kioskd.errors import KioskdError
from kioskd.station.devices.registry import DisabledDevice, find_devices
from kioskd.store.engine import has_wal_reset_bug, read_key

PACKAGES = ("pydantic", "starlette", "uvicorn", "aiomqtt", "SQLAlchemy", "sqlcipher3", "pyscard", "python-escpos")
PROGRAMS = {
    "mosquitto": "the broker, when it runs on this machine, and the demo",
    "pcscd": "chip-card readers",
    "chromium": "the kiosk's browser",
}


class Finding(NamedTuple):
    """``is_good`` None: neither good nor bad, only worth knowing."""

    is_good: bool | None
    what: str


def examine(file: Path | None) -> int:
    """Print every finding; 1 when one of them is bad."""
    findings = [*_machine(), *(_site(file) if file else ())]
    for finding in findings:
        print({True: "good  ", False: "BAD   ", None: "note  "}[finding.is_good], finding.what)
    return 1 if any(f.is_good is False for f in findings) else 0


def _machine() -> Iterator[Finding]:
    yield Finding(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}; 3.11 or newer is needed")
    from sqlcipher3 import dbapi2

    number = dbapi2.sqlite_version
    bug = has_wal_reset_bug(dbapi2.sqlite_version_info)
    yield Finding(
        not bug, f"SQLite {number} in sqlcipher3" + (" has the WAL-reset bug: update sqlcipher3" if bug else "")
    )
    for package in PACKAGES:
        try:
            yield Finding(True, f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding(False, f"{package} is not installed")
    for program, purpose in PROGRAMS.items():
        path = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin:/sbin:/bin")
        yield Finding(None, f"{program}: {path or 'not installed'} ({purpose})")
    try:
        importlib.import_module("smartcard.scard")
    except ImportError as error:
        yield Finding(False, f"PC/SC can't be used: {error}; apt install libpcsclite1")


def _site(file: Path) -> Iterator[Finding]:
    try:
        site = config.load(file)
    except KioskdError as error:
        yield Finding(False, str(error))
        return
    yield Finding(True, f"{file} can be read")
    if site.store.url is None:
        try:
            read_key(site.store.required_key_file)
            yield Finding(True, "store.key_file is there and private")
        except KioskdError as error:
            yield Finding(False, str(error))
    yield from _places(site)
    for device in find_devices(site.device, file.read_text(encoding="utf-8"), str(file)):
        if isinstance(device, DisabledDevice):
            yield Finding(False, f"device {device.name} is disabled: {device.what}")


def _places(site: Config) -> Iterator[Finding]:
    """Whether what the site file names answers on the network."""
    if site.mqtt is not None:
        yield _reaches("the broker", site.mqtt.host, site.mqtt.port)
    for block in site.device:
        host, port = _tcp(str(block.driver_keys.get("port", "")))
        if block.enabled and host and port:
            yield _reaches(block.name, host, port)
            if host not in {"127.0.0.1", "localhost"}:
                yield Finding(
                    None, f"{block.name} listens to everybody on its network: keep printers on a segment of their own"
                )


def _tcp(address: str) -> tuple[str, int]:
    """Host and port of ``tcp://host:port``; nothing for anything else, which its driver refuses by itself."""
    try:
        parts = urlsplit(address)
        return (parts.hostname or "", parts.port or 0) if parts.scheme == "tcp" else ("", 0)
    except ValueError:
        return "", 0


def _reaches(what: str, host: str, port: int) -> Finding:
    try:
        with socket.create_connection((host, port), timeout=3):
            return Finding(True, f"{what} answers on {host}:{port}")
    except OSError as error:
        return Finding(False, f"{what} does not answer on {host}:{port}: {error.strerror or type(error).__name__}")
