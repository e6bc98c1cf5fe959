"""``kioskd user``, ``outbox`` and ``audit``: work on the databases, also beside a running daemon."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Table

from kioskd.config import Config, StoreConfig
from kioskd.errors import RuleViolation
from kioskd.hub import tables as hub_tables
from kioskd.records import tables as records_tables
from kioskd.staff import Role, Staff
from kioskd.staff import tables as staff_tables
from kioskd.store import AuditEntry, audit, open_store, outbox
from kioskd.store.audit import Head
from kioskd.store.heads import HeadFile, Noted
from kioskd.store.reading import NoDatabase, reading

ACTOR = "system:command-line"


def _need_role(config: Config, what: str, *roles: str) -> None:
    """Refuse a command whose database is that of another process of the site. Raises RuleViolation."""
    if not set(roles) & set(config.site.roles):
        others = " or ".join(f"the role {role}" for role in roles)
        mine = ", ".join(config.site.roles)
        raise RuleViolation("role", f"{what}: use the site file of {others}; this one is of {mine}")


async def user(config: Config, what: str, name: str, roles: Sequence[str]) -> int:
    """Add, reset, disable, enable or list accounts. Raises RuleViolation."""
    _need_role(config, f"user {what}", "hub", "records")
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
    """List what is not delivered with its reason, or have the parked messages tried again. Raises RuleViolation."""
    _need_role(config, f"outbox {what}", "hub")
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


def verify_audit(config: Config, heads: Sequence[str] = ()) -> int:
    """Check every chain; 1 when one is broken or is not there to be checked. Nothing is made, migrated or written.

    ``heads``: lines of the log, as ``role:chain:number:hash``; each must be on its chain. Raises RuleViolation.
    """
    _need_role(config, "audit verify", "hub", "records")
    roles = config.site.roles
    trails: list[tuple[str, Table]] = [("staff", staff_tables.AUDIT)]
    trails += [("hub", hub_tables.audit)] if "hub" in roles else []
    trails += [("records", records_tables.audit)] if "records" in roles else []
    named = [_head(text, [role for role, _ in trails]) for text in heads]
    is_whole = True
    for role, table in trails:
        is_whole &= _verify_trail(config.store, role, table, [head for of, head in named if of == role])
    return 0 if is_whole else 1


def _verify_trail(config: StoreConfig, role: str, table: Table, named: Sequence[Head]) -> bool:
    noted = _noted(role, config) if config.key_file else None
    in_file = (*noted.heads, *noted.contradicted) if noted else ()
    try:
        with reading(role, config) as connection:
            reports = audit.verify(connection, table, (*in_file, *named))
    except NoDatabase as error:
        print(f"{role:8} BROKEN: {error}" if in_file or named else f"{role:8} {error}; nothing to check")
        return False
    for report in reports:
        state = f"BROKEN: {report.problem}" if report.problem else "whole"
        print(f"{role:8} {report.chain:8} {report.entries:7} entries, head {report.head[:32]}: {state}")
    if not reports:
        print(f"{role:8} has no entries")
    problem = _problem_of_file(noted, config, role) if noted else ""
    if problem:
        print(f"{role:8} BROKEN: {problem}")
    if noted is None:
        print(f"{role:8} its ends are not noted (the site file has no store.key_file): one cut off can't be seen here")
    return not problem and not any(report.problem for report in reports)


def _noted(role: str, config: StoreConfig) -> Noted:
    file = HeadFile(role, config)
    try:
        return file.read()
    except OSError as error:
        return Noted(is_there=True, problem=f"{file.path} can't be read: {error.strerror}")


def _problem_of_file(noted: Noted, config: StoreConfig, role: str) -> str:
    path = HeadFile(role, config).path
    if noted.is_there:
        return noted.problem
    return f"{path} is missing: an end that was cut off can't be seen. The daemon makes it anew when it starts"


def _head(text: str, roles: Sequence[str]) -> tuple[str, Head]:
    """One ``--head``. Raises RuleViolation."""
    role, chain, number, digits = (text.split(":") + [""] * 4)[:4]
    if role not in roles or not number.isdecimal() or not re.fullmatch("[0-9a-f]{8,64}", digits):
        what = f"--head {text}: expected role:chain:number:hash as the log has it, of {', '.join(roles)}"
        raise RuleViolation("head", what)
    return role, Head(chain, int(number), None, digits, "the time of your --head")
