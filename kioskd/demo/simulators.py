"""The simulated hardware as a process of its own (``kioskd simulate``): a tray of cards, a scanner and two printers.

It keeps count of what came out, and outlives a killed daemon: that is what makes it a witness. It is told what to do,
one JSON object a line, over a Unix socket that only its owner can open; it ends with its parent.
"""

from __future__ import annotations

import base64
import json
import os
import socketserver
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drivers.codes import read_image
from drivers.escpos.virtual import VirtualTicketPrinter
from drivers.pcsc.virtual_process import VirtualCardProcess
from drivers.scanner.virtual import VirtualScanner
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.errors import DeviceError, DeviceUnavailable, KioskdError
from kioskd.ports import SimulatedPrinter

TICKETS = "tickets"
WRISTBANDS = "wristbands"
SCANNER = "scanner"
"""Beside the control socket: where the scanner's serial port stands."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the printers listen on 127.0.0.1."""

    tickets: int
    wristbands: int


class Simulators:
    """The hardware and the hands in front of it. Any thread."""

    def __init__(self, namespace_pid: int | None, vpcd_port: int, is_mechanical: bool, scanner: Path) -> None:
        self._tickets = VirtualTicketPrinter(mechanical=is_mechanical)
        self._wristbands = VirtualWristbandPrinter(mechanical=is_mechanical)
        self._printers: dict[str, VirtualTicketPrinter | VirtualWristbandPrinter] = {
            TICKETS: self._tickets,
            WRISTBANDS: self._wristbands,
        }
        self._reader = VirtualCardProcess(namespace_pid, vpcd_port)
        self._scanner = VirtualScanner(scanner)
        self._card = ""
        self._hand = threading.Lock()

    def start(self) -> Ports:
        for printer in self._printers.values():
            printer.start()
        return Ports(self._tickets.port, self._wristbands.port)

    def stop(self) -> None:
        self._reader.close()
        self._scanner.unplug()
        for printer in self._printers.values():
            printer.stop()

    def obey(self, command: dict[str, Any]) -> Any:
        """Do what one line asks. Raises KioskdError, LookupError or TypeError for what can't be done."""
        match command:
            case {"do": "desk"}:
                return {"card": self._card, "printers": [asdict(self._state(name)) for name in self._printers]}
            case {"do": "insert", "card": str(card), **options}:
                with self._hand:
                    self._reader.insert(card, **options)
                    self._card = card
            case {"do": "remove"}:
                with self._hand:
                    if self._card:
                        self._reader.remove()
                    self._card = ""
            case {"do": "scan", "text": str(text)}:
                self._scan(text.encode(), "]Q1")
            case {"do": "show", "picture": str(picture)}:
                readings = read_image(base64.b64decode(picture))
                for reading in readings:
                    self._scan(reading.data, reading.symbology)
                return len(readings)
            case {"do": "paper", "printer": str(name), "has_paper": bool(has_paper)}:
                self._printers[name].set_paper(has_paper)
            case {"do": "lid", "printer": str(name), "is_open": bool(is_open)}:
                self._printers[name].set_lid(is_open)
            case {"do": "speed", "printer": str(name), "mm_s": float(mm_s)}:
                self._printers[name].set_speed(mm_s or None)
            case {"do": "tear-off", "printer": str(name)}:
                self._printers[name].tear_off()
            case {"do": "power-cycle", "printer": str(name)}:
                self._printers[name].power_cycle()
            case {"do": "picture", "printer": str(name), "number": int(number)}:
                return base64.b64encode(self._printers[name].sheet_png(number)).decode("ascii")
            case {"do": "sheets", "printer": str(name)}:
                return self._sheets(name)
            case {"do": "wait-for-sheets", "printer": str(name), "count": int(count), "seconds": float(seconds)}:
                return self._printers[name].wait_for_sheets(count, seconds)
            case _:
                raise LookupError(f"no such command: {command.get('do')!r}")
        return None

    def _scan(self, data: bytes, symbology: str) -> None:
        """Raises DeviceUnavailable when nobody reads what the scanner sends."""
        if not self._scanner.scan(data, symbology):
            raise DeviceUnavailable("scanner", "is not read; is the program running?")

    def _sheets(self, name: str) -> list[dict[str, Any]]:
        """What stands on every sheet that came out, and when the connection began that sent it (``time.monotonic()``,
        which all processes of a machine share): who knows the lives of a daemon knows which of them printed it.
        """
        if name == TICKETS:
            return [{"text": sheet.text, "connected_at": sheet.connected_at} for sheet in self._tickets.sheets]
        bands = zip(self._wristbands.sheets, self._wristbands.connected_at, strict=True)
        return [{"text": zpl.decode("latin-1"), "connected_at": at} for zpl, at in bands]

    def _state(self, name: str) -> SimulatedPrinter:
        printer = self._printers[name]
        kind = "ticket-printer" if name == TICKETS else "wristband-printer"
        return SimulatedPrinter(
            name, kind, printer.has_paper, printer.is_lid_open, len(printer.sheets), printer.is_printing
        )


class _Line(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        simulators: Simulators = self.server.simulators  # type: ignore[attr-defined]
        for line in self.rfile:
            try:
                answer = {"result": simulators.obey(json.loads(line))}
            except (KioskdError, DeviceError, LookupError, TypeError, ValueError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            self.wfile.write(json.dumps(answer).encode() + b"\n")
            self.wfile.flush()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


def simulate(control: Path, namespace_pid: int | None, vpcd_port: int, is_mechanical: bool) -> int:
    """``kioskd simulate``: serve until standard input closes; the first line on standard output tells the ports."""
    simulators = Simulators(namespace_pid, vpcd_port, is_mechanical, control.with_name(SCANNER))
    ports = simulators.start()
    control.unlink(missing_ok=True)
    before = os.umask(0o077)
    server = _Server(str(control), _Line)
    os.umask(before)
    server.simulators = simulators  # type: ignore[attr-defined]
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    serving.start()
    print(json.dumps(asdict(ports)), flush=True)
    try:
        sys.stdin.buffer.read()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        simulators.stop()
        control.unlink(missing_ok=True)
    return 0
