"""The ticket printer as a device: status, send once, prove.

A sheet is proven by the printer's own answer behind it, on the same connection (an epoch): ``37 22 token 00`` when the
printer knows process ids (GS ( H), else the answer to a queued ``GS r``. Which of them it knows is asked at the
start of each epoch and not looked up by model, because clones lie about their model. A connection that died is
never opened again from inside: the bytes behind the break would print as garbage, or twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.escpos import EscposConfig
from drivers.escpos.connection import Connection
from drivers.escpos.layout import INITIALIZE, STATUS_BACK, CannotPrint, ticket_bytes
from drivers.escpos.status import cause_of_answers, cause_of_block, is_paper_low
from drivers.line import WriteFailed
from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import PrinterStatus, TicketSheet

__all__ = ["EscposPrinter"]

ANSWER_WITHIN_S = 1.0
STATUS_WITHIN_S = 2.5
SEND_WITHIN_S = 5.0
DRAIN_S = 0.1
FLUSH_BYTES = 8192
PROBE_TRIES = 3
GRACE_S = 0.3
REMEMBERED_SHEETS = 64
MOST_FENCES = 64

_PROBE_ID = b"0000"
_FENCE = b"\x1dr\x01"  # Epson: GS r 1, answered when the printer has come to it
_CUT = b"\x1dVB\x00"
_ASK_MAKER_AND_MODEL = b"\x1dIB\x1dIC"  # Epson: GS I 66, 67


def _process_id(id_bytes: bytes) -> bytes:
    """The request that is answered ``37 22 id 00`` after everything before it is printed (Epson: GS ( H, fn 48)."""
    return b"\x1d(H\x06\x0000" + id_bytes


@dataclass(frozen=True, slots=True)
class _Sent:
    id: bytes
    fence: int | None
    """The number of queued answers that proves the sheet, when it was sent with a fence."""


class EscposPrinter:
    """A ticket printer at the end of a line. Implements ``ports.TicketPrinter``."""

    def __init__(self, name: str, config: EscposConfig, clock: DeviceClock = MACHINE) -> None:
        self._name = name
        self._clock = clock
        self._config = config
        self._connection: Connection | None = None
        self._sent: dict[int, _Sent] = {}
        """Sheets of this epoch, oldest first."""
        self._flush_bytes = 0
        """NULs to send before anything else: an earlier epoch may have ended inside a command."""
        self._fences_owed = 0
        """Fences of earlier epochs that the printer may still answer, on a connection they do not belong to."""
        self._is_set_up = False
        self._is_first_epoch = True
        """Of this process: nobody knows how the one before it ended."""
        self._is_fence_settled = False
        self._probe_tries = 0

    # --- device ---

    def open(self) -> None:
        """Connect, ask for the status and, if the printer is ready, make it ready for sheets.

        Raises DeviceUnavailable. A printer that does not answer is open, with the status NO_ANSWER.
        """
        self.close()
        connection = Connection(self._name, self._config.address, self._clock)
        self._connection = connection
        try:
            connection.hear_until(lambda: False, self._clock.monotonic() + DRAIN_S)
            self.status()
        except DeviceUnavailable:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is None:
            return
        if self._is_set_up_open or any(self._proof_of(token, self._connection) is None for token in self._sent):
            self._flush_bytes = max(self._flush_bytes, FLUSH_BYTES)
        self._fences_owed = self._unanswered_fences(self._connection)
        self._connection.close()
        self._connection = None
        self._is_first_epoch = False
        self._is_set_up = self._is_fence_settled = False
        self._probe_tries = 0
        self._sent.clear()

    # --- printing ---

    def render(self, sheet: TicketSheet) -> bytes:
        """The bytes of a ticket, without the token. Raises NotPrinted(CONTENT_REFUSED)."""
        try:
            return ticket_bytes(sheet, self._config)
        except CannotPrint as error:
            raise NotPrinted(self._name, Cause.CONTENT_REFUSED, str(error)) from error

    def status(self) -> PrinterStatus:
        """Ask the printer now: one round trip when all is well. Raises DeviceUnavailable."""
        connection = self._opened()
        deadline = self._clock.monotonic() + STATUS_WITHIN_S
        answer = connection.ask(1, self._clock.monotonic() + ANSWER_WITHIN_S)
        if answer is None:
            return PrinterStatus(is_ready=False, cause=Cause.NO_ANSWER, proof=self._proof, model=self._model)
        block = connection.status_back
        cause, is_low = None, block is not None and is_paper_low(block)
        if block is None or answer & 0x28 or cause_of_block(block) is not None:
            others = [
                connection.ask(number, min(deadline, self._clock.monotonic() + ANSWER_WITHIN_S)) for number in (2, 3, 4)
            ]
            offline, error, paper = (0x12 if other is None else other for other in others)
            cause, is_low = cause_of_answers(answer, offline, error, paper), bool(paper & 0x0C)
            if cause is None and None in others:
                cause = Cause.NO_ANSWER
        if cause is None and not self._prepare(connection, deadline):
            cause = Cause.BUSY  # with what an earlier connection left in its buffer
        return PrinterStatus(cause is None, cause, is_low, None, self._proof, self._model)

    def send(self, payload: bytes, token: int) -> None:
        """Hand ``payload`` and the request for its proof to the printer.

        Raises NotPrinted when no byte left, DeviceUnavailable when some did and the rest can't: then the
        connection is closed, and the next epoch begins by flushing the half command.
        """
        if not 1 <= token <= 9999:
            raise ValueError(f"token {token}: expected 1 to 9999")
        connection = self._connection
        if connection is None:
            raise NotPrinted(self._name, Cause.CONNECTION_LOST, "the printer is not open")
        try:
            connection.hear_pending()
        except DeviceUnavailable as error:
            raise NotPrinted(self._name, Cause.CONNECTION_LOST, error.what) from error
        sent = self._next_sent(connection, token)
        tail = {ProofKind.COMPLETION: _process_id(sent.id), ProofKind.FENCE: _FENCE}.get(self._proof, b"")
        try:
            connection.write(payload + tail, self._clock.monotonic() + SEND_WITHIN_S)
        except WriteFailed as broken:
            if broken.sent == 0:
                cause = Cause.BUSY if broken.is_timeout else Cause.CONNECTION_LOST
                raise NotPrinted(self._name, cause, f"no byte of the sheet was sent: {broken}") from broken
            self._flush_bytes = max(FLUSH_BYTES, len(payload))
            self.close()
            what = f"the connection broke after {broken.sent} of {len(payload + tail)} bytes of a sheet: {broken}"
            raise DeviceUnavailable(self._name, what) from broken
        self._sent.pop(token, None)
        self._sent[token] = sent
        if len(self._sent) > REMEMBERED_SHEETS:
            del self._sent[next(iter(self._sent))]

    def prove(self, token: int, odometer_before: int | None, seconds: float) -> ProofKind | None:
        """Wait for the printer's answer behind the sheet. Raises DeviceUnavailable.

        None while the printer holds the sheet back, for example without paper: ask again, never send again.
        """
        connection = self._opened()
        if token not in self._sent:
            raise DeviceUnavailable(self._name, "the connection that the sheet was sent on is gone")
        connection.hear_until(lambda: self._proof_of(token, connection) is not None, self._clock.monotonic() + seconds)
        return self._proof_of(token, connection)

    # --- one epoch ---

    def _opened(self) -> Connection:
        if self._connection is None:
            raise DeviceUnavailable(self._name, "the printer is not open")
        return self._connection

    @property
    def _proof(self) -> ProofKind:
        """The best proof that the printer has shown it can give on this connection."""
        if self._connection is None:
            return ProofKind.NONE
        if _PROBE_ID in self._connection.finished_ids:
            return ProofKind.COMPLETION
        return ProofKind.FENCE if self._is_fence_settled else ProofKind.NONE

    @property
    def _model(self) -> str:
        return " ".join(self._connection.texts[:2]) if self._connection is not None else ""

    @property
    def _is_set_up_open(self) -> bool:
        """Whether a set-up was sent and is not answered yet: half of it may be in the printer."""
        return self._is_set_up and self._proof is ProofKind.NONE and self._probe_tries < PROBE_TRIES

    def _prepare(self, connection: Connection, deadline: float) -> bool:
        """Set the printer up once an epoch, and find out what it can prove; whether that is known.

        Only for a printer that is ready: another would hold the requests back, and seem not to know them.
        """
        if not self._is_set_up:
            self._set_up(connection, deadline)
        if self._proof is ProofKind.NONE and self._probe_tries < PROBE_TRIES:
            if self._probe_tries == 1 and self._is_first_epoch and not connection.has_worked_off:
                # A daemon that was killed may have left half a command, which took our set-up for its parameters.
                self._flush_bytes = FLUSH_BYTES
                self._fences_owed = min(2 * self._fences_owed + 1, MOST_FENCES)
                self._set_up(connection, deadline)
            self._probe_tries += 1
            self._settle(connection, deadline)
        return self._proof is not ProofKind.NONE or self._probe_tries >= PROBE_TRIES

    def _set_up(self, connection: Connection, deadline: float) -> None:
        """Bring the printer to a known state and ask what it can prove.

        A half-received command takes the NULs as its parameters; what it drew is cut off, so that it does not
        hang on the next patient's ticket. A clone that prints the probe as text loses it to ``ESC @``.
        """
        flush = bytes(self._flush_bytes) + INITIALIZE + _CUT if self._flush_bytes else b""
        probe = INITIALIZE + _process_id(_PROBE_ID) + _ASK_MAKER_AND_MODEL + INITIALIZE + STATUS_BACK
        try:
            connection.write(flush + probe + _FENCE * (self._fences_owed + 1), deadline)
        except WriteFailed as broken:
            self._flush_bytes = FLUSH_BYTES
            self.close()
            raise DeviceUnavailable(self._name, f"the printer does not take its set-up: {broken}") from broken
        self._flush_bytes = 0
        self._is_set_up = True

    def _settle(self, connection: Connection, deadline: float) -> None:
        """Wait for the answers to the set-up.

        With one fence more than earlier epochs left open, that many answers mean that the printer has come to
        ours, and so has nothing old before it; the rest of the answers follow at once, within the grace.
        """

        def is_known() -> bool:
            return _PROBE_ID in connection.finished_ids

        if connection.hear_until(lambda: is_known() or connection.queued_answers > self._fences_owed, deadline):
            connection.hear_until(is_known, self._clock.monotonic() + GRACE_S)
            self._is_fence_settled = connection.queued_answers > self._fences_owed

    def _unanswered_fences(self, connection: Connection) -> int:
        """How many fences the printer may answer after this epoch; too many is safe, too few is not."""
        if not self._is_fence_settled:
            ours = self._fences_owed + 1 if self._is_set_up else 0
            return min(self._fences_owed + ours, MOST_FENCES)
        return sum(1 for sent in self._sent.values() if sent.fence and sent.fence > connection.queued_answers)

    def _next_sent(self, connection: Connection, token: int) -> _Sent:
        """How the next sheet will be proven."""
        id_bytes = f"{token:04d}".encode()
        connection.finished_ids.discard(id_bytes)  # of the same number 9999 sheets ago
        if self._proof is not ProofKind.FENCE:
            return _Sent(id_bytes, None)
        # An answer that is still owed to an earlier fence must not count for this one.
        owed = max((sent.fence for sent in self._sent.values() if sent.fence is not None), default=0)
        return _Sent(id_bytes, max(connection.queued_answers, owed) + 1)

    def _proof_of(self, token: int, connection: Connection) -> ProofKind | None:
        """Printers report the latest id only: an id proves every sheet sent before it on this connection."""
        tokens = list(self._sent)
        later = [self._sent[each] for each in tokens[tokens.index(token) :]]
        if any(sent.id in connection.finished_ids for sent in later):
            return ProofKind.COMPLETION
        fence = self._sent[token].fence
        return ProofKind.FENCE if fence is not None and connection.queued_answers >= fence else None
