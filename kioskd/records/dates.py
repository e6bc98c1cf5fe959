"""FHIR dates and times as intervals: what is written with less precision stands for all the time it covers.

``2026`` is a year, ``2026-11-23`` a day, ``2026-11-23T09:15Z`` a minute, ``2026-11-23T09:15:00Z`` a second. What
names no time zone is meant in the site's zone, so a day there has 23, 24 or 25 hours. A local time that
happens twice (clocks set back) means the first; one that is skipped means the instant it would have been.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

_DATE = r"(?P<year>\d{4})(-(?P<month>0[1-9]|1[0-2])(-(?P<day>0[1-9]|[12]\d|3[01]))?)?"
_TIME = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(:(?P<second>[0-5]\d|60)(\.(?P<fraction>\d{1,9}))?)?"
_ZONE = r"(?P<zone>Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)"
_DATE_TIME = re.compile(rf"{_DATE}(?(day)(?P<time>T{_TIME}{_ZONE}?)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` up to but not including ``high``, aware UTC."""

    low: datetime
    high: datetime


def interval(text: str, zone: ZoneInfo) -> Interval:
    """What a FHIR date, dateTime or instant covers. Raises ValueError with a text that does not repeat it."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise ValueError("expected a date such as 2026-11-23 or a time such as 2026-11-23T09:15:00+01:00")
    try:
        return _instant(found, zone) if found["time"] else _days(found, zone)
    except ValueError:
        raise ValueError("there is no such day in the calendar") from None


def _days(found: re.Match[str], zone: ZoneInfo) -> Interval:
    year, month = int(found["year"]), int(found["month"] or 1)
    first = date(year, month, int(found["day"] or 1))
    try:
        if found["day"]:
            after = first + timedelta(days=1)
        elif found["month"]:
            after = date(year + month // 12, month % 12 + 1, 1)
        else:
            after = date(year + 1, 1, 1)
    except (OverflowError, ValueError):  # the last day of the year 9999
        return Interval(_midnight(first, zone), LATEST)
    return Interval(_midnight(first, zone), _midnight(after, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return _utc(datetime(day.year, day.month, day.day, tzinfo=zone))


def _instant(found: re.Match[str], zone: ZoneInfo) -> Interval:
    seconds = int(found["second"] or 0)
    leap = timedelta(seconds=1 if seconds == 60 else 0)
    begin = datetime(
        int(found["year"]),
        int(found["month"]),
        int(found["day"]),
        int(found["hour"]),
        int(found["minute"]),
        min(seconds, 59),
        microsecond=int((found["fraction"] or "0")[:6].ljust(6, "0")),
        tzinfo=_offset(found["zone"]) if found["zone"] else zone,
    )
    width = timedelta(minutes=1)
    if found["fraction"]:
        width = timedelta(microseconds=10 ** max(0, 6 - len(found["fraction"])))
    elif found["second"]:
        width = timedelta(seconds=1)
    low = _plus(_utc(begin), leap)
    return Interval(low, _plus(low, width))


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    length = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-length if text[0] == "-" else length)


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # within hours of the years 1 and 9999
        return EARLIEST if moment.year == 1 else LATEST


def _plus(moment: datetime, length: timedelta) -> datetime:
    return moment + length if moment <= LATEST - length else LATEST


def is_date(text: str) -> bool:
    """FHIR R4 ``date``: a year, a month or a day."""
    return "T" not in text and _is_interval(text)


def is_date_time(text: str) -> bool:
    """FHIR R4 ``dateTime``: a date, or a time with seconds and time zone."""
    return is_date(text) or is_instant(text)


def is_instant(text: str) -> bool:
    """FHIR R4 ``instant``: a day, a time to the second at least, and a time zone."""
    found = _DATE_TIME.fullmatch(text)
    return found is not None and bool(found["second"]) and bool(found["zone"]) and _is_interval(text)


def _is_interval(text: str) -> bool:
    try:
        interval(text, UTC_ZONE)
    except ValueError:
        return False
    return True


UTC_ZONE = ZoneInfo("UTC")


def instant_text(moment: datetime) -> str:
    """An aware time as a FHIR instant in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
