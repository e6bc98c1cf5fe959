"""The print queue at work: preflight, send once, proof, and nothing of a patient who has gone."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from kioskd.core.events import DeviceChanged, SheetNotPrinted, SheetPrinted, SheetUnknown
from kioskd.core.printing import BEGIN_WITHIN, Cause, JobKey, PrintJob, PrintState, ProofKind, SheetKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.hub import tables as hub_tables
from kioskd.ports import PrinterStatus
from kioskd.station import jobs
from kioskd.station.view import SheetView
from tests.fakes import PaperPrinter
from tests.people import NOW
from tests.station.conftest import Front, front_in


async def queued(front: Front, device: str = "tickets", kind: SheetKind = SheetKind.TICKET) -> JobKey:
    """A job of a patient who stands at the kiosk."""
    job = PrintJob(JobKey(uuid4(), kind), device, f"sheet for {device}".encode(), front.clock.now)
    await front.station.write(lambda c: jobs.add(c, job))
    front.queue.announce([job])
    return job.key


async def job(front: Front, key: JobKey) -> PrintJob:
    found = await front.station.read(lambda c: jobs.load(c, key))
    assert found is not None
    return found


class Trouble:
    """A printer's step that fails a number of times, and then no more."""

    def __init__(self, step: str, error: Exception, times: int = 1) -> None:
        self.step, self.error, self.times = step, error, times

    def __call__(self, name: str) -> None:
        if name == self.step and self.times:
            self.times -= 1
            raise self.error


async def test_a_sheet_is_sent_once_and_proven(front: Front) -> None:
    async with front.printing("tickets"):
        key = await queued(front)
        printed = await front.until(SheetPrinted)
    assert (printed.check_in_id, printed.proof) == (key.check_in_id, ProofKind.COMPLETION)
    done = await job(front, key)
    assert (done.state, done.attempts, done.payload) == (PrintState.PRINTED, 1, b"")
    assert front.tickets.paper == {b"sheet for tickets": 1}
    [row] = await front.rows(hub_tables.sheet)
    assert (row.state, row.proof) == ("printed", "completion")


async def test_sheets_come_out_in_the_order_they_were_asked_for(front: Front) -> None:
    front.tickets.cause = Cause.COVER_OPEN
    keys = []
    for _ in range(3):
        keys.append(await queued(front))
        front.clock.now += timedelta(seconds=1)
    front.tickets.cause = None
    async with front.printing("tickets"):
        printed = [(await front.until(SheetPrinted)).check_in_id for _ in keys]
    assert printed == [key.check_in_id for key in keys]


async def test_without_paper_nothing_is_sent_and_the_desk_knows_until_paper_is_back(front: Front) -> None:
    front.tickets.cause = Cause.PAPER_OUT
    async with front.printing("tickets"):
        while (device := await front.until(DeviceChanged)).state != "needs-attention":
            pass
        assert (device.device, device.what) == ("tickets", "paper-out")
        key = await queued(front)
        waits = await front.until(SheetNotPrinted)
        assert (waits.cause, waits.is_over) == (Cause.PAPER_OUT, False)
        assert front.tickets.paper.total() == 0
        assert (await job(front, key)).attempts == 0
        front.tickets.cause = None
        front.queue.wake("tickets")
        await front.until(SheetPrinted)
    assert front.tickets.paper.total() == 1
    [row] = await front.rows(hub_tables.device)
    assert (row.state, row.what) == ("ready", "")


async def test_a_printer_that_is_off_says_so_at_once_and_prints_when_it_is_on(front: Front) -> None:
    """Otherwise the kiosk would say "is being printed" for as long as its patient looks."""
    front.tickets.is_gone = True
    async with front.printing("tickets", "bands"):
        await front.checked_in()
        waits = await front.until(SheetNotPrinted)
        assert (waits.kind, waits.cause, waits.is_over) == (SheetKind.TICKET, Cause.NO_ANSWER, False)
        assert front.kiosk.view().ticket is SheetView.NOT_NOW
        front.tickets.is_gone = False
        while (await front.until(SheetPrinted)).kind is not SheetKind.TICKET:
            pass
    assert front.kiosk.view().ticket is SheetView.TAKE_IT


async def test_after_two_minutes_a_sheet_expires_also_while_its_printer_is_away(front: Front) -> None:
    front.tickets.is_gone = True
    async with front.printing("tickets"):
        key = await queued(front)
        await front.until(SheetNotPrinted)
        front.clock.now += BEGIN_WITHIN
        front.queue.announce([])
        gone = await front.until(SheetNotPrinted)
        assert (gone.check_in_id, gone.is_over) == (key.check_in_id, True)
        front.tickets.is_gone = False
        later = await queued(front)
        assert (await front.until(SheetPrinted)).check_in_id == later.check_in_id
    assert (await job(front, key)).state is PrintState.EXPIRED
    assert front.tickets.paper.total() == 1


async def test_a_sheet_that_is_too_old_when_its_turn_comes_is_not_begun(front: Front) -> None:
    key = await queued(front)
    front.clock.now += BEGIN_WITHIN
    async with front.printing("tickets"):
        while not (await front.until(SheetNotPrinted)).is_over:
            pass
    assert (await job(front, key)).attempts == 0


async def test_the_end_of_the_session_ends_its_sheets_and_no_others(front: Front) -> None:
    front.tickets.cause = Cause.PAPER_OUT
    async with front.printing("tickets"):
        mine, other = await queued(front), await queued(front)
        await front.until(SheetNotPrinted)
        await front.queue.end_session(mine.check_in_id)
        while not (gone := await front.until(SheetNotPrinted)).is_over:
            pass
        assert gone.check_in_id == mine.check_in_id
        front.tickets.cause = None
        front.queue.wake("tickets")
        assert (await front.until(SheetPrinted)).check_in_id == other.check_in_id
    assert (await job(front, mine)).state is PrintState.EXPIRED


@pytest.mark.parametrize("cause", [Cause.CONNECTION_LOST, "something-of-its-own"])
async def test_what_is_proven_not_printed_is_sent_again(front: Front, cause: str) -> None:
    front.tickets.step = Trouble("send:before", NotPrinted("tickets", cause, "no byte left"))
    async with front.printing("tickets"):
        key = await queued(front)
        await front.until(SheetPrinted)
    assert (await job(front, key)).attempts == 2
    assert front.tickets.paper.total() == 1


@pytest.mark.parametrize("error", [DeviceUnavailable("tickets", "cable"), OSError("cable"), ValueError("a bug")])
@pytest.mark.parametrize("step", ["send:before", "send:after", "prove"])
async def test_once_bytes_may_be_out_nobody_knows_and_nothing_is_sent_again(
    front: Front, step: str, error: Exception
) -> None:
    front.tickets.step = Trouble(step, error)
    async with front.printing("tickets"):
        key = await queued(front)
        unknown = await front.until(SheetUnknown)
        assert (unknown.check_in_id, unknown.cause) == (key.check_in_id, Cause.CONNECTION_LOST)
        later = await queued(front)
        assert (await front.until(SheetPrinted)).check_in_id == later.check_in_id
    assert (await job(front, key)).state is PrintState.UNKNOWN
    assert front.tickets.paper.total() == (1 if step == "send:before" else 2)


async def test_an_odometer_settles_what_was_unknown_after_a_reconnect(front: Front) -> None:
    front.bands.step = Trouble("send:after", DeviceUnavailable("bands", "cable"))
    async with front.printing("bands"):
        key = await queued(front, "bands", SheetKind.WRISTBAND)
        await front.until(SheetUnknown)
        printed = await front.until(SheetPrinted)
    assert (printed.check_in_id, printed.proof) == (key.check_in_id, ProofKind.ODOMETER)
    assert front.bands.paper.total() == 1


async def test_an_odometer_that_did_not_rise_proves_nothing(front: Front) -> None:
    front.bands.step = Trouble("send:before", DeviceUnavailable("bands", "cable"))
    async with front.printing("bands"):
        key = await queued(front, "bands", SheetKind.WRISTBAND)
        await front.until(SheetUnknown)
        later = await queued(front, "bands", SheetKind.WRISTBAND)
        printed = await front.until(SheetPrinted)
    assert printed.check_in_id == later.check_in_id
    assert (await job(front, key)).state is PrintState.UNKNOWN


async def test_an_odometer_that_rose_for_a_later_sheet_proves_only_that_one(front: Front) -> None:
    front.bands.step = Trouble("send:before", DeviceUnavailable("bands", "cable"))
    async with front.printing("bands"):
        key = await queued(front, "bands", SheetKind.WRISTBAND)
        await front.until(SheetUnknown)
        front.clock.now += timedelta(seconds=5)
        await queued(front, "bands", SheetKind.WRISTBAND)
        await front.until(SheetPrinted)
    async with front.printing("bands"):
        front.clock.now += timedelta(seconds=5)
        await queued(front, "bands", SheetKind.WRISTBAND)
        await front.until(SheetPrinted)
    assert (await job(front, key)).state is PrintState.UNKNOWN


class HoldingPrinter(PaperPrinter):
    """Runs out of paper with the sheet already inside; prints it when it has paper again."""

    def __init__(self) -> None:
        super().__init__()
        self._inside: list[tuple[bytes, int]] = []
        self._lock = threading.Lock()

    def send(self, payload: bytes, token: int) -> None:
        with self._lock:
            self._inside.append((payload, token))
            self.cause = Cause.PAPER_OUT

    def load_paper(self) -> None:
        with self._lock:
            for payload, token in self._inside:
                super().send(payload, token)
            self.cause = None

    def status(self) -> PrinterStatus:
        with self._lock:
            return super().status()


async def test_a_sheet_that_is_held_after_the_send_waits_and_is_not_sent_again(tmp_path: Path) -> None:
    async with front_in(tmp_path) as front:
        front.tickets = printer = HoldingPrinter()
        is_held = asyncio.Event()
        front.queue.changed = lambda job: is_held.set() if job.state is PrintState.SENT and job.cause else None
        async with front.printing("tickets"):
            key = await queued(front)
            async with asyncio.timeout(10):
                await is_held.wait()
            assert (await job(front, key)).cause is Cause.PAPER_OUT
            front.clock.now += 2 * BEGIN_WITHIN
            await front.queue.end_session(key.check_in_id)
            assert (await job(front, key)).state is PrintState.SENT, "what is in the printer can't be taken back"
            printer.load_paper()
            assert (await front.until(SheetPrinted)).check_in_id == key.check_in_id
    assert printer.paper.total() == 1


async def test_a_device_that_is_no_printer_says_so(front: Front) -> None:
    class Lamp:
        def open(self) -> None: ...
        def close(self) -> None: ...

    with pytest.raises(DeviceUnavailable, match="is not a printer; its driver names the wrong kind"):
        await front.queue.work(front.device("tickets", "ticket-printer", Lamp()))


async def test_after_a_start_the_desk_hears_of_recent_jobs_again(front: Front) -> None:
    key = await queued(front)
    await front.queue.recover()
    async with front.printing():
        gone = await front.until(SheetNotPrinted)
    assert (gone.check_in_id, gone.cause, gone.is_over) == (key.check_in_id, Cause.RESTARTED, True)


# --- jobs in the database ------------------------------------------------------------------------------------------


async def test_tokens_rise_for_each_device_and_begin_again_after_the_highest(front: Front) -> None:
    def begin(connection, seen: PrintJob) -> int | None:  # type: ignore[no-untyped-def]
        begun = jobs.begin(connection, seen, None)
        return begun and begun.token

    one = [PrintJob(JobKey(uuid4(), SheetKind.TICKET), "tickets", b"x", NOW) for _ in range(3)]
    other = replace(one[0], key=JobKey(uuid4(), SheetKind.WRISTBAND), device="bands")
    for made in (*one, other):
        await front.station.write(lambda c, j=made: jobs.add(c, j))  # type: ignore[misc]
    assert await front.station.write(lambda c: begin(c, one[0])) == 1
    await front.station.write(lambda c: c.exec_driver_sql("UPDATE token_counter SET last = 9998"))
    assert [await front.station.write(lambda c, j=j: begin(c, j)) for j in one[1:]] == [9999, 1]  # type: ignore[misc]
    assert await front.station.write(lambda c: begin(c, other)) == 1


async def test_a_job_that_expired_meanwhile_is_not_begun(front: Front) -> None:
    waits = await job(front, await queued(front))
    await front.queue.end_session(waits.key.check_in_id)
    assert await front.station.write(lambda c: jobs.begin(c, waits, None)) is None


async def test_the_same_key_twice_is_one_job(front: Front) -> None:
    made = PrintJob(JobKey(uuid4(), SheetKind.TICKET), "tickets", b"x", NOW)
    assert await front.station.write(lambda c: jobs.add(c, made))
    assert not await front.station.write(lambda c: jobs.add(c, replace(made, payload=b"y")))
    assert (await job(front, made.key)).payload == b"x"
