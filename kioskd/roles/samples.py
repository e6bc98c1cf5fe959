"""One sample of the preview of sheets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kioskd.ports import SheetSample

__all__ = ["Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample and how its picture is made. ``draw`` blocks; it raises NotPrinted."""

    what: SheetSample
    draw: Callable[[], bytes]
