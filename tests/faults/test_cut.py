"""Cut: broker, record, card reader and printers go away and come back; nobody is told what is not so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kioskd.core.printing import PrintState, SheetKind
from tests.faults.chaos_proxy import CLEAR, Fault, Kind, Way
from tests.faults.cut import broker_hangs, broker_restarts, card_reader_faults, printer_cuts, records_faults
from tests.faults.cut_printers import BandBench, TicketBench, print_queue

LONG = [pytest.mark.long, pytest.mark.timeout(3600)]
pytestmark = pytest.mark.timeout(300)
DISPLAYS = 20


@pytest.mark.parametrize("count", [5, pytest.param(50, marks=LONG)])
async def test_a_broker_that_is_killed_puts_no_wrong_call_on_any_display_and_all_are_right_again(
    tmp_path: Path, count: int
) -> None:
    outcome = await broker_restarts(tmp_path, count, DISPLAYS)
    assert outcome.runs == count
    assert outcome.is_clean, outcome.problems


@pytest.mark.parametrize("count", [1, pytest.param(5, marks=LONG)])
async def test_a_broker_that_hangs_is_told_to_the_desk_and_leaves_no_old_call_on_a_display(
    tmp_path: Path, count: int
) -> None:
    outcome = await broker_hangs(tmp_path, count, DISPLAYS)
    assert outcome.runs == count
    assert outcome.is_clean, outcome.problems


@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=LONG)])
async def test_whatever_befalls_the_record_people_check_in_and_it_has_each_of_them_once(
    tmp_path: Path, rounds: int
) -> None:
    outcome = await records_faults(tmp_path, rounds)
    assert outcome.runs == rounds
    assert outcome.is_clean, outcome.problems


@pytest.mark.parametrize("rounds", [4, pytest.param(50, marks=LONG)])
async def test_when_the_card_reader_goes_away_the_kiosk_says_so_and_comes_back_with_the_same_patient(
    tmp_path: Path, rounds: int
) -> None:
    outcome = await card_reader_faults(tmp_path, rounds)
    assert outcome.runs == rounds
    assert outcome.is_clean, outcome.problems


@pytest.mark.parametrize("every", [48, pytest.param(1, marks=LONG)])
async def test_a_printer_that_is_reset_at_any_byte_is_told_of_truly_and_prints_nothing_twice(
    tmp_path: Path, every: int
) -> None:
    outcome = await printer_cuts(tmp_path, every)
    assert outcome.runs >= 40
    assert outcome.is_clean, outcome.problems


@pytest.mark.parametrize(
    ("bench", "kind", "way"),
    [
        (TicketBench, Kind.DROP, Way.TO_CLIENT),
        # Not the ticket printer: it takes one connection at a time, and would not learn that this one is dead.
        (BandBench, Kind.HALF_OPEN, Way.TO_SERVER),
    ],
)
async def test_a_connection_on_which_a_printer_fell_silent_is_made_anew(
    tmp_path: Path, bench: type[TicketBench] | type[BandBench], kind: Kind, way: Way
) -> None:
    """Silence before the first sheet, within it, and behind it: the next patient's comes out."""
    quick = dict.fromkeys(SheetKind, 1.0)
    async with print_queue(tmp_path, proof_after_s=quick, silent_looks=2) as queue:
        whole = await queue.cut(bench(), CLEAR)
        sent, proven = whole.marks[way]
        faults = [Fault(kind, way, after) for after in (0, sent, (sent + proven) // 2, proven)]
        results = await asyncio.gather(*(queue.cut(bench(), fault) for fault in faults))
    for fault, printed in zip(faults, results, strict=True):
        assert not printed.problems(), (fault, printed)
        assert not printed.doubled
    assert results[0].first is PrintState.PRINTED, "nothing of it had been sent"
