"""What every scanner of codes must do: one suite, run for each way of reading."""

from __future__ import annotations

from typing import Protocol

import pytest

from kioskd.errors import DeviceUnavailable
from kioskd.ports import CodeScanner

WITHIN_S = 20.0
"""For what must come. Passing tests do not wait for it."""
SHORT_S = 0.2
LICENCE = b"@\n\x1e\rANSI 636000100002DL00410278ZV03190008DLDAQT64235789\nDCSSAMPLE\nDDEN\nDBB06061986\rZVZVA01\r"
HEALTH_CARD = b"shc:/" + b"5676290952432060346029243740446031222959532654603460292540772804336028" * 17
MEMBER = b"M7HIM4KLV"
SECRET = b"4711-Mustermann"


class Hands(Protocol):
    """What a person does with a scanner."""

    def show(self, data: bytes) -> None:
        """Hold a code before it."""

    def unplug(self) -> None: ...

    def plug(self) -> None: ...


class CodeScannerContract:
    """``scanner``: not open yet. ``hands``: at the other end of it."""

    @pytest.fixture
    def opened(self, scanner, hands):
        scanner.open()
        yield scanner
        scanner.close()

    def test_it_is_a_scanner_of_codes(self, scanner, hands):
        assert isinstance(scanner, CodeScanner)

    @pytest.mark.parametrize("data", [MEMBER, LICENCE, HEALTH_CARD], ids=["member", "licence", "health card"])
    def test_a_code_arrives_byte_for_byte(self, opened, hands, data):
        hands.show(data)
        code = opened.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == data
        assert code.symbology == "]Q1"

    def test_without_a_code_there_is_none(self, opened, hands):
        assert opened.wait_for_code(SHORT_S) is None
        assert opened.wait_for_code(0) is None

    def test_codes_come_in_their_order_and_each_once(self, opened, hands):
        for data in (b"first", b"second", b"second", b"third"):
            hands.show(data)
            code = opened.wait_for_code(WITHIN_S)
            assert code is not None
            assert code.data == data
        assert opened.wait_for_code(SHORT_S) is None

    def test_a_code_that_takes_longer_than_the_wait_is_read_by_the_next_wait(self, opened, hands):
        hands.show(LICENCE)
        code = None
        for _ in range(2000):
            code = opened.wait_for_code(0.01)
            if code is not None:
                break
        assert code is not None
        assert code.data == LICENCE

    def test_what_is_shown_while_it_should_not_read_is_never_read(self, opened, hands):
        opened.set_enabled(False)
        hands.show(SECRET)
        assert opened.wait_for_code(SHORT_S) is None
        for data in (SECRET, HEALTH_CARD, SECRET):
            hands.show(data)
        opened.set_enabled(True)
        assert opened.wait_for_code(SHORT_S) is None
        hands.show(MEMBER)
        code = opened.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == MEMBER

    def test_it_may_be_told_twice(self, opened, hands):
        for is_enabled in (True, True, False, False, True):
            opened.set_enabled(is_enabled)
        hands.show(MEMBER)
        assert opened.wait_for_code(WITHIN_S) is not None

    def test_a_cable_that_is_pulled_is_told_and_one_that_is_put_in_again_reads(self, opened, hands):
        hands.unplug()
        with pytest.raises(DeviceUnavailable):
            opened.wait_for_code(WITHIN_S)
        opened.close()
        with pytest.raises(DeviceUnavailable):
            opened.open()
        hands.plug()
        opened.open()
        hands.show(MEMBER)
        code = opened.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == MEMBER

    def test_half_a_code_before_the_cable_is_pulled_is_not_in_the_next(self, opened, hands):
        hands.show(SECRET)
        hands.unplug()
        opened.close()
        hands.plug()
        opened.open()
        hands.show(MEMBER)
        code = opened.wait_for_code(WITHIN_S)
        assert code is not None
        assert code.data == MEMBER

    def test_one_that_is_not_open_says_so_and_can_be_closed(self, scanner, hands):
        scanner.close()
        with pytest.raises(DeviceUnavailable, match="not open"):
            scanner.wait_for_code(0)
        with pytest.raises(DeviceUnavailable, match="not open"):
            scanner.set_enabled(True)
        scanner.close()

    def test_a_code_shows_nothing_of_itself_in_a_log(self, opened, hands):
        hands.show(SECRET)
        code = opened.wait_for_code(WITHIN_S)
        assert "Mustermann" not in repr(code)
