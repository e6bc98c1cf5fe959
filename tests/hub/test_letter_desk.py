"""Letters at the console: for the appointments of a day that are expected, with who saw and wrote them in the audit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from kioskd.core.appointment import AppointmentStatus
from kioskd.core.identity import Identified
from kioskd.errors import RuleViolation
from kioskd.hub import tables
from kioskd.hub.letter_desk import LetterDesk
from kioskd.hub.letter_view import LetterRow
from tests.hub.conftest import RULES, HubUnderTest
from tests.people import NOW, appointment, patient

DAY = NOW.date()


def desk(hub: HubUnderTest) -> LetterDesk:
    return LetterDesk(hub.store, hub.schedule, RULES, hub.clock)


async def test_a_letter_that_was_printed_identifies_at_the_kiosk(hub: HubUnderTest) -> None:
    hub.schedule.patients, hub.schedule.appointments = [patient()], [appointment()]
    letter = await desk(hub).issue(DAY, "a1", "resi")
    assert letter.row == LetterRow("a1", appointment().starts_at, "Huber", "Anna", "Dr. Lena Hart")
    assert letter.code not in repr(letter)
    assert await hub.site.identify_letter(letter.code, date(1980, 2, 3), NOW) == Identified(patient(), appointment())
    [entry] = await hub.rows(tables.audit)
    assert (entry.actor, entry.action, entry.subject) == ("staff:resi", "letter", "appointment/a1")


async def test_the_list_is_of_one_business_day_by_time_and_its_view_is_in_the_audit_trail(hub: HubUnderTest) -> None:
    at = appointment().starts_at
    hub.schedule.patients = [patient()]
    hub.schedule.appointments = [
        appointment(),
        replace(appointment(2), patient_id="p1", starts_at=at - timedelta(hours=1)),
        replace(appointment(3), patient_id="p1", starts_at=at + timedelta(days=1)),
        replace(appointment(4), patient_id="p1", status=AppointmentStatus.CANCELLED),
        replace(appointment(5), patient_id="p1", status=AppointmentStatus.CHECKED_IN),
    ]
    assert [row.appointment_id for row in await desk(hub).of_day(DAY, "resi")] == ["a2", "a1"]
    assert desk(hub).next_day() == DAY + timedelta(days=1)
    assert [row.appointment_id for row in await desk(hub).of_day(desk(hub).next_day(), "resi")] == ["a3"]
    entries = await hub.rows(tables.audit)
    assert [(e.actor, e.action, e.subject) for e in entries] == [
        ("staff:resi", "view-letters", f"day/{day}") for day in (DAY, DAY + timedelta(days=1))
    ]


async def test_no_letter_is_written_for_an_appointment_that_is_not_expected_then(hub: HubUnderTest) -> None:
    hub.schedule.patients, hub.schedule.appointments = [patient()], [appointment()]
    for day, appointment_id in ((DAY, "a9"), (DAY + timedelta(days=1), "a1")):
        with pytest.raises(RuleViolation) as refusal:
            await desk(hub).issue(day, appointment_id, "resi")
        assert refusal.value.rule == "not-expected"
    assert await hub.rows(tables.letter) == []
