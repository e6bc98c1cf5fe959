"""A simulated camera: a picture file that stands for what is held in front of it.

A ``camera`` device whose ``source`` is ``file:`` and this picture sees it within a fraction of a second: a picture of
the camera's own size is the whole view, any other is held in front of a grey desk. No file: the desk alone.
"""

from __future__ import annotations

import os
from pathlib import Path


class VirtualCamera:
    """Hands in front of a camera. ``folder`` must exist; use one in memory (tmpfs) for pictures of real cards."""

    def __init__(self, folder: Path) -> None:
        self._picture = folder / "held-up.png"
        self._number = 0

    @property
    def source(self) -> str:
        """The key ``source`` of the device that looks."""
        return f"file:{self._picture}"

    def hold_up(self, picture: bytes) -> None:
        """Hold up a picture: the bytes of a PNG, JPEG, WebP or BMP file. What is none of these is an empty desk."""
        self._number += 1
        fresh = self._picture.with_name(f"next-{self._number}")
        fresh.write_bytes(picture)
        os.replace(fresh, self._picture)  # the camera never sees half of it

    def take_away(self) -> None:
        """Nothing is held up any more."""
        self._picture.unlink(missing_ok=True)
