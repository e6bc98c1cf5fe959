"""The print worker of each printer: preflight, write ahead, send once, wait for the proof. See ``core.printing``.

Preflight costs no paper: while the printer can't print, not one byte of a sheet is sent and the job stays QUEUED.
Once bytes were sent they are never sent again. A printer that ran out of paper *after* the send holds the sheet: the
job stays SENT until the printer is well again and the proof had time to come.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from kioskd.clock import MACHINE, DeviceClock
from kioskd.core import printing
from kioskd.core.events import SheetSent
from kioskd.core.printing import BEGIN_WITHIN, Cause, JobKey, PrintJob, PrintState, ProofKind, SheetKind
from kioskd.errors import DeviceUnavailable, NotPrinted, StoreError, StoreLost, Unreachable
from kioskd.news import News
from kioskd.ports import Hub, PrinterStatus, PrintReport, TicketPrinter, WristbandPrinter
from kioskd.station import jobs
from kioskd.station.checkins import within
from kioskd.station.devices.supervisor import CLOSE_WITHIN_S, NEEDS_ATTENTION, OPEN_WITHIN_S, READY, ManagedDevice
from kioskd.store import Store

log = logging.getLogger(__name__)

STATUS_WITHIN_S = 4.0
SEND_WITHIN_S = 15.0
HEARTBEAT_S = 5.0
BLOCKED_POLL_S = 1.0
PROOF_AFTER_S = {kind: 20.0 if kind is SheetKind.WRISTBAND else 15.0 for kind in SheetKind}
"""How long a well printer has for its proof."""
TELL_WITHIN_S = 8.0
TELL_AGAIN_S = 5.0
TOLD_AGAIN = timedelta(hours=48)
"""Two days: a clock that jumped a day must not hide what was made just before."""
STORE_PAUSE_S = 1.0
"""Wait after the database refused, before it is asked again."""
PROVE_S = 1.0
"""How long a printer is asked for its proof before it is asked how it is."""
PROVE_WITHIN_S = 4.0
HELD_AT_MOST_S = 600.0
"""How long a sheet may be held in a printer that needs paper before the desk is asked."""
SILENT_LOOKS = 5
"""After so many looks in a row without an answer the connection is made anew: it may be half-open."""


class PrintQueue:
    """The print jobs of one station. ``changed(job)`` is called in the loop after each committed change.

    ``clock`` gives aware UTC that no change of the machine's clock moves: how long a sheet has waited depends on it.
    ``device_clock``: what waiting for printers is measured on; the deadlines of a call, which guard its thread, are the
    machine's seconds in any case.
    While the database refuses (a full disk), nothing new is begun and what was sent is written down again and again.
    Run ``report`` and ``expire_in_time`` beside it, and ``work`` for each open printer.
    """

    def __init__(
        self,
        station: str,
        store: Store,
        hub: Hub,
        news: News,
        clock: Callable[[], datetime],
        device_clock: DeviceClock = MACHINE,
        *,
        proof_after_s: Mapping[SheetKind, float] = PROOF_AFTER_S,
        held_at_most_s: float = HELD_AT_MOST_S,
        silent_looks: int = SILENT_LOOKS,
    ) -> None:
        self._station = station
        self._device_clock = device_clock
        self._proof_after_s = proof_after_s
        self._silent_looks = silent_looks
        self._silent: dict[str, int] = {}
        """Looks in a row that a printer did not answer."""
        self._held_at_most_s = held_at_most_s
        self._store = store
        self._hub = hub
        self._news = news
        self._clock = clock
        self._wake: dict[str, asyncio.Event] = {}
        self._open: set[str] = set()
        self._expiry = asyncio.Event()
        self._ended: set[UUID] = set()
        """Check-ins whose patient has left and whose jobs are not expired yet."""
        self._is_store_sound = True
        self._untold: dict[JobKey, None] = {}
        self._has_news = asyncio.Event()
        self._is_hub_back = asyncio.Event()
        self._is_desk_away = False
        self.changed: Callable[[PrintJob], None] = lambda job: None

    async def recover(self) -> None:
        """At start: begun jobs are UNKNOWN, queued ones of gone sessions expire. The desk hears of every recent job
        again, because the crash may have come between a change and the word of it.
        """
        now = self._clock()
        await self._store.write(lambda c: jobs.recover(c, now))
        await self.tell_again()

    async def tell_again(self) -> None:
        """The hub came, or came back: it hears of every recent job, and of what it was not told."""
        self._is_hub_back.set()
        since = self._clock() - TOLD_AGAIN
        for job in await self._store.read(lambda c: jobs.made_since(c, since)):
            self.tell(job)

    def announce(self, added: Sequence[PrintJob]) -> None:
        """Jobs were committed: wake their printers, and let the desk know."""
        for job in added:
            if not job.is_over:
                self.wake(job.device)
            self.tell(job)
        self._expiry.set()

    async def seen_by_patient(self, key: JobKey) -> None:
        """The patient holds a sheet of which nobody could tell."""

        def settle(connection: Connection) -> PrintJob | None:
            job = jobs.load(connection, key)
            if job is None or job.state is not PrintState.UNKNOWN:
                return None
            seen = printing.proven(job, ProofKind.PATIENT, self._clock())
            jobs.save(connection, seen)
            return seen

        settled = await self._store.write(settle)
        if settled is not None:
            self.tell(settled)

    def wake(self, device: str) -> None:
        """Look at the queue of a device now."""
        self._wake.setdefault(device, asyncio.Event()).set()

    async def end_session(self, check_in_id: UUID) -> None:
        """The patient has left the kiosk: nothing of them that has not begun prints any more."""
        self._ended.add(check_in_id)
        try:
            await self._expire()
        except StoreError as error:
            self._store_refused(error)
            self._expiry.set()  # written down as soon as it can be

    async def _expire(self) -> None:
        now, ended = self._clock(), set(self._ended)

        def expire(connection: Connection) -> list[PrintJob]:
            gone = jobs.expire(connection, None, now)
            return gone + [job for one in ended for job in jobs.expire(connection, None, now, one)]

        expired = await self._store.write(expire)
        self._ended -= ended
        for job in expired:
            self.tell(job)

    def _store_refused(self, error: StoreError) -> None:
        """One line in the log for each time that the database stops taking things. Raises StoreLost."""
        if isinstance(error, StoreLost):
            raise error
        if self._is_store_sound:
            log.warning("print jobs can't be stored, trying again: %s", error)
        self._is_store_sound = False

    async def expire_in_time(self) -> None:
        """Runs for ever: jobs for a printer that is away say so, and those that waited ``BEGIN_WITHIN`` expire."""
        is_time = False
        while True:
            self._expiry.clear()
            try:
                if is_time or self._ended:
                    await self._expire()
                await self._block_for_away()
                oldest = await self._store.read(jobs.oldest_queued_at)
            except StoreError as error:
                self._store_refused(error)
                await asyncio.sleep(STORE_PAUSE_S)
                continue
            self._is_store_sound = True
            wait_s = None if oldest is None else max(0.05, (oldest + BEGIN_WITHIN - self._clock()).total_seconds())
            is_time = not await _wait(self._expiry, wait_s)

    async def _block_for_away(self) -> None:
        """Say at once that a sheet can't be printed now: its patient must not wait for a printer that is off."""
        for job in await self._store.read(jobs.unfinished):
            if job.state is PrintState.QUEUED and job.cause is None and job.device not in self._open:
                await self._block(job, Cause.NO_ANSWER)

    def tell(self, job: PrintJob) -> None:
        """Tell the session how a job is, now, and the desk as soon as it can be reached."""
        self.changed(job)
        self._untold[job.key] = None
        self._has_news.set()

    async def report(self) -> None:
        """Runs for ever: tells the desk of changed jobs, in order and from the database, so that a word that was on
        its way can't overtake a later one, and again until the desk could be reached.
        """
        while True:
            await self._has_news.wait()
            key = next(iter(self._untold), None)
            if key is None:
                self._has_news.clear()
                continue
            del self._untold[key]
            self._is_hub_back.clear()
            is_told = False
            try:
                is_told = await self._report(key)
            finally:
                if not is_told:
                    self._untold[key] = None
            if not is_told:
                await _wait(self._is_hub_back, TELL_AGAIN_S)

    async def _report(self, key: JobKey) -> bool:
        try:
            job = await self._store.read(lambda c: jobs.load(c, key))
        except StoreError as error:
            self._store_refused(error)
            return False
        if job is None:
            return True
        report = PrintReport(
            key.check_in_id,
            key.kind,
            key.copy,
            job.state,
            job.proof,
            job.cause,
            self._clock(),
            self._station,
            job.device,
            job.order_id,
        )
        try:
            await within(self._hub.report_print(report), TELL_WITHIN_S)
        except Unreachable as error:
            if not self._is_desk_away:
                log.warning("the desk could not be told that a %s is %s: %s", key.kind, job.state, error)
            self._is_desk_away = True
            return False
        self._is_desk_away = False
        return True

    async def work(self, device: ManagedDevice) -> None:
        """The life of an open printer. Ends by DeviceUnavailable only; the supervisor opens it again."""
        printer = device.device
        if not isinstance(printer, TicketPrinter | WristbandPrinter):
            raise DeviceUnavailable(device.name, "is not a printer; its driver names the wrong kind")
        self._open.add(device.name)
        try:
            await self._settle_by_odometer(device, printer)
            await self._work_off(device, printer)
        finally:
            self._open.discard(device.name)
            self._expiry.set()

    async def _work_off(self, device: ManagedDevice, printer: TicketPrinter | WristbandPrinter) -> None:
        wake = self._wake.setdefault(device.name, asyncio.Event())
        while True:
            wake.clear()
            try:
                wait_s = await self._do_next(device, printer)
            except StoreError as error:  # nothing was begun
                self._store_refused(error)
                wait_s = STORE_PAUSE_S
            if wait_s > 0:
                await _wait(wake, self._device_clock.real_s(wait_s))

    async def _do_next(self, device: ManagedDevice, printer: TicketPrinter | WristbandPrinter) -> float:
        """Print the next sheet if there is one and it can be; how long to wait before the next look, in seconds."""
        job = await self._store.read(lambda c: jobs.next_queued(c, device.name))
        status = await self._look(device, printer)
        await self._connect_anew_if_silent(device, printer)
        if job is None:
            return HEARTBEAT_S if status.is_ready else BLOCKED_POLL_S
        if not status.is_ready:
            await self._block(job, status.cause or Cause.FAULT)
            return BLOCKED_POLL_S
        await self._print(device, printer, job, status.odometer)
        return 0.0

    async def _look(self, device: ManagedDevice, printer: TicketPrinter | WristbandPrinter) -> PrinterStatus:
        """Ask the printer how it is, and let the desk know."""
        status = await device.call(printer.status, STATUS_WITHIN_S)
        is_silent = status.cause is Cause.NO_ANSWER
        self._silent[device.name] = self._silent.get(device.name, 0) + 1 if is_silent else 0
        if status.cause is Cause.BUSY:
            return status  # it is printing: nobody's hand is needed
        if not status.is_ready:
            await device.change(NEEDS_ATTENTION, status.cause or Cause.FAULT)
        else:
            await device.change(READY, "paper-low" if status.is_paper_low else "")
        return status

    async def _connect_anew_if_silent(self, device: ManagedDevice, printer: TicketPrinter | WristbandPrinter) -> None:
        """A connection whose other end has forgotten it takes bytes for ever and answers none of them.

        Without a word to the desk: to it the printer is the same, it does not answer. Raises DeviceUnavailable.
        """
        if self._silent.get(device.name, 0) >= self._silent_looks:
            self._silent[device.name] = 0
            await device.call(printer.close, CLOSE_WITHIN_S)
            await device.call(printer.open, OPEN_WITHIN_S)

    async def _block(self, job: PrintJob, cause: Cause) -> None:
        def block(connection: Connection) -> PrintJob | None:
            present = jobs.load(connection, job.key)
            if present is None or present.state is not PrintState.QUEUED or present.cause is cause:
                return None
            held = printing.blocked(present, cause)
            jobs.save(connection, held)
            return held

        changed = await self._store.write(block)
        if changed is not None:
            self.tell(changed)

    async def _print(
        self, device: ManagedDevice, printer: TicketPrinter | WristbandPrinter, job: PrintJob, odometer: int | None
    ) -> None:
        if printing.is_due_to_expire(job, self._clock(), session_is_over=job.key.check_in_id in self._ended):
            await self._expire()
            return
        begun = await self._store.write(lambda c: jobs.begin(c, job.key, odometer))
        if begun is None or begun.token is None:
            return
        token = begun.token
        try:
            await device.call(lambda: printer.send(job.payload, token), SEND_WITHIN_S)
        except NotPrinted as error:
            cause = Cause(error.cause) if error.cause in set(Cause) else Cause.FAULT
            await self._save(printing.not_printed(begun, cause))
            raise DeviceUnavailable(device.name, error.what) from error
        except DeviceUnavailable:
            await self._save(printing.lost(begun, Cause.CONNECTION_LOST, self._clock()))
            raise
        self._news.publish(SheetSent(self._clock(), job.key.check_in_id, job.key.kind))
        sent = await self._save(printing.sent(begun))
        try:
            await self._prove(device, printer, sent, token)
        except DeviceUnavailable:
            await self._save(printing.lost(sent, Cause.CONNECTION_LOST, self._clock()))
            raise

    async def _prove(
        self, device: ManagedDevice, printer: TicketPrinter | WristbandPrinter, sent: PrintJob, token: int
    ) -> None:
        """Wait for the proof: a well printer has ``proof_after_s``, one that needs a hand ``held_at_most_s``."""
        clock = self._device_clock
        give_up_at = clock.monotonic() + self._proof_after_s[sent.key.kind]
        held_until = clock.monotonic() + self._held_at_most_s
        told: Cause | None = None
        while clock.monotonic() < min(give_up_at, held_until):
            proof = await self._ask_for_proof(device, printer, token, sent.odometer_before)
            if proof is not None:
                device.served()
                await self._save(printing.proven(sent, proof, self._clock()))
                return
            status = await self._look(device, printer)
            outlives_connection = sent.odometer_before is not None
            if outlives_connection:
                await self._connect_anew_if_silent(device, printer)
            # A printer that needs a hand says so; silence is waited out only where the proof can still come.
            if status.cause is Cause.NO_ANSWER and not outlives_connection:
                continue
            if not status.is_ready and status.cause is not Cause.BUSY:
                give_up_at = clock.monotonic() + self._proof_after_s[sent.key.kind]
                if (status.cause or Cause.FAULT) is not told:
                    told = status.cause or Cause.FAULT
                    await self._save(printing.held(sent, told))
        await self._save(printing.lost(sent, told or Cause.NOT_CONFIRMED, self._clock()))

    async def _ask_for_proof(
        self,
        device: ManagedDevice,
        printer: TicketPrinter | WristbandPrinter,
        token: int,
        odometer_before: int | None,
    ) -> ProofKind | None:
        return await device.call(lambda: printer.prove(token, odometer_before, PROVE_S), PROVE_WITHIN_S)

    async def _settle_by_odometer(self, device: ManagedDevice, printer: TicketPrinter | WristbandPrinter) -> None:
        """After a lost connection or a crash: an odometer that rose by one proves the sheet that was begun last."""
        job = await self._store.read(lambda c: jobs.unknown_with_odometer(c, device.name))
        if job is None or job.token is None:
            return
        proof = await self._ask_for_proof(device, printer, job.token, job.odometer_before)
        if proof is not None:
            await self._save(printing.proven(job, proof, self._clock()))

    async def _save(self, job: PrintJob) -> PrintJob:
        """Write down what happened to a sheet that was begun, however long the database refuses."""
        while True:
            try:
                await self._store.write(lambda c: jobs.save(c, job))
            except StoreError as error:
                self._store_refused(error)
                await asyncio.sleep(STORE_PAUSE_S)
            else:
                self.tell(job)
                return job


async def _wait(wake: asyncio.Event, within_s: float | None) -> bool:
    """Whether it was woken in time."""
    try:
        async with asyncio.timeout(within_s):
            return await wake.wait()
    except TimeoutError:
        return False
