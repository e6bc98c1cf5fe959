"""What the hub knows of printers: since when, how much paper, which sheets; and what staff do with one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from kioskd.core.events import DeviceChanged, PrintOrdered
from kioskd.core.paper import Left
from kioskd.core.printing import BEGIN_WITHIN, Cause, PrinterNote, PrintState, ProofKind, SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub import tables
from kioskd.hub.printer_view import JOBS_SHOWN, PrinterPage
from kioskd.hub.printers import PrinterRoom
from kioskd.hub.view import NoteRow, PaperRow
from kioskd.ports import PULSE_KIND, PULSE_NAME, DeviceReport, PrintReport
from tests.hub.conftest import RULES, HubUnderTest
from tests.people import NOW, request

READY = DeviceReport(
    "entrance",
    "tickets",
    "ticket-printer",
    "ready",
    "",
    NOW,
    model="EPSON TM-T20III",
    proof=ProofKind.COMPLETION,
    odometer=120,
    place="Eingang",
    line="tcp://10.0.0.30:9100",
)
OUT = replace(READY, state="needs-attention", what=Cause.PAPER_OUT)
LOW = replace(READY, notes=(PrinterNote.PAPER_LOW,))


def room(hub: HubUnderTest, silent_s: float = 0.0) -> PrinterRoom:
    return PrinterRoom(hub.store, RULES, hub.news, hub.clock, lambda station: silent_s)


async def page(hub: HubUnderTest, station: str = "entrance", name: str = "tickets") -> PrinterPage:
    found = await room(hub).printer(station, name)
    assert found is not None
    return found


async def paper(hub: HubUnderTest) -> PaperRow:
    present = (await page(hub)).printer.paper
    assert present is not None
    return present


async def told(hub: HubUnderTest, *reports: DeviceReport) -> None:
    for report in reports:
        hub.clock.now += timedelta(minutes=1)
        await hub.site.report_device(report)


def printed(copy: int = 1, **changes: object) -> PrintReport:
    report = PrintReport(
        uuid4(),
        SheetKind.TICKET,
        copy,
        PrintState.PRINTED,
        ProofKind.COMPLETION,
        None,
        NOW,
        "entrance",
        "tickets",
    )
    return replace(report, **changes)  # type: ignore[arg-type]


async def test_what_a_printer_says_of_itself_is_kept(hub: HubUnderTest) -> None:
    await told(hub, READY, DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW))
    shown = await page(hub)
    row = shown.printer
    assert (row.model, row.proof, row.odometer) == ("EPSON TM-T20III", ProofKind.COMPLETION, 120)
    assert (row.place, row.line, row.is_staff_side) == ("Eingang", "tcp://10.0.0.30:9100", False)
    assert (row.since, shown.at) == (NOW, hub.clock.now)
    assert [r.device for r in (await room(hub).printers()).printers] == ["tickets"], "a reader is no printer"
    assert await room(hub).printer("entrance", "reader") is None


async def test_a_note_keeps_the_time_when_it_came_until_it_goes(hub: HubUnderTest) -> None:
    await told(hub, READY, LOW)
    came = hub.clock.now
    await told(hub, replace(LOW, odometer=130), replace(LOW, notes=("paper-low", "head-worn"), what="", odometer=140))
    assert (await page(hub)).printer.notes == (NoteRow("head-worn", hub.clock.now), NoteRow("paper-low", came))
    await told(hub, READY, LOW)
    assert (await page(hub)).printer.notes == (NoteRow("paper-low", hub.clock.now),)


async def test_sheets_are_counted_from_the_roll_that_staff_put_in(hub: HubUnderTest) -> None:
    await told(hub, READY)
    for _ in range(3):
        await hub.site.report_print(printed())
    assert await paper(hub) == PaperRow(used=3)
    hub.clock.now += timedelta(hours=1)
    begun = hub.clock.now
    await room(hub).put_in_roll("entrance", "tickets", "anna")
    for _ in range(4):
        await hub.site.report_print(printed())
    assert await paper(hub) == PaperRow(4, begun, Left(567, 996))
    entry = (await hub.rows(tables.audit))[-1]
    assert (entry.actor, entry.action, entry.subject) == ("staff:anna", "new-roll", "printer/entrance/tickets")
    assert DeviceChanged(begun, "entrance", "tickets", "ready", "") in await hub.heard()


async def test_only_what_came_out_is_used_and_only_once(hub: HubUnderTest) -> None:
    await told(hub, READY)
    one = printed(state=PrintState.UNKNOWN, proof=None, cause=Cause.NOT_CONFIRMED)
    await hub.site.report_print(one)
    assert (await paper(hub)).used == 0
    for report in (printed(check_in_id=one.check_in_id), printed(check_in_id=one.check_in_id), printed(device="other")):
        await hub.site.report_print(report)
    assert (await paper(hub)).used == 1


async def test_a_roll_is_learned_and_the_desk_is_told_before_the_next_one_ends(hub: HubUnderTest) -> None:
    await told(hub, OUT, READY)
    for sheets, report in ((30, LOW), (10, OUT), (0, READY), (29, None)):
        for _ in range(sheets):
            await hub.site.report_print(printed())
        if report is not None:
            await told(hub, report)
    present = await paper(hub)
    assert (present.used, present.left, present.is_running_out) == (29, Left(9, 15), True)
    device = next(d for d in (await hub.desk.view()).devices if d.device == "tickets")
    assert device.paper == present, "the console shows the same"


async def test_paper_that_comes_from_elsewhere_is_counted_by_the_odometer(hub: HubUnderTest) -> None:
    await told(hub, OUT, READY, replace(READY, odometer=155))
    assert (await paper(hub)).used == 35


async def test_what_was_learned_outlives_a_restart_of_the_station(hub: HubUnderTest) -> None:
    await told(hub, OUT, READY)
    await hub.site.report_print(printed())
    await hub.site.station_started("entrance", [])
    assert await room(hub).printer("entrance", "tickets") is None
    await told(hub, READY)
    assert (await paper(hub)).used == 1


async def test_an_open_cover_says_nothing_of_the_paper(hub: HubUnderTest) -> None:
    await told(hub, READY)
    await room(hub).put_in_roll("entrance", "tickets", "anna")
    await hub.site.report_print(printed())
    await told(hub, replace(READY, state="needs-attention", what=Cause.COVER_OPEN), READY)
    assert (await paper(hub)).used == 1


async def test_the_last_sheets_are_the_newest_first_with_numbers_and_no_names(hub: HubUnderTest) -> None:
    await told(hub, READY)
    asked = request(1)
    reply = await hub.site.check_in(asked)
    for minute in range(12):
        await hub.site.report_print(printed(at=NOW + timedelta(minutes=minute)))
    at = NOW + timedelta(minutes=5, seconds=30)
    await hub.site.report_print(printed(check_in_id=reply.check_in_id, at=at))
    await hub.site.report_print(printed(device="other", at=NOW + timedelta(hours=1)))
    jobs = (await page(hub)).jobs
    assert len(jobs) == JOBS_SHOWN
    assert [job.at for job in jobs] == sorted((job.at for job in jobs), reverse=True)
    mine = [job for job in jobs if job.label]
    assert [(job.label, job.at) for job in mine] == [(reply.label, at)]
    assert mine[0].ticket_id == (await hub.rows(tables.ticket))[0].id
    assert asked.patient.family not in repr(jobs)


async def test_a_test_sheet_is_ordered_once_until_its_station_took_it(hub: HubUnderTest) -> None:
    await told(hub, READY)
    await room(hub).print_test("entrance", "tickets", "anna")
    order = (await hub.rows(tables.print_order))[0]
    assert (order.station, order.device, order.kind, order.ordered_by) == ("entrance", "tickets", "test", "anna")
    assert (await page(hub)).test_ordered_at == hub.clock.now
    with pytest.raises(RuleViolation) as caught:
        await room(hub).print_test("entrance", "tickets", "bert")
    assert caught.value.rule == "test-waits"
    mine = (await hub.site.orders("entrance"))[0]
    taken = printed(check_in_id=mine.check_in_id, kind=SheetKind.TEST, order_id=mine.order_id)
    await hub.site.report_print(replace(taken, state=PrintState.QUEUED, proof=None))
    assert (await page(hub)).test_ordered_at is None
    await room(hub).print_test("entrance", "tickets", "bert")
    await hub.site.report_print(taken)
    assert [(job.kind, job.state, job.label) for job in (await page(hub)).jobs] == [("test", "printed", "")]
    actions = [(row.actor, row.action) for row in await hub.rows(tables.audit)]
    assert actions == [("staff:anna", "print-test"), ("staff:bert", "print-test")]
    assert [e.station for e in await hub.heard() if isinstance(e, PrintOrdered)] == ["entrance"] * 2


async def test_a_test_sheet_that_nobody_took_in_time_waits_no_more(hub: HubUnderTest) -> None:
    await told(hub, READY)
    await room(hub).print_test("entrance", "tickets", "anna")
    hub.clock.now += BEGIN_WITHIN
    assert (await page(hub)).test_ordered_at is None
    await room(hub).print_test("entrance", "tickets", "anna")


async def test_a_printer_that_there_is_not_is_refused_and_nothing_is_written(sqlite_hub: HubUnderTest) -> None:
    await told(sqlite_hub, DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW))
    for command in (room(sqlite_hub).print_test, room(sqlite_hub).put_in_roll):
        with pytest.raises(RuleViolation) as caught:
            await command("entrance", "reader", "anna")
        assert caught.value.rule == "unknown-printer"
    assert await sqlite_hub.rows(tables.audit) == []


async def test_nobody_knows_how_a_printer_is_whose_kiosk_pc_is_silent(sqlite_hub: HubUnderTest) -> None:
    await told(sqlite_hub, READY, replace(READY, station="lab"))
    await told(sqlite_hub, DeviceReport("entrance", PULSE_NAME, PULSE_KIND, "ready", "", NOW))
    shown = (await room(sqlite_hub, silent_s=31).printers()).printers
    assert [(row.station, row.state, row.what) for row in shown] == [
        ("entrance", "unavailable", "station-silent"),
        ("lab", "ready", ""),  # in the hub's own process there is no pulse
    ]
    assert {row.state for row in (await room(sqlite_hub, silent_s=29).printers()).printers} == {"ready"}
