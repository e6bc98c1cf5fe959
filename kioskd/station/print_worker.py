"""The work of one open printer: preflight, write ahead, send once, wait for the proof. See ``core.printing``.

Preflight costs no paper: while the printer can't print, not one byte of a sheet is sent and the job stays QUEUED.
Once bytes were sent they are never sent again. A printer that ran out of paper *after* the send holds the sheet: the
job stays SENT until the printer is well again and the proof had time to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kioskd.clock import MACHINE, DeviceClock
from kioskd.core import printing
from kioskd.core.events import SheetSent
from kioskd.core.printing import Cause, PrintJob, ProofKind, SheetKind
from kioskd.errors import DeviceUnavailable, NotPrinted, StoreError
from kioskd.news import News
from kioskd.ports import PrinterStatus
from kioskd.station.devices.supervisor import (
    CLOSE_WITHIN_S,
    NEEDS_ATTENTION,
    OPEN_WITHIN_S,
    READY,
    Facts,
    ManagedDevice,
)
from kioskd.station.print_book import STORE_PAUSE_S, PrintBook
from kioskd.station.printers import Printing
from kioskd.station.readiness import Readiness
from kioskd.station.waiting import woken

STATUS_WITHIN_S = 4.0
SEND_WITHIN_S = 15.0
HEARTBEAT_S = 5.0
BLOCKED_POLL_S = 1.0
PROVE_S = 1.0
"""How long a printer is asked for its proof before it is asked how it is."""
PROVE_WITHIN_S = 4.0
PROOF_AFTER_S = {kind: 20.0 if kind is SheetKind.WRISTBAND else 15.0 for kind in SheetKind}
"""How long a well printer has for its proof."""
UNPROVEN_AFTER_S = 2.0
"""The same for one that proves nothing, or says why it can't: who waits for the sheet is asked soon."""
HELD_AT_MOST_S = 600.0
"""How long a sheet may be held in a printer that needs paper before the desk is asked."""
SILENT_LOOKS = 5
"""After so many looks in a row without an answer the connection is made anew: it may be half-open."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a printer is waited for."""

    proof_after_s: Mapping[SheetKind, float] = field(default_factory=lambda: PROOF_AFTER_S)
    held_at_most_s: float = HELD_AT_MOST_S
    silent_looks: int = SILENT_LOOKS


class PrintWorker:
    """Works off one printer's jobs. ``wake`` is set when there may be something to do.

    ``device_clock``: what waiting for printers is measured on; the deadlines of a call, which guard its thread, are the
    machine's seconds in any case.
    """

    def __init__(
        self,
        device: ManagedDevice,
        printer: Printing,
        book: PrintBook,
        readiness: Readiness,
        news: News,
        clock: Callable[[], datetime],
        wake: asyncio.Event,
        device_clock: DeviceClock = MACHINE,
        patience: Patience | None = None,
    ) -> None:
        self._device = device
        self._printer = printer
        self._book = book
        self._readiness = readiness
        self._news = news
        self._clock = clock
        self._wake = wake
        self._device_clock = device_clock
        self._patience = patience or Patience()
        self._silent = 0
        """Looks in a row that the printer did not answer."""

    async def run(self) -> None:
        """Works until the printer is gone: ends by DeviceUnavailable or StoreLost only."""
        try:
            await self._settle_by_odometer()
        except StoreError as error:  # it stays UNKNOWN, and the desk is asked
            self._book.store_refused(error)
        while True:
            self._wake.clear()
            try:
                wait_s = await self._do_next()
            except StoreError as error:  # nothing was begun
                self._book.store_refused(error)
                wait_s = STORE_PAUSE_S
            if wait_s > 0:
                await woken(self._wake, self._device_clock.real_s(wait_s))

    async def _do_next(self) -> float:
        """Print the next sheet if there is one and it can be; how long to wait before the next look, in seconds."""
        job = await self._book.next_queued(self._device.name)
        status = await self._look()
        await self._connect_anew_if_silent()
        if job is None:
            return HEARTBEAT_S if status.is_ready else BLOCKED_POLL_S
        if not status.is_ready:
            await self._book.block(job, status.cause or Cause.FAULT)
            return BLOCKED_POLL_S
        await self._print(job, status)
        return 0.0

    async def _look(self) -> PrinterStatus:
        """Ask the printer how it is, and let the desk know."""
        status = await self._device.call(self._printer.status, STATUS_WITHIN_S)
        self._silent = self._silent + 1 if status.cause is Cause.NO_ANSWER else 0
        self._readiness.note(self._device.name, status)
        await self._learn(status)
        if status.cause is Cause.BUSY:
            return status  # it is printing: nobody's hand is needed
        if not status.is_ready:
            await self._device.change(NEEDS_ATTENTION, status.cause or Cause.FAULT)
        else:
            await self._device.change(READY, "paper-low" if status.is_paper_low else "")
        return status

    async def _learn(self, status: PrinterStatus) -> None:
        """Note what it says of itself: one that can't print now does not always say everything."""
        if status.cause is Cause.NO_ANSWER:
            return
        known, notes = self._device.facts, tuple(str(note) for note in status.notes)
        await self._device.learn(
            Facts(
                model=status.model or known.model,
                proof=status.proof if status.is_ready else known.proof,
                odometer=known.odometer if status.odometer is None else status.odometer,
                notes=notes or (("paper-low",) if status.is_paper_low else ()),
            )
        )

    async def _connect_anew_if_silent(self) -> None:
        """A connection whose other end has forgotten it takes bytes for ever and answers none of them.

        Without a word to the desk: to it the printer is the same, it does not answer. Raises DeviceUnavailable.
        """
        if self._silent >= self._patience.silent_looks:
            self._silent = 0
            await self._device.call(self._printer.close, CLOSE_WITHIN_S)
            await self._device.call(self._printer.open, OPEN_WITHIN_S)

    async def _print(self, job: PrintJob, status: PrinterStatus) -> None:
        if self._book.is_due_to_expire(job):
            await self._book.expire()
            return
        begun = await self._book.begin(job, status.odometer)
        if begun is None or begun.token is None:
            return
        sent = await self._send(begun, begun.token)
        try:
            await self._prove(sent, begun.token)
        except DeviceUnavailable:
            await self._book.save(printing.lost(sent, Cause.CONNECTION_LOST, self._clock()))
            raise

    async def _send(self, begun: PrintJob, token: int) -> PrintJob:
        """Send it once. Raises DeviceUnavailable when the connection broke, after what that means is written down."""
        try:
            await self._device.call(lambda: self._printer.send(begun.payload, token), SEND_WITHIN_S)
        except NotPrinted as error:
            cause = Cause(error.cause) if error.cause in set(Cause) else Cause.FAULT
            await self._book.save(printing.not_printed(begun, cause))
            raise DeviceUnavailable(self._device.name, error.what) from error
        except DeviceUnavailable:
            await self._book.save(printing.lost(begun, Cause.CONNECTION_LOST, self._clock()))
            raise
        self._news.publish(SheetSent(self._clock(), begun.key.check_in_id, begun.key.kind))
        return await self._book.save(printing.sent(begun))

    async def _prove(self, sent: PrintJob, token: int) -> None:
        """Wait for the proof: a well printer has ``proof_after_s``, one that needs a hand ``held_at_most_s``."""
        clock, proof_after_s = self._device_clock, self._patience.proof_after_s[sent.key.kind]
        if self._readiness.has_no_proof(self._device.name):
            proof_after_s = min(UNPROVEN_AFTER_S, proof_after_s)
        give_up_at = clock.monotonic() + proof_after_s
        held_until = clock.monotonic() + self._patience.held_at_most_s
        told: Cause | None = None
        doubt: Cause | None = None
        while clock.monotonic() < min(give_up_at, held_until):
            proof = await self._ask_for_proof(token, sent.odometer_before)
            if proof is not None:
                self._device.served()
                await self._book.save(printing.proven(sent, proof, self._clock()))
                return
            status = await self._look()
            if status.doubt is not None and doubt is None:
                give_up_at = min(give_up_at, clock.monotonic() + UNPROVEN_AFTER_S)
            doubt = status.doubt or doubt
            outlives_connection = sent.odometer_before is not None
            if outlives_connection:
                await self._connect_anew_if_silent()
            # A printer that needs a hand says so; silence is waited out only where the proof can still come.
            if status.cause is Cause.NO_ANSWER and not outlives_connection:
                continue
            if not status.is_ready and status.cause is not Cause.BUSY:
                give_up_at = clock.monotonic() + proof_after_s
                if (status.cause or Cause.FAULT) is not told:
                    told = status.cause or Cause.FAULT
                    await self._book.save(printing.held(sent, told))
        await self._book.save(printing.lost(sent, doubt or told or Cause.NOT_CONFIRMED, self._clock()))

    async def _ask_for_proof(self, token: int, odometer_before: int | None) -> ProofKind | None:
        return await self._device.call(lambda: self._printer.prove(token, odometer_before, PROVE_S), PROVE_WITHIN_S)

    async def _settle_by_odometer(self) -> None:
        """After a lost connection or a crash: an odometer that rose by one proves the sheet that was begun last."""
        job = await self._book.unknown_with_odometer(self._device.name)
        if job is None or job.token is None:
            return
        proof = await self._ask_for_proof(job.token, job.odometer_before)
        if proof is not None:
            await self._book.save(printing.proven(job, proof, self._clock()))
