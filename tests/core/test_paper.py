"""What is left on a roll: true ranges, learned from rolls that were used up, and nothing that nobody can know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core import paper
from kioskd.core.paper import LEAST_SHEETS, TICKETS, UNKNOWN, First, Learned, Left, Paper, Roll, sheets_left

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
sizes = st.integers(min_value=60, max_value=3000)


def use(roll: Roll, sheets: int) -> Roll:
    for _ in range(sheets):
        roll = paper.printed(roll)
    return roll


def used_up(roll: Roll, size: int, low_at: int | None) -> Roll:
    """A whole roll from its beginning to its end."""
    roll = use(roll, size if low_at is None else low_at)
    if low_at is not None:
        roll = use(paper.seen(roll, Paper.LOW, NOW), size - low_at)
    return paper.seen(roll, Paper.OUT, NOW)


def fresh() -> Roll:
    return paper.new_roll(Roll(), NOW)


def test_nothing_is_known_of_a_roll_that_was_there_before_anybody_counted():
    assert sheets_left(use(Roll(), 30), TICKETS) is None


def test_a_first_roll_of_tickets_is_a_wide_range_and_of_bands_unknown():
    assert sheets_left(fresh(), paper.first_for("ticket-printer")) == Left(571, 1000)
    assert sheets_left(fresh(), paper.first_for("wristband-printer")) is None
    assert sheets_left(fresh(), paper.first_for("wristband-printer", 200)) == Left(180, 220)


def test_an_empty_printer_has_none_left_whatever_is_known():
    assert sheets_left(paper.seen(Roll(), Paper.OUT, NOW)) == Left(0, 0)


def test_a_roll_that_outlasts_what_is_known_is_unknown_again():
    roll = used_up(fresh(), 100, None)
    roll = use(paper.seen(roll, Paper.FINE, NOW), 111)
    assert sheets_left(roll) is None


def test_near_the_end_of_a_first_roll_of_tickets_there_is_a_first_guess_and_of_bands_none():
    roll = paper.seen(use(Roll(), 10), Paper.LOW, NOW)
    assert sheets_left(roll, TICKETS) == Left(10, 43)
    assert sheets_left(use(roll, 5), TICKETS) == Left(5, 38)
    assert sheets_left(roll, UNKNOWN) is None


@given(sizes, st.floats(min_value=0.4, max_value=0.95), st.integers(min_value=1, max_value=4))
def test_the_range_holds_the_truth_at_every_sheet_once_rolls_like_it_were_used_up(size: int, part: float, rolls: int):
    low_at = int(size * part)
    roll = fresh()
    for _ in range(rolls):
        roll = paper.seen(used_up(roll, size, low_at), Paper.FINE, NOW)
    for used in range(size):
        if used == low_at:
            roll = paper.seen(roll, Paper.LOW, NOW)
        left = sheets_left(roll)
        assert left is not None
        assert left.least <= size - used <= left.most
        roll = paper.printed(roll)


@given(
    st.builds(
        Roll,
        used=st.integers(0, 2000),
        begun_at=st.none() | st.just(NOW),
        paper=st.sampled_from(Paper),
        low_at=st.none() | st.integers(0, 2000),
        learned=st.builds(
            Learned,
            *[st.lists(st.integers(0, 2000), max_size=3).map(tuple)] * 3,
        ),
    ),
    st.sampled_from([UNKNOWN, TICKETS, First((100, 200), None)]),
)
def test_a_range_is_one_and_a_sheet_never_raises_it(roll: Roll, first: First):
    left, after = sheets_left(roll, first), sheets_left(paper.printed(roll), first)
    if left is not None:
        assert 0 <= left.least <= left.most
        assert 0 <= left.rough[0] <= left.least
        assert left.most <= left.rough[1]
        assert left.rough[0] <= left.about <= left.rough[1]
    if left is not None and after is not None:
        assert after.least <= left.least
        assert after.most <= left.most


def test_a_sensor_that_wavers_is_the_same_roll_and_teaches_nothing():
    roll = paper.seen(use(fresh(), 300), Paper.LOW, NOW)
    wavering = roll
    for _ in range(3):
        wavering = paper.seen(use(paper.seen(wavering, Paper.FINE, NOW), 1), Paper.LOW, NOW)
    assert wavering == replace(use(roll, 3), before=None)


def test_a_roll_that_is_changed_near_its_end_begins_a_new_one():
    roll = paper.seen(use(paper.seen(use(fresh(), 300), Paper.LOW, NOW), 7), Paper.FINE, NOW + timedelta(days=1))
    assert (roll.used, roll.begun_at, roll.paper) == (0, NOW + timedelta(days=1), Paper.FINE)
    assert roll.learned == Learned(heads=(300,))


def test_a_roll_that_is_put_in_again_when_it_was_near_its_end_is_the_same():
    roll = paper.seen(use(fresh(), 300), Paper.LOW, NOW)
    again = paper.seen(paper.seen(use(roll, 4), Paper.OUT, NOW), Paper.LOW, NOW)
    assert (again.used, again.low_at, again.begun_at) == (304, 300, NOW)


def test_a_roll_that_was_begun_elsewhere_and_is_near_its_end_has_no_beginning():
    roll = paper.seen(paper.seen(use(fresh(), 300), Paper.OUT, NOW), Paper.LOW, NOW)
    assert (roll.used, roll.low_at, roll.begun_at) == (0, 0, None)


@pytest.mark.parametrize("sheets", [0, LEAST_SHEETS - 1])
def test_a_roll_that_was_taken_out_early_teaches_nothing(sheets: int):
    assert paper.seen(use(fresh(), sheets), Paper.OUT, NOW).learned == Learned()


def test_a_roll_that_was_out_before_its_sensor_spoke_was_taken_out():
    roll = paper.seen(used_up(fresh(), 500, 450), Paper.FINE, NOW)
    assert paper.seen(use(roll, 200), Paper.OUT, NOW).learned == roll.learned


def test_only_the_newest_rolls_count():
    roll = fresh()
    for size in (900, 900, 300, 300, 300, 300, 300):
        roll = paper.seen(used_up(roll, size, None), Paper.FINE, NOW)
    assert sheets_left(roll) == Left(270, 330)


@given(st.lists(st.sampled_from(["report", "foreign", "told", "late"]), max_size=60))
def test_the_odometer_and_the_reports_of_sheets_count_each_label_once(happened: list[str]):
    """``late``: a sheet whose report comes after the odometer told of it."""
    odometer, owed = 1000, 0
    roll = paper.counted(fresh(), odometer)
    labels = 0
    for what in happened:
        labels += what != "told"
        odometer += what != "told"
        if what == "report":
            roll = paper.printed(roll)
        elif what == "late":
            owed += 1
        roll = paper.counted(roll, odometer) if what in {"told", "late"} or owed > 5 else roll
        if what == "told":
            for _ in range(owed):
                roll = paper.printed(roll)
            owed = 0
    for _ in range(owed):
        roll = paper.printed(roll)
    assert paper.counted(roll, odometer).used == labels


def test_a_count_that_went_back_is_another_printers():
    roll = paper.counted(paper.counted(fresh(), 5000), 12)
    assert (roll.used, roll.odometer) == (0, 12)
    assert paper.counted(use(roll, 3), 15).used == 3


@pytest.mark.parametrize(
    ("roll", "is_told"),
    [
        (Roll(), False),
        (Roll(paper=Paper.LOW), True),
        (Roll(paper=Paper.OUT), True),
        (Roll(used=560, begun_at=NOW), False),
        (Roll(used=960, begun_at=NOW, learned=Learned(whole=(1000,))), True),
        (Roll(used=500, begun_at=NOW, learned=Learned(whole=(1000,))), False),
    ],
    ids=["unknown", "the printer says so", "out", "only a first guess", "learned", "half full"],
)
def test_the_desk_is_told_by_the_sensor_or_by_what_was_learned(roll: Roll, is_told: bool):
    assert paper.is_running_out(roll, sheets_left(roll, TICKETS)) is is_told


@pytest.mark.parametrize(
    ("left", "about"), [(Left(0, 2), 0), (Left(13, 22), 20), (Left(40, 58), 50), (Left(330, 338), 330)]
)
def test_a_number_for_a_person_is_round(left: Left, about: int):
    assert left.about == about
