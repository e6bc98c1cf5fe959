"""Cards of invented people, byte for byte as real ones are laid out, one module for each kind of card.

Nobody here exists; every check digit is right unless a sample is there to show that it is not. Each module builds the
image of its kind and names its samples in ``SAMPLES``. A module that is put into this folder is found by itself: copy
the one that is nearest, change the layout and the people, and the card is in the tray, behind the virtual reader and
in the tests of all kinds. The German health card is the exception: its people live in the demo's records too, so it
stands in ``drivers.cards.synthetic``.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from drivers.cards.image import CardImage
from kioskd.core.identity import Card, Reason


@dataclass(frozen=True, slots=True)
class Sample:
    """One card: what the tray says of it, its image, and what a reader must make of it."""

    id: str
    title: str
    note: str
    image: CardImage
    shows: Card | Reason
    """What is read, or why nothing is."""


@cache
def all_samples() -> tuple[Sample, ...]:
    """The samples of every module here, in the order of the modules' names."""
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return tuple(sample for module in modules for sample in module.SAMPLES)


def one_of_each_kind() -> tuple[Sample, ...]:
    """The first readable sample of each kind."""
    first: dict[str, Sample] = {}
    for sample in all_samples():
        if isinstance(sample.shows, Card):
            first.setdefault(sample.shows.kind, sample)
    return tuple(first.values())
