"""A new connection made ready for sheets: what earlier ones left in the printer is flushed, and it is asked what it can
prove.

A printer outlives the connections that feed it. One that broke off, or whose process was killed in a sheet, may have
left half a command in it, which takes whatever comes next for its parameters: a ticket, and the question whether the
ticket is out. And the printer may still owe answers that nobody is there to hear any more.

So every epoch (one connection) begins with NULs: a printer that stands between commands ignores them, and half a header
becomes a small command, where letters, or the bytes that ask for its status, make it ask for up to 50 MB. After a sheet
that was not proven there are as many as that sheet had bytes, and what comes out of it is cut off. Then come more
questions than anybody can have left open, and the set-up. Fewer answers than that mean that a command took them: it is
fed more NULs each time, until all come.
"""

from __future__ import annotations

import os

from drivers.escpos import EscposConfig
from drivers.escpos.connection import Connection
from drivers.escpos.layout import INITIALIZE, STATUS_BACK
from drivers.line import WriteFailed
from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import ProofKind
from kioskd.errors import DeviceUnavailable

__all__ = ["CUT", "FENCE", "Preparation", "process_id"]

FENCE = b"\x1dr\x01"
"""Epson: GS r 1, answered by one byte when the printer has come to it."""
CUT = b"\x1dVB\x00"
"""Epson: GS V 66 0, feed to the blade and cut."""
HEADER_NULS = 16
"""More than any header that lacks its end."""
FLUSHES = (8192, 65536)
"""NULs before the set-up is sent again: half a drawn ticket; more than any ticket."""
TAKEN_WITHIN_S = 2.0
GRACE_S = 0.3
MOST_FENCES = 64
FENCES_OF_OTHERS = 8
"""Answers that the printer may owe to the process before this one, which sent one sheet at a time."""

_ASK_MAKER_AND_MODEL = b"\x1dIB\x1dIC"  # Epson: GS I 66, 67


def process_id(id_bytes: bytes) -> bytes:
    """The request that is answered ``37 22 id 00`` after everything before it is printed (Epson: GS ( H, fn 48)."""
    return b"\x1d(H\x06\x0000" + id_bytes


def _fences(count: int) -> bytes:
    """A clone that prints them as letters loses those to ``ESC @`` before a line of paper is full."""
    return b"".join(FENCE * min(8, count - at) + INITIALIZE for at in range(0, count, 8))


class Preparation:
    """What is known of the printer from one epoch to the next: ``begin``, ``is_done`` until it is, ``end``."""

    def __init__(self, name: str, config: EscposConfig, clock: DeviceClock = MACHINE) -> None:
        self._name = name
        self._config = config
        self._clock = clock
        self._connection: Connection | None = None
        self._nuls = 0
        """To send before anything else."""
        self._fences_owed = FENCES_OF_OTHERS
        """Fences of earlier set-ups that the printer may still answer, on a connection they do not belong to."""
        self._is_rest_due = False
        """Whether a sheet of this process broke: what is left of it is cut off at once."""
        self._proves_nothing = False
        """Whether the last epoch found that."""
        self._probe_id = b""
        self._is_set_up_due = True
        self._set_up_bytes = 0
        """Of the set-up that was sent in this epoch."""
        self._answer_due = 0.0
        self._tries = 0
        self._is_fence_settled = False

    def begin(self, connection: Connection) -> None:
        """A new epoch. Nothing may be sent before. Raises DeviceUnavailable."""
        self._connection = connection
        self._probe_id = bytes((0x21, *(0x21 + byte % 94 for byte in os.urandom(3))))  # no token, and new each time
        self._set_up_bytes = self._tries = 0
        self._is_set_up_due = True
        self._is_fence_settled = False
        if self._write(connection, bytes(HEADER_NULS), self._clock.monotonic() + TAKEN_WITHIN_S):
            raise DeviceUnavailable(self._name, "the printer takes a few bytes and no more")

    def end(self, unproven_bytes: int, unanswered_fences: int) -> None:
        """The epoch is over. ``unproven_bytes``: of the longest sheet that may not be out; 0 when all are."""
        if self._set_up_bytes:
            if self.proof is ProofKind.NONE:
                self._nuls = max(self._nuls, self._set_up_bytes)
                self._fences_owed = min(2 * self._fences_owed + 1, MOST_FENCES)
            else:
                self._fences_owed = min(unanswered_fences + 1, MOST_FENCES)
        if unproven_bytes:
            self._nuls = max(self._nuls, unproven_bytes)
            self._is_rest_due = True
        self._connection = None

    @property
    def proof(self) -> ProofKind:
        """The best proof that the printer has shown it can give on this connection."""
        if self._connection is not None and self._probe_id in self._connection.finished_ids:
            return ProofKind.COMPLETION
        return ProofKind.FENCE if self._is_fence_settled else ProofKind.NONE

    @property
    def _is_settled(self) -> bool:
        """Whether it is known what can be proven; a printer that was asked often enough proves nothing."""
        return self.proof is not ProofKind.NONE or self._tries > (0 if self._proves_nothing else len(FLUSHES))

    def is_done(self, deadline: float) -> bool:
        """Go on until ``deadline``; whether the printer is ready for sheets. Raises DeviceUnavailable.

        Only for a printer that is ready: another would hold the requests back, and seem not to know them.
        """
        connection = self._connection
        if connection is None:
            raise DeviceUnavailable(self._name, "the printer is not open")
        if self._is_settled:
            return True
        if self._is_set_up_due and not self._send(connection, deadline):
            return False
        self._listen(connection, deadline)
        if self.proof is not ProofKind.NONE:
            self._proves_nothing = self._is_rest_due = False
        elif self._clock.monotonic() >= self._answer_due:  # else a slow line still carries the questions
            self._tries += 1
            if self._is_settled:
                self._proves_nothing, self._is_rest_due = True, False
            else:
                self._is_set_up_due = True
                self._nuls = FLUSHES[self._tries - 1]
                self._fences_owed = min(2 * self._fences_owed + 1, MOST_FENCES)
        return self._is_settled

    def _send(self, connection: Connection, deadline: float) -> bool:
        """Flush, bring the printer to a known state and ask what it can prove; whether all of it is sent.

        A slow line takes thousands of NULs in more than one go. A clone that prints a question as text loses that to
        ``ESC @``.
        """
        nuls = self._nuls
        if nuls:
            self._nuls = self._write(connection, bytes(nuls), deadline)
            if self._nuls or self._clock.monotonic() >= deadline:
                return False
        rest = INITIALIZE + (b"" if self._config.cut == "none" else CUT) if self._is_rest_due else b""
        question = b"" if self._config.known.process_id == "absent" else process_id(self._probe_id)
        probe = INITIALIZE + question + _ASK_MAKER_AND_MODEL + INITIALIZE + STATUS_BACK
        set_up = rest + _fences(self._fences_owed) + probe + FENCE
        self._set_up_bytes = len(set_up)
        if self._write(connection, set_up, deadline):
            raise DeviceUnavailable(self._name, "the printer took half of its set-up, and no more in time")
        self._is_set_up_due = False
        self._answer_due = self._clock.monotonic() + connection.seconds_for(nuls + len(set_up))
        return True

    def _write(self, connection: Connection, data: bytes, deadline: float) -> int:
        """How many bytes are left when the time is over. Raises DeviceUnavailable when none would go."""
        try:
            connection.write(data, deadline)
        except WriteFailed as broken:
            if broken.is_timeout and broken.sent:
                return len(data) - broken.sent
            raise DeviceUnavailable(self._name, f"the printer does not take its set-up: {broken}") from broken
        return 0

    def _listen(self, connection: Connection, deadline: float) -> None:
        """Wait for the answers to the set-up.

        With one fence more than earlier epochs left open, that many answers mean that the printer has come to
        ours, and so has nothing old before it; the rest of the answers follow at once: until none comes for the grace.
        """

        def is_known() -> bool:
            return self._probe_id in connection.finished_ids

        if connection.hear_until(lambda: is_known() or connection.queued_answers > self._fences_owed, deadline):
            connection.hear_out(is_known, GRACE_S)
            self._is_fence_settled = connection.queued_answers > self._fences_owed
