"""HID-POS: layouts out of report descriptors, codes out of recorded reports."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.scanner.hid_reports import HONEYWELL, NEWLAND, ReportLayout, ReportWire, layout_of
from drivers.scanner.wire import MOST_BYTES, Broken
from kioskd.ports import ScannedCode
from tests.drivers.scanner.typist import item, reports, scanner_descriptor

CASES = [100, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
KEYBOARD = bytes.fromhex(
    "05010906a101050719e029e71500250175019508810295017508810195057501050819012905910295017503910195067508150025650507"
    "190029658100c0"
)
"""The boot keyboard of HID 1.11, appendix E.6."""
# A Honeywell Voyager 1602g's last report of its revision, as a public host of it recorded it.
RECORDED = bytes([2, 9, 93, 88, 48, 117, 109, 58, 32, 78, 47, 65, 13, 10]) + bytes(47) + bytes([63, 0, 0])


@pytest.mark.parametrize(("has_aim", "layout"), [(True, HONEYWELL), (False, NEWLAND)])
def test_the_layout_is_the_devices_own(has_aim: bool, layout: ReportLayout) -> None:
    assert layout_of(scanner_descriptor(has_aim)) == layout


def test_a_report_without_an_id_begins_with_its_first_byte() -> None:
    bare = scanner_descriptor().replace(item(0x84, 2), b"")
    found = layout_of(bare)
    assert found == ReportLayout(report_id=0, length_at=0, aim_at=1, data_at=4, data_bytes=56, more_at=62)
    assert ReportWire(found, "auto").feed(b"\x03]Q1abc" + bytes(56)) == [ScannedCode(b"abc", "]Q1")]


@pytest.mark.parametrize("descriptor", [KEYBOARD, b"", b"\x05", b"\xfe\x02\x00ab"])
def test_what_is_no_scanner_is_none(descriptor: bytes) -> None:
    assert layout_of(descriptor) is None


def test_a_recorded_report() -> None:
    assert len(RECORDED) == 64
    assert ReportWire(HONEYWELL, "auto").feed(RECORDED) == [ScannedCode(b"um: N/A", "]X0")]


def test_reports_of_another_kind_are_left_alone() -> None:
    wire = ReportWire(HONEYWELL, "auto")
    first, second = reports(HONEYWELL, b"x" * 80)
    assert wire.feed(first) == []
    assert wire.feed(b"\x03\x00\x01") == []
    assert wire.feed(second) == [ScannedCode(b"x" * 80, "]Q1")]


def test_a_newland_puts_the_identifier_before_the_data() -> None:
    (report,) = reports(NEWLAND, b"]d2ABC")
    assert ReportWire(NEWLAND, "auto").feed(report) == [ScannedCode(b"ABC", "]d2")]


@pytest.mark.parametrize(
    "report",
    [b"\x02\x03]Q1abc", b"\x02\x39]Q1" + bytes(59), b"\x02\xff]Q1" + bytes(59)],
    ids=["too short", "length of 57", "length of 255"],
)
def test_a_report_that_contradicts_itself_is_told_and_the_next_code_is_read(report: bytes) -> None:
    wire = ReportWire(HONEYWELL, "auto")
    assert [type(found) for found in wire.feed(report)] == [Broken]
    assert wire.feed(reports(HONEYWELL, b"next")[0]) == [ScannedCode(b"next", "]Q1")]


def test_a_code_whose_last_report_never_comes_is_told() -> None:
    wire = ReportWire(HONEYWELL, "auto")
    wire.feed(reports(HONEYWELL, b"x" * 80)[0])
    assert wire.is_pending
    assert [type(found) for found in wire.gap()] == [Broken]
    assert wire.gap() == []


def test_reports_without_end_keep_little_memory() -> None:
    wire = ReportWire(HONEYWELL, "auto")
    endless = reports(HONEYWELL, b"x" * 80)[0]
    assert not [found for _ in range(2000) for found in wire.feed(endless)]
    assert len(pickle.dumps(wire)) < 2 * MOST_BYTES
    assert [type(found) for found in wire.feed(reports(HONEYWELL, b"end")[0])] == [Broken]


@pytest.mark.parametrize("cases", CASES)
@pytest.mark.parametrize("layout", [HONEYWELL, NEWLAND], ids=["with AIM", "without"])
def test_a_code_of_any_length_is_put_together(layout: ReportLayout, cases: int) -> None:
    @settings(max_examples=cases)
    @given(st.binary(min_size=1, max_size=700).map(lambda data: b"-" + data + b"-"))
    def check(data: bytes) -> None:
        wire = ReportWire(layout, "none")
        reads = [found for report in reports(layout, data) for found in wire.feed(report)]
        assert reads == [ScannedCode(data, "]Q1" if layout.aim_at is not None else "")]

    check()


@pytest.mark.parametrize("cases", CASES)
def test_any_reports_at_all_do_no_harm(cases: int) -> None:
    report = st.one_of(st.binary(max_size=70), st.binary(min_size=63, max_size=63).map(lambda data: b"\x02" + data))

    @settings(max_examples=cases)
    @given(st.lists(report, max_size=12))
    def check(parts: list[bytes]) -> None:
        wire = ReportWire(HONEYWELL, "auto")
        for part in parts:
            wire.feed(part)
        wire.gap()
        assert not wire.is_pending

    check()


@pytest.mark.parametrize("cases", CASES)
def test_any_descriptor_at_all_does_no_harm(cases: int) -> None:
    good = scanner_descriptor()

    @settings(max_examples=cases)
    @given(
        data=st.one_of(st.binary(max_size=200), st.just(good)),
        place=st.integers(0, len(good)),
        new=st.binary(max_size=6),
        report=st.binary(max_size=70),
    )
    def check(data: bytes, place: int, new: bytes, report: bytes) -> None:
        layout = layout_of(data[:place] + new + data[place + len(new) :])
        if layout is not None:
            wire = ReportWire(layout, "auto")
            wire.feed(report)
            wire.gap()

    check()
