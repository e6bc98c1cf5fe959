"""Every kind of card through the real stack: pcscd, its virtual reader, libpcsclite, T=0 and T=1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from drivers.cards.iso7816 import handle_status
from drivers.cards.samples import Sample, all_samples, one_of_each_kind
from drivers.pcsc.virtual_process import VirtualCardProcess
from kioskd.core.identity import Card, Reason
from kioskd.demo.pcscd import PrivatePcscd
from kioskd.errors import CardUnreadable
from kioskd.ports import CardReader
from tests.drivers.card_reader_contract import SEEN_WITHIN_S
from tests.drivers.cards.cards import KINDS, read_between_two_numbers
from tests.drivers.pcsc.conftest import PcscDesk, new_reader

FIRST_OF_KIND = one_of_each_kind()
REFUSED = [sample for sample in all_samples() if not isinstance(sample.shows, Card)]


@pytest.fixture
def reader(pcscd: PrivatePcscd, desk: PcscDesk) -> Iterator[CardReader]:
    """A reader that knows every kind, over the empty virtual one of ``desk``."""
    reader = new_reader(pcscd, card_kinds=KINDS)
    reader.open()
    yield reader
    reader.close()


def outcome(reader: CardReader, hand: VirtualCardProcess, sample: Sample) -> Card | Reason:
    hand.insert(sample.id)
    assert reader.wait_for_card(SEEN_WITHIN_S)
    try:
        return reader.read_card()
    except CardUnreadable as refusal:
        return Reason(refusal.reason)


def apdus_of_a_read(sample: Sample) -> int:
    """How many commands the card is asked, from the first SELECT to the re-read of its number."""
    session, commands = sample.image.power_on(), 0

    def transmit_raw(apdu: bytes) -> bytes:
        nonlocal commands
        commands += 1
        return session.respond(apdu)

    assert read_between_two_numbers(handle_status(transmit_raw)) == sample.shows
    return commands


@pytest.mark.parametrize("sample", [*FIRST_OF_KIND, *REFUSED], ids=lambda sample: sample.id)
def test_a_card_is_read_through_the_real_stack(reader: CardReader, desk: PcscDesk, sample: Sample) -> None:
    assert outcome(reader, desk.hand, sample) == sample.shows


@pytest.mark.parametrize("sample", FIRST_OF_KIND, ids=lambda sample: sample.id)
def test_the_cards_answer_to_reset_decides_between_t0_and_t1(desk: PcscDesk, sample: Sample) -> None:
    from smartcard import scard

    desk.reader.open()
    desk.hand.insert(sample.id)
    assert desk.reader.wait_for_card(SEEN_WITHIN_S)
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    code, handle, protocol = scard.SCardConnect(context, "Virtual PCD 00 00", scard.SCARD_SHARE_EXCLUSIVE, protocols)
    assert code == scard.SCARD_S_SUCCESS
    scard.SCardDisconnect(handle, scard.SCARD_UNPOWER_CARD)
    scard.SCardReleaseContext(context)
    # pcscd takes T=1 where a card offers both.
    assert protocol == (scard.SCARD_PROTOCOL_T1 if 1 in offered(sample.image.atr) else scard.SCARD_PROTOCOL_T0)


def offered(atr: bytes) -> set[int]:
    """The protocols of an ATR: the low half of each TD byte, which follows the TA, TB and TC that the one before it
    announced in its high half (ISO/IEC 7816-3, 8.2.3). None: T=0.
    """
    protocols, announcing, place = set(), atr[1], 2
    while announcing & 0x80:
        place += (announcing >> 4 & 0x07).bit_count()
        announcing = atr[place]
        protocols.add(announcing & 0x0F)
        place += 1
    return protocols or {0}


@pytest.mark.parametrize("sample", FIRST_OF_KIND, ids=lambda sample: sample.id)
def test_a_slow_card_is_read(reader: CardReader, desk: PcscDesk, sample: Sample) -> None:
    desk.hand.insert(sample.id, delay_ms=15)
    assert reader.wait_for_card(SEEN_WITHIN_S)
    assert reader.read_card() == sample.shows


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("sample", FIRST_OF_KIND, ids=lambda sample: sample.id)
def test_a_card_that_is_pulled_at_any_command_was_removed_early(
    reader: CardReader, desk: PcscDesk, sample: Sample
) -> None:
    for apdus in range(apdus_of_a_read(sample)):
        desk.hand.insert(sample.id, remove_after_apdus=apdus)
        assert reader.wait_for_card(SEEN_WITHIN_S)
        with pytest.raises(CardUnreadable) as refusal:
            reader.read_card()
        assert refusal.value.reason == Reason.CARD_REMOVED_EARLY
        assert reader.wait_for_removal(SEEN_WITHIN_S)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("sample", FIRST_OF_KIND, ids=lambda sample: sample.id)
def test_a_swap_at_any_command_of_a_read_never_mixes_two_cards(
    reader: CardReader, desk: PcscDesk, sample: Sample
) -> None:
    other = next(s for s in FIRST_OF_KIND if s is not sample)
    for apdus in range(apdus_of_a_read(sample)):
        desk.hand.insert(sample.id)
        desk.hand.swap(other.id, after_apdus=apdus, unnoticed=True)
        assert reader.wait_for_card(SEEN_WITHIN_S)
        with suppress(CardUnreadable):
            assert reader.read_card() in (sample.shows, other.shows)
        desk.hand.remove()
        assert reader.wait_for_removal(SEEN_WITHIN_S)


@pytest.mark.parametrize("sample", FIRST_OF_KIND, ids=lambda sample: sample.id)
def test_a_card_that_is_pulled_while_it_is_read_was_removed_early(
    reader: CardReader, desk: PcscDesk, sample: Sample
) -> None:
    desk.hand.insert(sample.id, remove_after_apdus=apdus_of_a_read(sample) - 2)
    assert reader.wait_for_card(SEEN_WITHIN_S)
    with pytest.raises(CardUnreadable) as refusal:
        reader.read_card()
    assert refusal.value.reason == Reason.CARD_REMOVED_EARLY
    assert reader.wait_for_removal(SEEN_WITHIN_S)
