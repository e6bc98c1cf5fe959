"""Cut: broker, record, card reader and printers go away and come back; nobody is told what is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.cut import printer_cuts

LONG = [pytest.mark.long, pytest.mark.timeout(1800)]
pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("every", [48, pytest.param(1, marks=LONG)])
async def test_a_printer_that_is_reset_at_any_byte_is_told_of_truly_and_prints_nothing_twice(
    tmp_path: Path, every: int
) -> None:
    outcome = await printer_cuts(tmp_path, every)
    assert outcome.runs >= 40
    assert outcome.is_clean, outcome.problems
