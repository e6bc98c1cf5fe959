"""What a decoder says of a picture, and what a site wants decoded. Light: needs neither OpenCV nor numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from kioskd.errors import KioskdError


class Symbology(StrEnum):
    """A kind of code. The value is what stands in a site file."""

    CODE_128 = "code128"
    CODE_39 = "code39"
    QR = "qr"
    DATA_MATRIX = "datamatrix"
    AZTEC = "aztec"
    PDF417 = "pdf417"
    EAN = "ean"
    INTERLEAVED_2_OF_5 = "i2of5"

    @property
    def is_linear(self) -> bool:
        """One-dimensional: a check digit at the most, so that one reading is no proof."""
        return self in LINEAR


LINEAR = frozenset({Symbology.CODE_128, Symbology.CODE_39, Symbology.EAN, Symbology.INTERLEAVED_2_OF_5})
DEFAULT_SYMBOLOGIES = frozenset(Symbology) - {Symbology.EAN, Symbology.INTERLEAVED_2_OF_5}

AIM_LETTERS = {
    "C": Symbology.CODE_128,
    "A": Symbology.CODE_39,
    "Q": Symbology.QR,
    "d": Symbology.DATA_MATRIX,
    "z": Symbology.AZTEC,
    "L": Symbology.PDF417,
    "E": Symbology.EAN,
    "I": Symbology.INTERLEAVED_2_OF_5,
}
"""The second character of an AIM identifier (ISO/IEC 15424), here and in what a handheld scanner sends."""

Quad = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
"""Top left, top right, bottom right, bottom left as the code itself stands; pixels of the frame, x to the right and
y down."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One code that may be believed. ``data`` is a patient's: it stays out of the repr."""

    symbology: str
    """The AIM identifier (ISO/IEC 15424), such as ``]L2``."""
    data: bytes = field(repr=False)
    """What the code holds, byte for byte: no character set is assumed, control characters are themselves."""
    quad: Quad
    how: str
    """The rung of the ladder that read it."""

    @property
    def kind(self) -> Symbology:
        """Which kind of code it is."""
        return AIM_LETTERS[self.symbology[1]]


def accept_all(reading: Reading) -> bool:
    """The format check of a site that has no pattern."""
    return True


@dataclass(frozen=True, slots=True)
class DecoderOptions:
    """What a site wants decoded."""

    symbologies: frozenset[Symbology] = DEFAULT_SYMBOLOGIES
    is_well_formed: Callable[[Reading], bool] = accept_all
    """The format check of one-dimensional codes: length, characters, check digits of the site's patterns. Pure."""


class PictureUnreadable(KioskdError):
    """These bytes are no picture that can be decoded; the text says why, and quotes nothing of them."""
