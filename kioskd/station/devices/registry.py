"""Finds drivers by entry points and checks each ``[[device]]`` against its driver's own keys.

A device that can't be used is a ``DisabledDevice`` with its reason, never a failed start.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from kioskd import config as site_file
from kioskd.config import DeviceConfig
from kioskd.errors import KioskdError
from kioskd.ports import CardKind, Device, Driver

DRIVERS = "kioskd.drivers"
CARDS = "kioskd.cards"


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device of the site file, created and not yet open."""

    name: str
    kind: str
    driver: str
    device: Device


@dataclass(frozen=True, slots=True)
class DisabledDevice:
    """A device of the site file that can't be used, and why."""

    name: str
    kind: str
    driver: str
    what: str


def driver_names() -> list[str]:
    """The names that ``driver =`` may have."""
    return sorted(entry.name for entry in entry_points(group=DRIVERS))


def load_driver(name: str) -> Driver:
    """A driver by name. Raises LookupError when no package brings it; an error of its package passes."""
    for entry in entry_points(group=DRIVERS):
        if entry.name == name:
            driver: Driver = _load(entry)()
            return driver
    raise LookupError(f"no driver {name!r}; known: {', '.join(driver_names())}")


def card_kinds() -> list[CardKind]:
    """Every kind of card that a package brings."""
    return [_load(entry)() for entry in sorted(entry_points(group=CARDS), key=lambda e: e.name)]


def _load(entry: EntryPoint) -> Any:
    return entry.load()


def find_devices(
    blocks: Sequence[DeviceConfig], text: str = "", file: str = "site file"
) -> list[FoundDevice | DisabledDevice]:
    """Each block as a device or as the reason why it is disabled; ``text`` and ``file`` are for line numbers."""
    return [_find(block, index, text, file) for index, block in enumerate(blocks)]


def _find(block: DeviceConfig, index: int, text: str, file: str) -> FoundDevice | DisabledDevice:
    def disabled(what: str, kind: str = "") -> DisabledDevice:
        return DisabledDevice(block.name, kind, block.driver, what)

    names = driver_names()
    if block.driver not in names:
        line = site_file.line_of(text, ("device", index, "driver"))
        near = difflib.get_close_matches(block.driver, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
        return disabled(f"{file}:{line}: device.{index}.driver: no driver {block.driver!r}; {hint}")
    try:
        driver = load_driver(block.driver)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a driver's package costs its devices only
        return disabled(f"driver {block.driver!r} can't be loaded: {_what(error)}")
    if not block.enabled:
        return disabled("switched off in the site file", driver.kind)
    try:
        keys = driver.config.model_validate(block.driver_keys)
    except ValidationError as error:
        known = tuple(driver.config.model_fields)
        problems = site_file.explain(error, text, file, ("device", index), known)
        return disabled("; ".join(problems), driver.kind)
    try:
        device = driver.create(block.name, keys, card_kinds() if driver.kind == "card-reader" else [])
    except Exception as error:  # noqa: BLE001 - as above
        return disabled(f"driver {block.driver!r} can't be started: {_what(error)}", driver.kind)
    return FoundDevice(block.name, driver.kind, block.driver, device)


def _what(error: Exception) -> str:
    """An error's text for staff; that of a bug also says which kind it is."""
    is_plain = isinstance(error, ImportError | OSError | KioskdError)
    return str(error) if is_plain else f"{type(error).__name__}: {error}"
