"""Reports of a scanner in HID-POS mode (USB HID Point of Sale Usage Tables 1.02, page 8C), pure.

Where what stands in a report is said by the device's own report descriptor (HID 1.11, 6.2.2), and makers differ:
Honeywell and Zebra send the AIM identifier in three bytes before the data, Newland sends none and begins two bytes
earlier (both: 56 bytes of data in a report of 64, a bit in the last byte that says that more follows).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from drivers.scanner.framing import Framer, PlainWire, without_line_end
from drivers.scanner.wire import MOST_BYTES, Aim, Broken, Read, with_aim
from kioskd.ports import ScannedCode

__all__ = ["HONEYWELL", "NEWLAND", "ReportLayout", "ReportWire", "layout_of"]

_SCANNER_PAGE, _DESKTOP_PAGE = 0x8C, 0x01
_IDENTIFIERS, _DATA, _MORE = (0xFB, 0xFC, 0xFD), 0xFE, 0xFF
_BYTE_COUNT = 0x3B
_WITHIN_S = 1.0
"""For the rest of a code: its reports follow one another within milliseconds."""


@dataclass(frozen=True, slots=True)
class ReportLayout:
    """Places in an input report, in bytes from its begin; the report's id, if it has one, is byte 0."""

    report_id: int
    length_at: int
    data_at: int
    data_bytes: int
    aim_at: int | None
    more_at: int
    more_mask: int = 1


HONEYWELL = ReportLayout(report_id=2, length_at=1, aim_at=2, data_at=5, data_bytes=56, more_at=63)
NEWLAND = ReportLayout(report_id=2, length_at=1, aim_at=None, data_at=2, data_bytes=56, more_at=63)


@dataclass(frozen=True, slots=True)
class _Field:
    """One input field: where it begins in its report, in bits behind the id."""

    report_id: int
    at: int
    bits: int
    count: int
    page: int
    usages: tuple[int, ...]


@dataclass(slots=True)
class _Globals:
    page: int = 0
    bits: int = 0
    count: int = 0
    report_id: int = 0


def layout_of(descriptor: bytes) -> ReportLayout | None:
    """Where a scanner's reports have what; None when it is no scanner in HID-POS mode."""
    fields = list(_input_fields(descriptor))
    data = next((f for f in fields if f.page == _SCANNER_PAGE and _DATA in f.usages and f.bits == 8), None)
    if data is None:
        return None
    mine = [field for field in fields if field.report_id == data.report_id]
    begin = 1 if data.report_id else 0

    def find(page: int, usage: int, bits: int) -> _Field | None:
        return next((f for f in mine if f.page == page and usage in f.usages and f.bits == bits), None)

    # Some give the length no usage of its own: it is the first byte then.
    length = find(_DESKTOP_PAGE, _BYTE_COUNT, 8) or next((f for f in mine if f.bits == 8 and f.at < data.at), None)
    aim = find(_SCANNER_PAGE, _IDENTIFIERS[0], 8)
    more = find(_SCANNER_PAGE, _MORE, 1)
    if length is None or more is None or data.at % 8 or length.at % 8:
        return None
    more_bit = more.at + more.usages.index(_MORE)
    return ReportLayout(
        data.report_id,
        length_at=begin + length.at // 8,
        data_at=begin + data.at // 8,
        data_bytes=data.count,
        aim_at=None if aim is None else begin + aim.at // 8,
        more_at=begin + more_bit // 8,
        more_mask=1 << more_bit % 8,
    )


def _items(descriptor: bytes) -> Iterator[tuple[int, int, int]]:
    """Each short item: its tag with its type, its value, and how many bytes that has. Ends where it is torn."""
    at = 0
    while at < len(descriptor):
        prefix = descriptor[at]
        if prefix == 0xFE:  # a long item; none is defined
            at += 3 + (descriptor[at + 1] if at + 1 < len(descriptor) else 0)
            continue
        size = (0, 1, 2, 4)[prefix & 3]
        value = descriptor[at + 1 : at + 1 + size]
        if len(value) < size:
            return
        yield prefix & 0xFC, int.from_bytes(value, "little"), size
        at += 1 + size


def _input_fields(descriptor: bytes) -> Iterator[_Field]:
    state, saved = _Globals(), list[_Globals]()
    usages: list[int] = []
    first = 0
    ends: dict[int, int] = {}
    for tag, value, size in _items(descriptor):
        match tag:
            case 0x04:
                state.page = value
            case 0x74:
                state.bits = value
            case 0x94:
                state.count = value
            case 0x84:
                state.report_id = value & 0xFF
            case 0xA4:
                saved.append(replace(state))
            case 0xB4 if saved:
                state = saved.pop()
            case 0x08 if len(usages) < 512:
                usages.append(value & 0xFFFF if size == 4 else value)
            case 0x18:
                first = value
            case 0x28 if 0 <= value - first < 512:
                usages += range(first, value + 1)
            case 0x80:
                at = ends.get(state.report_id, 0)
                ends[state.report_id] = at + state.bits * state.count
                yield _Field(state.report_id, at, state.bits, state.count, state.page, tuple(usages))
        if tag & 0x0C == 0:  # a main item uses the local ones up
            usages, first = [], 0


class ReportWire(PlainWire):
    """A scanner in HID-POS mode: each read of the line is one report. Implements ``wire.Wire``."""

    def __init__(self, layout: ReportLayout, aim: Aim) -> None:
        super().__init__(Framer("gap", _WITHIN_S), aim)
        self._layout = layout
        self._data = bytearray()
        self._symbology = b""
        self._trouble = ""
        self._is_begun = False

    @property
    def patience_s(self) -> float:
        return _WITHIN_S

    @property
    def is_pending(self) -> bool:
        return self._is_begun

    @property
    def is_in_code(self) -> bool:
        return self._is_begun

    def feed(self, data: bytes) -> list[Read]:
        layout = self._layout
        if layout.report_id and data[:1] != bytes((layout.report_id,)):
            return []  # a report of another kind: attributes, settings, a stylus on a terminal
        if len(data) <= max(layout.more_at, layout.length_at, layout.data_at):
            self._trouble = "a report was shorter than the scanner's own description of it"
            self._is_begun = True
            return self._end()
        length = data[layout.length_at]
        part = data[layout.data_at : layout.data_at + min(length, layout.data_bytes)]
        if len(part) < length or len(self._data) + length > MOST_BYTES:
            self._trouble = self._trouble or "a code or a report was longer than it can be"
        else:
            self._data += part
        if layout.aim_at is not None and not self._is_begun:
            self._symbology = data[layout.aim_at : layout.aim_at + 3].rstrip(b"\0 ")
        self._is_begun = True
        return [] if data[layout.more_at] & layout.more_mask else self._end()

    def gap(self) -> list[Read]:
        if not self._is_begun:
            return []
        self._trouble = self._trouble or "the rest of a code did not come"
        return self._end()

    def _end(self) -> list[Read]:
        read = self._read()
        self._data.clear()
        self._symbology, self._trouble, self._is_begun = b"", "", False
        return [read]

    def _read(self) -> Read:
        if self._trouble:
            return Broken(self._trouble)
        data = without_line_end(bytes(self._data))
        if self._layout.aim_at is None:
            return with_aim(data, self._aim)
        return with_aim(self._symbology + data, "auto") if self._symbology[:1] == b"]" else ScannedCode(data)
