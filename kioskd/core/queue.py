"""The waiting order and what staff do to it: call, recall, finish, no-show, return.

Order is by ``sequence``, the order in which tickets were allocated, never by wall-clock time: a clock that is set
back must not put anybody behind people who came later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from kioskd.core.events import Event, TicketCalled, TicketFinished, TicketMissed, TicketReturned


class TicketState(StrEnum):
    """Where a ticket is in its visit."""

    WAITING = "waiting"
    CALLED = "called"
    FINISHED = "finished"
    NO_SHOW = "no-show"


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A ticket in the queue of one waiting area."""

    ticket_id: UUID
    label: str
    area: str
    sequence: int
    arrived_at: datetime
    state: TicketState = TicketState.WAITING
    room: str = ""
    called_at: datetime | None = None
    times_called: int = 0
    ended_at: datetime | None = None


class WrongTicketState(ValueError):
    """A command that the ticket's present state does not allow; the text is for staff."""


def waiting(entries: Iterable[QueueEntry]) -> list[QueueEntry]:
    """The entries that wait, next one first."""
    return sorted((e for e in entries if e.state is TicketState.WAITING), key=lambda e: e.sequence)


def call(entry: QueueEntry, room: str, now: datetime) -> tuple[QueueEntry, TicketCalled]:
    """Call a waiting ticket to a room."""
    if entry.state is not TicketState.WAITING:
        raise WrongTicketState(f"{entry.label} is {entry.state}; only a waiting ticket can be called")
    called = replace(entry, state=TicketState.CALLED, room=room, called_at=now, times_called=1)
    return called, TicketCalled(now, entry.ticket_id, entry.label, entry.area, room)


def call_next(entries: Iterable[QueueEntry], room: str, now: datetime) -> tuple[QueueEntry, TicketCalled] | None:
    """Call who waits longest, or None when nobody waits."""
    line = waiting(entries)
    return call(line[0], room, now) if line else None


def recall(entry: QueueEntry, now: datetime) -> tuple[QueueEntry, Event]:
    """Call a called ticket again, to the same room."""
    if entry.state is not TicketState.CALLED:
        raise WrongTicketState(f"{entry.label} is {entry.state}; only a called ticket can be called again")
    again = replace(entry, called_at=now, times_called=entry.times_called + 1)
    return again, TicketCalled(now, entry.ticket_id, entry.label, entry.area, entry.room)


def finish(entry: QueueEntry, now: datetime) -> tuple[QueueEntry, Event]:
    """The visit is over."""
    if entry.state is not TicketState.CALLED:
        raise WrongTicketState(f"{entry.label} is {entry.state}; only a called ticket can be finished")
    done = replace(entry, state=TicketState.FINISHED, ended_at=now)
    return done, TicketFinished(now, entry.ticket_id, entry.label, entry.area)


def miss(entry: QueueEntry, now: datetime) -> tuple[QueueEntry, Event]:
    """The called person did not come."""
    if entry.state is not TicketState.CALLED:
        raise WrongTicketState(f"{entry.label} is {entry.state}; only a called ticket can be a no-show")
    gone = replace(entry, state=TicketState.NO_SHOW, ended_at=now)
    return gone, TicketMissed(now, entry.ticket_id, entry.label, entry.area)


def put_back(entry: QueueEntry, now: datetime) -> tuple[QueueEntry, Event]:
    """Undo a call or a no-show: the ticket waits again at its old place."""
    if entry.state not in {TicketState.CALLED, TicketState.NO_SHOW}:
        raise WrongTicketState(f"{entry.label} is {entry.state}; only a called or missed ticket can wait again")
    back = replace(entry, state=TicketState.WAITING, room="", called_at=None, ended_at=None)
    return back, TicketReturned(now, entry.ticket_id, entry.label, entry.area)
