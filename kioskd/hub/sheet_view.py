"""What the console shows of a visit's sheets, and what staff can do about them. All times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from kioskd.core.patient import Sex
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.ports import Newborn, UnknownPerson


class BandState(StrEnum):
    """How a wristband is, in the order of its life."""

    DUE = "due"
    """Nobody has printed it yet, nor asked for it."""
    ORDERED = "ordered"
    """Staff asked for it, and the station has not taken the order yet."""
    WAITING = "waiting"
    """It is queued at its printer; ``cause`` says what it waits for."""
    PRINTING = "printing"
    PRINTED = "printed"
    UNKNOWN = "unknown"
    NOT_PRINTED = "not-printed"
    """Proven, or no station took the order in time."""
    ON = "on"
    """Staff compared name and birth date and put it on the patient."""


class BandReason(StrEnum):
    """Why a new band takes the place of one that came out."""

    DAMAGED = "damaged"
    WRONG = "wrong"
    LOST = "lost"
    SECOND = "second"


class TicketReason(StrEnum):
    """Why a ticket is printed again."""

    NOT_OUT = "not-out"
    LOST = "lost"
    UNREADABLE = "unreadable"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order of staff of which there is no sheet yet. ``is_withdrawn``: no station took it in time."""

    kind: SheetKind
    copy: int
    station: str
    device: str
    ordered_at: datetime
    ordered_by: str
    is_withdrawn: bool


@dataclass(frozen=True, slots=True)
class VoidBand:
    """A band that does not count any more. ``came_out``: something proves it, so somebody must destroy it."""

    number: int
    cause: Cause | None
    """REPLACED by a newer one, DENIED by staff, or None: it was not printed as far as anybody knew."""
    came_out: bool


@dataclass(frozen=True, slots=True)
class BandRow:
    """The wristband of a visit that counts, and those before it."""

    number: int
    copy: int
    state: BandState
    cause: Cause | None = None
    proof: ProofKind | None = None
    station: str = ""
    device: str = ""
    order: OrderRow | None = None
    put_on_by: str = ""
    put_on_at: datetime | None = None
    void: tuple[VoidBand, ...] = ()
    person: int = 0
    """Whose of the visit: 0 who came, 1 and up the children that were born, in the order of their births."""
    is_name_similar: bool = False
    unnamed: UnknownPerson | Newborn | None = None
    """Whom it is for who has no name yet; times are aware UTC."""
    record_number: str = ""
    """That of ``unnamed``."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """Labels of one kind that are in the same state. ``copy`` is that of the first one."""

    kind: SheetKind
    copy: int
    count: int
    state: PrintState | None
    """None: no station has taken the order yet."""
    cause: Cause | None = None
    is_withdrawn: bool = False
    station: str = ""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a visit. ``ordered`` counts all that were ever ordered: a page that knows fewer is old."""

    ordered: int = 0
    rows: tuple[LabelRow, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelWish:
    """Labels that staff want: ``count`` from 1 to 10, each an order of its own."""

    kind: SheetKind
    count: int
    title: str = ""
    """What it is for, in the words of staff."""
    code: str = ""
    """What the barcode says; empty: the record number."""


@dataclass(frozen=True, slots=True)
class ChildAsSaid:
    """A newborn as staff say. ``born_at`` is the site's local time, without a zone."""

    record_number: str
    born_at: datetime
    birth_order: int = 1
    births: int = 1


@dataclass(frozen=True, slots=True)
class PrinterName:
    """A printer of a station. An empty device is the station's own printer of the kind."""

    station: str
    device: str

    def __str__(self) -> str:
        return f"{self.station}/{self.device}"


class SheetDesk(Protocol):
    """What staff can do about sheets. ``staff`` is the account's name; every command is in the audit trail.

    ``copy`` is the one that the page showed: what has changed meanwhile is refused. Raises RuleViolation, whose
    ``rule`` is one of ``kioskd.hub.sheet_desk.RULES``.
    """

    async def print_band(
        self, ticket_id: UUID, copy: int, printer: PrinterName, staff: str, is_name_similar: bool | None = None
    ) -> None:
        """Have the band printed that is due or was not printed.

        ``is_name_similar``: whether it warns that somebody in the house has a similar name; None: as it was.
        """

    async def band_for_unknown(
        self, ticket_id: UUID, record_number: str, sex: Sex, printer: PrinterName, staff: str
    ) -> None:
        """A band for the person of a help ticket whom nobody has identified.

        Other facts than those of the band that there is make that one void: somebody mistyped.
        """

    async def band_for_newborn(self, ticket_id: UUID, child: ChildAsSaid, printer: PrinterName, staff: str) -> None:
        """A band for a child of the patient in hand. Other facts for the same order of birth: as above."""

    async def print_labels(
        self, ticket_id: UUID, wish: LabelWish, ordered: int, printer: PrinterName, staff: str
    ) -> None:
        """Labels for the patient's specimens or documents. ``ordered``: how many the page knew of."""

    async def label_did_not_come_out(self, ticket_id: UUID, kind: SheetKind, copy: int, staff: str) -> None:
        """A label of which nobody could tell is not there; staff order another one if they want it."""

    async def put_band_on(self, ticket_id: UUID, copy: int, staff: str) -> None:
        """``staff`` compared the spoken name and birth date, or what is known, with the band and put it on."""

    async def came_out(self, ticket_id: UUID, kind: SheetKind, copy: int, staff: str) -> None:
        """A sheet of which nobody could tell is there."""

    async def band_did_not_come_out(self, ticket_id: UUID, copy: int, printer: PrinterName, staff: str) -> None:
        """A band of which nobody could tell is not there: it is void, and a new one is printed."""

    async def new_band(
        self,
        ticket_id: UUID,
        copy: int,
        reason: BandReason,
        printer: PrinterName,
        staff: str,
        is_name_similar: bool | None = None,
    ) -> None:
        """A new band takes the place of one that came out. ``is_name_similar`` None: as on that one."""

    async def print_ticket_again(
        self, ticket_id: UUID, copy: int, reason: TicketReason, words: str, printer: PrinterName, staff: str
    ) -> None:
        """One copy of the ticket, marked as such. ``words``: the reason in staff's own words, where they gave any."""
