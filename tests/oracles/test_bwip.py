"""Our GS1 strings and bands before bwip-js, which refuses what the GS1 syntax dictionary does not allow."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from datetime import date
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from drivers.zpl.gs1 import element_string
from kioskd.station.bands import gsrn

WITHIN_S = 60

DRAW = """
const bwipjs = require('bwip-js');
let text = '';
process.stdin.on('data', (part) => { text += part; });
process.stdin.on('end', async () => {
  const drawn = [];
  for (const one of JSON.parse(text)) {
    try {
      const look = {scale: 4, paddingwidth: 8, paddingheight: 8, backgroundcolor: 'FFFFFF'};
      const png = await bwipjs.toBuffer({bcid: 'gs1datamatrix', text: one, ...look});
      drawn.push({png: png.toString('base64')});
    } catch (error) {
      drawn.push({refused: String(error)});
    }
  }
  process.stdout.write(JSON.stringify(drawn));
});
"""


def judged(node_modules: Path, texts: list[str]) -> list[dict[str, str]]:
    """What bwip-js makes of each: a picture, or why not."""
    ran = subprocess.run(
        ["node", "-e", DRAW],
        input=json.dumps(texts),
        cwd=node_modules.parent,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: list[dict[str, str]] = json.loads(ran.stdout)
    return found


def read(picture: str) -> str:
    """The element string that zxing-cpp reads off a picture, as people write it."""
    [code] = zxingcpp.read_barcodes(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L"))
    assert code.symbology_identifier == "]d2"
    return str(code.text)


@pytest.mark.parametrize("prefix", ["401234", "4012345", "401234567890"])
def test_every_band_string_is_gs1_to_a_judge_of_its_own(node_modules: Path, prefix: str) -> None:
    records = ["1", "123", "00123", "99999"]
    born = [date(1980, 1, 18), date(2026, 12, 31), date(1912, 2, 29), None]
    bands = [1, 2, 99, 9_999_999_999]
    texts = [
        element_string(gsrn(prefix, record), band, birth)
        for record, band, birth in zip(records, bands, born, strict=True)
    ]
    drawn = judged(node_modules, texts)
    assert [one.get("refused") for one in drawn] == [None] * len(texts)
    for text, one in zip(texts, drawn, strict=True):
        assert read(one["png"]) == text


def test_the_judge_refuses_what_is_wrong(node_modules: Path) -> None:
    right = gsrn("4012345", "123")
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    texts = [f"(8018){wrong}(8019)1", "(8019)1", f"(8018){right}(8019)1(7250)19801318"]
    assert all("refused" in one for one in judged(node_modules, texts))
