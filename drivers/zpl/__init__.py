"""Printers that speak ZPL II: of wristbands (Zebra HC100, ZD510-HC, every Zebra that takes such a roll), of labels.

``band``        a wristband as bytes, pure; ``label`` a label for a specimen or a document
``typeset``     lines measured and set (``words``, ``escape``, ``gs1``, ``datamatrix``, ``metrics``, ``graphic``), pure
``stock``       what paper is in a printer, and the keys of its device
``status``      what comes back, as frames and then as a ``PrinterStatus``, pure
``printer``     the device: status, send once, prove by the odometer (``connection``, ``proof``)
``virtual``     a printer in software at the end of a real socket, for the demo and for tests
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from drivers.zpl.stock import ZplConfig, ZplLabelConfig
from kioskd.ports import CardKind, DriverConfig

if TYPE_CHECKING:
    from drivers.zpl.printer import ZplLabelPrinter, ZplPrinter

__all__ = ["ZplConfig", "ZplDriver", "ZplLabelConfig", "ZplLabelDriver"]


class ZplDriver:
    """Wristband printers that speak ZPL II, over TCP, a serial port or USB."""

    title: ClassVar[str] = "ZPL II wristband printer"
    kind: ClassVar[str] = "wristband-printer"
    config: ClassVar[type[DriverConfig]] = ZplConfig

    def create(self, name: str, config: ZplConfig, card_kinds: Sequence[CardKind] = ()) -> ZplPrinter:
        """The printer ``name``, not yet open."""
        from drivers.zpl.printer import ZplPrinter  # Pillow is loaded only when used

        return ZplPrinter(name, config)


class ZplLabelDriver:
    """Label printers that speak ZPL II: labels for specimens and documents."""

    title: ClassVar[str] = "ZPL II label printer"
    kind: ClassVar[str] = "label-printer"
    config: ClassVar[type[DriverConfig]] = ZplLabelConfig

    def create(self, name: str, config: ZplLabelConfig, card_kinds: Sequence[CardKind] = ()) -> ZplLabelPrinter:
        """The printer ``name``, not yet open."""
        from drivers.zpl.printer import ZplLabelPrinter  # Pillow is loaded only when used

        return ZplLabelPrinter(name, config)
