"""A picture file as grey values."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from drivers.codes.reading import PictureUnreadable

Grey = NDArray[np.uint8]
"""Rows x columns of grey values, 0 black, C order."""

MOST_PIXELS = 40_000_000
"""More than a telephone's camera makes; 40 MB of grey values."""


def grey_of(picture: bytes) -> Grey:
    """PNG, JPEG or WebP as grey values. Raises PictureUnreadable."""
    try:
        with Image.open(io.BytesIO(picture), formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise PictureUnreadable(
                    f"the picture has {width} x {height} pixels; send one of {MOST_PIXELS // 10**6} megapixels at most"
                )
            return np.asarray(_opaque(image).convert("L"), dtype=np.uint8)
    except UnidentifiedImageError:
        raise PictureUnreadable("these bytes are no PNG, JPEG or WebP picture; send one of these") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        # What Pillow raises on files that are broken off or damaged. Its texts may quote the file.
        raise PictureUnreadable(f"the picture is damaged ({type(error).__name__}); take it again") from None


def _opaque(image: Image.Image) -> Image.Image:
    """On white: what is transparent looks white, and its colour is often black."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    coloured = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
