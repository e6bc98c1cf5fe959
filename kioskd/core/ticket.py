"""Ticket numbers and the business day they belong to.

A number is unique on (site, business day, series, number). The business day runs from cut-over hour to cut-over
hour in the site's own time zone, so a clinic that closes after midnight does not start again at 1 in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

SERIES_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
"""Letters that name a series; without I, O and Q, which are read as 1 and 0 from afar."""


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


def day_bounds(day: date, zone: ZoneInfo, day_starts: time) -> tuple[datetime, datetime]:
    """First instant of a business day and of the next one, in the site's zone (a day has 23 to 25 hours)."""
    return (
        datetime.combine(day, day_starts, zone),
        datetime.combine(day + timedelta(days=1), day_starts, zone),
    )
