"""``kioskd user``, ``outbox`` and ``audit``: work on the databases, also beside a running daemon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Table

from kioskd.config import Config
from kioskd.errors import RuleViolation
from kioskd.hub import tables as hub_tables
from kioskd.records import tables as records_tables
from kioskd.staff import Role, Staff
from kioskd.staff import tables as staff_tables
from kioskd.store import AuditEntry, Schema, audit, open_store, outbox

ACTOR = "system:command-line"


async def user(config: Config, what: str, name: str, roles: Sequence[str]) -> int:
    """Add, reset, disable, enable or list accounts. Raises RuleViolation."""
    async with open_store(staff_tables.SCHEMA, config.store, is_beside_daemon=True) as store:
        staff = Staff(store, lambda: datetime.now(UTC), config.staff)
        try:
            if what == "list":
                for account in await staff.accounts():
                    state = "disabled" if account.is_disabled else "active"
                    print(f"{account.name:20} {state:9} {', '.join(sorted(account.roles))}")
                return 0
            if not name:
                raise RuleViolation("account-name", f"user {what}: the account's name is missing")
            await _change(staff, what, name, roles)
        finally:
            staff.close()
    return 0


async def _change(staff: Staff, what: str, name: str, roles: Sequence[str]) -> None:
    match what:
        case "add":
            known = [str(role) for role in Role]
            for role in roles:
                if role not in known:
                    raise RuleViolation("role", f"there is no role {role!r}; expected {', '.join(known)}")
            password = await staff.add_account(name, [Role(role) for role in roles], ACTOR)
            print(f"one-time password of {name}: {password}\nIt is changed at the first sign-in.")
        case "reset":
            print(f"one-time password of {name}: {await staff.reset_password(name, ACTOR)}")
        case "disable":
            await staff.disable(name, ACTOR)
            print(f"{name} can't sign in any more")
        case "enable":
            await staff.enable(name, ACTOR)
            print(f"{name} can sign in again")


async def look_after_outbox(config: Config, what: str) -> int:
    """List what is not delivered with its reason, or have the parked messages tried again."""
    async with open_store(hub_tables.SCHEMA, config.store, is_beside_daemon=True) as store:
        table, now = hub_tables.outbox, datetime.now(UTC)
        if what == "retry":

            def retry(connection: Connection) -> int:
                count = outbox.unpark(connection, table, now)
                entry = AuditEntry(ACTOR, "outbox-retry", "outbox", now, {"messages": count})
                audit.append(connection, hub_tables.audit, entry)
                return count

            print(f"{await store.write(retry)} messages are tried again within half a minute")
            return 0
        waiting = await store.read(lambda c: outbox.not_delivered(c, table))
        for message in waiting:
            print(f"{message.created_at:%Y-%m-%d %H:%M} UTC  {message.destination:9} {message.state:8}", end=" ")
            print(f"{message.kind}, {message.attempts} attempts: {message.last_error or 'not tried yet'}")
        print(f"{len(waiting)} messages are not delivered")
    return 0


async def verify_audit(config: Config) -> int:
    """Check every chain; 1 when one is broken. A trail without an entry is said: it may have been taken away whole."""
    roles = config.site.roles
    trails: list[tuple[Schema, Table]] = [(staff_tables.SCHEMA, staff_tables.AUDIT)]
    trails += [(hub_tables.SCHEMA, hub_tables.audit)] if "hub" in roles else []
    trails += [(records_tables.SCHEMA, records_tables.audit)] if "records" in roles else []
    is_whole = True
    for schema, table in trails:
        async with open_store(schema, config.store, is_beside_daemon=True) as store:
            reports = await store.read(lambda c, t=table: audit.verify(c, t))  # type: ignore[misc]
            if not reports:
                print(f"{schema.role:8} has no entries")
            for report in reports:
                is_whole = is_whole and not report.problem
                state = f"BROKEN: {report.problem}" if report.problem else "whole"
                print(f"{schema.role:8} {report.chain:8} {report.entries:7} entries, head {report.head[:16]}: {state}")
    return 0 if is_whole else 1
