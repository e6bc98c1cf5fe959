"""Labels at the desk: each one an order of its own, for who is told by two identifiers, and none of them twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from kioskd.core.events import PrintOrdered
from kioskd.core.identity import Reason
from kioskd.core.printing import BEGIN_WITHIN, Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub import tables
from kioskd.hub.sheet_view import LabelRow, LabelWish, PrinterName
from kioskd.ports import HelpRequest, PrintReport
from tests.hub.conftest import HubUnderTest
from tests.hub.test_sheet_desk import device, refused, row, trail
from tests.people import NOW, patient, request

LABELS = PrinterName("desk", "labels")
SPECIMEN, DOCUMENT = SheetKind.SPECIMEN_LABEL, SheetKind.DOCUMENT_LABEL


async def front_desk(hub: HubUnderTest) -> UUID:
    """One check-in to an area without wristbands, and a label printer; the ticket's id."""
    await device(hub, LABELS, "label-printer")
    asked = request()
    await hub.site.check_in(replace(asked, appointment=replace(asked.appointment, area="lab")))
    return (await row(hub)).ticket_id


async def report(hub: HubUnderTest, copy: int, state: PrintState, cause: Cause | None = None) -> None:
    check_in_id, proof = (await row(hub)).check_in_id, ProofKind.ODOMETER if state is PrintState.PRINTED else None
    said = PrintReport(check_in_id, SPECIMEN, copy, state, proof, cause, hub.clock.now, "desk", "labels")
    await hub.site.report_print(said)


async def test_labels_are_as_many_orders_with_all_that_they_say(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await hub.desk.sheets.print_labels(ticket, LabelWish(SPECIMEN, 3, " Serum "), 0, LABELS, "anna")
    orders = await hub.site.orders("desk")
    assert sorted(order.copy for order in orders) == [1, 2, 3]
    said = {(o.kind, o.device, o.patient, o.title, o.code, o.band_number) for o in orders}
    assert said == {(SPECIMEN, "labels", patient(), "Serum", "", None)}
    detail = {"ticket": "C1", "sheet": "specimen-label", "copies": "1-3", "printer": "desk/labels"}
    assert await trail(hub) == [("staff:anna", "print-labels", detail)]
    await hub.desk.sheets.print_labels(ticket, LabelWish(SPECIMEN, 1), 3, LABELS, "anna")
    await hub.desk.sheets.print_labels(ticket, LabelWish(DOCUMENT, 1, "Referral", "DOC-7"), 4, LABELS, "bert")
    more = [(o.kind, o.copy, o.title, o.code) for o in await hub.site.orders("desk") if o not in orders]
    assert sorted(more) == [(DOCUMENT, 1, "Referral", "DOC-7"), (SPECIMEN, 4, "", "")]
    heard = [event for event in await hub.heard() if isinstance(event, PrintOrdered)]
    assert [event.station for event in heard] == ["desk"] * 3


async def test_labels_need_two_identifiers_of_the_person(sqlite_hub: HubUnderTest) -> None:
    hub = sqlite_hub
    await device(hub, LABELS, "label-printer")
    whole = patient()
    for number, who in enumerate(
        (None, replace(whole, birth_date=None), replace(whole, record_number=""), replace(whole, family="", given=""))
    ):
        await hub.site.ask_for_help(
            HelpRequest(UUID(int=number), "entrance", NOW, Reason.NO_APPOINTMENT, "de", patient=who)
        )
        found = await row(hub)
        assert (found.has_two_identifiers, found.is_identified) == (False, who is not None)
        await refused(
            hub.desk.sheets.print_labels(found.ticket_id, LabelWish(SPECIMEN, 1), 0, LABELS, "anna"), "no-identifiers"
        )
    await hub.site.ask_for_help(HelpRequest(UUID(int=9), "entrance", NOW, Reason.NO_APPOINTMENT, "de", patient=whole))
    known = await row(hub)
    assert known.has_two_identifiers
    await hub.desk.sheets.print_labels(known.ticket_id, LabelWish(SPECIMEN, 1), 0, LABELS, "anna")
    assert [order.patient for order in await hub.site.orders("desk")] == [whole]


@pytest.mark.parametrize(
    ("wish", "rule"),
    [
        (LabelWish(SPECIMEN, 0), "label-count"),
        (LabelWish(SPECIMEN, 11), "label-count"),
        (LabelWish(SheetKind.TICKET, 1), "label-count"),
        (LabelWish(DOCUMENT, 1, "x" * 41), "label-text"),
        (LabelWish(DOCUMENT, 1, "a\x1bb"), "label-text"),
        (LabelWish(DOCUMENT, 1, code="4711\n4712"), "label-text"),
    ],
)
async def test_what_fits_on_no_label_is_refused_and_nothing_is_ordered(
    sqlite_hub: HubUnderTest, wish: LabelWish, rule: str
) -> None:
    ticket = await front_desk(sqlite_hub)
    await refused(sqlite_hub.desk.sheets.print_labels(ticket, wish, 0, LABELS, "anna"), rule)
    wrong = PrinterName("entrance", "tickets")
    await refused(
        sqlite_hub.desk.sheets.print_labels(ticket, LabelWish(SPECIMEN, 2), 0, wrong, "anna"), "unknown-printer"
    )
    assert await sqlite_hub.rows(tables.print_order) == []
    assert await trail(sqlite_hub) == []


async def test_two_who_press_at_once_order_the_labels_once(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    press = [hub.desk.sheets.print_labels(ticket, LabelWish(SPECIMEN, 2), 0, LABELS, who) for who in ("anna", "bert")]
    results = await asyncio.gather(*press, return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == ["NoneType", "RuleViolation"]
    [failure] = [r for r in results if isinstance(r, RuleViolation)]
    assert failure.rule == "labels-ordered"
    assert len(await hub.site.orders("desk")) == 2


async def test_the_console_shows_labels_by_state_and_asks_of_each_that_nobody_knows(sqlite_hub: HubUnderTest) -> None:
    hub = sqlite_hub
    ticket = await front_desk(hub)
    await hub.desk.sheets.print_labels(ticket, LabelWish(SPECIMEN, 6), 0, LABELS, "anna")
    assert (await row(hub)).labels.rows == (LabelRow(SPECIMEN, 1, 6, None, station="desk"),)
    for copy, state in enumerate((PrintState.PRINTED, PrintState.PRINTED, PrintState.UNKNOWN, PrintState.UNKNOWN), 1):
        await report(hub, copy, state, Cause.CONNECTION_LOST if state is PrintState.UNKNOWN else None)
    await report(hub, 5, PrintState.QUEUED, Cause.PAPER_OUT)
    hub.clock.now += BEGIN_WITHIN
    found = (await row(hub)).labels
    lost, out = Cause.CONNECTION_LOST, Cause.PAPER_OUT
    assert found.ordered == 6
    assert found.rows == (
        LabelRow(SPECIMEN, 1, 2, PrintState.PRINTED, station="desk"),
        LabelRow(SPECIMEN, 3, 1, PrintState.UNKNOWN, lost, station="desk"),
        LabelRow(SPECIMEN, 4, 1, PrintState.UNKNOWN, lost, station="desk"),
        LabelRow(SPECIMEN, 5, 1, PrintState.QUEUED, out, station="desk"),
        LabelRow(SPECIMEN, 6, 1, None, None, is_withdrawn=True, station="desk"),
    )
    assert all(sheet.kind is not SPECIMEN for sheet in (await row(hub)).sheets)


async def test_what_staff_say_of_a_label_stays_until_a_machine_proves_it(sqlite_hub: HubUnderTest) -> None:
    hub = sqlite_hub
    ticket = await front_desk(hub)
    await hub.desk.sheets.print_labels(ticket, LabelWish(SPECIMEN, 2), 0, LABELS, "anna")
    for copy in (1, 2):
        await report(hub, copy, PrintState.UNKNOWN, Cause.NOT_CONFIRMED)
    await hub.desk.sheets.came_out(ticket, SPECIMEN, 1, "anna")
    await hub.desk.sheets.label_did_not_come_out(ticket, SPECIMEN, 2, "anna")
    await report(hub, 2, PrintState.UNKNOWN, Cause.NOT_CONFIRMED)  # the station says so once more
    states = [(label.copy, label.state, label.cause) for label in (await row(hub)).labels.rows]
    assert states == [(1, PrintState.PRINTED, None), (2, PrintState.UNKNOWN, Cause.DENIED)]
    await refused(hub.desk.sheets.label_did_not_come_out(ticket, SPECIMEN, 2, "bert"), "settled")
    await refused(hub.desk.sheets.label_did_not_come_out(ticket, SPECIMEN, 1, "bert"), "settled")
    await refused(hub.desk.sheets.label_did_not_come_out(ticket, DOCUMENT, 1, "bert"), "other-sheet")
    assert [action for _, action, _ in await trail(hub)] == ["print-labels", "sheet-came-out", "label-not-out"]
    await report(hub, 2, PrintState.PRINTED)
    assert {label.state for label in (await row(hub)).labels.rows} == {PrintState.PRINTED}
