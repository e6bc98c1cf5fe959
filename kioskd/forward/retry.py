"""When an undelivered message is tried again: a decision, no I/O.

There is no limit of attempts: a check-in is never given up because a server was away for long. What the other side
refuses for good is parked at once, since the same bytes would be refused again and a person must look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kioskd.errors import ForwardError, Rejected, Unreachable

FIRST_S = 0.5
LONGEST_S = 60.0
LONGEST_ASKED_S = 900.0
"""A server may ask for a longer wait (Retry-After), but not for hours: the visit would be over before it is stored."""
LONGEST_WAIT = timedelta(seconds=LONGEST_ASKED_S * 1.1)
"""No decision lies further ahead than this; a try that does was decided before the clock was set back."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again at this instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Park:
    """Do not try again before a person has looked."""


def decide(attempts: int, error: ForwardError, now: datetime, jitter: float) -> Retry | Park:
    """What becomes of a message after ``attempts`` earlier tries and one more that failed with ``error``.

    ``jitter`` in [0, 1) spreads messages that failed together, so that they do not all come back in one instant.
    """
    if isinstance(error, Rejected):
        return Park()
    wait_s = min(FIRST_S * 2.0 ** min(attempts, 16), LONGEST_S) * (0.5 + jitter / 2)
    asked_s = error.retry_after_s if isinstance(error, Unreachable) else None
    if asked_s is not None:
        # Never earlier than asked; a tenth of it at most later.
        wait_s = max(wait_s, min(asked_s, LONGEST_ASKED_S) * (1 + jitter / 10))
    return Retry(now + timedelta(seconds=wait_s))
