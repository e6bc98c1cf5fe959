"""Drivers are found by entry points; what is wrong with a device is said and never stops the start."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kioskd.config import DeviceConfig
from kioskd.station.devices.registry import DisabledDevice, FoundDevice, driver_names, find_devices, load_driver

SITE_FILE = """\
[[device]]
name = "reader"
driver = "pcsc"

[[device]]
name = "tickets"
driver = "escpos"
port = "tcp://127.0.0.1:9100"
papr_width_mm = 80
"""

FAULTY = {
    "no_library": "import a_library_that_is_not_installed",
    "tripping": "raise LookupError('no such table')",
    "empty": "",
    "wrong_syntax": "def (",
    "create_fails": """
from kioskd.ports import DriverConfig
class Driver:
    title, kind, config = "A driver", "ticket-printer", DriverConfig
    def create(self, name, config, card_kinds):
        raise RuntimeError("out of toner")
""",
    "good": """
from kioskd.ports import DriverConfig
class Keys(DriverConfig):
    colour: str = "black"
    speed: int = 1
class Driver:
    title, kind, config = "A driver", "ticket-printer", Keys
    def create(self, name, config, card_kinds):
        return (name, config.colour, list(card_kinds))
""",
}


@pytest.fixture
def third_party(tmp_path: Path) -> Iterator[None]:
    """A package of somebody else that brings drivers, installed for one test."""
    for module, text in FAULTY.items():
        (tmp_path / f"third_{module}.py").write_text(text)
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    entries = "".join(f"{module} = third_{module}:Driver\n" for module in FAULTY)
    (info / "entry_points.txt").write_text(f"[kioskd.drivers]\n{entries}")
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    yield
    sys.path.remove(str(tmp_path))
    for module in FAULTY:
        sys.modules.pop(f"third_{module}", None)


def one(driver: str, enabled: bool = True, **keys: object) -> FoundDevice | DisabledDevice:
    [found] = find_devices([DeviceConfig.model_validate({"name": "it", "driver": driver, "enabled": enabled} | keys)])
    return found


def why(driver: str, **keys: object) -> str:
    found = one(driver, **keys)
    assert isinstance(found, DisabledDevice)
    return found.what


def test_our_own_drivers_are_there() -> None:
    assert {"pcsc", "escpos", "zpl"} <= set(driver_names())
    assert {load_driver(name).kind for name in ("pcsc", "escpos", "zpl")} == {
        "card-reader",
        "ticket-printer",
        "wristband-printer",
    }


def test_an_unknown_driver_names_file_line_and_the_nearest() -> None:
    text = SITE_FILE.replace('"escpos"', '"escpo"')
    blocks = [
        DeviceConfig(name="reader", driver="pcsc"),
        DeviceConfig.model_validate({"name": "tickets", "driver": "escpo", "port": "tcp://127.0.0.1:9100"}),
    ]
    _, found = find_devices(blocks, text, "site.toml")
    assert found == DisabledDevice(
        "tickets", "", "escpo", "site.toml:7: device.1.driver: no driver 'escpo'; did you mean 'escpos'?"
    )


def test_an_unknown_driver_that_is_near_to_none_lists_all() -> None:
    assert why("zzz").startswith("site file:1: device.0.driver: no driver 'zzz'; known: camera, escpos, pcsc, ")


def test_a_wrong_key_names_file_line_and_the_nearest_key_of_the_driver() -> None:
    blocks = [
        DeviceConfig(name="reader", driver="pcsc"),
        DeviceConfig.model_validate(
            {"name": "tickets", "driver": "escpos", "port": "tcp://127.0.0.1:9100", "papr_width_mm": 80}
        ),
    ]
    _, found = find_devices(blocks, SITE_FILE, "site.toml")
    assert isinstance(found, DisabledDevice)
    assert found.kind == "ticket-printer"
    assert found.what == "site.toml:9: device.1.papr_width_mm: unknown key; did you mean 'paper_width_mm'?"


@pytest.mark.usefixtures("third_party")
def test_a_wrong_key_that_is_near_to_none_lists_the_keys_of_the_driver() -> None:
    assert why("good", xyz=1) == "site file:1: device.0.xyz: unknown key; known: colour, speed"


@pytest.mark.usefixtures("third_party")
def test_every_wrong_key_is_said() -> None:
    assert why("good", speed="fast", colour=3).count("device.0.") == 2


def test_a_missing_key_is_said() -> None:
    assert why("escpos") == "site file:1: device.0.port: is missing"


def test_a_device_that_is_switched_off_says_so_and_keeps_its_kind() -> None:
    found = one("escpos", enabled=False, port="tcp://127.0.0.1:9100")
    assert found == DisabledDevice("it", "ticket-printer", "escpos", "switched off in the site file")


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ("no_library", "can't be loaded: No module named 'a_library_that_is_not_installed'"),
        ("tripping", "can't be loaded: LookupError: no such table"),
        ("empty", "can't be loaded: AttributeError: module 'third_empty' has no attribute 'Driver'"),
        ("wrong_syntax", "can't be loaded: SyntaxError: "),
        ("create_fails", "can't be started: RuntimeError: out of toner"),
    ],
)
def test_a_driver_that_is_broken_disables_its_devices_only(driver: str, expected: str) -> None:
    blocks = [DeviceConfig(name="bad", driver=driver), DeviceConfig(name="fine", driver="good")]
    bad, fine = find_devices(blocks)
    assert isinstance(bad, DisabledDevice)
    assert bad.what.startswith(f"driver {driver!r} {expected}")
    assert isinstance(fine, FoundDevice)


@pytest.mark.usefixtures("third_party")
def test_a_good_driver_of_somebody_else_gets_its_checked_keys() -> None:
    found = one("good", colour="red")
    assert isinstance(found, FoundDevice)
    assert found.device == ("it", "red", [])
    assert (found.name, found.kind, found.driver) == ("it", "ticket-printer", "good")


def test_a_reader_knows_the_kinds_of_cards() -> None:
    found = one("pcsc")
    assert isinstance(found, FoundDevice)
    assert found.kind == "card-reader"
