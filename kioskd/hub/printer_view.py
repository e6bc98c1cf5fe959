"""What the console shows of printers, and what staff can do with one. All times are aware UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.hub.view import DeviceRow

JOBS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class JobRow:
    """A sheet that a printer had: whose number, never whose name. ``at``: when its state changed last."""

    kind: SheetKind
    copy: int
    state: PrintState
    proof: ProofKind | None
    cause: Cause | None
    at: datetime
    label: str = ""
    """The ticket's number; empty for a self-test."""
    ticket_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PrinterList:
    """Every printer of the site, by station and name."""

    at: datetime
    site_name: str
    printers: tuple[DeviceRow, ...]


@dataclass(frozen=True, slots=True)
class PrinterPage:
    """One printer. ``test_ordered_at``: of a self-test that its station has not taken yet."""

    at: datetime
    site_name: str
    printer: DeviceRow
    jobs: tuple[JobRow, ...]
    """The newest first, ``JOBS_SHOWN`` at most."""
    test_ordered_at: datetime | None = None


class Printers(Protocol):
    """``staff`` is the account's name; every command is in the audit trail."""

    async def printers(self) -> PrinterList: ...

    async def printer(self, station: str, name: str) -> PrinterPage | None:
        """One printer, or None when there is none of that name."""

    async def print_test(self, station: str, name: str, staff: str) -> None:
        """Have a self-test printed. Raises RuleViolation: no such printer, or one is ordered already."""

    async def put_in_roll(self, station: str, name: str, staff: str) -> None:
        """Staff put a new roll in: its sheets are counted from here. Raises RuleViolation: no such printer."""
