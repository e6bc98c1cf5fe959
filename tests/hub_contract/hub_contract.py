"""What every ``ports.Hub`` must do. Subclass ``HubContract`` and give it the fixture ``at`` (``HubAtWork``)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kioskd.core.appointment import AppointmentStatus
from kioskd.core.events import DeviceChanged, PatientCheckedIn, SheetPrinted
from kioskd.core.identity import Identified, Reason, Refused
from kioskd.core.patient import PartialDate
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import RuleViolation, Unreachable
from kioskd.hub import letters, tables
from kioskd.hub.sheet_view import PrinterName, TicketReason
from kioskd.ports import AttemptReport, CheckInReply, DeviceReport, HelpReply, HelpRequest, Hub, PrintReport
from tests.hub.conftest import HubUnderTest
from tests.people import NOW, appointment, card, patient, request


@dataclass
class HubAtWork:
    """``hub`` as a station has it, and ``site``: what is behind it, for looking."""

    hub: Hub
    site: HubUnderTest


def help_request(reason: Reason = Reason.NO_PATIENT) -> HelpRequest:
    return HelpRequest(uuid4(), "entrance", NOW + timedelta(microseconds=1), reason, "de", patient())


class HubContract:
    async def test_who_has_an_appointment_today_is_identified(self, at: HubAtWork) -> None:
        at.site.schedule.patients, at.site.schedule.appointments = [patient()], [appointment()]
        assert await at.hub.identify(card(), NOW) == Identified(patient(), appointment())

    async def test_who_is_refused_is_refused_with_the_reason(self, at: HubAtWork) -> None:
        assert await at.hub.identify(card(), NOW) == Refused(Reason.NO_PATIENT)
        at.site.schedule.patients = [patient()]
        at.site.schedule.appointments = [replace(appointment(), status=AppointmentStatus.CANCELLED)]
        assert await at.hub.identify(card(), NOW) == Refused(Reason.NO_APPOINTMENT, patient())
        assert await at.hub.identify(replace(card(), birth_date=None), NOW) == Refused(Reason.BIRTH_DATE_DIFFERS)

    async def test_a_letter_or_a_number_identifies_with_the_birth_date(self, at: HubAtWork) -> None:
        at.site.schedule.patients, at.site.schedule.appointments = [patient()], [appointment()]
        text, born = await at.site.store.write(lambda c: letters.issue(c, appointment(), "resi", NOW)), date(1980, 2, 3)
        number = patient().identifiers[0]
        assert await at.hub.identify_letter(text, born, NOW) == Identified(patient(), appointment())
        assert await at.hub.identify_number(number, born, False, NOW) == Identified(patient(), appointment())
        assert await at.hub.identify_number(number, date(1980, 3, 2), True, NOW) == Refused(Reason.BIRTH_DATE_DIFFERS)
        await at.hub.check_in(request())
        assert await at.hub.identify_letter(text, born, NOW) == Refused(Reason.LETTER_USED)

    async def test_a_check_in_is_answered_with_its_ticket(self, at: HubAtWork) -> None:
        asked = request()
        reply = await at.hub.check_in(asked)
        assert reply == CheckInReply(
            asked.check_in_id, "A1", "general", "Wartezimmer", NOW, False, 1, "", "Dr. Lena Hart"
        )
        assert await at.site.heard() == [PatientCheckedIn(NOW, asked.check_in_id, "A1", "general")]
        [entry] = await at.site.rows(tables.audit)
        assert (entry.actor, entry.action) == ("station:entrance", "check-in")

    async def test_asked_again_by_id_the_answer_is_the_same_and_nothing_is_done(self, at: HubAtWork) -> None:
        asked = request()
        first = await at.hub.check_in(asked)
        at.site.clock.now += timedelta(minutes=5)
        assert [await at.hub.check_in(asked) for _ in range(3)] == [first] * 3
        assert len(await at.site.rows(tables.ticket)) == 1
        assert len(await at.site.heard()) == 1

    async def test_the_same_check_in_many_times_at_once_is_one(self, at: HubAtWork) -> None:
        asked = request()
        replies = await asyncio.gather(*(at.hub.check_in(asked) for _ in range(10)))
        assert {reply.label for reply in replies} == {"A1"}
        assert len(await at.site.rows(tables.ticket)) == 1

    async def test_many_at_once_get_numbers_without_gap_or_repeat(self, at: HubAtWork) -> None:
        replies = await asyncio.gather(*(at.hub.check_in(request(number)) for number in range(1, 21)))
        assert sorted(int(reply.label[1:]) for reply in replies) == list(range(1, 21))

    async def test_a_visit_that_was_checked_in_before_keeps_its_ticket(self, at: HubAtWork) -> None:
        asked = request()
        first = await at.hub.check_in(asked)
        again = replace(asked, check_in_id=uuid4(), station="side-door")
        # Its band was the first check-in's business: another kiosk must not print that number again.
        assert await at.hub.check_in(again) == replace(first, was_checked_in_before=True, band_number=None)

    async def test_a_help_ticket_keeps_the_arrival_time_and_is_one_however_often_asked(self, at: HubAtWork) -> None:
        asked = help_request(Reason.NAME_DIFFERS)
        at.site.clock.now += timedelta(minutes=40)
        first = await at.hub.ask_for_help(asked)
        assert first == HelpReply(asked.check_in_id, "D1", asked.arrived_at)
        assert await at.hub.ask_for_help(asked) == first
        [row] = await at.site.rows(tables.check_in)
        assert (row.reason, row.family, row.arrived_at) == ("name-differs", "Huber", asked.arrived_at)

    async def test_a_station_that_starts_says_which_devices_it_has(self, at: HubAtWork) -> None:
        for name in ("reader", "old"):
            await at.hub.report_device(DeviceReport("entrance", name, "card-reader", "ready", "", NOW))
        for _ in range(2):
            await at.hub.station_started("entrance", ["reader"])
        assert [row.device for row in await at.site.rows(tables.device)] == ["reader"]

    async def test_a_device_is_known_by_its_last_report(self, at: HubAtWork) -> None:
        first = DeviceReport("entrance", "reader", "card-reader", "unavailable", "kein Leser für Karten", NOW)
        last = replace(first, state="ready", what="", since=NOW + timedelta(minutes=1))
        for report in (first, first, last):
            await at.hub.report_device(report)
        [row] = await at.site.rows(tables.device)
        assert (row.state, row.what, row.since) == ("ready", "", last.since)
        heard = await at.site.heard()
        assert heard[0] == DeviceChanged(NOW, "entrance", "reader", "unavailable", "kein Leser für Karten")

    async def test_a_sheet_is_known_by_its_last_report(self, at: HubAtWork) -> None:
        waiting = PrintReport(UUID(int=1), SheetKind.TICKET, 2, PrintState.QUEUED, None, Cause.PAPER_OUT, NOW)
        printed = replace(waiting, state=PrintState.PRINTED, cause=None, proof=ProofKind.COMPLETION)
        for report in (waiting, printed, printed):
            await at.hub.report_print(report)
        [row] = await at.site.rows(tables.sheet)
        assert (row.copy, row.state, row.proof, row.cause) == (2, "printed", "completion", None)
        assert [type(event) for event in await at.site.heard()][1:] == [SheetPrinted]

    async def test_a_station_is_told_of_its_own_open_orders_until_it_reports_their_sheets(self, at: HubAtWork) -> None:
        for name in ("entrance", "desk"):
            await at.hub.report_device(DeviceReport(name, "bands", "wristband-printer", "ready", "", NOW))
        for number, printer in ((1, "entrance"), (2, "entrance"), (3, "desk")):
            who = replace(patient(number), birth_date=None, partial_birth_date=PartialDate(1984, 3))
            asked = replace(request(number), patient=who, station=printer)
            await at.hub.check_in(asked)
            at.site.clock.now += timedelta(microseconds=1)
            row = next(r for r in (await at.site.desk.view()).rows if r.check_in_id == asked.check_in_id)
            await at.site.desk.sheets.print_band(row.ticket_id, 1, PrinterName(printer, "bands"), "anna")
        first, second = await at.hub.orders("entrance")
        assert [o.patient.record_number for o in (first, second) if o.patient] == ["100001", "100002"]
        assert first.patient == replace(patient(1), birth_date=None, partial_birth_date=PartialDate(1984, 3))
        assert (first.station, first.device, first.kind, first.copy, first.band_number) == (
            "entrance", "bands", SheetKind.WRISTBAND, 1, 1,
        )  # fmt: skip
        queued = PrintReport(first.check_in_id, first.kind, 1, PrintState.QUEUED, None, None, NOW)
        await at.hub.report_print(replace(queued, station="entrance", device="bands", order_id=first.order_id))
        assert list(await at.hub.orders("entrance")) == [second]
        assert list(await at.hub.orders("nowhere")) == []

    async def test_a_ticket_to_be_printed_again_is_told_as_it_was(self, at: HubAtWork) -> None:
        await at.hub.report_device(DeviceReport("entrance", "tickets", "ticket-printer", "ready", "", NOW))
        asked, help_asked = request(), help_request()
        reply, help_reply = await at.hub.check_in(asked), await at.hub.ask_for_help(help_asked)
        for kind in (SheetKind.TICKET, SheetKind.HELP_TICKET):
            check_in_id = asked.check_in_id if kind is SheetKind.TICKET else help_asked.check_in_id
            lost = PrintReport(check_in_id, kind, 1, PrintState.EXPIRED, None, Cause.PAPER_OUT, NOW)
            await at.hub.report_print(lost)
        for row in (await at.site.desk.view()).rows:
            at.site.clock.now += timedelta(microseconds=1)
            await at.site.desk.sheets.print_ticket_again(
                row.ticket_id, 1, TicketReason.NOT_OUT, "", PrinterName("entrance", "tickets"), "anna"
            )
        told = {order.kind: order for order in await at.hub.orders("entrance")}
        assert told[SheetKind.TICKET].ticket == replace(reply, band_number=None)
        assert told[SheetKind.HELP_TICKET].ticket == help_reply
        assert {order.language for order in told.values()} == {"de"}

    async def test_an_attempt_that_was_broken_off_is_one_row_however_often_it_is_told(self, at: HubAtWork) -> None:
        report = AttemptReport(UUID(int=5), "entrance", Reason.TIMED_OUT, NOW)
        for told in (report, report, replace(report, attempt_id=UUID(int=6), reason=Reason.CLOSED)):
            await at.hub.report_attempt(told)
        rows = await at.site.rows(tables.attempt)
        assert [(row.id.int, row.station, row.reason, row.at) for row in rows] == [
            (5, "entrance", "timed-out", NOW),
            (6, "entrance", "page-closed", NOW),
        ]

    async def test_a_database_that_refuses_is_a_hub_that_is_away(self, at: HubAtWork) -> None:
        for table in ("area_version", "device", "sheet", "attempt", "print_order"):
            await at.site.store.write(lambda c, table=table: c.execute(text(f"DROP TABLE {table}")))
        sheet = PrintReport(uuid4(), SheetKind.TICKET, 1, PrintState.QUEUED, None, None, NOW)
        for asking in (
            at.hub.check_in(request()),
            at.hub.ask_for_help(help_request()),
            at.hub.report_device(DeviceReport("entrance", "reader", "card-reader", "ready", "", NOW)),
            at.hub.report_print(sheet),
            at.hub.report_attempt(AttemptReport(uuid4(), "entrance", Reason.CLOSED, NOW)),
            at.hub.station_started("entrance", []),
            at.hub.orders("entrance"),
        ):
            with pytest.raises(Unreachable, match="the hub's database") as caught:
                await asking
            assert "Huber" not in str(caught.value)

    async def test_a_rule_of_the_hub_is_raised_with_its_name_and_text(self, at: HubAtWork) -> None:
        at.site.schedule.failure = RuleViolation("closed", "the site is closed today")
        with pytest.raises(RuleViolation, match=r"^the site is closed today$") as caught:
            await at.hub.identify(card(), NOW)
        assert caught.value.rule == "closed"

    async def test_records_that_are_away_are_said_to_be(self, at: HubAtWork) -> None:
        at.site.schedule.failure = Unreachable("records: no answer", 12.5)
        with pytest.raises(Unreachable, match=r"^records: no answer$") as caught:
            await at.hub.identify(card(), NOW)
        assert caught.value.retry_after_s == 12.5
