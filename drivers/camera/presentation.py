"""Each code once for each time that it is held up. Pure."""

from __future__ import annotations

from collections.abc import Iterable

GONE_AFTER_S = 1.5
"""For how long a code must be looked for in vain before it counts as taken away."""
GONE_AFTER_LOOKS = 2


class Presentations:
    """Which codes are being held up. Only looks count: while nothing stirs nobody looks, and nothing goes away."""

    def __init__(self) -> None:
        self._missing: dict[tuple[str, bytes], _Missing] = {}

    def new(self, seen: Iterable[tuple[str, bytes]], at_s: float) -> list[tuple[str, bytes]]:
        """Of what one look saw (symbology, data), what was not held up before, each once and in order."""
        found = list(dict.fromkeys(seen))
        fresh = [code for code in found if code not in self._missing]
        for code in found:
            self._missing[code] = _Missing()
        for code in [code for code in self._missing if code not in found]:
            if self._missing[code].looked(at_s):
                del self._missing[code]
        return fresh

    @property
    def is_any(self) -> bool:
        return bool(self._missing)

    def forget(self) -> None:
        """Everything was taken away."""
        self._missing.clear()


class _Missing:
    """For how long, and in how many looks, a code was not there."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._looks = 0

    def looked(self, at_s: float) -> bool:
        """It was not there; whether it is gone now."""
        self._looks += 1
        if self._since_s is None:
            self._since_s = at_s
        return self._looks >= GONE_AFTER_LOOKS and at_s - self._since_s >= GONE_AFTER_S
