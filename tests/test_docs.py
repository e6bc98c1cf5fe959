"""README, CHANGELOG and the example site file say what is true."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from kioskd import __version__, config
from kioskd.__main__ import _parser
from kioskd.config import Config
from kioskd.station.devices.registry import FoundDevice, driver_names, find_devices, load_driver

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "systemd" / "site.example.toml").read_text(encoding="utf-8")
BLOCKS = {name: config._block_in(field.annotation) for name, field in Config.model_fields.items()}
OURS = set(BLOCKS["device"].model_fields)
"""Keys of a device that are not its driver's."""


def block_of(text: str, name: str) -> str:
    """The lines of the first ``[name]`` or ``[[name]]`` of a site file, comments too."""
    found = re.search(rf"^\[\[?{name}\]\]?.*?$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no [{name}]"
    return found.group(1)


def test_the_site_file_of_the_readme_is_one() -> None:
    text = "\n".join(line[4:] for line in README.split("## The site file")[1].splitlines() if line.startswith("    "))
    site = config.parse(text, "README.md")
    assert len(site.device) == 2
    assert all(isinstance(d, FoundDevice) for d in find_devices(site.device, text, "README.md"))


def test_the_example_site_file_can_be_used_as_it_is_and_with_every_default_written_out() -> None:
    config.parse(EXAMPLE, "site.example.toml")
    defaults = re.sub(r"^# (\w+ = )", r"\1", EXAMPLE, flags=re.MULTILINE)
    without_url = re.sub(r"^url = .*$", "", defaults, flags=re.MULTILINE)
    config.parse(without_url, "site.example.toml")


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_the_example_site_file_has_every_key_of(block: str) -> None:
    model = BLOCKS[block]
    said = set(re.findall(r"^(?:# )?(\w+) = ", block_of(EXAMPLE, block), re.MULTILINE))
    if block == "device":
        assert said >= OURS
    else:
        assert said == set(model.model_fields)


@pytest.mark.parametrize("name", driver_names())
def test_the_example_site_file_has_every_key_of_the_driver(name: str) -> None:
    parts = re.split(r"^\[\[device\]\].*$", EXAMPLE, flags=re.MULTILINE)[1:]
    mine = next(part for part in parts if f'driver = "{name}"' in part)
    said = set(re.findall(r"^(?:# )?(\w+) = ", mine, re.MULTILINE)) - OURS
    assert said == set(load_driver(name).config.model_fields)


def test_the_commands_of_the_readme_are_the_commands() -> None:
    (commands,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert set(re.findall(r"^\| `kioskd (\w+)", README, re.MULTILINE)) == set(commands.choices)


def test_the_readme_has_exactly_two_set_up_commands_and_both_exist() -> None:
    commands = re.findall(r"^    (scripts/\w+)", README.split("## Two commands")[1].split("##")[0], re.MULTILINE)
    assert commands == ["scripts/demo", "scripts/test"]
    assert all((ROOT / command).stat().st_mode & 0o111 for command in commands)


def test_the_benchmarks_of_the_readme_are_the_benchmarks() -> None:
    line = next(line for line in README.splitlines() if line.startswith("`scripts/bench NAME`"))
    said = set(re.findall(r"`(\w+)`", line.split("table:")[1]))
    assert said == {path.stem for path in (ROOT / "bench").glob("[!_]*.py")}


def test_the_ports_of_the_readme_are_the_defaults() -> None:
    fields = {
        "kiosk": config.StationConfig.model_fields["listen"],
        "console": config.HubConfig.model_fields["console_listen"],
        "displays": config.HubConfig.model_fields["display_listen"],
        "desk": config.RecordsConfig.model_fields["desk_listen"],
        "FHIR": config.RecordsConfig.model_fields["fhir_listen"],
    }
    for name, field in fields.items():
        host, _, port = str(field.default).rpartition(":")
        assert host == "127.0.0.1"
        assert f"{name} {port}" in README


def test_the_changelog_speaks_of_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) <= 130


def test_each_promise_of_the_readme_names_a_test_that_there_is() -> None:
    promises = README.split("## What it promises")[1].split("\n## ")[0]
    rows = [
        line for line in promises.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| promise"))
    ]
    named = [re.search(r"`(tests/[\w/]+\.py)::(test_\w+)`", row) for row in rows]
    assert len(rows) >= 14
    assert all(named), "a promise without a test"
    for found in named:
        assert found
        text = (ROOT / found[1]).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {found[2]}\(", text, re.MULTILINE), found[0]
