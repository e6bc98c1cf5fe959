"""The printers of a site in memory, for the tests of their pages: every command is noted, and can be refused."""

from dataclasses import replace
from datetime import datetime, timedelta

from kioskd.core.events import DeviceChanged
from kioskd.core.paper import Left
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.errors import RuleViolation
from kioskd.hub.printer_view import JobRow, PrinterList, PrinterPage
from kioskd.hub.view import DeviceRow, NoteRow, PaperRow
from kioskd.news import News
from tests.web.front_desk import NOW, ticket_id

TICKETS = DeviceRow(
    "entrance",
    "tickets",
    "ticket-printer",
    "ready",
    "",
    NOW - timedelta(hours=1),
    model="EPSON TM-T20III",
    proof=ProofKind.COMPLETION,
    place="beside the door",
    line="tcp://10.0.0.30:9100",
    paper=PaperRow(214, NOW - timedelta(days=3), Left(357, 786)),
)
BANDS = DeviceRow(
    "entrance",
    "bands",
    "wristband-printer",
    "needs-attention",
    Cause.COVER_OPEN,
    NOW - timedelta(minutes=7),
    model="ZD510-HC V77.20.14",
    proof=ProofKind.ODOMETER,
    odometer=14211,
    notes=(NoteRow("ribbon-low", NOW - timedelta(days=2)),),
    is_staff_side=True,
    line="tcp://10.0.0.31:9100",
    paper=PaperRow(),
)
JOBS = (
    JobRow(SheetKind.TEST, 1, PrintState.PRINTED, ProofKind.COMPLETION, None, NOW - timedelta(minutes=1)),
    JobRow(SheetKind.TICKET, 1, PrintState.QUEUED, None, Cause.PAPER_OUT, NOW, "A18", ticket_id("A18")),
    JobRow(SheetKind.TICKET, 2, PrintState.UNKNOWN, None, Cause.NOT_CONFIRMED, NOW, "A14", ticket_id("A14")),
    JobRow(SheetKind.HELP_TICKET, 1, PrintState.PRINTED, ProofKind.PATIENT, None, NOW, "D1", ticket_id("D1")),
)


class PrinterShop:
    """Implements ``hub.printer_view.Printers``. ``log`` holds every command with who gave it."""

    def __init__(self, news: News) -> None:
        self.news = news
        self.rows: dict[tuple[str, str], DeviceRow] = {}
        self.jobs: tuple[JobRow, ...] = ()
        self.test_ordered_at: datetime | None = None
        self.log: list[tuple[str, ...]] = []
        self.now = NOW
        self.add(TICKETS, BANDS)

    def add(self, *rows: DeviceRow) -> None:
        self.rows |= {(row.station, row.device): row for row in rows}

    def change(self, row: DeviceRow, **changes: object) -> None:
        """A printer is another way now, and the pages hear of it."""
        changed = replace(row, **changes)  # type: ignore[arg-type]
        self.add(changed)
        self.news.publish(DeviceChanged(self.now, changed.station, changed.device, changed.state, changed.what))

    async def printers(self) -> PrinterList:
        return PrinterList(self.now, "Praxis am Markt", tuple(self.rows.values()))

    async def printer(self, station: str, name: str) -> PrinterPage | None:
        row = self.rows.get((station, name))
        if row is None:
            return None
        return PrinterPage(self.now, "Praxis am Markt", row, self.jobs, self.test_ordered_at)

    async def print_test(self, station: str, name: str, staff: str) -> None:
        self.log.append(("test", station, name, staff))
        if self.test_ordered_at is not None:
            raise RuleViolation("test-waits", "a test sheet waits already")
        self.test_ordered_at = self.now

    async def put_in_roll(self, station: str, name: str, staff: str) -> None:
        self.log.append(("new-roll", station, name, staff))
