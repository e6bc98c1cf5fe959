"""From card in to identified, per kind of card, over a real pcscd: ``scripts/bench cards [--quick]``.

``identified`` begins when the reader sees the card and ends when the one record that agrees with it is found among a
family's: connecting, finding out which kind it is, reading, the check that it is still the same card, through the
device's own thread as in the daemon. Peer and limit is the bare time of the very same commands in the same run, turn
by turn: connect, transaction, a list of APDUs, disconnect, with no code between. ``ratio`` is the median over
the turns of one divided by the other, so that a machine that is busy for a while slows both.

The cards take 2 ms for each command. No real one is faster: at 115,200 baud a byte takes 0.1 ms, the shortest command
with its answer 2 ms, a READ BINARY 25 ms. ``own work`` is what is left of that: the difference of both medians when the
card answers at once, in milliseconds. What asking the records adds stands in ``scripts/bench path``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from drivers.cards.iso7816 import handle_status
from drivers.cards.samples import one_of_each_kind
from drivers.cards.synthetic import SAMPLE_PEOPLE, sample_image
from drivers.pcsc import PcscConfig, PcscDriver
from drivers.pcsc.virtual_process import VirtualCardProcess
from kioskd.core.identity import Card, find_patient
from kioskd.core.patient import Identifier, Patient
from kioskd.demo.pcscd import READER_NAME, PrivatePcscd
from kioskd.ports import CardKind
from kioskd.station.devices.registry import card_kinds
from kioskd.station.devices.supervisor import ManagedDevice

READER = f"{READER_NAME} 00 00"
WITHIN_S = 20.0
WARM_UP = 5
CHIP_MS = 2.0


@dataclass
class Turns:
    """Milliseconds of each turn."""

    identified: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        pairs = zip(self.identified, self.bare, strict=True)
        return statistics.median(ours / bare for ours, bare in pairs)

    @property
    def difference_ms(self) -> float:
        return statistics.median(self.identified) - statistics.median(self.bare)


@dataclass
class Row:
    """One kind: its commands, and the turns with a card of a chip's speed and with one that answers at once."""

    card_id: str
    card: Card
    script: tuple[bytes, ...]
    at_chip_speed: Turns = field(default_factory=Turns)
    at_once: Turns = field(default_factory=Turns)


def row_of(card_id: str, kinds: Sequence[CardKind]) -> Row:
    """A card, what stands on it, and the commands that a reader asks it, as they go over the wire."""
    session, script = sample_image(card_id).power_on(), []

    def transmit_raw(apdu: bytes) -> bytes:
        script.append(apdu)
        return session.respond(apdu)

    transmit = handle_status(transmit_raw)
    kind = next(kind for kind in kinds if kind.is_present(transmit))
    kind.read_id(transmit)
    card = kind.read(transmit)
    kind.read_id(transmit)
    return Row(card_id, card, tuple(script))


def run_bare(context: Any, script: Sequence[bytes]) -> None:
    """The commands and nothing else."""
    from smartcard import scard

    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    code, handle, protocol = scard.SCardConnect(context, READER, scard.SCARD_SHARE_EXCLUSIVE, protocols)
    if code != scard.SCARD_S_SUCCESS:
        raise RuntimeError(scard.SCardGetErrorMessage(code))
    pci = scard.SCARD_PCI_T0 if protocol == scard.SCARD_PROTOCOL_T0 else scard.SCARD_PCI_T1
    scard.SCardBeginTransaction(handle)
    for apdu in script:
        scard.SCardTransmit(handle, pci, list(apdu))
    scard.SCardDisconnect(handle, scard.SCARD_UNPOWER_CARD)


def family_of(card: Card) -> list[Patient]:
    """The record that is meant, and two of others that a search for it might give."""
    own = Patient("p1", (card.identifier,), card.family or card.undivided_name, card.given, card.birth_date, card.sex)
    child = Patient("p2", (Identifier(card.identifier.system, "0"),), own.family, "Kim", date(2019, 5, 4), card.sex)
    return [child, own, Patient("p3", (), own.family, "Toni", date(1950, 1, 2), card.sex)]


async def measure(row: Row, times: Turns, device: ManagedDevice, context: Any, turns: int) -> None:
    """``turns`` times ours and bare, by turns; the warm-up does not count."""
    reader: Any = device.device
    candidates = family_of(row.card)
    for turn in range(turns + WARM_UP):
        began = time.perf_counter()
        card = await device.call(reader.read_card, WITHIN_S)
        found = find_patient(card, candidates)
        ours = time.perf_counter() - began
        if card != row.card or found is not candidates[1]:
            raise RuntimeError(f"{row.card_id} was taken for somebody else")
        bare = await device.call(lambda: timed(lambda: run_bare(context, row.script)), WITHIN_S)
        if turn >= WARM_UP:
            times.identified.append(ours * 1000)
            times.bare.append(bare * 1000)


def timed(function: Callable[[], None]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


async def run(turns: int) -> list[Row]:
    kinds = card_kinds()
    rows = [row_of(card_id, kinds) for card_id in (SAMPLE_PEOPLE[0].id, *(s.id for s in one_of_each_kind()))]
    with PrivatePcscd() as pcscd, VirtualCardProcess(pcscd.namespace_pid, pcscd.port) as hand:
        config = PcscConfig(reader=READER, socket=str(pcscd.socket_path))
        device = ManagedDevice("reader", "card-reader", PcscDriver().create("reader", config, kinds), nobody)
        from smartcard import scard

        _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        reader: Any = device.device
        await device.call(reader.open, WITHIN_S)
        for row in rows:
            for times, delay_ms in ((row.at_chip_speed, CHIP_MS), (row.at_once, 0.0)):
                hand.insert(row.card_id, delay_ms=delay_ms)
                await device.call(lambda: reader.wait_for_card(WITHIN_S), WITHIN_S + 1)
                await measure(row, times, device, context, turns)
                hand.remove()
                asked = hand.wait_for("removed")["apdus"]
                if asked != 2 * (turns + WARM_UP) * len(row.script):
                    raise RuntimeError(f"{row.card_id}: the two did not ask the card the same commands")
                await device.call(lambda: reader.wait_for_removal(WITHIN_S), WITHIN_S + 1)
        await device.call(reader.close, WITHIN_S)
        scard.SCardReleaseContext(context)
    return rows


async def nobody(device: ManagedDevice) -> None:
    """Nobody is told how the reader is."""


def p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def report(rows: Sequence[Row], turns: int) -> None:
    print(f"{turns} reads of each card, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print(f"{'':16} {'':>6} {'identified':>16} {'bare commands':>16} {'':>6} {'own work':>9}")
    print(f"{'kind':16} {'APDUs':>6} {'p50 ms':>8}{'p99 ms':>8} {'p50 ms':>8}{'p99 ms':>8} {'ratio':>6} {'ms':>9}")
    for row in rows:
        times = row.at_chip_speed
        ours = f"{statistics.median(times.identified):8.1f}{p99(times.identified):8.1f}"
        bare = f"{statistics.median(times.bare):8.1f}{p99(times.bare):8.1f}"
        own = row.at_once.difference_ms
        print(f"{row.card.kind:16} {len(row.script):6} {ours} {bare} {times.ratio:6.2f} {own:9.2f}")
    print(f"\nfigures: ratio_max={max(row.at_chip_speed.ratio for row in rows):.2f} kinds={len(rows)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the reads")
    turns = 20 if parser.parse_args().quick else 60
    report(asyncio.run(run(turns)), turns)


if __name__ == "__main__":
    main()
