"""The present patient's way from card to record, folded out of events: pure, and kept only as long as the lab runs.

Every moment is the event's own; what a stop took is counted from the stop that it waits for, so that the time in which
a person reads and decides is not mistaken for the machine's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import log10
from uuid import UUID

from kioskd.core.checkin import Step
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
    SheetUnknown,
    TicketCalled,
)
from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, ProofKind, SheetKind

LONGEST_BAR_MS = 100_000.0
"""A bar is as long as the logarithm of its time: from 1 ms, no bar, to this, a whole one."""


class Stop(StrEnum):
    """Where a patient's way passes. ``ASKED`` begins it for somebody who calls for help without a card."""

    SEEN = "card seen"
    ASKED = "help asked for"
    IDENTIFIED = "identified"
    REFUSED = "sent to the desk"
    COMMITTED = "committed"
    TICKET = "ticket proven"
    BAND = "band proven"
    CALLED = "called"
    DISPLAY = "display right"
    RECORD = "record stored"


class StopState(StrEnum):
    """``PERSON``: the next thing is a person's to do. ``TROUBLE``: it waits, and the note says why."""

    DONE = "done"
    REFUSED = "refused"
    TROUBLE = "trouble"
    PERSON = "person"
    OPEN = "open"


_AFTER = {
    Stop.IDENTIFIED: Stop.SEEN,
    Stop.COMMITTED: Stop.IDENTIFIED,
    Stop.TICKET: Stop.COMMITTED,
    Stop.BAND: Stop.COMMITTED,
    Stop.CALLED: Stop.COMMITTED,
    Stop.DISPLAY: Stop.CALLED,
    Stop.RECORD: Stop.COMMITTED,
}
_BY_PEOPLE = frozenset({Stop.COMMITTED, Stop.CALLED})
_WAY = (Stop.SEEN, Stop.IDENTIFIED, Stop.COMMITTED, Stop.TICKET, Stop.BAND, Stop.CALLED, Stop.DISPLAY, Stop.RECORD)
_WAY_TO_DESK = (Stop.REFUSED, Stop.COMMITTED, Stop.TICKET, Stop.CALLED, Stop.DISPLAY)


@dataclass(frozen=True, slots=True)
class StopView:
    """One stop as it is drawn. ``at_ms``: since the card was seen; ``took_ms``: since the stop that it waits for."""

    stop: Stop
    state: StopState
    at_ms: float | None
    took_ms: float | None
    is_by_people: bool
    reason: Reason | None = None
    cause: Cause | None = None
    proof: ProofKind | None = None
    note: str = ""

    @property
    def bar_percent(self) -> float:
        """How long the bar is."""
        took = min(max(self.took_ms or 1.0, 1.0), LONGEST_BAR_MS)
        return round(100 * log10(took) / log10(LONGEST_BAR_MS), 1)


@dataclass
class Timeline:
    """What is known of the present patient. ``note`` every event, ``stops`` draws them."""

    at: dict[Stop, datetime] = field(default_factory=dict)
    label: str = ""
    reason: Reason | None = None
    is_again: bool = False
    """This appointment was checked in before; it keeps its number."""
    is_card_in: bool = False
    _check_in_id: UUID | None = None
    _area: str = ""
    _proofs: dict[Stop, ProofKind] = field(default_factory=dict)
    _causes: dict[Stop, Cause | None] = field(default_factory=dict)
    _is_record_parked: bool = False

    def note(self, event: Event) -> None:
        """Take one event in; those of other patients change nothing, nor does the end of the one before this card."""
        match event:
            case CardSeen():
                self._begin(Stop.SEEN, event.at)
                self.is_card_in = True
            case CardRemoved():
                self.is_card_in = False
            case PatientIdentified(check_in_id=check_in_id) if Stop.SEEN in self.at:
                self._check_in_id = check_in_id
                self.at[Stop.IDENTIFIED] = event.at
            case HelpTicketIssued(check_in_id=check_in_id, label=label, reason=reason):
                self._refuse(check_in_id, reason, event.at)
                self.label = label
                self.at[Stop.COMMITTED] = event.at
            case CheckInRefused(check_in_id=check_in_id, reason=reason) if reason is not Reason.ANOTHER_CARD:
                self._refuse(check_in_id, reason, event.at)
            case PatientCheckedIn(check_in_id=check_in_id) if check_in_id == self._check_in_id:
                self.label, self._area, self.is_again = event.label, event.area, False
                self.at[Stop.COMMITTED] = event.at
            case SessionChanged(step=Step.DONE) if Stop.IDENTIFIED in self.at and Stop.COMMITTED not in self.at:
                self.is_again = True
            case _:
                self._note_later(event)

    def _note_later(self, event: Event) -> None:
        """What happens to a check-in after it was committed."""
        match event:
            case SheetPrinted(check_in_id=check_in_id, kind=kind, proof=proof) if check_in_id == self._check_in_id:
                self.at[_stop(kind)] = event.at
                self._proofs[_stop(kind)] = proof
                self._causes.pop(_stop(kind), None)
            case SheetNotPrinted() | SheetUnknown() if event.check_in_id == self._check_in_id:
                self._causes[_stop(event.kind)] = event.cause
            case TicketCalled(label=label) if label and label == self.label:
                self.at.setdefault(Stop.CALLED, event.at)
                self._area = event.area
            case DisplayPublished(area=area) if Stop.CALLED in self.at and area == self._area:
                self.at.setdefault(Stop.DISPLAY, event.at)
            case RecordStored(check_in_id=check_in_id) if check_in_id == self._check_in_id:
                self.at[Stop.RECORD] = event.at
                self._causes.pop(Stop.RECORD, None)
            case RecordDelayed(check_in_id=check_in_id, is_parked=is_parked) if check_in_id == self._check_in_id:
                self._causes[Stop.RECORD] = None
                self._is_record_parked = is_parked

    @property
    def has_begun(self) -> bool:
        return bool(self.at)

    @property
    def stops(self) -> tuple[StopView, ...]:
        """The way of this patient, in the order in which it is drawn."""
        begin = Stop.ASKED if Stop.ASKED in self.at else Stop.SEEN
        if self.reason is None:
            return tuple(self._view(stop, begin) for stop in _WAY)
        way = (begin, *((Stop.IDENTIFIED,) if Stop.IDENTIFIED in self.at else ()), *_WAY_TO_DESK)
        return tuple(self._view(stop, begin) for stop in way)

    @property
    def next_step(self) -> int:
        """Which of the page's five steps comes now: card, kiosk, paper, call, record."""
        if Stop.COMMITTED not in self.at:
            return 2 if self.is_card_in and self.reason is None and not self.is_again else 1
        if Stop.CALLED not in self.at:
            return 4
        return 5 if Stop.RECORD in self.at and self.is_card_in else 1

    def _begin(self, stop: Stop, at: datetime) -> None:
        self.at = {stop: at}
        self.label, self._area, self.reason, self.is_again = "", "", None, False
        self._check_in_id, self._is_record_parked = None, False
        self._proofs, self._causes = {}, {}

    def _refuse(self, check_in_id: UUID, reason: Reason, at: datetime) -> None:
        if self._check_in_id not in {None, check_in_id} or not self.at:
            self._begin(Stop.ASKED, at)
        self._check_in_id, self.reason = check_in_id, reason
        self.at.setdefault(Stop.REFUSED, at)

    def _view(self, stop: Stop, begin: Stop) -> StopView:
        at, before = self.at.get(stop), self._before(stop, begin)
        since = self.at.get(before) if before else None
        return StopView(
            stop,
            self._state(stop, before),
            at_ms=_ms(self.at.get(begin), at),
            took_ms=_ms(since, at),
            is_by_people=stop in _BY_PEOPLE and not (stop is Stop.COMMITTED and self.reason),
            reason=self.reason if stop is Stop.REFUSED else None,
            cause=self._causes.get(stop),
            proof=self._proofs.get(stop),
            note=self._note(stop),
        )

    def _before(self, stop: Stop, begin: Stop) -> Stop | None:
        """The stop that this one waits for."""
        if stop is begin:
            return None
        if stop is Stop.REFUSED:
            return Stop.IDENTIFIED if Stop.IDENTIFIED in self.at else begin
        if stop is Stop.COMMITTED and self.reason is not None:
            return begin
        return _AFTER[stop]

    def _state(self, stop: Stop, before: Stop | None) -> StopState:
        if stop in self.at:
            return StopState.REFUSED if stop is Stop.REFUSED else StopState.DONE
        if stop in self._causes:
            return StopState.TROUBLE
        is_next = before in self.at and stop in _BY_PEOPLE and not (stop is Stop.COMMITTED and self.is_again)
        return StopState.PERSON if is_next and (self.reason is None or self.label) else StopState.OPEN

    def _note(self, stop: Stop) -> str:
        if stop is Stop.COMMITTED:
            return "checked in before: the same number" if self.is_again else self.label
        if stop is Stop.RECORD and stop in self._causes:
            return "a person must look" if self._is_record_parked else "records can’t be reached; tried again"
        return ""


def _stop(kind: SheetKind) -> Stop:
    return Stop.BAND if kind is SheetKind.WRISTBAND else Stop.TICKET


def _ms(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else (end - begin).total_seconds() * 1000
