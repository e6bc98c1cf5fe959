"""What tickets say: a site's template filled with the values of one check-in. Names never stand on a ticket.

Texts go through ``translate(language, text)``. The result is generic, an ordered tuple of lines; how a line is set on
paper is the driver's business.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from kioskd.ports import Align, CheckInReply, HelpReply, LineKind, TicketLine, TicketSheet
from kioskd.station.templates import STANDARD, TemplateLine, TicketForm

__all__ = ["Translate", "help_sheet", "ticket_sheet"]

Translate = Callable[[str, str], str]
"""``translate(language, english)``: the text in the patient's language."""

_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"
_WORD_JOINER = "\u2060"
_KEPT = f"\u200c\u200d{_WORD_JOINER}"
_REGIONS = {"en": "en_GB"}


def ticket_sheet(
    reply: CheckInReply,
    language: str,
    site_name: str,
    zone: ZoneInfo,
    translate: Translate,
    form: TicketForm = STANDARD,
    is_copy: bool = False,
) -> TicketSheet:
    """The ticket of a check-in; a copy is marked as such."""
    values = {
        "site": site_name,
        "number": reply.label,
        "area": reply.area_name,
        "practitioner": reply.practitioner if form.shows_practitioner else "",
        "minutes": str(form.long_wait_minutes or ""),
    } | _local(reply.arrived_at, zone, language)
    return _filled(form.template.ticket, values, language, translate, form, is_copy)


def help_sheet(
    reply: HelpReply,
    language: str,
    site_name: str,
    zone: ZoneInfo,
    translate: Translate,
    form: TicketForm = STANDARD,
    is_copy: bool = False,
) -> TicketSheet:
    """The help ticket of somebody who is not checked in: it says so."""
    values = {"site": site_name, "number": reply.label, "minutes": str(form.long_wait_minutes or "")}
    values |= _local(reply.arrived_at, zone, language)
    return _filled(form.template.help_ticket, values, language, translate, form, is_copy)


def _filled(
    template: tuple[TemplateLine, ...],
    values: Mapping[str, str],
    language: str,
    translate: Translate,
    form: TicketForm,
    is_copy: bool,
) -> TicketSheet:
    def _(text: str) -> str:
        return translate(language, text)

    is_right_to_left = _locale(language).text_direction == "rtl"
    lines: list[TicketLine] = []
    for line in template:
        if line.logo and form.logo:
            lines.append(TicketLine(LineKind.PICTURE, picture=form.logo, align=Align(line.align)))
        elif line.is_number:
            if is_copy:
                lines.append(TicketLine(LineKind.GAP, size=1))
                lines.append(TicketLine(LineKind.MARK, _("COPY"), size=2, is_bold=True))
            lines.append(TicketLine(LineKind.NUMBER, values["number"]))
        elif line.gap_mm:
            lines.append(TicketLine(LineKind.GAP, size=line.gap_mm))
        elif line.text and all(values[name] for name in line.fields) and _applies(line, form):
            text = line.text_in(language, translate)
            shown = {name: _value(value, is_right_to_left) for name, value in values.items()}
            lines.append(TicketLine(LineKind.TEXT, text.format(**shown), line.size, line.bold, Align(line.align)))
    return TicketSheet(tuple(_without_idle_gaps(lines)), is_right_to_left)


def _applies(line: TemplateLine, form: TicketForm) -> bool:
    return line.when == "always" or not form.is_called_in_order


def _value(value: str, is_right_to_left: bool) -> str:
    """A value to stand in a sentence: what steers is taken out, and its direction is kept to itself."""
    harmless = "".join(c for c in value if c in _KEPT or unicodedata.category(c) not in {"Cc", "Cf"})
    is_other = any(unicodedata.bidirectional(c) in {"R", "AL"} for c in harmless)
    return f"{_ISOLATE}{harmless}{_END_OF_ISOLATE}" if is_right_to_left or is_other else harmless


def _without_idle_gaps(lines: list[TicketLine]) -> Iterator[TicketLine]:
    """Without gaps at the top, at the end, and one behind another, which left-out lines leave behind."""
    gap: TicketLine | None = None
    is_first = True
    for line in lines:
        if line.kind is LineKind.GAP:
            gap = line if gap is None or line.size > gap.size else gap
            continue
        if gap is not None and not is_first:
            yield gap
        gap, is_first = None, False
        yield line


def _local(at: datetime, zone: ZoneInfo, language: str) -> dict[str, str]:
    """Time and date on the site's clock; the date in the language's own way, not to be broken over two lines."""
    local = at.astimezone(zone)
    day = format_date(local.date(), "medium", locale=_locale(language))
    # A line may end between any two Chinese characters, and at a space; in no other date.
    is_wide = any(unicodedata.east_asian_width(c) == "W" for c in day)
    return {"time": f"{local:%H:%M}", "date": _WORD_JOINER.join(day) if is_wide else day.replace(" ", "\u00a0")}


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(_REGIONS.get(language, language))
    except (UnknownLocaleError, ValueError):
        return Locale.parse(_REGIONS["en"])
