"""The ticket printer as a device: status, send once, prove.

A sheet is proven by the printer's own answer behind it, on the same connection (an epoch): ``37 22 token 00`` when the
printer knows process ids (GS ( H), else the answer to a queued ``GS r``. Which of them it knows is asked at the
start of each epoch (``preparation``) and not looked up by model, because clones lie about their model. A printer that
answers neither prints without proof, and says so: ``PrinterStatus.proof`` is NONE while ``is_ready``. A connection
that died is never opened again from inside: the bytes behind the break would print as garbage, or twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.escpos import EscposConfig
from drivers.escpos.connection import Connection
from drivers.escpos.layout import INITIALIZE, CannotPrint, ticket_bytes
from drivers.escpos.preparation import CUT, FENCE, Preparation, process_id
from drivers.escpos.self_test import self_test_bytes
from drivers.escpos.status import cause_of_answers, cause_of_block, is_paper_low
from drivers.line import WriteFailed
from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import Cause, PrinterNote, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import PrinterStatus, SelfTestSheet, TicketSheet

__all__ = ["EscposPrinter"]

ANSWER_WITHIN_S = 1.0
STATUS_WITHIN_S = 2.5
SEND_WITHIN_S = 5.0
SEND_AT_MOST_S = 13.0
"""Of a drawn ticket on a slow serial line."""
DRAIN_S = 0.1
REMEMBERED_SHEETS = 64


@dataclass(frozen=True, slots=True)
class _Sent:
    id: bytes
    fence: int | None
    """The number of queued answers that proves the sheet, when it was sent with a fence."""
    size: int


class EscposPrinter:
    """A ticket printer at the end of a line. Implements ``ports.TicketPrinter``."""

    def __init__(self, name: str, config: EscposConfig, clock: DeviceClock = MACHINE) -> None:
        self._name = name
        self._clock = clock
        self._config = config
        self._connection: Connection | None = None
        self._preparation = Preparation(name, config, clock)
        self._sent: dict[int, _Sent] = {}
        """Sheets of this epoch, oldest first."""
        self._may_rest_hang_out = True
        """Whether half a sheet of the process before this one may hang out: nobody knows how it ended."""

    # --- device ---

    def open(self) -> None:
        """Connect, ask for the status and, if the printer is ready, make it ready for sheets.

        Raises DeviceUnavailable. A printer that does not answer is open, with the status NO_ANSWER.
        """
        self.close()
        connection = Connection(self._name, self._config.address, self._clock)
        self._connection = connection
        try:
            self._preparation.begin(connection)
            connection.hear_until(lambda: False, self._clock.monotonic() + DRAIN_S)
            self.status()
        except DeviceUnavailable:
            self.close()
            raise

    def close(self) -> None:
        connection = self._connection
        if connection is None:
            return
        unproven = [self._sent[token] for token in self._sent if self._proof_of(token, connection) is None]
        fences = sum(1 for sent in unproven if sent.fence is not None)
        self._preparation.end(max((sent.size for sent in unproven), default=0), fences)
        connection.close()
        self._connection = None
        self._sent.clear()

    # --- printing ---

    def render(self, sheet: TicketSheet) -> bytes:
        """The bytes of a ticket, without the token. Raises NotPrinted(CONTENT_REFUSED)."""
        try:
            return ticket_bytes(sheet, self._config)
        except CannotPrint as error:
            raise NotPrinted(self._name, Cause.CONTENT_REFUSED, str(error)) from error

    def render_self_test(self, sheet: SelfTestSheet) -> bytes:
        """The bytes of a self-test, without the token. Raises NotPrinted(CONTENT_REFUSED)."""
        try:
            return self_test_bytes(sheet, self._config)
        except CannotPrint as error:
            raise NotPrinted(self._name, Cause.CONTENT_REFUSED, str(error)) from error

    def status(self) -> PrinterStatus:
        """Ask the printer now: one round trip when all is well. Raises DeviceUnavailable."""
        connection = self._opened()
        deadline = self._clock.monotonic() + STATUS_WITHIN_S
        answer = connection.ask(1, self._clock.monotonic() + ANSWER_WITHIN_S)
        if answer is None:
            return PrinterStatus(
                is_ready=False, cause=Cause.NO_ANSWER, proof=self._preparation.proof, model=self._model
            )
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
        if cause is None and not self._preparation.is_done(deadline):
            cause = Cause.BUSY  # with what an earlier connection left in its buffer
        notes = (PrinterNote.PAPER_LOW,) if is_low else ()
        return PrinterStatus(cause is None, cause, is_low, None, self._preparation.proof, self._model, notes)

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
        sent, sheet = self._next_sent(connection, payload, token)
        within_s = min(SEND_WITHIN_S + connection.seconds_for(len(sheet)), SEND_AT_MOST_S)
        try:
            connection.write(sheet, self._clock.monotonic() + within_s)
        except WriteFailed as broken:
            if broken.sent == 0:
                cause = Cause.BUSY if broken.is_timeout else Cause.CONNECTION_LOST
                raise NotPrinted(self._name, cause, f"no byte of the sheet was sent: {broken}") from broken
            self._sent[token] = sent
            self._may_rest_hang_out = False
            self.close()
            what = f"the connection broke after {broken.sent} of {len(sheet)} bytes of a sheet: {broken}"
            raise DeviceUnavailable(self._name, what) from broken
        self._may_rest_hang_out = False
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
    def _model(self) -> str:
        return " ".join(self._connection.texts[:2]) if self._connection is not None else ""

    def _next_sent(self, connection: Connection, payload: bytes, token: int) -> tuple[_Sent, bytes]:
        """How the next sheet will be proven, and all of its bytes."""
        id_bytes = f"{token:04d}".encode()
        connection.finished_ids.discard(id_bytes)  # of the same number 9999 sheets ago
        rest = INITIALIZE + CUT if self._may_rest_hang_out and self._config.cut != "none" else b""
        fence, tail = None, b""
        match self._preparation.proof:
            case ProofKind.COMPLETION:
                tail = process_id(id_bytes)
            case ProofKind.FENCE:
                # An answer that is still owed to an earlier fence must not count for this one.
                owed = max((sent.fence for sent in self._sent.values() if sent.fence is not None), default=0)
                fence, tail = max(connection.queued_answers, owed) + 1, FENCE
        sheet = rest + payload + tail
        return _Sent(id_bytes, fence, len(sheet)), sheet

    def _proof_of(self, token: int, connection: Connection) -> ProofKind | None:
        """Printers report the latest id only: an id proves every sheet sent before it on this connection."""
        tokens = list(self._sent)
        later = [self._sent[each] for each in tokens[tokens.index(token) :]]
        if any(sent.id in connection.finished_ids for sent in later):
            return ProofKind.COMPLETION
        fence = self._sent[token].fence
        return ProofKind.FENCE if fence is not None and connection.queued_answers >= fence else None
