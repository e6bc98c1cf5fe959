"""The life of a print job: every transition from every state, and what must never happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kioskd.core import printing
from kioskd.core.printing import (
    BEGIN_WITHIN,
    Cause,
    JobKey,
    PrintJob,
    PrintState,
    ProofKind,
    SheetKind,
    WrongPrintState,
)
from tests.people import NOW

LATER = NOW + timedelta(seconds=30)
QUEUED = PrintJob(JobKey(uuid4(), SheetKind.WRISTBAND), "bands", b"Huber", NOW, cause=Cause.PAPER_OUT)
SENDING = replace(QUEUED, state=PrintState.SENDING, attempts=1, token=7, odometer_before=41, cause=None)
IN_STATE = {
    PrintState.QUEUED: QUEUED,
    PrintState.SENDING: SENDING,
    PrintState.SENT: replace(SENDING, state=PrintState.SENT),
    PrintState.PRINTED: replace(SENDING, state=PrintState.PRINTED, proof=ProofKind.ODOMETER, ended_at=NOW),
    PrintState.UNKNOWN: replace(SENDING, state=PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST, ended_at=NOW),
    PrintState.EXPIRED: replace(QUEUED, state=PrintState.EXPIRED, ended_at=NOW),
    PrintState.VOID: replace(SENDING, state=PrintState.VOID, cause=Cause.DENIED, ended_at=NOW),
}
TRANSITIONS: dict[str, Callable[[PrintJob], PrintJob]] = {
    "begin": lambda job: printing.begin(job, 7, 41),
    "blocked": lambda job: printing.blocked(job, Cause.COVER_OPEN),
    "expire": lambda job: printing.expire(job, None, LATER),
    "rerouted": lambda job: printing.rerouted(job, "other", b"Huber, for other paper"),
    "void": lambda job: printing.void(job, Cause.REPLACED, LATER),
    "sent": printing.sent,
    "not_printed": lambda job: printing.not_printed(job, Cause.NO_ANSWER),
    "held": lambda job: printing.held(job, Cause.COVER_OPEN),
    "proven": lambda job: printing.proven(job, ProofKind.COMPLETION, LATER),
    "lost": lambda job: printing.lost(job, Cause.NOT_CONFIRMED, LATER),
}
UNKNOWN_NOW = replace(SENDING, state=PrintState.UNKNOWN, cause=Cause.NOT_CONFIRMED, ended_at=LATER)
PRINTED_NOW = replace(SENDING, state=PrintState.PRINTED, proof=ProofKind.COMPLETION, ended_at=LATER)
ALLOWED = {
    ("begin", "queued"): SENDING,
    ("blocked", "queued"): replace(QUEUED, cause=Cause.COVER_OPEN),
    ("expire", "queued"): replace(QUEUED, state=PrintState.EXPIRED, ended_at=LATER),
    ("rerouted", "queued"): replace(QUEUED, device="other", payload=b"Huber, for other paper", cause=None),
    ("void", "unknown"): replace(UNKNOWN_NOW, state=PrintState.VOID, cause=Cause.REPLACED),
    ("void", "printed"): replace(PRINTED_NOW, state=PrintState.VOID, proof=ProofKind.ODOMETER, cause=Cause.REPLACED),
    ("void", "expired"): replace(QUEUED, state=PrintState.VOID, cause=Cause.REPLACED, ended_at=LATER),
    ("sent", "sending"): replace(SENDING, state=PrintState.SENT),
    ("not_printed", "sending"): replace(SENDING, state=PrintState.QUEUED, token=None, cause=Cause.NO_ANSWER),
    ("lost", "sending"): UNKNOWN_NOW,
    ("held", "sent"): replace(SENDING, state=PrintState.SENT, cause=Cause.COVER_OPEN),
    ("proven", "sent"): PRINTED_NOW,
    ("lost", "sent"): UNKNOWN_NOW,
    ("proven", "unknown"): PRINTED_NOW,
}
OVER = {PrintState.PRINTED, PrintState.UNKNOWN, PrintState.EXPIRED, PrintState.VOID}


@pytest.mark.parametrize("state", PrintState)
@pytest.mark.parametrize("name", TRANSITIONS)
def test_every_transition_from_every_state(name: str, state: PrintState) -> None:
    if (name, state) in ALLOWED:
        assert TRANSITIONS[name](IN_STATE[state]) == ALLOWED[name, state]
        return
    with pytest.raises(WrongPrintState, match=f"a job that is {state} can't do that"):
        TRANSITIONS[name](IN_STATE[state])


@pytest.mark.parametrize("state", PrintState)
def test_which_states_are_the_end(state: PrintState) -> None:
    assert IN_STATE[state].is_over is (state in OVER)


@pytest.mark.parametrize("state", PrintState)
def test_after_a_restart_a_begun_job_is_unknown_and_a_queued_one_expires(state: PrintState) -> None:
    after = printing.after_restart(IN_STATE[state], LATER)
    expected = {
        PrintState.QUEUED: replace(QUEUED, state=PrintState.EXPIRED, cause=Cause.RESTARTED, ended_at=LATER),
        PrintState.SENDING: replace(UNKNOWN_NOW, cause=Cause.RESTARTED),
        PrintState.SENT: replace(UNKNOWN_NOW, cause=Cause.RESTARTED),
    }
    assert after == expected.get(state, IN_STATE[state])


def test_what_staff_ordered_is_still_waited_for_after_a_restart_and_for_no_longer() -> None:
    ordered = replace(QUEUED, order_id=uuid4())
    assert printing.after_restart(ordered, LATER) == ordered
    assert printing.after_restart(ordered, NOW + BEGIN_WITHIN).state is PrintState.EXPIRED
    assert not printing.is_due_to_expire(ordered, LATER, session_is_over=True)


def test_only_a_wristband_can_be_void() -> None:
    ticket = replace(IN_STATE[PrintState.UNKNOWN], key=JobKey(uuid4(), SheetKind.TICKET))
    with pytest.raises(WrongPrintState, match="a ticket can't be void"):
        printing.void(ticket, Cause.DENIED, LATER)


def test_an_expired_job_says_why_or_keeps_the_reason_it_waited_for() -> None:
    assert printing.expire(QUEUED, None, LATER).cause is Cause.PAPER_OUT
    assert printing.expire(QUEUED, Cause.RESTARTED, LATER).cause is Cause.RESTARTED


@pytest.mark.parametrize("state", PrintState)
@pytest.mark.parametrize(
    ("after", "is_over", "expected"),
    [
        (BEGIN_WITHIN - timedelta(microseconds=1), False, False),
        (BEGIN_WITHIN, False, True),
        (timedelta(0), True, True),
        (timedelta(hours=-1), False, False),
    ],
)
def test_only_a_queued_job_expires_after_two_minutes_or_with_its_session(
    state: PrintState, after: timedelta, is_over: bool, expected: bool
) -> None:
    due = printing.is_due_to_expire(IN_STATE[state], NOW + after, is_over)
    assert due is (expected and state is PrintState.QUEUED)


class JobLife(RuleBasedStateMachine):
    """Any order of what can happen to one job. Whether paper came out is known here and not to the job."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.job = replace(QUEUED, cause=None)
        self.bytes_left_unproven = False
        self.begun_at: list[timedelta] = []

    def _try(self, transition: Callable[[PrintJob], PrintJob]) -> bool:
        before = self.job
        try:
            self.job = transition(before)
        except WrongPrintState:
            assert self.job == before
            return False
        return True

    @rule(by=st.timedeltas(timedelta(0), timedelta(minutes=3)))
    def time_passes(self, by: timedelta) -> None:
        self.now += by

    @rule(odometer=st.none() | st.integers(0, 9))
    def begin(self, odometer: int | None) -> None:
        if not printing.is_due_to_expire(self.job, self.now, session_is_over=False) and self._try(
            lambda job: printing.begin(job, 1, odometer)
        ):
            self.begun_at.append(self.now - NOW)
            self.bytes_left_unproven = True

    @rule()
    def sent(self) -> None:
        self._try(printing.sent)

    @precondition(lambda self: self.job.state is PrintState.SENDING)
    @rule()
    def proven_not_printed(self) -> None:
        if self._try(lambda job: printing.not_printed(job, Cause.NO_ANSWER)):
            self.bytes_left_unproven = False

    @rule(cause=st.sampled_from(Cause))
    def blocked(self, cause: Cause) -> None:
        self._try(lambda job: printing.blocked(job, cause))

    @rule(cause=st.sampled_from(Cause))
    def held(self, cause: Cause) -> None:
        self._try(lambda job: printing.held(job, cause))

    @rule()
    def proven(self) -> None:
        self._try(lambda job: printing.proven(job, ProofKind.COMPLETION, self.now))

    @rule()
    def lost(self) -> None:
        self._try(lambda job: printing.lost(job, Cause.CONNECTION_LOST, self.now))

    @rule()
    def expire(self) -> None:
        self._try(lambda job: printing.expire(job, None, self.now))

    @rule(name=st.sampled_from(["bands", "other"]))
    def rerouted(self, name: str) -> None:
        self._try(lambda job: printing.rerouted(job, name, b"the same sheet"))

    @rule()
    def void(self) -> None:
        self._try(lambda job: printing.void(job, Cause.DENIED, self.now))

    @rule()
    def restart(self) -> None:
        self.job = printing.after_restart(self.job, self.now)
        assert self.job.is_over, "a job lives over a restart and would print for somebody who has gone"

    @invariant()
    def is_never_queued_again_once_bytes_may_be_out(self) -> None:
        assert not (self.bytes_left_unproven and self.job.state in {PrintState.QUEUED, PrintState.EXPIRED})

    @invariant()
    def never_begins_for_somebody_who_may_have_gone(self) -> None:
        assert all(after < BEGIN_WITHIN for after in self.begun_at)

    @invariant()
    def is_printed_with_its_proof_only(self) -> None:
        assert self.job.proof is not None or self.job.state is not PrintState.PRINTED
        assert self.job.proof is None or self.job.state in {PrintState.PRINTED, PrintState.VOID}
        assert self.job.is_over == (self.job.ended_at is not None)
        assert self.job.attempts == len(self.begun_at)


TestJobLife = JobLife.TestCase
TestJobLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
