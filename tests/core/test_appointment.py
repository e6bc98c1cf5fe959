"""Which of today's appointments a check-in is for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from kioskd.core.appointment import AppointmentStatus, is_at_or_past, next_expected
from tests.people import appointment

EARLY = appointment(1)
LATE = replace(appointment(2), starts_at=EARLY.starts_at + timedelta(hours=2))


def test_the_earliest_is_chosen_in_whatever_order_they_come() -> None:
    latest = replace(appointment(3), starts_at=EARLY.starts_at + timedelta(hours=4))
    for order in permutations([EARLY, LATE, latest]):
        assert next_expected(order) == EARLY


def test_two_at_one_time_are_chosen_between_in_one_way_only() -> None:
    same_time = replace(appointment(2), starts_at=EARLY.starts_at)
    assert next_expected([EARLY, same_time]) == next_expected([same_time, EARLY]) == EARLY


@pytest.mark.parametrize("status", [AppointmentStatus.ARRIVED, AppointmentStatus.CHECKED_IN])
def test_who_comes_again_comes_for_the_second_visit(status: AppointmentStatus) -> None:
    assert next_expected([replace(EARLY, status=status), LATE]) == LATE


@pytest.mark.parametrize("status", [AppointmentStatus.ARRIVED, AppointmentStatus.CHECKED_IN])
def test_who_has_no_second_visit_is_told_of_the_first(status: AppointmentStatus) -> None:
    assert next_expected([replace(EARLY, status=status)]) == replace(EARLY, status=status)


@pytest.mark.parametrize(
    "status",
    ["proposed", "pending", "fulfilled", "cancelled", "noshow", "entered-in-error", "waitlist"],
)
def test_what_is_not_expected_is_not_chosen(status: str) -> None:
    assert next_expected([replace(EARLY, status=AppointmentStatus(status))]) is None
    assert next_expected([replace(EARLY, status=AppointmentStatus(status)), LATE]) == LATE


def test_none_is_none() -> None:
    assert next_expected([]) is None


@pytest.mark.parametrize(
    ("status", "target", "expected"),
    [
        ("booked", "arrived", False),
        ("arrived", "arrived", True),
        ("checked-in", "arrived", True),
        ("fulfilled", "checked-in", True),
        ("arrived", "checked-in", False),
        ("cancelled", "arrived", False),
        ("noshow", "arrived", False),
        ("waitlist", "waitlist", False),
        ("booked", "cancelled", False),
    ],
)
def test_whether_a_visit_has_come_as_far_as_its_target(status: str, target: str, expected: bool) -> None:
    assert is_at_or_past(AppointmentStatus(status), AppointmentStatus(target)) is expected
