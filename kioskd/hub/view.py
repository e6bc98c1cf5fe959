"""What the reception console shows, and what a receptionist can do on it. All times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from kioskd.core.identity import Reason
from kioskd.core.paper import Left
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.core.queue import TicketState
from kioskd.health import Part
from kioskd.hub.sheet_view import BandRow, Labels, OrderRow, SheetDesk


class RecordState(StrEnum):
    """Whether a check-in is in the records backend."""

    NONE = "none"
    """A help ticket: there is nothing to store."""
    PENDING = "pending"
    STORED = "stored"
    PARKED = "parked"
    """The backend will not take it as it is: a person must look."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """The last print job of a kind for a check-in."""

    kind: SheetKind
    state: PrintState
    proof: ProofKind | None
    cause: Cause | None
    copy: int = 1


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card that the desk has to read for the bill. ``read_at`` None: nobody has yet."""

    read_at: datetime | None = None
    read_by: str = ""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One ticket of today. ``reason`` is set for a help ticket."""

    ticket_id: UUID
    check_in_id: UUID
    label: str
    area: str
    state: TicketState
    arrived_at: datetime
    called_at: datetime | None
    room: str
    times_called: int
    family: str
    given: str
    birth_date: date | None
    appointment_at: datetime | None
    practitioner: str
    reason: Reason | None
    record: RecordState
    record_error: str
    sheets: tuple[SheetRow, ...]
    band: BandRow | None = None
    """The wristband that counts; None where the area has none."""
    orders: tuple[OrderRow, ...] = ()
    """What staff ordered of which there is no sheet yet, but for bands and labels."""
    children: tuple[BandRow, ...] = ()
    """The bands of children that were born, in the order of their births."""
    labels: Labels = field(default_factory=Labels)
    is_identified: bool = False
    """Whether it is a patient of the records."""
    has_two_identifiers: bool = False
    """Whether labels can be printed: name, birth date and record number are known."""
    card: CardRow | None = None
    """None where the kiosk read all that the bill needs, or there was no card."""


@dataclass(frozen=True, slots=True)
class AreaRow:
    """A waiting area and the rooms that call from it. The help desk is an area of its own with one room."""

    id: str
    name: str
    rooms: tuple[str, ...]
    is_help_desk: bool


@dataclass(frozen=True, slots=True)
class NoteRow:
    """What a device that works will need soon, such as ``paper-low``, and since when it says so."""

    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class PaperRow:
    """The roll in a printer: sheets used since ``begun_at`` (None: nobody knows) and left (None: nobody knows)."""

    used: int = 0
    begun_at: datetime | None = None
    left: Left | None = None
    is_running_out: bool = False


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """How a device of a station is. ``state``: ``ready``, ``needs-attention``, ``unavailable``, ``disabled``.

    From ``model`` on it is about printers; see ``ports.DeviceReport``.
    """

    station: str
    device: str
    kind: str
    state: str
    what: str
    since: datetime
    model: str = ""
    proof: ProofKind | None = None
    odometer: int | None = None
    notes: tuple[NoteRow, ...] = ()
    is_staff_side: bool = False
    place: str = ""
    line: str = ""
    paper: PaperRow | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt at a kiosk that ended without a ticket."""

    station: str
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class ConsoleView:
    """One look at the front desk. ``rows``: waiting first in calling order, then called, then ended, newest first."""

    at: datetime
    site_name: str
    business_day: date
    areas: tuple[AreaRow, ...]
    rows: tuple[QueueRow, ...]
    devices: tuple[DeviceRow, ...]
    records_pending: int
    records_parked: int
    is_broker_up: bool
    records_waiting_since: datetime | None = None
    """When the oldest of ``records_pending`` was committed."""
    parts: tuple[Part, ...] = ()
    """The parts of the hub's process: databases, deliveries, broker, disk."""
    attempts: tuple[AttemptRow, ...] = ()
    """Today's, newest first."""


class Desk(Protocol):
    """The receptionist's commands. ``staff`` is the account's name; every command is in the audit trail.

    Raises RuleViolation when the ticket's state has changed meanwhile (its text says how).
    """

    @property
    def sheets(self) -> SheetDesk:
        """The commands about wristbands and copies of tickets."""

    async def opened(self, staff: str) -> None:
        """Write into the audit trail that ``staff`` is shown the queue; called before the first view of a page."""

    async def view(self) -> ConsoleView: ...

    async def call_next(self, area: str, room: str, staff: str) -> str | None:
        """Call who waits longest; the label, or None when nobody waits."""

    async def call(self, ticket_id: UUID, room: str, staff: str) -> None: ...

    async def recall(self, ticket_id: UUID, staff: str) -> None: ...

    async def finish(self, ticket_id: UUID, staff: str) -> None: ...

    async def miss(self, ticket_id: UUID, staff: str) -> None:
        """The called person did not come (no-show)."""

    async def put_back(self, ticket_id: UUID, staff: str) -> None:
        """Undo a call or a no-show: the ticket waits again at its old place."""

    async def card_read(self, ticket_id: UUID, staff: str) -> None:
        """The card was read for the bill."""

    async def card_not_read(self, ticket_id: UUID, staff: str) -> None:
        """Undo that."""
