"""The waiting order, and what staff can do to a ticket in which state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core import queue
from kioskd.core.events import TicketCalled, TicketFinished, TicketMissed, TicketReturned
from kioskd.core.queue import QueueEntry, TicketState, WrongTicketState
from tests.people import NOW

LATER = NOW + timedelta(minutes=7)
ENTRY = QueueEntry(uuid4(), "A12", "general", 12, NOW)
CALLED = replace(ENTRY, state=TicketState.CALLED, room="Room 1", called_at=NOW, times_called=1)
IN_STATE = {
    TicketState.WAITING: ENTRY,
    TicketState.CALLED: CALLED,
    TicketState.FINISHED: replace(CALLED, state=TicketState.FINISHED, ended_at=NOW),
    TicketState.NO_SHOW: replace(CALLED, state=TicketState.NO_SHOW, ended_at=NOW),
}
COMMANDS = {
    "call": lambda entry: queue.call(entry, "Room 2", LATER),
    "recall": lambda entry: queue.recall(entry, LATER),
    "finish": lambda entry: queue.finish(entry, LATER),
    "miss": lambda entry: queue.miss(entry, LATER),
    "put_back": lambda entry: queue.put_back(entry, LATER),
}
FACTS = (LATER, ENTRY.ticket_id, "A12", "general")
ALLOWED = {
    ("call", "waiting"): (
        replace(ENTRY, state=TicketState.CALLED, room="Room 2", called_at=LATER, times_called=1),
        TicketCalled(*FACTS, "Room 2"),
    ),
    ("recall", "called"): (replace(CALLED, called_at=LATER, times_called=2), TicketCalled(*FACTS, "Room 1")),
    ("finish", "called"): (replace(CALLED, state=TicketState.FINISHED, ended_at=LATER), TicketFinished(*FACTS)),
    ("miss", "called"): (replace(CALLED, state=TicketState.NO_SHOW, ended_at=LATER), TicketMissed(*FACTS)),
    ("put_back", "called"): (replace(ENTRY, times_called=1), TicketReturned(*FACTS)),
    ("put_back", "no-show"): (replace(ENTRY, times_called=1), TicketReturned(*FACTS)),
}


@pytest.mark.parametrize("state", TicketState)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_every_state(name: str, state: TicketState) -> None:
    if (name, state) in ALLOWED:
        assert COMMANDS[name](IN_STATE[state]) == ALLOWED[name, state]
        return
    with pytest.raises(WrongTicketState, match=f"^A12 is {state}; only a "):
        COMMANDS[name](IN_STATE[state])


def test_nobody_waiting_is_called_by_nobody() -> None:
    assert queue.call_next([], "Room 1", NOW) is None
    assert queue.call_next([e for s, e in IN_STATE.items() if s is not TicketState.WAITING], "Room 1", NOW) is None


def test_who_is_put_back_waits_at_the_old_place() -> None:
    others = [replace(ENTRY, ticket_id=uuid4(), label=f"A{n}", sequence=n) for n in (11, 13)]
    back = queue.put_back(IN_STATE[TicketState.NO_SHOW], LATER)[0]
    assert [e.label for e in queue.waiting([*others, back])] == ["A11", "A12", "A13"]


@given(st.lists(st.integers(-86_400, 86_400), min_size=1, max_size=12), st.randoms())
def test_a_clock_that_is_set_back_puts_nobody_behind_who_came_later(jumps_s: list[int], shuffled) -> None:  # type: ignore[no-untyped-def]
    """Arrival times are whatever the clock said; the order of allocation decides."""
    entries = [
        QueueEntry(uuid4(), f"A{n}", "general", n, NOW + timedelta(seconds=jump)) for n, jump in enumerate(jumps_s, 1)
    ]
    shuffled.shuffle(entries)
    served = []
    while found := queue.call_next(entries, "Room 1", NOW):
        served.append(found[0].sequence)
        entries = [found[0] if e.ticket_id == found[0].ticket_id else e for e in entries]
    assert served == list(range(1, len(jumps_s) + 1))
