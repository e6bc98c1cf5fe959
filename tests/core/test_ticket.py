"""Ticket labels, and the business day over changes of the clock and over midnight."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.core.ticket import SERIES_LETTERS, Ticket, business_day, day_bounds

BERLIN = ZoneInfo("Europe/Berlin")
FOUR = time(4, 0)
ZONES = st.sampled_from(
    ["Europe/Berlin", "America/Santiago", "Asia/Beirut", "Australia/Lord_Howe", "Atlantic/Azores", "UTC"]
).map(ZoneInfo)
STARTS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 29, 30, 59]))
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def test_a_label_is_series_and_number() -> None:
    assert Ticket(uuid4(), "markt", date(2026, 11, 23), "A", 12).label == "A12"


def test_no_series_is_read_as_a_digit() -> None:
    assert not set("IOQB") & set(SERIES_LETTERS)
    assert len(set(SERIES_LETTERS)) == len(SERIES_LETTERS) == 22


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (datetime(2026, 11, 23, 3, 59, 59, 999999), date(2026, 11, 22)),
        (datetime(2026, 11, 23, 4, 0), date(2026, 11, 23)),
        (datetime(2026, 11, 23, 23, 59), date(2026, 11, 23)),
        (datetime(2026, 11, 24, 0, 1), date(2026, 11, 23)),
        (datetime(2027, 1, 1, 1, 0), date(2026, 12, 31)),
        # Clocks go forward at 02:00 and back at 03:00.
        (datetime(2026, 3, 29, 1, 59), date(2026, 3, 28)),
        (datetime(2026, 3, 29, 3, 30), date(2026, 3, 28)),
        (datetime(2026, 3, 29, 4, 0), date(2026, 3, 29)),
        (datetime(2026, 10, 25, 2, 30, fold=0), date(2026, 10, 24)),
        (datetime(2026, 10, 25, 2, 30, fold=1), date(2026, 10, 24)),
        (datetime(2026, 10, 25, 4, 0), date(2026, 10, 25)),
    ],
)
def test_the_business_day_of_an_instant(local: datetime, expected: date) -> None:
    assert business_day(local.replace(tzinfo=BERLIN).astimezone(UTC), BERLIN, FOUR) == expected


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 11, 23), 24), (date(2026, 3, 28), 23), (date(2026, 10, 24), 25)]
)
def test_a_day_has_23_to_25_hours(day: date, hours: int) -> None:
    begin, end = (bound.astimezone(UTC) for bound in day_bounds(day, BERLIN, FOUR))
    assert end - begin == timedelta(hours=hours)


@given(INSTANTS, ZONES, STARTS)
def test_every_instant_lies_within_the_bounds_of_its_day(now: datetime, zone: ZoneInfo, starts: time) -> None:
    begin, end = day_bounds(business_day(now, zone, starts), zone, starts)
    assert begin.astimezone(UTC) <= now < end.astimezone(UTC)


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=2)), ZONES, STARTS)
def test_the_business_day_never_goes_back(now: datetime, later: timedelta, zone: ZoneInfo, starts: time) -> None:
    assert business_day(now, zone, starts) <= business_day(now + later, zone, starts)


@pytest.mark.parametrize(
    "now", [datetime(2026, 10, 25, 0, 15, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(8)]
)
def test_a_day_that_starts_in_the_repeated_hour_starts_once(now: datetime) -> None:
    starts = time(2, 30)
    expected = date(2026, 10, 24) if now < datetime(2026, 10, 25, 0, 30, tzinfo=UTC) else date(2026, 10, 25)
    assert business_day(now, BERLIN, starts) == expected
    begin, end = day_bounds(expected, BERLIN, starts)
    assert begin.astimezone(UTC) <= now < end.astimezone(UTC)
