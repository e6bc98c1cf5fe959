"""How long the next sign-in waits after failed ones: it grows, is capped, and is never a lock-out for good.

Three counts, each with its own patience: this account from this address (somebody guesses), this account from anywhere
(many machines guess), this address for any account (somebody tries names). So guessing from elsewhere costs the real
person half a minute at most. An attempt is counted before its password is looked at, so that parallel guesses can't
outrun the count.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from kioskd.staff.tables import FAILURE

FORGOTTEN_AFTER = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Patience:
    """``free`` failures cost nothing; then a delay of 2 s doubles with each one up to ``longest``."""

    free: int
    longest: timedelta


PAIR = Patience(3, timedelta(minutes=5))
ACCOUNT = Patience(10, timedelta(seconds=30))
ADDRESS = Patience(20, timedelta(minutes=1))


def delay(failures: int, patience: Patience) -> timedelta:
    """How long the next attempt waits after the last of ``failures``."""
    beyond = failures - patience.free
    if beyond <= 0:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(beyond, 16)), patience.longest)


def wait(failures: int, last_failed_at: datetime, patience: Patience, now: datetime) -> timedelta:
    """How much of the delay is left. A clock that was set back counts as a delay that is over."""
    if last_failed_at > now:
        return timedelta(0)
    return max(timedelta(0), last_failed_at + delay(failures, patience) - now)


def keys(account: str, address: str) -> dict[str, Patience]:
    """What is counted. A digest of the name: people type passwords into the wrong field."""
    name = hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()
    return {f"pair/{name}/{address}"[:160]: PAIR, f"account/{name}": ACCOUNT, f"address/{address}"[:160]: ADDRESS}


def count_attempt(connection: Connection, account: str, address: str, now: datetime) -> timedelta:
    """Count an attempt as failed until ``forget`` is called; how long it has to wait, or zero when it may be tried.

    An attempt that has to wait is not counted: who keeps trying is let in when the delay is over.
    """
    counted = keys(account, address)
    rows = {row.key: row for row in connection.execute(select(FAILURE).where(FAILURE.c.key.in_(counted)))}
    left = max((wait(r.failures, r.last_failed_at, counted[r.key], now) for r in rows.values()), default=timedelta(0))
    if left > timedelta(0):
        return left
    connection.execute(delete(FAILURE).where(FAILURE.c.last_failed_at < now - FORGOTTEN_AFTER))
    for key in counted:
        row = rows.get(key)
        if row is None or row.last_failed_at < now - FORGOTTEN_AFTER:
            connection.execute(insert(FAILURE).values(key=key, failures=1, last_failed_at=now))
        else:
            values = {"failures": row.failures + 1, "last_failed_at": now}
            connection.execute(update(FAILURE).where(FAILURE.c.key == key).values(values))
    return timedelta(0)


def forget(connection: Connection, account: str, address: str) -> None:
    """The attempt was right: forget the account's failures. The address keeps its others, less this attempt."""
    pair, of_account, of_address = keys(account, address)
    connection.execute(delete(FAILURE).where(FAILURE.c.key.in_([pair, of_account])))
    connection.execute(update(FAILURE).where(FAILURE.c.key == of_address).values(failures=FAILURE.c.failures - 1))
