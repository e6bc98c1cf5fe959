"""The card reader over the real stack: pcscd, its virtual reader, libpcsclite and pyscard."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

import pytest

from drivers.cards.egk import Egk
from drivers.cards.synthetic import SAMPLE_PEOPLE, SamplePerson
from drivers.pcsc.virtual_process import VirtualCardProcess
from kioskd.core.identity import Card, Reason
from kioskd.core.patient import KVID_SYSTEM, Identifier
from kioskd.demo.pcscd import PrivatePcscd
from kioskd.errors import CardUnreadable, DeviceUnavailable
from kioskd.ports import Transmit
from tests.drivers.card_reader_contract import SEEN_WITHIN_S, CardReaderContract
from tests.drivers.pcsc.conftest import PcscDesk, new_reader

APDUS_OF_A_READ = 13
ANNA, JOERG = SAMPLE_PEOPLE[:2]


class TestContract(CardReaderContract):
    """The PC/SC reader keeps the contract of the port."""


def card_of(person: SamplePerson) -> Card:
    number = Identifier(KVID_SYSTEM, person.kvnr)
    return Card(
        "egk",
        number,
        person.family,
        person.given,
        person.birth_date,
        person.sex,
        person.insurer_name,
        person.insurer_id,
    )


def read_after(desk: PcscDesk, card: str, **how: int) -> Card:
    desk.hand.insert(card, **how)
    assert desk.reader.wait_for_card(SEEN_WITHIN_S)
    return desk.reader.read_card()


@pytest.fixture
def open_desk(desk: PcscDesk) -> PcscDesk:
    desk.reader.open()
    return desk


@pytest.mark.parametrize("person", SAMPLE_PEOPLE, ids=lambda person: person.id)
def test_every_sample_is_read_as_it_is(open_desk: PcscDesk, person: SamplePerson) -> None:
    assert read_after(open_desk, person.id) == card_of(person)
    open_desk.hand.remove()
    assert open_desk.hand.wait_for("removed")["apdus"] == APDUS_OF_A_READ


def test_a_slow_card_is_read(open_desk: PcscDesk) -> None:
    assert read_after(open_desk, ANNA.id, delay_ms=20) == card_of(ANNA)


@pytest.mark.parametrize("apdus", range(APDUS_OF_A_READ))
def test_a_card_that_is_pulled_at_any_command_was_removed_early(open_desk: PcscDesk, apdus: int) -> None:
    with pytest.raises(CardUnreadable) as refusal:
        read_after(open_desk, JOERG.id, remove_after_apdus=apdus)
    assert refusal.value.reason == Reason.CARD_REMOVED_EARLY
    assert refusal.value.device == "reader"
    assert open_desk.hand.wait_for("removed")["apdus"] == apdus
    assert open_desk.reader.wait_for_removal(SEEN_WITHIN_S)


def test_after_a_pulled_card_the_next_one_is_read(open_desk: PcscDesk) -> None:
    with pytest.raises(CardUnreadable):
        read_after(open_desk, JOERG.id, remove_after_apdus=5)
    assert open_desk.reader.wait_for_removal(SEEN_WITHIN_S)
    assert read_after(open_desk, ANNA.id) == card_of(ANNA)


class CarelessKind(Egk):
    """A kind of card that goes on as if nothing had happened when a command fails."""

    def read(self, transmit: Transmit) -> Card:
        with suppress(Exception):
            super().read(transmit)
        return card_of(JOERG)

    def read_id(self, transmit: Transmit) -> bytes:
        with suppress(Exception):
            super().read_id(transmit)
        return b"always the same"


def test_a_failed_command_voids_the_read_even_if_the_kind_of_card_ignores_it(
    pcscd: PrivatePcscd, desk: PcscDesk
) -> None:
    reader = new_reader(pcscd, card_kinds=[CarelessKind()])
    reader.open()
    desk.hand.insert(JOERG.id, remove_after_apdus=6)
    assert reader.wait_for_card(SEEN_WITHIN_S)
    with pytest.raises(CardUnreadable) as refusal:
        reader.read_card()
    assert refusal.value.reason == Reason.CARD_REMOVED_EARLY
    reader.close()


class BewilderedKind(Egk):
    """A kind of card that the card answers with nonsense."""

    def is_present(self, transmit: Transmit) -> bool:
        raise CardUnreadable("card", Reason.CARD_UNREADABLE, "nonsense")


def test_a_kind_that_can_make_nothing_of_a_card_does_not_hide_the_one_that_can(
    pcscd: PrivatePcscd, desk: PcscDesk
) -> None:
    reader = new_reader(pcscd, card_kinds=[BewilderedKind(), Egk()])
    reader.open()
    desk.hand.insert(ANNA.id)
    assert reader.wait_for_card(SEEN_WITHIN_S)
    assert reader.read_card() == card_of(ANNA)
    desk.hand.swap("no-health-card")
    assert reader.wait_for_removal(SEEN_WITHIN_S)
    assert reader.wait_for_card(SEEN_WITHIN_S)
    with pytest.raises(CardUnreadable, match="nonsense") as refusal:
        reader.read_card()
    assert refusal.value.reason == Reason.CARD_UNREADABLE
    reader.close()


@pytest.mark.parametrize("apdus", [1, 4, 7, 12])
def test_a_card_that_is_swapped_during_the_read_gives_no_data(open_desk: PcscDesk, apdus: int) -> None:
    open_desk.hand.insert(ANNA.id)
    open_desk.hand.swap(JOERG.id, after_apdus=apdus)
    assert open_desk.reader.wait_for_card(SEEN_WITHIN_S)
    with pytest.raises(CardUnreadable) as refusal:
        open_desk.reader.read_card()
    assert refusal.value.reason in {Reason.CARD_REMOVED_EARLY, Reason.CARD_UNREADABLE}
    assert "Huber" not in str(refusal.value)


# Up to the second command nothing of the first card is known yet, and the second one is simply read.
@pytest.mark.parametrize("apdus", range(3, APDUS_OF_A_READ, 3))
def test_a_swap_that_nobody_notices_never_mixes_two_cards(open_desk: PcscDesk, apdus: int) -> None:
    open_desk.hand.insert(ANNA.id)
    open_desk.hand.swap(JOERG.id, after_apdus=apdus, unnoticed=True)
    assert open_desk.reader.wait_for_card(SEEN_WITHIN_S)
    with pytest.raises(CardUnreadable):
        open_desk.reader.read_card()


def test_a_swap_just_before_the_final_check_is_called_by_its_name(open_desk: PcscDesk) -> None:
    open_desk.hand.insert(ANNA.id)
    open_desk.hand.swap(JOERG.id, after_apdus=APDUS_OF_A_READ - 2, unnoticed=True)
    assert open_desk.reader.wait_for_card(SEEN_WITHIN_S)
    with pytest.raises(CardUnreadable) as refusal:
        open_desk.reader.read_card()
    assert refusal.value.reason == Reason.CARD_CHANGED


def test_the_next_patients_card_counts_though_nobody_saw_the_empty_reader(
    pcscd: PrivatePcscd, open_desk: PcscDesk
) -> None:
    observer = new_reader(pcscd)
    observer.open()
    assert read_after(open_desk, ANNA.id) == card_of(ANNA)
    open_desk.hand.remove()
    assert observer.wait_for_removal(SEEN_WITHIN_S)
    open_desk.hand.insert(JOERG.id)
    assert observer.wait_for_card(SEEN_WITHIN_S)
    observer.close()
    assert open_desk.reader.wait_for_removal(0)
    assert open_desk.reader.wait_for_card(0)
    assert open_desk.reader.read_card() == card_of(JOERG)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("unfinished-update", Reason.CARD_UNREADABLE),
        ("locked", Reason.CARD_LOCKED),
        ("no-health-card", Reason.CARD_NOT_SUPPORTED),
        ("mute", Reason.CARD_MUTE),
    ],
)
def test_a_defective_card_is_refused_with_its_reason(open_desk: PcscDesk, card: str, reason: Reason) -> None:
    with pytest.raises(CardUnreadable) as refusal:
        read_after(open_desk, card)
    assert refusal.value.reason == reason


def test_a_reader_that_is_not_there_is_unavailable_and_the_text_says_which_are(pcscd: PrivatePcscd) -> None:
    reader = new_reader(pcscd, "Nobody's reader*")
    with pytest.raises(DeviceUnavailable, match="there are: Virtual PCD 00 00, Virtual PCD 00 01"):
        reader.open()


def test_two_slots_are_two_readers(pcscd: PrivatePcscd, open_desk: PcscDesk) -> None:
    second = new_reader(pcscd, "Virtual PCD 00 01")
    second.open()
    with VirtualCardProcess(pcscd.namespace_pid, pcscd.port + 1) as hand:
        hand.insert(JOERG.id)
        assert second.wait_for_card(SEEN_WITHIN_S)
        assert second.read_card() == card_of(JOERG)
        assert not open_desk.reader.wait_for_card(0)
    assert second.wait_for_removal(SEEN_WITHIN_S)
    second.close()


def test_without_pcscd_the_reader_is_unavailable_and_recovers_when_it_is_back(
    pcscd: PrivatePcscd, open_desk: PcscDesk
) -> None:
    assert read_after(open_desk, ANNA.id) == card_of(ANNA)
    pcscd.kill()
    with pytest.raises(DeviceUnavailable):
        open_desk.reader.wait_for_card(1)
    open_desk.reader.close()
    with pytest.raises(DeviceUnavailable, match="is it running"):
        open_desk.reader.open()
    pcscd.restart()
    open_desk.reader.open()
    # The card never left the reader; to the new pcscd it is one that is just there.
    assert open_desk.reader.wait_for_card(SEEN_WITHIN_S)
    assert open_desk.reader.read_card() == card_of(ANNA)


def test_a_wait_ends_at_once_when_pcscd_dies(pcscd: PrivatePcscd, open_desk: PcscDesk) -> None:
    errors: list[DeviceUnavailable] = []
    is_waiting = threading.Event()

    def wait() -> None:
        is_waiting.set()
        try:
            open_desk.reader.wait_for_card(10)
        except DeviceUnavailable as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    is_waiting.wait(1)
    began_at = time.monotonic()
    pcscd.kill()
    thread.join(30)
    took_s = time.monotonic() - began_at
    pcscd.restart()
    assert errors
    assert took_s < 20


def test_pcscd_dying_in_the_middle_of_a_read_makes_the_reader_unavailable(
    pcscd: PrivatePcscd, open_desk: PcscDesk
) -> None:
    open_desk.hand.insert(ANNA.id, delay_ms=100)
    assert open_desk.reader.wait_for_card(SEEN_WITHIN_S)
    # A card as slow as this is read in 1.3 s.
    killer = threading.Timer(0.3, pcscd.kill)
    killer.start()
    with pytest.raises(DeviceUnavailable):
        open_desk.reader.read_card()
    killer.join()
    pcscd.restart()
    open_desk.reader.close()
    open_desk.reader.open()
    assert open_desk.reader.wait_for_card(SEEN_WITHIN_S)
    assert open_desk.reader.read_card() == card_of(ANNA)


def test_restarts_of_pcscd_leave_no_descriptor_behind(pcscd: PrivatePcscd, open_desk: PcscDesk) -> None:
    def restart_once() -> int:
        pcscd.restart()
        with pytest.raises(DeviceUnavailable):
            open_desk.reader.wait_for_card(1)
        open_desk.reader.close()
        open_desk.reader.open()
        return len(os.listdir("/proc/self/fd"))

    first = restart_once()
    assert [restart_once() for _ in range(3)] == [first] * 3
