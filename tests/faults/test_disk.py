"""The disk that power cuts are tried on: what was flushed stays, nothing else is sure."""

from __future__ import annotations

from random import Random

import pytest

from tests.faults.disk import SECTOR_BYTES, Cut, Disk, Flushed, Left, Made, Operation, Removed, Renamed, Written


def disk(*operations: Operation) -> Disk:
    made = Disk()
    for number, operation in enumerate(operations):
        made.apply(number, operation)
    return made


def outcomes(made: Disk, left: Left) -> set[tuple[tuple[str, bytes], ...]]:
    return {tuple((name, bytes(c)) for name, c in made.after_cut(left, Random(seed)).items()) for seed in range(200)}


def test_what_was_flushed_with_its_folder_is_there_whatever_is_left() -> None:
    made = disk(Made("a"), Written("a", 0, b"told"), Flushed("a", 2), Flushed("", 3))
    for left in Left:
        assert outcomes(made, left) == {(("a", b"told"),)}


def test_a_file_whose_folder_was_not_flushed_may_be_missing() -> None:
    made = disk(Made("a"), Written("a", 0, b"told"), Flushed("a", 2))
    assert outcomes(made, Left.NOTHING) == {()}
    assert outcomes(made, Left.SOME) == {(), (("a", b"told"),)}


def test_a_removed_file_may_be_there_again() -> None:
    made = disk(Made("a"), Flushed("", 1), Removed("a"))
    assert outcomes(made, Left.NOTHING) == {(("a", b""),)}
    assert outcomes(made, Left.ALL) == {()}


def test_a_renamed_file_is_old_or_new_and_never_both() -> None:
    old, new = (Made("a"), Written("a", 0, b"old"), Flushed("a", 2)), (Made("b"), Written("b", 0, b"new"))
    made = disk(*old, Flushed("", 3), *new, Flushed("b", 6), Renamed("b", "a"))
    assert outcomes(made, Left.SOME) <= {(("a", b"old"),), (("a", b"old"), ("b", b"new")), (("a", b"new"),)} | {
        (("a", b"new"), ("b", b"new"))
    }
    assert outcomes(made, Left.ALL) == {(("a", b"new"),)}


def test_writes_survive_each_by_itself() -> None:
    made = disk(Made("a"), Flushed("", 1), Written("a", 0, b"1"), Written("a", 1, b"2"))
    found = {content for ((_, content),) in outcomes(made, Left.SOME)}
    assert found == {b"", b"1", b"\0" + b"2", b"12"}


def test_a_write_under_way_is_torn_at_sectors_of_the_file() -> None:
    data = b"x" * (2 * SECTOR_BYTES)
    made = disk(Made("a"), Written("a", 0, bytes(4 * SECTOR_BYTES)), Flushed("a", 2), Flushed("", 3))
    made.apply(4, Written("a", 100, data))
    for ((_, content),) in outcomes(made, Left.TORN):
        pieces = [content[100:SECTOR_BYTES], content[SECTOR_BYTES : 2 * SECTOR_BYTES]]
        pieces.append(content[2 * SECTOR_BYTES : 100 + 2 * SECTOR_BYTES])
        assert all(set(piece) in ({0}, {ord("x")}) for piece in pieces)
    assert len(outcomes(made, Left.TORN)) == 2**3


def test_a_flush_covers_only_what_returned_before_it_began() -> None:
    made = disk(Made("a"), Flushed("", 1), Written("a", 0, b"1"), Written("a", 1, b"2"), Flushed("a", 3))
    assert outcomes(made, Left.NOTHING) == {(("a", b"1"),)}


@pytest.mark.parametrize(("length", "content"), [(2, b"to"), (6, b"told\0\0")])
def test_a_new_length_is_as_unsure_as_a_write(length: int, content: bytes) -> None:
    made = disk(Made("a"), Written("a", 0, b"told"), Flushed("a", 2), Flushed("", 3), Cut("a", length))
    assert outcomes(made, Left.NOTHING) == {(("a", b"told"),)}
    assert outcomes(made, Left.ALL) == {(("a", content),)}


def test_a_flush_that_is_not_honoured_keeps_nothing() -> None:
    made = Disk(is_honoured=lambda number, flush: flush.name == "")
    operations: list[Operation] = [Made("a"), Written("a", 0, b"told"), Flushed("a", 2), Flushed("", 3)]
    for number, operation in enumerate(operations):
        made.apply(number, operation)
    assert outcomes(made, Left.NOTHING) == {(("a", b""),)}
