"""FHIR dates as intervals, on ordinary days and on those when clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.records.dates import Interval, instant_text, interval, is_date, is_date_time, is_instant

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2026", "2025-12-31T23:00", "2026-12-31T23:00"),
        ("2026-11", "2026-10-31T23:00", "2026-11-30T23:00"),
        ("2026-12", "2026-11-30T23:00", "2026-12-31T23:00"),
        ("2026-11-23", "2026-11-22T23:00", "2026-11-23T23:00"),
        ("2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("2026-11-23T09:15", "2026-11-23T08:15", "2026-11-23T08:16"),
        ("2026-11-23T09:15Z", "2026-11-23T09:15", "2026-11-23T09:16"),
        ("2026-11-23T09:15:00+01:00", "2026-11-23T08:15:00", "2026-11-23T08:15:01"),
        ("2026-11-23T09:15:00.5Z", "2026-11-23T09:15:00.500", "2026-11-23T09:15:00.600"),
        ("2026-11-23T09:15:00.123456789Z", "2026-11-23T09:15:00.123456", "2026-11-23T09:15:00.123457"),
        ("2026-11-23T23:59:60Z", "2026-11-24T00:00:00", "2026-11-24T00:00:01"),
        ("2026-11-23T09:15:00-14:00", "2026-11-23T23:15:00", "2026-11-23T23:15:01"),
        # Skipped by the clock, and shown twice by it.
        ("2026-03-29T02:30", "2026-03-29T01:30", "2026-03-29T01:31"),
        ("2026-10-25T02:30", "2026-10-25T00:30", "2026-10-25T00:31"),
    ],
)
def test_a_text_covers_the_time_that_its_precision_leaves_open(text: str, low: str, high: str):
    assert interval(text, BERLIN) == Interval(utc(low), utc(high))


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)]
)
def test_a_day_has_as_many_hours_as_the_clinic_sees(day: str, hours: int):
    found = interval(day, BERLIN)
    assert found.high - found.low == hours * HOUR


@pytest.mark.parametrize(
    "text",
    ["", "26", "0000", "2026-13", "2026-02-30", "2026-2-3", "2026-11-23T", "2026-11-23T9:15", "2026-11-23T24:00",
     "2026-11-23T09:15:00+15:00", "2026-11-23 09:15", "2026-11-23T09:15:00 01:00", "٢٠٢٦", "2026-11-23\n"],
)  # fmt: skip
def test_anything_else_is_refused(text: str):
    with pytest.raises(ValueError):
        interval(text, BERLIN)


def test_a_stored_time_needs_seconds_and_a_zone():
    assert is_instant("2026-11-23T09:15:00Z")
    assert not is_instant("2026-11-23T09:15Z")
    assert not is_instant("2026-11-23T09:15:00")
    assert not is_instant("2026-11-23")
    assert is_date_time("2026-11")
    assert is_date_time("2026-11-23T09:15:00.25+01:00")
    assert not is_date("2026-11-23T09:15:00Z")


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_of_ours_is_one(moment: datetime):
    text = instant_text(moment)
    assert is_instant(text)
    assert interval(text, BERLIN).low <= moment < interval(text, BERLIN).high


@given(
    st.integers(1, 9999),
    st.integers(1, 12),
    st.integers(1, 28),
    st.sampled_from(["", "T00:00", "T23:59:59-14:00", "T00:00:00+14:00"]),
    st.sampled_from(["Europe/Berlin", "Pacific/Kiritimati", "America/Los_Angeles"]),
)  # fmt: skip
def test_every_day_of_the_calendar_is_an_interval(year: int, month: int, day: int, rest: str, zone: str):
    found = interval(f"{year:04}-{month:02}-{day:02}{rest}", ZoneInfo(zone))
    assert found.low <= found.high
    if not rest:
        whole = interval(f"{year:04}", ZoneInfo(zone))
        assert whole.low <= found.low
        assert found.high <= whole.high
