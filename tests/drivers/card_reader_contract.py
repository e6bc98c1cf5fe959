"""What every ``ports.CardReader`` must do. A driver's tests subclass it and give it a desk with a reader and a hand."""

from __future__ import annotations

import time
from typing import Protocol

import pytest

from kioskd.core.identity import Reason
from kioskd.errors import CardUnreadable, DeviceUnavailable
from kioskd.ports import CardReader

SEEN_WITHIN_S = 10.0
"""A deadline, not a demand: test machines are busy."""


class CardDesk(Protocol):
    """A reader that is not open, with nothing in it, and somebody with cards in front of it."""

    reader: CardReader
    family_names: dict[str, str]
    """Readable cards by what ``put_in`` calls them; two at least."""
    unsupported: str
    """A card that no kind of card claims."""

    def put_in(self, card: str) -> None: ...

    def take_out(self) -> None: ...


class CardReaderContract:
    """The MUSTs of ``ports.CardReader`` and ``ports.Device``. The fixture ``desk`` comes from the subclass."""

    def test_it_is_a_card_reader(self, desk: CardDesk) -> None:
        assert isinstance(desk.reader, CardReader)

    def test_close_is_allowed_at_any_time(self, desk: CardDesk) -> None:
        desk.reader.close()
        desk.reader.open()
        desk.reader.close()
        desk.reader.close()

    def test_a_reader_that_is_not_open_is_unavailable(self, desk: CardDesk) -> None:
        for ask in (
            lambda: desk.reader.wait_for_card(0),
            lambda: desk.reader.wait_for_removal(0),
            desk.reader.read_card,
        ):
            with pytest.raises(DeviceUnavailable):
                ask()

    def test_an_empty_reader_says_so_in_time(self, desk: CardDesk) -> None:
        desk.reader.open()
        began_at = time.monotonic()
        assert not desk.reader.wait_for_card(0.2)
        assert 0.15 < time.monotonic() - began_at < 10
        assert desk.reader.wait_for_removal(0)

    def test_reading_an_empty_reader_is_refused(self, desk: CardDesk) -> None:
        desk.reader.open()
        with pytest.raises(CardUnreadable) as refusal:
            desk.reader.read_card()
        assert refusal.value.reason == Reason.CARD_REMOVED_EARLY

    def test_a_card_is_seen_and_read(self, desk: CardDesk) -> None:
        desk.reader.open()
        for card, family in desk.family_names.items():
            desk.put_in(card)
            assert desk.reader.wait_for_card(SEEN_WITHIN_S)
            assert desk.reader.read_card().family == family
            desk.take_out()
            assert desk.reader.wait_for_removal(SEEN_WITHIN_S)

    def test_a_card_that_is_in_before_the_reader_is_opened_is_seen(self, desk: CardDesk) -> None:
        card, family = next(iter(desk.family_names.items()))
        desk.put_in(card)
        desk.reader.open()
        assert desk.reader.wait_for_card(SEEN_WITHIN_S)
        assert desk.reader.read_card().family == family

    def test_a_card_that_was_read_does_not_count_again_until_it_was_out(self, desk: CardDesk) -> None:
        card = next(iter(desk.family_names))
        desk.reader.open()
        desk.put_in(card)
        assert desk.reader.wait_for_card(SEEN_WITHIN_S)
        desk.reader.read_card()
        assert not desk.reader.wait_for_card(0.5)
        assert not desk.reader.wait_for_removal(0.1)
        desk.take_out()
        assert desk.reader.wait_for_removal(SEEN_WITHIN_S)
        desk.put_in(card)
        assert desk.reader.wait_for_card(SEEN_WITHIN_S)

    def test_a_card_that_could_not_be_read_must_be_taken_out_too(self, desk: CardDesk) -> None:
        desk.reader.open()
        desk.put_in(desk.unsupported)
        assert desk.reader.wait_for_card(SEEN_WITHIN_S)
        with pytest.raises(CardUnreadable) as refusal:
            desk.reader.read_card()
        assert refusal.value.reason == Reason.CARD_NOT_SUPPORTED
        assert not desk.reader.wait_for_card(0.1)

    def test_a_card_that_is_in_and_not_read_goes_on_being_seen(self, desk: CardDesk) -> None:
        desk.reader.open()
        desk.put_in(next(iter(desk.family_names)))
        assert desk.reader.wait_for_card(SEEN_WITHIN_S)
        assert desk.reader.wait_for_card(0)

    def test_it_works_again_on_the_same_object_after_close(self, desk: CardDesk) -> None:
        card, family = next(iter(desk.family_names.items()))
        desk.reader.open()
        desk.reader.close()
        desk.reader.open()
        desk.put_in(card)
        assert desk.reader.wait_for_card(SEEN_WITHIN_S)
        assert desk.reader.read_card().family == family
