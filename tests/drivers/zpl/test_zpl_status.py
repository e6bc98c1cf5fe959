"""Answers of a printer, in any pieces, into a status. Vectors from Zebra's descriptions of ~HS, ~HQES and ~HI."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.zpl.status import (
    AnswerReader,
    Answers,
    ExtendedStatus,
    HostStatus,
    Identity,
    cause_of,
    printer_status,
    system_status,
)
from kioskd.core.printing import Cause, PrinterNote, ProofKind


def _hs(first: str = "030,0,0,1245,000,0,0,0,000,0,0,0", second: str = "000,0,0,0,1,2,4,0,00000000,1,000") -> bytes:
    return "".join(f"\x02{text}\x03\r\n" for text in (first, second, "1234,0")).encode()


def _hqes(errors: str = "0 00000000 00000000", warnings: str = "0 00000000 00000000") -> bytes:
    return f"\x02\r\nPRINTER STATUS   \r\n ERRORS:         {errors} \r\n WARNINGS:       {warnings} \r\n\x03".encode()


def _read(data: bytes) -> Answers:
    return AnswerReader().feed(data)


def _cause(
    first: str = "030,0,0,1245,000,0,0,0,000,0,0,0", second: str = "000,0,0,0,1,2,4,0,00000000,1,000"
) -> Cause | None:
    return printer_status(_read(_hs(first, second)).host, None, 1, ProofKind.ODOMETER, "").cause


def test_an_idle_printer_is_ready_and_empty() -> None:
    host = _read(_hs()).host
    assert host is not None
    assert host.is_empty
    assert printer_status(host, None, 7, ProofKind.ODOMETER, "m").is_ready


@pytest.mark.parametrize(
    ("first", "cause"),
    [
        ("030,1,0,1245,000,0,0,0,000,0,0,0", Cause.PAPER_OUT),
        ("030,0,1,1245,000,0,0,0,000,0,0,0", Cause.PAUSED),
        ("030,0,0,1245,002,0,0,0,000,0,0,0", Cause.BUSY),
        ("030,0,0,1245,000,1,0,0,000,0,0,0", Cause.BUFFER_FULL),
        ("030,0,0,1245,000,0,1,0,000,0,0,0", Cause.FAULT),
        ("030,0,0,1245,000,0,0,1,000,0,0,0", Cause.BUSY),
        ("030,0,0,1245,000,0,0,0,000,1,0,0", Cause.FAULT),
        ("030,0,0,1245,000,0,0,0,000,0,1,0", Cause.FAULT),
        ("030,0,0,1245,000,0,0,0,000,0,0,1", Cause.HEAD_HOT),
        ("030,1,1,1245,000,0,0,0,000,0,0,0", Cause.PAPER_OUT),
    ],
)
def test_each_flag_of_the_first_string_has_its_cause(first: str, cause: Cause) -> None:
    assert _cause(first=first) is cause


@pytest.mark.parametrize(
    ("second", "cause"),
    [
        ("000,0,1,0,1,2,4,0,00000000,1,000", Cause.COVER_OPEN),
        ("000,0,0,1,1,2,4,0,00000000,1,000", Cause.RIBBON_OUT),
        ("000,1,0,0,1,2,4,0,00000000,1,000", None),
        ("000,0,0,0,1,1,4,1,00000000,1,000", Cause.BUSY),
        ("000,0,0,0,1,2,4,0,00000003,1,000", Cause.BUSY),
        ("000,0,0,0,1,K,4,0,00000000,1,000", None),
    ],
)
def test_each_flag_of_the_second_string_has_its_cause(second: str, cause: Cause | None) -> None:
    assert _cause(second=second) is cause


def test_an_open_head_comes_before_what_else_the_printer_says() -> None:
    assert _cause("030,1,1,1245,001,0,0,0,000,0,0,0", "000,0,1,1,1,2,4,0,00000001,1,000") is Cause.COVER_OPEN


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        ("1 00000000 00000008", Cause.CUTTER_ERROR),
        ("1 00000000 00000010", Cause.HEAD_HOT),
        ("1 00000000 00000020", Cause.HEAD_HOT),
        ("1 00000000 00000040", Cause.FAULT),
        ("1 00000000 00000200", Cause.FAULT),
        ("0 00000000 00000000", None),
    ],
)
def test_the_extended_status_adds_what_the_host_status_lacks(errors: str, cause: Cause | None) -> None:
    answers = _read(_hqes(errors) + _hs())
    assert printer_status(answers.host, answers.extended, None, ProofKind.NONE, "").cause is cause


def test_media_out_and_head_open_are_the_sum_of_their_bits() -> None:
    assert _read(_hqes("1 00000000 00000005")).extended == ExtendedStatus(errors=5)


def test_paper_near_its_end_is_a_warning_of_a_ready_printer() -> None:
    answers = _read(_hqes(warnings="1 00000000 00000008") + _hs())
    status = printer_status(answers.host, answers.extended, None, ProofKind.NONE, "")
    assert (status.is_ready, status.is_paper_low, status.notes) == (True, True, (PrinterNote.PAPER_LOW,))


@pytest.mark.parametrize(
    ("warnings", "notes"),
    [
        ("1 00000000 00000001", ()),
        ("1 00000000 00000002", (PrinterNote.HEAD_DIRTY,)),
        ("1 00000000 00000004", (PrinterNote.HEAD_WORN,)),
        ("1 00000000 0000000E", (PrinterNote.PAPER_LOW, PrinterNote.HEAD_DIRTY, PrinterNote.HEAD_WORN)),
    ],
)
def test_each_warning_that_the_desk_can_do_something_about_is_a_note(
    warnings: str, notes: tuple[PrinterNote, ...]
) -> None:
    answers = _read(_hqes(warnings=warnings) + _hs())
    assert printer_status(answers.host, answers.extended, None, ProofKind.NONE, "").notes == notes


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("0,0,00000000,00000000,0,00000000,00000000", Cause.NO_ANSWER),
        ("0,1,00000000,00000001,0,00000000,00000000", Cause.PAPER_OUT),
        ("1,1,00000000,00000002,0,00000000,00000000", Cause.RIBBON_OUT),
        ("1,1,00000000,00000005,0,00000000,00000000", Cause.COVER_OPEN),
        ("1,0,00000000,00000000,0,00000000,00000000", Cause.PAUSED),
    ],
)
def test_the_system_status_says_what_keeps_the_host_status_silent(value: str, cause: Cause) -> None:
    assert cause_of(None, system_status(value)) is cause


@pytest.mark.parametrize("value", ["", "?", "1042", "0,1,0,1,0,0,0", "0,1,00000000,00000001,0,00000000"])
def test_what_is_no_system_status_says_nothing(value: str) -> None:
    assert system_status(value) is None


def test_silence_is_no_answer_and_never_ready() -> None:
    status = printer_status(None, None, 12, ProofKind.ODOMETER, "")
    assert (status.is_ready, status.cause, status.odometer) == (False, Cause.NO_ANSWER, 12)


def test_the_identity_gives_model_firmware_and_resolution() -> None:
    assert _read(b"\x02ZD510-300dpi,V84.20.23Z,12,8192KB\x03\r\n").identity == Identity(
        "ZD510-300dpi", "V84.20.23Z", 12
    )


def test_values_without_a_terminator_are_told_apart_from_frames_around_them() -> None:
    answers = _read(_hqes() + b'"1042"' + _hs() + b'"?""ok"\r\n')
    assert answers.values == ["1042", "?", "ok"]
    assert answers.host is not None


def test_quotes_inside_a_frame_are_no_value() -> None:
    assert (
        _read(
            b'\x02\r\n"PRINTER STATUS"\r\nERRORS: 0 00000000 00000000\r\nWARNINGS: 0 00000000 00000000\r\n\x03'
        ).values
        == []
    )


def test_a_string_that_is_missing_makes_no_host_status() -> None:
    whole = _hs()
    frames = whole.split(b"\r\n")
    assert _read(frames[0] + frames[2]).host is None
    assert _read(frames[1] + frames[2] + frames[0]).host is None


def test_the_newest_of_two_host_statuses_counts() -> None:
    host = _read(_hs("030,1,0,1245,000,0,0,0,000,0,0,0") + _hs()).host
    assert host is not None
    assert not host.is_paper_out


@given(st.lists(st.integers(1, 9)))
def test_answers_are_the_same_in_whatever_pieces_they_come(sizes: list[int]) -> None:
    data = b"noise" + _hqes("1 00000000 00000005") + _hs() + b'"4711"' + b"\x02Z,V1,12,8KB\x03\r\n"
    reader, rest = AnswerReader(), data
    for size in sizes:
        reader.feed(rest[:size])
        rest = rest[size:]
    assert reader.feed(rest) == _read(data)


_PIECES = st.sampled_from(
    [b"\x02", b"\x03", b'"', b",", b"\r\n", b"030,0,0,1245,000,0,0,0,000,0,0,0", b"1234,0", b"ERRORS: 1 "]
)


@given(st.lists(st.one_of(st.binary(max_size=40), _PIECES), max_size=40))
def test_noise_never_breaks_the_reader(pieces: list[bytes]) -> None:
    reader = AnswerReader()
    for piece in pieces:
        reader.feed(piece)
    reader.feed(b'\x02\x03\x02\x03"\r\n' + _hs())
    assert isinstance(reader.answers.host, HostStatus)


_ANSWERS = st.sampled_from(
    [
        _hs(),
        _hs("030,1,0,1245,000,0,0,0,000,0,0,0"),
        _hs(second="000,0,1,0,1,2,4,0,00000003,1,000"),
        _hqes("1 00000000 00000005"),
        b'"1042"',
        b'"?"\r\n',
        b"\x02ZD510-300dpi,V84.20.23Z,12,8192KB\x03\r\n",
        b"\r\n",
    ]
)


@given(st.lists(_ANSWERS, max_size=12), st.lists(st.integers(1, 60)), st.lists(st.integers(0, 20)))
def test_no_question_asked_in_the_middle_of_an_answer_loses_or_makes_one(
    answers: list[bytes], sizes: list[int], questions: list[int]
) -> None:
    """``begin`` at any moment: together the answers are what they are when nobody asks in between."""
    whole = _read(b"".join(answers))
    reader, rest = AnswerReader(), b"".join(answers)
    values: list[str] = []
    host = extended = identity = None

    def take() -> None:
        nonlocal host, extended, identity
        values.extend(reader.answers.values)
        host, extended = reader.answers.host or host, reader.answers.extended or extended
        identity = reader.answers.identity or identity

    for at, size in enumerate([*sizes, len(rest)]):
        reader.feed(rest[:size])
        rest = rest[size:]
        if at in questions:
            take()
            reader.begin()
    take()
    assert (values, host, extended, identity) == (whole.values, whole.host, whole.extended, whole.identity)


def test_a_host_status_knows_how_many_values_came_before_it() -> None:
    reader = AnswerReader()
    assert reader.feed(_hs()).values_before_host == 0
    assert reader.feed(b'"1""2"' + _hs() + b'"3"').values_before_host == 2


def test_endless_noise_is_not_kept() -> None:
    reader = AnswerReader()
    for _ in range(100):
        reader.feed(b"\x02" + b"x" * 1000)
    reader.feed(b"\x03" + _hs())
    assert reader.answers.host is not None
