"""The wristband printer: status, send once, prove by the odometer.

The proof is ``odometer.total_label_count``, which rises by one with each label and outlives connections, this daemon
and the printer's power: it can be read on another connection than the one that sent the band. It proves only while
the printer is ours alone: a count that rose by more is somebody else's label as well, and no proof.

A band that a fault holds up stays in the printer, which prints it by itself once the fault is cleared (``^JZY``). So
``status`` is BUSY until its buffers are empty, and nobody sends the band again while it may be in there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.line import Line, WriteFailed, open_line
from drivers.zpl import ZplConfig
from drivers.zpl.label import Band, ContentRefused, band_zpl
from drivers.zpl.status import AnswerReader, Answers, printer_status
from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import PrinterStatus, WristbandSheet

__all__ = ["ZplPrinter"]

ANSWER_WITHIN_S = 2.0
IDENTIFY_WITHIN_S = 1.0
UNSURE_WITHIN_S = 0.5
"""How long a printer that answers ``~HS`` may take for its odometer before it counts as having none."""
ASK_WRITE_WITHIN_S = 0.5
SEND_WITHIN_S = 10.0
FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.25

_CANCEL_PARTIAL = b"~JX"
_END_OF_LINE = b"\r\n"
"""Ends half a question that an earlier connection left, which would take ours for its rest; else it means nothing."""
_ODOMETER = b'! U1 getvar "odometer.total_label_count"\r\n'
_UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class _Asked:
    answers: Answers
    odometer: int | None


class ZplPrinter:
    """A ``ports.WristbandPrinter`` over ZPL II. Lives on one thread."""

    def __init__(self, name: str, config: ZplConfig, clock: DeviceClock = MACHINE) -> None:
        self._name = name
        self._clock = clock
        self._config = config
        across, along = config.offset_mm
        self._band = Band(config.dpi, *config.band_mm, *config.printable_mm, config.margin_mm, across, along)
        self._line: Line | None = None
        self._model = ""
        self._has_odometer: bool | None = None
        self._owed = 0  # odometer answers asked for on this connection and not yet seen
        self._may_hold_part = False  # a format was begun and not seen whole in the printer

    def open(self) -> None:
        self.close()
        self._line = open_line(self._name, self._config.address, self._clock)
        self._has_odometer, self._owed = None, 0
        try:
            self._identify()
        except DeviceUnavailable:
            self.close()
            raise

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def render(self, sheet: WristbandSheet) -> bytes:
        try:
            return band_zpl(sheet, self._band)
        except ContentRefused as error:
            raise NotPrinted(self._name, Cause.CONTENT_REFUSED, str(error)) from None

    def status(self) -> PrinterStatus:
        asked = self._ask(b"~HQES~HS", ANSWER_WITHIN_S)
        proof = ProofKind.ODOMETER if self._has_odometer else ProofKind.NONE
        # Without the count before it, a band could never be proven: a printer that has one must say it first.
        host = None if self._has_odometer and asked.odometer is None else asked.answers.host
        return printer_status(host, asked.answers.extended, asked.odometer, proof, self._model)

    def send(self, payload: bytes, token: int) -> None:
        line = self._line
        if line is None or line.has_ended():
            self.close()
            raise NotPrinted(self._name, Cause.CONNECTION_LOST, "the connection was gone before the band was sent")
        self._may_hold_part = True
        try:
            line.write(payload, self._clock.monotonic() + SEND_WITHIN_S)
        except WriteFailed as error:
            self.close()
            if not error.sent:
                self._may_hold_part = False
                raise NotPrinted(self._name, Cause.CONNECTION_LOST, f"no byte was taken: {error}") from None
            what = f"{error.sent} of {len(payload)} bytes of a band were sent, then {error}"
            raise DeviceUnavailable(self._name, what) from None

    def prove(self, token: int, odometer_before: int | None, seconds: float) -> ProofKind | None:
        until = self._clock.monotonic() + seconds
        pause_s = FIRST_PAUSE_S
        while odometer_before is not None:
            asked = self._ask(b"~HS", min(ANSWER_WITHIN_S, max(until - self._clock.monotonic(), FIRST_PAUSE_S)))
            host = asked.answers.host
            printed = 0 if asked.odometer is None else asked.odometer - odometer_before
            if printed == 1 and host is not None and host.is_empty:
                return ProofKind.ODOMETER
            left_s = until - self._clock.monotonic()
            if left_s <= 0:
                return None
            if printed not in {0, 1}:
                break  # somebody else printed, or the count was reset: this band can't be proven any more
            self._open_line().wait(min(pause_s, left_s))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._wait_out(until)
        return None

    def _wait_out(self, until: float) -> None:
        """Wait for nothing but the connection's end, so that a caller that asks again does not spin."""
        while (left_s := until - self._clock.monotonic()) > 0:
            self._open_line().read(left_s)

    def _identify(self) -> None:
        """Clear what a broken transmission left, and learn the model. A mute printer is open all the same."""
        begin = _END_OF_LINE + (_CANCEL_PARTIAL if self._may_hold_part else b"")
        answers = self._ask(begin + b"~HI~HS", IDENTIFY_WITHIN_S).answers
        if answers.host is not None and answers.host.is_format_partial:
            # Left by a daemon that was killed: the next band would be drawn over another patient's fields.
            answers = self._ask(_CANCEL_PARTIAL + b"~HI~HS", IDENTIFY_WITHIN_S).answers
        if (identity := answers.identity) is None:
            return
        self._model = f"{identity.model} {identity.firmware}"
        dpi = {6: 152, 8: 203, 12: 300, 24: 600}[identity.dots_per_mm]
        if dpi != self._config.dpi:
            what = (
                f"the site file says dpi = {self._config.dpi}, the printer ({self._model}) has {dpi}: set dpi = {dpi}"
            )
            raise DeviceUnavailable(self._name, what)

    def _ask(self, query: bytes, within_s: float) -> _Asked:
        """Send ``query`` and the odometer's question; what was answered in time. Raises DeviceUnavailable.

        Answers come in the order of the questions: when as many odometer answers are in as are owed, the newest one
        and the newest ``~HS`` are this query's. With fewer, nobody can tell which they are, and the count is not used.
        """
        line = self._open_line()
        wants_odometer = self._has_odometer is not False
        self._owed += wants_odometer
        self._write(line, query + (_ODOMETER if wants_odometer else b""))
        until = self._clock.monotonic() + within_s
        reader = AnswerReader()
        quiet_s = 0.0
        while not self._is_answered(reader.answers):
            quiet_s = max(until - self._clock.monotonic(), 0.0)
            if self._has_odometer is None and reader.answers.host is not None:
                quiet_s = min(quiet_s, UNSURE_WITHIN_S)
            data = line.read(quiet_s)
            if not data:
                break
            reader.feed(data)
        return self._learned(reader.answers, quiet_s)

    def _is_answered(self, answers: Answers) -> bool:
        return answers.host is not None and len(answers.values) >= self._owed

    def _learned(self, answers: Answers, quiet_s: float) -> _Asked:
        """Learn whether there is an odometer, and keep count of the answers still owed."""
        is_current = bool(answers.values) and len(answers.values) >= self._owed
        if answers.values:
            self._has_odometer = answers.values[-1] != _UNKNOWN
        if answers.host is not None and not answers.host.is_format_partial:
            self._may_hold_part = False
        # A printer that talks and then was quiet for so long has dropped the questions: it owes nothing any more.
        talks_no_more = answers.host is not None and quiet_s >= UNSURE_WITHIN_S
        self._owed = 0 if talks_no_more else max(self._owed - len(answers.values), 0)
        is_count = is_current and re.fullmatch("[0-9]{1,12}", answers.values[-1])
        return _Asked(answers, int(answers.values[-1]) if is_count else None)

    def _open_line(self) -> Line:
        if self._line is None:
            raise DeviceUnavailable(self._name, "the printer is not open")
        return self._line

    def _write(self, line: Line, query: bytes) -> None:
        try:
            line.write(query, self._clock.monotonic() + ASK_WRITE_WITHIN_S)
        except WriteFailed as error:
            self.close()  # half a question may be in the stream
            raise DeviceUnavailable(self._name, str(error)) from None
