"""The driver's declaration, its configuration, and the translation of PC/SC errors."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from drivers.pcsc import PcscConfig, PcscDriver
from kioskd.core.identity import Reason
from kioskd.demo.pcscd import PrivatePcscd
from kioskd.errors import CardUnreadable, ConfigError, DeviceUnavailable
from kioskd.ports import Driver


def test_the_declaration_has_the_shape_of_a_driver() -> None:
    driver: Driver = PcscDriver()
    assert driver.kind == "card-reader"
    assert driver.config().model_dump() == {"reader": "*", "socket": None}


def test_an_unknown_key_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="baudrate"):
        PcscConfig.model_validate({"baudrate": 9600})


def test_the_hardware_library_is_not_imported_before_a_reader_is_created() -> None:
    code = "import sys, drivers.pcsc; sys.exit('smartcard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_second_socket_in_one_process_is_refused(pcscd: PrivatePcscd) -> None:
    PcscDriver().create("first", PcscConfig(socket=str(pcscd.socket_path)), [])
    with pytest.raises(ConfigError, match=r"second.*same socket"):
        PcscDriver().create("second", PcscConfig(socket="/nowhere/pcscd.comm"), [])


def test_every_error_of_the_library_becomes_one_of_ours(pcscd: PrivatePcscd) -> None:
    PcscDriver().create("reader", PcscConfig(socket=str(pcscd.socket_path)), [])
    from smartcard import scard

    from drivers.pcsc.outcomes import error_of

    names = [name for name in vars(scard) if name.startswith(("SCARD_E_", "SCARD_W_", "SCARD_F_", "SCARD_P_"))]
    assert len(names) > 50
    for name in names:
        error = error_of("reader", getattr(scard, name))
        assert isinstance(error, DeviceUnavailable | CardUnreadable), name
        assert error.what
    removed = error_of("reader", scard.SCARD_W_REMOVED_CARD)
    assert isinstance(removed, CardUnreadable)
    assert removed.reason == Reason.CARD_REMOVED_EARLY
