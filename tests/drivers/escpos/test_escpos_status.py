"""Frames and what they say; the bytes are Epson's and those that an independent emulator was seen to send."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.escpos.status import (
    Block,
    FlowControl,
    FrameParser,
    Noise,
    ProcessId,
    Queued,
    RealTime,
    StatusBack,
    cause_of_answers,
    cause_of_block,
    is_paper_low,
)
from kioskd.core.printing import Cause


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        ("12 12 12 12", [RealTime(0x12)] * 4),
        ("1a 32 12 7e", [RealTime(0x1A), RealTime(0x32), RealTime(0x12), RealTime(0x7E)]),
        ("10 00 00 00", [StatusBack(bytes.fromhex("10000000"))]),
        ("18 00 0f 00", [StatusBack(bytes.fromhex("18000f00"))]),
        ("37 22 30 30 34 32 00", [ProcessId(b"0042")]),
        ("37 22 20 7e 21 40 00", [ProcessId(b" ~!@")]),
        ("37 25 00", [Block(0x37, b"%")]),
        ("37 23 41 00", [Block(0x37, b"#A")]),
        ("5f 45 50 53 4f 4e 00", [Block(0x5F, b"EPSON")]),
        ("00", [Queued(0)]),
        ("0c", [Queued(0x0C)]),
        ("11 13", [FlowControl(0x11), FlowControl(0x13)]),
        ("80 12", [Noise(b"\x80"), RealTime(0x12)]),
        ("10 92 12", [Noise(b"\x10"), Noise(b"\x92"), RealTime(0x12)]),
        (
            "12 10 00 03 00 37 22 30 30 30 31 00 00 12",
            [RealTime(0x12), StatusBack(bytes.fromhex("10000300")), ProcessId(b"0001"), Queued(0), RealTime(0x12)],
        ),
    ],
)
def test_each_kind_of_frame_is_told_from_the_others(data, frames):
    assert FrameParser().feed(bytes.fromhex(data)) == frames


def test_an_open_frame_waits_for_its_end():
    parser = FrameParser()
    assert parser.feed(b'7"00') == []
    assert parser.feed(b"42") == []
    assert parser.feed(b"\0\x12") == [ProcessId(b"0042"), RealTime(0x12)]


def test_a_block_that_never_ends_does_not_swallow_the_rest():
    frames = FrameParser().feed(b"\x5f" + b"\x12" * 300)
    assert frames[0] == Noise(b"\x5f")
    assert frames[1:] == [RealTime(0x12)] * 300


FRAMES = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.sampled_from([b"\x12", b"\x1a", b"\x18\x00\x0f\x00", b'7"0001\x00', b"_EPSON\x00", b"\x00", b"\x11"]),
)


@given(st.lists(FRAMES, max_size=12).map(b"".join), st.lists(st.integers(0, 120), max_size=10))
def test_any_split_of_the_stream_gives_the_same_frames(stream, cuts):
    whole = FrameParser().feed(stream)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    parser = FrameParser()
    pieces = [frame for a, b in pairwise(edges) for frame in parser.feed(stream[a:b])]
    assert pieces == whole


KNOWN = st.one_of(
    st.integers(0, 127).map(lambda bits: bytes((0x12 | bits & 0x6C,))).map(lambda b: (b, RealTime(b[0]))),
    st.integers(0, 127)
    .map(lambda bits: bytes((0x10 | bits & 0x6C, bits & 0x6F, bits & 0x0F, 0)))
    .map(lambda b: (b, StatusBack(b))),
    st.integers(1, 9999).map(lambda n: f"{n:04d}".encode()).map(lambda i: (b'7"' + i + b"\0", ProcessId(i))),
    st.sampled_from([0x00, 0x03, 0x0C, 0x0F]).map(lambda n: (bytes((n,)), Queued(n))),
    st.sampled_from([b"EPSON", b"TM-T20III"]).map(lambda t: (b"_" + t + b"\0", Block(0x5F, t))),
    st.sampled_from([0x11, 0x13]).map(lambda n: (bytes((n,)), FlowControl(n))),
)


@given(st.lists(KNOWN, max_size=30), st.randoms(use_true_random=False))
def test_answers_of_every_kind_in_any_order_and_torn_anywhere_are_each_heard_once(answers, random):
    """As they come from a printer that is asked, pushes its status and finishes sheets at the same time."""
    stream = b"".join(data for data, _ in answers)
    parser, frames = FrameParser(), []
    while stream:
        cut = random.randint(1, len(stream))
        frames += parser.feed(stream[:cut])
        stream = stream[cut:]
    assert frames == [frame for _, frame in answers]


@given(st.binary(max_size=400))
def test_no_bytes_break_the_parser_and_a_status_behind_them_is_found(noise):
    frames = FrameParser().feed(noise + b"\0" * 4 + b"\x12" * 4)
    assert frames[-1] == RealTime(0x12)


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ("12 12 12 12", None),
        ("16 12 12 12", None),
        ("12 12 12 1e", None),
        ("1a 32 12 7e", Cause.PAPER_OUT),
        ("1a 12 12 72", Cause.PAPER_OUT),
        ("1a 16 12 12", Cause.COVER_OPEN),
        ("1a 36 12 7e", Cause.COVER_OPEN),
        ("1a 52 1a 12", Cause.CUTTER_ERROR),
        ("1a 52 52 12", Cause.HEAD_HOT),
        ("1a 52 32 12", Cause.FAULT),
        ("1a 52 16 12", Cause.FAULT),
        ("1a 12 12 12", Cause.OFFLINE),
        ("32 12 12 12", Cause.OFFLINE),
    ],
)
def test_answers_to_dle_eot_name_the_cause(answers, cause):
    assert cause_of_answers(*bytes.fromhex(answers)) is cause


@pytest.mark.parametrize(
    ("block", "cause", "is_low"),
    [
        ("10 00 00 00", None, False),
        ("10 00 03 00", None, True),
        ("14 00 00 00", None, False),
        ("18 00 0f 00", Cause.PAPER_OUT, True),
        ("38 00 00 00", Cause.COVER_OPEN, False),
        ("18 08 00 00", Cause.CUTTER_ERROR, False),
        ("18 40 00 00", Cause.HEAD_HOT, False),
        ("18 20 00 00", Cause.FAULT, False),
        ("18 00 00 00", Cause.OFFLINE, False),
    ],
)
def test_automatic_status_back_names_the_cause(block, cause, is_low):
    data = bytes.fromhex(block)
    assert cause_of_block(data) is cause
    assert is_paper_low(data) is is_low
