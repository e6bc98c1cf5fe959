"""What a count and ``~HS`` prove: the decision table, and the weak proof."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.zpl.proof import SETTLED_AFTER_S, Watch, doubt_about, is_counted, labels_between
from drivers.zpl.status import AnswerReader, HostStatus
from kioskd.core.printing import Cause

_IDLE = b"\x02030,0,0,3295,000,0,0,0,000,0,0,0\x03\r\n\x02001,0,0,0,0,2,4,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"


def _idle() -> HostStatus:
    host = AnswerReader().feed(_IDLE).host
    assert host is not None
    return host


IDLE = _idle()
PRINTING = replace(IDLE, labels_remaining=1)
HOLDING = replace(IDLE, formats_in_buffer=1)
RECEIVING = replace(IDLE, is_format_partial=True)


@pytest.mark.parametrize(
    ("before", "now", "host", "is_out", "doubt"),
    [
        (1000, 1001, IDLE, True, None),
        (1000, 1001, PRINTING, False, None),
        (1000, 1001, HOLDING, False, None),
        (1000, 1001, RECEIVING, False, None),
        (1000, 1000, IDLE, False, None),
        (1000, 1002, IDLE, False, Cause.OTHER_LABEL),
        (1000, 999, IDLE, False, Cause.COUNT_WENT_BACK),
        (1000, 0, IDLE, False, Cause.COUNT_WENT_BACK),
        (0, 1, IDLE, True, None),
        (2**32 - 1, 0, IDLE, True, None),
        (2**32 - 1, 1, IDLE, False, Cause.COUNT_WENT_BACK),
        (2**32 - 2, 0, IDLE, False, Cause.COUNT_WENT_BACK),
    ],
)
def test_only_one_label_more_and_empty_buffers_prove_a_band(
    before: int, now: int, host: HostStatus, is_out: bool, doubt: Cause | None
) -> None:
    assert (is_counted(before, now, host), doubt_about(before, now)) == (is_out, doubt)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_count_proves_or_is_in_doubt_but_never_both(before: int, now: int) -> None:
    assert not (is_counted(before, now, IDLE) and doubt_about(before, now))
    if labels_between(before, now) not in {0, 1}:
        assert doubt_about(before, now) is not None


def test_a_printer_without_a_count_has_to_be_idle_for_a_while() -> None:
    watch = Watch(7)
    assert not watch.look(IDLE, True, 10.0)
    assert not watch.look(IDLE, True, 10.0 + SETTLED_AFTER_S - 0.1)
    assert watch.look(IDLE, True, 10.0 + SETTLED_AFTER_S)
    assert watch.is_proof


@pytest.mark.parametrize("host", [PRINTING, HOLDING, RECEIVING])
def test_work_in_between_begins_the_while_again(host: HostStatus) -> None:
    watch = Watch(7)
    watch.look(IDLE, True, 0.0)
    assert not watch.look(host, True, SETTLED_AFTER_S)
    assert not watch.look(IDLE, True, SETTLED_AFTER_S + 1)
    assert watch.look(IDLE, True, 2 * SETTLED_AFTER_S + 1)
    assert watch.is_proof


def test_a_fault_in_between_begins_the_while_again() -> None:
    watch = Watch(7)
    watch.look(IDLE, True, 0.0)
    assert not watch.look(IDLE, False, SETTLED_AFTER_S)
    assert not watch.look(IDLE, True, SETTLED_AFTER_S + 1)


@given(st.lists(st.sampled_from([None, IDLE, PRINTING, HOLDING])))
def test_silence_spoils_the_weak_proof_for_good(looks: list[HostStatus | None]) -> None:
    watch = Watch(7)
    for at, host in enumerate(looks):
        is_settled = watch.look(host, host is not None, float(at))
        assert not is_settled or host is IDLE
    watch.look(IDLE, True, 1000.0)
    assert watch.look(IDLE, True, 2000.0)
    assert watch.is_proof is (None not in looks)
