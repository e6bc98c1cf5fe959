"""``kioskd demo --once``: the whole path with one patient, a timeline, and exit code 0 only if all of it happened."""

from __future__ import annotations

from kioskd.app import Running
from kioskd.demo.path import Times, front_desk_people
from kioskd.demo.rig import Rig

STEPS = {
    "card seen": "the reader has a card",
    "identified": "one patient, one appointment",
    "confirmed": "the patient says yes",
    "committed": "check-in and number are on disk",
    "ticket proven": "the printer says that the ticket is out",
    "band proven": "the odometer says that the wristband is out",
    "called": "the receptionist calls",
    "display right": "the display shows number and room",
    "record stored": "the records backend has the Encounter",
}


async def once(rig: Rig, daemon: Running) -> int:
    """Do it. Raises KioskdError with the step that did not happen."""
    async with front_desk_people(rig, daemon) as people:
        times, check_in_id, label = await people.check_in("anna-huber")
    print(timeline(times))
    print(f"\nticket {label}, check-in {check_in_id}: all of it happened")
    return 0


def timeline(times: Times) -> str:
    """Each step with its time since the card was seen, in the order in which they happened."""
    steps = sorted(STEPS, key=lambda step: times.at[step])
    rows = [f"{step:15} {times.ms('card seen', step):8.1f}  {STEPS[step]}" for step in steps]
    return "\n".join([f"{'step':15} {'ms':>8}  what", *rows])
