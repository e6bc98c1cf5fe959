"""One private pcscd for each test process: libpcsclite takes its socket from the environment once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from drivers.cards.egk import Egk
from drivers.cards.synthetic import SAMPLE_PEOPLE
from drivers.pcsc import PcscConfig, PcscDriver
from drivers.pcsc.virtual_process import VirtualCardProcess
from kioskd.demo.pcscd import READER_NAME, PrivatePcscd
from kioskd.errors import StartRefused
from kioskd.ports import CardKind, CardReader


@pytest.fixture(scope="session")
def pcscd() -> Iterator[PrivatePcscd]:
    rig = PrivatePcscd()
    try:
        rig.start()
    except StartRefused as refusal:
        if os.environ.get("CI"):
            pytest.fail(f"the card tests must run in CI: {refusal}")
        pytest.skip(str(refusal))
    yield rig
    rig.stop()


@pytest.fixture(scope="session")
def hand_of_session(pcscd: PrivatePcscd) -> Iterator[VirtualCardProcess]:
    with VirtualCardProcess(pcscd.namespace_pid, pcscd.port) as hand:
        yield hand


def new_reader(
    pcscd: PrivatePcscd, pattern: str = f"{READER_NAME} *00", card_kinds: Sequence[CardKind] = (Egk(),)
) -> CardReader:
    reader = PcscDriver().create("reader", PcscConfig(reader=pattern, socket=str(pcscd.socket_path)), card_kinds)
    assert isinstance(reader, CardReader)
    return reader


@dataclass
class PcscDesk:
    """A ``card_reader_contract.CardDesk`` over the real stack."""

    reader: CardReader
    hand: VirtualCardProcess
    family_names: dict[str, str] = field(default_factory=lambda: {p.id: p.family for p in SAMPLE_PEOPLE[:2]})
    unsupported: str = "no-health-card"

    def put_in(self, card: str) -> None:
        self.hand.insert(card)

    def take_out(self) -> None:
        self.hand.remove()


@pytest.fixture
def desk(pcscd: PrivatePcscd, hand_of_session: VirtualCardProcess) -> Iterator[PcscDesk]:
    """An empty reader, really: pcscd has seen the last test's card go."""
    hand_of_session.remove()
    reader = new_reader(pcscd)
    reader.open()
    assert reader.wait_for_removal(10)
    reader.close()
    yield PcscDesk(reader, hand_of_session)
    reader.close()
    hand_of_session.remove()
