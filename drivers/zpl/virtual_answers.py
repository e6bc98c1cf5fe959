"""What the virtual printer answers, byte for byte as Zebra describes it. Pure.

``Fault`` and ``Warn`` are the bits of group 1 of ``~HQES``: errors and warnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

__all__ = ["SILENT_IN", "SPOILING", "Fault", "State", "Warn", "extended_status", "host_status", "identity", "variables"]

_DOTS_PER_MM = {203: 8, 300: 12, 600: 24}


class Fault(IntFlag):
    """Why it does not print."""

    NONE = 0
    MEDIA_OUT = 0x1
    RIBBON_OUT = 0x2
    HEAD_OPEN = 0x4
    CUTTER_JAMMED = 0x8
    HEAD_HOT = 0x10
    MOTOR_HOT = 0x20
    HEAD_BROKEN = 0x40


class Warn(IntFlag):
    """What it will need soon."""

    NONE = 0
    CALIBRATE = 0x1
    CLEAN_HEAD = 0x2
    REPLACE_HEAD = 0x4
    MEDIA_LOW = 0x8


SPOILING = Fault.MEDIA_OUT | Fault.RIBBON_OUT | Fault.HEAD_OPEN
"""Cuts the label in print short; any other fault lets it out and holds the next one."""
SILENT_IN = SPOILING | Fault.HEAD_HOT
"""Where Zebra documents that ``~HS`` is not answered."""


@dataclass(frozen=True, slots=True)
class State:
    """What the answers are made of, at one moment."""

    model: str
    firmware: str
    dpi: int
    faults: Fault
    warnings: Warn
    is_paused: bool
    is_buffer_full: bool
    is_format_partial: bool
    formats_waiting: int
    labels_remaining: int
    label_dots: int
    odometer: int | None
    """None: this firmware has no such variable."""
    single_port: int
    """0: this firmware has no such port."""
    single_idle_s: float


def identity(state: State) -> bytes:
    """``~HI``."""
    return f"\x02{state.model},{state.firmware},{_DOTS_PER_MM[state.dpi]},8192KB\x03\r\n".encode()


def host_status(state: State) -> bytes:
    """``~HS``: three strings."""
    faults = state.faults
    is_hot = bool(faults & (Fault.HEAD_HOT | Fault.MOTOR_HOT))
    first = (
        f"030,{bool(faults & Fault.MEDIA_OUT):d},{state.is_paused:d},{state.label_dots:04},{state.formats_waiting:03},"
        f"{state.is_buffer_full:d},0,{state.is_format_partial:d},000,0,0,{is_hot:d}"
    )
    second = (
        f"001,0,{bool(faults & Fault.HEAD_OPEN):d},{bool(faults & Fault.RIBBON_OUT):d},0,2,4,0,"
        f"{state.labels_remaining:08},1,000"
    )
    return b"".join(f"\x02{text}\x03\r\n".encode() for text in (first, second, "1234,0"))


def extended_status(state: State) -> bytes:
    """``~HQES``."""
    errors, warnings = int(state.faults), int(state.warnings)
    lines = (
        "",
        "PRINTER STATUS",
        f"ERRORS: {errors > 0:d} 00000000 {errors:08X}",
        f"WARNINGS: {warnings > 0:d} 00000000 {warnings:08X}",
    )
    return b"\x02" + "\r\n".join(lines).encode() + b"\r\n\x03\r\n"


def variables(state: State) -> dict[str, str]:
    """The SGD variables that this firmware knows."""
    errors, warnings = int(state.faults), int(state.warnings)
    plain = host_status(state).decode().replace("\x02", "").replace("\x03", "").strip()
    known = {
        "device.host_status": plain,
        "device.pause": f"{state.is_paused:d}",
        "device.unique_id": "VIRTUAL0001",
        "head.latch": "open" if state.faults & Fault.HEAD_OPEN else "ok",
        "head.resolution.in_dpi": str(state.dpi),
        "zpl.label_length": str(state.label_dots),
        "zpl.system_status": (
            f"{state.is_paused:d},{errors > 0:d},00000000,{errors:08X},{warnings > 0:d},00000000,{warnings:08X}"
        ),
    }
    if state.odometer is not None:
        known["odometer.total_label_count"] = str(state.odometer)
    if state.single_port:
        known["ip.port_single_conn"] = str(state.single_port)
        known["ip.port_single_conn_idle_timeout"] = f"{state.single_idle_s:.0f}"
    return known
