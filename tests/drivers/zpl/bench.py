"""A virtual wristband printer and its driver on one hurried clock, so that minutes of silence take seconds.

A busy machine is slow against such a clock: what must be answered is waited for generously, what must not is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from drivers.zpl import ZplConfig
from drivers.zpl.connection import Doors
from drivers.zpl.printer import ZplPrinter
from drivers.zpl.virtual import VirtualWristbandPrinter
from kioskd.clock import DeviceClock
from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import PrinterStatus
from tests.drivers.line.cable import Cable
from tests.drivers.wristband_printer_contract import SHEET

HURRIED = DeviceClock(50)
WITHIN_S = 30.0
"""Of the machine's seconds, for what must come."""
LONG_S = WITHIN_S * 50
"""The same on the hurried clock."""
SHORT_S = 0.05
TRIES = 200


class Bench:
    """Hands, driver, and a band to print."""

    def __init__(self, hands: VirtualWristbandPrinter, printer: ZplPrinter, cable: Cable | None = None) -> None:
        self.hands = hands
        self.printer = printer
        self.payload = printer.render(SHEET)
        self.cable = cable
        self._tokens = count(1)

    @property
    def came_out(self) -> int:
        """Sheets that are out when the printer has nothing more to do."""
        assert self.hands.wait_until_idle(WITHIN_S)
        return len(self.hands.sheets)

    def open(self) -> None:
        """A new connection, through a new cable where there is one."""
        self.printer.close()
        if self.cable is not None:
            self.cable.unplug()
            self.cable.plug()
        self.printer.open()

    def ready(self) -> PrinterStatus:
        """The status once the printer is ready, over a new connection where the last one is gone."""
        status = None
        for _ in range(TRIES):
            try:
                status = self.printer.status()
            except DeviceUnavailable:
                self.open()
                continue
            if status.is_ready and (status.odometer is not None or status.proof is ProofKind.FENCE):
                return status
        raise AssertionError(f"never ready: {status}")

    def send(self) -> int:
        """Send the band; its token."""
        token = next(self._tokens)
        self.printer.send(self.payload, token)
        return token

    def send_into_a_break(self, before: PrinterStatus) -> int:
        """Send the band, and listen until the connection's end is noticed or the break has come."""
        token = next(self._tokens)
        try:
            self.printer.send(self.payload, token)
            assert self.hands.wait_until_broken(WITHIN_S)
            self.printer.prove(token, before.odometer, SHORT_S)
        except NotPrinted as error:
            raise AssertionError("bytes of the band had left") from error
        except DeviceUnavailable:
            pass
        assert self.hands.wait_until_broken(WITHIN_S)
        return token

    def look_until_broken(self, look: Callable[[], object]) -> None:
        """Ask again and again until an answer was broken off."""
        with suppress(DeviceUnavailable):
            while not self.hands.wait_until_broken(0):
                look()
        assert self.hands.wait_until_broken(WITHIN_S)

    def proves(self, token: int, before: PrinterStatus) -> ProofKind | None:
        """The driver's answer about a band that is out."""
        return self.printer.prove(token, before.odometer, LONG_S)

    def proves_not(self, token: int, before: PrinterStatus, seconds: float = SHORT_S) -> bool:
        """Whether the driver leaves open if a band came out."""
        return self.printer.prove(token, before.odometer, seconds) is None

    def doubt_about(self, token: int, before: PrinterStatus) -> Cause | None:
        """What the driver says of a band that it can't prove."""
        for _ in range(TRIES):
            assert self.proves_not(token, before, 1.0)
            if (doubt := self.printer.status().doubt) is not None:
                return doubt
        return None


@contextmanager
def bench(
    mechanical: bool = False, clock: DeviceClock = HURRIED, is_shared: bool = False, **options: Any
) -> Iterator[Bench]:
    """A printer at the end of a TCP connection, with the driver open on it."""
    with VirtualWristbandPrinter(mechanical=mechanical, clock=clock, **options) as hands:
        config = ZplConfig(port=f"tcp://127.0.0.1:{hands.port}", is_shared=is_shared)
        printer = ZplPrinter("bands", config, clock)
        try:
            printer.open()
            yield Bench(hands, printer)
        finally:
            printer.close()


@contextmanager
def serial_bench(
    folder: Path, mechanical: bool = False, clock: DeviceClock = HURRIED, **options: Any
) -> Iterator[Bench]:
    """The same at the end of a serial port."""
    with VirtualWristbandPrinter(mechanical=mechanical, clock=clock, **options) as hands:
        cable = Cable(folder / "printer", hands.port)
        printer = ZplPrinter("bands", ZplConfig(port=f"serial:{cable.path}"), clock)
        try:
            printer.open()
            yield Bench(hands, printer, cable)
        finally:
            printer.close()
            cable.unplug()


def doors_of(hands: VirtualWristbandPrinter, shared: int | None = None) -> Doors:
    """The virtual printer's ports in the place of 9300 and 9100."""
    return Doors(single=hands.single_port, shared=hands.port if shared is None else shared)
