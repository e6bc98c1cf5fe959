r"""Keys of a scanner that types like a keyboard, as the bytes that they mean, pure.

The kernel gives key codes, which name places on a keyboard. They are read as a US keyboard whatever the machine's own
layout is, so the scanner must be set to the US keyboard too: set to another it presses other keys for the same letter,
and nothing here can know. What scanners send for characters that no key has:

* Ctrl with a letter or one of ``@ [ \ ] ^ _``: a control character, such as Ctrl-J for LF and Ctrl-] for GS;
* Alt and a number on the keypad: with a leading 0 a Windows-1252 character, which is the byte itself for all that a
  code of ISO 8859-1 holds; without one a character of code page 437, 000 to 031 the control characters.

Caps lock turns letters round: the scanner sees the keyboard's lamp and presses Shift the other way; some press Caps
Lock themselves. Enter is CR. A key that means nothing spoils the code: better none than one with a letter less.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from drivers.scanner.framing import Framer, PlainWire
from drivers.scanner.wire import Aim, Read

__all__ = ["EVENT", "EV_KEY", "EV_LED", "EV_SYN", "SYN_DROPPED", "KeyDecoder", "KeyEvent", "KeyWire", "events_of"]

EVENT = struct.Struct("@llHHi")
"""struct input_event (linux/input.h): seconds, microseconds, type, code, value; 24 bytes on a 64-bit machine."""
EV_SYN, EV_KEY, EV_LED = 0x00, 0x01, 0x11
SYN_DROPPED = 3
LED_CAPSL = 1

_RELEASE, _PRESS = 0, 1
_CTRL, _SHIFT, _ALT, _CAPS = frozenset({29, 97}), frozenset({42, 54}), frozenset({56, 100}), 58
_SILENT = frozenset({69, 70, 125, 126, 127, 1})
"""Num Lock, Scroll Lock, Meta, Menu, Escape: some scanners press them around a code."""
_KEYPAD = {82: 0, 79: 1, 80: 2, 81: 3, 75: 4, 76: 5, 77: 6, 71: 7, 72: 8, 73: 9}
_KEYPAD_SIGNS = {98: b"/", 55: b"*", 74: b"-", 78: b"+", 83: b"."}
_ENTER = frozenset({28, 96})
_MOST_ALT_DIGITS = 7

_ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (57, " ", " "),
)
_US = {
    first + place: (plain.encode(), shifted.encode())
    for first, keys, shifts in _ROWS
    for place, (plain, shifted) in enumerate(zip(keys, shifts, strict=True))
}
"""Key code to what it types without and with Shift, on a US keyboard (linux/input-event-codes.h)."""
_CONTROLS = {b"2": 0, b"6": 0x1E, b"-": 0x1F, b"[": 0x1B, b"\\": 0x1C, b"]": 0x1D}


class KeyEvent(NamedTuple):
    """One event of an input device."""

    kind: int
    code: int
    value: int


def events_of(held: bytearray) -> Iterator[KeyEvent]:
    """Take the whole events off ``held``."""
    whole = len(held) - len(held) % EVENT.size
    taken = bytes(held[:whole])
    del held[:whole]
    for _, _, kind, code, value in EVENT.iter_unpack(taken):
        yield KeyEvent(kind, code, value)


class KeyDecoder:
    """Which keys are held and what comes of it. ``is_caps_on``: whether the keyboard's lamp is lit."""

    def __init__(self, is_caps_on: bool = False) -> None:
        self._held: set[int] = set()
        self._is_caps_on = is_caps_on
        self._alt_digits = ""

    def take(self, event: KeyEvent) -> bytes | None:
        """The bytes that an event typed, often none. None: something was lost or means nothing."""
        if event.kind == EV_SYN and event.code == SYN_DROPPED:
            self._held.clear()
            self._alt_digits = ""
            return None
        if event.kind == EV_LED and event.code == LED_CAPSL:
            self._is_caps_on = bool(event.value)
        if event.kind != EV_KEY or event.value not in (_RELEASE, _PRESS):  # a key that repeats itself was not typed
            return b""
        if event.value == _RELEASE:
            return self._released(event.code)
        return self._pressed(event.code)

    def _pressed(self, code: int) -> bytes | None:
        if code in _CTRL | _SHIFT | _ALT:
            self._held.add(code)
            return b""
        if code == _CAPS:
            self._is_caps_on = not self._is_caps_on
            return b""
        if self._held & _ALT:
            if code not in _KEYPAD or len(self._alt_digits) >= _MOST_ALT_DIGITS:
                return None
            self._alt_digits += str(_KEYPAD[code])
            return b""
        if self._held & _CTRL:
            return self._control(code)
        return self._typed(code)

    def _released(self, code: int) -> bytes | None:
        self._held.discard(code)
        if code not in _ALT or self._held & _ALT or not self._alt_digits:
            return b""
        digits, self._alt_digits = self._alt_digits, ""
        return _alt(digits)

    def _typed(self, code: int) -> bytes | None:
        if code in _ENTER:
            return b"\r"
        if code == 15:
            return b"\t"
        if code in _KEYPAD:
            return str(_KEYPAD[code]).encode()
        if code in _KEYPAD_SIGNS:
            return _KEYPAD_SIGNS[code]
        if code not in _US:
            return b"" if code in _SILENT else None
        plain, shifted = _US[code]
        is_shifted = bool(self._held & _SHIFT) != (self._is_caps_on and plain.isalpha())
        return shifted if is_shifted else plain

    def _control(self, code: int) -> bytes | None:
        plain, _ = _US.get(code, (b"", b""))
        if plain.isalpha():
            return bytes((ord(plain) - 0x60,))
        return bytes((_CONTROLS[plain],)) if plain in _CONTROLS else None


def _alt(digits: str) -> bytes:
    """What Alt and a number types."""
    number = int(digits)
    if number < 0x80 or (number < 0x100 and digits.startswith("0")):
        return bytes((number,))
    if number < 0x100:
        text = bytes((number,)).decode("cp437")
    elif number < 0x110000 and not 0xD800 <= number < 0xE000:
        text = chr(number)
    else:
        return b""
    return text.encode("latin-1") if ord(text) < 0x100 else text.encode("utf-8")


class KeyWire(PlainWire):
    """The event stream of an input device. Implements ``wire.Wire``."""

    def __init__(self, framer: Framer, aim: Aim, is_caps_on: bool = False) -> None:
        super().__init__(framer, aim)
        self._keys = KeyDecoder(is_caps_on)
        self._ahead = bytearray()

    def feed(self, data: bytes) -> list[Read]:
        self._ahead += data
        done: list[Read] = []
        for event in events_of(self._ahead):
            typed = self._keys.take(event)
            if typed is None:
                self._framer.spoil("a key came that no US keyboard has, or some were lost: is the scanner set to US?")
            elif typed:
                done += super().feed(typed)
        return done
