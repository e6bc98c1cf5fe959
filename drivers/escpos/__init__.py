"""Ticket printers that speak ESC/POS: Epson TM and the many printers that copied its commands.

``layout``      a ticket as bytes, pure
``status``      what comes back, as frames and then as a ``PrinterStatus``, pure
``profiles``    the common printers and what is known of them, pure data
``connection``  one connection to the printer, over a ``drivers.line``
``preparation`` a new connection made ready: earlier remains flushed, what can be proven asked
``printer``     the device: status, send once, prove
``library``     python-escpos, imported without what it leaves behind
``virtual``     a printer in software at the end of a real socket, for the demo and for tests: what hands and eyes do
                with it. Inside: ``virtual_engine`` (buffer, head, cutter), ``virtual_wire`` (network board),
                ``virtual_commands`` (the bytes it understands), ``virtual_sensors`` (status as Epson lays it out),
                ``virtual_quirks`` (what clones do), ``virtual_paper`` (its paper, as a picture)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator, model_validator

from drivers.escpos.profiles import NARROWEST_DOTS, PROFILES, CodePage, Cut, PaperWidth, Profile, ProfileName
from drivers.line import Baud, Flow, LineAddress, line_address
from kioskd.ports import CardKind, DriverConfig

if TYPE_CHECKING:
    from drivers.escpos.printer import EscposPrinter

__all__ = ["EscposConfig", "EscposDriver"]


class EscposConfig(DriverConfig):
    """The keys of a ``driver = "escpos"`` device."""

    port: str
    """The line to the printer: ``tcp://host:9100``, ``serial:/dev/...`` or ``usb:/dev/usb/lp0``."""
    baud: Baud = 38400
    """Of a serial port, as set on the printer (8 data bits, no parity)."""
    flow: Flow = "rts-cts"
    """How a serial printer says that its buffer is full, as set on the printer."""
    profile: ProfileName = "generic"
    """The family of the printer; the four keys below are its own unless they are set."""
    paper_width_mm: PaperWidth = 80
    print_width_dots: int | None = Field(default=None, ge=200, le=1024)
    """Dots of a printed line where they differ from the profile's."""
    code_page: CodePage = "ascii"
    """The page that was seen to print right on this very printer. Characters outside it are drawn as pictures."""
    cut: Cut = "partial"

    @model_validator(mode="before")
    @classmethod
    def _profile_fills_in(cls, keys: Any) -> Any:
        known = PROFILES.get(keys.get("profile", "generic")) if isinstance(keys, dict) else None
        return known.defaults() | keys if known is not None else keys

    @field_validator("port")
    @classmethod
    def _is_a_line(cls, port: str) -> str:
        line_address(port)
        return port

    @property
    def address(self) -> LineAddress:
        """Where the printer is."""
        return line_address(self.port, self.baud, self.flow)

    @property
    def known(self) -> Profile:
        """What is known of the printer's family."""
        return PROFILES[self.profile]

    @property
    def width_dots(self) -> int:
        """Dots of a printed line. Paper that a family is not made for is printed as any printer could."""
        return self.print_width_dots or self.known.width_dots.get(self.paper_width_mm, NARROWEST_DOTS)


class EscposDriver:
    """Ticket printers that speak ESC/POS, over TCP, a serial port or USB."""

    title: ClassVar[str] = "ESC/POS ticket printer"
    kind: ClassVar[str] = "ticket-printer"
    config: ClassVar[type[DriverConfig]] = EscposConfig

    def create(self, name: str, config: EscposConfig, card_kinds: Sequence[CardKind] = ()) -> EscposPrinter:
        """The printer ``name``, not yet open."""
        from drivers.escpos.printer import EscposPrinter  # python-escpos and Pillow are loaded only when used

        return EscposPrinter(name, config)
