"""A ticket of which nobody can tell: the patient who still stands at the kiosk is asked, once."""

import asyncio
from datetime import timedelta

import pytest

from kioskd.core.events import SheetPrinted, SheetUnknown
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import DeviceUnavailable
from kioskd.hub import tables as hub_tables
from kioskd.station.view import SheetView
from tests.station.conftest import Front

FIRST, COPY = b"Your number|A1", b"Your number|A1|copy"


class Breaks:
    """The cable breaks after the last byte of the first sheets."""

    def __init__(self, times: int = 1) -> None:
        self.left = times

    def __call__(self, name: str) -> None:
        if name == "send:after" and self.left:
            self.left -= 1
            raise DeviceUnavailable("tickets", "cable")


async def asked(front: Front, breaks: int = 1) -> None:
    """The patient is checked in and stands before the question."""
    front.tickets.step = Breaks(breaks)
    await front.checked_in()
    await until_unknown(front)
    assert front.kiosk.view().asks_for_ticket


async def until_unknown(front: Front) -> None:
    while (await front.until(SheetUnknown)).kind is not SheetKind.TICKET:
        pass


async def tickets(front: Front) -> list[tuple[int, PrintState, object]]:
    jobs = [job for job in await front.jobs() if job.key.kind is SheetKind.TICKET]
    return [(job.key.copy, job.state, job.proof or job.cause) for job in jobs]


async def test_a_proven_ticket_asks_nothing(front: Front) -> None:
    async with front.printing("tickets"):
        await front.checked_in()
        await front.until(SheetPrinted)
        assert not front.kiosk.view().asks_for_ticket
        await front.kiosk.ticket_missing(front.session_id)
    assert front.tickets.paper == {FIRST: 1}


async def test_yes_is_a_proof_and_prints_nothing(front: Front) -> None:
    async with front.printing("tickets"):
        await asked(front)
        await front.kiosk.ticket_came(front.session_id)
        printed = await front.until(SheetPrinted)
        assert printed.proof is ProofKind.PATIENT
        assert front.kiosk.view().ticket is SheetView.TAKE_IT
        assert not front.kiosk.view().asks_for_ticket
    assert await tickets(front) == [(1, PrintState.PRINTED, ProofKind.PATIENT)]
    assert front.tickets.paper == {FIRST: 1}


async def test_no_prints_one_copy_marked_as_such(front: Front) -> None:
    async with front.printing("tickets"):
        await asked(front)
        for _ in range(3):  # an impatient finger
            await front.kiosk.ticket_missing(front.session_id)
        printed = await front.until(SheetPrinted)
        assert printed.proof is ProofKind.COMPLETION
        assert front.kiosk.view().ticket is SheetView.TAKE_IT
    first, copy = (1, PrintState.UNKNOWN, Cause.MISSED), (2, PrintState.PRINTED, ProofKind.COMPLETION)
    assert await tickets(front) == [first, copy]
    assert front.tickets.paper == {FIRST: 1, COPY: 1}


async def test_two_taps_at_once_are_one_answer(front: Front) -> None:
    async with front.printing("tickets"):
        await asked(front)
        session = front.session_id
        await asyncio.gather(*(front.kiosk.ticket_missing(session) for _ in range(3)))
        assert not front.kiosk.view().asks_for_ticket
        await front.until(SheetPrinted)
        assert front.kiosk.view().ticket is SheetView.TAKE_IT
    assert front.tickets.paper == {FIRST: 1, COPY: 1}


async def test_of_a_copy_that_nobody_saw_the_desk_is_told(front: Front) -> None:
    async with front.printing("tickets"):
        await asked(front, breaks=2)
        await front.kiosk.ticket_missing(front.session_id)
        while (await front.until(SheetUnknown)).cause is not Cause.CONNECTION_LOST:
            pass  # word of the first one, which the patient missed
        assert not front.kiosk.view().asks_for_ticket
        assert front.kiosk.view().ticket is SheetView.UNKNOWN
        await front.kiosk.ticket_missing(front.session_id)
    assert [state for _, state, _ in await tickets(front)] == [PrintState.UNKNOWN] * 2
    assert front.tickets.paper == {FIRST: 1, COPY: 1}


async def test_no_answer_prints_nothing_and_the_desk_knows(front: Front) -> None:
    async with front.printing("tickets"):
        await asked(front)
        await front.leave()
        assert not front.kiosk.view().asks_for_ticket
    [row] = [row for row in await front.rows(hub_tables.sheet) if row.kind == SheetKind.TICKET]
    assert row.state == PrintState.UNKNOWN
    assert front.tickets.paper == {FIRST: 1}


async def test_the_question_begins_the_countdown_again(front: Front) -> None:
    async with front.printing("tickets"):
        breaks = Breaks()

        def slowly(name: str) -> None:
            front.clock.now += timedelta(seconds=7)
            breaks(name)

        front.tickets.step = slowly
        await front.checked_in()
        await until_unknown(front)
        front.clock.now += timedelta(seconds=5)
        assert front.kiosk.view().clears_in_s == 15


@pytest.mark.parametrize("answer", ["ticket_came", "ticket_missing"])
async def test_an_answer_of_the_patient_before_changes_nothing(front: Front, answer: str) -> None:
    async with front.printing("tickets"):
        await asked(front)
        earlier = front.session_id
        await front.leave()
        await getattr(front.kiosk, answer)(earlier)
    assert [state for _, state, _ in await tickets(front)] == [PrintState.UNKNOWN]
    assert front.tickets.paper == {FIRST: 1}


async def test_a_help_ticket_is_asked_for_too(front: Front) -> None:
    async with front.printing("tickets"):
        front.tickets.step = Breaks()
        await front.kiosk.ask_for_help(front.session_id)
        await front.until(SheetUnknown)
        assert front.kiosk.view().asks_for_ticket
        await front.kiosk.ticket_missing(front.session_id)
        await front.until(SheetPrinted)
    assert front.tickets.paper == {b"Help ticket|D1": 1, b"Help ticket|D1|copy": 1}
