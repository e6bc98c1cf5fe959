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
from kioskd.station.reading import read_cards
from tests.people import card
from tests.station.conftest import Front


class Slot:
    """A chip-card reader that a hand puts cards into. A card is what reading it gives, or raises."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._card: Card | Exception | None = None
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

    def _must_be_there(self) -> None:
        if self.is_gone:
            raise DeviceUnavailable("reader", "is gone")


@asynccontextmanager
async def reading(front: Front, slot: Slot, is_let_go: bool = True) -> AsyncIterator[None]:
    """A reader at work. ``is_let_go``: its last poll ends at once, so that nobody waits for it."""
    device = front.device("reader", "card-reader", slot)
    life = asyncio.create_task(device.run(lambda managed: read_cards(managed, front.kiosk)))
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
        await read_cards(front.device("reader", "card-reader", front.tickets), front.kiosk)


async def test_it_stops_within_a_poll_while_it_waits_for_a_card(front: Front) -> None:
    async with reading(front, Slot(), is_let_go=False):
        began = time.monotonic()
    assert time.monotonic() - began < 20
