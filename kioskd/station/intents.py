"""Check-ins and help tickets asked of the hub and not yet answered, in station.db. Runs inside transactions.

The intent is committed before the hub is asked and closed in the transaction that makes the print jobs. After a
crash every open intent is asked again; the hub answers the same, because the id is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, insert, select, update

from kioskd.ports import CheckInRequest, HelpRequest
from kioskd.station.tables import intent

_KINDS: dict[str, TypeAdapter[CheckInRequest] | TypeAdapter[HelpRequest]] = {
    "check-in": TypeAdapter(CheckInRequest),
    "help": TypeAdapter(HelpRequest),
}

Request = CheckInRequest | HelpRequest


def _kind(request: Request) -> str:
    return "check-in" if isinstance(request, CheckInRequest) else "help"


def open_intent(connection: Connection, request: Request, now: datetime) -> None:
    """Note what will be asked. The same request twice is one intent."""
    where = (intent.c.check_in_id == request.check_in_id) & (intent.c.kind == _kind(request))
    if connection.execute(select(intent.c.check_in_id).where(where)).first() is not None:
        return
    document = _KINDS[_kind(request)].dump_python(request, mode="json")  # type: ignore[arg-type]
    connection.execute(
        insert(intent).values(check_in_id=request.check_in_id, kind=_kind(request), request=document, created_at=now)
    )


def close_intent(connection: Connection, request: Request, now: datetime) -> bool:
    """The hub has answered; whether this was the first answer. The request, patient data, is not kept."""
    done = connection.execute(
        update(intent)
        .where(
            intent.c.check_in_id == request.check_in_id,
            intent.c.kind == _kind(request),
            intent.c.answered_at.is_(None),
        )
        .values(answered_at=now, request={})
    )
    return done.rowcount == 1


def open_intents(connection: Connection) -> Sequence[Request]:
    """Everything still to ask, oldest first."""
    query = select(intent).where(intent.c.answered_at.is_(None)).order_by(intent.c.created_at)
    return [_KINDS[row.kind].validate_python(row.request) for row in connection.execute(query)]
