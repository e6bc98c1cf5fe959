"""How a clinic sets its scanner, and a code to hold before it that shows whether it is set right.

Set-up barcodes of the makers are not drawn here: their contents are nowhere public in a form that could be checked, and
a wrong one may leave a scanner unusable. Its own guide has them under the names given here. What a scanner on a serial
line needs beyond that, kioskd tells it itself (profiles ``zebra-ssi`` and ``newland``).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, cast

from kioskd.ports import ScannedCode

__all__ = ["CHECK_DATA", "check_code_png", "check_code_text", "judge", "steps"]

CHECK_DATA = b"kioskd YZyz Qq @\n\x1e\r[]\\{}|/-_&#;:'\"<>=+\n\x1d09\r\nend"
"""Letters that other keyboards have elsewhere, signs, and the control characters of driving licences."""

_BLOCKS = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}

_CDC = {
    "zebra-ssi": 'to SSI over USB-CDC ("SSI over USB CDC"), or to SSI on its serial cable',
    "newland": 'to "USB COM Port Emulation" or "USB CDC", or to its serial cable',
}
_COMMON = (
    "Switch on PDF417, QR, DataMatrix, Aztec and Code 128 as far as your patients' cards and letters have them.",
    "Leave character conversion, and everything that leaves out or replaces control characters, off.",
)
_LAST = "When all is right, switch set-up by barcode off, so that nobody sets it with a code of their own."


def steps(driver: str, profile: str = "plain") -> Sequence[str]:
    """What to set on a scanner, one sentence each, in the words that makers' guides use."""
    if driver == "scanner-keyboard":
        return (
            "Where its guide has USB-CDC (USB COM port), use that and driver = scanner-serial: keys are slow.",
            'Set it to "USB Keyboard" (HID keyboard), country US English, whatever this machine has.',
            'Set "Caps Lock override" off and case conversion to none; a poll interval of 1 ms makes it faster.',
            'Set control characters to be sent as Ctrl and a key ("Function key mapping", "Ctrl+ASCII mode").',
            'Switch "Transmit AIM ID" on.',
            "No suffix; or Enter together with ends_with = enter where no driving licences are read.",
            *_COMMON,
            _LAST,
        )
    if driver == "scanner-hidpos":
        return (
            'Set it to "USB HID POS" ("HID-POS", "USB POS").',
            'Switch "Transmit AIM ID" on if it asks.',
            *_COMMON,
            _LAST,
        )
    if driver != "scanner-serial":
        return (*_COMMON, _LAST)
    first = f"Set it {_CDC.get(profile, 'to USB-CDC (USB COM port, virtual serial port), or to its serial cable')}."
    if profile == "zebra-ssi":
        return (first, *_COMMON, "The rest kioskd sets itself: packets, acknowledgement, no set-up by barcode.")
    aim = "AIM identifiers kioskd switches on itself." if profile == "newland" else 'Switch "Transmit AIM ID" on.'
    marks = "Set STX as prefix and ETX as suffix if it can; otherwise no suffix, or CR alone."
    return (first, aim, marks, *_COMMON, _LAST)


def check_code_png(scale: int = 8) -> bytes:
    """The check code as a PNG, ``scale`` dots to a module: to print, or to show on a screen."""
    from PIL import Image

    width, height, dots = _check_code()
    picture = Image.frombytes("L", (width, height), dots)
    file = io.BytesIO()
    picture.resize((width * scale, height * scale), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def check_code_text() -> str:
    """The check code for a terminal, two rows of modules to a line: blocks are light, so the terminal is to be dark."""
    width, height, dots = _check_code()
    rows = [dots[at : at + width] for at in range(0, width * height, width)]
    if len(rows) % 2:
        rows.append(b"\xff" * width)
    return "\n".join(
        "".join(_BLOCKS[top > 127, bottom > 127] for top, bottom in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )


def _check_code() -> tuple[int, int, bytes]:
    """The check code with its border: width and height in modules, and a byte for each, 0 where it is dark."""
    import zxingcpp

    code = zxingcpp.create_barcode(CHECK_DATA, zxingcpp.BarcodeFormat.QRCode)
    image = zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=True)
    height, width = image.shape
    return width, height, bytes(cast(Any, image))  # a buffer; its type stub does not say so


def judge(code: ScannedCode) -> Sequence[str]:
    """What is to be set otherwise on a scanner that read the check code so; empty when all is well."""
    found = [] if code.symbology else ['it sends no AIM identifier: switch "Transmit AIM ID" on']
    if code.data == CHECK_DATA:
        return found
    if code.data == CHECK_DATA.swapcase():
        return [*found, "capital and small letters are swapped: switch its Caps Lock setting off"]
    if CHECK_DATA in code.data:
        return [*found, "it adds something before or behind each code: switch prefix and suffix off, or set suffix"]
    printable = bytes(byte for byte in CHECK_DATA if byte >= 0x20)
    if bytes(byte for byte in code.data if byte >= 0x20) == printable:
        what = "line ends and control characters arrive changed, so driving licences can't be read"
        return [*found, f"{what}: let it send control characters as they are, or use USB-CDC"]
    if code.data and CHECK_DATA.startswith(code.data):
        return [
            *found,
            "only the begin of the code came: a part of it is taken for the end; set framing or ends_with",
        ]
    if code.data.lower().startswith(b"kioskd") and len(code.data) >= len(printable) // 2:
        return [*found, "other characters arrive than were read: set its keyboard country to US English"]
    return ["that was not the check code"]
