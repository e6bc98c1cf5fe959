"""The check-in session at one kiosk: steps, and one function per input. The page shows the step, nothing else.

::

    WELCOME ─card_seen─> READING ─identified─> CONFIRM ─confirmed─> CHECKING_IN ─checked_in─> DONE
       ^                    │                     │                     │                       │
       │                    └─────refused─────────┴──── refused ────────┴─> ASKING_HELP ─> HELP │
       └────────────── card out and the page cleared (restart) <────────────────────────────────┘

Without the hub nobody can be identified: the page sends people to the desk at once, WELCOME takes no card, and what is
in hand ends by ``gave_up``. ``is_hub_there`` goes from session to session.

CHECKING_IN and ASKING_HELP are written to the station's database as an intent before the hub is asked; the answer
ends them. An input that does not fit the present step changes nothing: a second tap, a late answer, a card
of the next patient while this one reads their number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from kioskd.core.appointment import Appointment
from kioskd.core.identity import Card, Identified, Reason
from kioskd.core.patient import Patient

IDLE_AFTER = timedelta(seconds=60)
"""Without an input the page asks "do you need more time?" (WCAG 2.2, 2.2.1)."""
IDLE_GRACE = timedelta(seconds=30)
"""How long it asks before it clears."""
ASKING_AT_MOST = timedelta(seconds=3)
"""Longest the page waits, whatever went wrong behind it (the hub itself has 2 s); then the patient goes to the desk."""
SHOWN_FOR = timedelta(seconds=20)
"""How long the last page of a session stays; the page counts down visibly and can be closed or kept earlier."""


class Step(StrEnum):
    """See the picture in the module's docstring."""

    WELCOME = "welcome"
    READING = "reading"
    CONFIRM = "confirm"
    CHECKING_IN = "checking-in"
    DONE = "done"
    ASKING_HELP = "asking-help"
    HELP = "help"
    TAKE_CARD = "take-card"


@dataclass(frozen=True, slots=True)
class Session:
    """One patient at one kiosk. ``id`` becomes the id of the check-in. Cleared whole at the end."""

    id: UUID
    step: Step
    touched_at: datetime
    arrived_at: datetime
    language: str
    card_in_reader: bool = False
    card: Card | None = None
    patient: Patient | None = None
    appointment: Appointment | None = None
    label: str = ""
    area: str = ""
    was_checked_in_before: bool = False
    called_to: str = ""
    reason: Reason | None = None
    notice: str = ""
    """A short hint on the welcome page: ``card-removed-early`` or empty."""
    is_hub_there: bool = True


def welcome(
    session_id: UUID, language: str, now: datetime, card_in_reader: bool = False, is_hub_there: bool = True
) -> Session:
    """A fresh session. With a card still in the reader the first thing to do is to take it out."""
    step = Step.TAKE_CARD if card_in_reader else Step.WELCOME
    return Session(session_id, step, now, now, language, card_in_reader, is_hub_there=is_hub_there)


def hub_left(s: Session) -> Session:
    """Nobody answers any more. What is in hand is answered, or given up, by itself."""
    return replace(s, is_hub_there=False, notice="")


def hub_returned(s: Session) -> Session:
    """The hub answers again."""
    return replace(s, is_hub_there=True)


def card_seen(s: Session, fresh_id: UUID, now: datetime) -> Session:
    """A card went in. On a page of somebody who has finished or left, it begins the next session.

    Without the hub it can only be taken out again.
    """
    if s.step in {Step.CHECKING_IN, Step.ASKING_HELP}:
        return replace(s, card_in_reader=True)
    step = Step.READING if s.is_hub_there else Step.TAKE_CARD
    if s.step is Step.WELCOME:
        return replace(s, step=step, card_in_reader=True, arrived_at=now, touched_at=now, notice="")
    fresh = welcome(fresh_id, s.language, now, is_hub_there=s.is_hub_there)
    return replace(fresh, step=step, card_in_reader=True)


def card_removed(s: Session, now: datetime) -> Session:
    """The reader is empty. Taking the card before it was read ends the attempt with a hint."""
    if s.step is Step.TAKE_CARD:
        return replace(s, step=Step.WELCOME, card_in_reader=False, touched_at=now)
    if s.step is Step.READING:
        return replace(s, step=Step.WELCOME, card_in_reader=False, touched_at=now, notice="card-removed-early")
    return replace(s, card_in_reader=False)


def identified(s: Session, card: Card, found: Identified, now: datetime) -> Session:
    """The card agrees with one patient: ask "is this you?"."""
    if s.step is not Step.READING:
        return s
    return replace(
        s,
        step=Step.CONFIRM,
        card=card,
        patient=found.patient,
        appointment=found.appointment,
        touched_at=now,
    )


def confirmed(s: Session, now: datetime) -> Session:
    """The patient said yes. Write the intent, then ask the hub."""
    return replace(s, step=Step.CHECKING_IN, touched_at=now) if s.step is Step.CONFIRM else s


def refused(s: Session, reason: Reason, now: datetime, patient: Patient | None = None) -> Session:
    """This can't be settled here: write the intent of a help ticket, then ask the hub.

    Also from CHECKING_IN: the hub refused for a reason of its own.
    """
    if s.step not in {Step.WELCOME, Step.READING, Step.CONFIRM, Step.CHECKING_IN, Step.TAKE_CARD}:
        return s
    # Who asks without a card came now: the welcome page may have waited for hours.
    arrived_at = now if s.step in {Step.WELCOME, Step.TAKE_CARD} else s.arrived_at
    return replace(
        s,
        step=Step.ASKING_HELP,
        reason=reason,
        patient=patient or s.patient,
        arrived_at=arrived_at,
        touched_at=now,
    )


def checked_in(s: Session, label: str, area: str, before: bool, now: datetime, called_to: str = "") -> Session:
    """The hub committed the check-in. ``called_to``: it did so earlier, and the number is being called to that room."""
    if s.step is not Step.CHECKING_IN:
        return s
    done = replace(s, step=Step.DONE, label=label, area=area, touched_at=now)
    return replace(done, was_checked_in_before=before, called_to=called_to)


def help_issued(s: Session, label: str, now: datetime) -> Session:
    """The hub committed the help ticket. An empty label: the hub could not be asked, the desk is still there."""
    if s.step is not Step.ASKING_HELP:
        return s
    return replace(s, step=Step.HELP, label=label, touched_at=now)


def touched(s: Session, now: datetime) -> Session:
    """The patient did something, or asked for more time."""
    return replace(s, touched_at=now)


def language_chosen(s: Session, language: str, now: datetime) -> Session:
    """The page changes its language and keeps everything else."""
    return replace(s, language=language, touched_at=now)


def is_idle(s: Session, now: datetime) -> bool:
    """Whether to ask "do you need more time?"."""
    return s.step is Step.CONFIRM and now - s.touched_at >= IDLE_AFTER


def gives_up_at(s: Session) -> datetime | None:
    """When a page that waits for the hub stops waiting, or None when it does not wait for it."""
    return s.touched_at + ASKING_AT_MOST if s.step in {Step.CHECKING_IN, Step.ASKING_HELP} else None


def gave_up(s: Session, now: datetime) -> Session:
    """No answer, so no number: the patient goes to the desk, and what was asked is asked again behind their back."""
    if s.step not in {Step.CHECKING_IN, Step.ASKING_HELP}:
        return s
    return replace(s, step=Step.HELP, label="", reason=Reason.HUB_UNREACHABLE, touched_at=now)


def clears_at(s: Session) -> datetime | None:
    """When the page clears by itself, or None when it waits for something."""
    match s.step:
        case Step.CONFIRM:
            return s.touched_at + IDLE_AFTER + IDLE_GRACE
        case Step.DONE | Step.HELP:
            return s.touched_at + SHOWN_FOR
        case _:
            return None


def language_returns_at(s: Session, default: str) -> datetime | None:
    """When a welcome page that somebody left in another language goes back to the site's first one."""
    return s.touched_at + IDLE_AFTER if s.step is Step.WELCOME and s.language != default else None


def restart(s: Session, fresh_id: UUID, language: str, now: datetime) -> Session:
    """Clear everything of this patient; with the card still in the reader, ask for it to be taken."""
    if s.step in {Step.CHECKING_IN, Step.ASKING_HELP}:
        return s
    return welcome(fresh_id, language, now, s.card_in_reader, s.is_hub_there)
