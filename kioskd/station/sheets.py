"""What tickets say. Texts go through ``translate(language, text)``; names never stand on a ticket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from kioskd.ports import CheckInReply, HelpReply, TicketSheet

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


def _local(at: datetime, zone: ZoneInfo, language: str) -> dict[str, str]:
    local = at.astimezone(zone)
    date_form = "%d.%m.%Y" if language == "de" else "%d %b %Y"
    return {"time": f"{local:%H:%M}", "date": local.strftime(date_form)}
