"""``kioskd check`` and ``kioskd drivers``."""

from __future__ import annotations

from pathlib import Path

from kioskd import config
from kioskd.roles.codes import code_rules
from kioskd.station.devices.registry import DisabledDevice, card_kinds, driver_names, find_devices, load_driver
from kioskd.station.templates import load_form


def check(file: Path) -> int:
    """Check a site file and each of its devices; 78 when it has a problem. Raises ConfigError."""
    site = config.load(file)
    load_form(site.ticket, site.site.languages)
    text = file.read_text(encoding="utf-8")
    if "station" in site.site.roles:
        code_rules(site, str(file), text)
    found = find_devices(site.device, text, str(file))
    problems = [
        d for d in found if isinstance(d, DisabledDevice) and next(b for b in site.device if b.name == d.name).enabled
    ]
    for device in problems:
        print(f"{device.what}  (device {device.name} would be disabled)")
    if problems:
        return 78
    print(f"{file}: good; {site.site.name}, {', '.join(site.site.roles)}, {len(found)} devices")
    return 0


def list_drivers() -> int:
    """Print every driver with its keys, and every kind of card."""
    for name in driver_names():
        try:
            driver = load_driver(name)
        except Exception as error:  # noqa: BLE001 - a broken package of somebody else must not hide the others
            print(f"{name:10} can't be loaded: {type(error).__name__}: {error}")
            continue
        keys = ", ".join(driver.config.model_fields)
        print(f"{name:10} {driver.kind:18} {driver.title}\n{'':10} keys: {keys}")
    for kind in card_kinds():
        print(f"{kind.name:10} card")
    return 0
