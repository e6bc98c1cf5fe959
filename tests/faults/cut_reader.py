"""pcscd is killed while a card is read, and the reader is unplugged: the kiosk's page stays true and comes back.

pcscd is the real one with its virtual reader; what a person sees is read from the kiosk's page.
"""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress
from pathlib import Path

from drivers.cards.synthetic import crowd_person
from kioskd.demo.person import PageProblem
from kioskd.errors import DeviceUnavailable
from tests.faults.open_desk import WITHIN_S, OpenDesk, open_desk, until
from tests.faults.outcome import Outcome

READY = re.compile("Please (insert your health insurance|put in your) card")
"""The welcome page says so only while the reader is there."""
SLOW_CARD_MS = 15
"""For each command; a whole read takes half a second then."""


async def card_reader_faults(folder: Path, rounds: int) -> Outcome:
    """``rounds`` patients, each of whose cards is in the reader when pcscd dies; every other time the reader is gone
    for a while as well. Who was not asked "is this you?" by then checks in with their next try.
    """
    outcome = Outcome("pcscd killed, reader unplugged")
    dice = random.Random(20261123)
    async with open_desk(folder, rounds) as desk:
        for number in range(rounds):
            try:
                await _round(desk, number, dice.uniform(0.0, 0.9), number % 2 == 1, outcome)
            except (TimeoutError, PageProblem) as error:
                step = re.search('data-step="([^"]*)"', await desk.patient.look("/"))
                at = step[1] if step else "no step"
                outcome.problems.append(f"round {number}: {type(error).__name__}; the kiosk stays at {at}")
            outcome.runs += 1
        with suppress(TimeoutError):  # then some are missing, and counted below
            await until(lambda: _enough(desk, rounds))
        stored = await desk.encounters()
        patients = [encounter["subject"]["reference"] for encounter in stored]
        outcome.lost += rounds - len(set(patients))
        outcome.doubled += len(patients) - len(set(patients))
    return outcome


async def _round(desk: OpenDesk, number: int, delay_s: float, is_unplugged: bool, outcome: Outcome) -> None:
    card, pcscd = f"crowd-{number}", desk.rig.pcscd
    await until(lambda: _is_ready(desk))
    await desk.rig.hardware("insert", card=card, delay_ms=SLOW_CARD_MS)
    await asyncio.sleep(delay_s)  # the moment of the kill, not a wait for anything
    await asyncio.to_thread(pcscd.unplug if is_unplugged else pcscd.kill)
    page, _ = await until(lambda: _settled(desk))
    _judge(page, number, outcome)
    is_asked = 'data-step="confirm"' in page  # the card was read before: the reader is not needed any more
    if is_asked:
        await desk.confirm()
    await asyncio.to_thread(pcscd.restart)
    _, recovery_s = await until(lambda: _cleared(desk))
    outcome.recovery_s.append(recovery_s)
    if is_asked:
        return
    await until(lambda: _inserted(desk, card))
    _judge(await desk.patient.until('data-step="confirm"', WITHIN_S), number, outcome)
    await desk.confirm()


async def _settled(desk: OpenDesk) -> str:
    """The page once the daemon knows that the reader is gone: no card is being read, and none is asked for."""
    page = await desk.patient.look("/")
    return "" if READY.search(page) or 'data-step="reading"' in page or 'data-step="asking-help"' in page else page


def _judge(page: str, number: int, outcome: Outcome) -> None:
    """Whose name is on the page, if any, must be on the card; who is sent to the desk has a number."""
    person = crowd_person(number)
    names = re.findall(r"<bdi>([^<]*)</bdi>", page)[:2] if 'class="person"' in page else []
    if names and not {person.family, person.given} & set(" ".join(names).split()):
        outcome.problems.append(f"round {number}: the kiosk shows somebody else than the card's holder")
    if 'data-step="help"' in page and not re.search(r'<p class="number">D[0-9]+</p>', page):
        outcome.problems.append(f"round {number}: sent to the desk without a number")
    if 'data-step="done"' in page:
        outcome.problems.append(f"round {number}: checked in without having confirmed")


async def _cleared(desk: OpenDesk) -> bool:
    """Take the card, leave whatever page there is, and see whether the next one may put a card in."""
    page = await desk.patient.look("/")
    await desk.rig.hardware("remove")
    if READY.search(page):
        return True
    if 'action="/close"' in page:
        await desk.patient.send("/close")
    return False


async def _inserted(desk: OpenDesk, card: str) -> bool:
    """Put the card in; not before the virtual reader takes one again."""
    try:
        await desk.rig.hardware("insert", card=card)
    except DeviceUnavailable:
        await desk.rig.hardware("remove")
        return False
    return True


async def _is_ready(desk: OpenDesk) -> bool:
    return READY.search(await desk.patient.look("/")) is not None


async def _enough(desk: OpenDesk, count: int) -> bool:
    """Whether there are as many Encounters as patients."""
    return len(await desk.encounters()) >= count
