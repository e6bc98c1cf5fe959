"""``kioskd demo --once``: the whole path with one patient, a timeline, and exit code 0 only if all of it happened."""

from __future__ import annotations

from kioskd.demo.desks import Desks
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


SEEN_FROM_OUTSIDE = {
    "card in": "the patient put the card in",
    "asked": "the kiosk asks whether it is them",
    "confirmed": "the patient says yes",
    "number shown": "the kiosk shows the number, so it is on disk",
    "ticket out": "the ticket is in hand",
    "band out": "the wristband is in hand",
    "ticket proven": "the kiosk says that the ticket is out",
    "record stored": "the records backend has the Encounter",
    "called": "the receptionist calls",
    "display right": "the display shows number and room",
}
"""The steps when station, hub and records are processes of their own."""


async def once(rig: Rig, desks: Desks) -> int:
    """Do it. Raises KioskdError with the step that did not happen."""
    async with front_desk_people(rig, desks) as people:
        if desks.is_split:
            times, check_in_id, label = await people.check_in_seen_from_outside("anna-huber")
            print(timeline(times, SEEN_FROM_OUTSIDE, "card in"))
        else:
            times, check_in_id, label = await people.check_in("anna-huber")
            print(timeline(times, STEPS, "card seen"))
    print(f"\nticket {label}, check-in {check_in_id}: all of it happened")
    return 0


def timeline(times: Times, what: dict[str, str], begin: str) -> str:
    """Each step with its time since ``begin``, in the order in which they happened."""
    steps = sorted(what, key=lambda step: times.at[step])
    rows = [f"{step:15} {times.ms(begin, step):8.1f}  {what[step]}" for step in steps]
    return "\n".join([f"{'step':15} {'ms':>8}  what", *rows])
