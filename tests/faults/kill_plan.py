"""Which process dies when, drawn from a seed: of the people at the kiosk and of the moments at which it happens."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from drivers.cards.synthetic import SamplePerson, crowd_person
from kioskd.demo.rig import ALL, ROLES

SLOW_PAPER_SHARE = 0.4
MOMENTS = {
    "card in": (0.4, 4),
    "is this you": (0.05, 1),
    "yes": (0.045, 8),
    "number shown": (0.35, 4),
    "sheets out": (0.2, 2),
    "record stored": (0.01, 3),
    "left": (0.3, 1),
    "call": (0.03, 2),
}
"""What somebody just did or saw when the process dies: within how many seconds after it, and how often."""
SPLIT_VICTIMS = {"station": 4, "hub": 4, "records": 2, "every process": 2}


@dataclass
class Plan:
    """One kill, drawn from the seed."""

    number: int
    victims: tuple[str, ...]
    moment: str
    delay_s: float
    again_after_s: float | None
    """When the process is killed once more while it starts, or None."""
    person: SamplePerson | None
    """None: somebody whose card nobody knows."""
    stays: bool
    """Whether the patient waits in front of a dark screen, or goes to the desk."""
    denies: bool
    is_paper_slow: bool
    """Printers then take some tenths of a second for a sheet, so that many die in the middle of one."""

    def __str__(self) -> str:
        again = "" if self.again_after_s is None else f", again after {self.again_after_s * 1000:.0f} ms"
        victims = ", ".join(self.victims)
        paper = ", slow paper" if self.is_paper_slow else ""
        return f"kill {self.number} of {victims}: {self.moment!r} + {self.delay_s * 1000:.0f} ms{again}{paper}"


def plans(count: int, seed: int, is_split: bool) -> list[Plan]:
    """The kills of a run."""
    random = Random(seed)
    drawn: list[Plan] = []
    for number in range(count):
        victim = random.choices(list(SPLIT_VICTIMS), list(SPLIT_VICTIMS.values()))[0] if is_split else ALL
        moment = random.choices(list(MOMENTS), [weight for _, weight in MOMENTS.values()])[0]
        person: SamplePerson | None = crowd_person(number)
        if random.random() < 0.1 and drawn:
            person = drawn[-1].person  # who was here already comes a second time
        elif random.random() < 0.06:
            person = None
        plan = Plan(
            number=number,
            victims=ROLES if victim == "every process" else (victim,),
            moment=moment,
            delay_s=random.uniform(0, MOMENTS[moment][0]),
            again_after_s=random.uniform(0.05, 0.9) if random.random() < 0.08 else None,
            person=person,
            stays=random.random() < 0.55,
            denies=random.random() < 0.05,
            is_paper_slow=random.random() < SLOW_PAPER_SHARE,
        )
        drawn.append(plan)
    return drawn
