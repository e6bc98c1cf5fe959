"""Wristbands and copies of tickets at the desk: every command whole or refused, one order however many press."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from kioskd.core.events import PrintOrdered, SheetNotPrinted, SheetPrinted, WristbandPutOn
from kioskd.core.identity import Reason
from kioskd.core.printing import BEGIN_WITHIN, Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub import tables
from kioskd.hub.sheet_desk import FIRST_STAFF_COPY, RULES
from kioskd.hub.sheet_view import BandReason, BandRow, BandState, PrinterName, TicketReason, VoidBand
from kioskd.hub.view import QueueRow
from kioskd.ports import DeviceReport, HelpReply, HelpRequest, PrintOrder, PrintReport
from tests.hub.conftest import HubUnderTest
from tests.people import NOW, patient, request

TICKETS = PrinterName("entrance", "tickets")
BANDS = PrinterName("entrance", "bands")
AT_DESK = PrinterName("desk", "bands")
BAND, TICKET = SheetKind.WRISTBAND, SheetKind.TICKET


async def device(hub: HubUnderTest, printer: PrinterName, kind: str, state: str = "ready") -> None:
    await hub.site.report_device(DeviceReport(printer.station, printer.device, kind, state, "", NOW))


async def front_desk(hub: HubUnderTest) -> UUID:
    """One check-in at a station with both printers; the ticket's id."""
    await device(hub, TICKETS, "ticket-printer")
    await device(hub, BANDS, "wristband-printer")
    await hub.site.check_in(request())
    return (await row(hub)).ticket_id


async def row(hub: HubUnderTest) -> QueueRow:
    return (await hub.desk.view()).rows[-1]


async def band(hub: HubUnderTest) -> BandRow:
    found = (await row(hub)).band
    assert found is not None
    return found


async def report(
    hub: HubUnderTest,
    kind: SheetKind,
    copy: int,
    state: PrintState,
    *,
    proof: ProofKind | None = None,
    cause: Cause | None = None,
    station: str = "entrance",
) -> None:
    check_in_id = (await row(hub)).check_in_id
    name = "tickets" if kind is TICKET else "bands"
    at = hub.clock.now
    await hub.site.report_print(PrintReport(check_in_id, kind, copy, state, proof, cause, at, station, name))


async def printed(hub: HubUnderTest, copy: int) -> None:
    await report(hub, BAND, copy, PrintState.PRINTED, proof=ProofKind.ODOMETER)


async def unknown(hub: HubUnderTest, kind: SheetKind = BAND, copy: int = 1) -> None:
    await report(hub, kind, copy, PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST)


async def trail(hub: HubUnderTest) -> list[tuple[str, str, dict[str, Any]]]:
    return [(e.actor, e.action, e.detail) for e in await hub.rows(tables.audit) if e.actor.startswith("staff:")]


async def refused(doing: Awaitable[None], rule: str) -> str:
    with pytest.raises(RuleViolation) as caught:
        await doing
    assert caught.value.rule == rule
    assert rule in RULES
    return str(caught.value)


# --- what a band is -----------------------------------------------------------------------------------------------


async def test_a_check_in_makes_a_band_where_its_area_gives_them_out(sqlite_hub: HubUnderTest) -> None:
    await front_desk(sqlite_hub)
    assert await band(sqlite_hub) == BandRow(1, 1, BandState.DUE)
    asked = request(2)
    await sqlite_hub.site.check_in(replace(asked, appointment=replace(asked.appointment, area="lab")))
    assert (await row(sqlite_hub)).band is None


async def test_the_numbers_of_a_patients_bands_rise_over_all_visits(sqlite_hub: HubUnderTest) -> None:
    first = await sqlite_hub.site.check_in(request())
    asked = request()
    again = replace(asked, appointment=replace(asked.appointment, id="another"))
    second = await sqlite_hub.site.check_in(again)
    other = await sqlite_hub.site.check_in(request(2))
    assert (first.band_number, second.band_number, other.band_number) == (1, 2, 1)


@pytest.mark.parametrize(
    ("state", "cause", "shown"),
    [
        (PrintState.QUEUED, Cause.COVER_OPEN, BandState.WAITING),
        (PrintState.SENDING, None, BandState.PRINTING),
        (PrintState.SENT, None, BandState.PRINTING),
        (PrintState.PRINTED, None, BandState.PRINTED),
        (PrintState.UNKNOWN, Cause.NOT_CONFIRMED, BandState.UNKNOWN),
        (PrintState.EXPIRED, Cause.NO_DEVICE, BandState.NOT_PRINTED),
    ],
)
async def test_a_band_is_what_its_station_says(
    sqlite_hub: HubUnderTest, state: PrintState, cause: Cause | None, shown: BandState
) -> None:
    await front_desk(sqlite_hub)
    await report(sqlite_hub, BAND, 1, state, cause=cause)
    found = await band(sqlite_hub)
    assert (found.state, found.cause) == (shown, cause)


# --- print a band -------------------------------------------------------------------------------------------------


async def test_an_ordered_band_is_whole_for_its_station_and_for_no_other(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await hub.desk.sheets.print_band(ticket, 1, BANDS, "anna")
    [order] = await hub.site.orders("entrance")
    check_in_id = (await row(hub)).check_in_id
    assert order == PrintOrder(order.order_id, "entrance", "bands", check_in_id, BAND, 1, NOW, "de", None, patient(), 1)
    assert await hub.site.orders("desk") == []
    found = await band(hub)
    assert (found.state, found.order and found.order.ordered_by) == (BandState.ORDERED, "anna")
    assert await trail(hub) == [
        ("staff:anna", "print-band", {"ticket": "A1", "band": "1", "printer": "entrance/bands"})
    ]
    assert PrintOrdered(NOW, "entrance", check_in_id, BAND) in await hub.heard()


async def test_an_order_is_open_until_a_station_reports_its_sheet(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna")
    assert len(await sqlite_hub.site.orders("entrance")) == 1
    await report(sqlite_hub, BAND, 1, PrintState.QUEUED)
    assert await sqlite_hub.site.orders("entrance") == []
    assert (await band(sqlite_hub)).state is BandState.WAITING


async def test_an_order_that_no_station_takes_in_time_is_withdrawn_and_can_be_made_again(
    sqlite_hub: HubUnderTest,
) -> None:
    ticket = await front_desk(sqlite_hub)
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna")
    sqlite_hub.clock.now += BEGIN_WITHIN
    assert await sqlite_hub.site.orders("entrance") == []
    found = await band(sqlite_hub)
    assert (found.state, found.order and found.order.is_withdrawn) == (BandState.NOT_PRINTED, True)
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "bert")
    [order] = await sqlite_hub.site.orders("entrance")
    assert (order.copy, order.band_number) == (2, 2)


async def test_what_comes_out_of_a_withdrawn_order_after_all_is_void_and_said(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna")
    sqlite_hub.clock.now += BEGIN_WITHIN
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "bert")
    assert (await band(sqlite_hub)).void == (VoidBand(1, None, came_out=False),)
    await printed(sqlite_hub, 1)
    found = await band(sqlite_hub)
    assert found.void == (VoidBand(1, None, came_out=True),)
    assert (found.number, found.state) == (2, BandState.ORDERED)


async def test_a_report_that_comes_after_the_time_is_believed(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna")
    sqlite_hub.clock.now += BEGIN_WITHIN
    await printed(sqlite_hub, 1)
    assert (await band(sqlite_hub)).state is BandState.PRINTED


async def test_the_kiosks_own_band_and_an_order_to_the_same_station_are_one_sheet(sqlite_hub: HubUnderTest) -> None:
    """The station makes one job of one check-in, kind and copy; so the number can stay."""
    ticket = await front_desk(sqlite_hub)
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna")
    [order] = await sqlite_hub.site.orders("entrance")
    assert (order.copy, order.band_number) == (1, 1)


async def test_a_band_that_the_kiosk_may_be_printing_gets_a_new_number_elsewhere(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    await device(sqlite_hub, AT_DESK, "wristband-printer")
    await sqlite_hub.desk.sheets.print_band(ticket, 1, AT_DESK, "anna")
    [order] = await sqlite_hub.site.orders("desk")
    assert (order.copy, order.band_number) == (2, 2)
    await printed(sqlite_hub, 1)
    assert (await band(sqlite_hub)).void == (VoidBand(1, None, came_out=True),)


async def test_where_the_kiosk_prints_no_bands_the_desk_prints_the_first(sqlite_hub: HubUnderTest) -> None:
    await device(sqlite_hub, AT_DESK, "wristband-printer")
    await sqlite_hub.site.check_in(request())
    await sqlite_hub.desk.sheets.print_band((await row(sqlite_hub)).ticket_id, 1, AT_DESK, "anna")
    [order] = await sqlite_hub.site.orders("desk")
    assert (order.copy, order.band_number) == (1, 1)


async def test_sixteen_who_press_at_once_are_one_order(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    done = await asyncio.gather(
        *(hub.desk.sheets.print_band(ticket, 1, BANDS, f"staff{n}") for n in range(16)), return_exceptions=True
    )
    assert done.count(None) == 1
    assert {e.rule for e in done if isinstance(e, RuleViolation)} == {"band-ordered"}
    assert len(done) == 16
    [order] = await hub.rows(tables.print_order)
    winner = f"staff{done.index(None)}"
    assert (order.ordered_by, [e[0] for e in await trail(hub)]) == (winner, [f"staff:{winner}"])


# --- nobody knows whether it came out -----------------------------------------------------------------------------


async def test_yes_is_a_proof_and_the_band_can_be_put_on(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await unknown(hub)
    await hub.desk.sheets.came_out(ticket, BAND, 1, "anna")
    found = await band(hub)
    assert (found.state, found.proof, found.cause) == (BandState.PRINTED, ProofKind.STAFF, None)
    hub.clock.now += timedelta(minutes=1)
    await hub.desk.sheets.put_band_on(ticket, 1, "bert")
    found = await band(hub)
    assert (found.state, found.put_on_by, found.put_on_at) == (BandState.ON, "bert", hub.clock.now)
    assert [e[:2] for e in await trail(hub)] == [("staff:anna", "sheet-came-out"), ("staff:bert", "band-put-on")]
    kinds = [type(event) for event in await hub.heard()]
    assert kinds[-2:] == [SheetPrinted, WristbandPutOn]


async def test_no_makes_it_void_and_orders_a_new_band_with_the_next_number(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await unknown(hub)
    await hub.desk.sheets.band_did_not_come_out(ticket, 1, BANDS, "anna")
    [order] = await hub.site.orders("entrance")
    assert (order.copy, order.band_number, order.patient) == (2, 2, patient())
    found = await band(hub)
    assert (found.number, found.state) == (2, BandState.ORDERED)
    assert found.void == (VoidBand(1, Cause.DENIED, came_out=False),)
    assert await trail(hub) == [
        ("staff:anna", "band-not-out", {"ticket": "A1", "void": "1", "band": "2", "printer": "entrance/bands"})
    ]
    assert all(sheet.state is not PrintState.UNKNOWN for sheet in (await row(hub)).sheets)


async def test_sixteen_answers_at_once_are_one_answer(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await unknown(hub)
    answers: list[Awaitable[None]] = []
    for n in range(16):
        if n % 2:
            answers.append(hub.desk.sheets.came_out(ticket, BAND, 1, f"staff{n}"))
        else:
            answers.append(hub.desk.sheets.band_did_not_come_out(ticket, 1, BANDS, f"staff{n}"))
    done = await asyncio.gather(*answers, return_exceptions=True)
    assert done.count(None) == 1
    assert {e.rule for e in done if isinstance(e, RuleViolation)} <= {"settled", "other-band"}
    was_denied = done.index(None) % 2 == 0
    assert len(await hub.rows(tables.band)) == len(await hub.rows(tables.print_order)) + 1 == 1 + was_denied
    assert len(await trail(hub)) == 1


async def test_a_station_that_starts_again_changes_no_answer_of_staff(sqlite_hub: HubUnderTest) -> None:
    """After a restart a station tells of every recent job again: its UNKNOWN is older than the answer."""
    ticket = await front_desk(sqlite_hub)
    await unknown(sqlite_hub)
    await sqlite_hub.desk.sheets.band_did_not_come_out(ticket, 1, BANDS, "anna")
    await printed(sqlite_hub, 2)
    for _ in range(2):
        await unknown(sqlite_hub)
    found = await band(sqlite_hub)
    assert (found.number, found.state, found.void) == (2, BandState.PRINTED, (VoidBand(1, Cause.DENIED, False),))


async def test_a_denied_band_that_the_printer_counted_later_is_said_to_be_out(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    await unknown(sqlite_hub)
    await sqlite_hub.desk.sheets.band_did_not_come_out(ticket, 1, BANDS, "anna")
    await printed(sqlite_hub, 1)
    assert (await band(sqlite_hub)).void == (VoidBand(1, Cause.DENIED, came_out=True),)


# --- put on, replaced ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", BandReason)
async def test_a_new_band_takes_the_place_of_the_old_one(sqlite_hub: HubUnderTest, reason: BandReason) -> None:
    ticket = await front_desk(sqlite_hub)
    await printed(sqlite_hub, 1)
    await sqlite_hub.desk.sheets.put_band_on(ticket, 1, "anna")
    await sqlite_hub.desk.sheets.new_band(ticket, 1, reason, BANDS, "bert")
    found = await band(sqlite_hub)
    assert (found.number, found.state, found.put_on_by) == (2, BandState.ORDERED, "")
    assert found.void == (VoidBand(1, Cause.REPLACED, came_out=True),)
    assert (await trail(sqlite_hub))[-1] == (
        "staff:bert",
        "new-band",
        {"ticket": "A1", "void": "1", "band": "2", "printer": "entrance/bands", "reason": reason},
    )


REFUSALS: dict[str, tuple[Callable[[HubUnderTest, UUID], Awaitable[None]], str]] = {
    "put on what is not printed": (lambda h, t: h.desk.sheets.put_band_on(t, 1, "anna"), "band-not-printed"),
    "replace what is not printed": (
        lambda h, t: h.desk.sheets.new_band(t, 1, BandReason.LOST, BANDS, "anna"),
        "band-not-printed",
    ),
    "answer what nobody asked": (lambda h, t: h.desk.sheets.came_out(t, BAND, 1, "anna"), "other-sheet"),
    "deny what nobody asked": (lambda h, t: h.desk.sheets.band_did_not_come_out(t, 1, BANDS, "anna"), "other-sheet"),
    "a band that is not the newest": (lambda h, t: h.desk.sheets.print_band(t, 7, BANDS, "anna"), "other-band"),
    "a printer of the wrong kind": (lambda h, t: h.desk.sheets.print_band(t, 1, TICKETS, "anna"), "unknown-printer"),
    "a printer that there is not": (
        lambda h, t: h.desk.sheets.print_band(t, 1, PrinterName("attic", "bands"), "anna"),
        "unknown-printer",
    ),
    "a ticket that there is not": (lambda h, t: h.desk.sheets.print_band(uuid4(), 1, BANDS, "anna"), "unknown-ticket"),
    "a ticket that is being printed": (
        lambda h, t: h.desk.sheets.print_ticket_again(t, 0, TicketReason.LOST, "", TICKETS, "anna"),
        "ticket-printing",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refused_command_says_why_and_leaves_nothing_behind(sqlite_hub: HubUnderTest, name: str) -> None:
    ticket = await front_desk(sqlite_hub)
    doing, rule = REFUSALS[name]
    text = await refused(doing(sqlite_hub, ticket), rule)
    assert text
    assert "Huber" not in text
    assert await trail(sqlite_hub) == []
    assert await sqlite_hub.rows(tables.print_order) == []
    assert len(await sqlite_hub.rows(tables.band)) == 1
    assert not any(isinstance(e, PrintOrdered) for e in await sqlite_hub.heard())


async def test_a_printer_that_is_switched_off_is_refused(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    await device(sqlite_hub, BANDS, "wristband-printer", "disabled")
    await refused(sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna"), "unknown-printer")


async def test_a_band_is_put_on_once(hub: HubUnderTest) -> None:
    ticket = await front_desk(hub)
    await printed(hub, 1)
    done = await asyncio.gather(
        *(hub.desk.sheets.put_band_on(ticket, 1, f"staff{n}") for n in range(8)), return_exceptions=True
    )
    assert done.count(None) == 1
    assert (await band(hub)).put_on_by == f"staff{done.index(None)}"
    await refused(hub.desk.sheets.print_band(ticket, 1, BANDS, "anna"), "band-printed")


# --- tickets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "cause", "reason"),
    [
        (PrintState.UNKNOWN, Cause.NOT_CONFIRMED, TicketReason.NOT_OUT),
        (PrintState.EXPIRED, Cause.PAPER_OUT, TicketReason.OTHER),
        (PrintState.PRINTED, None, TicketReason.LOST),
    ],
)
async def test_a_ticket_is_printed_again_as_a_copy_with_a_reason(
    hub: HubUnderTest, state: PrintState, cause: Cause | None, reason: TicketReason
) -> None:
    ticket = await front_desk(hub)
    await report(hub, TICKET, 1, state, cause=cause, proof=ProofKind.COMPLETION if cause is None else None)
    await hub.desk.sheets.print_ticket_again(ticket, 1, reason, " zerknittert ", TICKETS, "anna")
    [order] = await hub.site.orders("entrance")
    assert (order.kind, order.copy, order.device) == (TICKET, FIRST_STAFF_COPY, "tickets")
    assert order.ticket is not None
    assert (order.ticket.label, order.patient, order.band_number) == ("A1", None, None)
    assert await trail(hub) == [
        (
            "staff:anna",
            "ticket-again",
            {
                "ticket": "A1",
                "copy": str(FIRST_STAFF_COPY),
                "reason": f"{reason}: zerknittert",
                "printer": "entrance/tickets",
            },
        )
    ]
    await refused(hub.desk.sheets.print_ticket_again(ticket, 1, reason, "", TICKETS, "bert"), "ticket-ordered")
    await report(hub, TICKET, FIRST_STAFF_COPY, PrintState.PRINTED, proof=ProofKind.COMPLETION)
    [shown] = [s for s in (await row(hub)).sheets if s.kind is TICKET]
    assert (shown.copy, shown.state) == (FIRST_STAFF_COPY, PrintState.PRINTED)
    await hub.desk.sheets.print_ticket_again(ticket, FIRST_STAFF_COPY, reason, "", TICKETS, "bert")
    assert [o.copy for o in await hub.site.orders("entrance")] == [FIRST_STAFF_COPY + 1]


async def test_a_help_ticket_is_printed_again_as_one(sqlite_hub: HubUnderTest) -> None:
    await device(sqlite_hub, TICKETS, "ticket-printer")
    asked = HelpRequest(uuid4(), "entrance", NOW, Reason.NOT_ME, "de")
    await sqlite_hub.site.ask_for_help(asked)
    ticket = (await row(sqlite_hub)).ticket_id
    sheet = PrintReport(asked.check_in_id, SheetKind.HELP_TICKET, 1, PrintState.EXPIRED, None, Cause.PAPER_OUT, NOW)
    await sqlite_hub.site.report_print(sheet)
    await sqlite_hub.desk.sheets.print_ticket_again(ticket, 1, TicketReason.NOT_OUT, "", TICKETS, "anna")
    [order] = await sqlite_hub.site.orders("entrance")
    assert order.kind is SheetKind.HELP_TICKET
    assert order.ticket == HelpReply(asked.check_in_id, "D1", NOW)
    await refused(sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna"), "no-band")


async def test_a_ticket_that_is_on_its_way_is_not_printed_again(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)

    async def again(copy: int) -> None:
        await sqlite_hub.desk.sheets.print_ticket_again(ticket, copy, TicketReason.LOST, "", TICKETS, "anna")

    for state in (PrintState.QUEUED, PrintState.SENDING, PrintState.SENT):
        await report(sqlite_hub, TICKET, 1, state)
        await refused(again(1), "ticket-printing")
    await report(sqlite_hub, TICKET, 1, PrintState.PRINTED, proof=ProofKind.COMPLETION)
    await report(sqlite_hub, TICKET, 2, PrintState.PRINTED, proof=ProofKind.COMPLETION)
    await refused(again(1), "other-sheet")
    await again(2)


async def test_a_ticket_of_which_nobody_ever_heard_is_printed_after_a_while(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    sqlite_hub.clock.now += BEGIN_WITHIN
    for copy in (0, FIRST_STAFF_COPY):
        await sqlite_hub.desk.sheets.print_ticket_again(ticket, copy, TicketReason.NOT_OUT, "", TICKETS, "anna")
        [order] = (await row(sqlite_hub)).orders
        assert (order.is_withdrawn, order.copy) == (False, max(copy + 1, FIRST_STAFF_COPY))
        sqlite_hub.clock.now += BEGIN_WITHIN
        [order] = (await row(sqlite_hub)).orders
        assert order.is_withdrawn


async def test_an_unknown_ticket_that_staff_hold_in_their_hands_is_printed(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    await unknown(sqlite_hub, TICKET)
    await sqlite_hub.desk.sheets.came_out(ticket, TICKET, 1, "anna")
    await unknown(sqlite_hub, TICKET)
    [shown] = (await row(sqlite_hub)).sheets
    assert (shown.state, shown.proof) == (PrintState.PRINTED, ProofKind.STAFF)
    await refused(sqlite_hub.desk.sheets.came_out(ticket, TICKET, 1, "bert"), "settled")


async def test_pages_hear_of_a_void_band(sqlite_hub: HubUnderTest) -> None:
    ticket = await front_desk(sqlite_hub)
    await unknown(sqlite_hub)
    await sqlite_hub.desk.sheets.band_did_not_come_out(ticket, 1, BANDS, "anna")
    assert isinstance((await sqlite_hub.heard())[-1], PrintOrdered | SheetNotPrinted)


@pytest.mark.parametrize("clock", [timedelta(hours=-5), timedelta(hours=5)])
async def test_a_clock_that_is_set_leaves_no_order_open_for_hours(sqlite_hub: HubUnderTest, clock: timedelta) -> None:
    ticket = await front_desk(sqlite_hub)
    await sqlite_hub.desk.sheets.print_band(ticket, 1, BANDS, "anna")
    sqlite_hub.clock.now += clock
    assert await sqlite_hub.site.orders("entrance") == []
