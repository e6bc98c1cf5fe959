"""Print jobs in station.db. Runs inside transactions; the transitions themselves are ``core.printing``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, func, insert, select, text, update

from kioskd.core import printing
from kioskd.core.printing import Cause, JobKey, PrintJob, PrintState, ProofKind, SheetKind
from kioskd.station.tables import print_job, token_counter

HIGHEST_TOKEN = 9999

_NEXT_TOKEN = text(
    "INSERT INTO token_counter (device, last) VALUES (:device, 1) "
    "ON CONFLICT (device) DO UPDATE SET last = token_counter.last % :highest + 1 RETURNING last"
)

UNFINISHED = (PrintState.QUEUED, PrintState.SENDING, PrintState.SENT)


def add(connection: Connection, job: PrintJob) -> bool:
    """Add a job; whether it is new. The same key twice is one job."""
    if load(connection, job.key) is not None:
        return False
    connection.execute(insert(print_job).values(**_key_columns(job.key), **_columns(job), **_said(job)))
    return True


def load(connection: Connection, key: JobKey) -> PrintJob | None:
    row = connection.execute(select(print_job).where(_is(key))).one_or_none()
    return None if row is None else _job(row)


def save(connection: Connection, job: PrintJob) -> None:
    """Write back a job after a transition; what a finished one says is patient data and is not kept."""
    values = _columns(job) | ({"payload": b"", "content": None} if job.is_over else {})
    connection.execute(update(print_job).where(_is(job.key)).values(values))


def reroute(connection: Connection, seen: PrintJob, device: str, payload: bytes) -> PrintJob | None:
    """Another printer takes a job. None when it is not queued where it was ``seen`` any more."""
    job = load(connection, seen.key)
    if job is None or job.state is not PrintState.QUEUED or job.device != seen.device:
        return None
    moved = printing.rerouted(job, device, payload)
    save(connection, moved)
    connection.execute(update(print_job).where(_is(job.key)).values(payload=payload))
    return moved


def begin(connection: Connection, seen: PrintJob, odometer_before: int | None) -> PrintJob | None:
    """Commit this before the first byte. None when the job may not begin any more: it expired meanwhile, or another
    printer took it since it was ``seen``.
    """
    job = load(connection, seen.key)
    if job is None or job.state is not PrintState.QUEUED or job.device != seen.device:
        return None
    token = int(connection.execute(_NEXT_TOKEN, {"device": job.device, "highest": HIGHEST_TOKEN}).scalar_one())
    begun = printing.begin(job, token, odometer_before)
    save(connection, begun)
    return begun


def next_queued(connection: Connection, device: str) -> PrintJob | None:
    """The oldest job that waits for a device."""
    query = (
        select(print_job)
        .where(print_job.c.device == device, print_job.c.state == PrintState.QUEUED)
        .order_by(print_job.c.created_at, print_job.c.kind)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _job(row)


def by_order(connection: Connection, order_id: UUID) -> PrintJob | None:
    """The job that follows an order of staff."""
    row = connection.execute(select(print_job).where(print_job.c.order_id == order_id)).one_or_none()
    return None if row is None else _job(row)


def of_check_in(connection: Connection, check_in_id: UUID) -> Sequence[PrintJob]:
    """All jobs of a check-in, oldest copy first."""
    query = select(print_job).where(print_job.c.check_in_id == check_in_id).order_by(print_job.c.copy)
    return [_job(row) for row in connection.execute(query)]


def unfinished(connection: Connection) -> Sequence[PrintJob]:
    """All jobs that are not over."""
    query = select(print_job).where(print_job.c.state.in_(UNFINISHED)).order_by(print_job.c.created_at)
    return [_job(row) for row in connection.execute(query)]


def unknown_with_odometer(connection: Connection, device: str) -> PrintJob | None:
    """The newest job of a device that an odometer may still settle: UNKNOWN, and nothing was begun after it.

    The device's newest token tells which was begun last; the time would not, after the clock was set.
    """
    query = (
        select(print_job)
        .join(token_counter, token_counter.c.device == print_job.c.device)
        .where(
            print_job.c.device == device,
            print_job.c.token == token_counter.c.last,
            print_job.c.odometer_before.is_not(None),
        )
        .order_by(print_job.c.created_at.desc())  # tokens come again after HIGHEST_TOKEN
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    job = None if row is None else _job(row)
    return job if job is not None and job.state is PrintState.UNKNOWN else None


def expire(
    connection: Connection, cause: Cause | None, now: datetime, check_in_id: UUID | None = None
) -> list[PrintJob]:
    """Expire what must not begin any more: jobs of an ended session, or those that waited too long."""
    expired = []
    for job in unfinished(connection):
        is_mine = check_in_id is not None and job.key.check_in_id == check_in_id
        if printing.is_due_to_expire(job, now, session_is_over=is_mine):
            gone = printing.expire(job, cause, now)
            save(connection, gone)
            expired.append(gone)
    return expired


def recover(connection: Connection, now: datetime) -> None:
    """What a crash left behind: begun jobs are UNKNOWN, queued ones expire."""
    for job in unfinished(connection):
        save(connection, printing.after_restart(job, now))


def made_since(connection: Connection, begin: datetime) -> Sequence[PrintJob]:
    """All jobs made since ``begin``, oldest first."""
    query = select(print_job).where(print_job.c.created_at >= begin).order_by(print_job.c.created_at)
    return [_job(row) for row in connection.execute(query)]


def next_copy(connection: Connection, check_in_id: UUID, kind: SheetKind) -> int | None:
    """The copy number for a patient who asks again, or None when a sheet came out or may have come out."""
    mine = [job for job in of_check_in(connection, check_in_id) if job.key.kind is kind]
    if any(job.state is not PrintState.EXPIRED for job in mine):
        return None
    return max((job.key.copy for job in mine), default=0) + 1


def oldest_queued_at(connection: Connection) -> datetime | None:
    """When the longest-waiting job was made, or None."""
    oldest: datetime | None = connection.scalar(
        select(func.min(print_job.c.created_at)).where(print_job.c.state == PrintState.QUEUED)
    )
    return oldest


def _is(key: JobKey) -> Any:
    return and_(print_job.c.check_in_id == key.check_in_id, print_job.c.kind == key.kind, print_job.c.copy == key.copy)


def _key_columns(key: JobKey) -> dict[str, Any]:
    return {"check_in_id": key.check_in_id, "kind": key.kind, "copy": key.copy}


def _columns(job: PrintJob) -> dict[str, Any]:
    return {
        "device": job.device,
        "state": job.state,
        "attempts": job.attempts,
        "token": job.token,
        "odometer_before": job.odometer_before,
        "proof": job.proof,
        "cause": job.cause,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
        "order_id": job.order_id,
    }


def _said(job: PrintJob) -> dict[str, Any]:
    """What the sheet says, for the printer it waits for and for any other."""
    return {"payload": job.payload, "content": json.loads(job.content) if job.content else None}


def _job(row: Row[Any]) -> PrintJob:
    return PrintJob(
        key=JobKey(row.check_in_id, SheetKind(row.kind), row.copy),
        device=row.device,
        payload=row.payload,
        created_at=row.created_at,
        state=PrintState(row.state),
        attempts=row.attempts,
        token=row.token,
        odometer_before=row.odometer_before,
        proof=ProofKind(row.proof) if row.proof else None,
        cause=Cause(row.cause) if row.cause else None,
        ended_at=row.ended_at,
        order_id=row.order_id,
        content="" if row.content is None else json.dumps(row.content),
    )
