"""``kioskd doctor FILE --scanner NAME``: how to set a barcode scanner, and whether it is set right.

Shows a check code, on the terminal and as a picture to print, reads it with the scanner, and says what arrived
otherwise. Nothing else that is scanned meanwhile is shown.
"""

from __future__ import annotations

import time
from pathlib import Path

from drivers.scanner.set_up import check_code_png, check_code_text, judge, steps
from kioskd import config
from kioskd.commands.finding import Finding, attention, broken, ok
from kioskd.commands.site_doctor import daemon_runs
from kioskd.config import DeviceConfig
from kioskd.errors import CodeUnreadable, ConfigError, DeviceError
from kioskd.ports import CodeScanner
from kioskd.station.devices.registry import FoundDevice, find_devices

SCAN_WITHIN_S = 60.0
CALL_S = 1.0


def set_up_scanner(file: Path, name: str, picture: Path | None, within_s: float = SCAN_WITHIN_S) -> int:
    """Print how to set it, and what it reads; 1 when that is not right. Raises ConfigError."""
    site = config.load(file)
    scanner, block = _scanner(site.device, file, name)
    print(f"How to set {name} (the set-up barcodes are in its maker's guide, under names like these):")
    for number, step in enumerate(steps(block.driver, str(block.driver_keys.get("profile", "plain"))), 1):
        print(f"  {number}. {step}")
    print(check_code_text())
    if picture is not None:
        _write(picture)
    if daemon_runs(site):
        return _say(attention(f"the daemon has {name}: what it reads can't be looked at", "stop the daemon, try again"))
    try:
        scanner.open()
        print(f"Scan the code above with {name}, within {within_s:.0f} s.", flush=True)
        return _say(*_read(scanner, within_s))
    except DeviceError as error:
        return _say(broken(f"device {name} can't be used: {error.what}"))
    finally:
        scanner.close()


def _scanner(blocks: tuple[DeviceConfig, ...], file: Path, name: str) -> tuple[CodeScanner, DeviceConfig]:
    found = next((d for d in find_devices(blocks, file.read_text("utf-8"), str(file)) if d.name == name), None)
    if found is None or found.kind != "scanner":
        raise ConfigError(f"{file}: there is no scanner {name!r}; expected the name of a [[device]] that is one")
    if not isinstance(found, FoundDevice) or not isinstance(found.device, CodeScanner):
        raise ConfigError(f"{file}: device {name} can't be used; kioskd check {file} says why")
    return found.device, next(block for block in blocks if block.name == name)


def _write(picture: Path) -> None:
    try:
        picture.write_bytes(check_code_png())
    except OSError as error:
        raise ConfigError(f"{picture} can't be written: {error.strerror}") from error
    print(f"The code as a picture to print: {picture}")


def _read(scanner: CodeScanner, within_s: float) -> list[Finding]:
    """What the first code says of how it is set; codes that are not the check code are not shown."""
    until = time.monotonic() + within_s
    try:
        while (left_s := until - time.monotonic()) > 0:
            if (code := scanner.wait_for_code(min(left_s, CALL_S))) is not None:
                wrong = judge(code)
                return [attention(what) for what in wrong] or [ok("the check code came as it is: it is set right")]
    except CodeUnreadable as error:
        return [attention(error.what)]
    return [attention(f"nothing was read in {within_s:.0f} s", "see that it lights up and beeps; see the steps above")]


def _say(*findings: Finding) -> int:
    for finding in findings:
        print(finding)
    return 0 if all(finding.verdict == "OK" for finding in findings) else 1
