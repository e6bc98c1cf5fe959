"""What a printer's count and ``~HS`` say about the band that was sent last. Pure.

========================================  ====================================================================
count rose by one, buffers empty          it is out: ``ProofKind.ODOMETER``
count rose by one, buffers not empty      not yet: that label may be another's, and ours still inside
count rose by more                        somebody else's label as well: never a proof (OTHER_LABEL)
count is lower                            another printer, or a new board in it: never a proof (COUNT_WENT_BACK)
the same, of a printer that is shared     only on the connection that the band was sent on (CONNECTION_LOST)
count is the same, nothing left to print  the printer says that none came out (NOTHING_COUNTED): no proof either way
========================================  ====================================================================

A printer that counts nothing leaves a weak proof: on one connection, it answered each question since the band was
sent, and then for a while had nothing to print and no fault. Silence spoils that, for it may have been switched off.
"""

from __future__ import annotations

from drivers.zpl.status import HostStatus
from kioskd.core.printing import Cause

__all__ = ["SETTLED_AFTER_S", "Watch", "doubt_about", "is_counted", "labels_between"]

COUNTS = 1 << 32
"""The count begins at 0 again after so many labels; one that begins again earlier went back, and proves nothing."""
SETTLED_AFTER_S = 3.0
"""How long a printer has nothing to do before a band that it did not count counts as out, or as not printed: longer
than the motor takes from the last answer that it still prints."""


def labels_between(before: int, now: int) -> int | None:
    """How many labels were printed, or None when the count went back."""
    if now >= before:
        return now - before
    return 1 if (before, now) == (COUNTS - 1, 0) else None


def is_counted(before: int, now: int, host: HostStatus) -> bool:
    """Whether the one band that was sent is out."""
    return labels_between(before, now) == 1 and host.is_empty


def doubt_about(before: int, now: int) -> Cause | None:
    """Why the count can't prove the band any more, whatever comes."""
    match labels_between(before, now):
        case None:
            return Cause.COUNT_WENT_BACK
        case 0 | 1:
            return None
        case _:
            return Cause.OTHER_LABEL


class Watch:
    """What ``~HS`` said since a band was sent, on the connection that it was sent on."""

    def __init__(self, token: int) -> None:
        self.token = token
        self._idle_since: float | None = None
        self._was_silent = False

    def look(self, host: HostStatus | None, is_well: bool, now: float) -> bool:
        """Take in one look; whether the printer has had nothing to do and no fault for ``SETTLED_AFTER_S`` by now.

        ``host`` None: it did not answer.
        """
        self._was_silent |= host is None
        if host is None or not host.is_empty or not is_well:
            self._idle_since = None
            return False
        if self._idle_since is None:
            self._idle_since = now
        return now - self._idle_since >= SETTLED_AFTER_S

    @property
    def is_proof(self) -> bool:
        """Whether being settled proves anything: only of a printer that was there all the time."""
        return not self._was_silent
