"""Everything that can happen, one dataclass each, past tense. Read this first.

Events carry ids, labels and states, never a name, a birth date or an insurance number: they reach the console's
live stream, the lab page's timeline and the logs. ``at`` is aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, ProofKind, SheetKind


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events: when it happened."""

    at: datetime


@dataclass(frozen=True, slots=True)
class CardSeen(Event):
    """A card went into the reader of a station."""

    station: str


@dataclass(frozen=True, slots=True)
class CardRemoved(Event):
    """The reader of a station is empty again."""

    station: str


@dataclass(frozen=True, slots=True)
class SessionChanged(Event):
    """The kiosk page of a station has something else to show."""

    station: str
    step: str


@dataclass(frozen=True, slots=True)
class PatientIdentified(Event):
    """A card agreed with one patient and one of today's appointments."""

    station: str
    check_in_id: UUID


@dataclass(frozen=True, slots=True)
class CheckInRefused(Event):
    """A person was sent to the desk, with a help ticket where one was given."""

    station: str
    check_in_id: UUID
    reason: Reason


@dataclass(frozen=True, slots=True)
class PatientCheckedIn(Event):
    """A check-in and its ticket number are committed."""

    check_in_id: UUID
    label: str
    area: str


@dataclass(frozen=True, slots=True)
class HelpTicketIssued(Event):
    """Somebody who could not be checked in has a place at the desk."""

    check_in_id: UUID
    label: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class SheetSent(Event):
    """The last byte of a sheet left for its printer."""

    check_in_id: UUID
    kind: SheetKind


@dataclass(frozen=True, slots=True)
class SheetPrinted(Event):
    """A sheet is out, with its proof."""

    check_in_id: UUID
    kind: SheetKind
    proof: ProofKind
    station: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class SheetNotPrinted(Event):
    """A sheet waits or expired; nothing of it came out."""

    check_in_id: UUID
    kind: SheetKind
    cause: Cause | None
    is_over: bool
    station: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class SheetUnknown(Event):
    """Bytes of a sheet were sent and no proof came: a person must look."""

    check_in_id: UUID
    kind: SheetKind
    cause: Cause
    station: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class PrintOrdered(Event):
    """Staff want a sheet printed at a station."""

    station: str
    check_in_id: UUID
    kind: SheetKind


@dataclass(frozen=True, slots=True)
class WristbandPutOn(Event):
    """Staff compared name and birth date and put a band on its patient."""

    check_in_id: UUID


@dataclass(frozen=True, slots=True)
class BillingCardNoted(Event):
    """Staff read the card of a check-in for the bill, or took that back."""

    check_in_id: UUID
    is_read: bool


@dataclass(frozen=True, slots=True)
class DeviceChanged(Event):
    """A device of a station changed its state; ``cause`` and ``what`` say why for staff."""

    station: str
    device: str
    state: str
    what: str


@dataclass(frozen=True, slots=True)
class TicketCalled(Event):
    """A ticket was called, or called again, to a room."""

    ticket_id: UUID
    label: str
    area: str
    room: str


@dataclass(frozen=True, slots=True)
class TicketFinished(Event):
    """The visit to the room of a ticket is over."""

    ticket_id: UUID
    label: str
    area: str


@dataclass(frozen=True, slots=True)
class TicketMissed(Event):
    """A called person did not come (no-show)."""

    ticket_id: UUID
    label: str
    area: str


@dataclass(frozen=True, slots=True)
class TicketReturned(Event):
    """A called or missed ticket waits again."""

    ticket_id: UUID
    label: str
    area: str


@dataclass(frozen=True, slots=True)
class DisplayPublished(Event):
    """The broker acknowledged the snapshot of an area."""

    area: str
    version: int


@dataclass(frozen=True, slots=True)
class RecordStored(Event):
    """The records backend holds the check-in."""

    check_in_id: UUID


@dataclass(frozen=True, slots=True)
class RecordDelayed(Event):
    """The check-in is not yet in the record; ``what`` says why for staff. ``is_parked``: a person must look."""

    check_in_id: UUID
    what: str
    is_parked: bool
