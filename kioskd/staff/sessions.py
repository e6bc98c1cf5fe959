"""Signed-in browsers, as rows. A token is 256 random bits; only its SHA-256 is stored, so a copy signs nobody in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from kioskd.staff.roles import Role, StaffMember
from kioskd.staff.tables import ACCOUNT, SESSION

SEEN_EVERY = timedelta(seconds=30)
"""How often at most ``last_seen_at`` is written, so that a busy page does not write with each request."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``idle``: longest time without an action of the person. ``whole``: longest time in all."""

    idle: timedelta
    whole: timedelta


def new_token() -> str:
    """256 random bits, for a cookie."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def begin(connection: Connection, account: str, limits: Limits, now: datetime) -> str:
    """A new session; its token. Sessions of anybody that are over are removed on the way."""
    is_over = (SESSION.c.created_at <= now - limits.whole) | (SESSION.c.last_seen_at <= now - limits.idle)
    is_over |= SESSION.c.last_seen_at > now + limits.idle
    connection.execute(delete(SESSION).where(is_over))
    token = new_token()
    row = {"token_hash": token_hash(token), "account": account, "created_at": now, "last_seen_at": now}
    connection.execute(insert(SESSION).values(row))
    return token


def find(connection: Connection, token: str, limits: Limits, now: datetime) -> tuple[StaffMember, datetime] | None:
    """Who a token stands for and when they last did something, or None when the session is over."""
    query = select(SESSION.c.created_at, SESSION.c.last_seen_at, ACCOUNT).join_from(SESSION, ACCOUNT)
    row = connection.execute(query.where(SESSION.c.token_hash == token_hash(token))).mappings().one_or_none()
    if row is None or row[ACCOUNT.c.is_disabled]:
        return None
    began_at, seen_at = row[SESSION.c.created_at], row[SESSION.c.last_seen_at]
    if now - began_at >= limits.whole or now - seen_at >= limits.idle:
        return None
    if seen_at > now + limits.idle:
        return None  # the clock was set back before this start: nobody can tell how long they were away
    roles = frozenset(Role(role) for role in row[ACCOUNT.c.roles])
    return StaffMember(row[ACCOUNT.c.name], roles, row[ACCOUNT.c.must_change_password]), seen_at


def touch(connection: Connection, token: str, now: datetime) -> None:
    """The person did something."""
    connection.execute(update(SESSION).where(SESSION.c.token_hash == token_hash(token)).values(last_seen_at=now))


def end(connection: Connection, token: str) -> str | None:
    """End one session; the account's name, or None when there was none."""
    account: str | None = connection.execute(
        delete(SESSION).where(SESSION.c.token_hash == token_hash(token)).returning(SESSION.c.account)
    ).scalar_one_or_none()
    return account


def end_all(connection: Connection, account: str) -> None:
    """End every session of an account."""
    connection.execute(delete(SESSION).where(SESSION.c.account == account))
