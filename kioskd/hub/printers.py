"""The printers of a site as the console shows them, and what staff do with one. Implements ``printer_view.Printers``.

Every command is one transaction with its audit entry; live pages are told after the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from kioskd.core import paper
from kioskd.core.events import DeviceChanged, PrintOrdered
from kioskd.core.printing import BEGIN_WITHIN, Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub import devices, orders
from kioskd.hub.desk import SILENT_AFTER_S
from kioskd.hub.printer_view import JOBS_SHOWN, JobRow, PrinterList, PrinterPage
from kioskd.hub.rules import SiteRules
from kioskd.hub.tables import audit, print_order, sheet, ticket
from kioskd.hub.view import DeviceRow
from kioskd.news import News
from kioskd.ports import PULSE_KIND
from kioskd.store import AuditEntry, Store
from kioskd.store import audit as audit_chain

STATION_SILENT = "station-silent"
"""What is known of a printer whose kiosk PC does not report."""


class PrinterRoom:
    """See the module. ``silent_s``: for how long a station has reported nothing."""

    def __init__(
        self,
        store: Store,
        rules: SiteRules,
        news: News,
        clock: Callable[[], datetime],
        silent_s: Callable[[str], float] = lambda station: 0.0,
    ) -> None:
        self._store = store
        self._rules = rules
        self._news = news
        self._clock = clock
        self._silent_s = silent_s

    async def printers(self) -> PrinterList:
        return PrinterList(self._clock(), self._rules.site.name, await self.rows())

    async def rows(self) -> tuple[DeviceRow, ...]:
        """Every printer, by station and name."""
        return await self._store.read(self._printers)

    async def printer(self, station: str, name: str) -> PrinterPage | None:
        now = self._clock()

        def read(connection: Connection) -> PrinterPage | None:
            found = self._find(connection, station, name)
            if found is None:
                return None
            waits = _test_that_waits(connection, station, name, now)
            return PrinterPage(now, self._rules.site.name, found, _jobs(connection, station, name), waits)

        return await self._store.read(read)

    async def print_test(self, station: str, name: str, staff: str) -> None:
        now = self._clock()

        order = orders.test_order(station, name, staff, now)

        def change(connection: Connection) -> None:
            self._must_be_there(connection, station, name)
            if _test_that_waits(connection, station, name, now) is not None:
                raise RuleViolation("test-waits", f"{name} of {station} has a test sheet that waits already")
            orders.place(connection, order)
            _audit(connection, "print-test", station, name, staff, now)

        await self._store.write(change)
        self._news.publish(PrintOrdered(now, station, order.check_in_id, order.kind))

    async def put_in_roll(self, station: str, name: str, staff: str) -> None:
        now = self._clock()

        def change(connection: Connection) -> DeviceRow:
            found = self._must_be_there(connection, station, name)
            present = devices.roll_of(connection, station, name)
            devices.save_roll(connection, station, name, paper.new_roll(present, now))
            _audit(connection, "new-roll", station, name, staff, now)
            return found

        row = await self._store.write(change)
        self._news.publish(DeviceChanged(now, station, name, row.state, row.what))

    def _printers(self, connection: Connection) -> tuple[DeviceRow, ...]:
        rows = devices.rows(connection)
        silent = {r.station for r in rows if r.kind == PULSE_KIND and self._silent_s(r.station) >= SILENT_AFTER_S}
        return tuple(_as_heard(r, r.station in silent) for r in rows if r.paper is not None)

    def _find(self, connection: Connection, station: str, name: str) -> DeviceRow | None:
        printers = self._printers(connection)
        return next((row for row in printers if (row.station, row.device) == (station, name)), None)

    def _must_be_there(self, connection: Connection, station: str, name: str) -> DeviceRow:
        found = self._find(connection, station, name)
        if found is None:
            raise RuleViolation("unknown-printer", f"{station} has no printer {name} (any more)")
        return found


def _as_heard(row: DeviceRow, is_silent: bool) -> DeviceRow:
    """Of a printer whose kiosk PC is silent nobody knows how it is, whatever it said last."""
    return replace(row, state="unavailable", what=STATION_SILENT) if is_silent else row


def _test_that_waits(connection: Connection, station: str, name: str, now: datetime) -> datetime | None:
    """When the self-test was ordered that nobody has taken yet and that is not too old."""
    of_printer = (print_order.c.station == station) & (print_order.c.device == name)
    is_open = print_order.c.taken_at.is_(None) & print_order.c.withdrawn_at.is_(None)
    is_recent = (print_order.c.ordered_at > now - BEGIN_WITHIN) & (print_order.c.ordered_at <= now + BEGIN_WITHIN)
    query = select(print_order.c.ordered_at).where(of_printer & is_open & is_recent)
    found: datetime | None = connection.scalar(query.where(print_order.c.kind == SheetKind.TEST).limit(1))
    return found


def _jobs(connection: Connection, station: str, name: str) -> tuple[JobRow, ...]:
    query = (
        select(sheet, ticket.c.id.label("ticket_id"), ticket.c.series, ticket.c.number)
        .outerjoin(ticket, ticket.c.check_in_id == sheet.c.check_in_id)
        .where(sheet.c.station == station, sheet.c.device == name)
        .order_by(sheet.c.at.desc())
        .limit(JOBS_SHOWN)
    )
    return tuple(_job(row) for row in connection.execute(query))


def _job(row: Row[Any]) -> JobRow:
    return JobRow(
        kind=SheetKind(row.kind),
        copy=row.copy,
        state=PrintState(row.state),
        proof=ProofKind(row.proof) if row.proof else None,
        cause=Cause(row.cause) if row.cause else None,
        at=row.at,
        label="" if row.ticket_id is None else f"{row.series}{row.number}",
        ticket_id=row.ticket_id,
    )


def _audit(connection: Connection, action: str, station: str, name: str, staff: str, now: datetime) -> None:
    entry = AuditEntry(f"staff:{staff}", action, f"printer/{station}/{name}", now, {})
    audit_chain.append(connection, audit, entry)
