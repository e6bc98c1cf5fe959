"""Text as 1-bit pictures, for what a printer's own fonts do not hold. Pure but for reading the installed fonts.

``text_bitmap`` draws one line with Debian's Noto fonts (``apt install fonts-noto-core``), Arabic shaped and right
to left. Printers' drivers put the ``Bitmap`` into their own command: ESC/POS ``GS v 0``, ZPL ``^GFA``.
"""

from __future__ import annotations

from drivers.raster.text import Bitmap, text_bitmap

__all__ = ["Bitmap", "text_bitmap"]
