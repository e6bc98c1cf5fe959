"""Readers and cards that misbehave, over the real stack: slow, silent, held by others, renamed, gone and back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from drivers.cards.egk import Egk
from drivers.cards.synthetic import SAMPLE_PEOPLE
from drivers.pcsc.virtual_process import VirtualCardProcess
from kioskd.core.identity import Reason
from kioskd.demo.pcscd import PrivatePcscd
from kioskd.errors import CardUnreadable, DeviceUnavailable
from kioskd.ports import CardReader
from tests.drivers.card_reader_contract import SEEN_WITHIN_S
from tests.drivers.pcsc.conftest import PcscDesk, new_reader

ANNA, JOERG = (person.id for person in SAMPLE_PEOPLE[:2])
NAMES = ("REINER SCT cyberJack RFID [0123] 00 00", "ACS ACR38U 01 00", "ACS ACR38U 01 01", "ACS ACR38U 02 00")


@pytest.fixture
def open_desk(desk: PcscDesk) -> PcscDesk:
    desk.reader.open()
    return desk


@pytest.fixture
def hasty(open_desk: PcscDesk) -> Iterator[CardReader]:
    """A reader that gives a card one second."""
    from drivers.pcsc.reader import PcscReader

    reader = PcscReader("reader", "Virtual PCD 00 00", [Egk()], read_within_s=1.0)
    reader.open()
    yield reader
    open_desk.hand.remove()
    reader.close()


def put_in(desk: PcscDesk, reader: CardReader, card: str = ANNA, **how: int) -> None:
    desk.hand.insert(card, **how)
    assert reader.wait_for_card(SEEN_WITHIN_S)


def take_out(desk: PcscDesk, reader: CardReader) -> None:
    desk.hand.remove()
    assert reader.wait_for_removal(SEEN_WITHIN_S)


def refusal_of(reader: CardReader) -> CardUnreadable:
    with pytest.raises(CardUnreadable) as refusal:
        reader.read_card()
    return refusal.value


# --- slow and silent cards


@pytest.mark.parametrize("apdus", [0, 7])
def test_a_card_that_never_answers_is_mute_in_time_and_the_next_one_is_read(
    open_desk: PcscDesk, hasty: CardReader, apdus: int
) -> None:
    put_in(open_desk, hasty, silent_after_apdus=apdus)
    assert refusal_of(hasty).reason == Reason.CARD_MUTE
    assert not hasty.wait_for_removal(0)
    take_out(open_desk, hasty)
    put_in(open_desk, hasty, JOERG)
    assert hasty.read_card().family == SAMPLE_PEOPLE[1].family


def test_a_card_that_is_too_slow_as_a_whole_is_given_up_between_two_commands(
    open_desk: PcscDesk, hasty: CardReader
) -> None:
    put_in(open_desk, hasty, delay_ms=300)
    refusal = refusal_of(hasty)
    assert (refusal.reason, refusal.what) == (
        Reason.CARD_MUTE,
        "the card answers too slowly or not at all; it may be broken",
    )
    take_out(open_desk, hasty)
    assert open_desk.hand.wait_for("removed")["apdus"] <= 4


def test_while_a_card_never_answers_no_second_call_is_begun(open_desk: PcscDesk, hasty: CardReader) -> None:
    put_in(open_desk, hasty, silent_after_apdus=3)
    assert refusal_of(hasty).reason == Reason.CARD_MUTE
    hasty.close()
    threads = threading.active_count()
    for _ in range(2):
        with pytest.raises(DeviceUnavailable, match="unplug the reader"):
            hasty.open()
    assert threading.active_count() == threads
    open_desk.hand.remove()
    hasty.open()
    assert hasty.wait_for_removal(SEEN_WITHIN_S)
    put_in(open_desk, hasty)
    assert hasty.read_card().family == SAMPLE_PEOPLE[0].family


def test_pcscd_may_die_while_a_card_never_answers(pcscd: PrivatePcscd, open_desk: PcscDesk, hasty: CardReader) -> None:
    put_in(open_desk, hasty, silent_after_apdus=3)
    assert refusal_of(hasty).reason == Reason.CARD_MUTE
    pcscd.restart()
    with pytest.raises(DeviceUnavailable):
        hasty.wait_for_removal(1)
    open_desk.hand.remove()
    hasty.open()
    assert hasty.wait_for_removal(SEEN_WITHIN_S)
    put_in(open_desk, hasty)
    assert hasty.read_card().family == SAMPLE_PEOPLE[0].family


# --- another program


@pytest.fixture
def other_program(open_desk: PcscDesk) -> Iterator[Callable[[], Callable[[], None]]]:
    """Takes the card that is in for itself; what it returns lets it go."""
    from smartcard import scard

    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1

    def take() -> Callable[[], None]:
        code, handle, _ = scard.SCardConnect(context, "Virtual PCD 00 00", scard.SCARD_SHARE_SHARED, protocols)
        assert code == scard.SCARD_S_SUCCESS
        return lambda: scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)

    yield take
    scard.SCardReleaseContext(context)


def test_a_program_that_only_looks_at_the_card_is_waited_for(
    open_desk: PcscDesk, other_program: Callable[[], Callable[[], None]]
) -> None:
    put_in(open_desk, open_desk.reader)
    letting_go = threading.Timer(0.4, other_program())
    letting_go.start()
    assert open_desk.reader.read_card().family == SAMPLE_PEOPLE[0].family
    letting_go.join()


def test_a_program_that_keeps_the_card_is_named_and_the_next_card_is_read(
    open_desk: PcscDesk, other_program: Callable[[], Callable[[], None]]
) -> None:
    put_in(open_desk, open_desk.reader)
    let_go = other_program()
    refusal = refusal_of(open_desk.reader)
    assert refusal.reason == Reason.READER_FAILED
    assert "another program holds the card" in refusal.what
    let_go()
    take_out(open_desk, open_desk.reader)
    put_in(open_desk, open_desk.reader, JOERG)
    assert open_desk.reader.read_card().family == SAMPLE_PEOPLE[1].family


# --- readers that go, come back and are called otherwise


@pytest.mark.parametrize("has_card", [False, True])
def test_a_reader_that_is_unplugged_is_unavailable_until_it_is_back(
    pcscd: PrivatePcscd, open_desk: PcscDesk, has_card: bool
) -> None:
    reader = open_desk.reader
    if has_card:
        put_in(open_desk, reader)
        reader.read_card()
    pcscd.unplug()
    with pytest.raises(DeviceUnavailable):
        reader.wait_for_card(1)
    with pytest.raises(DeviceUnavailable, match="there is none; is it plugged in"):
        reader.open()
    pcscd.restart()
    reader.open()
    assert reader.wait_for_card(SEEN_WITHIN_S if has_card else 0) is has_card
    if not has_card:
        put_in(open_desk, reader)
    assert reader.read_card().family == SAMPLE_PEOPLE[0].family


PHASES: dict[str, Callable[[CardReader], object]] = {
    "seen": lambda reader: reader.wait_for_card(SEEN_WITHIN_S),
    "read": lambda reader: (reader.wait_for_card(SEEN_WITHIN_S), reader.read_card()),
    "waited for": lambda reader: (reader.wait_for_card(10), reader.read_card(), reader.wait_for_removal(0.1)),
}


@pytest.mark.parametrize("phase", PHASES)
def test_pcscd_may_restart_at_any_moment_of_a_card(pcscd: PrivatePcscd, open_desk: PcscDesk, phase: str) -> None:
    open_desk.hand.insert(ANNA)
    PHASES[phase](open_desk.reader)
    pcscd.restart()
    for ask in (open_desk.reader.read_card, lambda: open_desk.reader.wait_for_removal(1)):
        with pytest.raises(DeviceUnavailable):
            ask()
    open_desk.reader.open()
    assert open_desk.reader.wait_for_card(SEEN_WITHIN_S)
    assert open_desk.reader.read_card().family == SAMPLE_PEOPLE[0].family


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment_ms", range(0, 700, 50))
def test_pcscd_may_die_at_any_moment_of_a_read(pcscd: PrivatePcscd, open_desk: PcscDesk, moment_ms: int) -> None:
    put_in(open_desk, open_desk.reader, delay_ms=50)
    killer = threading.Timer(moment_ms / 1000, pcscd.kill)
    killer.start()
    with suppress(DeviceUnavailable):
        assert open_desk.reader.read_card().family == SAMPLE_PEOPLE[0].family
    killer.join()
    pcscd.restart()
    open_desk.reader.open()
    assert open_desk.reader.wait_for_card(SEEN_WITHIN_S)
    assert open_desk.reader.read_card().family == SAMPLE_PEOPLE[0].family


def test_a_reader_that_got_another_number_is_found_again(open_desk: PcscDesk, pcscd: PrivatePcscd) -> None:
    reader = new_reader(pcscd, "Virtual PCD 07 00")
    reader.open()
    put_in(open_desk, reader)
    assert reader.read_card().family == SAMPLE_PEOPLE[0].family
    reader.close()


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("*", NAMES[0]),
        (NAMES[0], NAMES[0]),
        ("REINER SCT cyberJack RFID [0123]", NAMES[0]),
        ("REINER SCT cyberJack RFID [0123] 0A 00", NAMES[0]),
        ("REINER SCT cyberJack RFID [0123] 00 01", None),
        ("*ACR38U*", NAMES[1]),
        (NAMES[3], NAMES[3]),
        ("ACS ACR38U 05 01", NAMES[2]),
        ("ACS ACR38U 05 00", None),
        ("ACS", None),
    ],
)
def test_a_reader_is_chosen_by_its_name_with_or_without_its_number(
    pcscd: PrivatePcscd, pattern: str, chosen: str | None
) -> None:
    new_reader(pcscd)  # libpcsclite learns its socket before it is loaded
    from drivers.pcsc.reader import choose_reader

    assert choose_reader(NAMES, pattern) == chosen


def test_two_readers_read_two_cards_at_the_same_time(pcscd: PrivatePcscd, open_desk: PcscDesk) -> None:
    second = new_reader(pcscd, "Virtual PCD 00 01")
    second.open()
    with VirtualCardProcess(pcscd.namespace_pid, pcscd.port + 1) as hand, ThreadPoolExecutor(2) as threads:
        put_in(open_desk, open_desk.reader, delay_ms=20)
        hand.insert(JOERG, delay_ms=20)
        assert second.wait_for_card(SEEN_WITHIN_S)
        reads = [threads.submit(reader.read_card) for reader in (open_desk.reader, second)]
        assert [read.result(30).family for read in reads] == [person.family for person in SAMPLE_PEOPLE[:2]]
        take_out(open_desk, open_desk.reader)
        assert not second.wait_for_removal(0)
    assert second.wait_for_removal(SEEN_WITHIN_S)
    second.close()


# --- by radio


@pytest.mark.parametrize(
    ("card", "reason", "what"),
    [
        ("door-card", Reason.CARD_NOT_SUPPORTED, "only stores"),
        ("closed-by-radio", Reason.CARD_CLOSED_BY_RADIO, "PACE"),
    ],
)
def test_a_contactless_card_that_says_nothing_has_its_own_outcome(
    open_desk: PcscDesk, card: str, reason: Reason, what: str
) -> None:
    put_in(open_desk, open_desk.reader, card)
    refusal = refusal_of(open_desk.reader)
    assert refusal.reason == reason
    assert what in refusal.what
