"""The reader loop: one card, one patient, and out with it before the next."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from kioskd.core.checkin import Step
from kioskd.core.events import CardRemoved, CardSeen, DeviceChanged, Event, SessionChanged
from kioskd.core.identity import Card, Reason
from kioskd.errors import CardUnreadable, DeviceUnavailable
from kioskd.hub import tables as hub_tables
from kioskd.station.reading import CardReaders
from tests.people import card
from tests.station.conftest import Front


class Slot:
    """A chip-card reader that a hand puts cards into. A card is what reading it gives, or raises."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._card: Card | Exception | None = None
        self._asked_for_removal = 0
        self.is_gone = False

    def put(self, inserted: Card | Exception | None, is_gone: bool = False) -> None:
        with self._changed:
            self._card, self.is_gone = inserted, is_gone
            self._changed.notify_all()

    def open(self) -> None:
        self._must_be_there()

    def close(self) -> None:
        return

    def wait_for_card(self, seconds: float) -> bool:
        return self._wait(lambda: self._card is not None, seconds)

    def wait_for_removal(self, seconds: float) -> bool:
        with self._changed:
            self._asked_for_removal += 1
            self._changed.notify_all()
        return self._wait(lambda: self._card is None, seconds)

    def read_card(self) -> Card:
        self._must_be_there()
        if isinstance(self._card, Exception):
            raise self._card
        if self._card is None:
            raise CardUnreadable("reader", Reason.CARD_REMOVED_EARLY, "was taken out")
        return self._card

    def _wait(self, is_so: Callable[[], bool], seconds: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self.is_gone or is_so(), seconds)
        self._must_be_there()
        return is_so()

    async def until_asked_for_removal(self, times: int) -> None:
        """Until the reader was asked so often more whether it is empty."""

        def wait() -> bool:
            with self._changed:
                goal = self._asked_for_removal + times
                return self._changed.wait_for(lambda: self._asked_for_removal >= goal, 10)

        assert await asyncio.to_thread(wait)

    def _must_be_there(self) -> None:
        if self.is_gone:
            raise DeviceUnavailable("reader", "is gone")


@asynccontextmanager
async def reading(front: Front, slot: Slot, is_let_go: bool = True, left_in_after_s: float = 20) -> AsyncIterator[None]:
    """A reader at work. ``is_let_go``: its last poll ends at once, so that nobody waits for it."""
    device = front.device("reader", "card-reader", slot)
    life = asyncio.create_task(device.run(CardReaders(front.kiosk, left_in_after_s).work))
    try:
        while not front.kiosk.view().is_reader_ready:
            await front.until(SessionChanged)
        yield
    finally:
        life.cancel()
        if is_let_go:
            slot.put(None, is_gone=True)
        await asyncio.wait({life}, timeout=10)


async def until_step(front: Front, step: Step) -> None:
    while front.step is not step:
        await front.until(SessionChanged)


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(e) for e in events if isinstance(e, CardSeen | CardRemoved)]


async def test_a_card_is_read_and_waited_for_until_it_is_out(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot):
        slot.put(card())
        await until_step(front, Step.CONFIRM)
        assert front.kiosk.view().family == "Huber"
        assert front.kiosk.view().is_card_in_reader
        slot.put(None)
        await front.until(CardRemoved)
        assert front.step is Step.CONFIRM
    assert kinds(front.heard) == [CardSeen, CardRemoved]


async def test_a_card_that_stays_in_is_not_read_again(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot):
        slot.put(card())
        await until_step(front, Step.CONFIRM)
        await front.kiosk.close(front.session_id)
        assert front.step is Step.TAKE_CARD
        slot.put(None)
        await until_step(front, Step.WELCOME)
        slot.put(card())
        await until_step(front, Step.CONFIRM)
    assert kinds(front.heard)[:3] == [CardSeen, CardRemoved, CardSeen]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.CARD_UNREADABLE, Reason.CARD_UNREADABLE),
        (Reason.CARD_NOT_SUPPORTED, Reason.CARD_NOT_SUPPORTED),
        (Reason.CARD_CHANGED, Reason.CARD_CHANGED),
        ("a-reason-of-its-own", Reason.CARD_UNREADABLE),
    ],
)
async def test_a_card_that_can_not_be_read_is_a_help_ticket_with_the_reason(
    front: Front, reason: str, expected: Reason
) -> None:
    slot = Slot()
    async with reading(front, slot):
        slot.put(CardUnreadable("reader", reason, "no data"))
        await until_step(front, Step.HELP)
        assert (front.kiosk.view().reason, front.kiosk.view().label) == (expected, "D1")
        slot.put(None)
        await front.until(CardRemoved)
    [row] = await front.rows(hub_tables.check_in)
    assert row.reason == expected


async def test_a_card_that_was_taken_out_too_early_is_a_hint_and_can_be_put_in_again(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot):
        slot.put(CardUnreadable("reader", Reason.CARD_REMOVED_EARLY, "was taken out"))
        while front.kiosk.view().notice != "card-removed-early":
            await front.until(SessionChanged)
        slot.put(None)
        await front.until(CardRemoved)
        slot.put(card())
        await until_step(front, Step.CONFIRM)
    assert await front.rows(hub_tables.check_in) == []


async def test_a_reader_that_goes_and_comes_back_reads_the_next_card(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot):
        slot.put(None, is_gone=True)
        while (await front.until(DeviceChanged)).state != "unavailable":
            pass
        assert not front.kiosk.view().is_reader_ready
        slot.put(card())
        await until_step(front, Step.CONFIRM)
        assert front.kiosk.view().is_reader_ready


async def test_a_reader_that_goes_while_it_reads_is_a_help_ticket(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot):
        slot.put(DeviceUnavailable("reader", "lost the card's power"))
        await until_step(front, Step.HELP)
    [row] = await front.rows(hub_tables.check_in)
    assert row.reason == "reader-failed"


async def test_a_device_that_is_no_reader_says_so(front: Front) -> None:
    with pytest.raises(DeviceUnavailable, match="is not a card reader; its driver names the wrong kind"):
        await CardReaders(front.kiosk).work(front.device("reader", "card-reader", front.tickets))


async def test_it_stops_within_a_poll_while_it_waits_for_a_card(front: Front) -> None:
    async with reading(front, Slot(), is_let_go=False):
        began = time.monotonic()
    assert time.monotonic() - began < 20


# --- a card that stays in


async def until_state(front: Front, state: str) -> DeviceChanged:
    while (told := await front.until(DeviceChanged)).state != state:
        pass
    return told


async def test_a_card_that_is_left_in_is_told_to_the_desk_until_it_is_out(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot, left_in_after_s=0):
        slot.put(card())
        await until_step(front, Step.CONFIRM)
        await front.kiosk.close(front.session_id)
        assert (await until_state(front, "needs-attention")).what == "card-left-in"
        assert front.step is Step.TAKE_CARD
        assert front.kiosk.view().is_reader_ready
        slot.put(None)
        await until_state(front, "ready")
        await until_step(front, Step.WELCOME)


async def test_a_card_is_not_left_in_while_its_patient_is_asked(front: Front) -> None:
    slot, polls = Slot(), 2
    async with reading(front, slot, left_in_after_s=0):
        slot.put(card())
        await until_step(front, Step.CONFIRM)
        await slot.until_asked_for_removal(polls)
        slot.put(None)
        await front.until(CardRemoved)
    assert not [e for e in front.heard if isinstance(e, DeviceChanged) and e.state == "needs-attention"]


async def test_a_card_that_another_program_holds_is_one_help_ticket_and_told_until_a_card_is_read(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot, left_in_after_s=0):
        slot.put(CardUnreadable("reader", Reason.READER_FAILED, "another program holds the card"))
        assert (await until_state(front, "needs-attention")).what == "card-held-elsewhere"
        await until_step(front, Step.HELP)
        slot.put(None)
        await front.until(CardRemoved)
        await front.kiosk.close(front.session_id)
        slot.put(card())
        await until_state(front, "ready")
        await until_step(front, Step.CONFIRM)
    assert [row.reason for row in await front.rows(hub_tables.check_in)] == ["reader-failed"]


async def test_a_card_that_outlasts_its_reader_in_the_slot_is_not_tried_again(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot):
        slot.put(DeviceUnavailable("reader", "lost the card's power"))
        await until_step(front, Step.HELP)
        while not front.kiosk.view().is_card_in_reader:
            await front.until(SessionChanged)
        await front.kiosk.close(front.session_id)
        assert front.step is Step.TAKE_CARD
        slot.put(None)
        await front.until(CardRemoved)
        assert front.step is Step.WELCOME
    assert len(await front.rows(hub_tables.check_in)) == 1
    assert kinds(front.heard) == [CardSeen, CardRemoved]


async def test_a_reader_that_fails_after_the_read_does_not_disturb_the_patient(front: Front) -> None:
    slot = Slot()
    async with reading(front, slot):
        slot.put(card())
        await until_step(front, Step.CONFIRM)
        session_id = front.session_id
        slot.put(card(), is_gone=True)
        await until_state(front, "unavailable")
        slot.put(card())
        while not front.kiosk.view().is_card_in_reader:
            await front.until(SessionChanged)
        assert (front.step, front.session_id) == (Step.CONFIRM, session_id)
        slot.put(None)
        await front.until(CardRemoved)
    assert kinds(front.heard) == [CardSeen, CardRemoved]


# --- two readers


@asynccontextmanager
async def reading_two(front: Front, first: Slot, second: Slot) -> AsyncIterator[None]:
    readers = CardReaders(front.kiosk)
    slots = {"contact": first, "contactless": second}
    lives = [
        asyncio.create_task(front.device(name, "card-reader", slot).run(readers.work)) for name, slot in slots.items()
    ]
    try:
        for _ in lives:
            await until_state(front, "ready")
        yield
    finally:
        for life, slot in zip(lives, slots.values(), strict=True):
            life.cancel()
            slot.put(None, is_gone=True)
        await asyncio.wait(lives, timeout=10)


async def test_a_card_in_the_second_reader_waits_until_the_first_is_empty(front: Front) -> None:
    first, second = Slot(), Slot()
    async with reading_two(front, first, second):
        first.put(card())
        await until_step(front, Step.CONFIRM)
        session_id = front.session_id
        second.put(CardUnreadable("contactless", Reason.CARD_NOT_SUPPORTED, "a door card"))
        await first.until_asked_for_removal(2)
        assert (front.step, front.session_id) == (Step.CONFIRM, session_id)
        await front.kiosk.close(front.session_id)
        first.put(None)
        await until_step(front, Step.HELP)
        second.put(None)
        await front.until(CardRemoved)
    assert kinds(front.heard) == [CardSeen, CardRemoved, CardSeen, CardRemoved]


async def test_the_page_asks_for_a_card_as_long_as_one_reader_works(front: Front) -> None:
    first, second = Slot(), Slot()
    async with reading_two(front, first, second):
        first.put(None, is_gone=True)
        await until_state(front, "unavailable")
        assert front.kiosk.view().is_reader_ready
        second.put(card())
        await until_step(front, Step.CONFIRM)
        second.put(card(), is_gone=True)
        await until_state(front, "unavailable")
        assert not front.kiosk.view().is_reader_ready


async def test_a_reader_that_fails_in_a_read_is_a_help_ticket_though_another_works(front: Front) -> None:
    first, second = Slot(), Slot()
    async with reading_two(front, first, second):
        first.put(DeviceUnavailable("contact", "lost the card's power"))
        await until_step(front, Step.HELP)
    assert [row.reason for row in await front.rows(hub_tables.check_in)] == ["reader-failed"]
