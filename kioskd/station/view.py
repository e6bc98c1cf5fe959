"""What the kiosk page shows, and what a person can do on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from kioskd.core.birth_date import NOTHING_TYPED, TypedDate
from kioskd.core.checkin import Step
from kioskd.core.identity import Reason
from kioskd.ports import CameraPicture


class SheetView(StrEnum):
    """How a sheet of this session is, in the only words that the patient needs."""

    NONE = "none"
    """This session prints no such sheet."""
    PRINTING = "printing"
    TAKE_IT = "take-it"
    """Proven to be out."""
    NOT_NOW = "not-now"
    """The printer can't print now; the desk knows."""
    UNKNOWN = "unknown"
    """Nobody can tell whether it came out; the desk knows."""


@dataclass(frozen=True, slots=True)
class KioskView:
    """One look at the session. Local times are in the site's zone. Texts are chosen by the page, not here."""

    session_id: UUID
    step: Step
    language: str
    site_name: str
    languages: tuple[str, ...]
    given: str = ""
    family: str = ""
    birth_date: date | None = None
    appointment_at: datetime | None = None
    practitioner: str = ""
    label: str = ""
    area_name: str = ""
    arrived_at: datetime | None = None
    was_checked_in_before: bool = False
    called_to: str = ""
    """The room that the number is being called to, for who comes a second time."""
    reason: Reason | None = None
    notice: str = ""
    ticket: SheetView = SheetView.NONE
    wristband: SheetView = SheetView.NONE
    ticket_place: str = ""
    """Where the ticket comes out when another printer than the one here prints it, in the site's words."""
    asks_for_ticket: bool = False
    """Nobody can tell whether the ticket came out: the patient is asked, once."""
    is_idle: bool = False
    clears_in_s: int | None = None
    """Whole seconds until the page clears by itself, or None."""
    is_card_in_reader: bool = False
    is_reader_ready: bool = True
    has_reader: bool = True
    """Whether there is a card reader at all."""
    can_show_code: bool = False
    """A scanner or camera reads codes now."""
    has_camera: bool = False
    """There is a picture to show of what is held up."""
    typed: TypedDate = NOTHING_TYPED
    """The birth date as it was given last, to be mended."""
    is_card_wanted: bool = False
    """The desk has to read the card too, for the bill."""
    is_hub_there: bool = True
    """Without the hub nobody can be checked in here, and the desk hears of nothing."""


class KioskSession(Protocol):
    """The session behind the page. Each input names the session it was made for: one for an earlier session
    changes nothing, so a second tap and a reload are harmless. The page re-reads ``view`` after each input and
    on each ``core.events.SessionChanged`` of this station.
    """

    station: str

    def view(self) -> KioskView: ...

    def look(self) -> CameraPicture | None:
        """What the camera sees now, while codes are taken; None: nothing to show."""

    async def give_birth_date(self, session_id: UUID, typed: TypedDate) -> None:
        """This is my birth date: returns when it is known who it is, or that it can't be known here."""

    async def confirm(self, session_id: UUID) -> None:
        """Yes, this is me: returns when the check-in is committed or refused."""

    async def deny(self, session_id: UUID) -> None:
        """No, this is not me."""

    async def ask_for_help(self, session_id: UUID) -> None:
        """I need a person."""

    async def need_more_time(self, session_id: UUID) -> None: ...

    async def ticket_came(self, session_id: UUID) -> None:
        """My ticket came out."""

    async def ticket_missing(self, session_id: UUID) -> None:
        """No ticket came out: returns when one copy, marked as such, is on its way."""

    async def close(self, session_id: UUID) -> None:
        """I am done."""

    async def choose_language(self, language: str) -> None: ...
