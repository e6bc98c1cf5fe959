"""What tickets and wristbands say. Texts go through ``translate(language, text)``; names never stand on a ticket."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from kioskd.core.patient import Patient
from kioskd.ports import CheckInReply, HelpReply, TicketSheet, WristbandSheet

Translate = Callable[[str, str], str]
"""``translate(language, english)``: the text in the patient's language."""


def ticket_sheet(
    reply: CheckInReply, language: str, site_name: str, zone: ZoneInfo, translate: Translate
) -> TicketSheet:
    """The ticket of a check-in."""

    def _(text: str) -> str:
        return translate(language, text)

    return TicketSheet(
        site_name=site_name,
        title=_("Your number"),
        label=reply.label,
        lines=(
            _("Please wait here: {area}").format(area=reply.area_name),
            _("You came at {time} on {date}.").format(**_local(reply.arrived_at, zone, language)),
        ),
        footer=_("Your number is shown on the screen when it is your turn."),
    )


def help_sheet(reply: HelpReply, language: str, site_name: str, zone: ZoneInfo, translate: Translate) -> TicketSheet:
    """The help ticket of somebody who is not checked in: it says so."""

    def _(text: str) -> str:
        return translate(language, text)

    return TicketSheet(
        site_name=site_name,
        title=_("Help ticket"),
        label=reply.label,
        lines=(
            _("You are not checked in yet. Please go to the desk."),
            _("We noted that you came at {time} on {date}.").format(**_local(reply.arrived_at, zone, language)),
        ),
        footer=_("The desk calls this number. You keep your place."),
    )


def wristband_sheet(patient: Patient, band_number: int, gs1_company_prefix: str) -> WristbandSheet | None:
    """The band of a patient, or None when two identifiers of the person are not known (NPSG.01.01.01)."""
    if patient.birth_date is None or not patient.record_number:
        return None
    return WristbandSheet(
        family=patient.family,
        given=patient.given,
        birth_date=patient.birth_date,
        record_number=patient.record_number,
        band_number=band_number,
        gsrn=gsrn(gs1_company_prefix, patient.record_number),
    )


def gsrn(company_prefix: str, record_number: str) -> str:
    """GS1 service relation number (AI 8018): prefix + record number + check digit, 18 digits; empty if it can't be.

    GS1 General Specifications 2.5.2 and 7.9: weights 3 and 1 from the right.
    """
    room = 17 - len(company_prefix)
    # Only a record number that is all digits: leaving letters out would give A123 and B123 one identity.
    if not company_prefix or not re.fullmatch(r"[0-9]+", record_number) or len(record_number) > room:
        return ""
    body = company_prefix + record_number.rjust(room, "0")
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return body + str(-total % 10)


def _local(at: datetime, zone: ZoneInfo, language: str) -> dict[str, str]:
    local = at.astimezone(zone)
    date_form = "%d.%m.%Y" if language == "de" else "%d %b %Y"
    return {"time": f"{local:%H:%M}", "date": local.strftime(date_form)}
