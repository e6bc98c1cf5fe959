"""What the console shows of appointment letters, and what a receptionist can do about them. Times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LetterRow:
    """An appointment that a letter can be written for."""

    appointment_id: str
    starts_at: datetime
    family: str
    given: str
    practitioner: str


@dataclass(frozen=True, slots=True)
class PrintedLetter:
    """A letter as it goes to the patient. ``code`` is nowhere else, and in no log."""

    row: LetterRow
    code: str = field(repr=False)


class Letters(Protocol):
    """Letters for the appointments of a day."""

    @property
    def site_name(self) -> str: ...

    def next_day(self) -> date:
        """The business day after today's."""

    async def of_day(self, day: date, staff: str) -> tuple[LetterRow, ...]:
        """The appointments of a business day that are still expected, by time. Raises ForwardError: records are away.

        Who saw them is in the audit trail first.
        """

    async def issue(self, day: date, appointment_id: str, staff: str) -> PrintedLetter:
        """A new letter. Raises RuleViolation (the appointment is not expected on that day any more) or ForwardError."""
