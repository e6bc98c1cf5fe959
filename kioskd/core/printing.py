"""The life of a print job. Every job ends PRINTED with its proof, EXPIRED with its cause, UNKNOWN, or VOID.

::

    QUEUED ──begin──> SENDING ──sent──> SENT ──proven──> PRINTED
      ^  │                │               │
      │  ├─expire─> EXPIRED               └─lost─> UNKNOWN      (also SENDING, and both after a crash)
      │  └─rerouted (to another printer of the role)
      └──not_printed (proven: nothing came out)

``begin`` is committed before the first byte, so after a crash a job in SENDING or SENT is UNKNOWN, never QUEUED:
nobody can tell what came out. A patient who still stands there is asked: "yes" is a proof, "no" makes one copy, marked
as such, a job of its own. Staff are asked about a wristband: "no" makes it VOID, and a new band has a number of its
own. Only a job that is proven not printed is sent again by the daemon, and only while its patient is there: a job not
begun within ``BEGIN_WITHIN``, or when its session ends, expires.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

BEGIN_WITHIN = timedelta(minutes=2)
"""Longest time between the check-in and the first byte of its sheet; later the patient may be gone."""


class SheetKind(StrEnum):
    """What is printed."""

    TICKET = "ticket"
    HELP_TICKET = "help-ticket"
    WRISTBAND = "wristband"
    SPECIMEN_LABEL = "specimen-label"
    DOCUMENT_LABEL = "document-label"
    TEST = "test"
    """A self-test that staff asked for: it says which printer it came from, and nothing of a patient."""


class PrintState(StrEnum):
    """See the picture in the module's docstring."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    PRINTED = "printed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    VOID = "void"
    """A wristband that does not count: staff said that none came out, or a newer one took its place."""


class ProofKind(StrEnum):
    """What proves that a sheet came out."""

    COMPLETION = "completion"
    """The printer answered the job's own process id after printing (ESC/POS ``GS ( H``)."""
    ODOMETER = "odometer"
    """The printer's lifetime count of labels rose by one (ZPL ``odometer.total_label_count``)."""
    FENCE = "fence"
    """The printer answered a queued request behind the job: data was processed, paper not proven (ESC/POS ``GS r``)."""
    STAFF = "staff"
    """Somebody of the staff said so."""
    PATIENT = "patient"
    """The patient said so, asked by the kiosk."""
    NONE = "none"
    """The device can't prove anything."""


class Cause(StrEnum):
    """Why a sheet can't be printed now, or was not."""

    PAPER_OUT = "paper-out"
    COVER_OPEN = "cover-open"
    OFFLINE = "offline"
    CUTTER_ERROR = "cutter-error"
    HEAD_HOT = "head-hot"
    RIBBON_OUT = "ribbon-out"
    PAUSED = "paused"
    BUSY = "busy"
    BUFFER_FULL = "buffer-full"
    """It takes no more bytes until it has printed something."""
    FAULT = "fault"
    NO_ANSWER = "no-answer"
    CONNECTION_LOST = "connection-lost"
    NO_DEVICE = "no-device"
    CONTENT_REFUSED = "content-refused"
    RESTARTED = "restarted"
    NOT_CONFIRMED = "not-confirmed"
    MISSED = "missed"
    """The patient said that it did not come out, and got a copy marked as such."""
    DENIED = "denied"
    """Staff said that it did not come out."""
    REPLACED = "replaced"
    """A newer band of the same patient took its place."""
    OTHER_LABEL = "other-label"
    """The printer counted more than the one sheet: somebody else's came out as well, and the count proves nothing."""
    COUNT_WENT_BACK = "count-went-back"
    """The printer counts less than before the sheet: another printer, or a new board in it."""
    NOTHING_COUNTED = "nothing-counted"
    """The printer has nothing left to print and counted nothing: it says that the sheet did not come out."""


class PrinterNote(StrEnum):
    """What a printer that works will need soon."""

    PAPER_LOW = "paper-low"
    RIBBON_LOW = "ribbon-low"
    HEAD_DIRTY = "head-dirty"
    HEAD_WORN = "head-worn"
    CUTTER_WORN = "cutter-worn"


@dataclass(frozen=True, slots=True)
class JobKey:
    """What makes a job the same job: asked for twice, it is printed once."""

    check_in_id: UUID
    kind: SheetKind
    copy: int = 1


@dataclass(frozen=True, slots=True)
class PrintJob:
    """One sheet of paper. ``payload`` is rendered once and never again, so a retry is the same sheet."""

    key: JobKey
    device: str
    payload: bytes
    created_at: datetime
    state: PrintState = PrintState.QUEUED
    attempts: int = 0
    token: int | None = None
    odometer_before: int | None = None
    proof: ProofKind | None = None
    cause: Cause | None = None
    ended_at: datetime | None = None
    order_id: UUID | None = None
    """The order of staff that it follows; then somebody waits for it, whether the patient's session is over or not."""
    content: str = ""
    """What the sheet says, as the station's own JSON, for a printer with other paper; empty when the job is over."""

    @property
    def is_over(self) -> bool:
        return self.state not in {PrintState.QUEUED, PrintState.SENDING, PrintState.SENT}


class WrongPrintState(ValueError):
    """A transition that the picture above does not have."""


def _must_be(job: PrintJob, *states: PrintState) -> None:
    if job.state not in states:
        raise WrongPrintState(f"a job that is {job.state} can't do that")


def begin(job: PrintJob, token: int, odometer_before: int | None) -> PrintJob:
    """About to send the first byte. Commit this before sending it."""
    _must_be(job, PrintState.QUEUED)
    return replace(
        job,
        state=PrintState.SENDING,
        attempts=job.attempts + 1,
        token=token,
        odometer_before=odometer_before,
        cause=None,
    )


def sent(job: PrintJob) -> PrintJob:
    """The last byte left this machine."""
    _must_be(job, PrintState.SENDING)
    return replace(job, state=PrintState.SENT)


def blocked(job: PrintJob, cause: Cause) -> PrintJob:
    """The device can't print now; no byte was sent. The job stays queued, with the cause for the desk to see."""
    _must_be(job, PrintState.QUEUED)
    return replace(job, cause=cause)


def held(job: PrintJob, cause: Cause) -> PrintJob:
    """The printer has the whole sheet and waits for a hand (paper, lid) before it prints it."""
    _must_be(job, PrintState.SENT)
    return replace(job, cause=cause)


def not_printed(job: PrintJob, cause: Cause) -> PrintJob:
    """Proven: nothing came out. The job is queued again; the same bytes may be sent."""
    _must_be(job, PrintState.SENDING)
    return replace(job, state=PrintState.QUEUED, token=None, cause=cause)


def rerouted(job: PrintJob, device: str, payload: bytes) -> PrintJob:
    """Another printer takes it, with the same sheet rendered for its paper. Nothing of it was printed by the first."""
    _must_be(job, PrintState.QUEUED)
    return replace(job, device=device, payload=payload, cause=None, token=None, odometer_before=None)


def proven(job: PrintJob, proof: ProofKind, now: datetime) -> PrintJob:
    """The sheet is out."""
    _must_be(job, PrintState.SENT, PrintState.UNKNOWN)
    return replace(job, state=PrintState.PRINTED, proof=proof, cause=None, ended_at=now)


def missed(job: PrintJob) -> PrintJob:
    """Its patient says that it did not come out: a word, no proof. One copy, marked as such, follows it."""
    _must_be(job, PrintState.UNKNOWN)
    if job.key.copy > 1:
        raise WrongPrintState("a copy that nobody saw is the desk's")
    return replace(job, cause=Cause.MISSED)


def void(job: PrintJob, cause: Cause, now: datetime) -> PrintJob:
    """A wristband that does not count any more: DENIED by staff, or REPLACED by a newer one."""
    _must_be(job, PrintState.UNKNOWN, PrintState.PRINTED, PrintState.EXPIRED)
    if job.key.kind is not SheetKind.WRISTBAND:
        raise WrongPrintState(f"a {job.key.kind} can't be void")
    return replace(job, state=PrintState.VOID, cause=cause, ended_at=now)


def lost(job: PrintJob, cause: Cause, now: datetime) -> PrintJob:
    """Bytes were sent and no proof came: nobody knows. Never sent again by the daemon."""
    _must_be(job, PrintState.SENDING, PrintState.SENT)
    return replace(job, state=PrintState.UNKNOWN, cause=cause, ended_at=now)


def expire(job: PrintJob, cause: Cause | None, now: datetime) -> PrintJob:
    """The patient may be gone: nothing of them prints by itself any more."""
    _must_be(job, PrintState.QUEUED)
    return replace(job, state=PrintState.EXPIRED, cause=cause or job.cause, ended_at=now)


def is_due_to_expire(job: PrintJob, now: datetime, session_is_over: bool) -> bool:
    """Whether a queued job must not begin any more."""
    is_unattended = session_is_over and job.order_id is None
    return job.state is PrintState.QUEUED and (is_unattended or now - job.created_at >= BEGIN_WITHIN)


def after_restart(job: PrintJob, now: datetime) -> PrintJob:
    """What a job is when the daemon starts: a begun one is UNKNOWN, the session of a queued one is over.

    What staff ordered and nobody began is still waited for.
    """
    if job.state in {PrintState.SENDING, PrintState.SENT}:
        return lost(job, Cause.RESTARTED, now)
    if is_due_to_expire(job, now, session_is_over=True):
        return expire(job, Cause.RESTARTED, now)
    return job
