"""Appointment letters at the hub: asked with the birth date, followed when moved, used up by a check-in's commit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest

from kioskd.core.appointment import Appointment, AppointmentStatus
from kioskd.core.identity import Identified, Reason, Refused
from kioskd.core.patient import Identifier
from kioskd.errors import StoreError, Unreachable
from kioskd.hub import letters, tables
from kioskd.ports import CheckInRequest
from tests.hub.conftest import HubUnderTest
from tests.people import NOW, appointment, patient

BORN = date(1980, 2, 3)


async def issue(hub: HubUnderTest, of: Appointment | None = None) -> str:
    """A letter for an appointment that records hold."""
    hub.schedule.patients = [patient(), patient(2, "Weber", "Otto")]
    hub.schedule.appointments = [of or appointment()]
    return await hub.store.write(lambda c: letters.issue(c, of or appointment(), "resi", hub.clock.now))


def request(of: Appointment | None = None) -> CheckInRequest:
    return CheckInRequest(uuid4(), "entrance", NOW, patient(), of or appointment(), "letter", "de")


async def test_a_letter_and_the_birth_date_identify(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    for _ in range(2):  # it is not used up by asking
        assert await sqlite_hub.site.identify_letter(text, BORN, NOW) == Identified(patient(), appointment())


async def test_the_database_holds_no_letter_and_no_date(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    await sqlite_hub.site.identify_letter(text, date(1980, 2, 4), NOW)
    [row] = await sqlite_hub.rows(tables.letter)
    assert text[4:] not in str(row)
    assert "1980" not in str(row.wrong_dates)


async def test_a_committed_check_in_uses_it_up(hub: HubUnderTest) -> None:
    text = await issue(hub)
    asked = request()
    first = await hub.site.check_in(asked)
    assert await hub.site.identify_letter(text, BORN, NOW) == Refused(Reason.LETTER_USED)
    assert await hub.site.check_in(asked) == first, "the station may ask again for the answer that it lost"
    [row] = await hub.rows(tables.letter)
    assert (row.used_by, row.used_at) == (asked.check_in_id, NOW)


async def test_a_check_in_that_was_not_committed_does_not(hub: HubUnderTest) -> None:
    text = await issue(hub)

    def fails(connection: object) -> None:
        letters.use(connection, "a1", uuid4(), NOW)  # type: ignore[arg-type]
        raise StoreError("the transaction is rolled back")

    with pytest.raises(StoreError):
        await hub.store.write(fails)
    assert await hub.site.identify_letter(text, BORN, NOW) == Identified(patient(), appointment())


async def test_two_kiosks_with_one_letter_make_one_check_in(hub: HubUnderTest) -> None:
    text = await issue(hub)
    found = await asyncio.gather(*(hub.site.identify_letter(text, BORN, NOW) for _ in range(4)))
    assert found == [Identified(patient(), appointment())] * 4
    replies = await asyncio.gather(*(hub.site.check_in(request()) for _ in range(4)))
    assert {reply.label for reply in replies} == {"A1"}
    assert sorted(reply.was_checked_in_before for reply in replies) == [False, True, True, True]
    assert await hub.site.identify_letter(text, BORN, NOW) == Refused(Reason.LETTER_USED)


async def test_every_letter_of_an_appointment_is_used_up_by_a_check_in_with_a_card(sqlite_hub: HubUnderTest) -> None:
    texts = [await issue(sqlite_hub) for _ in range(2)]
    other = replace(appointment(2), patient_id="p1")
    text = await issue(sqlite_hub, other)
    await sqlite_hub.site.check_in(replace(request(), card_kind="egk"))
    assert [await sqlite_hub.site.identify_letter(t, BORN, NOW) for t in texts] == [Refused(Reason.LETTER_USED)] * 2
    assert await sqlite_hub.site.identify_letter(text, BORN, NOW) == Identified(patient(), other)


async def test_a_letter_follows_an_appointment_that_was_moved(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    later = replace(appointment(), starts_at=appointment().starts_at + timedelta(days=100))
    sqlite_hub.schedule.appointments = [later]
    assert await sqlite_hub.site.identify_letter(text, BORN, NOW) == Refused(Reason.NO_APPOINTMENT, patient())
    sqlite_hub.clock.now += timedelta(days=100)
    assert await sqlite_hub.site.identify_letter(text, BORN, sqlite_hub.clock.now) == Identified(patient(), later)
    await sqlite_hub.site.check_in(request(later))
    assert await sqlite_hub.site.identify_letter(text, BORN, sqlite_hub.clock.now) == Refused(Reason.LETTER_USED)


async def test_it_goes_over_to_the_appointment_that_took_the_place_of_its_own(hub: HubUnderTest) -> None:
    text = await issue(hub)
    new = replace(appointment(7), patient_id="p1")
    hub.schedule.appointments = [replace(appointment(), status=AppointmentStatus.CANCELLED), new]
    assert await hub.site.identify_letter(text, BORN, NOW) == Identified(patient(), new)
    await hub.site.check_in(request(new))
    assert await hub.site.identify_letter(text, BORN, NOW) == Refused(Reason.LETTER_USED)


async def test_who_comes_for_another_visit_keeps_the_letter_of_the_later_one(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    later = replace(appointment(), starts_at=appointment().starts_at + timedelta(days=3))
    today = replace(appointment(7), patient_id="p1")
    sqlite_hub.schedule.appointments = [later, today]
    assert await sqlite_hub.site.identify_letter(text, BORN, NOW) == Identified(patient(), today)
    await sqlite_hub.site.check_in(request(today))
    sqlite_hub.clock.now += timedelta(days=3)
    assert await sqlite_hub.site.identify_letter(text, BORN, sqlite_hub.clock.now) == Identified(patient(), later)


async def test_it_expires(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    sqlite_hub.clock.now = appointment().ends_at + letters.GOOD_AFTER - timedelta(hours=1)
    late = replace(appointment(), starts_at=sqlite_hub.clock.now)
    sqlite_hub.schedule.appointments = [late]
    assert await sqlite_hub.site.identify_letter(text, BORN, sqlite_hub.clock.now) == Identified(patient(), late)
    sqlite_hub.clock.now += timedelta(hours=2)
    assert await sqlite_hub.site.identify_letter(text, BORN, sqlite_hub.clock.now) == Refused(Reason.LETTER_EXPIRED)


async def test_a_wrong_birth_date_says_nothing_of_the_person(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    assert await sqlite_hub.site.identify_letter(text, date(1981, 2, 3), NOW) == Refused(Reason.BIRTH_DATE_DIFFERS)
    sqlite_hub.schedule.patients = [replace(patient(), birth_date=None)]
    assert await sqlite_hub.site.identify_letter(text, BORN, NOW) == Refused(Reason.BIRTH_DATE_DIFFERS)


async def test_birth_dates_cannot_be_tried_through(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    wrong = [BORN + timedelta(days=n) for n in range(1, letters.MOST_WRONG_DATES + 1)]
    again = [await sqlite_hub.site.identify_letter(text, wrong[0], NOW) for _ in range(9)]
    assert set(again) == {Refused(Reason.BIRTH_DATE_DIFFERS)}, "the same question asked again counts once"
    said = [await sqlite_hub.site.identify_letter(text, born, NOW) for born in wrong]
    assert said[:-1] == [Refused(Reason.BIRTH_DATE_DIFFERS)] * (len(wrong) - 1)
    assert said[-1] == Refused(Reason.LETTER_LOCKED)
    assert await sqlite_hub.site.identify_letter(text, BORN, NOW) == Refused(Reason.LETTER_LOCKED)
    assert await sqlite_hub.site.identify_letter(await issue(sqlite_hub), BORN, NOW) == Identified(
        patient(), appointment()
    )


async def test_wrong_dates_at_two_kiosks_at_once_all_count(hub: HubUnderTest) -> None:
    text = await issue(hub)
    wrong = [BORN + timedelta(days=n) for n in range(1, letters.MOST_WRONG_DATES + 1)]
    await asyncio.gather(*(hub.site.identify_letter(text, born, NOW) for born in wrong))
    assert await hub.site.identify_letter(text, BORN, NOW) == Refused(Reason.LETTER_LOCKED)


async def test_a_letter_that_is_not_ours_is_unknown(sqlite_hub: HubUnderTest) -> None:
    strange = "KL1:" + "A" * 56
    assert await sqlite_hub.site.identify_letter(strange, BORN, NOW) == Refused(Reason.LETTER_UNKNOWN)
    text = await issue(sqlite_hub)
    changed = text[:-1] + ("A" if text[-1] != "A" else "B")
    for wrong in (strange, changed, text.lower(), "", "KL1:"):
        assert await sqlite_hub.site.identify_letter(wrong, BORN, NOW) == Refused(Reason.LETTER_UNKNOWN)


async def test_a_letter_of_somebody_whom_records_no_longer_know_is_for_the_desk(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    sqlite_hub.schedule.patients = []
    assert await sqlite_hub.site.identify_letter(text, BORN, NOW) == Refused(Reason.NO_PATIENT)


async def test_the_first_letters_of_many_desks_share_one_key(hub: HubUnderTest) -> None:
    texts = await asyncio.gather(*(issue(hub) for _ in range(5)))
    found = [await hub.site.identify_letter(text, BORN, NOW) for text in texts]
    assert found == [Identified(patient(), appointment())] * 5
    assert len(await hub.rows(tables.letter_key)) == 1


async def test_a_database_that_refuses_is_a_hub_that_is_away(sqlite_hub: HubUnderTest) -> None:
    text = await issue(sqlite_hub)
    await sqlite_hub.store.write(lambda c: tables.letter.drop(c))
    with pytest.raises(Unreachable):
        await sqlite_hub.site.identify_letter(text, BORN, NOW)


async def test_a_number_and_the_birth_date_identify(sqlite_hub: HubUnderTest) -> None:
    number = patient().identifiers[0]
    sqlite_hub.schedule.patients, sqlite_hub.schedule.appointments = [patient()], [appointment()]
    assert await sqlite_hub.site.identify_number(number, BORN, False, NOW) == Identified(patient(), appointment())
    wrong = date(1980, 3, 2)
    assert await sqlite_hub.site.identify_number(number, wrong, False, NOW) == Refused(Reason.BIRTH_DATE_DIFFERS)
    unknown = Identifier(number.system, "X999999999")
    assert await sqlite_hub.site.identify_number(unknown, BORN, False, NOW) == Refused(Reason.NO_PATIENT)
    sqlite_hub.schedule.appointments = []
    assert await sqlite_hub.site.identify_number(number, BORN, False, NOW) == Refused(Reason.NO_APPOINTMENT, patient())


async def test_a_number_that_a_family_shares_needs_the_one_with_that_birth_date(sqlite_hub: HubUnderTest) -> None:
    number = patient().identifiers[0]
    child = replace(patient(2, "Huber", "Eva"), identifiers=(number,), birth_date=date(2019, 5, 6))
    twin = replace(child, id="p3", given="Udo")
    sqlite_hub.schedule.patients, sqlite_hub.schedule.appointments = [patient(), child], [appointment()]
    assert await sqlite_hub.site.identify_number(number, BORN, True, NOW) == Identified(patient(), appointment())
    assert await sqlite_hub.site.identify_number(number, BORN, False, NOW) == Refused(Reason.SEVERAL_PATIENTS)
    sqlite_hub.schedule.patients.append(twin)
    assert await sqlite_hub.site.identify_number(number, date(2019, 5, 6), True, NOW) == Refused(
        Reason.SEVERAL_PATIENTS
    )
