"""Codes out of the bytes of a serial scanner: where they begin and end, wherever the stream is torn, whatever comes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.scanner import newland, ssi
from drivers.scanner.framing import Framer, Framing, PlainWire
from drivers.scanner.newland import NewlandWire
from drivers.scanner.ssi import SsiWire, packet
from drivers.scanner.wire import LATE_S, MOST_BYTES, Aim, Broken, Read, Reply, Wire, with_aim
from kioskd.ports import ScannedCode

CASES = [100, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
LICENCE = b"@\n\x1e\rANSI 636000100002DL00410278\nDCSSAMPLE\nDBB06061986\r"


def plain(framing: Framing, suffix: bytes = b"", aim: Aim = "auto") -> PlainWire:
    return PlainWire(Framer(framing, 0.1, suffix), aim)


WIRES: dict[str, Callable[[], Wire]] = {
    "auto": lambda: plain("auto"),
    "gap": lambda: plain("gap"),
    "stx-etx": lambda: plain("stx-etx"),
    "suffix": lambda: plain("suffix", b"\r\n"),
    "newland": lambda: NewlandWire(Framer("auto", 0.1), "auto"),
    "ssi": lambda: SsiWire("auto"),
}
every_wire = pytest.mark.parametrize("make", WIRES.values(), ids=WIRES.keys())

marks = st.sampled_from(
    [b"\x02", b"\x03", b"\r", b"\n", b"\r\n", b"]C0", newland.ANSWER, newland.END, b"#AIDENA1\x06", packet(ssi.ACK)]
)
anything = st.lists(st.one_of(st.binary(max_size=40), marks), max_size=12).map(b"".join)


def torn(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


def read(wire: Wire, parts: Sequence[bytes]) -> list[Read]:
    """Everything that is read out of a stream that ends in silence."""
    done = [found for part in parts for found in wire.feed(part)]
    return done + wire.gap()


def data_of(reads: Sequence[Read]) -> list[bytes]:
    assert not [found for found in reads if isinstance(found, Broken)], reads
    return [found.data for found in reads if isinstance(found, ScannedCode)]


# --- framing


@pytest.mark.parametrize(
    ("framing", "stream", "codes"),
    [
        ("gap", b"]L2" + LICENCE, [LICENCE]),
        ("gap", b"]C0M7HIM4KLV\r", [b"M7HIM4KLV"]),
        ("gap", b"]C0M7HIM4KLV\r\n", [b"M7HIM4KLV"]),
        ("gap", b"]Q1two\nlines\n", [b"two\nlines\n"]),
        ("auto", b"\x02]L2" + LICENCE + b"\x03", [LICENCE]),
        ("auto", b"\x02]L2" + LICENCE + b"\x03\r\n\x02]C0X\x03\r\n", [LICENCE, b"X"]),
        ("auto", b"]L2" + LICENCE, [LICENCE]),
        ("stx-etx", b"\x02a\x03\x02b\x03", [b"a", b"b"]),
        ("suffix", b"a\r\nb\rc\r\n", [b"a", b"b\rc"]),
    ],
)
def test_codes_are_cut_out_of_a_stream(framing: Framing, stream: bytes, codes: list[bytes]) -> None:
    assert data_of(read(plain(framing, b"\r\n" if framing == "suffix" else b""), [stream])) == codes


def test_a_suffix_of_the_scanner_is_taken_off_once() -> None:
    assert data_of(read(plain("gap", b"\r"), [LICENCE + b"\r"])) == [LICENCE]


@pytest.mark.parametrize(
    ("framing", "stream", "why"),
    [
        ("stx-etx", b"\x02half", "before its ETX"),
        ("auto", b"\x02half", "before its ETX"),
        ("suffix", b"half", "before its suffix"),
        ("stx-etx", b"no marks at all", "without STX"),
        ("stx-etx", b"\x02a\x03tail of another", "without STX"),
    ],
)
def test_half_a_code_is_told_and_never_given_out(framing: Framing, stream: bytes, why: str) -> None:
    last = read(plain(framing, b"\r\n" if framing == "suffix" else b""), [stream])[-1]
    assert isinstance(last, Broken)
    assert why in last.what


def test_a_code_that_begins_with_stx_does_not_change_how_the_next_are_read() -> None:
    wire = plain("auto")
    assert [type(found) for found in read(wire, [b"\x02a patient's own"])] == [Broken]
    assert data_of(read(wire, [b"next\r"])) == [b"next"]


def test_the_rest_of_a_marked_code_is_not_taken_for_one() -> None:
    wire = plain("auto")
    assert [type(found) for found in read(wire, [b"\x02]Q1half"])] == [Broken]
    assert [type(found) for found in read(wire, [b"of it\x03\r"])] == [Broken]
    assert data_of(read(wire, [b"\x02]Q1next\x03\r"])) == [b"next"]


def test_a_code_behind_noise_is_still_read() -> None:
    reads = read(plain("stx-etx"), [b"noise\x02code\x03"])
    assert isinstance(reads[0], Broken)
    assert reads[1:] == [ScannedCode(b"code")]


@every_wire
def test_a_code_without_end_keeps_little_memory_and_is_told_once(make: Callable[[], Wire]) -> None:
    wire = make()
    reads: list[Read] = []
    for _ in range(300):
        reads += wire.feed(b"\x02" + b"A" * 1023)
        wire.answer()
    assert len(pickle.dumps(wire)) < 2 * MOST_BYTES
    reads += wire.gap()
    assert reads
    assert not [found for found in reads if isinstance(found, ScannedCode)]
    assert not wire.is_pending


@pytest.mark.parametrize("length", [MOST_BYTES, MOST_BYTES + 1])
@pytest.mark.parametrize("framing", ["auto", "gap", "stx-etx", "suffix"])
@pytest.mark.parametrize("cuts", [[], [1, MOST_BYTES - 1, MOST_BYTES + 1], [MOST_BYTES + 2]], ids=str)
def test_the_longest_code_is_read_and_a_longer_one_is_not(framing: Framing, length: int, cuts: list[int]) -> None:
    frame = b"B" * length
    stream = {"stx-etx": b"\x02" + frame + b"\x03", "suffix": frame + b"\r\n"}.get(framing, frame)
    reads = read(plain(framing, b"\r\n" if framing == "suffix" else b""), torn(stream, cuts))
    assert [isinstance(found, Broken) for found in reads] == [length > MOST_BYTES]


# --- AIM identifiers


@pytest.mark.parametrize(
    ("frame", "aim", "code"),
    [
        (b"]d2ABC", "auto", ScannedCode(b"ABC", "]d2")),
        (b"]QZA", "auto", ScannedCode(b"A", "]QZ")),
        (b"ABC", "auto", ScannedCode(b"ABC")),
        (b"]", "auto", ScannedCode(b"]")),
        (b"]1x", "auto", ScannedCode(b"]1x")),
        (b"]d2ABC", "none", ScannedCode(b"]d2ABC")),
        (b"]d2ABC", "required", ScannedCode(b"ABC", "]d2")),
    ],
)
def test_an_aim_identifier_is_taken_off(frame: bytes, aim: Aim, code: ScannedCode) -> None:
    assert with_aim(frame, aim) == code


def test_a_code_without_the_identifier_that_it_must_have_did_not_come_whole() -> None:
    assert isinstance(with_aim(b"ail of a code", "required"), Broken)


# --- Newland


def test_the_answers_of_a_newland_are_not_taken_for_codes() -> None:
    wire = NewlandWire(Framer("auto", 0.1), "auto")
    answer = newland.ANSWER + b"#AIDENA1\x06" + newland.END
    assert data_of(read(wire, [b"\x02]Q1one\x03" + answer + b"\x02]Q1two\x03"])) == [b"one", b"two"]
    assert wire.reply() is Reply.DONE
    assert wire.reply() is None


def test_a_newland_that_refuses_is_heard() -> None:
    wire = NewlandWire(Framer("auto", 0.1), "auto")
    assert wire.feed(newland.ANSWER + b"#AIDENA1\x15" + newland.END) == []
    assert wire.reply() is Reply.REFUSED


def test_what_only_begins_like_an_answer_is_a_code() -> None:
    data = newland.ANSWER + b"x" * 200
    assert data_of(read(NewlandWire(Framer("gap", 0.1), "auto"), [data])) == [data]


def test_commands_of_a_newland_are_as_its_guide_says() -> None:
    assert newland.command("@DFMADD069990020010F141").hex(" ").startswith("7e 01 30 30 30 30 40 44 46 4d")
    assert newland.command("@DFMADD069990020010F141").endswith(b"\x3b\x03")


# --- SSI


def message(data: bytes, kind: int = 0x1C) -> list[bytes]:
    parts = [data[at : at + 240] for at in range(0, len(data), 240)] or [b""]
    return [
        packet(ssi.DECODE_DATA, bytes((kind,)) + part, ssi.MORE if at < len(parts) - 1 else 0, source=0)
        for at, part in enumerate(parts)
    ]


def test_packets_are_summed_as_public_hosts_do() -> None:
    assert packet(ssi.ACK).hex() == "04d00400ff28"
    assert packet(0xE9).hex() == "04e90400ff0f"


def test_a_code_in_packets_is_put_together_and_each_is_acknowledged() -> None:
    wire = SsiWire("auto")
    assert data_of(wire.feed(b"".join(message(LICENCE * 20, 0x11)))) == [LICENCE * 20]
    assert wire.answer() == packet(ssi.ACK) * len(message(LICENCE * 20))
    assert wire.feed(message(b"x", 0x11)[0]) == [ScannedCode(b"x", "]L0")]


def test_a_spoiled_packet_is_asked_for_again_and_read_then() -> None:
    wire = SsiWire("auto")
    good = message(b"M7HIM4KLV")[0]
    assert wire.feed(good[:8] + b"?" + good[9:]) == []
    assert wire.is_pending
    assert wire.answer() == packet(ssi.NAK, b"\x01")
    assert wire.gap() != []
    again = packet(ssi.DECODE_DATA, b"\x1cM7HIM4KLV", ssi.AGAIN, source=0)
    assert data_of(wire.feed(again)) == [b"M7HIM4KLV"]


def test_a_packet_whose_acknowledgement_was_lost_is_not_read_twice() -> None:
    wire = SsiWire("auto")
    assert len(wire.feed(message(b"once")[0])) == 1
    assert wire.feed(packet(ssi.DECODE_DATA, b"\x1conce", ssi.AGAIN, source=0)) == []
    assert wire.answer() == packet(ssi.ACK) * 2
    assert len(wire.feed(message(b"once")[0])) == 1


def test_a_code_whose_last_packet_never_comes_is_told() -> None:
    wire = SsiWire("auto")
    assert wire.feed(message(b"y" * 500)[0]) == []
    assert wire.is_pending
    assert wire.patience_s == LATE_S
    assert [type(found) for found in wire.gap()] == [Broken]
    assert data_of(wire.feed(message(b"next")[0])) == [b"next"]


def test_packets_behind_noise_are_found_at_the_latest_after_silence() -> None:
    wire = SsiWire("auto")
    reads = [*wire.feed(b"\xff\xfe" + message(b"behind")[0]), *wire.gap()]
    assert ScannedCode(b"behind", "]Q1") in reads


# --- whatever comes


@pytest.mark.parametrize("cases", CASES)
@every_wire
def test_anything_at_all_does_no_harm_and_is_the_same_wherever_it_is_torn(make: Callable[[], Wire], cases: int) -> None:
    @settings(max_examples=cases)
    @given(data=anything, cuts=st.lists(st.integers(0, 500), max_size=6))
    def check(data: bytes, cuts: list[int]) -> None:
        whole, parts = make(), make()
        assert read(parts, torn(data, cuts)) == read(whole, [data])
        assert parts.answer() == whole.answer()
        assert not parts.is_pending
        assert len(pickle.dumps(parts)) < 2 * MOST_BYTES

    check()


payloads = st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=4)
unmarked = st.lists(
    st.binary(min_size=1, max_size=300).map(lambda d: b"-" + d.translate(None, b"\x02\x03\r\n\t") + b"-"), max_size=4
)


@pytest.mark.parametrize("cases", CASES)
def test_no_marked_code_is_lost_or_changed_wherever_the_stream_is_torn(cases: int) -> None:
    @settings(max_examples=cases)
    @given(codes=unmarked, cuts=st.lists(st.integers(0, 1200), max_size=8), answers=st.booleans())
    def check(codes: list[bytes], cuts: list[int], answers: bool) -> None:
        between = newland.ANSWER + b"#SCNTRG1\x06" + newland.END if answers else b""
        stream = b"".join(b"\x02" + code + b"\x03\r" + between for code in codes)
        assert data_of(read(NewlandWire(Framer("auto", 0.1), "none"), torn(stream, cuts))) == codes

    check()


@pytest.mark.parametrize("cases", CASES)
def test_no_code_in_packets_is_lost_or_changed_wherever_the_stream_is_torn(cases: int) -> None:
    @settings(max_examples=cases)
    @given(codes=payloads, cuts=st.lists(st.integers(0, 3000), max_size=8))
    def check(codes: list[bytes], cuts: list[int]) -> None:
        wire = SsiWire("none")
        stream = b"".join(whole for code in codes for whole in message(code))
        assert data_of(read(wire, torn(stream, cuts))) == codes

    check()
