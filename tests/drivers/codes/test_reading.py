from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from drivers.codes import PictureUnreadable, Symbology, read_image

CONTENTS = {
    Symbology.CODE_128: (zxingcpp.BarcodeFormat.Code128, b"M7HIM4KLV", "]C0"),
    Symbology.CODE_39: (zxingcpp.BarcodeFormat.Code39, b"M7HIM4KLV", "]A0"),
    Symbology.QR: (zxingcpp.BarcodeFormat.QRCode, b"shc:/5676290952432060", "]Q1"),
    Symbology.DATA_MATRIX: (zxingcpp.BarcodeFormat.DataMatrix, b"M7HIM4KLV 2026", "]d1"),
    Symbology.AZTEC: (zxingcpp.BarcodeFormat.Aztec, b"M7HIM4KLV 2026", "]z0"),
    Symbology.PDF417: (zxingcpp.BarcodeFormat.PDF417, b"@\n\x1e\rANSI 636000100002DL", "]L2"),
}


def png_of(kind: zxingcpp.BarcodeFormat, content: bytes) -> bytes:
    code = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(content, kind), scale=3)
    grey = Image.fromarray(np.asarray(code))
    sheet = Image.new("L", (grey.width + 40, grey.height + 40), 255)
    sheet.paste(grey, (20, 20))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("symbology", CONTENTS)
def test_a_clean_code_is_read_byte_for_byte(symbology: Symbology) -> None:
    kind, content, aim = CONTENTS[symbology]
    (reading,) = read_image(png_of(kind, content))
    assert (reading.kind, reading.data, reading.symbology) == (symbology, content, aim)


def test_what_is_no_picture_is_refused_without_quoting_it() -> None:
    with pytest.raises(PictureUnreadable) as refused:
        read_image(b"Amina Yilmaz, 1970-01-01")
    assert "Amina" not in str(refused.value)


def test_importing_the_package_loads_neither_opencv_nor_numpy() -> None:
    code = (
        "import sys, drivers.codes, kioskd; sys.exit(bool({'cv2', 'numpy', 'zxingcpp', 'pyzbar'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
