"""A kiosk session written by hand: it shows what a test sets, and does to itself what the page asks."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

from kioskd.core.birth_date import TypedDate
from kioskd.core.checkin import Step
from kioskd.core.events import SessionChanged
from kioskd.core.identity import Reason
from kioskd.news import News
from kioskd.ports import CameraPicture
from kioskd.station.view import KioskView, SheetView

AT = datetime(2026, 11, 24, 7, 12, tzinfo=UTC)  # 08:12 in Berlin
SESSION = UUID("5f2b1c64-0c1b-4a2e-9a55-3d4f0c1e7a10")

_BASE = KioskView(SESSION, Step.WELCOME, "de", "Praxis am Markt", ("de", "en"))
_PERSON = replace(
    _BASE,
    step=Step.CONFIRM,
    given="Johanna",
    family="Weißenfels",
    birth_date=date(1958, 3, 14),
    appointment_at=datetime(2026, 11, 24, 7, 30, tzinfo=UTC),
    practitioner="Dr. Amara Osei",
    arrived_at=AT,
    is_card_in_reader=True,
)
_DONE = replace(
    _BASE, step=Step.DONE, label="A12", area_name="Wartebereich Blau", ticket=SheetView.TAKE_IT, clears_in_s=20
)
_HELP = replace(_BASE, step=Step.HELP, label="D7", arrived_at=AT, ticket=SheetView.TAKE_IT, clears_in_s=20)

VIEWS = {
    "welcome": _BASE,
    "welcome-again": replace(_BASE, notice="card-removed-early"),
    "welcome-no-reader": replace(_BASE, is_reader_ready=False),
    "welcome-both": replace(_BASE, can_show_code=True),
    "welcome-camera": replace(_BASE, can_show_code=True, has_camera=True),
    "welcome-code-camera": replace(
        _BASE, has_reader=False, is_reader_ready=False, can_show_code=True, has_camera=True, notice="prescription"
    ),
    "birth-date": replace(_BASE, step=Step.BIRTH_DATE),
    "birth-date-again": replace(_BASE, step=Step.BIRTH_DATE, notice="date-differs", typed=TypedDate("14", "3", "1985")),
    "looking-up": replace(_BASE, step=Step.LOOKING_UP),
    "done-card-wanted-in": replace(_DONE, is_card_wanted=True, is_card_in_reader=True, wristband=SheetView.TAKE_IT),
    "reading": replace(_BASE, step=Step.READING, is_card_in_reader=True),
    "confirm": _PERSON,
    "done-called": replace(_DONE, was_checked_in_before=True, called_to="Sprechzimmer 3", ticket=SheetView.NONE),
    "confirm-short": replace(_PERSON, practitioner="", appointment_at=None),
    "idle": replace(_PERSON, is_idle=True, clears_in_s=30),
    "checking-in": replace(_PERSON, step=Step.CHECKING_IN),
    "done": _DONE,
    "done-printing": replace(_DONE, ticket=SheetView.PRINTING, wristband=SheetView.PRINTING),
    "done-both": replace(_DONE, wristband=SheetView.TAKE_IT, is_card_in_reader=True),
    "done-no-paper": replace(_DONE, ticket=SheetView.NOT_NOW, wristband=SheetView.NOT_NOW),
    "done-unknown": replace(_DONE, ticket=SheetView.UNKNOWN, wristband=SheetView.UNKNOWN),
    "done-elsewhere": replace(_DONE, ticket=SheetView.PRINTING, ticket_place="Fenster neben der Anmeldung"),
    "done-taken-elsewhere": replace(_DONE, ticket_place="Fenster neben der Anmeldung"),
    "asked-elsewhere": replace(_DONE, ticket=SheetView.UNKNOWN, ticket_place="Anmeldung", asks_for_ticket=True),
    "done-asked": replace(_DONE, ticket=SheetView.UNKNOWN, asks_for_ticket=True),
    "help-asked": replace(_HELP, ticket=SheetView.UNKNOWN, asks_for_ticket=True),
    "done-again": replace(_DONE, ticket=SheetView.NONE, was_checked_in_before=True),
    "asking-help": replace(_BASE, step=Step.ASKING_HELP),
    "help": _HELP,
    "help-no-label": replace(_HELP, label="", ticket=SheetView.NONE),
    "help-no-paper": replace(_HELP, ticket=SheetView.NOT_NOW, is_card_in_reader=True, reason=Reason.CARD_MUTE),
    "desk": replace(_BASE, is_hub_there=False),
    "desk-card-in": replace(_BASE, step=Step.TAKE_CARD, is_card_in_reader=True, is_hub_there=False),
    "done-no-paper-no-hub": replace(_DONE, ticket=SheetView.NOT_NOW, wristband=SheetView.NOT_NOW, is_hub_there=False),
    "done-unknown-no-hub": replace(_DONE, ticket=SheetView.UNKNOWN, wristband=SheetView.UNKNOWN, is_hub_there=False),
    "help-no-hub": replace(_HELP, is_hub_there=False),
    "take-card": replace(_BASE, step=Step.TAKE_CARD, is_card_in_reader=True),
}
"""Every page that a patient can meet, by a name of its own."""

CODE_VIEWS = {
    "welcome-code": replace(_BASE, has_reader=False, is_reader_ready=False, can_show_code=True),
    "welcome-no-scanner": replace(_BASE, has_reader=False, is_reader_ready=False),
    "welcome-unknown": replace(_BASE, can_show_code=True, notice="code-unknown"),
    "birth-date-impossible": replace(
        _BASE, step=Step.BIRTH_DATE, notice="date-impossible", typed=TypedDate("31", "2", "1985")
    ),
    "birth-date-idle": replace(_BASE, step=Step.BIRTH_DATE, is_idle=True, clears_in_s=30),
    "done-card-wanted": replace(_DONE, is_card_wanted=True),
}
"""The same pages with other words."""


class ScriptedKiosk:
    """Implements ``kioskd.station.view.KioskSession``."""

    station = "entrance"

    def __init__(self, news: News, view: KioskView) -> None:
        self._news = news
        self._view = view
        self.inputs: list[str] = []
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.check_ins = 0
        self.sees: CameraPicture | None = None
        self.dates: list[TypedDate] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def view(self) -> KioskView:
        return self._view

    def show(self, view: KioskView) -> None:
        self._view = view
        self._news.publish(SessionChanged(AT, self.station, view.step.value))

    def change(self, **values: object) -> None:
        self.show(replace(self._view, **values))  # type: ignore[arg-type]

    def _takes(self, session_id: UUID, name: str) -> bool:
        self.inputs.append(name)
        self.heard.put_nowait(name)
        return session_id == self._view.session_id

    async def confirm(self, session_id: UUID) -> None:
        if self._takes(session_id, "confirm") and self._view.step is Step.CONFIRM:
            self.check_ins += 1
            self.change(step=Step.CHECKING_IN)
            await self.may_answer.wait()
            self.show(replace(_DONE, session_id=session_id, language=self._view.language))

    def look(self) -> CameraPicture | None:
        return self.sees

    async def give_birth_date(self, session_id: UUID, typed: TypedDate) -> None:
        if self._takes(session_id, "birth-date") and self._view.step is Step.BIRTH_DATE:
            self.dates.append(typed)
            if typed.year == "1958":
                self.show(replace(_PERSON, session_id=session_id, language=self._view.language))
            else:
                self.change(typed=typed, notice="date-differs")

    async def deny(self, session_id: UUID) -> None:
        if self._takes(session_id, "deny") and self._view.step is Step.CONFIRM:
            self.show(replace(_HELP, session_id=session_id, language=self._view.language))

    async def ask_for_help(self, session_id: UUID) -> None:
        if self._takes(session_id, "help"):
            self.show(replace(_HELP, session_id=session_id, language=self._view.language))

    async def need_more_time(self, session_id: UUID) -> None:
        if self._takes(session_id, "more-time"):
            self.change(is_idle=False, clears_in_s=20 if self._view.clears_in_s is not None else None)

    async def ticket_came(self, session_id: UUID) -> None:
        if self._takes(session_id, "ticket-came"):
            self.change(asks_for_ticket=False, ticket=SheetView.TAKE_IT)

    async def ticket_missing(self, session_id: UUID) -> None:
        if self._takes(session_id, "ticket-missing"):
            self.change(asks_for_ticket=False, ticket=SheetView.PRINTING)

    async def close(self, session_id: UUID) -> None:
        if self._takes(session_id, "close"):
            self.show(replace(_BASE, session_id=uuid4()))

    async def choose_language(self, language: str) -> None:
        self.inputs.append(f"language {language}")
        self.change(language=language)
