"""Events as the kernel gives them for a scanner that types, and the reports of one in HID-POS mode."""

from __future__ import annotations

from drivers.scanner.hid_reports import ReportLayout
from drivers.scanner.keys import EV_KEY, EV_SYN, EVENT

EV_MSC, MSC_SCAN = 0x04, 0x04
LEFT_CTRL, LEFT_SHIFT, LEFT_ALT, CAPS_LOCK, ENTER = 29, 42, 56, 58, 28
KEYPAD = dict(zip("0123456789", (82, 79, 80, 81, 75, 76, 77, 71, 72, 73), strict=True))
PLAIN = dict(
    zip(
        "1234567890-=qwertyuiop[]asdfghjkl;'`\\zxcvbnm,./ \t\r",
        (*range(2, 14), *range(16, 28), *range(30, 42), *range(43, 54), 57, 15, ENTER),
        strict=True,
    )
)
SHIFTED = dict(
    zip('!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"~|ZXCVBNM<>?', [c for c in PLAIN if c not in " \t\r"], strict=True)
)
"""Character to the one on the same key: written down once more, so that a slip in the driver's table shows."""


def key(code: int, value: int) -> bytes:
    """One key going down (1), up (0) or repeating itself (2), as a scanner's keyboard reports it."""
    return (
        EVENT.pack(1764000000, 1234, EV_MSC, MSC_SCAN, 0x70000 + code)
        + EVENT.pack(1764000000, 1234, EV_KEY, code, value)
        + EVENT.pack(1764000000, 1234, EV_SYN, 0, 0)
    )


def press(code: int) -> bytes:
    return key(code, 1) + key(code, 0)


def held(modifier: int, inside: bytes) -> bytes:
    return key(modifier, 1) + inside + key(modifier, 0)


def typed(data: bytes, by: str = "ctrl") -> bytes:
    """Data typed on a US keyboard; control characters with Ctrl, or with Alt and the keypad."""
    events = b""
    for byte in data:
        character = chr(byte)
        if character in PLAIN and (character != "\r" or by == "enter"):
            events += press(PLAIN[character])
        elif character in SHIFTED:
            events += held(LEFT_SHIFT, press(PLAIN[SHIFTED[character]]))
        elif byte < 0x20 and by != "alt":
            base = chr(byte + 0x60) if 1 <= byte <= 26 else {0: "2", 27: "[", 28: "\\", 29: "]", 30: "6", 31: "-"}[byte]
            events += held(LEFT_CTRL, press(PLAIN[base]))
        else:
            events += held(LEFT_ALT, b"".join(press(KEYPAD[digit]) for digit in f"{byte:04d}"))
    return events


def reports(layout: ReportLayout, data: bytes, symbology: bytes = b"]Q1") -> list[bytes]:
    """The input reports of one code."""
    parts = [data[at : at + layout.data_bytes] for at in range(0, len(data), layout.data_bytes)] or [b""]
    made = []
    for part in parts:
        report = bytearray(layout.more_at + 1)
        report[0] = layout.report_id
        report[layout.length_at] = len(part)
        if layout.aim_at is not None:
            report[layout.aim_at : layout.aim_at + 3] = symbology
        report[layout.data_at : layout.data_at + len(part)] = part
        report[layout.more_at] = layout.more_mask if part is not parts[-1] else 0
        made.append(bytes(report))
    return made


def item(prefix: int, value: int = 0, size: int = 1) -> bytes:
    """A short item of a report descriptor (HID 1.11, 6.2.2.2)."""
    code = {0: 0, 1: 1, 2: 2, 4: 3}[size]
    return bytes((prefix | code,)) + value.to_bytes(size, "little")


def scanner_descriptor(has_aim: bool = True) -> bytes:
    """The descriptor of a scanner with the reports that makers' guides draw: 64 bytes with their id."""
    opened = (
        item(0x04, 0x8C) + item(0x08, 0x02) + item(0xA0, 0x01) + item(0x84, 2) + item(0x08, 0x12) + item(0xA0, 0x02)
    )
    byte = item(0x74, 8) + item(0x94, 1)
    length = item(0xA4, size=0) + item(0x04, 0x01) + item(0x08, 0x3B) + byte + item(0x80, 0x02) + item(0xB4, size=0)
    aim = b"".join(item(0x08, usage) + byte + item(0x80, 0x02) for usage in (0xFB, 0xFC, 0xFD)) if has_aim else b""
    data = item(0x08, 0xFE) + item(0x74, 8) + item(0x94, 56) + item(0x80, 0x02)
    rest = item(0x74, 8) + item(0x94, 2 if has_aim else 5) + item(0x80, 0x01)
    more = item(0x08, 0xFF) + item(0x74, 1) + item(0x94, 1) + item(0x80, 0x02) + item(0x94, 7) + item(0x80, 0x01)
    return opened + length + aim + data + rest + more + item(0xC0, size=0) + item(0xC0, size=0)
