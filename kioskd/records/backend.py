"""What can be done with records: the FHIR interactions, and what a secretary asks for.

Every write is one transaction: versions, resources, search rows and audit entries together. A view of the desk is in
the audit trail before it is shown. ``kioskd.news`` is told after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from kioskd.core.events import Event
from kioskd.core.ticket import business_day, day_bounds
from kioskd.news import News
from kioskd.records import checkins, rows, tables
from kioskd.records.checkins import CheckIn, CheckInDetail
from kioskd.records.outcome import InteractionRefused, Issue
from kioskd.records.rows import Found, Stored
from kioskd.records.search import Search
from kioskd.records.transaction import Update, check_update, parse
from kioskd.store import AuditEntry, Store
from kioskd.store.audit import append


@dataclass(frozen=True, slots=True)
class ResourceStored(Event):
    """A new version of a resource is committed."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Written:
    """What an update did. Not ``is_changed``: the same content was stored already, so there is no new version."""

    stored: Stored
    is_created: bool
    is_changed: bool


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Records:
    """The records of one site: ``zone`` and ``day_starts`` of [site], ``record_number_system`` of [records]."""

    def __init__(
        self,
        store: Store,
        news: News,
        zone: ZoneInfo,
        day_starts: time = time(4, 0),
        record_number_system: str = "urn:kioskd:record-number",
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.zone = zone
        self._store = store
        self._news = news
        self._day_starts = day_starts
        self._record_number_system = record_number_system
        self._now = now

    # --- FHIR interactions -----------------------------------------------------------------------------------------

    async def read(self, kind: str, resource_id: str) -> Stored:
        """The newest version. Raises InteractionRefused (404)."""
        stored = await self._store.read(lambda c: rows.load(c, kind, resource_id))
        if stored is None:
            raise InteractionRefused(404, Issue("not-found", f"there is no {kind} of that id"))
        return stored

    async def put(self, kind: str, resource_id: str, resource: Any, actor: str, if_match: str = "") -> Written:
        """Store a resource under its client's id. Raises InteractionRefused (400, 412, 422)."""
        check_update(resource, kind, resource_id)
        (written,) = await self._write([Update(kind, resource_id, resource, if_match)], actor, "fhir.update")
        return written

    async def transaction(self, bundle: Any, actor: str) -> list[Written]:
        """All entries of a Bundle or none. Raises InteractionRefused (400, 412, 422).

        A transaction of which everything is already stored is answered again as if it were the first time, also when
        its ``ifMatch`` is outdated by itself (RFC 9110, 13.1.1): the answer to the first one may have been lost. At
        least one entry must stand without ``ifMatch``, as the check-in does, to tell it from somebody else's.
        """
        return await self._write(parse(bundle), actor, "fhir.transaction")

    async def search(self, search: Search) -> Found:
        """One page of what a search finds."""
        return await self._store.read(lambda c: rows.find(c, search))

    async def seed(self, resources: Iterable[dict[str, Any]]) -> int:
        """Store those resources that are not there yet, and leave the others as they are. How many were stored."""
        updates = [Update(resource["resourceType"], resource["id"], resource) for resource in resources]
        for update in updates:
            check_update(update.resource, update.type, update.id)

        def store_missing(connection: Connection) -> int:
            missing = [u for u in updates if rows.load(connection, u.type, u.id) is None]
            return len(self._apply(connection, missing, "system", "seed", self._now()))

        return await self._store.write(store_missing)

    async def _write(self, updates: Sequence[Update], actor: str, action: str) -> list[Written]:
        at = self._now()
        written = await self._store.write(lambda c: self._apply(c, updates, actor, action, at))
        self._news.publish(*(ResourceStored(at, w.stored.type, w.stored.id) for w in written if w.is_changed))
        return written

    def _apply(
        self, connection: Connection, updates: Sequence[Update], actor: str, action: str, at: datetime
    ) -> list[Written]:
        before = [rows.load(connection, u.type, u.id) for u in updates]
        is_same = [b is not None and rows.is_same(u.resource, b) for u, b in zip(updates, before, strict=True)]
        is_replay = all(is_same) and any(not u.if_match for u in updates)
        written = []
        for update, stored, same in zip(updates, before, is_same, strict=True):
            if update.if_match and not is_replay:
                _check_version(update, stored)
            if stored is not None and same:
                written.append(Written(stored, is_created=False, is_changed=False))
                continue
            made = rows.save(connection, update.resource, stored, at, actor, self.zone)
            detail = {"version": made.version}
            append(connection, tables.audit, AuditEntry(actor, action, f"{made.type}/{made.id}", at, detail))
            written.append(Written(made, is_created=stored is None, is_changed=True))
        return written

    # --- the secretaries' desk -------------------------------------------------------------------------------------

    def today(self) -> date:
        """The business day that it is now."""
        return business_day(self._now(), self.zone, self._day_starts)

    async def checkins_of_day(self, day: date, staff: str, action: str = "desk.list") -> list[CheckIn]:
        """The check-ins of a business day, in order of arrival; that ``staff`` sees them is in the audit trail."""
        begin, end = day_bounds(day, self.zone, self._day_starts)

        def view(connection: Connection) -> list[CheckIn]:
            ids = rows.ids_from(connection, "Encounter", "date", begin, end)
            found = self._check_ins(
                connection, [s.resource for s in rows.load_many(connection, "Encounter", ids).values()]
            )
            self._audit_view(connection, staff, action, f"day/{day.isoformat()}", {"check_ins": len(found)})
            return sorted(found, key=lambda row: (row.arrived_at or begin, row.label, row.encounter_id))

        return await self._store.write(view)

    async def check_in(self, encounter_id: str, staff: str) -> CheckInDetail | None:
        """One check-in with everything that is stored of it, or None; that ``staff`` sees it is in the audit trail."""

        def view(connection: Connection) -> CheckInDetail | None:
            encounter = rows.load(connection, "Encounter", encounter_id)
            if encounter is None:
                return None
            (row,) = self._check_ins(connection, [encounter.resource])
            parts = [("Encounter", encounter_id), ("Appointment", row.appointment_id), ("Patient", row.patient_id)]
            courses = [course for kind, i in parts if (course := rows.versions(connection, kind, i))]
            self._audit_view(connection, staff, "desk.check-in", f"Encounter/{encounter_id}", {})
            documents = tuple((c[-1].type, c[-1].id, c[-1].version, c[-1].indented) for c in courses)
            return CheckInDetail(row, checkins.changes(courses), documents)

        return await self._store.write(view)

    def _check_ins(self, connection: Connection, encounters: Sequence[dict[str, Any]]) -> list[CheckIn]:
        patients = _resources(connection, "Patient", map(checkins.patient_of, encounters))
        appointments = _resources(connection, "Appointment", map(checkins.appointment_of, encounters))
        doctors = {i for a in appointments.values() for i, _ in checkins.practitioners_of(a)}
        practitioners = _resources(connection, "Practitioner", doctors)
        return [
            checkins.check_in_of(
                encounter,
                patients.get(checkins.patient_of(encounter)),
                appointments.get(checkins.appointment_of(encounter)),
                practitioners,
                self._record_number_system,
            )
            for encounter in encounters
        ]

    def _audit_view(
        self, connection: Connection, staff: str, action: str, subject: str, detail: dict[str, Any]
    ) -> None:
        append(connection, tables.audit, AuditEntry(f"staff:{staff}", action, subject, self._now(), detail))


def _resources(connection: Connection, kind: str, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    found = rows.load_many(connection, kind, (i for i in ids if i))
    return {resource_id: stored.resource for resource_id, stored in found.items()}


def _check_version(update: Update, stored: Stored | None) -> None:
    """The condition If-Match; a weak tag and a strong one are the same here, as FHIR R4 3.1.0.5 has it."""
    if stored is None or update.if_match.removeprefix("W/") != f'"{stored.version}"':
        what = f"{update.type} is not at the version that was asked for"
        raise InteractionRefused(412, Issue("conflict", f"{what}; read it again", update.type))
