"""The contract over a serial port in each profile, over key presses, and over HID-POS reports."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from drivers.line import Line
from drivers.line.file import FileLine
from drivers.scanner import SerialConfig, SerialDriver
from drivers.scanner.framing import Framer
from drivers.scanner.hid_reports import HONEYWELL, NEWLAND, ReportLayout, ReportWire
from drivers.scanner.keys import KeyWire
from drivers.scanner.scanner import LineScanner
from drivers.scanner.virtual import VirtualScanner
from drivers.scanner.wire import Wire
from kioskd.errors import DeviceUnavailable
from tests.drivers.code_scanner_contract import CodeScannerContract
from tests.drivers.scanner.typist import reports, typed


class VirtualHands:
    """Hands on a virtual scanner. In SSI mode a scan waits until it is acknowledged, so it has a thread of its own.

    ``waits_s``: for a scanner that hears a little later that it should read.
    """

    def __init__(self, virtual: VirtualScanner, has_thread: bool, waits_s: float) -> None:
        self.virtual = virtual
        self.unplug = virtual.unplug
        self.plug = virtual.plug
        self._has_thread = has_thread
        self._waits_s = waits_s
        self.last: Thread | None = None

    def show(self, data: bytes) -> None:
        self.virtual.wait_until_enabled(True, self._waits_s)
        if not self._has_thread:
            self.virtual.scan(data)
            return
        if self.last is not None:
            self.last.join(10)
        self.last = Thread(target=self.virtual.scan, args=(data,), daemon=True)
        self.last.start()


class TestASerialScannerThatOnlyTalks(CodeScannerContract):
    keys: ClassVar[dict[str, object]] = {"suffix": "\r"}
    suffix = b"\r"
    is_marked = False

    @pytest.fixture
    def hands(self, tmp_path: Path) -> Iterator[VirtualHands]:
        profile = self.keys.get("profile", "plain")
        with VirtualScanner(tmp_path / "scanner", profile, suffix=self.suffix, is_marked=self.is_marked) as virtual:
            yield VirtualHands(virtual, profile == "zebra-ssi", 0.5 if self.keys.get("triggers") else 0)

    @pytest.fixture
    def scanner(self, hands: VirtualHands) -> LineScanner:
        config = SerialConfig.model_validate({"port": f"serial:{hands.virtual.path}", **self.keys})
        return SerialDriver().create("scanner", config, [])


class TestASerialScannerThatMarksItsCodes(TestASerialScannerThatOnlyTalks):
    keys: ClassVar[dict[str, object]] = {"framing": "stx-etx"}
    is_marked = True


class TestASerialScannerThatMarksItsCodesAndNobodySaidSo(TestASerialScannerThatOnlyTalks):
    suffix = b"\r\n"
    is_marked = True


class TestASerialScannerWithASuffixOfItsOwn(TestASerialScannerThatOnlyTalks):
    keys: ClassVar[dict[str, object]] = {"framing": "suffix", "suffix": "\x04\r"}
    suffix = b"\x04\r"


class TestANewland(TestASerialScannerThatOnlyTalks):
    keys: ClassVar[dict[str, object]] = {"profile": "newland", "suffix": "\r"}


class TestANewlandThatIsTriggered(TestASerialScannerThatOnlyTalks):
    keys: ClassVar[dict[str, object]] = {"profile": "newland", "suffix": "\r", "triggers": True}


class TestAZebraInSsiMode(TestASerialScannerThatOnlyTalks):
    keys: ClassVar[dict[str, object]] = {"profile": "zebra-ssi"}


class TestAZebraInSsiModeThatIsTriggered(TestASerialScannerThatOnlyTalks):
    keys: ClassVar[dict[str, object]] = {"profile": "zebra-ssi", "triggers": True}


class FarEnd:
    """The other end of a device file that is not a terminal: each write is one read of the driver."""

    def __init__(self, kind: socket.SocketKind) -> None:
        self._kind = kind
        self._far: socket.socket | None = None
        self._near: socket.socket | None = None
        self.plug()

    def plug(self) -> None:
        if self._near is not None:
            self._near.close()
        self._far, self._near = socket.socketpair(socket.AF_UNIX, self._kind)
        self._far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)  # what is typed waits there until it is read

    def unplug(self) -> None:
        assert self._far is not None
        self._far.close()
        self._far = None

    def open(self) -> Line:
        if self._far is None or self._near is None:
            raise DeviceUnavailable("scanner", "is the scanner plugged in?")
        return FileLine("scanner", "/dev/scanner", _Number(os.dup(self._near.fileno())))

    def write(self, data: bytes) -> None:
        assert self._far is not None
        self._far.sendall(data)

    def close(self) -> None:
        for end in (self._far, self._near):
            if end is not None:
                end.close()


class _Number:
    def __init__(self, number: int) -> None:
        self.number = number

    def fileno(self) -> int:
        return self.number

    def close(self) -> None:
        os.close(self.number)


class TypistHands(FarEnd):
    def show(self, data: bytes) -> None:
        self.write(typed(b"]Q1" + data))


class TestAScannerThatTypes(CodeScannerContract):
    @pytest.fixture
    def hands(self) -> Iterator[TypistHands]:
        hands = TypistHands(socket.SOCK_STREAM)
        yield hands
        hands.close()

    @pytest.fixture
    def scanner(self, hands: TypistHands) -> LineScanner:
        def open_scanner() -> tuple[Line, Wire]:
            return hands.open(), KeyWire(Framer("gap", 0.1), "auto")

        return LineScanner("scanner", open_scanner)


class ReportHands(FarEnd):
    layout: ReportLayout = HONEYWELL

    def show(self, data: bytes) -> None:
        lead = b"" if self.layout.aim_at is not None else b"]Q1"
        for report in reports(self.layout, lead + data):
            self.write(report)


class TestAScannerInHidPosMode(CodeScannerContract):
    layout = HONEYWELL

    @pytest.fixture
    def hands(self) -> Iterator[ReportHands]:
        hands = ReportHands(socket.SOCK_SEQPACKET)
        hands.layout = self.layout
        yield hands
        hands.close()

    @pytest.fixture
    def scanner(self, hands: ReportHands) -> LineScanner:
        return LineScanner("scanner", lambda: (hands.open(), ReportWire(self.layout, "auto")))


class TestANewlandInHidPosMode(TestAScannerInHidPosMode):
    layout = NEWLAND
