"""What a waiting-room display shows: one versioned snapshot per area. Numbers and rooms, never a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from kioskd.core.queue import QueueEntry, TicketState

ROWS = 5
"""Most calls on one screen; more can't be read from the farthest seat."""


@dataclass(frozen=True, slots=True)
class Call:
    """One line of a display. ``times_called`` rises on a recall, so a display can tell it from a repeat."""

    label: str
    room: str
    called_at: datetime
    times_called: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole picture of one area. A display drops what has a lower (epoch, version) than it already shows.

    ``version`` rises with every change of the area and is kept in the database. ``epoch`` rises when that database
    was restored or replaced, so that an older version number still counts as newer.
    """

    area: str
    area_name: str
    epoch: int
    version: int
    at: datetime
    calls: tuple[Call, ...]
    waiting_count: int


def snapshot(
    entries: Iterable[QueueEntry], area: str, area_name: str, desk_area: str, epoch: int, version: int, now: datetime
) -> Snapshot:
    """The snapshot of one area, newest call first. Calls of the help desk are shown in every area."""
    known = list(entries)
    mine = [e for e in known if e.area == area]
    here = [e for e in known if e.area in {area, desk_area}]
    called = [e for e in here if e.state is TicketState.CALLED and e.called_at is not None]
    called.sort(key=lambda e: (e.called_at or now, e.sequence), reverse=True)
    calls = tuple(Call(e.label, e.room, e.called_at or now, e.times_called) for e in called[:ROWS])
    count = sum(e.state is TicketState.WAITING for e in mine)
    return Snapshot(area, area_name, epoch, version, now, calls, count)
