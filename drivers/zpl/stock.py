"""What paper is in a ZPL II printer: sizes by name, to be overridden by the millimetre, and the keys of its device.

A printer holds one stock at a time; which one decides the size of what is printed, not the sheet. No maker publishes
where printing begins and ends on every band: print one, measure, and set ``printable_mm``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.line import Baud, Flow, LineAddress, line_address
from kioskd.ports import DriverConfig

__all__ = [
    "BAND_STOCKS",
    "LABEL_STOCKS",
    "BandSize",
    "BandStock",
    "LabelStock",
    "PrinterKeys",
    "ZplConfig",
    "ZplLabelConfig",
]

BandStock = Literal["adult", "child", "infant"]
LabelStock = Literal["specimen", "document"]
LEAST_PRINTABLE_MM = 60


@dataclass(frozen=True, slots=True)
class BandSize:
    """Width and length of one band, and where on its length printing begins and ends, in mm."""

    band_mm: tuple[int, int]
    printable_mm: tuple[int, int]


BAND_STOCKS: Mapping[BandStock, BandSize] = {
    "adult": BandSize((25, 279), (100, 220)),
    "child": BandSize((25, 178), (45, 135)),
    "infant": BandSize((25, 152), (40, 105)),
}
"""Bands of 1 x 11, 1 x 7 and 1 x 6 inch."""
LABEL_STOCKS: Mapping[LabelStock, tuple[int, int]] = {"specimen": (50, 25), "document": (100, 50)}
"""Width across the print head and length along the feed, in mm."""


class PrinterKeys(DriverConfig):
    """The keys that every ZPL II device has."""

    port: str
    """The line to the printer: ``tcp://host``, ``serial:/dev/...`` or ``usb:/dev/usb/lp0``.

    Without a port number 9300 is used where the model has it, because it is one host's alone, else 9100.
    """
    baud: Baud = 38400
    """Of a serial port, as set on the printer (8 data bits, no parity)."""
    flow: Flow = "rts-cts"
    """How a serial printer says that its buffer is full, as set on the printer."""
    is_shared: bool = False
    """Whether other computers print on it, too. Then its count proves a sheet only on the connection it was sent on:
    after a break, the one label more may be theirs."""
    dpi: Literal[203, 300, 600] = 300
    """Dots per inch of the print head. A printer that says otherwise is refused: its sheets would be cut off."""
    margin_mm: float = Field(default=1.5, ge=0, le=10)
    """Unprinted along the edges."""
    offset_mm: tuple[float, float] = (0.0, 0.0)
    """Moves everything across and along the paper, for a printer that prints beside its mark."""

    @field_validator("port")
    @classmethod
    def _is_a_line(cls, port: str) -> str:
        _address(port)
        return port

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


class ZplConfig(PrinterKeys):
    """The keys of a ``driver = "zpl"`` device."""

    stock: BandStock = "adult"
    """The bands that are in it: ``adult``, ``child`` or ``infant``. The sizes below, where given, go before it."""
    band_mm: tuple[int, int] = BAND_STOCKS["adult"].band_mm
    """Width and length of one band."""
    printable_mm: tuple[int, int] = BAND_STOCKS["adult"].printable_mm
    """Where on the band's length printing begins and ends, from its leading edge; outside are clasp and tail."""

    @model_validator(mode="before")
    @classmethod
    def _sizes_of_stock(cls, keys: Any) -> Any:
        named = keys.get("stock", "adult") if isinstance(keys, dict) else None
        size = next((size for name, size in BAND_STOCKS.items() if name == named), None)
        if size is None:
            return keys  # what is wrong is said by the check of its type
        return {"band_mm": size.band_mm, "printable_mm": size.printable_mm, **keys}

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


class ZplLabelConfig(PrinterKeys):
    """The keys of a ``driver = "zpl-label"`` device."""

    stock: LabelStock = "specimen"
    """The labels that are in it: ``specimen`` or ``document``. ``label_mm``, where given, goes before it."""
    label_mm: tuple[int, int] = LABEL_STOCKS["specimen"]
    """Width across the print head and length along the feed of one label."""
    symbology: Literal["datamatrix", "code128"] = "datamatrix"
    """The barcode: a DataMatrix beside the text, or a Code 128 below it, for scanners that read lines only."""

    @model_validator(mode="before")
    @classmethod
    def _size_of_stock(cls, keys: Any) -> Any:
        named = keys.get("stock", "specimen") if isinstance(keys, dict) else None
        size = next((size for name, size in LABEL_STOCKS.items() if name == named), None)
        return keys if size is None else {"label_mm": size, **keys}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        width, length = self.label_mm
        if not 25 <= width <= 110 or not 15 <= length <= 300:
            raise ValueError(f"label_mm: {width} x {length} mm is no label; expected width, length such as [50, 25]")
        if self.margin_mm < max(map(abs, self.offset_mm)):
            raise ValueError("offset_mm: moves the print over the label's edge; it is at most margin_mm")
        if min(width, length) - 2 * self.margin_mm < 12:
            raise ValueError("margin_mm: leaves less than 12 mm of the label")
        return self
