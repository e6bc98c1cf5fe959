"""The judge of the kill runs must see what must not be: each test feeds it one history that went wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.witness import Call, CheckInRow, Facts, Finding, Job, PaperSheet, Promise, Record, judge

ANNA = "anna"
ROW = CheckInRow("c1", ANNA, "A1", is_help=False)
TICKET = PaperSheet("ticket", "A1", "", is_copy=False, connected_at=1.0)
BAND = PaperSheet("band", "", ANNA, is_copy=False, connected_at=1.0)
ROOM = Call("A1", "Room 1")


def good() -> Facts:
    """Anna's whole path in life 0, and a second life that began at 10."""
    return Facts(
        life_began_at=[0.0, 10.0],
        visits={(ANNA, 0)},
        promises=[Promise(ANNA, "c1", "A1", is_help=False, life=0)],
        check_ins=[ROW],
        records=[Record("e1", "c1", "A1", ANNA)],
        sheets=[TICKET, BAND],
        jobs=[Job("c1", "ticket", 1, "printed"), Job("c1", "band", 1, "printed")],
        displayed={ROOM},
        on_display={ROOM},
        ever_called={ROOM},
        is_called={ROOM},
    )


def kinds(facts: Facts) -> list[str]:
    return [finding.kind for finding in judge(facts)]


def only(facts: Facts) -> Finding:
    (finding,) = judge(facts)
    return finding


def test_a_whole_path_has_no_finding() -> None:
    assert judge(good()) == []


def test_a_number_on_the_page_that_the_hub_has_not_is_lost() -> None:
    facts = good()
    facts.promises.append(Promise("bert", "c2", "A2", is_help=False, life=0))
    assert only(facts).kind == "lost"
    assert "A2" in only(facts).what


def test_a_number_that_became_another_patients_is_lost() -> None:
    facts = good()
    facts.promises = [replace(facts.promises[0], patient="bert")]
    assert only(facts).kind == "lost"


def test_a_help_number_that_became_another_sessions_is_lost() -> None:
    facts = good()
    facts.check_ins.append(CheckInRow("h1", "", "D1", is_help=True))
    facts.promises.append(Promise("", "h1", "D1", is_help=True, life=0))
    assert judge(facts) == []
    facts.promises.append(Promise("", "h2", "D1", is_help=True, life=1))
    assert only(facts).kind == "lost"


def test_a_check_in_that_is_not_in_the_record_is_lost() -> None:
    facts = good()
    facts.records = []
    assert kinds(facts) == ["lost"]


def test_a_check_in_that_is_twice_in_the_record_is_doubled() -> None:
    facts = good()
    facts.records.append(Record("e2", "c1", "A1", ANNA))
    assert kinds(facts) == ["doubled"]


def test_a_record_of_a_check_in_that_the_hub_has_not_is_lost() -> None:
    facts = good()
    facts.records.append(Record("e2", "c9", "A9", ANNA))
    assert kinds(facts) == ["lost"]


@pytest.mark.parametrize("wrong", [{"label": "A7"}, {"patient": "bert"}])
def test_a_record_that_says_something_else_than_the_hub_is_a_finding(wrong: dict[str, str]) -> None:
    facts = good()
    facts.records = [replace(facts.records[0], **wrong)]
    assert kinds(facts) == ["other"]


def test_a_number_that_is_given_twice_is_doubled() -> None:
    facts = good()
    facts.check_ins.append(CheckInRow("c2", "bert", "A1", is_help=False))
    facts.records.append(Record("e2", "c2", "A1", "bert"))
    assert "doubled" in kinds(facts)


def test_two_check_ins_for_one_appointment_are_doubled() -> None:
    facts = good()
    facts.check_ins.append(CheckInRow("c2", ANNA, "A2", is_help=False))
    facts.records.append(Record("e2", "c2", "A2", ANNA))
    assert kinds(facts) == ["doubled"]


@pytest.mark.parametrize("sheet", [TICKET, BAND])
def test_a_second_sheet_without_a_mark_is_doubled(sheet: PaperSheet) -> None:
    facts = good()
    facts.sheets.append(sheet)
    facts.jobs.append(Job("c1", sheet.kind, 2, "printed"))
    assert kinds(facts) == ["doubled"]


def test_a_second_sheet_with_a_mark_is_right() -> None:
    facts = good()
    facts.sheets.append(replace(TICKET, is_copy=True))
    facts.jobs.append(Job("c1", "ticket", 2, "printed"))
    assert judge(facts) == []


@pytest.mark.parametrize("sheet", [TICKET, BAND])
def test_a_sheet_that_a_later_life_begins_for_somebody_who_has_gone_is_doubled(sheet: PaperSheet) -> None:
    facts = good()
    facts.sheets = [replace(s, connected_at=11.0) if s is sheet else s for s in facts.sheets]
    assert only(facts).kind == "doubled"
    assert "gone" in only(facts).what


def test_a_sheet_in_a_later_life_for_somebody_who_is_there_is_right() -> None:
    facts = good()
    facts.sheets = [replace(TICKET, connected_at=11.0), BAND]
    facts.visits.add((ANNA, 1))
    assert judge(facts) == []


def test_paper_for_nobody_that_the_hub_knows_is_lost() -> None:
    facts = good()
    facts.sheets.append(replace(TICKET, label="A5"))
    assert kinds(facts) == ["lost", "other"]


def test_a_job_that_says_printed_without_a_sheet_is_lost() -> None:
    facts = good()
    facts.sheets = [TICKET]
    assert kinds(facts) == ["lost"]


def test_a_sheet_of_a_job_that_says_it_was_never_printed_is_doubled() -> None:
    facts = good()
    facts.jobs = [Job("c1", "ticket", 1, "expired"), Job("c1", "band", 1, "printed")]
    assert kinds(facts) == ["doubled"]


@pytest.mark.parametrize("sheets", [[TICKET, BAND], [BAND]])
def test_a_job_that_nobody_knows_the_end_of_may_have_a_sheet_or_none(sheets: list[PaperSheet]) -> None:
    facts = good()
    facts.jobs[0] = replace(facts.jobs[0], state="unknown")
    facts.sheets = sheets
    assert judge(facts) == []


@pytest.mark.parametrize("state", ["queued", "sending", "sent"])
def test_a_job_that_never_ends_is_a_finding(state: str) -> None:
    facts = good()
    facts.jobs.append(Job("c1", "ticket", 2, state))
    assert kinds(facts) == ["other"]


def test_a_call_on_a_display_that_the_hub_never_made_is_wrong() -> None:
    facts = good()
    facts.displayed.add(Call("A9", "Room 2"))
    assert kinds(facts) == ["wrong-call"]


def test_a_call_that_is_not_on_the_display_in_the_end_or_still_is_is_wrong() -> None:
    facts = good()
    facts.on_display = set()
    assert kinds(facts) == ["wrong-call"]
    facts.on_display, facts.is_called = {ROOM}, set()
    assert kinds(facts) == ["wrong-call"]


def test_what_was_never_answered_or_delivered_is_lost_and_a_broken_trail_is_said() -> None:
    facts = good()
    facts.open_intents, facts.undelivered, facts.audit = 1, 2, "hub: BROKEN"
    assert kinds(facts) == ["lost", "lost", "other"]
