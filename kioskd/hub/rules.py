"""What of the site file decides a check-in: areas, rooms and business days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from kioskd.config import DESK_AREA, AreaConfig, HubConfig, SiteConfig
from kioskd.core.ticket import business_day, day_in_hand
from kioskd.hub import tickets


@dataclass(frozen=True, slots=True)
class SiteRules:
    """See the module."""

    site: SiteConfig
    hub: HubConfig
    areas: tuple[AreaConfig, ...]
    skipped_numbers: frozenset[int] = frozenset()
    """Numbers that no ticket has."""

    def area_of(self, area_id: str) -> AreaConfig:
        """The area of an appointment; the first one when the schedule names none that the site has."""
        return next((a for a in self.areas if a.id == area_id), self.areas[0])

    def name_of(self, area_id: str) -> str:
        return self.hub.desk_name if area_id == DESK_AREA else self.area_of(area_id).name

    def day(self, now: datetime) -> date:
        return business_day(now, self.site.zone, self.site.day_starts)

    def day_in_hand(self, connection: Connection, now: datetime) -> date:
        """The business day of the queue at ``now``; see ``core.ticket.day_in_hand``."""
        return day_in_hand(now, tickets.newest_day(connection), self.site.zone, self.site.day_starts)

    def day_of_ticket(self, connection: Connection, arrived_at: datetime, now: datetime) -> date:
        """Who is answered a day late counts to the day of their arrival, everybody else to the day in hand."""
        arrived = self.day(arrived_at)
        return arrived if arrived < self.day(now) else self.day_in_hand(connection, now)
