"""What tickets say, and what never stands on them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from kioskd.ports import CheckInReply, HelpReply
from kioskd.station.sheets import help_sheet, ticket_sheet

BERLIN = ZoneInfo("Europe/Berlin")
LATE = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
REPLY = CheckInReply(uuid4(), "A12", "general", "Wartezimmer {1}", LATE, False, 1)


@pytest.mark.parametrize(
    ("language", "expected"),
    [("de", "[de] You came at 00:30 on 24.11.2026."), ("en", "[en] You came at 00:30 on 24 Nov 2026.")],
)
def test_a_ticket_is_in_the_patients_language_and_the_sites_time(language: str, expected: str) -> None:
    sheet = ticket_sheet(REPLY, language, "Praxis", BERLIN, lambda chosen, text: f"[{chosen}] {text}")
    assert (sheet.label, sheet.site_name, sheet.is_copy) == ("A12", "Praxis", False)
    assert sheet.lines == (f"[{language}] Please wait here: Wartezimmer {{1}}", expected)


def test_a_help_ticket_says_that_nobody_is_checked_in_yet() -> None:
    sheet = help_sheet(HelpReply(uuid4(), "D7", LATE), "en", "Praxis", BERLIN, lambda _, text: text)
    assert sheet.label == "D7"
    assert sheet.lines[0] == "You are not checked in yet. Please go to the desk."
    assert sheet.lines[1] == "We noted that you came at 00:30 on 24 Nov 2026."
