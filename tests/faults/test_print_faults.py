"""Random faults of printers: what is said of a sheet is so, and none comes out twice."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from kioskd.core.printing import PrintState
from tests.faults.outcome import Outcome
from tests.faults.print_faults import Language, _judge, print_faults


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("runs", [40, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("language", get_args(Language))
def test_whatever_happens_to_a_printer_no_sheet_is_lost_in_silence_or_doubled(
    language: Language, runs: int, tmp_path: Path
) -> None:
    outcome = print_faults(tmp_path, runs, language)
    assert outcome.problems == []
    assert outcome.is_clean
    assert outcome.runs == runs


@pytest.mark.parametrize(
    ("state", "sheets"),
    [(PrintState.PRINTED, 0), (PrintState.EXPIRED, 1), (PrintState.UNKNOWN, 2), (PrintState.PRINTED, 2)],
)
def test_the_judge_sees_what_must_not_be(state: PrintState, sheets: int) -> None:
    outcome = Outcome("made up")
    _judge("a sheet", state, sheets, outcome)
    assert not outcome.is_clean
