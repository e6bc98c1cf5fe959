"""Black and white dots, and what is done with them before they are sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Bitmap"]


@dataclass(frozen=True, slots=True)
class Bitmap:
    """Black and white dots. ``rows``: top to bottom, each row padded to a byte, MSB first, 1 is black."""

    width_px: int
    height_px: int
    rows: bytes

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return (self.width_px + 7) // 8

    def row(self, y: int) -> bytes:
        """One row, from 0 at the top."""
        return self.rows[y * self.row_bytes : (y + 1) * self.row_bytes]

    def moved_right(self, dots: int) -> Bitmap:
        """The same with ``dots`` white columns on the left."""
        wide = Bitmap(self.width_px + dots, self.height_px, b"")
        spare = 8 * wide.row_bytes - wide.width_px
        had = 8 * self.row_bytes - self.width_px
        rows = (int.from_bytes(self.row(y), "big") >> had << spare for y in range(self.height_px))
        return Bitmap(wide.width_px, self.height_px, b"".join(row.to_bytes(wide.row_bytes, "big") for row in rows))

    def without_white_rows(self) -> tuple[int, Bitmap, int]:
        """How many white rows are at the top, the rows between the first and the last with ink, how many below."""
        inked = [y for y in range(self.height_px) if any(self.row(y))]
        if not inked:
            return self.height_px, Bitmap(self.width_px, 0, b""), 0
        top, end = inked[0], inked[-1] + 1
        kept = self.rows[top * self.row_bytes : end * self.row_bytes]
        return top, Bitmap(self.width_px, end - top, kept), self.height_px - end

    def inverted(self, margin_px: int) -> Bitmap:
        """White on black, with a black margin on the left and on the right."""
        wide = Bitmap(self.width_px + 2 * margin_px, self.height_px, b"")
        spare, had = 8 * wide.row_bytes - wide.width_px, 8 * self.row_bytes - self.width_px
        black = (1 << wide.width_px) - 1
        rows = (
            (black ^ (int.from_bytes(self.row(y), "big") >> had << margin_px)) << spare for y in range(self.height_px)
        )
        return Bitmap(wide.width_px, self.height_px, b"".join(row.to_bytes(wide.row_bytes, "big") for row in rows))
