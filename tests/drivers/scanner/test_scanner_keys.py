"""Key presses as the bytes that they mean: on recorded events, in every way scanners type what no key has."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.scanner.framing import Framer
from drivers.scanner.keys import EV_KEY, EV_LED, EV_SYN, EVENT, LED_CAPSL, SYN_DROPPED, KeyWire
from drivers.scanner.wire import MOST_BYTES, Broken, Read
from kioskd.ports import ScannedCode
from tests.drivers.scanner.typist import CAPS_LOCK, ENTER, KEYPAD, LEFT_ALT, LEFT_SHIFT, held, key, press, typed

CASES = [100, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
LICENCE = b"@\n\x1e\rANSI 636000100002DL00410278\nDCSSAMPLE\nDBB06061986\r"
EVERYTHING = bytes(range(0x20, 0x7F))


def wire(is_caps_on: bool = False, framing: str = "gap", suffix: bytes = b"") -> KeyWire:
    return KeyWire(Framer("suffix" if framing == "suffix" else "gap", 0.2, suffix), "auto", is_caps_on)


def read(keys: KeyWire, events: bytes) -> list[Read]:
    return keys.feed(events) + keys.gap()


def test_every_character_of_a_us_keyboard() -> None:
    assert read(wire(), typed(EVERYTHING)) == [ScannedCode(EVERYTHING)]


@pytest.mark.parametrize("by", ["ctrl", "alt", "enter"])
def test_a_licence_in_every_way_that_scanners_type_control_characters(by: str) -> None:
    assert read(wire(), typed(b"]L2" + LICENCE, by)) == [ScannedCode(LICENCE, "]L2")]


@pytest.mark.parametrize(
    ("digits", "data"),
    [("0233", b"\xe9"), ("130", b"\xe9"), ("029", b"\x1d"), ("10", b"\n"), ("0128", b"\x80"), ("8364", "€".encode())],
)
def test_alt_and_a_number_on_the_keypad(digits: str, data: bytes) -> None:
    events = held(LEFT_ALT, b"".join(press(KEYPAD[digit]) for digit in digits))
    assert read(wire(), typed(b"x") + events + typed(b"y")) == [ScannedCode(b"x" + data + b"y")]


def test_with_the_caps_lamp_lit_a_scanner_presses_shift_the_other_way() -> None:
    assert read(wire(is_caps_on=True), typed(b"]c0XJB448")) == [ScannedCode(b"xjb448", "]C0")]


def test_the_lamp_may_be_lit_later_and_caps_lock_pressed_by_the_scanner_itself() -> None:
    lit = EVENT.pack(0, 0, EV_LED, LED_CAPSL, 1)
    assert read(wire(), lit + typed(b"abC1")) == [ScannedCode(b"ABc1")]
    assert read(wire(), press(CAPS_LOCK) + typed(b"abC") + press(CAPS_LOCK) + typed(b"d")) == [ScannedCode(b"ABcd")]


def test_a_key_that_repeats_itself_was_typed_once() -> None:
    assert read(wire(), key(30, 1) + key(30, 2) * 5 + key(30, 0)) == [ScannedCode(b"a")]


def test_enter_ends_a_code_where_the_site_says_so() -> None:
    keys = wire(framing="suffix", suffix=b"\r")
    assert keys.feed(typed(b"one") + press(ENTER) + typed(b"two")) == [ScannedCode(b"one")]
    assert [type(found) for found in keys.gap()] == [Broken]


@pytest.mark.parametrize(
    "events",
    [press(86), press(111), held(LEFT_ALT, press(30)), EVENT.pack(0, 0, EV_SYN, SYN_DROPPED, 0)],
    ids=["the 102nd key", "delete", "alt and a letter", "events were lost"],
)
def test_a_key_that_means_nothing_spoils_its_code_and_no_other(events: bytes) -> None:
    keys = wire()
    assert [type(found) for found in read(keys, typed(b"bef") + events + typed(b"ore"))] == [Broken]
    assert read(keys, typed(b"next")) == [ScannedCode(b"next")]


def test_a_shift_key_whose_release_was_lost_is_forgotten_with_the_lost_events() -> None:
    keys = wire()
    read(keys, key(LEFT_SHIFT, 1) + EVENT.pack(0, 0, EV_SYN, SYN_DROPPED, 0))
    assert read(keys, typed(b"ab")) == [ScannedCode(b"ab")]


@pytest.mark.parametrize("cases", CASES)
def test_what_was_typed_is_read_wherever_the_stream_is_torn(cases: int) -> None:
    @settings(max_examples=cases)
    @given(
        text=st.binary(min_size=1, max_size=40).map(lambda data: b"-" + bytes(byte & 0x7F for byte in data) + b"-"),
        by=st.sampled_from(["ctrl", "alt", "enter"]),
        size=st.integers(1, 100),
    )
    def check(text: bytes, by: str, size: int) -> None:
        text = text.replace(b"\x7f", b"?")
        events = typed(text, by)
        keys = wire()
        reads = [found for at in range(0, len(events), size) for found in keys.feed(events[at : at + size])]
        assert reads + keys.gap() == [ScannedCode(text)]

    check()


@pytest.mark.parametrize("cases", CASES)
def test_any_events_at_all_do_no_harm(cases: int) -> None:
    event = st.builds(
        lambda kind, code, value: EVENT.pack(0, 0, kind, code, value),
        st.sampled_from([EV_KEY, EV_KEY, EV_KEY, EV_SYN, EV_LED, 4, 17, 255]),
        st.one_of(st.integers(0, 127), st.integers(0, 0xFFFF)),
        st.one_of(st.sampled_from([0, 1, 2]), st.integers(-(2**31), 2**31 - 1)),
    )

    @settings(max_examples=cases)
    @given(st.lists(st.one_of(event, event, event, st.binary(max_size=30)), max_size=40))
    def check(parts: list[bytes]) -> None:
        keys = wire()
        for part in parts:
            keys.feed(part)
        keys.gap()
        assert not keys.is_pending
        assert len(pickle.dumps(keys)) < 2 * MOST_BYTES

    check()
