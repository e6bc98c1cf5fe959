"""The keys of a zpl device."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from drivers.line import LineAddress
from drivers.zpl import ZplConfig


def test_host_and_port_come_from_the_address() -> None:
    assert ZplConfig(port="tcp://10.0.0.31:9300").address == LineAddress("tcp", "10.0.0.31", 9300)


@pytest.mark.parametrize(("port", "host"), [("tcp://10.0.0.31", "10.0.0.31"), ("tcp://[fd00::31]/", "fd00::31")])
def test_a_port_that_is_not_named_is_left_open(port: str, host: str) -> None:
    assert ZplConfig(port=port).address == LineAddress("tcp", host, 0)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"port": "usb:0a5f:0166"}, "expected"),
        ({"port": "10.0.0.31:9100"}, "expected"),
        ({"port": "tcp://"}, "expected tcp://host:port"),
        ({"port": "tcp://a:"}, "expected tcp://host:port"),
        ({"port": "tcp:///a"}, "expected tcp://host:port"),
        ({"port": "tcp://:9100"}, "expected tcp://host:port"),
        ({"port": "tcp://a:99999"}, "65535"),
        ({"port": "tcp://a:9100", "dpi": 200}, "203, 300 or 600"),
        ({"port": "tcp://a:9100", "printable_mm": (100, 150)}, "under the 60 mm"),
        ({"port": "tcp://a:9100", "printable_mm": (200, 280)}, "outside the band"),
        ({"port": "tcp://a:9100", "offset_mm": (0, -101)}, "outside the band"),
        ({"port": "tcp://a:9100", "offset_mm": (2, 0)}, "over the band's edge"),
        ({"port": "tcp://a:9100", "margin_mm": 7}, "less than 12 mm"),
        ({"port": "tcp://a:9100", "band_mm": (5, 279)}, "no wristband"),
        ({"port": "tcp://a:9100", "label_mm": (57, 32)}, "Extra inputs"),
    ],
)
def test_what_can_not_be_used_is_refused_by_name(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ZplConfig.model_validate(keys)


def test_declaring_the_driver_loads_no_picture_library() -> None:
    code = "import sys, drivers.zpl; sys.exit(any(name.split('.')[0] in {'PIL', 'zxingcpp'} for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
