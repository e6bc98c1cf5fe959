"""Barcodes in pictures, pure: a picture in, what its codes hold out. No camera, no files.

``reading``  ``Reading``, ``DecoderOptions``: what everybody else needs to know
``ladder``   ``Decoder``: one frame in, the readings to be believed out, within a deadline
``engines``  zxing-cpp and zbar behind one shape

A code with error correction counts when it was read once; a one-dimensional code counts when two decoders read the
same and the site's format check passes. Importing this package loads neither OpenCV nor numpy: ``drivers.codes.ladder``
does, and ``read_image`` when it is first called.
"""

from __future__ import annotations

from drivers.codes.reading import (
    DEFAULT_SYMBOLOGIES,
    DecoderOptions,
    PictureUnreadable,
    Quad,
    Reading,
    Symbology,
)

__all__ = [
    "DEFAULT_SYMBOLOGIES",
    "DecoderOptions",
    "PictureUnreadable",
    "Quad",
    "Reading",
    "Symbology",
    "read_image",
]


def read_image(picture: bytes, options: DecoderOptions | None = None, *, within_s: float = 2.0) -> list[Reading]:
    """The codes in a PNG, JPEG or WebP file. Raises PictureUnreadable. Takes up to ``within_s``, and a step more."""
    from drivers.codes.ladder import Decoder
    from drivers.codes.picture import grey_of

    return Decoder(options or DecoderOptions()).read(grey_of(picture), within_s=within_s)
