"""The records backend is off, slow, wrong or silent after it has written: check-in goes on, and it all arrives once.

A proxy stands between the hub and the FHIR port; the witness asks the backend itself. That a check-in is "not yet in
the record" only the hub can know, so it stands on the console; the secretaries' desk reads the record, and shows the
check-in when it is there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.faults.chaos_http import HttpChaos, HttpFault, http_chaos
from tests.faults.open_desk import WITHIN_S, OpenDesk, open_desk, until
from tests.faults.outcome import Outcome

OFF = "switched off"
FAULTS: tuple[HttpFault | str, ...] = (
    HttpFault.COMMIT_THEN_HANG,
    OFF,
    HttpFault.SERVER_ERROR,
    HttpFault.HALF,
    HttpFault.COMMIT_THEN_DROP,
    HttpFault.SLOW,
    HttpFault.RESET,
    HttpFault.TOO_MANY,
    HttpFault.ENTRY_LATER,
    HttpFault.TWICE,
)
NOBODY_IS_FOUND = {OFF, HttpFault.SERVER_ERROR, HttpFault.RESET, HttpFault.SLOW}
"""With these a card can't be looked up: its holder gets a help ticket."""
SLOW_S = 3.0
"""Longer than somebody at the kiosk is made to wait for an answer."""


async def records_faults(folder: Path, rounds: int) -> Outcome:
    """One patient checks in under each fault, in turn, ``rounds`` times in all; counted in the real backend."""
    outcome = Outcome("records backend cut")
    async with http_chaos("http://127.0.0.1:1") as proxy:
        proxy.slow_s = SLOW_S
        async with open_desk(folder, 2 * rounds, records_port=proxy.port) as desk:
            proxy.server = ("127.0.0.1", desk.rig.ports["fhir"])
            labels = []
            for number in range(rounds):
                fault = FAULTS[number % len(FAULTS)]
                try:
                    labels.append(await _round(desk, proxy, fault, number, outcome))
                except TimeoutError:
                    outcome.problems.append(f"round {number}, {fault}: what must come did not within {WITHIN_S:g} s")
                outcome.runs += 1
            await _all_arrived(desk, labels, outcome)
    return outcome


async def _round(desk: OpenDesk, proxy: HttpChaos, fault: HttpFault | str, number: int, outcome: Outcome) -> str:
    await desk.identify(f"crowd-{2 * number}")
    await _begin(proxy, fault)
    label = await desk.confirm()
    if fault is not HttpFault.TWICE:  # it arrives, and at once
        await until(_console_says(desk, label, "not yet in the record"))
    if fault in NOBODY_IS_FOUND:
        await _not_found(desk, f"crowd-{2 * number + 1}", outcome)
    await _end(proxy, fault)
    if fault is not HttpFault.COMMIT_THEN_HANG:  # the hub waits for that answer as long as it waits for any
        outcome.recovery_s.append((await until(_console_says(desk, label, "stored")))[1])
        if label not in await desk.secretary.look("/"):
            outcome.problems.append(f"{label} is said to be stored, and the secretary's desk does not list it")
    return label


async def _begin(proxy: HttpChaos, fault: HttpFault | str) -> None:
    if not isinstance(fault, HttpFault):
        await proxy.refuse()
    elif fault is HttpFault.ENTRY_LATER:
        proxy.choose_for = lambda method, path, _: fault if (method, path) == ("POST", "/fhir") else None
    elif fault in {HttpFault.COMMIT_THEN_HANG, HttpFault.TWICE}:
        # Of one transaction: the others must not be held up by it.
        left = [fault]
        proxy.choose_for = lambda method, path, _: left.pop() if left and (method, path) == ("POST", "/fhir") else None
    else:
        proxy.choose_for = lambda *_: fault


async def _end(proxy: HttpChaos, fault: HttpFault | str) -> None:
    proxy.choose_for = lambda *_: None
    if not isinstance(fault, HttpFault):
        await proxy.listen()


async def _not_found(desk: OpenDesk, card: str, outcome: Outcome) -> None:
    """Somebody comes while nobody can be looked up: a number for the desk, and the true reason on the console."""
    await desk.welcome()
    await desk.rig.hardware("insert", card=card)
    label = await desk.leave(await desk.patient.until('data-step="help"', WITHIN_S))
    if not await _row_says(desk, label, "Records could not be asked"):
        outcome.problems.append(f"the console does not say why {label} needs help")


async def _row_says(desk: OpenDesk, label: str, words: str) -> bool:
    """Whether the console's row of a ticket holds ``words``."""
    page = await desk.receptionist.look("/")
    rows: list[str] = re.findall(r'<li class="ticket .*?</li>', page, re.DOTALL)
    return any(f">{label}<" in row and words in row for row in rows)


def _console_says(desk: OpenDesk, label: str, words: str) -> Callable[[], Awaitable[bool]]:
    return lambda: _row_says(desk, label, words)


async def _all_arrived(desk: OpenDesk, labels: list[str], outcome: Outcome) -> None:
    """Wait until nothing is said to be late any more, then count what the backend has."""
    try:
        for label in labels:
            await until(_console_says(desk, label, "stored"))
    except TimeoutError:
        outcome.problems.append("the console says of a check-in for ever that it is not yet in the record")
    stored: Counter[str] = Counter()
    for encounter in await desk.encounters():
        label = next(i["value"] for i in encounter["identifier"] if i["system"] == "urn:kioskd:ticket")
        stored[label] += 1
        if encounter["meta"]["versionId"] != "1":
            outcome.doubled += 1
            outcome.problems.append(f"the Encounter of {label} was written more than once")
    outcome.lost += sum(stored[label] == 0 for label in labels)
    outcome.doubled += sum(stored[label] > 1 for label in labels)
    if stranger := stored.keys() - set(labels):
        outcome.problems.append(f"Encounters of nobody who checked in: {sorted(stranger)}")
