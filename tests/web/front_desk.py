"""A reception desk in memory for the console's tests: the real queue rules, no database."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

from kioskd.core import queue
from kioskd.core.events import BillingCardNoted, Event
from kioskd.core.identity import Reason
from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.core.queue import QueueEntry, TicketState, WrongTicketState
from kioskd.errors import RuleViolation
from kioskd.health import Kind, Part, State
from kioskd.hub.view import AreaRow, AttemptRow, CardRow, ConsoleView, DeviceRow, QueueRow, RecordState, SheetRow
from kioskd.news import News

NOW = datetime(2026, 11, 23, 8, 40, tzinfo=UTC)
_SPACE = UUID("6f0c3b54-7a53-4d0e-9a43-2a1d4c1f9e11")
AREAS = (
    AreaRow("general", "General practice", ("Room 1", "Room 2"), is_help_desk=False),
    AreaRow("blood", "Blood samples", ("Lab",), is_help_desk=False),
    AreaRow("desk", "Reception", ("Reception",), is_help_desk=True),
)
PRINTED = SheetRow(SheetKind.TICKET, PrintState.PRINTED, ProofKind.COMPLETION, None)
BAND = SheetRow(SheetKind.WRISTBAND, PrintState.PRINTED, ProofKind.ODOMETER, None)


def ticket_id(label: str) -> UUID:
    return uuid5(_SPACE, label)


def row(label: str, family: str, given: str, area: str = "general", minutes: int = 10, **changes: object) -> QueueRow:
    """A patient who waits since ``minutes``."""
    made = QueueRow(
        ticket_id=ticket_id(label),
        check_in_id=uuid5(_SPACE, "check-in " + label),
        label=label,
        area=area,
        state=TicketState.WAITING,
        arrived_at=NOW - timedelta(minutes=minutes),
        called_at=None,
        room="",
        times_called=0,
        family=family,
        given=given,
        birth_date=date(1964, 8, 12),
        appointment_at=NOW + timedelta(minutes=20 - minutes),
        practitioner="Dr. Weber",
        reason=None,
        record=RecordState.STORED,
        record_error="",
        sheets=(PRINTED,),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def help_row(label: str, reason: Reason, family: str = "", given: str = "", minutes: int = 4) -> QueueRow:
    """Somebody who was sent to the desk."""
    nobody = {"birth_date": None, "appointment_at": None, "practitioner": "", "record": RecordState.NONE, "sheets": ()}
    return row(label, family, given, "desk", minutes, reason=reason, **nobody)


def busy_morning() -> list[QueueRow]:
    """Every state that the console can show."""
    called = {"state": TicketState.CALLED, "called_at": NOW - timedelta(minutes=2), "times_called": 2}
    unknown = SheetRow(SheetKind.WRISTBAND, PrintState.UNKNOWN, None, Cause.CONNECTION_LOST)
    waits = SheetRow(SheetKind.TICKET, PrintState.QUEUED, None, Cause.PAPER_OUT)
    return [
        help_row("D1", Reason.NO_APPOINTMENT, "Öztürk", "Ayşe Nur", 9),
        help_row("D2", Reason.CARD_UNREADABLE),
        row("A14", "Freifrau von Hohenstein-Königsmarck", "Maximiliane Theresia", minutes=34, sheets=(PRINTED, BAND)),
        row("A15", "Nguyễn", "Thị Minh", minutes=21, record=RecordState.PENDING),
        row("A16", "Müller", "Jörg", minutes=17, sheets=(PRINTED, unknown)),
        row("A17", "الحسيني", "ليلى", minutes=12, record=RecordState.PARKED, record_error="422: unknown appointment"),
        row("A18", "Papadopoulos", "Eleni", minutes=3, sheets=(waits,)),
        row("B4", "Kowalski", "Jan", "blood", 6),
        row("B5", "Schmidt", "Käthe", "blood", 1, practitioner=""),
        row("A13", "Becker", "Tobias", minutes=40, room="Room 1", **called),
        row("B3", "Yılmaz", "Deniz", "blood", 25, room="Lab", state=TicketState.FINISHED),
        row("A12", "Fischer", "Ute", minutes=58, room="Room 2", state=TicketState.NO_SHOW),
    ]


def devices() -> tuple[DeviceRow, ...]:
    since = NOW - timedelta(hours=1)
    return (
        DeviceRow("entrance", "card-reader", "card-reader", "ready", "", since),
        DeviceRow("entrance", "tickets", "ticket-printer", "needs-attention", "Paper is out.", NOW),
        DeviceRow("entrance", "bands", "wristband-printer", "unavailable", "No answer on 10.0.0.31:9100.", NOW),
    )


def well(*unwell: Part) -> tuple[Part, ...]:
    """The parts of a hub, all well but these."""
    kinds = {
        "event loop": Kind.LOOP,
        "hub database": Kind.STORE,
        "delivery to records": Kind.OUTBOX,
        "broker": Kind.BROKER,
        "disk": Kind.DISK,
        "device tickets": Kind.DEVICE,
    }
    since = NOW - timedelta(hours=1)
    all_well = {name: Part(name, kind, State.OK, None, "", since) for name, kind in kinds.items()}
    return tuple((all_well | {p.name: p for p in unwell}).values())


class FrontDesk:
    """Implements ``hub.view.Desk``. ``log`` holds every command with who gave it."""

    def __init__(self, news: News, rows: list[QueueRow] | None = None) -> None:
        self.news = news
        self.rows = {r.ticket_id: r for r in rows or []}
        self.log: list[tuple[str, ...]] = []
        self.devices: tuple[DeviceRow, ...] = ()
        self.records_pending = self.records_parked = 0
        self.is_broker_up = True
        self.records_waiting_since: datetime | None = None
        self.parts: tuple[Part, ...] = ()
        self.attempts: tuple[AttemptRow, ...] = ()
        self.site_name = "Praxis am Markt"
        self.now = NOW

    async def opened(self, staff: str) -> None:
        self.log.append(("opened", staff))

    async def view(self) -> ConsoleView:
        order = [TicketState.WAITING, TicketState.CALLED, TicketState.FINISHED, TicketState.NO_SHOW]
        rows = tuple(sorted(self.rows.values(), key=lambda r: (order.index(r.state), r.arrived_at)))
        return ConsoleView(
            self.now, self.site_name, self.now.date(), AREAS, rows, self.devices,
            self.records_pending, self.records_parked, self.is_broker_up, self.records_waiting_since, self.parts,
            self.attempts,
        )  # fmt: skip

    async def call_next(self, area: str, room: str, staff: str) -> str | None:
        self.log.append(("call-next", area, room, staff))
        if not any(a.id == area and room in a.rooms for a in AREAS):
            raise RuleViolation("unknown-room", f"{area} has no room {room!r}")
        done = queue.call_next([_entry(r) for r in self.rows.values() if r.area == area], room, self.now)
        if done is None:
            return None
        self._save(*done)
        return done[0].label

    async def call(self, ticket: UUID, room: str, staff: str) -> None:
        self._do("call", ticket, staff, lambda entry: queue.call(entry, room, self.now))

    async def recall(self, ticket: UUID, staff: str) -> None:
        self._do("recall", ticket, staff, lambda entry: queue.recall(entry, self.now))

    async def finish(self, ticket: UUID, staff: str) -> None:
        self._do("finish", ticket, staff, lambda entry: queue.finish(entry, self.now))

    async def miss(self, ticket: UUID, staff: str) -> None:
        self._do("no-show", ticket, staff, lambda entry: queue.miss(entry, self.now))

    async def put_back(self, ticket: UUID, staff: str) -> None:
        self._do("wait-again", ticket, staff, lambda entry: queue.put_back(entry, self.now))

    async def card_read(self, ticket: UUID, staff: str) -> None:
        self._note_card(ticket, CardRow(self.now, staff), "card-read", staff)

    async def card_not_read(self, ticket: UUID, staff: str) -> None:
        self._note_card(ticket, CardRow(), "card-not-read", staff)

    def _note_card(self, ticket: UUID, card: CardRow, name: str, staff: str) -> None:
        self.log.append((name, self.rows[ticket].label, staff))
        self.rows[ticket] = replace(self.rows[ticket], card=card)
        self.news.publish(BillingCardNoted(self.now, self.rows[ticket].check_in_id, card.read_at is not None))

    def _do(
        self, name: str, ticket: UUID, staff: str, command: Callable[[QueueEntry], tuple[QueueEntry, Event]]
    ) -> None:
        found = self.rows.get(ticket)
        self.log.append((name, found.label if found else "?", staff))
        if found is None:
            raise RuleViolation("unknown-ticket", "this ticket does not exist (any more)")
        try:
            self._save(*command(_entry(found)))
        except WrongTicketState as error:
            raise RuleViolation("wrong-state", str(error)) from None

    def _save(self, entry: QueueEntry, event: Event) -> None:
        self.rows[entry.ticket_id] = replace(
            self.rows[entry.ticket_id],
            state=entry.state,
            room=entry.room,
            called_at=entry.called_at,
            times_called=entry.times_called,
        )
        self.news.publish(event)


def _entry(r: QueueRow) -> QueueEntry:
    sequence = int(r.label[1:])
    return QueueEntry(
        r.ticket_id, r.label, r.area, sequence, r.arrived_at, r.state, r.room, r.called_at, r.times_called
    )
