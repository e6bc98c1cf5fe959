"""What a sheet is made of, whichever printer prints it. It is patient data, kept only while the sheet is not out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from kioskd.core.patient import Patient
from kioskd.core.printing import SheetKind
from kioskd.ports import CheckInReply, HelpReply, Newborn, PrintOrder, UnknownPerson


@dataclass(frozen=True, slots=True)
class Content:
    """The facts of one sheet; what a kind does not need is empty. ``made_at``: when a label was ordered.

    ``unnamed``: as in ``ports.PrintOrder``, with a time in aware UTC.
    """

    kind: SheetKind
    language: str
    check_in: CheckInReply | None = None
    help_ticket: HelpReply | None = None
    patient: Patient | None = None
    band_number: int | None = None
    is_copy: bool = False
    made_at: datetime | None = None
    is_name_similar: bool = False
    unnamed: UnknownPerson | Newborn | None = None
    record_number: str = ""
    title: str = ""
    code: str = ""


_JSON = TypeAdapter(Content)


def ticket_content(reply: CheckInReply | HelpReply, language: str, is_copy: bool = False) -> Content:
    """A ticket or help ticket."""
    if isinstance(reply, HelpReply):
        return Content(SheetKind.HELP_TICKET, language, help_ticket=reply, is_copy=is_copy)
    return Content(SheetKind.TICKET, language, check_in=reply, is_copy=is_copy)


def band_content(patient: Patient, band_number: int, language: str) -> Content:
    """A wristband."""
    return Content(SheetKind.WRISTBAND, language, patient=patient, band_number=band_number)


def order_content(order: PrintOrder, language: str) -> Content:
    """What staff ordered; whatever is not the first of its kind is marked as a copy."""
    return Content(
        kind=order.kind,
        language=order.language or language,
        check_in=order.ticket if isinstance(order.ticket, CheckInReply) else None,
        help_ticket=order.ticket if isinstance(order.ticket, HelpReply) else None,
        patient=order.patient,
        band_number=order.band_number,
        is_copy=order.copy > 1,
        made_at=order.ordered_at,
        is_name_similar=order.is_name_similar,
        unnamed=order.unnamed,
        record_number=order.record_number,
        title=order.title,
        code=order.code,
    )


def to_json(content: Content) -> str:
    """The form in which a job keeps it."""
    return _JSON.dump_json(content).decode()


def from_json(text: str) -> Content:
    """What a job kept. Raises ValueError when an earlier version of the daemon wrote it in another form."""
    return _JSON.validate_json(text)
