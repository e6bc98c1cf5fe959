"""Cards that the desk has to read for the bill, because the kiosk could not read all of them. Inside transactions."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, insert, select

from kioskd.errors import RuleViolation
from kioskd.hub.tables import audit, card_wanted, ticket
from kioskd.hub.view import CardRow
from kioskd.store import AuditEntry
from kioskd.store import audit as audit_chain


def want(connection: Connection, check_in_id: UUID) -> None:
    """The desk has to read the card of this check-in."""
    connection.execute(insert(card_wanted).values(check_in_id=check_in_id, read_at=None, read_by=""))


def of_day(connection: Connection, day: date) -> dict[UUID, CardRow]:
    """The check-ins of a day whose card is wanted, or was."""
    same = ticket.c.check_in_id == card_wanted.c.check_in_id
    todays = select(card_wanted).join(ticket, same).where(ticket.c.business_day == day)
    return {row.check_in_id: CardRow(row.read_at, row.read_by) for row in connection.execute(todays)}


def note(connection: Connection, ticket_id: UUID, is_read: bool, staff: str, now: datetime) -> UUID:
    """Staff read it, or take that back; the check-in. The same again changes nothing. Raises RuleViolation."""
    found = connection.execute(
        select(card_wanted, ticket.c.series, ticket.c.number)
        .join(ticket, ticket.c.check_in_id == card_wanted.c.check_in_id)
        .where(ticket.c.id == ticket_id)
        .with_for_update()
    ).one_or_none()
    if found is None:
        raise RuleViolation("no-card-wanted", "no card has to be read for this ticket")
    check_in_id: UUID = found.check_in_id
    if (found.read_at is not None) is not is_read:
        values = {"read_at": now, "read_by": staff} if is_read else {"read_at": None, "read_by": ""}
        connection.execute(card_wanted.update().where(card_wanted.c.check_in_id == check_in_id).values(**values))
        action = "card-read" if is_read else "card-not-read"
        detail = {"ticket": f"{found.series}{found.number}"}
        audit_chain.append(connection, audit, AuditEntry(f"staff:{staff}", action, f"ticket/{ticket_id}", now, detail))
    return check_in_id
