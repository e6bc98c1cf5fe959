"""Bands for similar names, newborns and people whom nobody has identified."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from kioskd.core.identity import Reason
from kioskd.core.patient import Sex
from kioskd.core.printing import BEGIN_WITHIN, Cause, PrintState, ProofKind
from kioskd.hub import tables
from kioskd.hub.sheet_view import BandReason, BandState, ChildAsSaid, VoidBand
from kioskd.hub.view import QueueRow
from kioskd.ports import HelpRequest, Newborn, UnknownPerson
from tests.hub.conftest import HubUnderTest
from tests.hub.test_sheet_desk import (
    AT_DESK,
    BAND,
    BANDS,
    band,
    device,
    front_desk,
    printed,
    refused,
    report,
    row,
    trail,
    unknown,
)
from tests.people import NOW, patient, request

BORN = datetime(2026, 11, 23, 8, 40)  # 07:40 UTC: the site is in Berlin
CHILD = ChildAsSaid("200001", BORN)


async def helped(hub: HubUnderTest, number: int = 1) -> QueueRow:
    """Somebody whom nobody has identified; a band printer."""
    await device(hub, BANDS, "wristband-printer")
    await hub.site.ask_for_help(HelpRequest(UUID(int=number), "entrance", hub.clock.now, Reason.ASKED_FOR_HELP, "de"))
    return await row(hub)


# --- similar names ------------------------------------------------------------------------------------------------


async def test_a_band_warns_of_a_similar_name_only_when_staff_say_so(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await device(hub, AT_DESK, "wristband-printer")
    await hub.desk.sheets.print_band(ticket, 1, AT_DESK, "anna", is_name_similar=True)
    [order] = await hub.site.orders("desk")
    assert (order.is_name_similar, order.band_number, order.patient) == (True, 2, patient())
    assert (await band(hub)).is_name_similar
    await printed(hub, 2)
    await hub.desk.sheets.new_band(ticket, 2, BandReason.DAMAGED, AT_DESK, "anna")
    assert (await band(hub)).is_name_similar, "a new band says what the old one said"
    await unknown(hub, copy=3)
    await hub.desk.sheets.band_did_not_come_out(ticket, 3, AT_DESK, "anna")
    assert (await band(hub)).is_name_similar
    await printed(hub, 4)
    await hub.desk.sheets.new_band(ticket, 4, BandReason.WRONG, AT_DESK, "anna", is_name_similar=False)
    assert not (await band(hub)).is_name_similar


async def test_a_band_that_the_kiosk_may_print_without_the_warning_keeps_its_number_to_itself(
    sqlite_hub: HubUnderTest,
) -> None:
    ticket = await front_desk(sqlite_hub)
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna", is_name_similar=True)
    [order] = await sqlite_hub.site.orders("entrance")
    assert (order.copy, order.band_number, order.is_name_similar) == (2, 2, True)


async def test_a_band_that_no_kiosk_can_print_keeps_its_number_with_the_warning(sqlite_hub: HubUnderTest) -> None:
    hub = sqlite_hub
    await device(hub, AT_DESK, "wristband-printer")
    await hub.site.check_in(request())
    await hub.desk.sheets.print_band((await row(hub)).ticket_id, 1, AT_DESK, "anna", is_name_similar=True)
    [order] = await hub.site.orders("desk")
    assert (order.band_number, order.is_name_similar) == (1, True)


# --- unknown people -----------------------------------------------------------------------------------------------


async def test_an_unknown_person_is_told_by_record_number_and_arrival(hub: HubUnderTest) -> None:
    who = await helped(hub)
    await hub.desk.sheets.band_for_unknown(who.ticket_id, " 300001 ", Sex.MALE, BANDS, "anna")
    [order] = await hub.site.orders("entrance")
    said = (order.patient, order.unnamed, order.record_number, order.band_number)
    assert said == (None, UnknownPerson(Sex.MALE, NOW), "300001", 1)
    found = await band(hub)
    assert (found.state, found.unnamed, found.record_number) == (BandState.ORDERED, order.unnamed, "300001")
    assert await trail(hub) == [
        ("staff:anna", "band-for-unknown", {"ticket": "D1", "band": "1", "printer": "entrance/bands"})
    ]
    await printed(hub, 1)
    await hub.desk.sheets.put_band_on(who.ticket_id, 1, "anna")
    await hub.desk.sheets.new_band(who.ticket_id, 1, BandReason.LOST, BANDS, "anna")
    [order] = await hub.site.orders("entrance")
    assert (order.unnamed, order.record_number, order.band_number) == (UnknownPerson(Sex.MALE, NOW), "300001", 2)


async def test_what_was_mistyped_is_put_right_by_another_band_and_the_wrong_one_is_void(
    sqlite_hub: HubUnderTest,
) -> None:
    hub = sqlite_hub
    ticket = (await helped(hub)).ticket_id

    def again(number: str, sex: Sex = Sex.MALE) -> Awaitable[None]:
        return hub.desk.sheets.band_for_unknown(ticket, number, sex, BANDS, "anna")

    await again("300001")
    await refused(again("300002"), "band-ordered")
    await unknown(hub)
    await refused(again("300002"), "band-unknown")
    await hub.desk.sheets.came_out(ticket, BAND, 1, "anna")
    await refused(again("300001"), "band-there")
    await again("300002")
    found = await band(hub)
    assert (found.number, found.record_number, found.void) == (1, "300002", (VoidBand(1, Cause.REPLACED, True),))
    hub.clock.now += BEGIN_WITHIN  # nobody took the order
    await again("300002", Sex.FEMALE)
    found = await band(hub)
    assert (found.number, found.void[-1]) == (2, VoidBand(1, None, came_out=False))


async def test_who_is_in_the_records_is_not_unknown(sqlite_hub: HubUnderTest) -> None:
    hub = sqlite_hub
    ticket = await front_desk(hub)
    await refused(hub.desk.sheets.band_for_unknown(ticket, "300001", Sex.MALE, BANDS, "anna"), "is-known")
    await hub.site.ask_for_help(HelpRequest(uuid4(), "entrance", NOW, Reason.NO_APPOINTMENT, "de", patient(2)))
    ticket = (await row(hub)).ticket_id
    await refused(hub.desk.sheets.band_for_unknown(ticket, "300001", Sex.MALE, BANDS, "anna"), "is-known")


@pytest.mark.parametrize("number", ["", "   ", "x" * 41, "30\x1b01"])
async def test_a_band_without_a_name_needs_a_record_number(sqlite_hub: HubUnderTest, number: str) -> None:
    who = await helped(sqlite_hub)
    asked = sqlite_hub.desk.sheets.band_for_unknown(who.ticket_id, number, Sex.UNKNOWN, BANDS, "anna")
    await refused(asked, "no-record-number")
    assert await sqlite_hub.rows(tables.band) == []


async def test_two_without_a_name_do_not_get_one_record_number(hub: HubUnderTest) -> None:
    first, second = await helped(hub, 1), await helped(hub, 2)
    await hub.desk.sheets.band_for_unknown(first.ticket_id, "300001", Sex.MALE, BANDS, "anna")
    asked = hub.desk.sheets.band_for_unknown(second.ticket_id, "300001", Sex.MALE, BANDS, "anna")
    assert "300001" not in await refused(asked, "number-taken")
    hub.clock.now += timedelta(days=2)  # that was another time
    later = await helped(hub, 3)
    await hub.desk.sheets.band_for_unknown(later.ticket_id, "300001", Sex.MALE, BANDS, "anna")
    numbers = {row.check_in_id.int: row.number for row in await hub.rows(tables.band)}
    assert numbers == {1: 1, 3: 2}


async def test_who_gets_a_name_later_goes_on_with_the_numbers_of_the_record_number(hub: HubUnderTest) -> None:
    """A band's code is record number and band number: none may stand on two bands."""
    who = await helped(hub)
    await hub.desk.sheets.band_for_unknown(who.ticket_id, "100001", Sex.FEMALE, BANDS, "anna")
    named = await hub.site.check_in(request())
    assert named.band_number == 2
    assert patient().record_number == "100001"
    await printed(hub, 1)
    hub.clock.now += timedelta(days=2)
    later = await helped(hub, 2)
    await hub.desk.sheets.band_for_unknown(later.ticket_id, "100001", Sex.FEMALE, BANDS, "anna")
    assert (await band(hub)).number == 3


# --- newborns -----------------------------------------------------------------------------------------------------


async def test_a_newborn_is_told_by_its_own_record_number_its_mother_and_its_birth(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await hub.desk.sheets.band_for_newborn(ticket, replace(CHILD, births=2), BANDS, "anna")
    second = ChildAsSaid("200002", BORN + timedelta(minutes=4), 2, 2)
    await hub.desk.sheets.band_for_newborn(ticket, second, BANDS, "anna")
    orders = sorted(await hub.site.orders("entrance"), key=lambda order: order.copy)
    born_at = BORN.replace(tzinfo=UTC) - timedelta(hours=1)
    assert [(o.kind, o.patient, o.unnamed, o.record_number, o.band_number) for o in orders] == [
        (BAND, None, Newborn("Huber", "Anna", "100001", born_at, 1, 2), "200001", 1),
        (BAND, None, Newborn("Huber", "Anna", "100001", born_at + timedelta(minutes=4), 2, 2), "200002", 1),
    ]
    found = await row(hub)
    assert found.band is not None
    assert (found.band.state, found.band.number) == (BandState.DUE, 1), "the mother's own band stays what it was"
    assert [(child.person, child.record_number, child.state) for child in found.children] == [
        (1, "200001", BandState.ORDERED),
        (2, "200002", BandState.ORDERED),
    ]
    assert [action for _, action, _ in await trail(hub)] == ["band-for-newborn"] * 2


async def test_bands_of_mother_and_children_live_each_for_itself(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await hub.desk.sheets.band_for_newborn(ticket, CHILD, BANDS, "anna")
    [child] = (await row(hub)).children
    await report(hub, BAND, child.copy, PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST)
    await hub.desk.sheets.print_band(ticket, 1, BANDS, "anna")
    await hub.desk.sheets.band_did_not_come_out(ticket, child.copy, BANDS, "anna")
    found = await row(hub)
    assert found.band is not None
    assert (found.band.state, found.band.copy, found.band.void) == (BandState.ORDERED, 1, ())
    [child] = found.children
    assert (child.state, child.number, child.void) == (BandState.ORDERED, 2, (VoidBand(1, Cause.DENIED, False),))
    await refused(hub.desk.sheets.put_band_on(ticket, 2, "anna"), "other-band")
    await report(hub, BAND, child.copy, PrintState.PRINTED, proof=ProofKind.ODOMETER)
    await hub.desk.sheets.put_band_on(ticket, child.copy, "anna")
    found = await row(hub)
    assert [(sheet.copy, sheet.state) for sheet in found.sheets] == [(child.copy, PrintState.PRINTED)]
    assert [b.state for b in (found.band, *found.children) if b] == [BandState.ORDERED, BandState.ON]


async def test_a_kiosk_that_asks_again_is_told_of_the_mothers_band_and_of_no_childs(sqlite_hub: HubUnderTest) -> None:
    hub = sqlite_hub
    await device(hub, BANDS, "wristband-printer")
    asked = request()
    without = replace(asked, appointment=replace(asked.appointment, area="lab"))
    await hub.site.check_in(without)
    await hub.site.ask_for_help(HelpRequest(uuid4(), "entrance", NOW, Reason.NO_APPOINTMENT, "de", patient(2)))
    mother = await row(hub)
    await hub.desk.sheets.band_for_newborn(mother.ticket_id, CHILD, BANDS, "anna")
    assert [child.copy for child in (await row(hub)).children] == [1]
    assert (await hub.site.check_in(without)).band_number is None
    ticket = next(r.ticket_id for r in (await hub.desk.view()).rows if r.label == "C1")
    await refused(hub.desk.sheets.band_for_newborn(ticket, CHILD, BANDS, "anna"), "no-band")


@pytest.mark.parametrize(
    ("child", "rule"),
    [
        (replace(CHILD, record_number="100001"), "mothers-number"),
        (replace(CHILD, record_number=""), "no-record-number"),
        (replace(CHILD, birth_order=2), "birth-order"),
        (replace(CHILD, birth_order=0), "birth-order"),
        (replace(CHILD, births=10), "birth-order"),
        (replace(CHILD, born_at=BORN + timedelta(hours=1)), "born-when"),
        (replace(CHILD, born_at=BORN - timedelta(days=29)), "born-when"),
    ],
)
async def test_a_newborn_of_whom_something_is_wrong_gets_no_band(
    sqlite_hub: HubUnderTest, child: ChildAsSaid, rule: str
) -> None:
    ticket = await front_desk(sqlite_hub)
    await refused(sqlite_hub.desk.sheets.band_for_newborn(ticket, child, BANDS, "anna"), rule)
    assert await sqlite_hub.site.orders("entrance") == []


async def test_a_time_that_the_clocks_left_out_is_no_time_of_birth(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    sqlite_hub.clock.now = datetime(2027, 3, 28, 8, 0, tzinfo=UTC)
    child = replace(CHILD, born_at=datetime(2027, 3, 28, 2, 30))
    await refused(sqlite_hub.desk.sheets.band_for_newborn(ticket, child, BANDS, "anna"), "born-when")


async def test_twins_do_not_get_one_record_number_and_an_unknown_person_is_no_mother(sqlite_hub: HubUnderTest) -> None:
    hub = sqlite_hub
    ticket = await front_desk(hub)
    await hub.desk.sheets.band_for_newborn(ticket, replace(CHILD, births=2), BANDS, "anna")
    twin = replace(CHILD, birth_order=2, births=2)
    await refused(hub.desk.sheets.band_for_newborn(ticket, twin, BANDS, "anna"), "number-taken")
    who = await helped(hub)
    await refused(hub.desk.sheets.band_for_newborn(who.ticket_id, CHILD, BANDS, "anna"), "no-mother")
    assert len(await hub.rows(tables.print_order)) == 1
