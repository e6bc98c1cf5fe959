"""The sheets of who stands at the kiosk, and what the page says of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from kioskd.core.printing import PrintJob, PrintState, SheetKind
from kioskd.ports import CheckInReply, HelpReply
from kioskd.station.view import SheetView

_TICKETS = frozenset({SheetKind.TICKET, SheetKind.HELP_TICKET})


class SessionSheets:
    """The newest job of each kind of sheet, of the check-in or help ticket that was answered."""

    def __init__(self) -> None:
        self.printed_for: UUID | None = None
        self.reply: CheckInReply | HelpReply | None = None
        """What the sheets say, for a copy."""
        self._jobs: dict[SheetKind, PrintJob] = {}
        self._first_printer: dict[SheetKind, str] = {}
        """The printer that each kind was made for."""

    def begin(self, reply: CheckInReply | HelpReply, added: Sequence[PrintJob]) -> None:
        """The hub has answered, and these jobs were made."""
        self.printed_for, self.reply = reply.check_in_id, reply
        self._jobs = {}
        self.add(added)

    def add(self, added: Sequence[PrintJob]) -> None:
        """More jobs were made for the same person; of a kind the last one counts."""
        self._jobs |= {job.key.kind: job for job in added}
        self._first_printer = {job.key.kind: job.device for job in added} | self._first_printer

    def changed(self, job: PrintJob) -> PrintJob | None:
        """Note how a job is; as it was before, or None when it is not one of these."""
        shown = self._jobs.get(job.key.kind)
        if job.key.check_in_id != self.printed_for or shown is None or job.key.copy < shown.key.copy:
            return None
        self._jobs[job.key.kind] = job
        return shown

    def view(self, kind: SheetKind) -> SheetView:
        job = self._jobs.get(kind)
        if job is None:
            return SheetView.NONE
        match job.state:
            case PrintState.PRINTED:
                return SheetView.TAKE_IT
            case PrintState.UNKNOWN:
                return SheetView.UNKNOWN
            case PrintState.EXPIRED:
                return SheetView.NOT_NOW
            case _:
                return SheetView.PRINTING if job.cause is None else SheetView.NOT_NOW

    @property
    def ticket(self) -> PrintJob | None:
        """The ticket or help ticket."""
        return next((job for kind, job in self._jobs.items() if kind in _TICKETS), None)

    @property
    def other_ticket_printer(self) -> str:
        """The printer that took the ticket over from the one beside the screen, or empty."""
        job = self.ticket
        if job is None or job.device == self._first_printer.get(job.key.kind):
            return ""
        return job.device

    @property
    def unknown_ticket(self) -> PrintJob | None:
        """A ticket of which nobody but the patient can tell; of a copy that nobody saw the desk is told."""
        job = self.ticket
        return job if job is not None and job.state is PrintState.UNKNOWN and job.key.copy == 1 else None
