"""What a serial scanner is told, what it says to that, and what staff are told when it says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.scanner import Profile, SerialConfig, SerialDriver
from drivers.scanner.scanner import LineScanner
from drivers.scanner.virtual import VirtualScanner
from kioskd.errors import CodeUnreadable, DeviceUnavailable
from tests.drivers.code_scanner_contract import LICENCE, SHORT_S, WITHIN_S


def scanner_at(path: Path, **keys: object) -> LineScanner:
    config = SerialConfig.model_validate({"port": f"serial:{path}", **keys})
    return SerialDriver().create("scanner", config, [])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scanner"


@pytest.fixture
def hand() -> Iterator[ThreadPoolExecutor]:
    """Holds codes before a scanner that waits until they are acknowledged."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_a_zebra_is_set_up_enabled_and_disabled(path: Path, hand: ThreadPoolExecutor) -> None:
    with VirtualScanner(path, "zebra-ssi") as virtual:
        scanner = scanner_at(path, profile="zebra-ssi")
        scanner.open()
        assert virtual.commands == ["C6", "E9"]
        scanner.set_enabled(False)
        assert virtual.wait_until_enabled(False, WITHIN_S)
        assert virtual.scan(b"not now") is False
        scanner.set_enabled(True)
        assert virtual.wait_until_enabled(True, WITHIN_S)
        shown = hand.submit(virtual.scan, LICENCE, "]L0")
        code = scanner.wait_for_code(WITHIN_S)
        assert code is not None
        assert (code.data, code.symbology) == (LICENCE, "]L0")
        assert shown.result(WITHIN_S)
        scanner.close()


def test_a_packet_that_was_spoiled_on_the_way_is_sent_again_and_read(path: Path, hand: ThreadPoolExecutor) -> None:
    with VirtualScanner(path, "zebra-ssi") as virtual:
        scanner = scanner_at(path, profile="zebra-ssi")
        scanner.open()
        virtual.spoil_packets(1)
        shown = hand.submit(virtual.scan, LICENCE * 5)
        code = scanner.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == LICENCE * 5
        assert shown.result(WITHIN_S)
        scanner.close()


def test_a_code_that_stays_spoiled_is_told_and_the_next_is_read(path: Path, hand: ThreadPoolExecutor) -> None:
    with VirtualScanner(path, "zebra-ssi") as virtual:
        scanner = scanner_at(path, profile="zebra-ssi")
        scanner.open()
        virtual.spoil_packets(3)
        shown = hand.submit(virtual.scan, LICENCE)
        with pytest.raises(CodeUnreadable) as told:
            scanner.wait_for_code(WITHIN_S)
        assert "SAMPLE" not in str(told.value)
        while not shown.done():
            with suppress(CodeUnreadable):
                assert scanner.wait_for_code(SHORT_S) is None
        assert shown.result(WITHIN_S) is False
        shown = hand.submit(virtual.scan, b"next")
        code = scanner.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == b"next"
        scanner.close()


def test_a_newland_is_told_to_send_identifiers(path: Path) -> None:
    with VirtualScanner(path, "newland", sends_aim=False) as virtual:
        scanner = scanner_at(path, profile="newland")
        scanner.open()
        assert virtual.commands == ["#AIDENA1"]
        assert virtual.scan(b"X", "]C0")
        code = scanner.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.symbology == "]C0"
        scanner.close()


@pytest.mark.parametrize(("profile", "start", "stop"), [("newland", "#SCNTRG1", "#SCNTRG0"), ("zebra-ssi", "E4", "E5")])
def test_readings_are_started_and_stopped_where_nobody_presses_a_button(
    path: Path, profile: Profile, start: str, stop: str
) -> None:
    with VirtualScanner(path, profile) as virtual:
        scanner = scanner_at(path, profile=profile, triggers=True)
        scanner.open()
        assert virtual.wait_for_command(start, WITHIN_S)
        assert scanner.wait_for_code(SHORT_S) is None
        assert virtual.commands.count(start) == 1
        scanner.set_enabled(False)
        assert virtual.wait_for_command(stop, WITHIN_S)
        assert scanner.wait_for_code(SHORT_S) is None
        assert virtual.commands.count(start) == 1
        scanner.set_enabled(True)
        assert scanner.wait_for_code(SHORT_S) is None
        assert virtual.commands.count(start) == 2
        scanner.close()


@pytest.mark.parametrize("profile", ["newland", "zebra-ssi"])
def test_a_scanner_that_does_not_answer_is_said_to_be_set_otherwise(path: Path, profile: Profile) -> None:
    with VirtualScanner(path, profile) as virtual:
        virtual.is_deaf = True
        scanner = scanner_at(path, profile=profile)
        with pytest.raises(DeviceUnavailable, match=r"does not answer.*profile to plain"):
            scanner.open()
        virtual.is_deaf = False
        scanner.open()
        scanner.close()


def test_the_port_is_ours_alone(path: Path) -> None:
    with VirtualScanner(path):
        first, second = scanner_at(path), scanner_at(path)
        first.open()
        with pytest.raises(DeviceUnavailable, match="another program uses it"):
            second.open()
        first.close()
        second.open()
        second.close()


def test_a_code_without_its_end_is_told_once_and_the_next_is_read(path: Path) -> None:
    with VirtualScanner(path, is_marked=True) as virtual:
        scanner = scanner_at(path, framing="stx-etx")
        scanner.open()
        virtual.send(b"\x02]Q1half of a co")
        with pytest.raises(CodeUnreadable, match="before its ETX"):
            scanner.wait_for_code(WITHIN_S)
        assert scanner.wait_for_code(SHORT_S) is None
        virtual.scan(b"next")
        code = scanner.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == b"next"
        scanner.close()


def test_a_code_that_began_while_it_should_not_read_is_not_read_by_its_end(path: Path) -> None:
    with VirtualScanner(path) as virtual:
        scanner = scanner_at(path, gap_ms=600)
        scanner.open()
        scanner.set_enabled(False)
        virtual.send(b"]Q1half of")
        assert scanner.wait_for_code(0.05) is None
        scanner.set_enabled(True)
        virtual.send(b" a code\r")
        assert scanner.wait_for_code(1.0) is None
        virtual.scan(b"next")
        code = scanner.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == b"next"
        scanner.close()


def test_the_wait_ends_although_noise_never_does(path: Path) -> None:
    with VirtualScanner(path) as virtual, ThreadPoolExecutor(1) as pool:
        scanner = scanner_at(path)
        scanner.open()

        def make_noise() -> None:
            while virtual.send(b"\xaa" * 65536):
                pass

        noise = pool.submit(make_noise)
        with suppress(CodeUnreadable):
            assert scanner.wait_for_code(SHORT_S) is None
        virtual.unplug()
        noise.result(WITHIN_S)
        scanner.close()


def test_a_licence_in_many_small_pieces_is_one_code(path: Path) -> None:
    with VirtualScanner(path) as virtual:
        scanner = scanner_at(path, gap_ms=600)
        scanner.open()
        for at in range(0, len(LICENCE), 7):
            virtual.send(LICENCE[at : at + 7])
            assert scanner.wait_for_code(0.01) is None
        code = scanner.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == LICENCE
        scanner.close()


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"port": "/dev/ttyACM0"}, "expected"),
        ({"port": "usb:/dev/usb/lp0"}, "expected serial"),
        ({"port": "serial:/dev/x", "framing": "suffix"}, "needs a suffix"),
        ({"port": "serial:/dev/x", "suffix": "€"}, "U\\+00FF"),
        ({"port": "serial:/dev/x", "gap_ms": 1}, "greater than"),
        ({"port": "serial:/dev/x", "profile": "honeywell"}, "plain"),
    ],
)
def test_keys_that_can_not_be_are_refused(keys: dict[str, object], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        SerialConfig.model_validate(keys)
