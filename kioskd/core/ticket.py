"""Ticket numbers and the business day they belong to.

A number is unique on (site, business day, series, number). The business day runs from cut-over hour to cut-over
hour in the site's own time zone, so a clinic that closes after midnight does not start again at 1 in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

SERIES_LETTERS = "ACDEFGHJKLMNPRSTUVWXYZ"
"""Letters that name a series; without I, O, Q and B, which are read as 1, 0 and 8 from afar. They mean nothing."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue. The number is a label for people; the identity is ``id``."""

    id: UUID
    site: str
    business_day: date
    series: str
    number: int

    @property
    def label(self) -> str:
        """What is printed, shown and spoken, such as ``A12``."""
        return f"{self.series}{self.number}"


def business_day(now: datetime, zone: ZoneInfo, day_starts: time) -> date:
    """The day that ``now`` counts to at a site whose day starts at ``day_starts`` local time."""
    today = now.astimezone(zone).date()
    # Instants are compared, not clock faces: in the hour that comes twice the day must not start twice.
    begins_at = datetime.combine(today, day_starts, zone).astimezone(UTC)
    return today if now >= begins_at else today - timedelta(days=1)


STEPPED_BACK_AT_MOST = timedelta(hours=3)
"""A clock that is set back further than this over the begin of a day is a mistake that was put right."""


def day_in_hand(now: datetime, newest: date | None, zone: ZoneInfo, day_starts: time) -> date:
    """The business day at ``now``, where ``newest`` is the latest that has tickets: a day begins once.

    When the clock is set back over the begin of a day that has tickets already, that day stays. Numbers would not
    repeat otherwise either, but the queue would change under people's eyes, and change again.
    """
    day = business_day(now, zone, day_starts)
    if newest is None or newest <= day:
        return day
    begins_at = datetime.combine(newest, day_starts, zone).astimezone(UTC)
    return newest if begins_at - now <= STEPPED_BACK_AT_MOST else day


def day_bounds(day: date, zone: ZoneInfo, day_starts: time) -> tuple[datetime, datetime]:
    """First instant of a business day and of the next one, in the site's zone (a day has 23 to 25 hours)."""
    return (
        datetime.combine(day, day_starts, zone),
        datetime.combine(day + timedelta(days=1), day_starts, zone),
    )
