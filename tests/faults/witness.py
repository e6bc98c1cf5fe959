"""What was seen from outside while a front desk was killed, and what is wrong with it. Pure: facts in, findings out.

A label on the kiosk's page or on paper is a promise: it must lead to exactly one check-in of that patient at the hub
and, where there is an appointment, to exactly one Encounter. Times are ``time.monotonic()``; a life is the number of
a start of the process that prints, from 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

NOBODY = ""
"""The patient of a check-in whose person is not known."""


@dataclass(frozen=True)
class Promise:
    """A number that the kiosk's page showed to ``patient`` in a life; ``session`` as the page named it."""

    patient: str
    session: str
    label: str
    is_help: bool
    life: int


@dataclass(frozen=True)
class CheckInRow:
    """A check-in or a help ticket at the hub."""

    id: str
    patient: str
    label: str
    is_help: bool


@dataclass(frozen=True)
class Record:
    """An Encounter in the records backend."""

    id: str
    check_in: str
    label: str
    patient: str


@dataclass(frozen=True)
class PaperSheet:
    """A sheet that came out. A ticket is known by its label, a band by its patient."""

    kind: Literal["ticket", "band"]
    label: str
    patient: str
    is_copy: bool
    connected_at: float


@dataclass(frozen=True)
class Job:
    """How a print job ended at the station. ``kind`` as on paper: a help ticket is a ticket."""

    check_in: str
    kind: Literal["ticket", "band"]
    copy: int
    state: str


@dataclass(frozen=True)
class Call:
    """A number and a room: on a display, or as the hub has it."""

    label: str
    room: str


@dataclass
class Facts:
    """All that was seen in one run."""

    life_began_at: list[float] = field(default_factory=list)
    visits: set[tuple[str, int]] = field(default_factory=set)
    """Who stood at the kiosk in which life."""
    promises: list[Promise] = field(default_factory=list)
    check_ins: list[CheckInRow] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    sheets: list[PaperSheet] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    open_intents: int = 0
    undelivered: int = 0
    displayed: set[Call] = field(default_factory=set)
    """Every call that a display ever showed."""
    on_display: set[Call] = field(default_factory=set)
    """What it shows in the end."""
    ever_called: set[Call] = field(default_factory=set)
    """Every call of the hub, also of finished tickets."""
    is_called: set[Call] = field(default_factory=set)
    """Who is called in the end, by the hub."""
    audit: str = ""
    """What is wrong with the audit chains, or empty."""


@dataclass(frozen=True)
class Finding:
    """Something that must not be."""

    kind: Literal["lost", "doubled", "wrong-call", "other"]
    what: str


def judge(facts: Facts) -> list[Finding]:
    """Everything that is wrong, in the order of the path."""
    return [
        *_numbers(facts.check_ins),
        *_promises(facts),
        *_records(facts),
        *_sheets(facts),
        *_jobs(facts),
        *_calls(facts),
        *_left_over(facts),
    ]


def _numbers(check_ins: Iterable[CheckInRow]) -> Iterator[Finding]:
    rows = list(check_ins)
    for label, count in Counter(row.label for row in rows).items():
        if count > 1:
            yield Finding("doubled", f"number {label} was given {count} times")
    for patient, count in Counter(row.patient for row in rows if not row.is_help).items():
        if count > 1:
            yield Finding("doubled", f"{patient} has {count} check-ins for one appointment")


def _promises(facts: Facts) -> Iterator[Finding]:
    labelled = {row.label: row for row in facts.check_ins}
    for promise in facts.promises:
        row = labelled.get(promise.label)
        where = f"life {promise.life}: the page showed {promise.label} to {promise.patient}"
        if row is None:
            yield Finding("lost", f"{where}, and the hub has no such number")
        elif row.is_help != promise.is_help or (promise.is_help and row.id != promise.session):
            yield Finding("lost", f"{where}, and at the hub that number is {row.id}, not session {promise.session}")
        elif not promise.is_help and row.patient != promise.patient:
            yield Finding("lost", f"{where}, and at the hub that number is {row.patient}'s")


def _records(facts: Facts) -> Iterator[Finding]:
    stored = Counter(record.check_in for record in facts.records)
    rows = {row.id: row for row in facts.check_ins if not row.is_help}
    for row in rows.values():
        if stored[row.id] == 0:
            yield Finding("lost", f"check-in {row.id} ({row.label}) of {row.patient} is not in the record")
        elif stored[row.id] > 1:
            yield Finding("doubled", f"check-in {row.id} ({row.label}) is {stored[row.id]} times in the record")
    for record in facts.records:
        if record.check_in not in rows:
            yield Finding("lost", f"Encounter {record.id} ({record.label}) is of a check-in that the hub has not")
        elif (record.label, record.patient) != (rows[record.check_in].label, rows[record.check_in].patient):
            yield Finding(
                "other", f"Encounter {record.id} says {record.label} of {record.patient}, not what the hub says"
            )


def _sheets(facts: Facts) -> Iterator[Finding]:
    patients = {row.label: row.patient for row in facts.check_ins}
    known = set(patients.values())
    shown_to = {promise.label: promise.patient for promise in facts.promises}
    unmarked = Counter((s.kind, s.label or s.patient) for s in facts.sheets if not s.is_copy)
    for (kind, whose), count in unmarked.items():
        if count > 1:
            yield Finding("doubled", f"{count} {kind}s without a mark for {whose}")
    for sheet in facts.sheets:
        of, life = sheet.label or sheet.patient, bisect_right(facts.life_began_at, sheet.connected_at) - 1
        if sheet.label not in patients if sheet.kind == "ticket" else sheet.patient not in known:
            yield Finding("lost", f"life {life} printed a {sheet.kind} for {of}, whom the hub does not know")
            continue
        patient = sheet.patient or patients[sheet.label] or shown_to.get(sheet.label, NOBODY)
        if patient != NOBODY and (patient, life) not in facts.visits:
            yield Finding("doubled", f"life {life} printed a {sheet.kind} for {of}, who had gone before it began")


def _jobs(facts: Facts) -> Iterator[Finding]:
    labels = {row.id: row.label for row in facts.check_ins}
    patients = {row.id: row.patient for row in facts.check_ins}
    paper: Counter[tuple[str, str]] = Counter((sheet.kind, sheet.label or sheet.patient) for sheet in facts.sheets)
    states: dict[tuple[str, str], list[str]] = {}
    for job in facts.jobs:
        if job.state not in {"printed", "unknown", "expired"}:
            yield Finding("other", f"the {job.kind} of check-in {job.check_in} is {job.state} for ever")
        of = (labels if job.kind == "ticket" else patients).get(job.check_in, "")
        states.setdefault((job.kind, of), []).append(job.state)
    for key, count in paper.items():
        if key not in states:
            yield Finding("other", f"{count} {key[0]}s for {key[1]} came out, and the station has no job for them")
    for key, ends in states.items():
        out, proven, unknown = paper[key], ends.count("printed"), ends.count("unknown")
        if not proven <= out <= proven + unknown:
            what = f"{out} {key[0]}s of {key[1] or 'nobody'} came out, and its jobs say {', '.join(sorted(ends))}"
            yield Finding("doubled" if out > proven + unknown else "lost", what)


def _calls(facts: Facts) -> Iterator[Finding]:
    for call in sorted(facts.displayed - facts.ever_called, key=str):
        yield Finding("wrong-call", f"a display showed {call.label} in {call.room}; the hub never called that")
    for call in sorted(facts.on_display ^ facts.is_called, key=str):
        side = "is still on the display" if call in facts.on_display else "is missing on the display"
        yield Finding("wrong-call", f"{call.label} in {call.room} {side}")


def _left_over(facts: Facts) -> Iterator[Finding]:
    if facts.open_intents:
        yield Finding("lost", f"{facts.open_intents} intents of the station were never answered")
    if facts.undelivered:
        yield Finding("lost", f"{facts.undelivered} messages of the outbox were not delivered in time")
    if facts.audit:
        yield Finding("other", f"the audit trail is not whole: {facts.audit}")
