"""Text and pictures as 1-bit dots, for what a printer's own fonts do not hold. Pure but for reading installed fonts.

``text``     one line of text, or as many as a width needs, with Debian's Noto fonts (``apt install fonts-noto-core``,
             for Chinese and Japanese ``fonts-droid-fallback``, for Korean ``fonts-nanum``), Arabic shaped
``bidi``     the order of a line that has both directions
``lines``    where a text is broken
``picture``  a picture file, dithered
``fonts``    which installed font holds which characters

Printers' drivers put a ``Bitmap`` into their own command: ESC/POS ``GS v 0``, ZPL ``^GFA``.
"""

from __future__ import annotations

from drivers.raster.bidi import Direction, visible
from drivers.raster.bitmap import Bitmap
from drivers.raster.lines import broken
from drivers.raster.picture import picture_bitmap
from drivers.raster.text import DoesNotFit, text_bitmap, text_bitmaps

__all__ = ["Bitmap", "Direction", "DoesNotFit", "broken", "picture_bitmap", "text_bitmap", "text_bitmaps", "visible"]
