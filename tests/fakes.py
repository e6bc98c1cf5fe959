"""Hand-written stand-ins at ports. They keep what the real part keeps over a crash of the daemon."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from kioskd.core.appointment import Appointment
from kioskd.core.patient import Identifier, Patient
from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable
from kioskd.ports import LineKind, PrinterStatus, Scheduled, SelfTestSheet, TicketSheet, WristbandSheet


class Clock:
    """Time that passes only when told."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class PaperPrinter:
    """A ticket or wristband printer whose paper is a Counter of payloads. It outlives the daemon.

    ``step`` is called before each effect with its name and may raise, as a crash or a fault would.
    """

    def __init__(self, step: Callable[[str], None] = lambda name: None, has_odometer: bool = False) -> None:
        self.step = step
        self.paper: Counter[bytes] = Counter()
        self.cause: Cause | None = None
        self.is_gone = False
        self._has_odometer = has_odometer
        self._printed_tokens: set[int] = set()
        self.sent = threading.Event()
        """A sheet came out."""

    def render(self, sheet: TicketSheet | WristbandSheet) -> bytes:
        if isinstance(sheet, TicketSheet):
            title = next(line.text for line in sheet.lines[1:] if line.kind is LineKind.TEXT)
            return f"{title}|{sheet.label}{'|copy' if sheet.is_copy else ''}".encode()
        return f"band|{sheet.record_number}|{sheet.band_number}".encode()

    def render_self_test(self, sheet: SelfTestSheet) -> bytes:
        return "|".join([sheet.title, *sheet.lines]).encode()

    def open(self) -> None:
        if self.is_gone:
            raise DeviceUnavailable("paper printer", "is gone")

    def close(self) -> None:
        return

    def status(self) -> PrinterStatus:
        if self.is_gone:
            raise DeviceUnavailable("paper printer", "is gone")
        odometer = self.paper.total() if self._has_odometer else None
        return PrinterStatus(self.cause is None, self.cause, odometer=odometer)

    def send(self, payload: bytes, token: int) -> None:
        self.step("send:before")
        self.paper[payload] += 1
        self._printed_tokens.add(token)
        self.sent.set()
        self.step("send:after")

    def prove(self, token: int, odometer_before: int | None, seconds: float) -> ProofKind | None:
        self.step("prove")
        if self._has_odometer:
            return ProofKind.ODOMETER if self.paper.total() == (odometer_before or 0) + 1 else None
        return ProofKind.COMPLETION if token in self._printed_tokens else None


class ListSchedule:
    """A records backend that is two lists."""

    def __init__(self, patients: Sequence[Patient] = (), appointments: Sequence[Appointment] = ()) -> None:
        self.patients = list(patients)
        self.appointments = list(appointments)

    async def find_patients(self, identifier: Identifier) -> Sequence[Patient]:
        return [p for p in self.patients if identifier in p.identifiers]

    async def read_patient(self, patient_id: str) -> Patient | None:
        return next((p for p in self.patients if p.id == patient_id), None)

    async def appointments_between(self, begin: datetime, end: datetime) -> Sequence[Scheduled]:
        by_id = {p.id: p for p in self.patients}
        return [Scheduled(a, by_id[a.patient_id]) for a in self.appointments if begin <= a.starts_at < end]

    async def appointments_of(self, patient_id: str, begin: datetime, end: datetime) -> Sequence[Appointment]:
        return [s.appointment for s in await self.appointments_between(begin, end) if s.patient.id == patient_id]
