"""How a store is, in a state and in words: what the console, the health loop and the log say of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

log = logging.getLogger(__name__)


class StoreState(StrEnum):
    """From good to bad."""

    OK = "ok"
    SHORT_OF_SPACE = "short-of-space"
    """The disk is full and the store works in its reserve: everything goes on, a person must make room."""
    FULL = "full"
    """The reserve is used up too: nothing is stored and nothing is acknowledged until there is room again."""
    READ_ONLY = "read-only"
    """The file system takes nothing: nothing is acknowledged until it does again."""
    FAILED = "failed"
    """What is on disk is not known any more: nothing is acknowledged, the process ends and checks at its next start."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """``what`` is for staff: which file, what is wrong, what to do. Empty when all is well."""

    state: StoreState
    what: str = ""


class HealthBook:
    """The present health. Written on the store's threads, read anywhere; ``changed`` is called there."""

    def __init__(self, role: str) -> None:
        self._role = role
        self.present = StoreHealth(StoreState.OK)
        self.changed: Callable[[], None] = lambda: None

    def note(self, state: StoreState, what: str = "") -> None:
        """Log a change once. FAILED is for good: only a new process leaves it."""
        before = self.present.state
        if state is before or before is StoreState.FAILED:
            return
        self.present = StoreHealth(state, what)
        if state is StoreState.OK:
            log.info("the %s database is well again: it was %s", self._role, before)
        else:
            log.error("the %s database is %s: %s", self._role, state, what)
        self.changed()
