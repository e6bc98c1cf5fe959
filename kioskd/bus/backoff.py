"""How long to wait before the next attempt to reach the broker: a decision, no I/O."""

from __future__ import annotations

FIRST_S = 0.5
LONGEST_S = 4.0
"""However long the broker was away: its site is right again within five seconds of its return."""
REFUSED_S = 30.0
STEADY_AFTER_S = 10.0
"""A connection that held this long counts as good: the next wait is the first again. A broker that admits and then
drops us at once does not get a fresh start every time."""


def delay_s(failures: int, jitter: float, *, is_refused: bool = False) -> float:
    """Seconds to wait after ``failures`` (1 or more) attempts in a row that failed.

    ``jitter`` in [0, 1) spreads the stations of a site over the second half of the wait, so that they do not
    all come back in the same instant after a broker's restart. ``is_refused``: the broker does not admit us (wrong
    password, wrong client id); only a person can change that, so wait ``REFUSED_S``.
    """
    longest = REFUSED_S if is_refused else min(FIRST_S * 2.0 ** min(failures - 1, 16), LONGEST_S)
    return longest * (0.5 + jitter / 2)
