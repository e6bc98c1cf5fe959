"""``kioskd doctor FILE --scanner NAME`` with a scanner in software: what a clinic is told of how it is set."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from drivers.scanner.set_up import CHECK_DATA
from drivers.scanner.virtual import VirtualScanner
from kioskd.commands.scanner_doctor import set_up_scanner
from kioskd.errors import ConfigError

WITHIN_S = 20.0
SITE = """
[site]
id = "markt"
name = "Praxis am Markt"
timezone = "Europe/Berlin"
roles = ["station"]
[store]
folder = "{folder}"
key_file = "{folder}/store.key"
[mqtt]
password_file = "{folder}/mqtt.password"
site_key_file = "{folder}/site.key"
[[device]]
name = "scanner"
driver = "scanner-serial"
port = "serial:{folder}/scanner"
profile = "newland"
[[device]]
name = "entrance-reader"
driver = "pcsc"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE.format(folder=tmp_path))
    return file


def scanned(site: Path, data: bytes, symbology: str = "]Q1") -> int:
    """What the command ends with when somebody scans this."""
    with VirtualScanner(site.parent / "scanner", "newland", suffix=b"") as virtual, ThreadPoolExecutor(1) as pool:
        done = pool.submit(set_up_scanner, site, "scanner", None, WITHIN_S)
        assert virtual.wait_for_command("#AIDENA1", WITHIN_S)
        virtual.scan(data, symbology)
        return done.result(WITHIN_S)


def test_a_scanner_that_is_set_right(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scanned(site, CHECK_DATA) == 0
    said = capsys.readouterr().out
    assert "1. Set it" in said
    assert "▄" in said
    assert "it is set right" in said


def test_a_scanner_that_types_on_another_keyboard(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scanned(site, CHECK_DATA.translate(bytes.maketrans(b"yzYZ", b"zyZY"))) == 1
    assert "US English" in capsys.readouterr().out


def test_what_else_is_scanned_is_not_shown(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scanned(site, b"4711-Mustermann") == 1
    said = capsys.readouterr().out
    assert "not the check code" in said
    assert "Mustermann" not in said


def test_a_scanner_that_reads_nothing(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualScanner(site.parent / "scanner", "newland"):
        assert set_up_scanner(site, "scanner", None, 0.2) == 1
    assert "nothing was read" in capsys.readouterr().out


def test_a_scanner_that_is_not_there(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = site.parent / "check.png"
    assert set_up_scanner(site, "scanner", picture, 1) == 1
    assert "is the cable in?" in capsys.readouterr().out
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture.read_bytes())))
    assert found.bytes == CHECK_DATA


@pytest.mark.parametrize("name", ["nobody", "entrance-reader"])
def test_a_device_that_is_no_scanner_is_refused(site: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="there is no scanner"):
        set_up_scanner(site, name, None)
