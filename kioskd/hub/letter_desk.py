"""Letters at the console: implements ``letter_view.Letters``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from kioskd.core.appointment import AppointmentStatus
from kioskd.core.ticket import day_bounds
from kioskd.errors import RuleViolation
from kioskd.hub import letters
from kioskd.hub.letter_view import LetterRow, PrintedLetter
from kioskd.hub.rules import SiteRules
from kioskd.hub.tables import audit
from kioskd.ports import Schedule, Scheduled
from kioskd.store import AuditEntry, Store
from kioskd.store import audit as audit_chain


class LetterDesk:
    """See ``letter_view.Letters``. ``clock`` gives aware UTC."""

    def __init__(self, store: Store, schedule: Schedule, rules: SiteRules, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._schedule = schedule
        self._rules = rules
        self._clock = clock

    @property
    def site_name(self) -> str:
        return self._rules.site.name

    def next_day(self) -> date:
        return self._rules.day(self._clock()) + timedelta(days=1)

    async def of_day(self, day: date, staff: str) -> tuple[LetterRow, ...]:
        entry = AuditEntry(f"staff:{staff}", "view-letters", f"day/{day}", self._clock(), {})
        await self._store.write(lambda c: audit_chain.append(c, audit, entry))
        return tuple(_row(s) for s in await self._expected(day))

    async def issue(self, day: date, appointment_id: str, staff: str) -> PrintedLetter:
        found = next((s for s in await self._expected(day) if s.appointment.id == appointment_id), None)
        if found is None:
            raise RuleViolation("not-expected", "this appointment is not expected on that day (any more)")
        now = self._clock()

        def write(connection: Connection) -> str:
            code = letters.issue(connection, found.appointment, staff, now)
            entry = AuditEntry(f"staff:{staff}", "letter", f"appointment/{appointment_id}", now, {})
            audit_chain.append(connection, audit, entry)
            return code

        return PrintedLetter(_row(found), await self._store.write(write))

    async def _expected(self, day: date) -> list[Scheduled]:
        begin, end = day_bounds(day, self._rules.site.zone, self._rules.site.day_starts)
        found = await self._schedule.appointments_between(begin.astimezone(UTC), end.astimezone(UTC))
        booked = [s for s in found if s.appointment.status is AppointmentStatus.BOOKED]
        return sorted(booked, key=lambda s: (s.appointment.starts_at, s.appointment.id))


def _row(of: Scheduled) -> LetterRow:
    at, who = of.appointment, of.patient
    return LetterRow(at.id, at.starts_at, who.family, who.given, at.practitioner)
