"""The hub as stations see it: identify, check in, help tickets, reports. Implements ``ports.Hub``.

Every method is repeatable by the check-in's id. A check-in, its ticket number, its outbox messages and its audit
entry are one transaction: it is either all there or was never told to anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, insert, select

from kioskd.config import DESK_AREA
from kioskd.core import identity
from kioskd.core.appointment import next_expected
from kioskd.core.events import DeviceChanged, Event, HelpTicketIssued, PatientCheckedIn
from kioskd.core.identity import Card, Identified, Reason, Refused
from kioskd.core.patient import Identifier
from kioskd.core.queue import TicketState
from kioskd.core.ticket import day_bounds
from kioskd.errors import StoreError, Unreachable
from kioskd.hub import arrivals, bands, billing, devices, letters, orders, sheets, tickets
from kioskd.hub.rules import SiteRules
from kioskd.hub.tables import attempt, audit, band, check_in, device, outbox, ticket
from kioskd.hub.view import RecordState
from kioskd.news import News
from kioskd.ports import (
    AttemptReport,
    CheckInReply,
    CheckInRequest,
    DeviceReport,
    HelpReply,
    HelpRequest,
    OutboxMessage,
    PrintOrder,
    PrintReport,
    Schedule,
)
from kioskd.store import AuditEntry, Store
from kioskd.store import audit as audit_chain
from kioskd.store import outbox as outbox_queue
from kioskd.store.outbox import OutboxState

__all__ = ["DISPLAYS", "RECORDS", "Site", "SiteRules", "area_changed"]

T = TypeVar("T")

RECORDS = "records"
"""The outbox destination of check-ins."""
DISPLAYS = "displays"
"""The outbox destination of changed areas."""


class Site:
    """One clinic's shared state. ``clock`` gives aware UTC."""

    def __init__(
        self, store: Store, schedule: Schedule, rules: SiteRules, news: News, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._schedule = schedule
        self._rules = rules
        self._news = news
        self._clock = clock
        self._began_s = time.monotonic()
        self._heard_at_s: dict[str, float] = {}

    def silent_s(self, station: str) -> float:
        """For how long a station has not reported a device or itself, since this hub began at most."""
        return time.monotonic() - self._heard_at_s.get(station, self._began_s)

    async def _write(self, change: Callable[[Connection], T]) -> T:
        """One transaction. Raises Unreachable: to a station a database that refuses is a hub that is away."""
        try:
            return await self._store.write(change)
        except StoreError as error:
            raise Unreachable(f"the hub's database: {error}") from error

    async def _read(self, look: Callable[[Connection], T]) -> T:
        try:
            return await self._store.read(look)
        except StoreError as error:
            raise Unreachable(f"the hub's database: {error}") from error

    async def identify(self, card: Card, at: datetime) -> Identified | Refused:
        patient = identity.find_patient(card, await self._schedule.find_patients(card.identifier))
        if isinstance(patient, Reason):
            return Refused(patient)
        begin, end = self._today(at)
        todays = await self._schedule.appointments_of(patient.id, begin, end)
        return identity.identify(card, [patient], todays)

    async def identify_number(
        self, identifier: Identifier, birth_date: date, is_shared_by_family: bool, at: datetime
    ) -> Identified | Refused:
        candidates = await self._schedule.find_patients(identifier)
        patient = identity.find_by_number(identifier, birth_date, candidates, is_shared_by_family)
        if isinstance(patient, Reason):
            return Refused(patient)
        begin, end = self._today(at)
        appointment = next_expected(await self._schedule.appointments_of(patient.id, begin, end))
        return Identified(patient, appointment) if appointment else Refused(Reason.NO_APPOINTMENT, patient)

    async def identify_letter(self, letter: str, birth_date: date, at: datetime) -> Identified | Refused:
        now = self._clock()
        known = await self._read(lambda c: letters.find(c, letter, now))
        if isinstance(known, Reason):
            return Refused(known)
        patient = await self._schedule.read_patient(known.patient_id)
        if patient is None:
            return Refused(Reason.NO_PATIENT)
        if patient.birth_date != birth_date:
            return Refused(await self._write(lambda c: letters.note_wrong_date(c, known, birth_date)))
        begin, end = self._today(at)
        coming = await self._schedule.appointments_of(patient.id, begin, max(end, known.expires_at))
        appointment = letters.appointment_for(known, coming, end)
        if appointment is None:
            return Refused(Reason.NO_APPOINTMENT, patient)
        if letters.is_replaced(known, coming):
            await self._write(lambda c: letters.follow(c, known, appointment.id))
        return Identified(patient, appointment)

    def _today(self, at: datetime) -> tuple[datetime, datetime]:
        """Begin and end of the business day, in UTC."""
        begin, end = day_bounds(self._rules.day(at), self._rules.site.zone, self._rules.site.day_starts)
        return begin.astimezone(UTC), end.astimezone(UTC)

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        now = self._clock()
        reply, is_new = await self._write(lambda c: self._check_in(c, request, now))
        if is_new:
            self._news.publish(PatientCheckedIn(now, reply.check_in_id, reply.label, reply.area))
        return reply

    def _check_in(self, connection: Connection, request: CheckInRequest, now: datetime) -> tuple[CheckInReply, bool]:
        letters.use(connection, request.appointment.id, request.check_in_id, now)
        known = self._known(connection, request)
        if known is not None:
            return known, False
        area = self._rules.area_of(request.appointment.area)
        arrivals.insert_check_in(connection, request, now)
        if request.is_card_wanted:
            billing.want(connection, request.check_in_id)
        says = bands.Says(request.patient)
        number = bands.make(connection, request.check_in_id, says).number if area.wristbands else None
        made = tickets.allocate(
            connection,
            self._rules.site.id,
            self._rules.day_of_ticket(connection, request.arrived_at, now),
            area.series,
            area.id,
            request.check_in_id,
            self._rules.skipped_numbers,
        )
        payload = {
            "check_in_id": str(request.check_in_id),
            "patient_id": request.patient.id,
            "appointment_id": request.appointment.id,
            "arrived_at": request.arrived_at.isoformat(),
            "label": made.label,
            "area_name": area.name,
            "station": request.station,
            "card_kind": request.card_kind,
        }
        outbox_queue.put(connection, outbox, RECORDS, f"patient/{request.patient.id}", "check-in", payload, now)
        area_changed(connection, self._rules, area.id, now)
        _audit(connection, request.station, "check-in", request.check_in_id, now, {"ticket": made.label})
        reply = self._reply(request.check_in_id, made.label, area.id, request.arrived_at, number, before=False)
        return replace(reply, practitioner=request.appointment.practitioner), True

    def _known(self, connection: Connection, request: CheckInRequest) -> CheckInReply | None:
        """The check-in that this request already is, or that its appointment already has."""
        first_band = (band.c.check_in_id == check_in.c.id) & (band.c.copy == 1) & (band.c.person == bands.THE_PATIENT)
        query = (
            select(
                check_in.c.id,
                check_in.c.arrived_at,
                check_in.c.practitioner,
                band.c.number.label("band_number"),
                ticket.c.series,
                ticket.c.number,
                ticket.c.area,
                ticket.c.state,
                ticket.c.room,
            )
            .join(ticket, ticket.c.check_in_id == check_in.c.id)
            .outerjoin(band, first_band)
            .where((check_in.c.id == request.check_in_id) | (check_in.c.appointment_id == request.appointment.id))
        )
        row = connection.execute(query).first()
        if row is None:
            return None
        label, before = f"{row.series}{row.number}", row.id != request.check_in_id
        # Whose band it is was settled the first time: a second kiosk must not print the same number again.
        number = None if before else row.band_number
        reply = self._reply(row.id, label, row.area, row.arrived_at, number, before)
        called_to = row.room if row.state == TicketState.CALLED else ""
        return replace(reply, called_to=called_to, practitioner=row.practitioner)

    def _reply(
        self, check_in_id: UUID, label: str, area: str, arrived_at: datetime, band: int | None, before: bool
    ) -> CheckInReply:
        return CheckInReply(check_in_id, label, area, self._rules.name_of(area), arrived_at, before, band)

    async def ask_for_help(self, request: HelpRequest) -> HelpReply:
        now = self._clock()
        reply, is_new = await self._write(lambda c: self._ask_for_help(c, request, now))
        if is_new:
            self._news.publish(HelpTicketIssued(now, reply.check_in_id, reply.label, request.reason))
        return reply

    def _ask_for_help(self, connection: Connection, request: HelpRequest, now: datetime) -> tuple[HelpReply, bool]:
        query = (
            select(check_in.c.arrived_at, ticket.c.series, ticket.c.number)
            .join(ticket, ticket.c.check_in_id == check_in.c.id)
            .where(check_in.c.id == request.check_in_id)
        )
        row = connection.execute(query).one_or_none()
        if row is not None:
            return HelpReply(request.check_in_id, f"{row.series}{row.number}", row.arrived_at), False
        arrivals.insert_help(connection, request, now)
        made = tickets.allocate(
            connection,
            self._rules.site.id,
            self._rules.day_of_ticket(connection, request.arrived_at, now),
            self._rules.hub.help_series,
            DESK_AREA,
            request.check_in_id,
            self._rules.skipped_numbers,
        )
        area_changed(connection, self._rules, DESK_AREA, now)
        detail = {"ticket": made.label, "reason": request.reason}
        _audit(connection, request.station, "help-ticket", request.check_in_id, now, detail)
        return HelpReply(request.check_in_id, made.label, request.arrived_at), True

    async def station_started(self, station: str, devices: Sequence[str]) -> None:
        gone = (device.c.station == station) & device.c.device.not_in(list(devices))
        await self._write(lambda c: c.execute(device.delete().where(gone)))

    async def report_device(self, report: DeviceReport) -> None:
        self._heard_at_s[report.station] = time.monotonic()
        now = self._clock()
        await self._write(lambda c: devices.save(c, report, now))
        self._news.publish(DeviceChanged(now, report.station, report.device, report.state, report.what))

    async def report_print(self, report: PrintReport) -> None:
        now = self._clock()

        def save(connection: Connection) -> Event | None:
            orders.taken(connection, report, now)
            return sheets.report(connection, report)

        event = await self._write(save)
        if event is not None:
            self._news.publish(event)

    async def orders(self, station: str) -> Sequence[PrintOrder]:
        now = self._clock()
        return await self._read(lambda c: orders.open_orders(c, self._rules, station, now))

    async def report_attempt(self, report: AttemptReport) -> None:
        def save(connection: Connection) -> None:
            if connection.scalar(select(attempt.c.id).where(attempt.c.id == report.attempt_id)) is None:
                connection.execute(
                    insert(attempt).values(
                        id=report.attempt_id, station=report.station, reason=report.reason, at=report.at
                    )
                )

        await self._write(save)

    def record_settled(self, connection: Connection, message: OutboxMessage, state: OutboxState, error: str) -> None:
        """What became of a check-in's delivery, in the transaction that settles its message."""
        new = {OutboxState.DONE: RecordState.STORED, OutboxState.PARKED: RecordState.PARKED}
        connection.execute(
            check_in.update()
            .where(check_in.c.id == UUID(message.payload["check_in_id"]))
            .values(record_state=new.get(state, RecordState.PENDING), record_error=error[:2000])
        )


def area_changed(connection: Connection, rules: SiteRules, area: str, now: datetime) -> None:
    """Raise the version of the areas that show a change, and put their snapshots into the outbox."""
    shown_in = [a.id for a in rules.areas] if area == DESK_AREA else [area]
    for area_id in [*shown_in, DESK_AREA] if area == DESK_AREA else shown_in:
        tickets.raise_version(connection, area_id)
        outbox_queue.put(connection, outbox, DISPLAYS, f"area/{area_id}", "display-changed", {"area": area_id}, now)


def _audit(
    connection: Connection, station: str, action: str, check_in_id: UUID, now: datetime, detail: dict[str, str]
) -> None:
    entry = AuditEntry(f"station:{station}", action, f"check-in/{check_in_id}", now, detail)
    audit_chain.append(connection, audit, entry)
