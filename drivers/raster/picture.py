"""A picture file as black dots: a clinic's logo, scaled to the paper and dithered."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageOps

from drivers.raster.bitmap import Bitmap

__all__ = ["picture_bitmap"]

_MOST_PX = 16_000_000
_BLACK, _WHITE = 80, 208
"""Greys up to the one are black and from the other on white: a dark colour of a logo is not to be full of holes."""


@lru_cache(maxsize=16)
def picture_bitmap(png: bytes, max_width_px: int, max_height_px: int) -> Bitmap:
    """A PNG file on white paper, made smaller to fit and never bigger; white margins are left out.

    Dark colours are black; what is between dark and light becomes dots (Floyd and Steinberg).
    Raises ValueError for what is not a PNG picture, or has nothing dark in it.
    """
    try:
        with Image.open(BytesIO(png), formats=["PNG"]) as file:
            if file.width * file.height > _MOST_PX:
                raise ValueError("the picture has too many dots")
            drawn = file.convert("RGBA")
    except (OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("the picture is not a PNG file that can be read") from None
    paper = Image.new("RGBA", drawn.size, "white")
    paper.alpha_composite(drawn)
    grey = paper.convert("L")
    ink = ImageOps.invert(grey).point([0 if value < 16 else 255 for value in range(256)]).getbbox()
    if ink is None:
        raise ValueError("the picture has nothing dark in it")
    grey = grey.crop(ink)
    scale = min(1.0, max_width_px / grey.width, max_height_px / grey.height)
    size = (max(1, int(grey.width * scale)), max(1, int(grey.height * scale)))
    if size != grey.size:
        grey = grey.resize(size, Image.Resampling.LANCZOS)
    grey = grey.point([min(255, max(0, (value - _BLACK) * 255 // (_WHITE - _BLACK))) for value in range(256)])
    dots = ImageOps.invert(grey).convert("1", dither=Image.Dither.FLOYDSTEINBERG)
    return Bitmap(dots.width, dots.height, dots.tobytes())
