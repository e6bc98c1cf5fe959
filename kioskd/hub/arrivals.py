"""Who came, as rows of ``check_in``. Runs inside transactions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert

from kioskd.hub import people
from kioskd.hub.tables import check_in
from kioskd.hub.view import RecordState
from kioskd.ports import CheckInRequest, HelpRequest


def insert_check_in(connection: Connection, request: CheckInRequest, now: datetime) -> None:
    """A confirmed check-in."""
    patient, appointment = request.patient, request.appointment
    connection.execute(
        insert(check_in).values(
            id=request.check_in_id,
            station=request.station,
            arrived_at=request.arrived_at,
            committed_at=now,
            language=request.language,
            card_kind=request.card_kind,
            reason=None,
            appointment_id=appointment.id,
            appointment_at=appointment.starts_at,
            practitioner=appointment.practitioner[:200],
            patient_id=patient.id,
            family=patient.family[:200],
            given=patient.given[:200],
            birth_date=patient.birth_date,
            patient=people.stored(patient),
            record_state=RecordState.PENDING,
            record_error="",
        )
    )


def insert_help(connection: Connection, request: HelpRequest, now: datetime) -> None:
    """Somebody who could not be checked in."""
    patient = request.patient
    connection.execute(
        insert(check_in).values(
            id=request.check_in_id,
            station=request.station,
            arrived_at=request.arrived_at,
            committed_at=now,
            language=request.language,
            card_kind="",
            reason=request.reason,
            practitioner="",
            patient_id=patient.id if patient else "",
            family=patient.family[:200] if patient else "",
            given=patient.given[:200] if patient else "",
            birth_date=patient.birth_date if patient else None,
            patient=people.stored(patient) if patient else None,
            record_state=RecordState.NONE,
            record_error="",
        )
    )
