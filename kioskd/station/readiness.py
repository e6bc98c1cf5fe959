"""Which printers of a station can print now, since when one can't, and what each last said of itself."""

from __future__ import annotations

from collections.abc import Callable

from kioskd.clock import DeviceClock
from kioskd.core.printing import Cause, ProofKind
from kioskd.ports import PrinterStatus
from kioskd.station.self_tests import Told


class Readiness:
    """``changed()`` is called when a printer became ready, or ceased to be. One that was never heard of is not ready.

    A printer that is busy with a sheet is as it was before: it needs nobody's hand.
    """

    def __init__(self, clock: DeviceClock, changed: Callable[[], None]) -> None:
        self._clock = clock
        self._changed = changed
        self._began_s = clock.monotonic()
        self._not_ready_since_s: dict[str, float | None] = {}
        """None while it is ready."""
        self._told: dict[str, Told] = {}

    def note(self, name: str, status: PrinterStatus) -> None:
        """A printer was asked how it is."""
        if status.cause is Cause.BUSY:
            return
        if status.is_ready:
            self._told[name] = Told(status.model, status.proof)
        self._become(name, status.is_ready)

    def gone(self, name: str) -> None:
        """A printer can't be reached."""
        self._become(name, False)

    def is_ready(self, name: str) -> bool:
        return self._not_ready_since_s.get(name, self._began_s) is None

    def not_ready_for_s(self, name: str) -> float:
        """For how many seconds of the devices' clock a printer could not print; 0 when it can."""
        since = self._not_ready_since_s.get(name, self._began_s)
        return 0.0 if since is None else self._clock.monotonic() - since

    def told(self, name: str) -> Told:
        """What it last said of itself."""
        return self._told.get(name, Told())

    def has_no_proof(self, name: str) -> bool:
        """Whether it said that it can't prove anything."""
        return self.told(name).proof is ProofKind.NONE

    def _become(self, name: str, is_ready: bool) -> None:
        if is_ready is self.is_ready(name) and name in self._not_ready_since_s:
            return
        self._not_ready_since_s[name] = None if is_ready else self._clock.monotonic()
        self._changed()
