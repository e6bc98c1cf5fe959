"""What the sensors of a virtual printer say, and the status bytes that Epson makes of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL_ROLL_MM", "NEAR_END_MM", "Sensors"]

FULL_ROLL_MM = 80_000.0
NEAR_END_MM = 5_000.0
"""How much paper is left when the near-end sensor of a common printer sees the roll get thin."""


@dataclass(slots=True)
class Sensors:
    """Paper, cover, cutter, head."""

    paper_mm: float = FULL_ROLL_MM
    """What is left on the roll."""
    is_roll_in: bool = True
    is_lid_open: bool = False
    is_cutter_jammed: bool = False
    is_head_hot: bool = False
    is_broken: bool = False
    """An error that only a technician ends."""

    @property
    def has_paper(self) -> bool:
        return self.is_roll_in and self.paper_mm > 0

    @property
    def is_near_end(self) -> bool:
        return self.paper_mm <= NEAR_END_MM

    @property
    def is_offline(self) -> bool:
        """Whether printing stands still."""
        return not self.has_paper or self.is_lid_open or self._has_error

    @property
    def _has_error(self) -> bool:
        return self.is_cutter_jammed or self.is_head_hot or self.is_broken

    def answer(self, number: int) -> int:
        """The byte that answers DLE EOT ``number``, 1 to 4."""
        match number:
            case 1:
                bits = 0x08 * self.is_offline
            case 2:
                bits = 0x04 * self.is_lid_open | 0x20 * (not self.has_paper) | 0x40 * self._has_error
            case 3:
                bits = 0x08 * self.is_cutter_jammed | 0x20 * self.is_broken | 0x40 * self.is_head_hot
            case _:
                bits = 0x0C * self.is_near_end | 0x6C * (not self.has_paper)
        return 0x12 | bits

    def block(self) -> bytes:
        """The 4 bytes of automatic status back."""
        printer = 0x10 | 0x08 * self.is_offline | 0x20 * self.is_lid_open
        error = 0x08 * self.is_cutter_jammed | 0x20 * self.is_broken | 0x40 * self.is_head_hot
        paper = 0x03 * self.is_near_end | 0x0F * (not self.has_paper)
        return bytes((printer, error, paper, 0))
