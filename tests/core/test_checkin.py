"""The check-in session: every input in every step, stale inputs, and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from kioskd.core import checkin
from kioskd.core.birth_date import NOTHING_TYPED, TypedDate
from kioskd.core.checkin import (
    ASKING_AT_MOST,
    ASKING_STEPS,
    IDLE_AFTER,
    IDLE_GRACE,
    NOTICE_FOR,
    SHOWN_FOR,
    Session,
    Step,
)
from kioskd.core.identity import Card, Identified, Reason
from kioskd.core.patient import Identifier
from kioskd.core.payload import LetterPayload, NumberPayload
from tests.people import NOW, appointment, card, patient

ID, FRESH = uuid4(), uuid4()
LATER = NOW + timedelta(seconds=10)
FOUND = Identified(patient(), appointment())
OTHER = patient(2, family="Nowak")

BLANK = Session(ID, Step.WELCOME, NOW, NOW, "de")
READING = replace(BLANK, step=Step.READING, card_in_reader=True)
LETTER = LetterPayload("KL1:AAAA")
TYPED = TypedDate("3", "2", "1980")
ASKED = replace(BLANK, step=Step.BIRTH_DATE, proof=LETTER, shown="letter")
KNOWN = replace(READING, card=card(), patient=patient(), appointment=appointment())
IN_STEP = {
    Step.WELCOME: BLANK,
    Step.READING: READING,
    Step.BIRTH_DATE: ASKED,
    Step.LOOKING_UP: replace(ASKED, step=Step.LOOKING_UP, typed=TYPED),
    Step.CONFIRM: replace(KNOWN, step=Step.CONFIRM),
    Step.CHECKING_IN: replace(KNOWN, step=Step.CHECKING_IN),
    Step.DONE: replace(KNOWN, step=Step.DONE, label="A12", area="general"),
    Step.ASKING_HELP: replace(KNOWN, step=Step.ASKING_HELP, reason=Reason.NOT_ME),
    Step.HELP: replace(KNOWN, step=Step.HELP, reason=Reason.NOT_ME, label="D7"),
    Step.TAKE_CARD: replace(BLANK, step=Step.TAKE_CARD, card_in_reader=True),
}
INPUTS: dict[str, Callable[[Session], Session]] = {
    "card_seen": lambda s: checkin.card_seen(s, FRESH, LATER),
    "card_removed": lambda s: checkin.card_removed(s, LATER),
    "card_as_code_shown": lambda s: checkin.code_shown(s, None, LATER),
    "letter_shown": lambda s: checkin.code_shown(s, LETTER, LATER),
    "code_of_no_use": lambda s: checkin.code_of_no_use(s, "code-unknown", LATER),
    "date_impossible": lambda s: checkin.date_impossible(s, TYPED, LATER),
    "date_given": lambda s: checkin.date_given(s, TYPED, LATER),
    "date_differs": lambda s: checkin.date_differs(s, LATER),
    "identified": lambda s: checkin.identified(s, card(), FOUND, LATER),
    "confirmed": lambda s: checkin.confirmed(s, LATER),
    "refused": lambda s: checkin.refused(s, Reason.NO_PATIENT, LATER),
    "checked_in": lambda s: checkin.checked_in(s, "A12", "general", True, LATER),
    "help_issued": lambda s: checkin.help_issued(s, "D7", LATER),
    "gave_up": lambda s: checkin.gave_up(s, LATER),
    "restart": lambda s: checkin.restart(s, FRESH, "de", LATER),
}
NEXT_PATIENT = Session(FRESH, Step.READING, LATER, LATER, "de", card_in_reader=True)
NOBODY = Session(FRESH, Step.WELCOME, LATER, LATER, "de")
TAKE_CARD = Session(FRESH, Step.TAKE_CARD, LATER, LATER, "de", card_in_reader=True)
SAME = object()


def but(step: Step, /, **changes: object) -> Session:
    return replace(IN_STEP[step], touched_at=LATER, **changes)


def asking(step: Step, /, **changes: object) -> Session:
    return but(step, step=Step.ASKING_HELP, reason=Reason.NO_PATIENT, **changes)


def taken_out(step: Step) -> Session:
    return replace(IN_STEP[step], card_in_reader=False)


def given_up(step: Step) -> Session:
    return but(step, step=Step.HELP, reason=Reason.HUB_UNREACHABLE)


# One line for each input: what comes of it in each step. SAME: it changes nothing.
TABLE: dict[str, dict[Step, object]] = {
    "card_seen": {
        Step.WELCOME: but(Step.WELCOME, step=Step.READING, card_in_reader=True, arrived_at=LATER),
        Step.READING: NEXT_PATIENT,
        Step.BIRTH_DATE: NEXT_PATIENT,
        Step.LOOKING_UP: NEXT_PATIENT,
        Step.CONFIRM: NEXT_PATIENT,
        Step.CHECKING_IN: SAME,
        Step.DONE: NEXT_PATIENT,
        Step.ASKING_HELP: SAME,
        Step.HELP: NEXT_PATIENT,
        Step.TAKE_CARD: NEXT_PATIENT,
    },
    "card_removed": {
        Step.WELCOME: SAME,
        Step.READING: but(Step.READING, step=Step.WELCOME, card_in_reader=False, notice="card-removed-early"),
        Step.BIRTH_DATE: SAME,
        Step.LOOKING_UP: SAME,
        Step.CONFIRM: taken_out(Step.CONFIRM),
        Step.CHECKING_IN: taken_out(Step.CHECKING_IN),
        Step.DONE: taken_out(Step.DONE),
        Step.ASKING_HELP: taken_out(Step.ASKING_HELP),
        Step.HELP: taken_out(Step.HELP),
        Step.TAKE_CARD: but(Step.TAKE_CARD, step=Step.WELCOME, card_in_reader=False),
    },
    "card_as_code_shown": dict.fromkeys(Step, SAME)
    | {Step.WELCOME: but(Step.WELCOME, step=Step.LOOKING_UP, arrived_at=LATER)},
    "letter_shown": dict.fromkeys(Step, SAME)
    | {Step.WELCOME: but(Step.WELCOME, step=Step.BIRTH_DATE, arrived_at=LATER, proof=LETTER, shown="letter")},
    "code_of_no_use": dict.fromkeys(Step, SAME) | {Step.WELCOME: but(Step.WELCOME, notice="code-unknown")},
    "date_impossible": dict.fromkeys(Step, SAME)
    | {Step.BIRTH_DATE: but(Step.BIRTH_DATE, typed=TYPED, notice="date-impossible")},
    "date_given": dict.fromkeys(Step, SAME)
    | {Step.BIRTH_DATE: but(Step.BIRTH_DATE, step=Step.LOOKING_UP, typed=TYPED)},
    "date_differs": dict.fromkeys(Step, SAME)
    | {Step.LOOKING_UP: but(Step.LOOKING_UP, step=Step.BIRTH_DATE, wrong_dates=1, notice="date-differs")},
    "identified": dict.fromkeys(Step, SAME)
    | {
        Step.LOOKING_UP: but(
            Step.LOOKING_UP,
            step=Step.CONFIRM,
            card=card(),
            patient=FOUND.patient,
            appointment=FOUND.appointment,
            proof=None,
            typed=NOTHING_TYPED,
        ),
        Step.READING: but(
            Step.READING, step=Step.CONFIRM, card=card(), patient=FOUND.patient, appointment=FOUND.appointment
        ),
    },
    "confirmed": dict.fromkeys(Step, SAME) | {Step.CONFIRM: but(Step.CONFIRM, step=Step.CHECKING_IN)},
    "refused": dict.fromkeys(Step, SAME)
    | {
        Step.WELCOME: asking(Step.WELCOME, arrived_at=LATER),
        Step.READING: asking(Step.READING),
        Step.BIRTH_DATE: asking(Step.BIRTH_DATE, proof=None),
        Step.LOOKING_UP: asking(Step.LOOKING_UP, proof=None, typed=NOTHING_TYPED),
        Step.CONFIRM: asking(Step.CONFIRM),
        Step.CHECKING_IN: asking(Step.CHECKING_IN),
        Step.TAKE_CARD: asking(Step.TAKE_CARD, arrived_at=LATER),
    },
    "checked_in": dict.fromkeys(Step, SAME)
    | {
        Step.CHECKING_IN: but(Step.CHECKING_IN, step=Step.DONE, label="A12", area="general", was_checked_in_before=True)
    },
    "help_issued": dict.fromkeys(Step, SAME) | {Step.ASKING_HELP: but(Step.ASKING_HELP, step=Step.HELP, label="D7")},
    "gave_up": dict.fromkeys(Step, SAME)
    | {Step.CHECKING_IN: given_up(Step.CHECKING_IN), Step.ASKING_HELP: given_up(Step.ASKING_HELP)},
    "restart": {
        Step.WELCOME: NOBODY,
        Step.READING: TAKE_CARD,
        Step.BIRTH_DATE: NOBODY,
        Step.LOOKING_UP: NOBODY,
        Step.CONFIRM: TAKE_CARD,
        Step.CHECKING_IN: SAME,
        Step.DONE: TAKE_CARD,
        Step.ASKING_HELP: SAME,
        Step.HELP: TAKE_CARD,
        Step.TAKE_CARD: TAKE_CARD,
    },
}


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("name", INPUTS)
def test_every_input_in_every_step(name: str, step: Step) -> None:
    before = IN_STEP[step]
    expected = TABLE[name][step]
    assert INPUTS[name](before) == (before if expected is SAME else expected)


def test_the_table_is_whole() -> None:
    assert TABLE.keys() == INPUTS.keys()
    assert all(line.keys() == set(Step) == IN_STEP.keys() for line in TABLE.values())


@pytest.mark.parametrize("step", [Step.DONE, Step.HELP, Step.CONFIRM])
def test_the_card_of_the_next_patient_clears_everything_of_the_one_before(step: Step) -> None:
    fresh = checkin.card_seen(replace(IN_STEP[step], notice="x", was_checked_in_before=True), FRESH, LATER)
    assert (fresh.patient, fresh.card, fresh.appointment, fresh.label, fresh.reason) == (None, None, None, "", None)
    assert (fresh.id, fresh.arrived_at) == (FRESH, LATER)


def test_a_card_is_noticed_while_an_answer_is_awaited_and_must_be_taken_out_later() -> None:
    waiting = replace(IN_STEP[Step.CHECKING_IN], card_in_reader=False)
    seen = checkin.card_seen(waiting, FRESH, LATER)
    assert (seen.id, seen.step, seen.card_in_reader) == (ID, Step.CHECKING_IN, True)
    done = checkin.checked_in(seen, "A12", "general", False, LATER)
    assert checkin.restart(done, FRESH, "de", LATER).step is Step.TAKE_CARD


def test_who_asks_for_help_without_a_card_came_when_they_asked() -> None:
    """The welcome page has waited since the patient before; that is not when this one came."""
    hours = NOW + timedelta(hours=3)
    assert checkin.refused(BLANK, Reason.ASKED_FOR_HELP, hours).arrived_at == hours


def test_who_put_in_a_card_came_when_they_did() -> None:
    seen = checkin.card_seen(BLANK, FRESH, LATER)
    refused = checkin.refused(seen, Reason.NO_PATIENT, LATER + timedelta(seconds=8))
    assert refused.arrived_at == LATER


def test_a_refusal_that_knows_the_person_says_who() -> None:
    assert checkin.refused(READING, Reason.NO_APPOINTMENT, LATER, OTHER).patient == OTHER


def test_the_hint_on_the_welcome_page_goes_with_the_next_card() -> None:
    hint = checkin.card_removed(READING, LATER)
    assert hint.notice
    assert checkin.card_seen(hint, FRESH, LATER).notice == ""


@pytest.mark.parametrize("step", Step)
def test_the_language_can_be_changed_in_every_step_and_changes_nothing_else(step: Step) -> None:
    before = IN_STEP[step]
    assert checkin.language_chosen(before, "en", LATER) == replace(before, language="en", touched_at=LATER)


@pytest.mark.parametrize(
    ("step", "clears_after"),
    [
        (Step.CONFIRM, IDLE_AFTER + IDLE_GRACE),
        (Step.BIRTH_DATE, IDLE_AFTER + IDLE_GRACE),
        (Step.LOOKING_UP, None),
        (Step.DONE, SHOWN_FOR),
        (Step.HELP, SHOWN_FOR),
        (Step.WELCOME, None),
        (Step.READING, None),
        (Step.CHECKING_IN, None),
        (Step.ASKING_HELP, None),
        (Step.TAKE_CARD, None),
    ],
)
def test_when_a_page_clears_by_itself(step: Step, clears_after: timedelta | None) -> None:
    assert checkin.clears_at(IN_STEP[step]) == (None if clears_after is None else NOW + clears_after)


@pytest.mark.parametrize("step", [Step.CONFIRM, Step.DONE, Step.HELP])
def test_more_time_is_more_time(step: Step) -> None:
    before = checkin.clears_at(IN_STEP[step])
    after = checkin.clears_at(checkin.touched(IN_STEP[step], LATER))
    assert before is not None
    assert after == before + (LATER - NOW)


@pytest.mark.parametrize("step", Step)
def test_only_a_page_that_waits_for_the_hub_gives_up(step: Step) -> None:
    waits = step in {Step.CHECKING_IN, Step.ASKING_HELP}
    assert checkin.gives_up_at(IN_STEP[step]) == (NOW + ASKING_AT_MOST if waits else None)
    assert (checkin.clears_at(IN_STEP[step]) is None) or not waits, "a page that waits must not clear"


@pytest.mark.parametrize("step", Step)
def test_only_who_is_asked_something_can_be_idle(step: Step) -> None:
    tick = timedelta(microseconds=1)
    assert not checkin.is_idle(IN_STEP[step], NOW + IDLE_AFTER - tick)
    assert checkin.is_idle(IN_STEP[step], NOW + IDLE_AFTER) is (step in ASKING_STEPS)


@pytest.mark.parametrize("step", Step)
def test_the_hub_comes_and_goes_in_every_step_and_nothing_in_hand_changes(step: Step) -> None:
    left = checkin.hub_left(IN_STEP[step])
    assert left == replace(IN_STEP[step], is_hub_there=False)
    assert checkin.hub_returned(left) == IN_STEP[step]


@pytest.mark.parametrize("step", [Step.WELCOME, Step.CONFIRM, Step.DONE, Step.HELP, Step.TAKE_CARD])
def test_without_the_hub_a_card_is_not_read_and_can_only_be_taken_out(step: Step) -> None:
    seen = checkin.card_seen(checkin.hub_left(IN_STEP[step]), FRESH, LATER)
    assert (seen.step, seen.card_in_reader, seen.patient, seen.is_hub_there) == (Step.TAKE_CARD, True, None, False)
    out = checkin.card_removed(seen, LATER)
    assert (out.step, out.is_hub_there) == (Step.WELCOME, False)


def test_the_next_session_knows_that_the_hub_is_away() -> None:
    done = checkin.hub_left(IN_STEP[Step.DONE])
    assert not checkin.restart(done, FRESH, "de", LATER).is_hub_there


def test_the_hint_to_put_the_card_in_once_more_goes_with_the_hub() -> None:
    assert checkin.hub_left(checkin.card_removed(READING, LATER)).notice == ""


def test_without_the_hub_no_code_begins_anything() -> None:
    away = checkin.hub_left(BLANK)
    assert checkin.code_shown(away, LETTER, LATER) == away
    assert checkin.code_of_no_use(away, "code-unknown", LATER) == away


def test_a_hint_goes_after_a_while_and_nothing_else() -> None:
    hint = checkin.code_of_no_use(BLANK, "prescription", LATER)
    assert checkin.notice_clears_at(hint) == LATER + NOTICE_FOR
    assert checkin.notice_cleared(hint) == replace(BLANK, touched_at=LATER)
    assert checkin.notice_clears_at(BLANK) is None
    assert checkin.notice_clears_at(checkin.date_impossible(ASKED, TYPED, LATER)) is None


def test_the_tries_of_a_birth_date_are_counted() -> None:
    s = ASKED
    for _ in range(2):
        s = checkin.date_differs(checkin.date_given(s, TYPED, LATER), LATER)
    assert (s.wrong_dates, s.typed) == (2, TYPED)


@pytest.mark.parametrize(
    ("shown", "is_wanted"), [(None, False), (card(), True), (replace(card(), suffices_for_billing=True), False)]
)
def test_only_a_card_that_does_not_say_all_is_wanted(shown: Card | None, is_wanted: bool) -> None:
    assert checkin.is_card_wanted(replace(BLANK, card=shown)) is is_wanted


def test_a_number_is_known_by_its_kind_alone() -> None:
    number = NumberPayload("nhs-number", Identifier("urn:x", "4857773456"))
    shown = checkin.code_shown(BLANK, number, LATER)
    assert (shown.step, shown.shown) == (Step.BIRTH_DATE, "number")
    assert "4857773456" not in repr(shown)
    assert "KL1" not in repr(ASKED)
