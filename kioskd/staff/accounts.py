"""Accounts and sign-in: every use case writes its audit entry in the transaction of its change.

There is no default account. A refused sign-in says the same, and takes as long, whether the name is known or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, insert, select, update

from kioskd.calls import CallThread, CallTimedOut
from kioskd.config import StaffConfig
from kioskd.errors import AccessDenied, RuleViolation
from kioskd.staff import passwords, sessions, throttle
from kioskd.staff.roles import Account, Role, StaffMember
from kioskd.staff.tables import ACCOUNT, AUDIT
from kioskd.store import AuditEntry, Store, audit

T = TypeVar("T")

ONE_TIME_VALID = timedelta(days=3)
"""How long a one-time password can be used after it was handed out."""
HASH_WITHIN_S = 30.0
"""Longest wait for a place in the line of password checks, which are done one at a time (19 MiB each)."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


class SignInDelayed(AccessDenied):
    """Too many failed attempts: this one was not looked at. ``retry_after_s`` says when the next one will be."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many failed attempts; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Staff:
    """The use cases of staff.db. ``actor`` is who does it: ``staff:NAME`` or ``system``.

    ``clock`` gives aware UTC, for what people read. ``steady_clock`` too, but nothing moves it when somebody sets the
    machine's clock: how long a session is idle and a wrong password costs depends on it. The same if none is given.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        config: StaffConfig | None = None,
        steady_clock: Callable[[], datetime] | None = None,
    ) -> None:
        limits = config or StaffConfig()
        self._store = store
        self._clock = clock
        self._steady_clock = steady_clock or clock
        self._limits = sessions.Limits(timedelta(minutes=limits.idle_minutes), timedelta(hours=limits.session_hours))
        self._hashing = CallThread("password-hash")

    async def add_account(self, name: str, roles: Iterable[Role], actor: str, *, is_permanent: bool = False) -> str:
        """A new account; returns its one-time password, to be changed at the first sign-in.

        ``is_permanent``: it need not be changed and does not expire (the demo, which makes new ones at each start).
        Raises RuleViolation for a name that is taken or not of the form ``[a-z0-9._-]``, or without any role.
        """
        name, granted = _account_name(name), sorted(set(roles))
        if not _NAME.fullmatch(name):
            raise RuleViolation("account-name", "an account's name has 1 to 64 of a-z, 0-9, dot, hyphen, underscore")
        if not granted:
            raise RuleViolation("account-roles", "an account needs at least one role")
        password = passwords.one_time()
        password_hash = await self._hashed(password)

        def add(connection: Connection) -> None:
            if _account(connection, name) is not None:
                raise RuleViolation("account-exists", f"there already is an account {name}")
            now = self._clock()
            row = {
                "name": name,
                "roles": granted,
                "password_hash": password_hash,
                "password_set_at": now,
                "must_change_password": not is_permanent,
                "is_disabled": False,
                "created_at": now,
            }
            connection.execute(insert(ACCOUNT).values(row))
            self._audit(connection, actor, "add-account", name, {"roles": granted})

        await self._store.write(add)
        return password

    async def accounts(self) -> list[Account]:
        """All accounts, by name."""
        rows = await self._store.read(lambda c: c.execute(select(ACCOUNT).order_by(ACCOUNT.c.name)).all())
        return [Account(r.name, frozenset(map(Role, r.roles)), r.must_change_password, r.is_disabled) for r in rows]

    async def sign_in(self, name: str, password: str, address: str) -> str:
        """The token of a new session. ``address`` is where the request came from.

        Raises SignInDelayed before the password is looked at, and AccessDenied for a wrong name or password (the same
        words for both), or a one-time password that has expired.
        """
        proven = await self._proven(_account_name(name), password, address)
        account = str(proven.name)

        def begin(connection: Connection) -> str:
            _still(connection, proven)
            throttle.forget(connection, account, address)
            self._audit(connection, f"staff:{account}", "sign-in", account, {"address": address})
            return sessions.begin(connection, account, self._limits, self._steady_clock())

        return await self._store.write(begin)

    async def who(self, token: str, *, is_activity: bool = True) -> StaffMember | None:
        """Who a session's token stands for, or None when it is over.

        ``is_activity``: the person did something just now, which begins their idle time anew; a live stream passes
        False.
        """
        now = self._steady_clock()
        found = await self._store.read(lambda c: sessions.find(c, token, self._limits, now))
        if found is None:
            return None
        member, seen_at = found
        if is_activity and now - seen_at >= sessions.SEEN_EVERY:
            await self._store.write(lambda c: sessions.touch(c, token, now))
        return member

    async def sign_out(self, token: str) -> None:
        """End a session; nothing happens when it is over already."""

        def end(connection: Connection) -> None:
            account = sessions.end(connection, token)
            if account is not None:
                self._audit(connection, f"staff:{account}", "sign-out", account, {})

        await self._store.write(end)

    async def change_password(self, name: str, old: str, new: str, address: str) -> str:
        """The person's own change: ends all their sessions and begins a new one, whose token is returned.

        Raises RuleViolation for a new password that breaks the rule or is the old one, and what ``sign_in`` raises.
        """
        name = _account_name(name)
        passwords.check_rule(new, name)
        if new == old:
            raise RuleViolation("password-unchanged", "the new password is the old one")
        proven = await self._proven(name, old, address)
        account = str(proven.name)
        password_hash = await self._hashed(new)

        def change(connection: Connection) -> str:
            _still(connection, proven)
            throttle.forget(connection, account, address)
            self._set_password(connection, account, password_hash, must_change=False)
            self._audit(connection, f"staff:{account}", "change-password", account, {"address": address})
            return sessions.begin(connection, account, self._limits, self._steady_clock())

        return await self._store.write(change)

    async def reset_password(self, name: str, actor: str, *, is_permanent: bool = False) -> str:
        """A new one-time password for somebody who lost theirs; ends their sessions. Raises RuleViolation."""
        name, password = _account_name(name), passwords.one_time()
        password_hash = await self._hashed(password)

        def reset(connection: Connection) -> None:
            _existing(connection, name)
            self._set_password(connection, name, password_hash, must_change=not is_permanent)
            self._audit(connection, actor, "reset-password", name, {})

        await self._store.write(reset)
        return password

    async def disable(self, name: str, actor: str) -> None:
        """Nobody signs in as ``name`` any more; sessions end at once. Raises RuleViolation."""
        await self._set_disabled(_account_name(name), actor, is_disabled=True)

    async def enable(self, name: str, actor: str) -> None:
        """Undo ``disable``. Raises RuleViolation."""
        await self._set_disabled(_account_name(name), actor, is_disabled=False)

    def close(self) -> None:
        """Let the hashing thread end."""
        self._hashing.close()

    async def _set_disabled(self, name: str, actor: str, *, is_disabled: bool) -> None:
        def change(connection: Connection) -> None:
            _existing(connection, name)
            connection.execute(update(ACCOUNT).where(ACCOUNT.c.name == name).values(is_disabled=is_disabled))
            sessions.end_all(connection, name)
            self._audit(connection, actor, "disable-account" if is_disabled else "enable-account", name, {})

        await self._store.write(change)

    async def _proven(self, name: str, password: str, address: str) -> Row[Any]:
        """The account, once its password was given. Raises SignInDelayed or AccessDenied."""

        def attempt(connection: Connection) -> tuple[Row[Any] | None, timedelta]:
            left = throttle.count_attempt(connection, name, address, self._steady_clock())
            return _account(connection, name), left

        account, left = await self._store.write(attempt)
        if left > timedelta(0):
            raise SignInDelayed(max(1, round(left.total_seconds())))
        is_usable = account is not None and not account.is_disabled
        password_hash = account.password_hash if account is not None and is_usable else None
        is_right = await self._hash(lambda: passwords.is_right(password_hash, password))
        if account is None or not is_right:
            await self._store.write(lambda c: self._audit_failure(c, account, address, "wrong-password"))
            raise AccessDenied("name or password is wrong")
        if account.must_change_password and self._clock() - account.password_set_at >= ONE_TIME_VALID:
            await self._store.write(lambda c: self._audit_failure(c, account, address, "one-time-expired"))
            raise AccessDenied("this one-time password has expired; ask for a new one")
        return account

    def _set_password(self, connection: Connection, name: str, password_hash: str, *, must_change: bool) -> None:
        values = {
            "password_hash": password_hash,
            "password_set_at": self._clock(),
            "must_change_password": must_change,
        }
        connection.execute(update(ACCOUNT).where(ACCOUNT.c.name == name).values(values))
        sessions.end_all(connection, name)

    def _audit(self, connection: Connection, actor: str, action: str, name: str, detail: dict[str, Any]) -> None:
        audit.append(connection, AUDIT, AuditEntry(actor, action, f"account/{name}", self._clock(), detail))

    def _audit_failure(self, connection: Connection, account: Row[Any] | None, address: str, why: str) -> None:
        # An unknown name is not written down: it may be a password in the wrong field.
        name = account.name if account is not None else "unknown"
        self._audit(connection, "system", "sign-in-failed", name, {"address": address, "why": why})

    async def _hashed(self, password: str) -> str:
        return await self._hash(lambda: passwords.hashed(password))

    async def _hash(self, function: Callable[[], T]) -> T:
        if self._hashing.is_lost:
            self._hashing = CallThread("password-hash")
        try:
            return await self._hashing.call(function, HASH_WITHIN_S)
        except CallTimedOut:
            raise AccessDenied("too many people sign in at this moment; try again") from None


def _account_name(text: str) -> str:
    return text.strip().casefold()


def _account(connection: Connection, name: str) -> Row[Any] | None:
    if not _NAME.fullmatch(name):
        return None
    return connection.execute(select(ACCOUNT).where(ACCOUNT.c.name == name)).one_or_none()


def _still(connection: Connection, proven: Row[Any]) -> None:
    """The account is as it was when its password was checked: nobody disabled or reset it meanwhile."""
    account = _account(connection, proven.name)
    if account is None or account.is_disabled or account.password_hash != proven.password_hash:
        raise AccessDenied("name or password is wrong")


def _existing(connection: Connection, name: str) -> Row[Any]:
    account = _account(connection, name)
    if account is None:
        raise RuleViolation("account-missing", f"there is no account {name}")
    return account
