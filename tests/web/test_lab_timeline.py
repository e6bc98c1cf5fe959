"""The way of the present patient, folded out of events."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from kioskd.core.events import (
    CardRemoved,
    CardSeen,
    CheckInRefused,
    DisplayPublished,
    Event,
    HelpTicketIssued,
    PatientCheckedIn,
    PatientIdentified,
    RecordDelayed,
    RecordStored,
    SessionChanged,
    SheetNotPrinted,
    SheetPrinted,
    TicketCalled,
)
from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, ProofKind, SheetKind
from kioskd.web.lab_timeline import LONGEST_BAR_MS, Stop, StopState, StopView, Timeline

AT = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)
CHECK_IN = UUID("5f2b1c64-0c1b-4a2e-9a55-3d4f0c1e7a10")


def at(ms: float) -> datetime:
    return AT + timedelta(milliseconds=ms)


WHOLE_WAY: list[Event] = [
    CardSeen(at(0), "entrance"),
    PatientIdentified(at(31), "entrance", CHECK_IN),
    PatientCheckedIn(at(4000), CHECK_IN, "A12", "general"),
    RecordStored(at(4090), CHECK_IN),
    SheetPrinted(at(4640), CHECK_IN, SheetKind.TICKET, ProofKind.COMPLETION),
    SheetPrinted(at(6000), CHECK_IN, SheetKind.WRISTBAND, ProofKind.ODOMETER),
    TicketCalled(at(9000), uuid4(), "A12", "general", "Zimmer 1"),
    DisplayPublished(at(9004), "general", 7),
]


def told(*events: Event) -> Timeline:
    timeline = Timeline()
    for event in events:
        timeline.note(event)
    return timeline


def stop(timeline: Timeline, name: Stop) -> StopView:
    return next(view for view in timeline.stops if view.stop is name)


def test_a_whole_way_has_the_times_since_the_card_and_since_the_cause():
    timeline = told(*WHOLE_WAY)
    assert [view.state for view in timeline.stops] == [StopState.DONE] * 8
    assert {view.stop: (view.at_ms, view.took_ms) for view in timeline.stops} == {
        Stop.SEEN: (0, None),
        Stop.IDENTIFIED: (31, 31),
        Stop.COMMITTED: (4000, 3969),
        Stop.TICKET: (4640, 640),
        Stop.BAND: (6000, 2000),
        Stop.CALLED: (9000, 5000),
        Stop.DISPLAY: (9004, 4),
        Stop.RECORD: (4090, 90),
    }
    assert stop(timeline, Stop.TICKET).proof is ProofKind.COMPLETION
    assert [view.stop for view in timeline.stops if view.is_by_people] == [Stop.COMMITTED, Stop.CALLED]


def test_a_picture_from_before_the_call_does_not_count_as_shown():
    timeline = told(*WHOLE_WAY[:3], DisplayPublished(at(4010), "general", 6))
    assert stop(timeline, Stop.DISPLAY).state is StopState.OPEN
    timeline.note(WHOLE_WAY[6])
    timeline.note(DisplayPublished(at(9001), "desk", 3))
    assert stop(timeline, Stop.DISPLAY).state is StopState.OPEN


def test_events_of_other_patients_change_nothing():
    timeline = told(*WHOLE_WAY[:3])
    before = timeline.stops
    other = uuid4()
    for event in (
        PatientCheckedIn(at(5000), other, "A13", "general"),
        SheetPrinted(at(5000), other, SheetKind.TICKET, ProofKind.COMPLETION),
        SheetNotPrinted(at(5000), other, SheetKind.TICKET, Cause.PAPER_OUT, is_over=False),
        RecordStored(at(5000), other),
        RecordDelayed(at(5000), other, "away", is_parked=False),
        TicketCalled(at(5000), uuid4(), "A11", "general", "Zimmer 1"),
    ):
        timeline.note(event)
    assert timeline.stops == before


def test_a_refused_card_ends_at_the_desk_with_its_reason_and_a_number():
    timeline = told(
        CardSeen(at(0), "entrance"),
        HelpTicketIssued(at(40), CHECK_IN, "D3", Reason.NO_APPOINTMENT),
        CheckInRefused(at(41), "entrance", CHECK_IN, Reason.NO_APPOINTMENT),
    )
    assert [view.stop for view in timeline.stops] == [
        Stop.SEEN, Stop.REFUSED, Stop.COMMITTED, Stop.TICKET, Stop.CALLED, Stop.DISPLAY,
    ]  # fmt: skip
    refused = stop(timeline, Stop.REFUSED)
    assert (refused.state, refused.reason) == (StopState.REFUSED, Reason.NO_APPOINTMENT)
    assert (timeline.label, stop(timeline, Stop.COMMITTED).at_ms) == ("D3", 40)
    assert not stop(timeline, Stop.COMMITTED).is_by_people
    assert stop(timeline, Stop.CALLED).state is StopState.PERSON


def test_a_help_ticket_is_proven_called_and_shown_at_the_desk():
    timeline = told(
        CardSeen(at(0), "entrance"),
        HelpTicketIssued(at(40), CHECK_IN, "D3", Reason.NO_PATIENT),
        SheetPrinted(at(700), CHECK_IN, SheetKind.HELP_TICKET, ProofKind.COMPLETION),
        TicketCalled(at(800), uuid4(), "D3", "desk", "Empfang"),
        DisplayPublished(at(803), "desk", 2),
    )
    assert (stop(timeline, Stop.TICKET).took_ms, stop(timeline, Stop.DISPLAY).took_ms) == (660, 3)


def test_help_without_a_card_begins_a_way_of_its_own():
    timeline = told(*WHOLE_WAY, HelpTicketIssued(at(20_000), uuid4(), "D4", Reason.ASKED_FOR_HELP))
    assert timeline.stops[0].stop is Stop.ASKED
    assert timeline.label == "D4"
    assert Stop.SEEN not in timeline.at


def test_a_person_who_says_no_was_identified_before():
    timeline = told(*WHOLE_WAY[:2], CheckInRefused(at(900), "entrance", CHECK_IN, Reason.NOT_ME))
    assert [view.stop for view in timeline.stops][:3] == [Stop.SEEN, Stop.IDENTIFIED, Stop.REFUSED]
    assert stop(timeline, Stop.REFUSED).took_ms == 869


def test_a_sheet_that_waits_says_why_until_it_is_out():
    timeline = told(*WHOLE_WAY[:3], SheetNotPrinted(at(4010), CHECK_IN, SheetKind.TICKET, Cause.PAPER_OUT, False))
    waits = stop(timeline, Stop.TICKET)
    assert (waits.state, waits.cause) == (StopState.TROUBLE, Cause.PAPER_OUT)
    timeline.note(WHOLE_WAY[4])
    assert (stop(timeline, Stop.TICKET).state, stop(timeline, Stop.TICKET).cause) == (StopState.DONE, None)


@pytest.mark.parametrize(("is_parked", "words"), [(False, "tried again"), (True, "a person must look")])
def test_a_record_that_is_late_says_why(is_parked: bool, words: str):
    timeline = told(*WHOLE_WAY[:3], RecordDelayed(at(4100), CHECK_IN, "HTTP 503", is_parked))
    assert stop(timeline, Stop.RECORD).state is StopState.TROUBLE
    assert words in stop(timeline, Stop.RECORD).note


def test_somebody_who_was_checked_in_before_keeps_their_number():
    timeline = told(*WHOLE_WAY[:2], SessionChanged(at(3000), "entrance", "done"))
    assert timeline.is_again
    assert stop(timeline, Stop.COMMITTED).state is StopState.OPEN
    assert "the same number" in stop(timeline, Stop.COMMITTED).note


def test_the_next_card_begins_anew():
    timeline = told(*WHOLE_WAY, CardRemoved(at(9100), "entrance"), CardSeen(at(10_000), "entrance"))
    assert timeline.label == ""
    assert timeline.at == {Stop.SEEN: at(10_000)}


def test_a_card_that_takes_the_place_of_another_begins_anew_and_is_not_the_one_that_was_refused():
    before, now = uuid4(), uuid4()
    timeline = told(
        CardSeen(at(0), "entrance"),
        PatientIdentified(at(40), "entrance", before),
        CardSeen(at(900), "entrance"),
        CheckInRefused(at(901), "entrance", before, Reason.ANOTHER_CARD),
        PatientIdentified(at(950), "entrance", now),
    )
    assert timeline.reason is None
    assert [stop.stop for stop in timeline.stops if stop.at_ms is not None] == [Stop.SEEN, Stop.IDENTIFIED]


def test_the_page_says_what_comes_next():
    timeline = Timeline()
    steps = [timeline.next_step]
    for event in (*WHOLE_WAY, CardRemoved(at(9100), "entrance")):
        timeline.note(event)
        steps.append(timeline.next_step)
    assert steps == [1, 2, 2, 4, 4, 4, 4, 5, 5, 1]


@pytest.mark.parametrize(
    ("took_ms", "percent"), [(None, 0), (0.2, 0), (1, 0), (10, 20), (LONGEST_BAR_MS, 100), (9e9, 100)]
)
def test_a_bar_grows_with_the_logarithm_of_its_time(took_ms: float | None, percent: float):
    assert StopView(Stop.TICKET, StopState.DONE, None, took_ms, False).bar_percent == percent
