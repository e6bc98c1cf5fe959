"""Outbox messages of check-ins. The persons are invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from kioskd.ports import OutboxMessage

NOW = datetime(2026, 11, 23, 8, 5, 30, tzinfo=UTC)
_TESTS = UUID("5f0c0000-0000-4000-8000-000000000000")


def check_in_id(number: int) -> UUID:
    return uuid5(_TESTS, str(number))


def payload(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "check_in_id": str(check_in_id(number)),
        "patient_id": "p1",
        "appointment_id": "a1",
        "arrived_at": "2026-11-23T09:02:11.250+01:00",
        "label": f"A{number}",
        "area_name": "Waiting room 1",
        "station": "entrance",
        "card_kind": "egk",
    } | more


def message(number: int = 1, kind: str = "check-in", **more: Any) -> OutboxMessage:
    return OutboxMessage(number, "records", f"patient/{number}", kind, payload(number, **more), 0, NOW)
