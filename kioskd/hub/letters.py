"""Appointment letters: issued, looked up, moved with their appointment, used up by its check-in.

The functions run inside transactions. A letter is used up in the transaction that commits a check-in for its
appointment, in whatever way that person came: whoever finds it in a bin afterwards holds nothing. Scanning it changes
nothing, so a patient who breaks off can begin again.

It is bound to its appointment, not to a time: moved to another day it is good on that day, until it expires. When the
appointment is not to be found any more (some systems cancel one and book another), it goes over to the one that its
patient checks in for.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, LargeBinary, bindparam, insert, select, text

from kioskd.core import letter as letter_code
from kioskd.core.appointment import EXPECTED, Appointment, next_expected
from kioskd.core.identity import Reason
from kioskd.core.letter import NotOurLetter
from kioskd.hub.tables import letter, letter_key
from kioskd.store import UtcDateTime

GOOD_AFTER = timedelta(days=180)
"""How long after the appointment it was written for a letter is good, should that be moved."""
MOST_WRONG_DATES = 5
"""So many different wrong birth dates lock a letter."""

_FIRST_KEY = text(
    "INSERT INTO letter_key (id, key, made_at) VALUES (1, :key, :at) ON CONFLICT (id) DO NOTHING"
).bindparams(bindparam("key", type_=LargeBinary), bindparam("at", type_=UtcDateTime))


@dataclass(frozen=True, slots=True)
class KnownLetter:
    """A letter that is good as far as the hub can tell. ``hash`` stands for its reference."""

    hash: str
    reference: bytes
    patient_id: str
    appointment_id: str
    expires_at: datetime


def key(connection: Connection) -> bytes | None:
    """The key that letters are sealed with, 32 bytes; None before the first one was issued."""
    found: bytes | None = connection.scalar(select(letter_key.c.key).where(letter_key.c.id == 1))
    return found


def issue(connection: Connection, appointment: Appointment, staff: str, now: datetime) -> str:
    """A new letter for an appointment: the text of its code, which is not kept. Earlier ones stay good."""
    seal_key = key(connection) or _first_key(connection, now)
    reference = secrets.token_bytes(letter_code.REFERENCE_BYTES)
    written = letter_code.write(reference, appointment.ends_at + GOOD_AFTER, seal_key)
    made = letter_code.read(written, seal_key)
    connection.execute(
        insert(letter).values(
            hash=made.hash,
            appointment_id=appointment.id,
            patient_id=appointment.patient_id,
            issued_at=now,
            issued_by=staff,
            expires_at=made.expires_at,
            wrong_dates=[],
        )
    )
    return written


def find(connection: Connection, written: str, now: datetime) -> KnownLetter | Reason:
    """The letter of a code, or why it is no good."""
    seal_key = key(connection)
    try:
        read = letter_code.read(written, seal_key or b"")
    except NotOurLetter:
        return Reason.LETTER_UNKNOWN
    row = connection.execute(select(letter).where(letter.c.hash == read.hash)).one_or_none()
    if row is None or seal_key is None:
        return Reason.LETTER_UNKNOWN
    if row.used_at is not None:
        return Reason.LETTER_USED
    if read.expires_at <= now:
        return Reason.LETTER_EXPIRED
    if len(row.wrong_dates) >= MOST_WRONG_DATES:
        return Reason.LETTER_LOCKED
    return KnownLetter(read.hash, read.reference, row.patient_id, row.appointment_id, read.expires_at)


def note_wrong_date(connection: Connection, known: KnownLetter, birth_date: date) -> Reason:
    """Remember a birth date that was wrong; the same one again, asked twice or typed twice, counts once.

    What is kept can't be turned back into the date without the letter.
    """
    mark = hmac.new(known.reference, birth_date.isoformat().encode(), hashlib.sha256).hexdigest()[:16]
    mine = select(letter.c.wrong_dates).where(letter.c.hash == known.hash).with_for_update()
    wrong: list[str] = connection.scalars(mine).one()
    if mark not in wrong:
        wrong = [*wrong, mark]
        connection.execute(letter.update().where(letter.c.hash == known.hash).values(wrong_dates=wrong))
    return Reason.LETTER_LOCKED if len(wrong) >= MOST_WRONG_DATES else Reason.BIRTH_DATE_DIFFERS


def appointment_for(known: KnownLetter, coming: Sequence[Appointment], day_ends: datetime) -> Appointment | None:
    """The appointment of today to check in for, of those from today on. The letter's own one goes first."""
    todays = [a for a in coming if a.starts_at < day_ends]
    own = next((a for a in todays if a.id == known.appointment_id and a.status in EXPECTED), None)
    return own or next_expected(todays)


def is_replaced(known: KnownLetter, coming: Sequence[Appointment]) -> bool:
    """Whether the letter's own appointment will not take place any more, from today on."""
    return not any(a.id == known.appointment_id and a.status in EXPECTED for a in coming)


def follow(connection: Connection, known: KnownLetter, appointment_id: str) -> None:
    """The letter is for another appointment of its patient from now on, unless it was used up meanwhile."""
    mine = (letter.c.hash == known.hash) & letter.c.used_at.is_(None)
    connection.execute(letter.update().where(mine).values(appointment_id=appointment_id))


def use(connection: Connection, appointment_id: str, check_in_id: UUID, now: datetime) -> None:
    """Use up every letter for an appointment, in the transaction of its check-in."""
    unused = (letter.c.appointment_id == appointment_id) & letter.c.used_at.is_(None)
    connection.execute(letter.update().where(unused).values(used_at=now, used_by=check_in_id))


def _first_key(connection: Connection, now: datetime) -> bytes:
    """Make the key. Two hubs on one database may do so at once: the first one counts."""
    connection.execute(_FIRST_KEY, {"key": secrets.token_bytes(letter_code.KEY_BYTES), "at": now})
    made = key(connection)
    assert made is not None  # noqa: S101 - it was just put there, by us or by another hub
    return made
