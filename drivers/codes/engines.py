"""zxing-cpp and zbar behind one shape: what a library says that it sees, before anybody believes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import zxingcpp
from pyzbar import pyzbar

from drivers.codes.picture import Grey
from drivers.codes.reading import AIM_LETTERS, Quad, Symbology

_ZXING = {
    Symbology.CODE_128: (zxingcpp.BarcodeFormat.Code128,),
    # Without the "full ASCII" reading, which makes "c" of a member number's "+C".
    Symbology.CODE_39: (zxingcpp.BarcodeFormat.Code39Std,),
    Symbology.QR: (zxingcpp.BarcodeFormat.QRCode,),
    Symbology.DATA_MATRIX: (zxingcpp.BarcodeFormat.DataMatrix,),
    Symbology.AZTEC: (zxingcpp.BarcodeFormat.Aztec,),
    Symbology.PDF417: (zxingcpp.BarcodeFormat.PDF417,),
    Symbology.EAN: (zxingcpp.BarcodeFormat.EANUPC,),
    Symbology.INTERLEAVED_2_OF_5: (zxingcpp.BarcodeFormat.ITF,),
}
# zbar is asked about one-dimensional codes only: it re-encodes what a QR code holds, and has no decoder for the others.
_ZBAR = {
    Symbology.CODE_128: (pyzbar.ZBarSymbol.CODE128,),
    Symbology.CODE_39: (pyzbar.ZBarSymbol.CODE39,),
    Symbology.EAN: (pyzbar.ZBarSymbol.EAN13, pyzbar.ZBarSymbol.EAN8, pyzbar.ZBarSymbol.UPCA, pyzbar.ZBarSymbol.UPCE),
    Symbology.INTERLEAVED_2_OF_5: (pyzbar.ZBarSymbol.I25,),
}
_ZBAR_KIND = {symbol.name: kind for kind, symbols in _ZBAR.items() for symbol in symbols}


@dataclass(frozen=True, slots=True)
class Sighting:
    """What zxing-cpp says that it sees; corners are those of the picture that it was given."""

    symbology: str
    data: bytes = field(repr=False)
    quad: Quad

    @property
    def kind(self) -> Symbology:
        return AIM_LETTERS[self.symbology[1]]


def zxing_sightings(
    grey: Grey, kinds: Iterable[Symbology], *, is_rotated: bool = True, is_downscaled: bool = True
) -> list[Sighting]:
    """What zxing-cpp finds. ``is_rotated``: codes on their side too; ``is_downscaled``: at smaller scales too."""
    formats = zxingcpp.BarcodeFormats([name for kind in kinds for name in _ZXING[kind]])
    found = zxingcpp.read_barcodes(
        grey, formats=formats, try_rotate=is_rotated, try_downscale=is_downscaled, try_invert=False
    )
    return [
        Sighting(code.symbology_identifier, bytes(code.bytes), _quad(code.position))
        for code in found
        if code.valid and code.bytes and code.symbology_identifier[1:2] in AIM_LETTERS
    ]


def zbar_texts(grey: Grey, kinds: Iterable[Symbology]) -> set[tuple[Symbology, bytes]]:
    """What zbar finds of one-dimensional codes."""
    symbols = [symbol for kind in kinds for symbol in _ZBAR.get(kind, ())]
    if not symbols:
        return set()
    return {(_ZBAR_KIND[code.type], bytes(code.data)) for code in pyzbar.decode(grey, symbols=symbols)}


def _quad(position: zxingcpp.Position) -> Quad:
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    top_left, top_right, bottom_right, bottom_left = ((int(corner.x), int(corner.y)) for corner in corners)
    return top_left, top_right, bottom_right, bottom_left
