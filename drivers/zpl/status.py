"""What a ZPL printer answers, as frames and then as a ``PrinterStatus``. Pure.

Three kinds of answer share one stream: frames between STX and ETX (``~HS``: three of them; ``~HQES``; ``~HI``), and SGD
values in quotes without a terminator. Zebra documents that many models answer ``~HS`` with silence while media or
ribbon is out or the head is open: no answer is a fault or a busy printer, never a ready one and never one that left.
SGD's ``zpl.system_status`` says the same as ``~HQES``, and may be answered where that is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kioskd.core.printing import Cause, PrinterNote, ProofKind
from kioskd.ports import PrinterStatus

__all__ = [
    "AnswerReader",
    "Answers",
    "ExtendedStatus",
    "HostStatus",
    "Identity",
    "cause_of",
    "printer_status",
    "system_status",
]

_FRAME = re.compile(rb"\x02([^\x02\x03]*)\x03|\"([^\"\x02\x03\r\n]*)\"")
_HS_1 = re.compile(r"\d{3},[01],[01],\d{4},\d{3},[01],[01],[01],\w{3},[01],[01],[01]")
_HS_2 = re.compile(r"\d{3},\w,[01],[01],[01],\w,\w,[01],\d{8},\w,\w{3}")
_HS_3 = re.compile(r"\w{1,4},[01]")
_HQES = re.compile(
    r"ERRORS:\s*([01])\s+([0-9A-F]{8})\s+([0-9A-F]{8}).*?WARNINGS:\s*([01])\s+([0-9A-F]{8})\s+([0-9A-F]{8})",
    re.DOTALL | re.IGNORECASE,
)
_HI = re.compile(r"([^,]{1,60}),\s*(V[^,]*),\s*(6|8|12|24)\s*,")
_SYSTEM_STATUS = re.compile(
    r"\s*([01]),([01]),([0-9A-F]{8}),([0-9A-F]{8}),([01]),([0-9A-F]{8}),([0-9A-F]{8})\s*", re.IGNORECASE
)
_MOST_KEPT = 4096
"""Longest answer of all is a few hundred bytes; more without an end is noise."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """``~HS`` (ZPL II Programming Guide, Host Status Return): strings 1 and 2, what a host needs of them."""

    is_paper_out: bool
    is_paused: bool
    formats_in_buffer: int
    is_buffer_full: bool
    is_diagnosing: bool
    is_format_partial: bool
    is_ram_corrupt: bool
    is_too_cold: bool
    is_too_hot: bool
    is_head_open: bool
    is_ribbon_out: bool
    is_label_waiting: bool
    labels_remaining: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to print or to finish receiving."""
        return not (self.formats_in_buffer or self.labels_remaining or self.is_format_partial)


@dataclass(frozen=True, slots=True)
class ExtendedStatus:
    """``~HQES``: group 1 of the errors and of the warnings, as bits; nibble 1 is the lowest."""

    errors: int = 0
    warnings: int = 0
    is_paused: bool = False
    """Said by ``zpl.system_status`` only."""

    @property
    def cause(self) -> Cause | None:
        """The first of its errors, in the order of ``cause_of``."""
        found = (
            (bool(self.errors & 0x4), Cause.COVER_OPEN),
            (bool(self.errors & 0x1), Cause.PAPER_OUT),
            (bool(self.errors & 0x2), Cause.RIBBON_OUT),
            (self.is_cutter_jammed, Cause.CUTTER_ERROR),
            (self.is_head_hot, Cause.HEAD_HOT),
            (self.is_broken, Cause.FAULT),
            (self.is_paused, Cause.PAUSED),
        )
        return next((cause for is_so, cause in found if is_so), None)

    @property
    def is_cutter_jammed(self) -> bool:
        return bool(self.errors & 0x8)

    @property
    def is_head_hot(self) -> bool:
        """Head or motor over temperature."""
        return bool(self.errors & 0x30)

    @property
    def is_broken(self) -> bool:
        """Bad head element, head not recognised, bad firmware or thermistor."""
        return bool(self.errors & 0x3C0)

    @property
    def notes(self) -> tuple[PrinterNote, ...]:
        """Its warnings; that it wants to be calibrated is none of the desk's concern."""
        bits = ((0x8, PrinterNote.PAPER_LOW), (0x2, PrinterNote.HEAD_DIRTY), (0x4, PrinterNote.HEAD_WORN))
        return tuple(note for bit, note in bits if self.warnings & bit)


@dataclass(frozen=True, slots=True)
class Identity:
    """``~HI``: model, firmware and dots per mm (6, 8, 12 or 24)."""

    model: str
    firmware: str
    dots_per_mm: int


@dataclass(slots=True)
class Answers:
    """Everything whole that came in so far; of each frame the newest."""

    host: HostStatus | None = None
    extended: ExtendedStatus | None = None
    identity: Identity | None = None
    values: list[str] = field(default_factory=list)
    """SGD answers in order. ``?`` is the answer to an unknown name."""
    values_before_host: int = 0
    """How many of ``values`` came before the newest ``host``."""


class AnswerReader:
    """Cuts what the printer sends into answers, whatever pieces it comes in. Noise between them is dropped."""

    def __init__(self) -> None:
        self.answers = Answers()
        self._rest = b""
        self._first = self._second = ""

    def begin(self) -> None:
        """A new question was asked: forget what was answered, but keep an answer of which a part is here."""
        self.answers = Answers()

    def feed(self, data: bytes) -> Answers:
        rest = self._rest + data
        end = 0
        for match in _FRAME.finditer(rest):
            end = match.end()
            if match[1] is not None:
                self._take_frame(match[1].decode("latin-1").strip())
            else:
                self.answers.values.append(match[2].decode("latin-1"))
        self._rest = rest[end:][-_MOST_KEPT:]
        return self.answers

    def _take_frame(self, text: str) -> None:
        first, second, self._first, self._second = self._first, self._second, "", ""
        if _HS_1.fullmatch(text):
            self._first = text
        elif first and _HS_2.fullmatch(text):
            self._first, self._second = first, text
        elif second and _HS_3.fullmatch(text):
            self.answers.host = _host_status(first, second)
            self.answers.values_before_host = len(self.answers.values)
        elif match := _HQES.search(text):
            self.answers.extended = ExtendedStatus(errors=int(match[3], 16), warnings=int(match[6], 16))
        elif match := _HI.match(text):
            self.answers.identity = Identity(match[1].strip(), match[2].strip(), int(match[3]))


def _host_status(first: str, second: str) -> HostStatus:
    _, paper, pause, _, formats, full, diagnosing, partial, _, ram, cold, hot = first.split(",")
    _, _, head, ribbon, _, _, _, waiting, remaining, _, _ = second.split(",")
    return HostStatus(
        is_paper_out=paper == "1",
        is_paused=pause == "1",
        formats_in_buffer=int(formats),
        is_buffer_full=full == "1",
        is_diagnosing=diagnosing == "1",
        is_format_partial=partial == "1",
        is_ram_corrupt=ram == "1",
        is_too_cold=cold == "1",
        is_too_hot=hot == "1",
        is_head_open=head == "1",
        is_ribbon_out=ribbon == "1",
        is_label_waiting=waiting == "1",
        labels_remaining=int(remaining),
    )


def system_status(value: str) -> ExtendedStatus | None:
    """The value of ``zpl.system_status``: pause, errors (flag, group 2, group 1), warnings (the same)."""
    match = _SYSTEM_STATUS.fullmatch(value)
    if match is None:
        return None
    return ExtendedStatus(errors=int(match[4], 16), warnings=int(match[7], 16), is_paused=match[1] == "1")


def printer_status(
    host: HostStatus | None, extended: ExtendedStatus | None, odometer: int | None, proof: ProofKind, model: str
) -> PrinterStatus:
    """The printer as the daemon sees it. ``host`` is None when ``~HS`` was not answered: then it is never ready."""
    cause = cause_of(host, extended)
    notes = extended.notes if extended is not None else ()
    return PrinterStatus(cause is None, cause, PrinterNote.PAPER_LOW in notes, odometer, proof, model, notes)


def cause_of(host: HostStatus | None, extended: ExtendedStatus | None) -> Cause | None:
    """What a person must see to first: an open head makes the other sensors say anything."""
    extended = extended or ExtendedStatus()
    if host is None:
        return extended.cause or Cause.NO_ANSWER
    found = (
        (host.is_head_open, Cause.COVER_OPEN),
        (host.is_paper_out, Cause.PAPER_OUT),
        (host.is_ribbon_out, Cause.RIBBON_OUT),
        (extended.is_cutter_jammed, Cause.CUTTER_ERROR),
        (host.is_too_hot or extended.is_head_hot, Cause.HEAD_HOT),
        (host.is_ram_corrupt or host.is_too_cold or host.is_diagnosing or extended.is_broken, Cause.FAULT),
        (host.is_paused, Cause.PAUSED),
        (host.is_buffer_full, Cause.BUFFER_FULL),
        (not host.is_empty or host.is_label_waiting, Cause.BUSY),
    )
    return next((cause for is_so, cause in found if is_so), None)
