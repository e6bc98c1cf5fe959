"""What a display shows of an area."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from uuid import uuid4

from kioskd.core import queue
from kioskd.core.display import ROWS, Call, Snapshot, snapshot
from kioskd.core.queue import QueueEntry, TicketState
from tests.people import NOW


def entry(number: int, area: str = "general", series: str = "A") -> QueueEntry:
    return QueueEntry(uuid4(), f"{series}{number}", area, number, NOW)


def called(number: int, minutes: int, area: str = "general", series: str = "A", room: str = "Room 1") -> QueueEntry:
    return queue.call(entry(number, area, series), room, NOW + timedelta(minutes=minutes))[0]


def picture(*entries: QueueEntry, area: str = "general") -> Snapshot:
    return snapshot(entries, area, "Waiting room", "desk", 7, 42, NOW)


def labels(shown: Snapshot) -> list[str]:
    return [call.label for call in shown.calls]


def test_an_empty_area_is_an_empty_picture_that_says_when_it_was_made() -> None:
    assert picture() == Snapshot("general", "Waiting room", 7, 42, NOW, (), 0)


def test_the_newest_call_is_first() -> None:
    assert labels(picture(called(1, minutes=3), called(2, minutes=5), called(3, minutes=4))) == ["A2", "A3", "A1"]


def test_calls_of_one_moment_have_one_order() -> None:
    pair = called(1, minutes=3), called(2, minutes=3)
    assert labels(picture(*pair)) == labels(picture(*reversed(pair))) == ["A2", "A1"]


def test_no_more_rows_than_can_be_read() -> None:
    many = [called(n, minutes=n) for n in range(1, ROWS + 3)]
    assert labels(picture(*many)) == [f"A{n}" for n in range(ROWS + 2, 2, -1)]


def test_a_recall_comes_first_again_and_can_be_told_from_a_repeat() -> None:
    first, second = called(1, minutes=1), called(2, minutes=2)
    again = queue.recall(first, NOW + timedelta(minutes=3))[0]
    assert picture(again, second).calls[0] == Call("A1", "Room 1", NOW + timedelta(minutes=3), 2)


def test_calls_of_the_desk_are_shown_everywhere_and_those_of_another_area_are_not() -> None:
    at_desk = called(1, minutes=1, area="desk", series="D", room="Reception")
    other = called(1, minutes=2, area="lab", series="B")
    assert labels(picture(at_desk, other)) == ["D1"]
    assert labels(picture(at_desk, other, area="lab")) == ["B1", "D1"]
    assert labels(picture(at_desk, other, area="desk")) == ["D1"]


def test_only_who_waits_in_this_area_is_counted() -> None:
    shown = picture(entry(1), entry(2), entry(1, "desk", "D"), entry(1, "lab", "B"), called(3, minutes=1))
    assert shown.waiting_count == 2


def test_who_is_done_is_not_shown() -> None:
    done = queue.finish(called(1, minutes=1), NOW)[0]
    missed = queue.miss(called(2, minutes=1), NOW)[0]
    back = queue.put_back(called(3, minutes=1), NOW)[0]
    assert picture(done, missed, back).calls == ()
    assert picture(done, missed, back).waiting_count == 1


def test_a_call_can_hold_nothing_but_number_room_and_time() -> None:
    assert {f.name for f in fields(Call)} == {"label", "room", "called_at", "times_called"}
    assert replace(entry(1)).state is TicketState.WAITING
