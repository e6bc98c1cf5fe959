"""The reception desk: what the console shows and the receptionist's commands. Implements ``hub.view.Desk``.

Every command is one transaction: the ticket, the area's new version, the outbox message for the displays and the
audit entry. The event goes to live pages after the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, func, select

from kioskd.config import DESK_AREA
from kioskd.core import queue
from kioskd.core.display import Snapshot, snapshot
from kioskd.core.events import BillingCardNoted, Event, TicketCalled
from kioskd.core.identity import Reason
from kioskd.core.queue import QueueEntry, WrongTicketState
from kioskd.core.ticket import day_bounds
from kioskd.errors import RuleViolation
from kioskd.health import Health
from kioskd.hub import billing, devices, queue_rows, tickets
from kioskd.hub.rules import SiteRules
from kioskd.hub.sheet_desk import StaffSheets
from kioskd.hub.site import RECORDS, area_changed
from kioskd.hub.tables import attempt, audit, outbox
from kioskd.hub.view import AreaRow, AttemptRow, ConsoleView, DeviceRow
from kioskd.news import News
from kioskd.ports import PULSE_KIND
from kioskd.store import AuditEntry, Store
from kioskd.store import audit as audit_chain
from kioskd.store import outbox as outbox_queue
from kioskd.store.outbox import OutboxState

SILENT_AFTER_S = 30.0
"""Three times as long as a station on another machine takes to say again that it is there."""

Command = Callable[[QueueEntry, datetime], tuple[QueueEntry, Event]]


class ReceptionDesk:
    """See the module. ``is_broker_up`` and ``health`` (of this process) are asked for each view, and so is
    ``silent_s``: for how long a station has reported nothing.
    """

    def __init__(
        self,
        store: Store,
        rules: SiteRules,
        news: News,
        clock: Callable[[], datetime],
        is_broker_up: Callable[[], bool],
        health: Callable[[], Health] | None = None,
        silent_s: Callable[[str], float] = lambda station: 0.0,
    ) -> None:
        self._store = store
        self._rules = rules
        self._news = news
        self._clock = clock
        self._is_broker_up = is_broker_up
        self._silent_s = silent_s
        self._health = health or (lambda: Health(clock()))
        self._sheets = StaffSheets(store, news, clock, rules.site.zone)

    @property
    def sheets(self) -> StaffSheets:
        return self._sheets

    @property
    def areas(self) -> tuple[AreaRow, ...]:
        own = tuple(AreaRow(a.id, a.name, a.rooms, is_help_desk=False) for a in self._rules.areas)
        name = self._rules.hub.desk_name
        return (*own, AreaRow(DESK_AREA, name, (name,), is_help_desk=True))

    async def opened(self, staff: str) -> None:
        now = self._clock()
        entry = AuditEntry(f"staff:{staff}", "view-queue", f"day/{self._rules.day(now)}", now, {})
        await self._store.write(lambda c: audit_chain.append(c, audit, entry))

    async def view(self) -> ConsoleView:
        now = self._clock()

        def read(connection: Connection) -> ConsoleView:
            day = self._rules.day_in_hand(connection, now)
            backlog = outbox_queue.backlog(connection, outbox, RECORDS)
            return ConsoleView(
                at=now,
                site_name=self._rules.site.name,
                business_day=day,
                areas=self.areas,
                rows=queue_rows.of_day(connection, day, now),
                devices=tuple(self._as_heard(row) for row in devices.rows(connection)),
                records_pending=backlog.pending,
                records_parked=backlog.parked,
                is_broker_up=self._is_broker_up(),
                records_waiting_since=_records_waiting_since(connection),
                parts=self._health().parts,
                attempts=self._attempts(connection, day),
            )

        return await self._store.read(read)

    def _as_heard(self, row: DeviceRow) -> DeviceRow:
        """A station that fell silent is not connected, whatever it said last."""
        if row.kind != PULSE_KIND or self._silent_s(row.station) < SILENT_AFTER_S:
            return row
        return replace(row, state="unavailable", what="not-connected")

    def _attempts(self, connection: Connection, day: date) -> tuple[AttemptRow, ...]:
        begin, end = day_bounds(day, self._rules.site.zone, self._rules.site.day_starts)
        today = (attempt.c.at >= begin) & (attempt.c.at < end)
        rows = connection.execute(select(attempt).where(today).order_by(attempt.c.at.desc()))
        return tuple(AttemptRow(row.station, row.at, Reason(row.reason)) for row in rows)

    async def snapshot_of(self, area: str) -> Snapshot:
        """What the displays of an area show now."""
        now = self._clock()

        def read(connection: Connection) -> Snapshot:
            entries = tickets.entries_of_day(connection, self._rules.day_in_hand(connection, now))
            epoch, version = tickets.epoch_of(connection), tickets.version_of(connection, area)
            return snapshot(entries, area, self._rules.name_of(area), DESK_AREA, epoch, version, now)

        return await self._store.read(read)

    async def call_next(self, area: str, room: str, staff: str) -> str | None:
        self._must_have_room(area, room)
        now = self._clock()

        def change(connection: Connection) -> TicketCalled | None:
            day = self._rules.day_in_hand(connection, now)
            at = tickets.after_last_call(connection, day, now)
            called = queue.call_next(tickets.entries_of_day(connection, day, area), room, at)
            if called is None:
                return None
            entry, event = called
            self._save(connection, entry, "call", staff, now)
            return event

        event = await self._store.write(change)
        if event is None:
            return None
        self._news.publish(event)
        return event.label

    async def call(self, ticket_id: UUID, room: str, staff: str) -> None:
        def command(entry: QueueEntry, now: datetime) -> tuple[QueueEntry, Event]:
            self._must_have_room(entry.area, room)
            return queue.call(entry, room, now)

        await self._do(ticket_id, command, "call", staff)

    async def recall(self, ticket_id: UUID, staff: str) -> None:
        await self._do(ticket_id, queue.recall, "recall", staff)

    async def finish(self, ticket_id: UUID, staff: str) -> None:
        await self._do(ticket_id, queue.finish, "finish", staff)

    async def miss(self, ticket_id: UUID, staff: str) -> None:
        await self._do(ticket_id, queue.miss, "no-show", staff)

    async def put_back(self, ticket_id: UUID, staff: str) -> None:
        await self._do(ticket_id, queue.put_back, "put-back", staff)

    async def card_read(self, ticket_id: UUID, staff: str) -> None:
        await self._note_card(ticket_id, True, staff)

    async def card_not_read(self, ticket_id: UUID, staff: str) -> None:
        await self._note_card(ticket_id, False, staff)

    async def _note_card(self, ticket_id: UUID, is_read: bool, staff: str) -> None:
        now = self._clock()
        check_in_id = await self._store.write(lambda c: billing.note(c, ticket_id, is_read, staff, now))
        self._news.publish(BillingCardNoted(now, check_in_id, is_read))

    def _must_have_room(self, area: str, room: str) -> None:
        known = next((a.rooms for a in self.areas if a.id == area), ())
        if room not in known:
            raise RuleViolation("unknown-room", f"{area} has no room {room!r}; it has {', '.join(known) or 'none'}")

    async def _do(self, ticket_id: UUID, command: Command, action: str, staff: str) -> None:
        now = self._clock()

        def change(connection: Connection) -> Event:
            entry = tickets.entry(connection, ticket_id)
            if entry is None:
                raise RuleViolation("unknown-ticket", "this ticket does not exist (any more)")
            at = tickets.after_last_call(connection, self._rules.day_in_hand(connection, now), now)
            try:
                changed, event = command(entry, at)
            except WrongTicketState as error:
                raise RuleViolation("wrong-state", str(error)) from None
            self._save(connection, changed, action, staff, now)
            return event

        self._news.publish(await self._store.write(change))

    def _save(self, connection: Connection, changed: QueueEntry, action: str, staff: str, now: datetime) -> None:
        tickets.save(connection, changed)
        area_changed(connection, self._rules, changed.area, now)
        detail = {"ticket": changed.label, "room": changed.room}
        audit_chain.append(
            connection, audit, AuditEntry(f"staff:{staff}", action, f"ticket/{changed.ticket_id}", now, detail)
        )


def _records_waiting_since(connection: Connection) -> datetime | None:
    """When the oldest message was committed that the records do not have yet."""
    waits = (outbox.c.destination == RECORDS) & (outbox.c.state == OutboxState.PENDING)
    since: datetime | None = connection.scalar(select(func.min(outbox.c.created_at)).where(waits))
    return since
