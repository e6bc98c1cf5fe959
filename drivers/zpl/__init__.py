"""Wristband printers that speak ZPL II: Zebra HC100, ZD510-HC and every Zebra that takes a wristband roll.

``band``        a wristband as bytes, pure; ``label`` a label for a specimen or a document
``typeset``     lines measured and set (``words``, ``escape``, ``gs1``, ``datamatrix``, ``metrics``, ``graphic``), pure
``status``      what comes back, as frames and then as a ``PrinterStatus``, pure
``printer``     the device: status, send once, prove by the odometer (``connection``, ``proof``)
``virtual``     a printer in software at the end of a real socket, for the demo and for tests
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.line import Baud, Flow, LineAddress, line_address
from kioskd.ports import CardKind, DriverConfig

if TYPE_CHECKING:
    from drivers.zpl.printer import ZplPrinter

__all__ = ["ZplConfig", "ZplDriver"]

LEAST_PRINTABLE_MM = 60


class ZplConfig(DriverConfig):
    """The keys of a ``driver = "zpl"`` device."""

    port: str
    """The line to the printer: ``tcp://host``, ``serial:/dev/...`` or ``usb:/dev/usb/lp0``.

    Without a port number 9300 is used where the model has it, because it is one host's alone, else 9100.
    """
    baud: Baud = 38400
    """Of a serial port, as set on the printer (8 data bits, no parity)."""
    flow: Flow = "rts-cts"
    """How a serial printer says that its buffer is full, as set on the printer."""
    dpi: Literal[203, 300, 600] = 300
    """Dots per inch of the print head. A printer that says otherwise is refused: its bands would be cut off."""
    band_mm: tuple[int, int] = (25, 279)
    """Width and length of one band."""
    printable_mm: tuple[int, int] = (100, 220)
    """Where on the band's length printing begins and ends, from its leading edge; outside are clasp and tail.

    No maker publishes it for every band: print one, measure, set it here.
    """
    margin_mm: float = Field(default=1.5, ge=0, le=10)
    """Unprinted along both long edges."""
    offset_mm: tuple[float, float] = (0.0, 0.0)
    """Moves everything across and along the band, for a printer that prints beside its mark."""

    @field_validator("port")
    @classmethod
    def _is_a_line(cls, port: str) -> str:
        _address(port)
        return port

    @model_validator(mode="after")
    def _fits(self) -> Self:
        (width, length), (begin, end) = self.band_mm, self.printable_mm
        across, along = self.offset_mm
        if not 15 <= width <= 110 or not LEAST_PRINTABLE_MM <= length <= 600:
            raise ValueError(
                f"band_mm: {width} x {length} mm is no wristband; expected width, length such as [25, 279]"
            )
        if end - begin < LEAST_PRINTABLE_MM:
            raise ValueError(f"printable_mm: {begin} to {end} is under the {LEAST_PRINTABLE_MM} mm that a band needs")
        if begin + along < 0 or end + along > length:
            raise ValueError(f"printable_mm with offset_mm: outside the band, which is {length} mm long")
        if self.margin_mm < abs(across):
            raise ValueError("offset_mm: moves the print over the band's edge; it is at most margin_mm across")
        if width - 2 * self.margin_mm < 12:
            raise ValueError("margin_mm: leaves less than 12 mm of the band's width")
        return self

    @property
    def address(self) -> LineAddress:
        """Where the printer is; ``tcp_port`` 0 where none was named."""
        return _address(self.port, self.baud, self.flow)


def _address(port: str, baud: Baud = 38400, flow: Flow = "rts-cts") -> LineAddress:
    """Raises ValueError with what was expected."""
    host = port.removeprefix("tcp://").rstrip("/")
    if host == port or not host or (":" in host and not host.endswith("]")):
        return line_address(port, baud, flow)
    return replace(line_address(f"tcp://{host}:9300"), tcp_port=0)


class ZplDriver:
    """Wristband printers that speak ZPL II, over TCP, a serial port or USB."""

    title: ClassVar[str] = "ZPL II wristband printer"
    kind: ClassVar[str] = "wristband-printer"
    config: ClassVar[type[DriverConfig]] = ZplConfig

    def create(self, name: str, config: ZplConfig, card_kinds: Sequence[CardKind] = ()) -> ZplPrinter:
        """The printer ``name``, not yet open."""
        from drivers.zpl.printer import ZplPrinter  # Pillow is loaded only when used

        return ZplPrinter(name, config)
